"""Errors that nobody foresaw, and signs of life, go to a Sentry-compatible server when SENTRY_DSN is set; else nowhere.

This is all that the rest of the code sees of it. Nothing of Sentry is imported without a DSN, and nothing here blocks or
raises. What customers are refused (any NamaskahError below 500) is an answer, and no error.
"""

import asyncio
import contextlib
import time
from typing import Final, Protocol

from namaskah.core.errors import NamaskahError

Tag = str | int | float | bool | None
# So many a minute and place: a database that is away would otherwise report every single request.
_SAME_IN_A_MINUTE: Final = 5
_ALL_IN_A_MINUTE: Final = 60
# Loops take many steps a second; their monitors want to hear from them once a minute.
CHECK_IN_SECONDS: Final = 60.0


class Client(Protocol):
    """What sends it."""

    def report(self, error: BaseException, tags: dict[str, Tag]) -> None: ...
    def check_in(self, name: str, *, ok: bool, every_seconds: float, seconds: float | None) -> None: ...
    def close(self) -> None: ...


class _Bound:
    """How many reports were let through in this minute, in all and by place."""

    def __init__(self) -> None:
        self._minute = 0
        self._all = 0
        self._by_place: dict[str, int] = {}

    def lets_through(self, place: str) -> bool:
        minute = int(time.monotonic() // 60)
        if minute != self._minute:
            self._minute, self._all, self._by_place = minute, 0, {}
        self._all += 1
        same = self._by_place[place] = self._by_place.get(place, 0) + 1
        return self._all <= _ALL_IN_A_MINUTE and same <= _SAME_IN_A_MINUTE


_client: Client | None = None
_bound = _Bound()
_checked_in: dict[tuple[str, bool], float] = {}


def configure(client: Client | None) -> None:
    """Begins to report in this process; None ends it."""
    global _client, _bound
    _client, _bound = client, _Bound()
    _checked_in.clear()


def close() -> None:
    """Sends what waits, for two seconds at the most."""
    client = _client
    configure(None)
    if client is not None:
        client.close()


def is_expected(error: BaseException) -> bool:
    """Whether it is an answer to a customer, or an end that was asked for, and says nothing about us."""
    if isinstance(error, NamaskahError):
        return error.status < 500
    return isinstance(error, (asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit))


def report(error: BaseException, **tags: Tag) -> None:
    """Reports an error with tags such as surface, method, route, request_id, job. Of the error itself only its class,
    where it happened and an SQLSTATE are sent: its text may quote what a customer wrote."""
    if _client is None or is_expected(error):
        return
    if _bound.lets_through(_place_of(error)):
        # Whatever the library meets, the one who failed first has trouble enough.
        with contextlib.suppress(Exception):
            _client.report(error, tags)


def check_in(name: str, *, ok: bool, every_seconds: float = CHECK_IN_SECONDS, seconds: float | None = None) -> None:
    """A sign of life of a loop or a recurring job, sent once a minute however often it is given; trouble is told at once,
    and once a minute too. `every_seconds` is how often the work is meant to be done, `seconds` how long it took."""
    if _client is None:
        return
    now = time.monotonic()
    if now - _checked_in.get((name, ok), -CHECK_IN_SECONDS) < CHECK_IN_SECONDS:
        return
    _checked_in[name, ok] = now
    with contextlib.suppress(Exception):
        _client.check_in(name, ok=ok, every_seconds=every_seconds, seconds=seconds)


def _place_of(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = "" if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
    return f"{type(error).__name__} {where}"

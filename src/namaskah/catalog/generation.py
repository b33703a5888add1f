"""The number of the catalogue's last change, as this process knows it: every change tells its number to all of them.

While the database's signals are not heard, the number is asked for once a second, and otherwise once a minute.
"""

import asyncio
import math
from collections.abc import Callable
from time import monotonic
from typing import Final

import asyncpg
import structlog

from namaskah.core.cache import RETRY_SECONDS, UNHEARD_SECONDS, WAIT_SECONDS
from namaskah.core.db import Database, DatabaseGone
from namaskah.core.signals import Signals

# Signals make this needless; it bounds the harm should one ever get lost.
HEARD_SECONDS: Final = 60.0
READ: Final = "SELECT value::bigint FROM schema_state WHERE name = 'catalogue_generation'"
_log = structlog.get_logger()


class Generation:
    """Make it before the signals are started. `changed` is called whenever the number has changed."""

    def __init__(self, db: Database, signals: Signals, changed: Callable[[], None]) -> None:
        self._db = db
        self._signals = signals
        self._changed = changed
        # 0 until it was learnt.
        self._number = 0
        self._asked_at = 0.0
        self._retry_at = 0.0
        self._heard_of = 0
        # How often an answer that may have been on its way already was not good enough.
        self._outdated = 0
        self._asking: asyncio.Task[None] | None = None

    def number(self) -> int:
        """The last one that is known."""
        return self._number

    def is_sure(self) -> bool:
        """Whether it can be taken for the database's."""
        limit = HEARD_SECONDS if self._signals.healthy else UNHEARD_SECONDS
        return self._number != 0 and monotonic() - self._asked_at < limit

    async def make_sure(self) -> None:
        """Asks the database when too much time has passed. One that does not answer is waited for a second, once.

        Raises DatabaseGone when the number was never learnt.
        """
        if self.is_sure() or (self._number and monotonic() < self._retry_at):
            return
        asking = self.ask()
        if not self._number:
            await asyncio.shield(asking)
        else:
            await asyncio.wait([asking], timeout=WAIT_SECONDS)
            if not self.is_sure():
                self._retry_at = monotonic() + RETRY_SECONDS
        if not self._number:
            raise DatabaseGone("The catalogue could not be read.", retry_after=2)

    def hear(self, payload: str) -> None:
        """A change's number, as it is signalled. Anything else is of a release that did not tell numbers."""
        self._heard_of += 1
        if not payload.isascii() or not payload.isdecimal():
            self.ask_anew()
        elif int(payload) > self._number:
            self._set(int(payload))

    def ask(self) -> "asyncio.Task[None]":
        """Begins to ask the database, or joins whoever does."""
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
        return self._asking

    def ask_anew(self) -> "asyncio.Task[None]":
        """The number is not sure any more, nor is an answer that is on its way already: then it is asked for once more."""
        self._outdated += 1
        self._asked_at = -math.inf
        return self.ask()

    async def stop(self) -> None:
        """Ends a question that is under way."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    async def _ask(self) -> None:
        try:
            while True:
                asked_at, heard_of, outdated = monotonic(), self._heard_of, self._outdated
                found: int | None = await self._db.fetchval(READ)
                if outdated == self._outdated:
                    break
        except (DatabaseGone, asyncpg.PostgresError) as error:
            self._retry_at = monotonic() + RETRY_SECONDS
            _log.warning("catalogue_generation_unknown", error=type(error).__name__)
            return
        finally:
            self._asking = None
        # What was signalled meanwhile may be newer than the answer. Otherwise the database is right, also when its number
        # is lower: then it is a restored one.
        number = max(found or 1, self._number) if heard_of != self._heard_of else found or 1
        self._asked_at = asked_at
        if number != self._number:
            self._set(number)

    def _set(self, number: int) -> None:
        self._number = number
        self._asked_at = monotonic()
        self._changed()

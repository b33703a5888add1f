"""What is noted of every request: its id, its route, how long it took and how much of that was the database's.

A plain ASGI wrapper around the whole application. It gives the request its record, adds the headers that every answer
carries, counts it, and logs it when it was slow. What waits by intent (a long-poll) is no processing time.
"""

import itertools
import os
import re
from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from time import perf_counter
from typing import Any, Final

import structlog

from namaskah.core import metrics, tracing

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

REQUEST_ID_PATTERN: Final = "^[A-Za-z0-9_-]{1,64}$"
_REQUEST_ID: Final = re.compile(REQUEST_ID_PATTERN.encode())
# Unique without asking the system for random bytes at every request: a process has its own beginning, and counts.
_PROCESS: Final = os.urandom(7).hex().encode()
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# What nginx calls a request whose client went away before it was answered.
_CLIENT_GONE: Final = "499"
_count = itertools.count()
_log = structlog.get_logger()


def new_request_id() -> bytes:
    """An id for a request that brought none."""
    return b"req_%s%08x" % (_PROCESS, next(_count) & 0xFFFFFFFF)


class RequestRecord:
    """One request as it is measured. The surface that answers it fills in `surface` and `route` (a template, never a path).

    `waited` are seconds that do not count as processing. `cache` is "", "hit" or "miss".
    """

    __slots__ = (
        "cache",
        "db_seconds",
        "db_statements",
        "headers",
        "method",
        "request_id",
        "route",
        "started",
        "status",
        "surface",
        "waited",
    )

    def __init__(self, scope: Scope) -> None:
        self.started = perf_counter()
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        given = self.headers.get(b"x-request-id")
        self.request_id = given if given is not None and _REQUEST_ID.fullmatch(given) else new_request_id()
        method: str = scope["method"]
        self.method = method if method in _METHODS else "OTHER"
        self.surface = "none"
        self.route = "unknown"
        self.status = 0
        self.waited = 0.0
        self.db_seconds = 0.0
        self.db_statements = 0
        self.cache = ""

    def seconds(self) -> float:
        """The processing time so far."""
        return perf_counter() - self.started - self.waited


current_request: ContextVar[RequestRecord | None] = ContextVar("current_request", default=None)


def request_of(scope: Scope) -> RequestRecord:
    """The record of the request that is being answered; a surface that runs on its own, as in tests, begins one."""
    record = current_request.get()
    return RequestRecord(scope) if record is None else record


class Observed:
    """The application with its measurements around it. `slow_seconds`: from when on a request is logged."""

    def __init__(self, app: App, *, slow_seconds: float = 1.0) -> None:
        self._app = app
        self._slow_seconds = slow_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        record = RequestRecord(scope)
        before = current_request.set(record)

        async def observed(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                self._begin_answer(record, message)
            await send(message)

        metrics.HTTP_IN_PROGRESS.inc()
        try:
            opened = tracing.begin_request(scope["path"], record.headers)
            if opened is None:
                await self._app(scope, receive, observed)
            else:
                await self._traced(opened, record, scope, receive, observed)
        finally:
            metrics.HTTP_IN_PROGRESS.dec()
            current_request.reset(before)
            if not record.status:
                metrics.HTTP_REQUESTS.labels(record.surface, record.method, record.route, _CLIENT_GONE).inc()

    async def _traced(self, opened: tracing.OpenSpan, record: RequestRecord, scope: Scope, receive: Receive, send: Send) -> None:
        with opened as span:
            try:
                await self._app(scope, receive, send)
            finally:
                tracing.end_request(
                    span, surface=record.surface, method=record.method, route=record.route, status=record.status,
                    request_id=record.request_id.decode(),
                )  # fmt: skip

    def _begin_answer(self, record: RequestRecord, message: MutableMapping[str, Any]) -> None:
        """The head of an answer: bodies are sent at once, and a stream's life is no processing time."""
        seconds = record.seconds()
        record.status = message["status"]
        message["headers"] = [
            *message.get("headers", ()),
            (b"x-request-id", record.request_id),
            (b"x-process-time", b"%.6f" % seconds),
            (b"server-timing", server_timing(record, seconds)),
            (b"x-content-type-options", b"nosniff"),
        ]
        count_request(record, seconds)
        if seconds > self._slow_seconds:
            _log.warning(
                "slow_request",
                request_id=record.request_id.decode(),
                surface=record.surface,
                method=record.method,
                route=record.route,
                status=record.status,
                seconds=round(seconds, 3),
                db_seconds=round(record.db_seconds, 3),
                db_statements=record.db_statements,
            )


# The children of a metric that were found once; their number is bounded as the labels are.
_found: dict[tuple[str, str, str, int], tuple[Any, Any]] = {}


def count_request(record: RequestRecord, seconds: float) -> None:
    """Adds an answered request to the metrics."""
    key = (record.surface, record.method, record.route, record.status)
    children = _found.get(key)
    if children is None:
        surface, method, route, status = key
        counter = metrics.HTTP_REQUESTS.labels(surface, method, route, str(status))
        children = _found[key] = (counter, metrics.HTTP_SECONDS.labels(surface, method, route))
    children[0].inc()
    children[1].observe(seconds)


def server_timing(record: RequestRecord, seconds: float) -> bytes:
    """The Server-Timing header (W3C): milliseconds of the whole, and of the database in it."""
    value = b"app;dur=%.3f" % (seconds * 1000)
    if record.db_statements:
        value += b', db;dur=%.3f;desc="%d"' % (record.db_seconds * 1000, record.db_statements)
    return value + b", cache;desc=" + record.cache.encode() if record.cache else value

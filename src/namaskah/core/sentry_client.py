"""Sentry's own library, set up so that nothing private leaves: imported only when SENTRY_DSN is set.

Requests that are not traced never touch it. A traced one costs a millisecond of processor time and a request of its own
to the server, so at most TRACES_A_SECOND go out of each process, whatever the sample rate is.
"""

import contextlib
import logging
import re
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Final

import asyncpg
import sentry_sdk
from sentry_sdk.integrations.asyncpg import AsyncPGIntegration
from sentry_sdk.integrations.dedupe import DedupeIntegration
from sentry_sdk.integrations.excepthook import ExcepthookIntegration
from sentry_sdk.integrations.fastapi import FastApiIntegration
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.integrations.starlette import StarletteIntegration
from sentry_sdk.tracing import Transaction, TransactionSource
from starlette.applications import Starlette

from namaskah import __version__
from namaskah.core.error_reports import Tag
from namaskah.core.observed import current_request
from namaskah.core.scrub import scrub
from namaskah.core.settings import Settings
from namaskah.core.statements import statement_name
from namaskah.core.tracing import Span, current_span, whole_route

TRACES_A_SECOND: Final = 5.0
CLOSE_SECONDS: Final = 2.0
_OPERATIONS: Final = {
    "server": "http.server", "client": "http.client", "consumer": "queue.process", "producer": "queue.publish",
    "internal": "function",
}  # fmt: skip
# Hexadecimal ids and times look like phone numbers; they are made by the library and hold nothing private.
_KEPT: Final = frozenset(
    {
        "event_id",
        "trace_id",
        "span_id",
        "parent_span_id",
        "timestamp",
        "start_timestamp",
        "check_in_id",
        "release",
        "sdk",
        "modules",
    }
    | {"lineno", "level", "type", "context_line", "pre_context", "post_context", "filename", "abs_path", "module", "function"}
    | {"request_id", "namaskah.request_id", "server_name", "thread.id"}
)
_SQLSTATE: Final = re.compile(r"[0-9A-Z]{5}")


def start_sentry(settings: Settings, *, role: str) -> None:
    """Sets up the library for this process, once."""
    dsn = settings.sentry_dsn
    plain = [(owner, name, getattr(owner, name)) for owner, name in _WATCHED]
    around = Starlette.__call__
    # A Sentry that is away would be told of at each attempt, several times a second.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    sentry_sdk.init(
        dsn=dsn.get_secret_value() if dsn is not None else None,
        environment=settings.environment,
        release=settings.release or __version__,
        traces_sampler=_only_ours,
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[
            StarletteIntegration(transaction_style="endpoint", failed_request_status_codes=set()),
            FastApiIntegration(transaction_style="endpoint", failed_request_status_codes=set()),
            AsyncPGIntegration(record_params=False),
            LoggingIntegration(level=None, event_level="ERROR", sentry_logs_level=None),  # type: ignore[arg-type]
            ExcepthookIntegration(),
            DedupeIntegration(),
        ],
        before_send=_without_what_is_private,
        before_send_transaction=_shortened,
        before_breadcrumb=_no_breadcrumb,
        # Every category by name: a dictionary that leaves one out switches that one on.
        data_collection=_NOTHING,
        include_local_variables=False,
        max_request_body_size="never",
        send_client_reports=False,
        auto_session_tracking=False,
        enable_backpressure_handling=False,
        trace_propagation_targets=[],
        keep_alive=True,
        shutdown_timeout=CLOSE_SECONDS,
    )
    sentry_sdk.get_global_scope().set_tag("role", role)
    for owner, name, original in plain:
        setattr(owner, name, _only_when_traced(original, getattr(owner, name)))
    # The framework's integration would put a second request around each that FastAPI answers; ours stands around all.
    Starlette.__call__ = around  # type: ignore[method-assign]


_NOTHING: Final[Any] = {
    "user_info": False, "cookies": {"mode": "off"}, "http_headers": {"request": {"mode": "off"}}, "http_bodies": [],
    "url_query_params": {"mode": "off"}, "graphql": {"document": False, "variables": False},
    "gen_ai": {"inputs": False, "outputs": False}, "database_query_data": False, "queues": False,
    "stack_frame_variables": False, "frame_context_lines": 5,
}  # fmt: skip
# What the asyncpg integration takes over.
_WATCHED: Final[tuple[tuple[Any, str], ...]] = tuple(
    (asyncpg.Connection, name) for name in ("execute", "_execute", "_executemany", "prepare")
)


def _only_when_traced(plain: Callable[..., Any], watched: Callable[..., Any]) -> Callable[..., Any]:
    """The integration costs each statement 40 us also where no trace is open; so it is only asked where one is."""

    def chosen(*args: Any, **kwargs: Any) -> Any:
        span = current_span.get()
        return (plain if span is None or not _is_sent(span) else watched)(*args, **kwargs)

    return chosen


def _is_sent(span: Span) -> bool:
    return any(isinstance(live, _Live) for live in span.live or ())


def _only_ours(_context: dict[str, Any]) -> float:
    """What is traced was decided before (core/tracing.py); the integrations begin nothing by themselves."""
    return 0.0


class _Live:
    """What is open at Sentry for a span."""

    __slots__ = ("span", "stack")

    def __init__(self, span: Any, stack: ExitStack) -> None:
        self.span = span
        self.stack = stack


class SentrySink:
    """Traced requests and jobs become transactions, with the statements and provider calls inside them."""

    def __init__(self, settings: Settings) -> None:
        self._rate = settings.traces_sample_rate
        self._room = TRACES_A_SECOND
        self._counted_at = time.monotonic()

    def begun(self, span: Span, parent: Span | None) -> _Live | None:
        """Opens a transaction, or a span inside the open one."""
        try:
            if parent is not None:
                return self._inside(span) if _is_sent(parent) else None
            return self._transaction(span) if self._has_room() else None
        except Exception:  # a report that fails must not become the customer's failure
            return None

    def ended(self, span: Span, ended_ns: int, live: Any) -> None:
        """Closes it; statements told afterwards were seen by the asyncpg integration already."""
        if not isinstance(live, _Live):
            return
        with contextlib.suppress(Exception), live.stack:
            for name, value in span.attributes.items():
                live.span.set_data(name, value)
            live.span.set_status("internal_error" if span.failed else "ok")
            if isinstance(live.span, Transaction):
                self._describe(live.span, span, ended_ns)

    def _describe(self, transaction: Any, span: Span, ended_ns: int) -> None:
        transaction.name = span.name
        route = span.attributes.get("http.route")
        if route is not None:
            transaction.set_tag("endpoint", route)
            transaction.set_tag("method", span.attributes["http.request.method"])
            transaction.set_tag("surface", span.attributes["namaskah.surface"])
            transaction.set_tag("request_id", span.attributes["namaskah.request_id"])
            transaction.set_data(_RESPONSE_TIME, (ended_ns - span.started_ns) / 1e6)

    def _transaction(self, span: Span) -> _Live:
        with ExitStack() as stack:
            stack.enter_context(sentry_sdk.isolation_scope())
            transaction = Transaction(
                name=span.name,
                op=_OPERATIONS[span.kind],
                source=TransactionSource.ROUTE,
                trace_id=f"{span.trace_id:032x}",
                span_id=f"{span.span_id:016x}",
                parent_span_id=None if span.parent_id is None else f"{span.parent_id:016x}",
                sampled=True,
                origin="manual",
            )
            stack.enter_context(sentry_sdk.start_transaction(transaction))
            # What the server multiplies by, to tell how many there were.
            transaction.sample_rate = self._rate or 1.0
            return _Live(transaction, stack.pop_all())

    def _inside(self, span: Span) -> _Live:
        with ExitStack() as stack:
            opened = sentry_sdk.start_span(op=_OPERATIONS[span.kind], name=span.name, span_id=f"{span.span_id:016x}")
            stack.enter_context(opened)
            return _Live(opened, stack.pop_all())

    def _has_room(self) -> bool:
        now = time.monotonic()
        self._room = min(TRACES_A_SECOND, self._room + (now - self._counted_at) * TRACES_A_SECOND)
        self._counted_at = now
        if self._room < 1:
            return False
        self._room -= 1
        return True

    def close(self) -> None:
        """The client of the error reports sends what is left."""


class SentryClient:
    """Sends errors and signs of life."""

    def report(self, error: BaseException, tags: dict[str, Tag]) -> None:
        """Puts it into the library's queue."""
        with sentry_sdk.new_scope() as scope:
            span = current_span.get()
            if span is not None:
                scope.set_context("trace", {"trace_id": f"{span.trace_id:032x}", "span_id": f"{span.span_id:016x}"})
            for name, value in {**_tags_of_request(), **tags}.items():
                if value is not None and value != "":
                    scope.set_tag(name, value)
            scope.capture_exception(error)

    def check_in(self, name: str, *, ok: bool, every_seconds: float, seconds: float | None) -> None:
        """A check-in of the monitor `name`, which the first one makes."""
        minutes = max(1, round(every_seconds / 60))
        sentry_sdk.crons.capture_checkin(
            monitor_slug="namaskah-" + name.strip("_").replace("_", "-"),
            status="ok" if ok else "error",
            duration=seconds,
            monitor_config={
                "schedule": {"type": "interval", "value": minutes, "unit": "minute"},
                "checkin_margin": max(2, minutes // 4),
                "max_runtime": max(10, minutes),
                "failure_issue_threshold": 2,
                "recovery_threshold": 1,
            },
        )

    def close(self) -> None:
        """Sends what waits, for two seconds at the most."""
        sentry_sdk.get_client().close(timeout=CLOSE_SECONDS)


def _tags_of_request() -> dict[str, Tag]:
    record = current_request.get()
    if record is None:
        return {}
    return {
        "surface": record.surface,
        "method": record.method,
        "endpoint": whole_route(record.surface, record.route),
        "request_id": record.request_id.decode(),
    }


_RESPONSE_TIME: Final = "response_time"


def _without_what_is_private(event: Any, _hint: Any) -> Any:
    """Of exceptions their texts go, of the request everything: route, method and id are tags."""
    for name in ("request", "user", "extra", "breadcrumbs"):
        event.pop(name, None)
    for one in (event.get("exception") or {}).get("values") or ():
        one["value"] = ""
        for frame in (one.get("stacktrace") or {}).get("frames") or ():
            frame.pop("vars", None)
    entry = event.get("logentry")
    if entry:
        # Its pattern stands in the code; what was put into it does not. asyncio puts an error's repr in itself, on the lines
        # after the first.
        event["logentry"] = {"message": str(entry.get("message", "")).partition("\n")[0], "params": []}
    _name_sqlstate(event, _hint)
    return scrub(event, kept=_KEPT)


def _name_sqlstate(event: Any, hint: Any) -> None:
    error = (hint.get("exc_info") or (None, None, None))[1]
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str) and _SQLSTATE.fullmatch(state):
        event.setdefault("tags", {})["sqlstate"] = state


def _shortened(event: Any, _hint: Any) -> Any:
    """Statements by their names, the response time as a measurement, and nothing of the request but its route."""
    for name in ("request", "user", "extra", "breadcrumbs"):
        event.pop(name, None)
    trace = (event.get("contexts") or {}).get("trace") or {}
    taken = (trace.get("data") or {}).pop(_RESPONSE_TIME, None)
    if taken is not None:
        event["measurements"] = {_RESPONSE_TIME: {"value": taken, "unit": "millisecond"}}
    for span in event.get("spans") or ():
        if str(span.get("op", "")).startswith("db"):
            span["description"] = statement_name(str(span.get("description") or ""))
            span["data"] = {key: value for key, value in (span.get("data") or {}).items() if key in _DATABASE}
    return scrub(event, kept=_KEPT)


_DATABASE: Final = frozenset({"db.system", "db.name", "db.operation"})


def _no_breadcrumb(_crumb: Any, _hint: Any) -> None:
    """None are kept: their texts are statements, addresses and log lines, and the log itself tells the way to an error."""

"""Traces: whether a request is traced is decided before anything is made, so that one that is not costs a look-up.

`current_span` is the innermost open span, None almost always: every hook begins by asking that. Where spans go is the
business of `core/otlp.py` and `core/sentry_client.py`, which are only imported when their settings are there.
"""

import contextlib
import hmac
import random
import re
import time
from collections.abc import Iterator, Mapping
from contextvars import ContextVar, Token
from typing import Any, Final, Literal, Protocol

from namaskah.core.settings import Settings

Kind = Literal["server", "client", "consumer", "producer", "internal"]
Attributes = dict[str, str | int | float | bool]

_TRACEPARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
# Open for hours: such a trace would never be seen. Each push has a span in the trace of what caused it instead.
_STREAMS: Final = frozenset({"/api/v2/events"})
# Asked by machines every few seconds; and what a browser keeps for ever.
_MACHINES: Final = frozenset({"/health", "/livez", "/readyz", "/metrics"})
_STATIC: Final = "/assets/"
DEBUG_HEADER: Final = b"x-namaskah-debug"


class Span:
    """Something that takes time. Times are nanoseconds since the epoch; ids are numbers, as OpenTelemetry has them."""

    __slots__ = ("attributes", "failed", "kind", "live", "name", "parent_id", "span_id", "started_ns", "trace_id")

    def __init__(self, name: str, kind: Kind, trace_id: int, parent_id: int | None, attributes: Attributes) -> None:
        self.name = name
        self.kind = kind
        self.trace_id = trace_id
        self.span_id = random.getrandbits(64) or 1
        self.parent_id = parent_id
        self.attributes = attributes
        # The name of an exception's class, or a status; never a text.
        self.failed: str | None = None
        self.started_ns = time.time_ns()
        # What the sinks keep beside it while it is open, in their order; None before and after. A task that was begun on the
        # way keeps the span as its current one, and may go on for long.
        self.live: list[Any] | None = None

    @property
    def traceparent(self) -> str:
        """The W3C header that says to the next one: you are part of this, and it is being kept."""
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-01"


class Sink(Protocol):
    """Somewhere spans go. Nothing here may block, and nothing may raise."""

    def begun(self, span: Span, parent: Span | None) -> Any:
        """A span was opened in this task; the answer is handed back at its end."""

    def ended(self, span: Span, ended_ns: int, live: Any) -> None:
        """It is over; `live` is None for one that was only told of afterwards."""

    def close(self) -> None:
        """Sends what is left, for two seconds at the most."""


class _Tracer:
    """What this process was told by its settings."""

    def __init__(self, settings: Settings, sinks: tuple[Sink, ...]) -> None:
        self.sinks = sinks
        self.rate = settings.traces_sample_rate
        token = settings.trace_debug_token
        self.debug_token = token.get_secret_value().encode() if token is not None else b""

    def wants(self, path: str, headers: Mapping[bytes, bytes]) -> bool:
        """Whether a request is traced. The caller's own wish to be sampled does not count: it would cost us, not him."""
        if path in _STREAMS:
            return False
        drawn = random.random() < self.rate and path not in _MACHINES and not path.startswith(_STATIC)
        return drawn or self.is_debugged(headers)

    def is_debugged(self, headers: Mapping[bytes, bytes]) -> bool:
        """Whether an operator asks for this very request to be kept."""
        given = headers.get(DEBUG_HEADER)
        return given is not None and bool(self.debug_token) and hmac.compare_digest(given, self.debug_token)


current_span: ContextVar[Span | None] = ContextVar("current_span", default=None)
_tracer: _Tracer | None = None
_NOTHING: Final = contextlib.nullcontext()


def configure(settings: Settings, sinks: tuple[Sink, ...]) -> None:
    """Begins to trace in this process; without sinks nothing is traced."""
    global _tracer
    _tracer = _Tracer(settings, sinks) if sinks else None


def close() -> None:
    """Ends tracing and sends what is left, for a bounded time."""
    global _tracer
    tracer, _tracer = _tracer, None
    if tracer is not None:
        for sink in tracer.sinks:
            sink.close()


def is_on() -> bool:
    """Whether anything is traced in this process."""
    return _tracer is not None


def begin_request(path: str, headers: Mapping[bytes, bytes]) -> "OpenSpan | None":
    """Decides whether this request is traced, and begins its trace, or goes on with its caller's. None: it is not."""
    tracer = _tracer
    if tracer is None or not tracer.wants(path, headers):
        return None
    given = headers.get(b"traceparent")
    trace_id, parent_id, _ = parse(given.decode("latin-1")) if given is not None else (None, None, False)
    span = Span("HTTP", "server", trace_id or new_trace_id(), parent_id, {})
    return OpenSpan(tracer, span, None)


@contextlib.contextmanager
def inside(name: str, kind: Kind, attributes: Attributes) -> Iterator[Span | None]:
    """A part of what is being traced; nothing when nothing is."""
    tracer, parent = _tracer, current_span.get()
    if tracer is None or parent is None:
        yield None
        return
    with OpenSpan(tracer, Span(name, kind, parent.trace_id, parent.span_id, attributes), parent) as span:
        yield span


def begin_job(kind: str, traceparent: str | None) -> contextlib.AbstractContextManager[Span | None]:
    """The trace of a job: that of the request which wrote it, or one of its own, drawn like a request's."""
    tracer = _tracer
    if tracer is None:
        return _NOTHING
    trace_id, parent_id, kept = parse(traceparent) if traceparent is not None else (None, None, False)
    if not kept and random.random() >= tracer.rate:
        return _NOTHING
    attributes: Attributes = {"messaging.operation.name": "process", "messaging.destination.name": kind}
    return OpenSpan(tracer, Span(f"job {kind}", "consumer", trace_id or new_trace_id(), parent_id, attributes), None)


def tell_statement(parent: Span, name: str, seconds: float, failed: str | None) -> None:
    """A statement that has just ended, inside of `parent`. Only its name is told, never its arguments."""
    if parent.live is None:
        return
    _tell(name, "client", parent.trace_id, parent.span_id, seconds, failed,
          {"db.system.name": "postgresql", "db.operation.name": name})  # fmt: skip


def tell_push(traceparent: str, event_type: str, seconds: float) -> None:
    """An event was written to an open stream, `seconds` after it happened, in the trace of the request that caused it."""
    trace_id, parent_id, kept = parse(traceparent)
    if kept and trace_id is not None:
        _tell(f"push {event_type}", "producer", trace_id, parent_id, seconds, None,
              {"messaging.operation.name": "send", "messaging.destination.name": "events", "namaskah.event": event_type},
        )  # fmt: skip


def _tell(
    name: str, kind: Kind, trace_id: int, parent_id: int | None, seconds: float, failed: str | None, attributes: Attributes
) -> None:
    tracer = _tracer
    if tracer is None:
        return
    span = Span(name, kind, trace_id, parent_id, attributes)
    ended_ns = span.started_ns
    span.started_ns -= int(seconds * 1e9)
    span.failed = failed
    for sink in tracer.sinks:
        sink.ended(span, ended_ns, None)


class OpenSpan:
    """A span that is open in this task: `current_span` between enter and exit, which belong into one task."""

    __slots__ = ("_before", "_parent", "_tracer", "span")

    def __init__(self, tracer: _Tracer, span: Span, parent: Span | None) -> None:
        self._tracer = tracer
        self._parent = parent
        self.span = span

    def __enter__(self) -> Span:
        self._before: Token[Span | None] = current_span.set(self.span)
        self.span.live = [sink.begun(self.span, self._parent) for sink in self._tracer.sinks]
        return self.span

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if error is not None and self.span.failed is None:
            self.span.failed = type(error).__name__
        ended_ns = time.time_ns()
        open_there, self.span.live = self.span.live, None
        for sink, live in zip(self._tracer.sinks, open_there or (), strict=True):
            sink.ended(self.span, ended_ns, live)
        current_span.reset(self._before)


def end_request(span: Span, *, surface: str, method: str, route: str, status: int, request_id: str) -> None:
    """Says what the request was. `route` is a template, never an address; call it before the span is closed."""
    route = whole_route(surface, route)
    span.name = f"{method} {route}"
    span.attributes |= {
        "http.request.method": method,
        "http.route": route,
        "http.response.status_code": status,
        "namaskah.surface": surface,
        "namaskah.request_id": request_id,
    }
    if status >= 500:
        span.failed = str(status)


def whole_route(surface: str, route: str) -> str:
    """The template with what stands before it, so that a page and an operation have different names."""
    return "/api/v2" + route if surface == "api" and route.startswith("/") else route


def mark_failed(error: BaseException) -> None:
    """The open span has failed, although nothing is raised any more; only the error's class is told."""
    span = current_span.get()
    if span is not None:
        span.failed = type(error).__name__


def outgoing_headers() -> dict[str, str]:
    """The headers that hand the trace on to whom we ask; none when nothing is traced."""
    span = current_span.get()
    return {} if span is None else {"traceparent": span.traceparent}


# The functions that append events or jobs, which remember who caused them. Their first argument is a text.
CARRIERS: Final = ("start_own", "request", "assign", "fail", "receive", "cancel", "finish")
_CARRIER: Final = re.compile(rf"\bFROM verification_(?:{'|'.join(CARRIERS)})\(\$1\b")
_carried: dict[str, str] = {}


def carried(span: Span, query: str, arguments: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    """The same statement, which tells the database on the way what it belongs to: `events` and `jobs` have a column whose
    default is that setting. It is set while the first argument is being worked out, for this statement's own transaction
    alone: no further round trip, and nothing is left on the connection."""
    if span.live is None:
        return query, arguments
    text = _carried.get(query)
    if text is None:
        given = f"CASE WHEN set_config('namaskah.traceparent', ${len(arguments) + 1}, true) IS NULL THEN NULL ELSE $1 END"
        text = _CARRIER.sub(lambda found: found[0][:-2] + given, query)
        if len(_carried) < 200:
            _carried[query] = text
    return (query, arguments) if text == query else (text, (*arguments, span.traceparent))


def new_trace_id() -> int:
    """128 random bits, never zero."""
    return random.getrandbits(128) or 1


def parse(traceparent: str) -> tuple[int | None, int | None, bool]:
    """Trace id, parent's id and whether it is kept, of a W3C traceparent; (None, None, False) for what is none."""
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None or not int(found[1], 16) or not int(found[2], 16):
        return None, None, False
    return int(found[1], 16), int(found[2], 16), bool(int(found[3], 16) & 1)

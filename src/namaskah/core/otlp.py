"""Spans on their way out by OTLP over HTTP: gathered when they end, encoded and sent together once a second by a thread.

Imported only when OTEL_EXPORTER_OTLP_ENDPOINT is set. The transport is OpenTelemetry's own exporter, with its headers,
certificates and retries; its SDK's spans and batches cost three times as much as the request they are about
(docs/tracing.md). A collector that is away costs a request nothing: the queue is bounded, and its oldest spans are dropped.
"""

import contextlib
import logging
import os
import socket
import struct
import threading
import time
from collections import deque
from functools import lru_cache
from typing import Any, Final

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector

from namaskah import __version__
from namaskah.core.settings import Settings
from namaskah.core.tracing import Kind, Span

Value = str | int | float | bool
_KINDS: Final[dict[Kind, int]] = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}
QUEUE: Final = 8192
BATCH: Final = 1024
DELAY_SECONDS: Final = 1.0
# A collector that refuses or hangs is not asked again at once.
_PAUSE_SECONDS: Final = 10.0
# For one batch, its retries included; the collector stands nearby.
_SEND_SECONDS: Final = 2
CLOSE_SECONDS: Final = 2.0
_AT_A_TIME: Final = 32
_log = structlog.get_logger()


class _Exporter(OTLPSpanExporter):
    """OpenTelemetry's exporter, given what is encoded already."""

    def send(self, body: bytes) -> bool:
        """Whether the collector took it."""
        return bool(self._client.export(body).success)


class OtlpSink:
    """Ended spans become bytes and wait for the thread that sends them."""

    def __init__(self, settings: Settings, *, role: str) -> None:
        # It would write a line at each attempt; ours says it once, when it begins.
        logging.getLogger("opentelemetry.exporter.otlp").setLevel(logging.CRITICAL)
        endpoint = (settings.otel_endpoint or "").rstrip("/") + "/v1/traces"
        self._exporter = _Exporter(endpoint=endpoint, timeout=_SEND_SECONDS)
        self._resource = b"\x0a" + _sized(_resource(settings, role))
        self._scope = b"\x0a" + _sized(b"\x0a" + _text("namaskah") + b"\x12" + _text(__version__))
        self._queue: deque[tuple[Span, int]] = deque(maxlen=QUEUE)
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="otlp", daemon=True)
        self._thread.start()

    def begun(self, span: Span, parent: Span | None) -> None:
        """Nothing is needed before the end."""

    def ended(self, span: Span, ended_ns: int, live: Any) -> None:
        """Puts it into the queue."""
        self._queue.append((span, ended_ns))
        if len(self._queue) >= BATCH and not self._wake.is_set():
            self._wake.set()

    def close(self) -> None:
        """Sends what waits, for two seconds at the most."""
        self._closing.set()
        self._wake.set()
        self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        away = False
        while not self._closing.is_set():
            # While the collector is away spans go on to come, which must not shorten its pause.
            (self._closing if away else self._wake).wait(_PAUSE_SECONDS if away else DELAY_SECONDS)
            self._wake.clear()
            taken = self._send_all()
            if taken is away:
                _log.warning("traces_taken_again" if taken else "traces_not_taken")
            away = not taken
        if not away:
            self._send_all()

    def _send_all(self) -> bool:
        while self._queue:
            batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
            if not self._send(batch):
                return False
        return True

    def _send(self, batch: list[tuple[Span, int]]) -> bool:
        spans = []
        for place, (span, ended_ns) in enumerate(batch):
            with contextlib.suppress(Exception):  # one that cannot be written down must not keep the others here
                spans.append(b"\x12" + _sized(encoded(span, ended_ns)))
            if place % _AT_A_TIME == 0:
                time.sleep(0)  # requests wait for the interpreter meanwhile
        # An ExportTraceServiceRequest: one resource, in it one scope, in it the spans.
        within_scope = self._scope + b"".join(spans)
        within_resource = self._resource + b"\x12" + _sized(within_scope)
        try:
            return self._exporter.send(b"\x0a" + _sized(within_resource))
        except Exception:  # whatever the way out raises, the thread goes on
            return False


def encoded(span: Span, ended_ns: int) -> bytes:
    """The span as the protocol has it (message Span of opentelemetry/proto/trace/v1/trace.proto, by field numbers).

    By hand, because OpenTelemetry's own encoder takes four times as long, and takes it from the requests.
    """
    parts = [b"\x0a\x10", span.trace_id.to_bytes(16, "big"), b"\x12\x08", span.span_id.to_bytes(8, "big")]
    if span.parent_id is not None:
        parts += (b"\x22\x08", span.parent_id.to_bytes(8, "big"))
    parts += (_head(span.name, span.kind), _TIMES(0x39, span.started_ns, 0x41, ended_ns))
    for name, value in span.attributes.items():
        parts.append(_known(name, value) if name not in _UNIQUE else _attribute(name, value))
    if span.failed is not None:
        parts += (_known("error.type", span.failed), _FAILED)
    parts.append(_SAMPLED)
    return b"".join(parts)


# Field 16, a fixed32: sampled. Field 15: a status with code 2, an error.
_SAMPLED: Final = b"\x85\x01" + struct.pack("<I", 1)
_FAILED: Final = b"\x7a\x02\x18\x02"
_TIMES: Final = struct.Struct("<BQBQ").pack
# Attributes whose values hardly ever come again.
_UNIQUE: Final = frozenset({"namaskah.request_id"})


@lru_cache(maxsize=1024)
def _head(name: str, kind: Kind) -> bytes:
    return b"\x2a" + _text(name) + b"\x30" + _varint(_KINDS[kind])


def _attribute(name: str, value: Value) -> bytes:
    return b"\x4a" + _sized(_pair(name, value))


# Typed, because 1 and True are one key else.
_known = lru_cache(maxsize=2048, typed=True)(_attribute)


def _pair(name: str, value: Value) -> bytes:
    """A KeyValue: the key, and a value whose field says what it is."""
    if isinstance(value, str):
        inner = b"\x0a" + _text(value)
    elif isinstance(value, bool):
        inner = b"\x10" + _varint(value)
    elif isinstance(value, int):
        inner = b"\x18" + _varint(value & 0xFFFFFFFFFFFFFFFF)
    else:
        inner = b"\x21" + struct.pack("<d", value)
    return b"\x0a" + _text(name) + b"\x12" + _sized(inner)


def _resource(settings: Settings, role: str) -> bytes:
    """Who speaks, as a Resource. What OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME say stands above ours."""
    named: dict[str, Any] = {
        "service.name": "namaskah",
        "service.version": settings.release or __version__,
        "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
        "deployment.environment.name": settings.environment,
        "namaskah.role": role,
        **OTELResourceDetector().detect().attributes,
    }
    return b"".join(b"\x0a" + _sized(_pair(name, value)) for name, value in named.items())


def _text(text: str) -> bytes:
    return _sized(text.encode())


def _sized(content: bytes) -> bytes:
    """Content with its length before it, as protocol buffers write texts and messages."""
    return _varint(len(content)) + content


def _varint(number: int) -> bytes:
    """A number as protocol buffers write lengths: seven bits a byte, the lowest first."""
    parts = bytearray()
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    parts.append(number)
    return bytes(parts)

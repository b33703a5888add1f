"""Spans on their way out by OTLP over HTTP: OpenTelemetry's own batching, encoding and exporter, in a thread of theirs.

Imported only when OTEL_EXPORTER_OTLP_ENDPOINT is set. A collector that is away costs a request nothing: the queue is
bounded, what does not fit is dropped, and the end of the process waits two seconds for it at the most.
"""

import os
import socket
import threading
from typing import Any, Final

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from namaskah import __version__
from namaskah.core.settings import Settings
from namaskah.core.tracing import Span

_KINDS: Final = {
    "server": SpanKind.SERVER, "client": SpanKind.CLIENT, "consumer": SpanKind.CONSUMER, "producer": SpanKind.PRODUCER,
    "internal": SpanKind.INTERNAL,
}  # fmt: skip
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_QUEUE: Final = 4096
_BATCH: Final = 512
_DELAY_MS: Final = 1000
# For one attempt; the collector stands nearby, and what it does not take is dropped.
_EXPORT_SECONDS: Final = 2
CLOSE_SECONDS: Final = 2.0


class OtlpSink:
    """Ended spans become OpenTelemetry's, and wait for the exporter's thread."""

    def __init__(self, settings: Settings, *, role: str) -> None:
        endpoint = (settings.otel_endpoint or "").rstrip("/") + "/v1/traces"
        compression = None if "OTEL_EXPORTER_OTLP_COMPRESSION" in os.environ else Compression.Gzip
        self._processor = BatchSpanProcessor(
            OTLPSpanExporter(endpoint=endpoint, timeout=_EXPORT_SECONDS, compression=compression),
            max_queue_size=_QUEUE,
            schedule_delay_millis=_DELAY_MS,
            max_export_batch_size=_BATCH,
        )
        # What OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME say stands above ours.
        ours = {
            "service.name": "namaskah",
            "service.version": settings.release or __version__,
            "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
            "deployment.environment.name": settings.environment,
            "namaskah.role": role,
        }
        given = Resource.create().attributes
        named = {key: value for key, value in given.items() if not (key == "service.name" and str(value).startswith("unknown"))}
        self._resource = Resource({**ours, **named})
        self._scope = InstrumentationScope("namaskah", __version__)

    def begun(self, span: Span, parent: Span | None) -> None:
        """Nothing is needed before the end."""

    def ended(self, span: Span, ended_ns: int, live: Any) -> None:
        """Puts it into the queue."""
        trace_id = span.trace_id
        parent = None if span.parent_id is None else SpanContext(trace_id, span.parent_id, True, _SAMPLED)
        attributes = span.attributes
        status = None
        if span.failed is not None:
            attributes["error.type"] = span.failed
            status = Status(StatusCode.ERROR)
        self._processor.on_end(
            ReadableSpan(
                span.name,
                context=SpanContext(trace_id, span.span_id, False, _SAMPLED),
                parent=parent,
                resource=self._resource,
                attributes=attributes,
                kind=_KINDS[span.kind],
                instrumentation_scope=self._scope,
                status=status or Status(),
                start_time=span.started_ns,
                end_time=ended_ns,
            )
        )

    def close(self) -> None:
        """Sends what waits. The library's own end may take half a minute, which a process that is to go has not."""
        ending = threading.Thread(target=self._processor.shutdown, daemon=True)
        ending.start()
        ending.join(CLOSE_SECONDS)

"""OTLP: what is sent is what OpenTelemetry's own definition reads, and a collector that is away costs a request nothing."""

import time
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Wire

from namaskah.core.otlp import BATCH, QUEUE, OtlpSink, encoded
from namaskah.core.settings import Settings
from namaskah.core.tracing import Span
from tests.core.receivers import black_hole, receiving


def sink(url: str, **environment: str) -> OtlpSink:
    return OtlpSink(Settings(environment="test", otel_endpoint=url, release="1.2.3"), role="web")


def span(name: str = "GET /x", **attributes: Any) -> Span:
    return Span(name, "server", 2**127 + 5, 77, attributes)


@pytest.mark.parametrize("value", ["", "words", "ü" * 300, True, False, 0, 1, -1, 2**62, 1.5])
def test_a_value_of_any_kind_arrives_as_it_was(value: Any) -> None:
    one = span(a=value)
    [attribute] = Wire.FromString(encoded(one, one.started_ns + 5)).attributes
    kind = {str: "string_value", bool: "bool_value", int: "int_value", float: "double_value"}[type(value)]
    assert (attribute.key, attribute.value.WhichOneof("value"), getattr(attribute.value, kind)) == ("a", kind, value)


def test_a_span_arrives_whole() -> None:
    one = span()
    one.failed = "ValueError"
    wire = Wire.FromString(encoded(one, one.started_ns + 5))
    assert (wire.trace_id.hex(), wire.span_id.hex()) == (f"{one.trace_id:032x}", f"{one.span_id:016x}")
    assert wire.parent_span_id.hex() == f"{77:016x}"
    assert (wire.name, wire.kind, wire.flags, wire.status.code) == ("GET /x", Wire.SPAN_KIND_SERVER, 1, 2)
    assert wire.end_time_unix_nano - wire.start_time_unix_nano == 5
    assert [(found.key, found.value.string_value) for found in wire.attributes] == [("error.type", "ValueError")]


def test_a_span_without_a_parent_is_a_root() -> None:
    assert Wire.FromString(encoded(Span("job x", "consumer", 1, None, {}), 1)).parent_span_id == b""


def test_all_spans_arrive_with_who_sent_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=shop,cloud.region=eu")
    with receiving() as received:
        opened = sink(received.url + "/")
        for place in range(BATCH + 10):
            opened.ended(span(place=place), time.time_ns(), None)
        opened.close()
        assert sorted(one["attributes"]["place"] for one in received.spans) == list(range(BATCH + 10))
        resource = received.spans[0]["resource"]
    assert (resource["service.name"], resource["service.version"], resource["cloud.region"]) == ("shop", "1.2.3", "eu")
    assert (resource["deployment.environment.name"], resource["namaskah.role"]) == ("test", "web")


def test_a_span_that_cannot_be_written_down_keeps_no_other_from_being_sent() -> None:
    with receiving() as received:
        opened = sink(received.url)
        opened.ended(span(a=None), time.time_ns(), None)
        opened.ended(span(place=1), time.time_ns(), None)
        opened.close()
        assert [one["attributes"].get("place") for one in received.spans] == [1]


def test_a_collector_that_never_answers_holds_up_nobody() -> None:
    with black_hole() as port:
        opened = sink(f"http://127.0.0.1:{port}")
        began = time.perf_counter()
        for _ in range(QUEUE * 2):
            opened.ended(span(), time.time_ns(), None)
        a_span = (time.perf_counter() - began) / (QUEUE * 2)
        began = time.perf_counter()
        opened.close()
        assert time.perf_counter() - began < 3
    assert a_span < 0.001
    assert len(opened._queue) <= QUEUE


def test_a_collector_that_comes_back_gets_what_comes_after() -> None:
    with receiving() as received:
        port = received.port
    opened = sink(f"http://127.0.0.1:{port}")
    assert not opened._send([(span("lost"), 1)])
    with receiving() as again:
        opened._exporter._endpoint = opened._exporter._client._endpoint = f"{again.url}/v1/traces"
        opened.ended(span("found"), time.time_ns(), None)
        again.until(lambda: [one["name"] for one in again.spans] == ["found"])
        opened.close()

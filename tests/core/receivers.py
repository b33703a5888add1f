"""Servers that receive what an instance tells about itself: OTLP over HTTP, Sentry's envelopes, and one that never answers."""

import contextlib
import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Received:
    """What came in, in the order in which it came; `raw` is all of it as bytes, unpacked, to look for canaries in."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.raw = b""
        self.spans: list[dict[str, Any]] = []
        # Type and content of each envelope's items: event, transaction, check_in.
        self.items: list[tuple[str, dict[str, Any]]] = []
        self._news = threading.Condition()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def dsn(self) -> str:
        return f"http://public@127.0.0.1:{self.port}/1"

    def take(self, path: str, body: bytes) -> None:
        """Decodes one request."""
        with self._news:
            self.raw += body
            if path == "/v1/traces":
                self.spans += _spans(body)
            elif path.endswith("/envelope/"):
                self.items += _items(body)
            self._news.notify_all()

    def until(self, condition: Callable[[], Any], seconds: float = 20) -> Any:
        """Waits until the condition holds; answers what it said."""
        ends = time.monotonic() + seconds
        with self._news:
            while not (found := condition()):
                left = ends - time.monotonic()
                assert left > 0, (
                    f"not within {seconds} s: {condition}; spans {[s['name'] for s in self.spans]}, items {self.kinds()}"
                )
                self._news.wait(left)
            return found

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.items]

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        return [item for known, item in self.items if known == kind]

    def trace(self, trace_id: str) -> dict[str, dict[str, Any]]:
        """The spans of one trace by their ids."""
        return {span["id"]: span for span in self.spans if span["trace"] == trace_id}


def _spans(body: bytes) -> list[dict[str, Any]]:
    found = []
    for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        resource = _plain(of_resource.resource.attributes)
        for of_scope in of_resource.scope_spans:
            found += [
                {
                    "name": span.name, "trace": span.trace_id.hex(), "id": span.span_id.hex(), "parent": span.parent_span_id.hex(),
                    "kind": span.kind, "attributes": _plain(span.attributes), "resource": resource, "error": span.status.code == 2,
                    "seconds": (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9, "text": str(span),
                }
                for span in of_scope.spans
            ]  # fmt: skip
    return found


def _plain(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value") or "string_value") for one in attributes}


def _items(body: bytes) -> list[tuple[str, dict[str, Any]]]:
    _, _, rest = body.partition(b"\n")
    found = []
    while rest.strip():
        head, _, rest = rest.partition(b"\n")
        header = json.loads(head)
        length = header.get("length")
        content, rest = (rest[:length], rest[length + 1 :]) if length is not None else rest.partition(b"\n")[::2]
        found.append((header["type"], json.loads(content)))
    return found


@contextlib.contextmanager
def receiving() -> Iterator[Received]:
    """A server for both protocols, on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self._body()
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            received.take(self.path.partition("?")[0], body)
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def _body(self) -> bytes:
            if self.headers.get("transfer-encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("content-length", "0")))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    received = Received(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def black_hole() -> Iterator[int]:
    """Takes connections and never answers; its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        yield int(listener.getsockname()[1])

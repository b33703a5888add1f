"""A port of its own for `/metrics`, for instances that have no web process. Threads answer, so that a reader who says nothing
keeps nobody from the figures; whoever may not read them is sent away after one look."""

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from namaskah.core.exposition import CONTENT_TYPE, exposition
from namaskah.core.metrics_readers import Network, may_read

_FORBIDDEN: Final = b"HTTP/1.0 403 Forbidden\r\ncontent-length: 0\r\n\r\n"


class MetricsPort:
    """Answers `GET /metrics` for the allowed addresses until it is closed. Raises OSError when the port is taken."""

    def __init__(self, host: str, port: int, allowed: tuple[Network, ...]) -> None:
        class Answer(BaseHTTPRequestHandler):
            timeout = 10

            def handle(self) -> None:
                if may_read(self.client_address[0], allowed):
                    super().handle()
                    return
                # What was asked is taken in, because an answer to a connection with something unread in it may be lost.
                self.connection.settimeout(1)
                with contextlib.suppress(OSError):
                    self.connection.recv(65_536)
                    self.connection.sendall(_FORBIDDEN)

            def do_GET(self) -> None:
                body = exposition() if self.path.partition("?")[0] == "/metrics" else b""
                self.send_response(200 if body else 404)
                self.send_header("content-type", CONTENT_TYPE.decode())
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Nobody reads these lines."""

        self._server = ThreadingHTTPServer((host, port), Answer)
        self._server.daemon_threads = True
        # The end of the process waits for nobody who reads slowly.
        self._server.block_on_close = False
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()

    def close(self) -> None:
        """Answers nobody any more."""
        self._server.shutdown()
        self._server.server_close()

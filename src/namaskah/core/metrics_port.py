"""A port of its own for `/metrics`, for instances that have no web process: a thread that answers one reader at a time."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from namaskah.core.exposition import CONTENT_TYPE, Network, exposition, may_read


class MetricsPort:
    """Answers `GET /metrics` for the allowed addresses until it is closed. Raises OSError when the port is taken."""

    def __init__(self, host: str, port: int, allowed: tuple[Network, ...]) -> None:
        class Answer(BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self) -> None:
                permitted = may_read(self.client_address[0], allowed)
                found = self.path.partition("?")[0] == "/metrics"
                body = exposition() if permitted and found else b""
                self.send_response(200 if body else 404 if permitted else 403)
                self.send_header("content-type", CONTENT_TYPE.decode())
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Nobody reads these lines."""

        self._server = HTTPServer((host, port), Answer)
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()

    def close(self) -> None:
        """Answers nobody any more."""
        self._server.shutdown()
        self._server.server_close()

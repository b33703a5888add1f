"""The real platform on a real port, that can be told by a header of the request to answer it wrongly.

A check that cannot fail is worth nothing: each has a fault here that it must see, and say in its own words.
"""

import asyncio
import json
import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import uvicorn
from pydantic import SecretStr
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from namaskah.app import Application
from namaskah.core.settings import Settings

HEADER = "x-fault"
KEY = "0123456789abcdef" * 4


@dataclass
class Exchange:
    """An answer on its way out; `asked` is the request's headers. Streams come part by part, with every part as body."""

    method: str
    path: str
    asked: dict[str, str]
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def change(self, old: str, new: str) -> None:
        """Replaces by a pattern in the body."""
        self.body = re.sub(old, new, self.body.decode(), flags=re.DOTALL).encode()

    def json(self, change: Callable[[Any], Any]) -> None:
        """Changes the body's JSON object, if it is one."""
        if self.headers.get("content-type", "").endswith("json") and self.body:
            body = json.loads(self.body)
            change(body)
            self.body = json.dumps(body).encode()


@dataclass(frozen=True)
class Fault:
    """What goes wrong: `before` changes the request (its scope), `after` the answer. `words` are what the check must say."""

    words: str
    after: Callable[[Exchange], object] = lambda exchange: None
    before: Callable[[Scope], object] = lambda scope: None
    patience: float = 12.0


class Broken:
    """The application behind its faults. `everywhere` is a fault of requests that do not name one."""

    everywhere: ClassVar[Fault | None] = None

    def __init__(self, app: ASGIApp, faults: dict[str, Fault]) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = {name.decode(): value.decode("latin-1") for name, value in scope.get("headers", ())}
        fault = self._faults.get(asked.get(HEADER, ""), self.everywhere)
        if scope["type"] != "http" or fault is None:
            await self._app(scope, receive, send)
            return
        exchange = Exchange(scope["method"], scope["path"], asked)
        scope = {**scope, "headers": list(scope["headers"])}
        fault.before(scope)
        await self._app(scope, receive, _changing(exchange, fault, send))


def _changing(exchange: Exchange, fault: Fault, send: Send) -> Send:
    parts: list[bytes] = []
    opened = False

    async def changed(message: Message) -> None:
        nonlocal opened
        if message["type"] == "http.response.start":
            exchange.status = message["status"]
            exchange.headers = {name.decode(): value.decode("latin-1") for name, value in message["headers"]}
            return
        stream = "event-stream" in exchange.headers.get("content-type", "")
        parts.append(message.get("body", b""))
        if message.get("more_body") and not stream:
            return
        exchange.body = b"".join(parts)
        parts.clear()
        fault.after(exchange)
        if not opened:
            opened = True
            await send({"type": "http.response.start", "status": exchange.status, "headers": _headers(exchange, stream)})
        await send({"type": "http.response.body", "body": exchange.body, "more_body": message.get("more_body", False)})

    return changed


def _headers(exchange: Exchange, stream: bool) -> list[tuple[bytes, bytes]]:
    if "content-length" in exchange.headers and exchange.method != "HEAD" and not stream:
        exchange.headers["content-length"] = str(len(exchange.body))
    return [(name.encode(), value.encode("latin-1")) for name, value in exchange.headers.items()]


class Running:
    """The platform with its faults, served by uvicorn in a thread of its own."""

    def __init__(self, database_url: str, faults: dict[str, Fault], *, certificate: Path | None = None) -> None:
        settings = Settings(
            _env_file=None, environment="test", database_url=SecretStr(database_url), secret_key=SecretStr(KEY),
            requests_per_minute=100_000,
        )  # fmt: skip
        self._app = Application(settings)
        # Named as TCP: of other sockets asyncio does not know that small parts must be sent at once.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(256)  # whoever asks before the application is ready waits
        self.url = f"{'https' if certificate else 'http'}://localhost:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            Broken(self._app, faults), access_log=False, log_level="error", server_header=False,
            loop="asyncio", timeout_graceful_shutdown=5, ssl_certfile=certificate, ssl_keyfile=certificate,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._server.serve(sockets=[self._socket])))

    def __enter__(self) -> "Running":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._app.begin_stop()  # so that streams end by themselves
        self._server.should_exit = True
        self._thread.join(timeout=40)
        self._socket.close()

"""One keep-alive HTTP/1.1 connection for one virtual user: it costs the generator some 60 us a request, so that the
load generator does not measure itself. Bodies of known length and chunked ones are read; nothing is followed or retried.
"""

import asyncio
import ssl
from typing import cast
from urllib.parse import urlencode, urlsplit

import httptools
import msgspec


class ConnectionLost(Exception):
    """The server, or somebody between, closed the connection before the answer was whole."""


class Answer(msgspec.Struct):
    """What came back. Header names are in lower case; of several cookies all are kept in `cookies`."""

    status: int = 0
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    cookies: dict[str, str] = msgspec.field(default_factory=dict)
    body: bytes = b""


class _Reader(asyncio.Protocol):
    """Reads the answers of one connection, one at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.lost = False
        self._waiting: asyncio.Future[Answer] | None = None
        self._begin()

    def ask(self, request: bytes) -> "asyncio.Future[Answer]":
        assert self.transport is not None
        self._waiting = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self._waiting

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(ConnectionLost(f"not HTTP: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._fail(ConnectionLost(str(exc or "closed")))

    # What httptools calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        if key == "set-cookie":
            cookie, _, content = text.partition(";")[0].partition("=")
            self._answer.cookies[cookie] = content
        else:
            self._answer.headers[key] = text

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)

    def on_message_complete(self) -> None:
        answer, self._answer.body = self._answer, b"".join(self._parts)
        answer.status = self._parser.get_status_code()
        if not self._parser.should_keep_alive():
            self.lost = True
        waiting, self._waiting = self._waiting, None
        self._begin()
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def _begin(self) -> None:
        self._answer, self._parts = Answer(), list[bytes]()
        self._parser = httptools.HttpResponseParser(self)

    def _fail(self, error: Exception) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_exception(error)


class Wire:
    """A user's connection to one address; opened when it is first needed, and again when the server has closed it."""

    def __init__(self, url: str, *, headers: dict[str, str] | None = None, seconds: float = 30.0) -> None:
        parts = urlsplit(url)
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._seconds = seconds
        self._fixed = "".join(
            f"{name}: {value}\r\n" for name, value in ({"host": parts.netloc, "accept": "*/*"} | (headers or {})).items()
        )
        self._reader: _Reader | None = None

    async def get(self, path: str, **headers: str) -> Answer:
        """GET. Raises ConnectionLost, OSError, TimeoutError."""
        return await self._ask("GET", path, b"", headers)

    async def post_json(self, path: str, body: bytes, **headers: str) -> Answer:
        """POST with JSON. `_` in a header's name becomes `-`."""
        return await self._ask("POST", path, body, {"content_type": "application/json"} | headers)

    async def post_form(self, path: str, fields: dict[str, str], **headers: str) -> Answer:
        """POST as a browser sends a form of the same site."""
        own = {"content_type": "application/x-www-form-urlencoded", "origin": self.origin, "sec_fetch_site": "same-origin"}
        return await self._ask("POST", path, urlencode(fields).encode(), own | headers)

    def close(self) -> None:
        """Closes the connection."""
        if self._reader is not None and self._reader.transport is not None:
            self._reader.transport.close()
        self._reader = None

    async def _ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        length = f"content-length: {len(body)}\r\n" if method == "POST" else ""
        request = f"{method} {path} HTTP/1.1\r\n{self._fixed}{lines}{length}\r\n".encode() + body
        try:
            async with asyncio.timeout(self._seconds):
                if self._reader is None or self._reader.lost:
                    self.close()
                    _, self._reader = await asyncio.get_running_loop().create_connection(
                        _Reader, self.host, self.port, ssl=self._tls, server_hostname=self.host if self._tls else None
                    )
                return await self._reader.ask(request)
        except BaseException:
            # An answer that comes after all must not be taken for the next one's.
            self.close()
            raise

"""A small HTTP/1.1 client that measures: one request at a time on a connection, and nothing in between that takes time.

It sends what it is told, also what a browser would tidy up first, keeps to the instance's rate limit, and follows no redirect.
"""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from time import perf_counter
from typing import Any, Final, NamedTuple

from namaskah import __version__
from namaskah.baseline.target import Target, Unreachable

PATIENCE_SECONDS: Final = 40.0
_CONNECT_SECONDS: Final = 10.0
_LARGEST_BODY: Final = 32 * 1024 * 1024
# Servers close what has been idle for some seconds, and a request must not meet that moment.
_IDLE_SECONDS: Final = 2.0
# The part of the rate limit that is left to whoever else uses the key.
_RESERVE: Final = 0.25
_NO_BODY: Final = (204, 304)


class Answer(NamedTuple):
    """What came back. `seconds` is from the first byte sent to the last one received, on an open connection."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    seconds: float

    def header(self, name: str) -> str:
        """The first header of this name, '' when there is none."""
        return next((value for found, value in self.headers if found == name), "")

    def all(self, name: str) -> list[str]:
        """Every header of this name."""
        return [value for found, value in self.headers if found == name]

    @property
    def text(self) -> str:
        """The body as text, whatever it is."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON. Raises ValueError."""
        return json.loads(self.body)

    @property
    def server_seconds(self) -> float | None:
        """What the instance says that it took (X-Process-Time)."""
        try:
            return float(self.header("x-process-time"))
        except ValueError:
            return None

    @property
    def database(self) -> tuple[float, int] | None:
        """The seconds of its statements, and how many there were (Server-Timing); None where it is not told."""
        for entry in self.header("server-timing").split(","):
            name, *parameters = (part.strip() for part in entry.split(";"))
            given = dict(part.split("=", 1) for part in parameters if "=" in part)
            with contextlib.suppress(ValueError, KeyError):
                if name == "db":
                    return float(given["dur"]) / 1000, max(int(given.get("desc", "1").strip('"')), 1)
        return None


class Connection:
    """One open connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.used_at = perf_counter()
        self.usable = True

    async def request(self, head: bytes, body: bytes, *, has_body: bool) -> Answer:
        """Sends a request that is ready made. Raises OSError, EOFError and ValueError when the other side does not play."""
        began = perf_counter()
        self.usable = False
        self.writer.write(head + body)
        with contextlib.suppress(ConnectionError):
            # Who refuses a large body answers and hangs up before all of it was sent; the answer counts.
            await self.writer.drain()
        status, headers = await self.read_head()
        while 100 <= status < 200:
            status, headers = await self.read_head()
        answer = Answer(status, headers, b"", 0.0)
        content, ended = (b"", False) if not has_body or status in _NO_BODY else await self._body(answer)
        self.used_at = perf_counter()
        self.usable = not ended and answer.header("connection").lower() != "close"
        return answer._replace(body=content, seconds=self.used_at - began)

    async def read_head(self) -> tuple[int, tuple[tuple[str, str], ...]]:
        """The status and the headers of the next answer; names in lower case."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        first, *lines = head[:-4].decode("latin-1").split("\r\n")
        version, _, rest = first.partition(" ")
        if not version.startswith("HTTP/1."):
            raise ValueError("this is not HTTP")
        pairs = (line.partition(":") for line in lines)
        return int(rest[:3]), tuple((name.strip().lower(), value.strip()) for name, _, value in pairs)

    async def _body(self, answer: Answer) -> tuple[bytes, bool]:
        """The body, and whether the end of the connection was its end."""
        if "chunked" in answer.header("transfer-encoding").lower():
            return b"".join([chunk async for chunk in self.chunks()]), False
        length = answer.header("content-length")
        if length:
            if int(length) > _LARGEST_BODY:
                raise ValueError("the answer is too large")
            return await self.reader.readexactly(int(length)), False
        return await self.reader.read(_LARGEST_BODY), True

    async def chunks(self) -> AsyncIterator[bytes]:
        """The parts of a chunked body, as they come."""
        while size := int((await self.reader.readuntil(b"\r\n")).split(b";")[0], 16):
            if size > _LARGEST_BODY:
                raise ValueError("the answer is too large")
            yield (await self.reader.readexactly(size + 2))[:-2]
        while await self.reader.readuntil(b"\r\n") != b"\r\n":
            pass

    def close(self) -> None:
        """Hangs up."""
        self.usable = False
        self.writer.close()


class Probe:
    """Asks one instance. Use it as a context manager; `always` are headers of every request."""

    def __init__(self, target: Target, *, always: Mapping[str, str] | None = None) -> None:
        self.target = target
        self.connects: list[float] = []
        self.limit: int | None = None
        self.remaining: int | None = None
        self.sent = 0
        self._always = {"user-agent": f"namaskah-baseline/{__version__}", "accept": "*/*", **(always or {})}
        self._free: list[Connection] = []
        self._slow_down = asyncio.Lock()

    async def __aenter__(self) -> "Probe":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.hang_up()

    def hang_up(self) -> None:
        """Closes the connections that are not in use, so that the next request opens a new one."""
        for connection in self._free:
            connection.close()
        self._free.clear()

    async def get(self, path: str, *, key: bool = True, **headers: str) -> Answer:
        """A GET. Raises Unreachable."""
        return await self.ask("GET", path, key=key, headers=headers)

    async def post(self, path: str, body: Any = None, *, key: bool = True, **headers: str) -> Answer:
        """A POST of JSON, or of nothing. Raises Unreachable."""
        content = b"" if body is None else json.dumps(body).encode()
        given = {"content-type": "application/json", **headers} if content else headers
        return await self.ask("POST", path, key=key, headers=given, body=content)

    async def ask(
        self, method: str, path: str, *, key: bool = True, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        """Any request, sent as it is given; names of headers may be written with underscores. Raises Unreachable."""
        if self.remaining is not None and self.limit and self.remaining < self.limit * _RESERVE:
            # The bucket fills evenly: at this pace it never gets emptier than it is.
            async with self._slow_down:
                await asyncio.sleep(60 / self.limit)
        head = self._head(method, path, key, headers or {}, body)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                answer = await self._send(head, body, method)
        except TimeoutError:
            raise Unreachable(f"{self.target.url} did not answer within {PATIENCE_SECONDS:.0f} seconds.") from None
        except (OSError, EOFError, ValueError) as error:
            raise Unreachable(f"{self.target.url} cannot be reached or does not speak HTTP: {why(error)}.") from None
        limit, left = answer.header("x-ratelimit-limit"), answer.header("x-ratelimit-remaining")
        if limit.isdigit() and left.isdigit():
            self.limit, self.remaining = int(limit), int(left)
        return answer

    async def open(self) -> Connection:
        """A new connection. Raises OSError."""
        began = perf_counter()
        tls = ssl.create_default_context() if self.target.scheme == "https" else None
        async with asyncio.timeout(_CONNECT_SECONDS):
            pair = await asyncio.open_connection(self.target.host, self.target.port, ssl=tls, limit=1024 * 1024)
        self.connects.append(perf_counter() - began)
        return Connection(*pair)

    @contextlib.asynccontextmanager
    async def stream(self, path: str, **headers: str) -> AsyncIterator[tuple[Answer, AsyncIterator[bytes]]]:
        """A GET whose answer is read as it comes: its head, and the parts of its body. Raises Unreachable."""
        connection = None
        try:
            try:
                connection = await self.open()
                connection.writer.write(self._head("GET", path, True, {"accept": "text/event-stream", **headers}, b""))
                async with asyncio.timeout(PATIENCE_SECONDS):
                    status, found = await connection.read_head()
            except (OSError, EOFError, ValueError) as error:
                raise Unreachable(f"{self.target.url} does not open a stream: {why(error)}.") from None
            yield Answer(status, found, b"", 0.0), connection.chunks()
        finally:
            if connection is not None:
                connection.close()

    async def _send(self, head: bytes, body: bytes, method: str) -> Answer:
        connection = self._take() or await self.open()
        try:
            self.sent += 1
            return await connection.request(head, body, has_body=method != "HEAD")
        finally:
            if connection.usable:
                self._free.append(connection)
            else:
                connection.close()

    def _take(self) -> Connection | None:
        while self._free:
            connection = self._free.pop()
            if perf_counter() - connection.used_at < _IDLE_SECONDS and not connection.reader.at_eof():
                return connection
            connection.close()
        return None

    def _head(self, method: str, path: str, key: bool, headers: Mapping[str, str], body: bytes) -> bytes:
        given = {"host": self.target.host_header, **self._always}
        if key:
            given["authorization"] = f"Bearer {self.target.key}"
        if body or method in ("POST", "PUT", "PATCH"):
            given["content-length"] = str(len(body))
        given |= {name.lower().replace("_", "-"): value for name, value in headers.items()}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items() if value)]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def why(error: BaseException) -> str:
    """What went wrong on the way, in words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid ({error.verify_message})"
    if isinstance(error, asyncio.IncompleteReadError):
        return "the connection was closed in the middle"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__

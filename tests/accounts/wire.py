"""A wire between the product and the real server that can be cut or go silent, as wires do."""

import asyncio
from contextlib import suppress
from types import TracebackType
from urllib.parse import parse_qs, urlsplit


class Wire:
    """Forwards bytes between a port of this machine and the server of a database's URL."""

    def __init__(self, database_url: str) -> None:
        self._parts = urlsplit(database_url)
        self._options = {name: values[0] for name, values in parse_qs(self._parts.query).items()}
        self._open = asyncio.Event()
        self._open.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.url = ""

    async def __aenter__(self) -> "Wire":
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        login = self._parts.netloc.rpartition("@")[0] or "postgres"
        self.url = f"postgresql://{login}@127.0.0.1:{port}{self._parts.path}?sslmode=disable"
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.cut()

    def cut(self) -> None:
        """Ends all connections and takes no new ones."""
        assert self._server is not None
        self._server.close()
        self._open.set()
        for writer in list(self._writers):
            writer.transport.abort()

    def go_silent(self) -> None:
        """Carries nothing any more, while all connections stay open."""
        self._open.clear()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host = self._options.get("host") or self._parts.hostname or "127.0.0.1"
        port = int(self._options.get("port") or self._parts.port or 5432)
        if host.startswith("/"):
            far_reader, far_writer = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        else:
            far_reader, far_writer = await asyncio.open_connection(host, port)
        both = {writer, far_writer}
        self._writers |= both
        with suppress(OSError, asyncio.CancelledError):
            await asyncio.gather(self._carry(reader, far_writer), self._carry(far_reader, writer))
        self._writers -= both
        for end in both:
            end.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            await self._open.wait()
            writer.write(data)
            await writer.drain()
        writer.close()

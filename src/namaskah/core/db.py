"""The database as the rest of the code sees it: a pool of connections and the bell that is rung after a commit.

No session state is left on pooled connections (no SET, LISTEN or advisory session lock), because nothing resets them.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from contextvars import Context
from time import perf_counter
from typing import Any, Protocol

import asyncpg
import structlog

from namaskah.core import metrics
from namaskah.core.pool import Pool
from namaskah.core.statements import CONNECTION_LOST, DATABASE_ERRORS, GONE, TRANSACTION, DatabaseGone, Measured
from namaskah.core.tracing import carried, current_span

__all__ = ["APP_ROLE", "CONNECTION_LOST", "DATABASE_ERRORS", "GONE", "Database", "DatabaseGone", "Db"]

APP_ROLE = "namaskah_app"
# How long a request waits for a free connection.
WAIT_SECONDS = 5.0
# A payload of NOTIFY may have 8,000 bytes; a wallet's mark has at most 34.
_MARKS_PER_NOTIFY = 200
_log = structlog.get_logger()


class Db(Protocol):
    """Anything that runs statements: the Database, or one connection inside a transaction."""

    async def fetch(self, query: str, *args: Any) -> Sequence[Any]: ...
    async def fetchrow(self, query: str, *args: Any) -> Any: ...
    async def fetchval(self, query: str, *args: Any) -> Any: ...
    async def execute(self, query: str, *args: Any) -> str: ...


class Database:
    """The pool, and `announce`, which wakes the streams of a wallet after its events are committed."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.on_announce: Callable[[str, bool], None] | None = None
        # Begins what this process announces, so that it need not hear itself.
        self.mark_of_own = os.urandom(6).hex()
        self._marks: set[str] = set()
        self._bell: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, url: str, *, max_size: int = 12, role: str | None = APP_ROLE) -> "Database":
        """Connects. Raises DatabaseGone when there is no server to talk to."""
        server_settings = {"timezone": "UTC", "application_name": "namaskah"}
        if role is not None:
            server_settings["role"] = role

        async def connect() -> Any:
            return await asyncpg.connect(url, server_settings=server_settings, command_timeout=30, timeout=5)

        database = cls(Pool(connect, max_size))
        # One is opened now, so that a wrong address is found out here.
        try:
            database.pool.give(await database.pool.take(WAIT_SECONDS))
        except GONE as error:
            raise DatabaseGone("The database does not answer; nothing was charged.", retry_after=2) from error
        return database

    async def close(self) -> None:
        """Rings what was announced, then closes the pool; connections that hang are cut after five seconds."""
        if self._bell is not None:
            await asyncio.wait([self._bell], timeout=1)
        try:
            await asyncio.wait_for(self.pool.close(), 5)
        except GONE:
            self.pool.terminate()

    async def _wait_for_one(self, measured: Measured) -> Any:
        """A connection that must be waited for or opened, which is no time of the statement's."""
        connection = await self.pool.take(WAIT_SECONDS)
        now = perf_counter()
        metrics.DB_POOL_WAIT.observe(now - measured.started)
        measured.started = now
        return connection

    async def fetch(self, query: str, *args: Any) -> Sequence[Any]:
        """All rows of a statement."""
        with Measured(query) as measured:
            connection = self.pool.take_now() or await self._wait_for_one(measured)
            try:
                if (span := current_span.get()) is not None:
                    query, args = carried(span, query, args)
                rows: Sequence[Any] = await connection.fetch(query, *args)
                return rows
            finally:
                self.pool.give(connection)

    async def fetchrow(self, query: str, *args: Any) -> Any:
        """The first row of a statement, or None."""
        with Measured(query) as measured:
            connection = self.pool.take_now() or await self._wait_for_one(measured)
            try:
                if (span := current_span.get()) is not None:
                    query, args = carried(span, query, args)
                return await connection.fetchrow(query, *args)
            finally:
                self.pool.give(connection)

    async def fetchval(self, query: str, *args: Any) -> Any:
        """The first value of the first row, or None."""
        with Measured(query) as measured:
            connection = self.pool.take_now() or await self._wait_for_one(measured)
            try:
                return await connection.fetchval(query, *args)
            finally:
                self.pool.give(connection)

    async def execute(self, query: str, *args: Any) -> str:
        """Runs a statement; answers its command tag."""
        with Measured(query) as measured:
            connection = self.pool.take_now() or await self._wait_for_one(measured)
            try:
                return str(await connection.execute(query, *args))
            finally:
                self.pool.give(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        """One connection inside one transaction: for what does not fit one statement. No outside call inside."""
        with Measured(TRANSACTION) as measured:
            connection = self.pool.take_now() or await self._wait_for_one(measured)
            try:
                async with connection.transaction():
                    yield connection
            finally:
                self.pool.give(connection)

    def announce(self, user_id: str, livemode: bool) -> None:
        """Call after the commit that appended events: wakes the wallet's streams, here at once, elsewhere by NOTIFY.

        The NOTIFY goes in a transaction of its own, because inside the writing one it would halve the commits. While
        one is under way further marks gather and leave together, which bounds its rate. Losing one loses nothing:
        the streams also look at the table.
        """
        if self.on_announce is not None:
            self.on_announce(user_id, livemode)
        self._marks.add(f"{user_id}:{'l' if livemode else 't'}")
        if self._bell is None or self._bell.done():
            # It rings for everybody, so its statements are no part of the request that woke it.
            self._bell = asyncio.get_running_loop().create_task(self._ring(), context=Context())

    async def _ring(self) -> None:
        while self._marks:
            batch = [self._marks.pop() for _ in range(min(_MARKS_PER_NOTIFY, len(self._marks)))]
            try:
                await self.signal("namaskah_events", " ".join([self.mark_of_own, *batch]))
            except (DatabaseGone, asyncpg.PostgresError) as error:
                _log.warning("announce_failed", error=type(error).__name__)
                self._marks.clear()

    async def signal(self, channel: str, payload: str) -> None:
        """NOTIFY: tells every process that listens on the channel."""
        await self.execute("SELECT pg_notify($1, $2)", channel, payload)

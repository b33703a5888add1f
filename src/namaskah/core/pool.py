"""The connections of a process: opened when they are needed, at most so many, the last one given back goes out first.

asyncpg's own pool wraps every connection, runs a task at each return and a timer at each checkout: 40 us of a request
that costs 150. This one is a list and a queue. It resets nothing, so no session state may be left on a connection.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg

Connection = Any  # asyncpg's, which has no usable types of its own


class Pool:
    """Hands out connections; `take` and `give` must come in pairs."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]], max_size: int) -> None:
        self._connect = connect
        self._max_size = max_size
        self._size = 0
        self._free: list[Connection] = []
        self._out: set[Connection] = set()
        # Who waits gets a connection, or None: then there is room for a new one.
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._closed = False
        # The server hangs: nobody is to wait for it.
        self._shut = False
        # Of connections that are being opened: `shut` ends them.
        self._opening: set[asyncio.Timeout] = set()

    def take_now(self) -> Connection | None:
        """A connection that is free at this moment, without waiting."""
        while self._free:
            connection = self._free.pop()
            if not connection.is_closed():
                self._out.add(connection)
                return connection
            self._size -= 1
        return None

    async def take(self, seconds: float) -> Connection:
        """A connection, also when one must be opened or waited for.

        Raises TimeoutError after so many seconds, InterfaceError when the pool is closed, and what
        connecting raises.
        """
        async with asyncio.timeout(seconds):
            while True:
                if self._closed or self._shut:
                    raise asyncpg.InterfaceError("the pool is closed")
                connection = self.take_now()
                if connection is None and self._size < self._max_size:
                    connection = await self._open()
                if connection is None:
                    connection = await self._wait()
                if connection is not None:
                    self._out.add(connection)
                    return connection

    def give(self, connection: Connection) -> None:
        """Takes a connection back; one that is broken, or still inside a transaction, is thrown away."""
        self._out.discard(connection)
        if self._closed or connection.is_closed() or connection.is_in_transaction():
            connection.terminate()
            self._size -= 1
            self._hand_on(None)
        elif not self._hand_on(connection):
            self._free.append(connection)

    async def close(self) -> None:
        """Closes what is free now, and the others when they come back. Whoever waits is told that it is closed."""
        self._closed = True
        while self._hand_on(None):
            pass
        free, self._free = self._free, []
        self._size -= len(free)
        await asyncio.gather(*(connection.close() for connection in free), return_exceptions=True)

    def terminate(self) -> None:
        """Cuts every connection, whoever uses it."""
        self._closed = True
        for connection in (*self._free, *self._out):
            connection.terminate()

    def shut(self) -> None:
        """The server hangs: ends every wait for it, and refuses new ones until `open_again`."""
        self._shut = True
        while self._hand_on(None):
            pass
        free, self._free = self._free, []
        self._size -= len(free)
        for connection in (*free, *self._out):
            connection.terminate()
        for opening in self._opening:
            opening.reschedule(asyncio.get_running_loop().time())

    def open_again(self) -> None:
        """The server answers."""
        self._shut = False

    async def connect_anew(self) -> Connection:
        """A connection outside the pool, for a question that nobody waits for; the caller ends it."""
        return await self._connect()

    @property
    def busy(self) -> int:
        """How many connections are out now."""
        return len(self._out)

    @property
    def unanswered(self) -> int:
        """How many wait for the server: for an answer, or to be let in."""
        return len(self._out) + len(self._opening)

    @property
    def free(self) -> int:
        """How many connections stand ready."""
        return len(self._free)

    @property
    def waiting(self) -> int:
        """How many wait for one."""
        return sum(not waiter.done() for waiter in self._waiting)

    async def _open(self) -> Connection:
        self._size += 1
        limit = asyncio.timeout(None)
        self._opening.add(limit)
        try:
            async with limit:
                return await self._connect()
        except BaseException:
            self._size -= 1
            self._hand_on(None)
            raise
        finally:
            self._opening.discard(limit)

    async def _wait(self) -> Connection | None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            return await waiter
        except BaseException:
            # Given up in the same moment in which it was served: the next one has it.
            if waiter.done() and not waiter.cancelled():
                served = waiter.result()
                if served is None:
                    self._hand_on(None)
                else:
                    self.give(served)
            raise

    def _hand_on(self, connection: Connection | None) -> bool:
        """Gives it to whoever has waited longest; False when nobody does."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return True
        return False

"""The server of the shared cache (Redis, Valkey), which may be missing, slow or back again at any moment.

Nothing here raises and nothing is waited for longer than CALL_SECONDS a request. The first failure opens a breaker: from
then on requests do without, and a task of its own asks once a second whether the server is there again.
"""

import asyncio
import contextlib
from contextvars import ContextVar
from time import perf_counter
from typing import Any, Final, Literal

import structlog

from namaskah.core import metrics
from namaskah.core.observed import RequestRecord, current_request

# All calls of one request together.
CALL_SECONDS: Final = 0.04
# What no request waits for may take longer: connecting, writing, asking whether the server lives.
QUIET_SECONDS: Final = 0.5
PROBE_SECONDS: Final = 1.0
# One that was up for so long may just have been held up, and is asked again at once.
_STEADY_SECONDS: Final = 5.0
# A server that had less than this is not to blame, nor is one whose answer our busy loop was so much too late to look at.
_ENOUGH_SECONDS: Final = 0.025
_LATE_SECONDS: Final = 0.02
# So many in a row are too many for that.
_UNANSWERED: Final = 3
_CONNECTIONS: Final = 4
# Values that wait to be written; more are dropped, because a cache may forget.
_WAITING: Final = 128
_log = structlog.get_logger()


class Budget:
    """What the calls of one request have waited together, in seconds."""

    __slots__ = ("record", "seconds")

    def __init__(self, record: RequestRecord | None) -> None:
        self.record = record
        self.seconds = 0.0


_budget: ContextVar[Budget | None] = ContextVar("redis_budget", default=None)


def budget() -> Budget:
    """The budget of the request that is being answered; outside of one, each call has its own."""
    record = current_request.get()
    found = _budget.get()
    if found is None or record is None or found.record is not record:
        found = Budget(record)
        _budget.set(found)
    return found


class RedisStore:
    """Bytes by key, with an end. Make it, `start` it once a loop runs, `stop` it."""

    def __init__(self, url: str) -> None:
        # Connects to nothing yet. Its code is loaded here, because that would hold up everybody once requests are answered.
        self._client: Any = None
        try:
            self._client, self._refusal = _client(url)
        except ValueError:
            # The address may hold a password.
            _log.error("cache_url_not_understood")
        # Whoever waits for one of the few connections learns nothing about the server.
        self._free = asyncio.Semaphore(_CONNECTIONS)
        self._up = False
        self._up_since = 0.0
        self._ask_now = asyncio.Event()
        self._said_down = False
        self._unanswered = 0
        self._waiting: asyncio.Queue[tuple[str, bytes, float]] = asyncio.Queue(_WAITING)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def state(self) -> Literal["ok", "down"]:
        """Whether it is in use now."""
        return "ok" if self._up else "down"

    def start(self) -> None:
        """Begins to connect, in the background: until the server has answered once, nobody asks it."""
        metrics.CACHE_BREAKER.set(1)
        if self._client is None:
            return
        self._tasks = [asyncio.create_task(self._watch()), asyncio.create_task(self._write())]

    async def stop(self) -> None:
        """Closes the connections; what was not written yet is forgotten."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._up = False
        metrics.CACHE_BREAKER.set(0)
        if self._client is not None:
            await _close(self._client)

    async def get(self, key: str, spent: Budget) -> bytes | None:
        """The value, or None when there is none or the server cannot be asked now."""
        left = CALL_SECONDS - spent.seconds
        if not self._up or left <= 0:
            return None
        started = asked = perf_counter()
        try:
            async with asyncio.timeout(left), self._free:
                asked = perf_counter()
                found = await self._client.get(key)
        except Exception as error:
            now = perf_counter()
            self._unanswered += 1
            ours = now - asked < _ENOUGH_SECONDS or now - started > left + _LATE_SECONDS
            excused = isinstance(error, TimeoutError) and ours and self._unanswered < _UNANSWERED
            self._failed("get", error, blame=not excused)
            return None
        finally:
            seconds = perf_counter() - started
            spent.seconds += seconds
            metrics.CACHE_SECONDS.observe(seconds)
        self._unanswered = 0
        return found if isinstance(found, bytes) else None

    def put_soon(self, key: str, value: bytes, seconds: float) -> None:
        """Writes the value for so many seconds, when there is time for it. Nobody waits."""
        if self._up:
            with contextlib.suppress(asyncio.QueueFull):
                self._waiting.put_nowait((key, value, seconds))

    async def written(self) -> None:
        """Returns once everything that waited has been written or dropped."""
        await self._waiting.join()

    async def _write(self) -> None:
        while True:
            key, value, seconds = await self._waiting.get()
            try:
                if self._up:
                    async with asyncio.timeout(QUIET_SECONDS):
                        await self._client.set(key, value, px=max(int(seconds * 1000), 1))
            except Exception as error:
                self._failed("put", error)
            finally:
                self._waiting.task_done()

    async def _watch(self) -> None:
        while True:
            try:
                await self._probe()
            except Exception as error:
                self._failed("ping", error)
            else:
                if not self._up:
                    self._up, self._up_since, self._said_down = True, perf_counter(), False
                    metrics.CACHE_BREAKER.set(0)
                    _log.info("cache_connected")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PROBE_SECONDS):
                    await self._ask_now.wait()
            self._ask_now.clear()

    async def _probe(self) -> None:
        """Raises when the server does not answer, or would be too slow for a request."""
        async with asyncio.timeout(QUIET_SECONDS):
            if self._up:
                await self._client.ping()
                return
            # Opens every connection, so that no request pays for that.
            await asyncio.gather(*(self._client.ping() for _ in range(_CONNECTIONS)))
        # One of three, because it may be our own loop that is busy.
        for _ in range(3):
            started = perf_counter()
            async with asyncio.timeout(QUIET_SECONDS):
                await self._client.ping()
            if perf_counter() - started < CALL_SECONDS:
                return
        raise TimeoutError("it answers too slowly")

    def _failed(self, operation: Literal["get", "put", "ping"], error: Exception, *, blame: bool = True) -> None:
        metrics.CACHE_ERRORS.labels(operation).inc()
        # A server that refuses one command (a value of another type, no room) is there; one that refuses a ping is no use.
        if not blame or (operation != "ping" and isinstance(error, self._refusal)):
            return
        if self._up and operation != "ping" and perf_counter() - self._up_since > _STEADY_SECONDS:
            self._ask_now.set()
        self._up = False
        metrics.CACHE_BREAKER.set(1)
        if not self._said_down:
            self._said_down = True
            # The words of an error may hold the address with its password.
            _log.warning("cache_lost", error=type(error).__name__)


def _client(url: str) -> tuple[Any, type[Exception]]:
    """The client, and what it raises when the server refuses a command."""
    # Imported here, because whoever has no Redis need not load its client.
    from redis.asyncio import BlockingConnectionPool, Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.exceptions import ResponseError

    pool = BlockingConnectionPool.from_url(
        url, max_connections=_CONNECTIONS + 2, timeout=QUIET_SECONDS, protocol=2, retry=Retry(NoBackoff(), 0),
        socket_connect_timeout=QUIET_SECONDS, socket_timeout=None, client_name="namaskah",
    )  # fmt: skip
    return Redis.from_pool(pool), ResponseError


async def _close(client: Any) -> None:
    with contextlib.suppress(Exception):
        async with asyncio.timeout(QUIET_SECONDS):
            await client.aclose()


async def ping(url: str) -> float:
    """How long the server takes to answer, in seconds. Raises whatever is in the way; for `namaskah doctor`."""
    client, _ = _client(url)
    try:
        async with asyncio.timeout(2):
            await client.ping()
            started = perf_counter()
            await client.ping()
            return perf_counter() - started
    finally:
        await _close(client)

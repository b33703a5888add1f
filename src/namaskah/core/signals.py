"""One LISTEN connection per process: hears what other processes did, and says when it may have missed something.

It reconnects by itself. While it is away `healthy` is False, and after it is back the `on_reset` callbacks run, because
notifications sent in between are gone for good.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable

import asyncpg
import structlog

from namaskah.core.statements import DATABASE_ERRORS, count_error

CHANNELS = ("namaskah_events", "namaskah_keys", "namaskah_catalog")
# A connection that dies silently is noticed after both: a revoked key must stop working within a second.
_PING_SECONDS = 0.4
_PING_TIMEOUT_SECONDS = 0.4
_log = structlog.get_logger()


class Signals:
    """Subscriptions to the database's notifications."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._callbacks: dict[str, list[Callable[[str], None]]] = defaultdict(list)
        self._resets: list[Callable[[], None]] = []
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    @property
    def healthy(self) -> bool:
        """Whether notifications are being heard now (a silent connection is noticed within a second)."""
        return self._ready.is_set()

    def subscribe(self, channel: str, callback: Callable[[str], None]) -> None:
        """Calls back with each payload. Call before start."""
        if channel not in CHANNELS:
            raise ValueError(f"unknown channel {channel}")
        self._callbacks[channel].append(callback)

    def on_reset(self, callback: Callable[[], None]) -> None:
        """Calls back whenever notifications may have been missed."""
        self._resets.append(callback)

    async def start(self) -> None:
        """Begins to listen; returns when the first connection stands, or after five seconds without one."""
        self._task = asyncio.create_task(self._run())
        try:
            await asyncio.wait_for(self._ready.wait(), 5)
        except TimeoutError:
            _log.warning("signals_not_ready")

    async def stop(self) -> None:
        """Closes the connection."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._ready.clear()

    async def _run(self) -> None:
        pause = 0.05
        while True:
            try:
                await self._listen()
            except Exception as error:  # whatever it is, nobody else would begin to listen again
                # Counted here too, so that a database that is away is seen when nobody asks for anything.
                if isinstance(error, DATABASE_ERRORS):
                    count_error(error)
                else:
                    _log.error("signals_broken", error=type(error).__name__)
                if self._ready.is_set():
                    _log.warning("signals_lost", error=type(error).__name__)
                    pause = 0.05
            self._ready.clear()
            await asyncio.sleep(pause)
            pause = min(pause * 2, 1.0)

    async def _listen(self) -> None:
        connection = await asyncpg.connect(self._url, timeout=5, server_settings={"application_name": "namaskah signals"})
        try:
            for channel in CHANNELS:
                await connection.add_listener(channel, self._heard)
            for reset in self._resets:
                reset()
            self._ready.set()
            while True:
                await asyncio.sleep(_PING_SECONDS)
                await connection.fetchval("SELECT 1", timeout=_PING_TIMEOUT_SECONDS)
        finally:
            connection.terminate()

    def _heard(self, _connection: object, _pid: int, channel: str, payload: object) -> None:
        for callback in self._callbacks[channel]:
            callback(str(payload))

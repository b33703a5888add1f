"""What a process tells of itself every few seconds: processor time, memory, open files, its pool, the lag of its loop."""

import asyncio
import os
from time import perf_counter
from typing import Final, Literal

from namaskah import __version__
from namaskah.core import metrics
from namaskah.core.db import Database
from namaskah.core.events import Hub

EVERY_SECONDS: Final = 5.0
# How often the loop is asked how late it is.
_LAG_SECONDS: Final = 0.25
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
Role = Literal["web", "worker"]


class Vitals:
    """The figures of one process. `start` begins to tell them, `stop` ends it."""

    def __init__(self, role: Role, db: Database, hub: Hub) -> None:
        self._role = role
        self._db = db
        self._hub = hub
        self._cpu = 0.0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Tells the first figures now, the others every few seconds."""
        metrics.PROCESSES.labels(self._role).set(1)
        metrics.BUILD_INFO.labels(__version__).set(1)
        self.tell(0.0)
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Tells nothing more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        metrics.PROCESSES.labels(self._role).set(0)

    def tell(self, lag: float) -> None:
        """Sets every gauge; `lag` are seconds by which the loop was late at the most."""
        used = os.times()
        cpu = used.user + used.system
        metrics.CPU_SECONDS.labels(self._role).inc(max(cpu - self._cpu, 0.0))
        self._cpu = cpu
        metrics.MEMORY.labels(self._role).set(_resident_bytes())
        metrics.OPEN_FILES.labels(self._role).set(len(os.listdir("/proc/self/fd")))
        metrics.LOOP_LAG.labels(self._role).set(lag)
        metrics.STREAMS_OPEN.set(self._hub.open_subscriptions)
        metrics.DB_POOL.labels("busy").set(self._db.pool.busy)
        metrics.DB_POOL.labels("free").set(self._db.pool.free)
        metrics.DB_POOL_WAITING.set(self._db.pool.waiting)

    async def _run(self) -> None:
        while True:
            lag, until = 0.0, perf_counter() + EVERY_SECONDS
            while (began := perf_counter()) < until:
                await asyncio.sleep(_LAG_SECONDS)
                lag = max(lag, perf_counter() - began - _LAG_SECONDS)
            self.tell(lag)


def _resident_bytes() -> int:
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * _PAGE

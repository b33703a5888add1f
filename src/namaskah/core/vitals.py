"""What a process tells of itself every few seconds: processor time, memory, open files, its pool, the lag of its loop."""

import asyncio
import os
import resource
from time import perf_counter
from typing import Final, Literal

import structlog

from namaskah import __version__
from namaskah.core import metrics
from namaskah.core.db import Database
from namaskah.core.events import Hub
from namaskah.core.signals import Signals

EVERY_SECONDS: Final = 5.0
# How often the loop is asked how late it is.
_LAG_SECONDS: Final = 0.25
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
Role = Literal["web", "worker"]
_log = structlog.get_logger()


class Vitals:
    """The figures of one process. `start` begins to tell them, `stop` ends it."""

    def __init__(self, role: Role, db: Database, hub: Hub, signals: Signals) -> None:
        self._role = role
        self._signals = signals
        self._db = db
        self._hub = hub
        self._cpu = 0.0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Tells the first figures now, the others every few seconds."""
        metrics.PROCESSES.labels(self._role).set(1)
        metrics.BUILD_INFO.labels(__version__).set(1)
        self.tell(0.0, open_files())
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Tells nothing more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        metrics.PROCESSES.labels(self._role).set(0)

    def tell(self, lag: float, files: int) -> None:
        """Sets every gauge; `lag` are seconds by which the loop was late at the most, `files` how many are open."""
        used = os.times()
        cpu = used.user + used.system
        metrics.CPU_SECONDS.labels(self._role).inc(max(cpu - self._cpu, 0.0))
        self._cpu = cpu
        metrics.OPEN_FILES.labels(self._role).set(files)
        metrics.LOOP_LAG.labels(self._role).set(lag)
        metrics.STREAMS_OPEN.set(self._hub.open_subscriptions)
        metrics.DB_POOL.labels("busy").set(self._db.pool.busy)
        metrics.DB_POOL.labels("free").set(self._db.pool.free)
        metrics.DB_POOL_WAITING.set(self._db.pool.waiting)
        metrics.DB_UP.set(float(self._signals.healthy))
        try:
            metrics.MEMORY.labels(self._role).set(_resident_bytes())
        except OSError as error:
            # No file is left to read it with: all the more the other figures must go on.
            _log.warning("memory_not_read", error=type(error).__name__)

    async def _run(self) -> None:
        while True:
            lag, until = 0.0, perf_counter() + EVERY_SECONDS
            while (began := perf_counter()) < until:
                await asyncio.sleep(_LAG_SECONDS)
                lag = max(lag, perf_counter() - began - _LAG_SECONDS)
            # Beside the loop: on Linux before 6.2 it takes 4 ms for every thousand files.
            self.tell(lag, await asyncio.to_thread(open_files))


def open_files() -> int:
    """How many files and sockets this process has open."""
    try:
        # Since Linux 6.2 the folder's size tells it.
        return os.stat("/proc/self/fd").st_size or len(os.listdir("/proc/self/fd"))
    except OSError:
        # To look needs a file too, and there is none left.
        return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def _resident_bytes() -> int:
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * _PAGE

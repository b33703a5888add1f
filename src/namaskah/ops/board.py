"""The status page's figures in one process: read at most every ten seconds, however many people look at once.

While the database is away the last figures stay, with the moment from which on they could not be read any more.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

import msgspec
import structlog

from namaskah.core.clock import utcnow
from namaskah.ops.status_report import Report

FRESH_SECONDS: Final = 10.0
# What is older is not shown to somebody who comes by after a quiet time, if it can be read anew at once.
OLD_SECONDS: Final = 45.0
PATIENCE_SECONDS: Final = 3.0
# Even when nobody looks: so that there is something to show when the database has gone.
WARM_SECONDS: Final = 30.0
_log = structlog.get_logger()


class Reading(msgspec.Struct, frozen=True):
    """What is known. `lost_at`: since when it cannot be read any more; None while it can, and after a single failure."""

    report: Report | None
    lost_at: datetime | None


class Board:
    """Answers at once with what it has, and reads anew in the background. `read` asks the database."""

    def __init__(self, read: Callable[[], Awaitable[Report]]) -> None:
        self._read = read
        self._reading = Reading(None, None)
        self._read_at = self._tried_at = -OLD_SECONDS
        self._failing_since: datetime | None = None
        self._task: asyncio.Task[None] | None = None

    async def current(self) -> Reading:
        """The figures, from memory; waits only for the very first ones, or when the last ones are long past."""
        now = time.monotonic()
        if now - self._tried_at >= FRESH_SECONDS:
            task = self._refresh()
            if now - self._read_at >= OLD_SECONDS and self._reading.lost_at is None:
                await asyncio.wait([task], timeout=PATIENCE_SECONDS)
        elif self._task is not None and not self._task.done() and self._reading.report is None:
            await asyncio.wait([self._task], timeout=PATIENCE_SECONDS)
        return self._reading

    async def keep_warm(self, stop: asyncio.Event) -> None:
        """Reads now and then until `stop` is set. Raises nothing."""
        while not stop.is_set():
            await asyncio.wait([self._refresh()])
            try:
                await asyncio.wait_for(stop.wait(), WARM_SECONDS)
            except TimeoutError:
                continue

    def _refresh(self) -> asyncio.Task[None]:
        if self._task is None or self._task.done():
            self._tried_at = time.monotonic()
            self._task = asyncio.get_running_loop().create_task(self._try())
        return self._task

    async def _try(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                report = await self._read()
        except Exception as error:  # whatever it is, the page must stay
            _log.warning("status_not_read", error=type(error).__name__)
            if self._failing_since is None:
                self._failing_since = utcnow()
            elif self._reading.lost_at is None:
                # Once may be a hiccup, which is no reason to tell the world of an outage.
                self._reading = Reading(self._reading.report, self._failing_since)
        else:
            self._reading, self._failing_since = Reading(report, None), None
            self._read_at = time.monotonic()

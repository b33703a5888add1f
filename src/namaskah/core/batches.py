"""Large clean-ups in small steps, so that nobody who works beside them waits.

A step takes as many rows as can be done in about five milliseconds on the machine as it is now, commits, and rests three
times as long as it worked: at most a quarter of one processor, and less of a busy one.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from namaskah.core.db import Database

AIM_SECONDS = 0.005
LEAST, FIRST, MOST = 20, 100, 2_000
# How long a rest is beside its work, and at least.
RESTS = 3
REST_SECONDS = 0.005
# What is lost in a crash is done again: no step need wait for the disk. And each is planned for the few rows that it takes:
# a plan for any number of them would sort all that is due, every time.
_UNHURRIED = "SET LOCAL synchronous_commit = off; SET LOCAL plan_cache_mode = force_custom_plan"
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class Pace:
    """How much the next step takes; `observe` tells it how long the last one was, and answers how long to rest."""

    def __init__(self, *, first: float = FIRST, least: float = LEAST, most: float = MOST) -> None:
        self.size = first
        self._least, self._most = least, most

    def observe(self, seconds: float) -> float:
        """Halves or doubles at the most; answers the seconds to rest."""
        change = min(max(AIM_SECONDS / max(seconds, 1e-6), 0.5), 2.0)
        self.size = min(max(self.size * change, self._least), self._most)
        return max(seconds * RESTS, REST_SECONDS)


@asynccontextmanager
async def unhurried(db: Database) -> AsyncIterator[Any]:
    """A transaction that is not on the disk yet when it ends, but is whole or not at all after a crash as ever."""
    async with db.transaction() as connection:
        await connection.execute(_UNHURRIED)
        yield connection


async def in_batches(db: Database, statement: str, *arguments: Any, since: datetime = _BEGINNING) -> int:
    """Runs the statement until it finds less than it may take; answers how many rows it changed in all.

    It gets $1, how many rows it may take, $2, the time of the last one of the step before (rows come in the order of
    time, so that no step passes again over what the ones before have left behind), then the arguments; it answers how
    many it took and the time of the last.
    """
    pace, total = Pace(), 0
    changed: int
    while True:
        most = int(pace.size)
        started = time.perf_counter()
        async with unhurried(db) as connection:
            changed, reached = await connection.fetchrow(statement, most, since, *arguments)
        total += changed
        if changed < most:
            return total
        since = reached
        await asyncio.sleep(pace.observe(time.perf_counter() - started))

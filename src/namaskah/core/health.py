"""What `/health` answers: whether the database and a worker are there, in figures that a monitor can judge.

It always answers, and quickly: what cannot be learnt within two seconds counts as missing.
"""

import asyncio
import time
from typing import Final, Literal, TypedDict

import asyncpg

from namaskah.core.db import CONNECTION_LOST, Database
from namaskah.core.errors import Unavailable

# A worker says every few seconds that it lives; without one nothing expires and nothing is refunded.
WORKER_SECONDS: Final = 60.0
PATIENCE_SECONDS: Final = 2.0

_NO_ANSWER: tuple[type[BaseException], ...] = (
    Unavailable,
    TimeoutError,
    asyncpg.PostgresError,
    *CONNECTION_LOST,
)

# clock_timestamp, because the row may be younger than the statement's transaction.
WORKER_LAST_SEEN: Final = """
SELECT extract(epoch FROM clock_timestamp() - max(last_seen_at))::float8 FROM workers
"""


class DatabaseHealth(TypedDict):
    """Whether the database answers, and how long its answer took."""

    ok: bool
    latency_ms: float | None


# Without it everything is a little slower, so it is no reason to call an instance degraded.
CacheHealth = Literal["none", "ok", "down"]


class Health(TypedDict):
    """The body of `/health`. Ages are seconds."""

    status: Literal["ok", "degraded", "unavailable"]
    version: str
    database: DatabaseHealth
    cache: CacheHealth
    worker_last_seen: float | None
    uptime_seconds: float


async def health(db: Database, started_at: float, version: str, *, cache: CacheHealth = "none") -> Health:
    """The state of this instance; `started_at` is what `time.monotonic()` said when the process began.

    `unavailable` (answer it with 503): the database does not answer. `degraded`: no worker was seen for 60 s.
    Raises nothing.
    """
    asked = time.perf_counter()
    last_seen: float | None = None
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            last_seen = await db.fetchval(WORKER_LAST_SEEN)
        latency_ms = round((time.perf_counter() - asked) * 1000, 2)
    except _NO_ANSWER:
        latency_ms = None
    alive = last_seen is not None and last_seen < WORKER_SECONDS
    return Health(
        status="unavailable" if latency_ms is None else "ok" if alive else "degraded",
        version=version,
        database=DatabaseHealth(ok=latency_ms is not None, latency_ms=latency_ms),
        cache=cache,
        worker_last_seen=None if last_seen is None else round(max(last_seen, 0.0), 1),
        uptime_seconds=round(time.monotonic() - started_at, 1),
    )

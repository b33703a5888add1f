"""What is due: open verifications are released, completed ones give their number back. Any number of workers may do it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg
import structlog

from namaskah.core import metrics
from namaskah.core.db import Database
from namaskah.core.ids import new_id

# As many rows as the LIMIT in verification_sweep, which is a literal there for the planner's sake.
BATCH = 500
_SWEEP = "SELECT * FROM verification_sweep($1, $2, $3)"
_SWEEP_ONE = "SELECT * FROM verification_sweep($1, $2, $3, $4)"
_DUE = f"SELECT id FROM verifications WHERE sweep_at <= coalesce($1, clock_timestamp()) ORDER BY sweep_at LIMIT {BATCH}"
_PUT_OFF = "UPDATE verifications SET sweep_at = clock_timestamp() + interval '1 minute' WHERE id = $1 AND sweep_at IS NOT NULL"
_log = structlog.get_logger()
_NEXT_DUE = "SELECT extract(epoch FROM min(sweep_at) - clock_timestamp()) FROM verifications WHERE sweep_at IS NOT NULL"


class Swept(NamedTuple):
    """How many holds went back and how many numbers of completed verifications became free."""

    released: int
    closed: int


async def expire_due(db: Database, *, pause_seconds: int = 0, now: datetime | None = None) -> Swept:
    """Settles one batch of what is due by the database's clock, and wakes the customers' streams."""
    try:
        rows: Sequence[Any] = await db.fetch(_SWEEP, [new_id("txn") for _ in range(BATCH)], pause_seconds, now)
    except asyncpg.IntegrityConstraintViolationError:
        rows = await _one_by_one(db, pause_seconds, now)
    for row in rows:
        db.announce(row["user_id"], row["livemode"])
        mode = metrics.mode(row["livemode"])
        metrics.VERIFICATIONS_SETTLED.labels(mode, "expired").inc(row["released"])
        lateness = metrics.REFUND_LATENESS.labels(mode)
        for seconds in row["lateness"]:
            lateness.observe(seconds)
    return Swept(sum(row["released"] for row in rows), sum(row["closed"] for row in rows))


async def _one_by_one(db: Database, pause_seconds: int, now: datetime | None) -> list[Any]:
    """A damaged wallet must not keep everybody else's money: it alone waits for an operator, and is tried every minute."""
    settled: list[Any] = []
    for due in await db.fetch(_DUE, now):
        try:
            settled += await db.fetch(_SWEEP_ONE, [new_id("txn")], pause_seconds, now, due["id"])
        except asyncpg.IntegrityConstraintViolationError as error:
            _log.error("verification_cannot_be_settled", verification_id=due["id"], constraint=error.constraint_name)
            await db.execute(_PUT_OFF, due["id"])
    return settled


async def seconds_to_next(db: Database) -> float | None:
    """Seconds until something is due, negative when it is late, None when nothing is open."""
    found = await db.fetchval(_NEXT_DUE)
    return None if found is None else float(found)

"""What is due: open verifications are released, completed ones give their number back. Any number of workers may do it."""

from datetime import datetime
from typing import NamedTuple

from namaskah.core.db import Database
from namaskah.core.ids import new_id

# As many rows as the LIMIT in verification_sweep, which is a literal there for the planner's sake.
BATCH = 500
_SWEEP = "SELECT * FROM verification_sweep($1, $2, $3)"
_NEXT_DUE = "SELECT extract(epoch FROM min(sweep_at) - clock_timestamp()) FROM verifications WHERE sweep_at IS NOT NULL"


class Swept(NamedTuple):
    """How many holds went back and how many numbers of completed verifications became free."""

    released: int
    closed: int


async def expire_due(db: Database, *, pause_seconds: int = 0, now: datetime | None = None) -> Swept:
    """Settles one batch of what is due by the database's clock, and wakes the customers' streams."""
    rows = await db.fetch(_SWEEP, [new_id("txn") for _ in range(BATCH)], pause_seconds, now)
    for row in rows:
        db.announce(row["user_id"], row["livemode"])
    return Swept(sum(row["released"] for row in rows), sum(row["closed"] for row in rows))


async def seconds_to_next(db: Database) -> float | None:
    """Seconds until something is due, negative when it is late, None when nothing is open."""
    found = await db.fetchval(_NEXT_DUE)
    return None if found is None else float(found)

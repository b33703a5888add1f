"""Removes what is over: sessions that ended, and failed sign-ins that no longer count.

To be run every few minutes; nothing waits for it, because ended rows are not looked at. In steps, because a flood of
sign-ins leaves many rows behind.
"""

from typing import Final

from namaskah.accounts.sessions import IDLE_DAYS
from namaskah.accounts.sign_in_limits import WINDOW_SECONDS
from namaskah.core.batches import in_batches
from namaskah.core.db import Database

_STEP: Final = """
WITH over AS MATERIALIZED (
    SELECT ctid, {time} AS time FROM {table} WHERE {which} AND {time} >= $2::timestamptz
    ORDER BY {time} LIMIT $1 FOR UPDATE SKIP LOCKED
), gone AS (DELETE FROM {table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM over)))
SELECT count(*), max(time) FROM over
"""
STEPS: Final = (
    _STEP.format(table="sessions", time="expires_at", which="expires_at <= now()"),
    _STEP.format(table="sessions", time="last_seen_at", which=f"last_seen_at <= now() - interval '{IDLE_DAYS} days'"),
    _STEP.format(
        table="sign_in_attempts", time="window_start", which=f"window_start <= now() - interval '{WINDOW_SECONDS} seconds'"
    ),
)


async def sweep(db: Database) -> int:
    """Deletes them; answers how many rows that were."""
    return sum([await in_batches(db, step) for step in STEPS])

"""Removes what is over: sessions that ended, and failed sign-ins that no longer count.

To be run every few minutes; nothing waits for it, because ended rows are not looked at.
"""

from typing import Final

from namaskah.accounts.sessions import IDLE_DAYS
from namaskah.accounts.sign_in_limits import WINDOW_SECONDS
from namaskah.core.db import Db

SWEEP: Final = f"""
WITH ended AS (
    DELETE FROM sessions WHERE expires_at <= now() OR last_seen_at <= now() - interval '{IDLE_DAYS} days'
    RETURNING 1
), past AS (
    DELETE FROM sign_in_attempts WHERE window_start <= now() - interval '{WINDOW_SECONDS} seconds'
    RETURNING 1
)
SELECT (SELECT count(*) FROM ended) + (SELECT count(*) FROM past)
"""


async def sweep(db: Db) -> int:
    """Deletes them; answers how many rows that were."""
    return int(await db.fetchval(SWEEP))

"""The worker checks the ledger every minute and keeps what it found: half a million rows a year, of which few are of use."""

from datetime import timedelta

from namaskah.core.batches import in_batches
from namaskah.core.db import Database

KEPT_DAYS = 30
# Those that found something stay. So does the newest good one, from which the next check goes on.
_FORGET = """
WITH old AS MATERIALIZED (
    SELECT ctid, checked_to FROM ledger_checks
    WHERE ok AND checked_to >= $2::timestamptz AND checked_to < now() - $3::interval
      AND checked_to < (SELECT max(checked_to) FROM ledger_checks WHERE ok)
    ORDER BY checked_to LIMIT $1 FOR UPDATE SKIP LOCKED
), gone AS (DELETE FROM ledger_checks WHERE ctid = ANY (ARRAY(SELECT ctid FROM old)))
SELECT count(*), max(checked_to) FROM old
"""


async def forget_checks(db: Database, *, days: int = KEPT_DAYS) -> int:
    """Deletes checks that found nothing and are older; answers how many."""
    return await in_batches(db, _FORGET, timedelta(days=days))

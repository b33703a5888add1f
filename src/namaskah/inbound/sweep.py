"""Takes up messages that were stored and not handled: their process died, or their number was not stored yet."""

from datetime import datetime
from typing import Any

from namaskah.core.db import Database
from namaskah.verifications.receive import receive

# The process that stored a message gets this long to handle it itself.
_UNHANDLED = """
SELECT id FROM messages WHERE handled_at IS NULL AND created_at < coalesce($1, clock_timestamp()) - interval '2 seconds'
ORDER BY created_at LIMIT 200
"""


async def handle_left_over(db: Database, *, now: datetime | None = None) -> int:
    """Offers them again; answers how many found what they were for."""
    rows: Any = await db.fetch(_UNHANDLED, now)
    outcomes = [await receive(db, message_id=row["id"], now=now) for row in rows]
    return sum(outcome != "not_yet" for outcome in outcomes)

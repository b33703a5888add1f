"""What is forgotten, and when: texts and codes after days, numbers masked after a month, events and keys with them."""

from datetime import timedelta
from typing import Any

from namaskah.core.db import Database

_BATCH = 5000
_ERASE = f"""
UPDATE messages SET erased_at = clock_timestamp(), text_encrypted = NULL, code_encrypted = NULL, sender = '',
       number = left(number, 4) || repeat('*', greatest(length(number) - 4, 0))
WHERE id IN (SELECT id FROM messages WHERE erased_at IS NULL AND created_at < clock_timestamp() - $1::interval
             ORDER BY created_at LIMIT {_BATCH} FOR UPDATE SKIP LOCKED)
"""
# An event holds the ciphertexts of its day and the number; it is needed for replays only.
_FORGET_EVENTS = f"""
DELETE FROM events WHERE (user_id, livemode, seq) IN (
    SELECT user_id, livemode, seq FROM events WHERE created_at < clock_timestamp() - $1::interval
    LIMIT {_BATCH} FOR UPDATE SKIP LOCKED)
"""
_FORGET_KEYS = f"""
DELETE FROM idempotency_keys WHERE (user_id, livemode, key) IN (
    SELECT user_id, livemode, key FROM idempotency_keys WHERE created_at < clock_timestamp() - $1::interval
    LIMIT {_BATCH} FOR UPDATE SKIP LOCKED)
"""
_MASKED_TO = """
SELECT coalesce((SELECT value::timestamptz FROM schema_state WHERE name = 'numbers_masked_to'),
                (SELECT min(created_at) FROM verifications))
"""
# Hour by hour from where the last run ended, so that no run has to look at everything.
_MASK = """
WITH masked AS (
    UPDATE verifications SET number = left(number, 4) || repeat('*', greatest(length(number) - 4, 0))
    WHERE status IN ('completed', 'cancelled', 'expired', 'failed') AND created_at >= $1 AND created_at < $2
      AND number IS NOT NULL
    RETURNING 1
)
INSERT INTO schema_state SELECT 'numbers_masked_to', $2::timestamptz::text FROM (SELECT count(*) FROM masked) done
ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""


async def erase_messages(db: Database, *, days: int) -> int:
    """Erases texts and codes that are older; the rows, times and captures stay. Answers how many."""
    return await _in_batches(db, _ERASE, timedelta(days=days))


async def forget_events(db: Database, *, days: int) -> int:
    """Deletes events that are older, which hold copies of what erase_messages erases."""
    return await _in_batches(db, _FORGET_EVENTS, timedelta(days=days))


async def forget_idempotency_keys(db: Database, *, days: int) -> int:
    """Deletes idempotency keys and their stored answers."""
    return await _in_batches(db, _FORGET_KEYS, timedelta(days=days))


async def mask_numbers(db: Database, *, days: int) -> None:
    """Masks the numbers of verifications that are older, all but their first four characters."""
    start: Any = await db.fetchval(_MASKED_TO)
    end: Any = await db.fetchval("SELECT clock_timestamp() - $1::interval", timedelta(days=days))
    while start is not None and start < end:
        following = min(start + timedelta(hours=1), end)
        await db.execute(_MASK, start, following)
        start = following


async def _in_batches(db: Database, statement: str, age: timedelta) -> int:
    total = 0
    while True:
        changed = int((await db.execute(statement, age)).rpartition(" ")[2])
        total += changed
        if changed < _BATCH:
            return total

"""What is forgotten, and when: texts and codes after days, numbers masked after a month, events and keys with them.

All in small steps in the order of time (`core/batches.py`). Rows are found by their place (ctid), which is safe because
the same statement has locked them; and by now(), because an index cannot be asked for what clock_timestamp() says.
"""

from datetime import timedelta
from typing import Any

from namaskah.core.batches import in_batches
from namaskah.core.db import Database

# What an upstream did is asked for when its month's bill comes; afterwards nobody does.
PROVIDER_ORDER_DAYS = 90
# Who wants to know why a job died has looked by then.
DEAD_JOB_DAYS = 90
KEY_SPEND_DAYS = 32
_ERASE = """
WITH old AS MATERIALIZED (
    SELECT ctid, created_at FROM messages
    WHERE erased_at IS NULL AND created_at >= $2::timestamptz AND created_at < now() - $3::interval
    ORDER BY created_at LIMIT $1 FOR UPDATE SKIP LOCKED
), erased AS (
    UPDATE messages SET erased_at = clock_timestamp(), text_encrypted = NULL, code_encrypted = NULL, sender = '',
           number = left(number, 4) || repeat('*', greatest(length(number) - 4, 0))
    WHERE ctid = ANY (ARRAY(SELECT ctid FROM old))
)
SELECT count(*), max(created_at) FROM old
"""
_FORGET = """
WITH old AS MATERIALIZED (
    SELECT ctid, {time} AS time FROM {table}
    WHERE {which} AND {time} >= $2::timestamptz AND {time} < now() - $3::interval
    ORDER BY {time} LIMIT $1 FOR UPDATE SKIP LOCKED
), gone AS (DELETE FROM {table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM old)))
SELECT count(*), max(time) FROM old
"""
# An event holds the ciphertexts of its day and the number; it is needed for replays only.
_FORGET_EVENTS = _FORGET.format(table="events", time="created_at", which="true")
_FORGET_KEYS = _FORGET.format(table="idempotency_keys", time="created_at", which="true")
_FORGET_PROVIDER_ORDERS = _FORGET.format(table="provider_orders", time="asked_at", which="state = 'closed'")
_FORGET_DEAD_JOBS = _FORGET.format(table="jobs", time="dead_at", which="dead_at IS NOT NULL")
_FORGET_KEY_SPEND = _FORGET.format(table="api_key_spend", time="(day::timestamp AT TIME ZONE 'UTC')", which="true")
# What failed never had a number, and would be passed over again in every step.
_HAD_A_NUMBER = ("completed", "cancelled", "expired")
_MASKED_TO = """
SELECT coalesce((SELECT value::timestamptz FROM schema_state WHERE name = 'numbers_masked_to'),
                (SELECT min(created_at) FROM verifications))
"""
# The next ones by time, of each status by itself, because the index begins with it. By their ids: one that is changed at the
# same moment has another place afterwards, and must be masked all the same.
_ONE_STATUS = """
    (SELECT id, created_at FROM verifications
     WHERE status = '{}' AND created_at >= $2::timestamptz AND created_at < $3::timestamptz
     AND number NOT LIKE '%*' ORDER BY created_at LIMIT $1)
"""
_MASK = f"""
WITH old AS MATERIALIZED (
    SELECT id, created_at FROM ({" UNION ALL ".join(map(_ONE_STATUS.format, _HAD_A_NUMBER))}) x ORDER BY created_at LIMIT $1
), masked AS (
    UPDATE verifications SET number = left(number, 4) || repeat('*', greatest(length(number) - 4, 0))
    WHERE id = ANY (ARRAY(SELECT id FROM old))
), so_far AS (
    INSERT INTO schema_state SELECT 'numbers_masked_to', max(created_at)::text FROM old HAVING count(*) > 0
    ON CONFLICT (name) DO UPDATE SET value = excluded.value
)
SELECT count(*), max(created_at) FROM old
"""
_MASKED = """
INSERT INTO schema_state VALUES ('numbers_masked_to', $1::timestamptz::text)
ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""


async def erase_messages(db: Database, *, days: int) -> int:
    """Erases texts and codes that are older; the rows, times and captures stay. Answers how many."""
    return await in_batches(db, _ERASE, timedelta(days=days))


async def forget_events(db: Database, *, days: int) -> int:
    """Deletes events that are older, which hold copies of what erase_messages erases."""
    return await in_batches(db, _FORGET_EVENTS, timedelta(days=days))


async def forget_idempotency_keys(db: Database, *, days: int) -> int:
    """Deletes idempotency keys and their stored answers."""
    return await in_batches(db, _FORGET_KEYS, timedelta(days=days))


async def forget_ended_work(db: Database) -> int:
    """Deletes what is over for months: closed orders at upstreams, dead jobs, days of keys' spending."""
    provider_orders = await in_batches(db, _FORGET_PROVIDER_ORDERS, timedelta(days=PROVIDER_ORDER_DAYS))
    dead_jobs = await in_batches(db, _FORGET_DEAD_JOBS, timedelta(days=DEAD_JOB_DAYS))
    return provider_orders + dead_jobs + await in_batches(db, _FORGET_KEY_SPEND, timedelta(days=KEY_SPEND_DAYS))


async def mask_numbers(db: Database, *, days: int) -> int:
    """Masks the numbers of verifications that are older, all but their first four characters. Answers how many.

    It goes on from where the last run ended, so that no run has to look at everything.
    """
    start: Any = await db.fetchval(_MASKED_TO)
    end: Any = await db.fetchval("SELECT clock_timestamp() - $1::interval", timedelta(days=days))
    if start is None or start >= end:
        return 0
    masked = await in_batches(db, _MASK, end, since=start)
    await db.execute(_MASKED, end)
    return masked

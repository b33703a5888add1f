"""Old orders leave the tables that work, each as one row of `archived_orders`, and their ledger lines with them.

What a wallet paid for them stays in the ledger as a line that carries it forward, so that every proof of the ledger holds
as before, also with an older release. Run by the database's owner (`namaskah ledger archive`), never by the application.
"""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec

from namaskah.core.batches import Pace, unhurried
from namaskah.core.db import Database
from namaskah.core.ids import new_id

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_WALLETS = """
SELECT user_id, livemode FROM wallets WHERE (user_id, livemode) > ($1, $2) ORDER BY user_id, livemode LIMIT 500
"""
_STEP = "SELECT archived, captured, reached, taken FROM orders_archive($1, $2, $3, $4, $5, $6)"
_WAIT = "SET LOCAL lock_timeout = '50ms'"
_LATER_SECONDS = 0.2
_COUNT = """
SELECT count(*) AS orders, coalesce(sum(price_micros) FILTER (WHERE status = 'completed'), 0)::bigint AS captured,
       count(DISTINCT (user_id, livemode)) AS wallets
FROM verifications
WHERE status IN ('completed', 'cancelled', 'expired', 'failed') AND created_at < $1 AND closed_at < $1 AND sweep_at IS NULL
"""
_LOG = """
INSERT INTO audit_log (actor_id, action, target, reason, detail)
VALUES ($1, 'ledger.archive', $2, $3,
        jsonb_build_object('orders', $4::bigint, 'captured_micros', $5::bigint, 'wallets', $6::bigint))
"""


class Archived(msgspec.Struct, frozen=True):
    """What was archived: orders, what customers had paid for them, and of how many wallets."""

    orders: int
    captured_micros: int
    wallets: int


async def count_orders(db: Database, *, before: datetime) -> Archived:
    """What archive_orders would take."""
    row: Any = await db.fetchrow(_COUNT, before)
    return Archived(row["orders"], row["captured"], row["wallets"])


async def archive_orders(db: Database, *, before: datetime, reason: str, actor_id: str) -> Archived:
    """Archives what was ordered and ended before; in steps, wallet by wallet. May be interrupted and run again at any time.

    `db` must work as the database's owner: the application's role is refused with InsufficientPrivilegeError.
    """
    pace = Pace(first=20, least=5, most=500)
    orders = captured = wallets = 0
    user_id, livemode = "", False
    while True:
        rows: Any = await db.fetch(_WALLETS, user_id, livemode)
        for user_id, livemode in rows:
            found = await archive_wallet(db, user_id=user_id, livemode=livemode, before=before, pace=pace)
            orders, captured, wallets = orders + found[0], captured + found[1], wallets + (found[0] > 0)
        if len(rows) < 500:
            break
    await db.execute(_LOG, actor_id, before.isoformat(), reason, orders, captured, wallets)
    return Archived(orders, captured, wallets)


async def archive_wallet(db: Database, *, user_id: str, livemode: bool, before: datetime, pace: Pace) -> tuple[int, int]:
    """Archives one wallet's; answers how many orders, and what had been paid for them in micros."""
    orders = captured = 0
    since, least = _BEGINNING, 0
    while True:
        most = max(int(pace.size), least)
        started = time.perf_counter()
        try:
            async with unhurried(db) as connection:
                await connection.execute(_WAIT)
                row = await connection.fetchrow(_STEP, user_id, livemode, since, before, most, new_id("txn"))
        except asyncpg.LockNotAvailableError:
            # Somebody works on one of these rows, as the erasing of texts does: they are ours a moment later.
            await asyncio.sleep(_LATER_SECONDS)
            continue
        if not row["taken"]:
            return orders, captured
        # What is damaged stays: as many of one instant as a step takes would be all that the steps after it find.
        least = most * 2 if row["reached"] == since and not row["archived"] else 0
        orders, captured, since = orders + row["archived"], captured + row["captured"], row["reached"]
        rest = pace.observe(time.perf_counter() - started)
        if row["taken"] < most:
            # Few orders take no time: the next wallets follow at once, and the rest is for whoever has many.
            return orders, captured
        await asyncio.sleep(rest)

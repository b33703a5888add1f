"""Rows for the catalogue's tests, written as the rest of the platform would leave them behind."""

from datetime import datetime, timedelta
from itertools import count
from typing import Any

from namaskah.core.ids import new_id

_serial = count(1)


async def add_user(db: Any, plan: str = "free") -> str:
    """A customer on that plan, with both wallets."""
    user_id = new_id("user")
    await db.execute(
        "INSERT INTO users (id, email, plan, terms_version, terms_accepted_at) VALUES ($1, $2, $3, '1', now())",
        user_id, f"{user_id}@example.com", plan,
    )  # fmt: skip
    await db.execute("INSERT INTO wallets (user_id, livemode) VALUES ($1, true), ($1, false)", user_id)
    return user_id


async def add_numbers(db: Any, country: str, operator: str = "", *, how_many: int) -> list[int]:
    """Our own numbers, free; answers their ids."""
    await db.execute(
        "INSERT INTO number_sources (id, name, secret_encrypted) VALUES ('src_1', 'rack', '') ON CONFLICT DO NOTHING"
    )
    first = next(_serial) * 1_000_000
    rows = await db.fetch(
        "INSERT INTO numbers (e164, country, operator, source_id)"
        " SELECT '+1' || (2000000000 + $1::bigint + i)::text, $2, $3, 'src_1' FROM generate_series(1, $4) i RETURNING id",
        first, country, operator, how_many,
    )  # fmt: skip
    return [row["id"] for row in rows]


async def add_order(
    db: Any, user_id: str, service: str, *, at: datetime, status: str = "pending", seconds: float = 10,
    number_id: int | None = None, country: str = "us", operator: str = "", provider: str = "inventory",
    livemode: bool = True, reuse_of: str | None = None,
) -> str:  # fmt: skip
    """A verification made `at`, settled `seconds` later where it is settled; its number is used, and busy while open."""
    order_id, done = new_id("ver"), status in ("completed", "cancelled", "expired")
    await db.execute(
        """
        INSERT INTO verifications (id, user_id, livemode, status, service_id, service, country, operator, provider, number_id,
            number, price_micros, charged, hold_id, created_at, pending_at, can_cancel_at, expires_at, code_received_at,
            settled_at, reuse_of)
        SELECT $1, $2, $3, $4, id, slug, $5, $6, $7, $8, '+12025550100', 1000000, $4 = 'completed', $1, $9, $9, $9,
            $9::timestamptz + interval '20 minutes', CASE WHEN $4 = 'completed' THEN $10::timestamptz END, $11, $12
        FROM services WHERE slug = $13
        """,
        order_id, user_id, livemode, status, country, operator, provider, number_id, at, at + timedelta(seconds=seconds),
        at + timedelta(seconds=seconds) if done else None, reuse_of, service,
    )  # fmt: skip
    if number_id is not None:
        await db.execute(
            "INSERT INTO number_uses SELECT id, $2, $3 FROM services WHERE slug = $1"
            " ON CONFLICT (service_id, number_id) DO UPDATE SET verification_id = excluded.verification_id",
            service, number_id, order_id,
        )  # fmt: skip
        await db.execute("UPDATE numbers SET busy = $2, verification_id = $3 WHERE id = $1", number_id, not done, order_id)
    return order_id

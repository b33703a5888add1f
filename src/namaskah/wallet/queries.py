"""Reading a wallet and its statement. The acting account is an argument everywhere."""

from datetime import datetime
from typing import Any

import msgspec

from namaskah.core.db import Db
from namaskah.core.money import Money, money

_WALLET = "SELECT balance_micros, held_micros FROM wallets WHERE user_id = $1 AND livemode = $2"
_TRANSACTIONS = """
SELECT id, type, amount_micros, balance_after_micros, available_after_micros, verification_id, reason, created_at
FROM transactions WHERE user_id = $1 AND livemode = $2
"""
_ORDER = " ORDER BY created_at DESC, id DESC LIMIT "
_USAGE = """
SELECT open_count, CASE WHEN hour_started_at > clock_timestamp() - interval '1 hour' THEN hour_count ELSE 0 END AS in_hour,
       CASE WHEN day_started_on = (clock_timestamp() AT TIME ZONE 'UTC')::date THEN day_spent_micros ELSE 0 END AS today,
       judged_count, judged_codes, p.slug, p.max_concurrent, p.max_per_hour, p.daily_spend_micros, p.min_delivery_bp
FROM wallets w JOIN users u ON u.id = w.user_id JOIN plans p ON p.slug = u.plan
WHERE w.user_id = $1 AND w.livemode = $2
"""


class Wallet(msgspec.Struct, kw_only=True):
    """What a customer has: `held` is set aside for open verifications, `available` can be spent."""

    object: str = "wallet"
    balance: Money
    held: Money
    available: Money
    livemode: bool


class Transaction(msgspec.Struct, kw_only=True):
    """One line of the statement; `amount` is what it did to the available money."""

    id: str
    object: str = "transaction"
    type: str
    amount: Money
    balance_after: Money
    available_after: Money
    verification_id: str | None
    reason: str
    created_at: datetime


class Usage(msgspec.Struct, kw_only=True):
    """How much of the plan's limits is used now."""

    object: str = "usage"
    plan: str
    open_verifications: int
    max_open_verifications: int
    purchases_this_hour: int
    max_purchases_an_hour: int
    spent_today: Money
    max_spend_a_day: Money
    delivery_share: float | None
    min_delivery_share: float


async def wallet(db: Db, *, user_id: str, livemode: bool) -> Wallet:
    """The wallet. LookupError when the user has none, which register does not allow."""
    row: Any = await db.fetchrow(_WALLET, user_id, livemode)
    if row is None:
        raise LookupError("a user without a wallet")
    balance, held = row["balance_micros"], row["held_micros"]
    return Wallet(balance=money(balance), held=money(held), available=money(balance - held), livemode=livemode)


async def transactions(
    db: Db, *, user_id: str, livemode: bool, kind: str | None, limit: int, after: tuple[datetime, str] | None
) -> list[Transaction]:
    """A page of the statement, newest first; `after` is the time and id of the row before the page."""
    arguments: list[Any] = [user_id, livemode]
    wishes = ""
    if kind is not None:
        arguments.append(kind)
        wishes += f" AND type = ${len(arguments)}"
    if after is not None:
        arguments += after
        wishes += f" AND (created_at, id) < (${len(arguments) - 1}, ${len(arguments)})"
    rows: Any = await db.fetch(f"{_TRANSACTIONS}{wishes}{_ORDER}{int(limit)}", *arguments)
    return [
        Transaction(
            id=row["id"], type=row["type"], amount=money(row["amount_micros"]), balance_after=money(row["balance_after_micros"]),
            available_after=money(row["available_after_micros"]), verification_id=row["verification_id"], reason=row["reason"],
            created_at=row["created_at"],
        )
        for row in rows
    ]  # fmt: skip


async def usage(db: Db, *, user_id: str, livemode: bool) -> Usage:
    """What is used of the plan's limits. LookupError for an unknown user."""
    row: Any = await db.fetchrow(_USAGE, user_id, livemode)
    if row is None:
        raise LookupError("a user without a wallet")
    judged = row["judged_count"]
    return Usage(
        plan=row["slug"], open_verifications=row["open_count"], max_open_verifications=row["max_concurrent"],
        purchases_this_hour=row["in_hour"], max_purchases_an_hour=row["max_per_hour"], spent_today=money(row["today"]),
        max_spend_a_day=money(row["daily_spend_micros"]), delivery_share=row["judged_codes"] / judged if judged else None,
        min_delivery_share=row["min_delivery_bp"] / 10_000,
    )  # fmt: skip

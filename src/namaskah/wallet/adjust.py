"""An operator credits or debits a wallet, with a reason that the customer sees and the audit log keeps."""

import hashlib
from datetime import datetime
from typing import Any

import asyncpg

from namaskah.core.db import Database
from namaskah.core.errors import Conflict, NotFound, PaymentRequired, UnprocessableContent
from namaskah.core.ids import ALPHABET, new_id
from namaskah.core.money import text_from_micros

_ADJUST = """
WITH done AS (
    SELECT ledger_adjust($1, $2, $3, $4, $5, $6, $7, $8::smallint, coalesce($9, clock_timestamp())) AS seq
), logged AS (
    INSERT INTO audit_log (actor_id, action, target, reason, detail)
    SELECT $7, 'wallet.' || $4, $2, $6,
           jsonb_build_object('transaction', $1::text, 'amount_micros', $5::bigint, 'livemode', $3::boolean)
    FROM done WHERE $7 <> 'system'
)
SELECT seq FROM done
"""
_BOOKED = "SELECT type, amount_micros FROM transactions WHERE id = $1"
_FUNDING = 4
_TEST_GAP = """
SELECT $2::bigint - (balance_micros - held_micros) FROM wallets WHERE user_id = $1 AND NOT livemode FOR NO KEY UPDATE
"""
_REFILL = """
SELECT ledger_adjust($1, $2, false, 'promotion', $3, 'test money refilled', 'system', 5::smallint, clock_timestamp())
"""


class NoSuchWallet(NotFound):
    """There is no such user."""

    code = "no_such_wallet"


class DebitTooLarge(PaymentRequired):
    """The wallet does not hold that much available money."""

    code = "debit_too_large"


class ReferenceTaken(Conflict):
    """Another movement was booked under this reference."""

    code = "reference_taken"


class AmountNotPositive(UnprocessableContent):
    """The amount must be more than nothing."""

    code = "amount_not_positive"


async def credit(
    db: Database,
    *,
    user_id: str,
    amount_micros: int,
    reason: str,
    actor_id: str,
    livemode: bool = True,
    reference: str | None = None,
    now: datetime | None = None,
) -> str:
    """Adds money; answers the transaction's id. The same reference again adds nothing and answers the first one's id.

    Raises NoSuchWallet, AmountNotPositive, ReferenceTaken.
    """
    return await _adjust(db, user_id, livemode, "credit", amount_micros, reason, actor_id, _FUNDING, now, reference)


async def debit(
    db: Database,
    *,
    user_id: str,
    amount_micros: int,
    reason: str,
    actor_id: str,
    livemode: bool = True,
    reference: str | None = None,
    now: datetime | None = None,
) -> str:
    """Takes available money away; answers the transaction's id. The same reference again takes nothing.

    Raises NoSuchWallet, DebitTooLarge, AmountNotPositive, ReferenceTaken.
    """
    return await _adjust(db, user_id, livemode, "debit", amount_micros, reason, actor_id, _FUNDING, now, reference)


async def refill_test(db: Database, *, user_id: str, to_micros: int) -> bool:
    """Fills the test mode's wallet up to an amount; False when it holds as much already."""
    async with db.transaction() as connection:
        # The lock keeps two refills at the same instant from both adding.
        gap = await connection.fetchval(_TEST_GAP, user_id, to_micros)
        if gap is None:
            raise NoSuchWallet()
        if gap > 0:
            await connection.fetchval(_REFILL, new_id("txn"), user_id, gap)
    if gap > 0:
        db.announce(user_id, False)
    return bool(gap > 0)


async def _adjust(
    db: Database, user_id: str, livemode: bool, kind: str, amount_micros: int, reason: str, actor_id: str, account: int,
    now: datetime | None, reference: str | None = None,
) -> str:  # fmt: skip
    if amount_micros <= 0:
        raise AmountNotPositive("The amount must be more than nothing. No money moved.")
    signed = -amount_micros if kind == "debit" else amount_micros
    transaction_id = new_id("txn") if reference is None else _id_of(user_id, livemode, reference)
    try:
        await db.fetchval(_ADJUST, transaction_id, user_id, livemode, kind, signed, reason, actor_id, account, now)
    except asyncpg.UniqueViolationError:
        # Somebody who did not hear our answer asks again: what was booked under the reference stays booked, once.
        booked: Any = await db.fetchrow(_BOOKED, transaction_id)
        if (booked["type"], booked["amount_micros"]) != (kind, signed):
            raise ReferenceTaken("Another amount was booked under this reference. No money moved now.") from None
        return transaction_id
    except asyncpg.PostgresError as error:
        _say(error, amount_micros)
        raise
    db.announce(user_id, livemode)
    return transaction_id


def _id_of(user_id: str, livemode: bool, reference: str) -> str:
    """The id that a reference always leads to: the primary key then refuses the second booking."""
    digest = hashlib.sha256(f"{user_id}\0{livemode}\0{reference}".encode()).digest()
    return "txn_" + "".join(ALPHABET[byte & 31] for byte in digest[:26])


def _say(error: Any, amount_micros: int) -> None:
    if error.sqlstate == "NM404":
        raise NoSuchWallet("There is no such user. No money moved.") from None
    if error.sqlstate == "NM402":
        raise DebitTooLarge(f"Less than {text_from_micros(amount_micros)} USD are available. No money moved.") from None

"""The wallet and its statement over HTTP."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from namaskah.api.call import Call, Reply
from namaskah.api.errors import TestKeyNeeded
from namaskah.api.fields import Cursor, Limit, given
from namaskah.core.cursor import moment_and_id, page_after
from namaskah.wallet.adjust import refill_test
from namaskah.wallet.queries import Transaction, transactions, wallet
from namaskah.wallet.register import TEST_BALANCE_MICROS

TransactionType = Literal["credit", "debit", "hold", "capture", "release", "top_up", "promotion", "reversal"]
_encode: Final = msgspec.json.Encoder().encode
# A moment before which no account was opened, and after which nobody can have asked.


class TransactionsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which lines of the statement are wanted."""

    type: Annotated[TransactionType, Meta(description="Only lines of this type.")] | UnsetType = UNSET
    limit: Limit = 20
    cursor: Cursor | UnsetType = UNSET


class TransactionPage(msgspec.Struct):
    """A page of the statement, newest first."""

    data: list[Transaction]
    next_cursor: str | None


async def read_wallet(call: Call) -> Reply:
    """GET /wallet"""
    who = call.principal
    return Reply(_encode(await wallet(call.platform.db, user_id=who.user_id, livemode=who.livemode)))


async def list_transactions(call: Call) -> Reply:
    """GET /wallet/transactions"""
    query = call.query(TransactionsQuery)
    rows = await transactions(
        call.platform.db,
        user_id=call.principal.user_id,
        livemode=call.principal.livemode,
        kind=given(query.type),
        limit=query.limit + 1,
        after=None if query.cursor is UNSET else moment_and_id(query.cursor),
    )
    following = None
    if len(rows) > query.limit:
        last = rows[query.limit - 1]
        following = page_after(last.created_at, last.id)
    return Reply(_encode(TransactionPage(rows[: query.limit], following)))


async def refill_test_wallet(call: Call) -> Reply:
    """POST /wallet/test-refill"""
    if call.principal.livemode:
        raise TestKeyNeeded("A live wallet is filled by paying. Nothing was credited.")
    await refill_test(call.platform.db, user_id=call.principal.user_id, to_micros=TEST_BALANCE_MICROS)
    return await read_wallet(call)

"""Credits, debits and the test money's refill: who, how much, why; and never below nothing."""

import asyncio

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from namaskah.wallet.adjust import AmountNotPositive, DebitTooLarge, NoSuchWallet, ReferenceTaken, credit, debit, refill_test
from namaskah.wallet.check import check
from namaskah.wallet.queries import transactions, wallet
from tests.factories import buy, customer, own_numbers

NOBODY = "user_00000000000000000000000000"


@pytest.mark.parametrize("amount", [0, -1, -(10**12)])
@pytest.mark.parametrize("verb", [credit, debit])
async def test_an_amount_that_is_not_more_than_nothing_is_refused(database, verb, amount):
    who = await customer(database)
    with pytest.raises(AmountNotPositive):
        await verb(database, user_id=who.user_id, amount_micros=amount, reason="r", actor_id="ops")
    assert (await wallet(database, user_id=who.user_id, livemode=True)).balance.amount == "10.00"


@pytest.mark.parametrize("verb", [credit, debit])
async def test_nobodys_wallet_is_not_found(database, verb):
    with pytest.raises(NoSuchWallet):
        await verb(database, user_id=NOBODY, amount_micros=1, reason="r", actor_id="ops")


async def test_no_reason_moves_no_money_and_leaves_no_trace(database, db):
    who = await customer(database)
    with pytest.raises(asyncpg.CheckViolationError):
        await credit(database, user_id=who.user_id, amount_micros=1, reason="", actor_id="ops")
    assert (await wallet(database, user_id=who.user_id, livemode=True)).balance.amount == "10.00"
    assert await db.fetchval("SELECT count(*) FROM transactions WHERE user_id = $1", who.user_id) == 1


async def test_one_micro_more_than_is_available_is_refused_and_held_money_is_not_available(database):
    who = await customer(database)
    await own_numbers(database)
    await buy(database, who)
    money = await wallet(database, user_id=who.user_id, livemode=True)
    available = 10_000_000 - round(float(money.held.amount) * 1_000_000)
    with pytest.raises(DebitTooLarge):
        await debit(database, user_id=who.user_id, amount_micros=available + 1, reason="r", actor_id="ops")
    await debit(database, user_id=who.user_id, amount_micros=available, reason="r", actor_id="ops")
    after = await wallet(database, user_id=who.user_id, livemode=True)
    assert (after.available.amount, after.held) == ("0.00", money.held)
    assert (await check(database, full=True)).ok


async def test_live_and_test_money_never_touch(database):
    who = await customer(database)
    await credit(database, user_id=who.user_id, amount_micros=5_000_000, reason="r", actor_id="ops", livemode=False)
    await debit(database, user_id=who.user_id, amount_micros=1_000_000, reason="r", actor_id="ops", livemode=False)
    assert (await wallet(database, user_id=who.user_id, livemode=True)).balance.amount == "10.00"
    assert (await wallet(database, user_id=who.user_id, livemode=False)).balance.amount == "4.00"


async def test_what_an_operator_did_is_in_the_audit_log_and_on_the_statement(database, db):
    who = await customer(database)
    made = await credit(database, user_id=who.user_id, amount_micros=2_500_000, reason="paid by bank", actor_id="ops")
    row = await db.fetchrow("SELECT actor_id, action, target, reason, detail->>'transaction' AS txn FROM audit_log")
    assert tuple(row) == ("ops", "wallet.credit", who.user_id, "paid by bank", made)
    line = (await transactions(database, user_id=who.user_id, livemode=True, kind="credit", limit=1, after=None))[0]
    assert (line.id, line.amount.amount, line.balance_after.amount, line.reason) == (made, "2.50", "12.50", "paid by bank")


async def test_what_the_system_does_is_no_operators_act(database, db):
    who = await customer(database)
    await credit(database, user_id=who.user_id, amount_micros=1, reason="r", actor_id="system")
    assert await db.fetchval("SELECT count(*) FROM audit_log") == 0


async def test_test_money_is_filled_up_to_an_amount_and_not_beyond(database):
    who = await customer(database, livemode=False, balance="30.00")
    assert await refill_test(database, user_id=who.user_id, to_micros=100_000_000)
    assert not await refill_test(database, user_id=who.user_id, to_micros=100_000_000)
    assert (await wallet(database, user_id=who.user_id, livemode=False)).balance.amount == "100.00"
    assert (await wallet(database, user_id=who.user_id, livemode=True)).balance.amount == "0.00"
    with pytest.raises(NoSuchWallet):
        await refill_test(database, user_id=NOBODY, to_micros=1)


async def test_fifty_at_once_add_up(database):
    who = await customer(database)
    work = [credit, debit] * 25
    await asyncio.gather(*(verb(database, user_id=who.user_id, amount_micros=100, reason="r", actor_id="ops") for verb in work))
    assert (await wallet(database, user_id=who.user_id, livemode=True)).balance.amount == "10.00"
    assert (await check(database, full=True)).ok


async def test_a_balance_larger_than_the_column_is_refused_by_the_database(database):
    who = await customer(database)
    with pytest.raises(asyncpg.NumericValueOutOfRangeError):
        await credit(database, user_id=who.user_id, amount_micros=2**63 - 1, reason="r", actor_id="ops")
    assert (await check(database, full=True)).ok


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(micros=st.integers(0, 10**15))
async def test_an_amount_is_written_the_same_by_sql_and_by_python(db, micros):
    from namaskah.core.money import text_from_micros

    assert await db.fetchval("SELECT amount_text($1)", micros) == text_from_micros(micros)


async def test_the_same_reference_again_books_nothing_and_another_amount_under_it_is_refused(database):
    who = await customer(database, balance="0")
    booked = [
        await credit(database, user_id=who.user_id, amount_micros=5_000_000, reason="x", actor_id="ops", reference="bank-1")
        for _ in range(2)
    ]
    assert booked[0] == booked[1]
    assert (await wallet(database, user_id=who.user_id, livemode=True)).balance.amount == "5.00"
    with pytest.raises(ReferenceTaken):
        await credit(database, user_id=who.user_id, amount_micros=6_000_000, reason="x", actor_id="ops", reference="bank-1")
    assert (await check(database, full=True)).ok


async def test_two_refills_at_the_same_instant_fill_once(database):
    who = await customer(database, balance="0", livemode=False)
    await asyncio.gather(*(refill_test(database, user_id=who.user_id, to_micros=100_000_000) for _ in range(8)))
    assert (await wallet(database, user_id=who.user_id, livemode=False)).balance.amount == "100.00"

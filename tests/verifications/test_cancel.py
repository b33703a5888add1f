"""Cancelling: from when on, how often, by whom, and what comes back."""

from datetime import UTC, datetime, timedelta

import pytest

from namaskah.verifications import errors
from namaskah.verifications.cancel import cancel
from namaskah.verifications.expire import expire_due
from namaskah.verifications.queries import read
from namaskah.wallet.queries import usage, wallet
from tests.factories import VAULT, buy, customer, own_numbers, sms
from tests.verifications.shown import shown

SECOND = timedelta(seconds=1)


@pytest.fixture
async def locked(database, db):
    """A customer, an order that may be cancelled from a moment on, and that moment."""
    who = await customer(database)
    await own_numbers(database, 1)
    bought = shown(await buy(database, who))
    moment = datetime.now(UTC) + 120 * SECOND
    await db.execute("UPDATE verifications SET can_cancel_at = $1", moment)
    return who, bought, moment


async def cancelled(database, who, bought, now=None, **more):
    return shown(await cancel(database, principal=who, verification_id=bought.id, vault=VAULT, now=now, **more))


async def test_one_microsecond_too_early_is_refused_and_says_how_long_to_wait(database, locked):
    who, bought, moment = locked
    with pytest.raises(errors.CancelTooEarly) as refusal:
        await cancelled(database, who, bought, moment - timedelta(microseconds=1))
    assert (refusal.value.retry_after, refusal.value.charged) == (1.0, False)
    with pytest.raises(errors.CancelTooEarly) as refusal:
        await cancelled(database, who, bought, moment - 30 * SECOND)
    assert refusal.value.retry_after == pytest.approx(30)


async def test_at_the_very_moment_it_is_possible(database, locked):
    who, bought, moment = locked
    assert (await cancelled(database, who, bought, moment)).status == "cancelled"


async def test_after_the_deadline_and_before_the_sweeper_it_is_a_cancel_still(database):
    who = await customer(database)
    await own_numbers(database, 1)
    bought = shown(await buy(database, who, now=datetime.now(UTC) - timedelta(minutes=21)))
    assert (await cancelled(database, who, bought)).status == "cancelled"
    assert await expire_due(database) == (0, 0)


async def test_what_expired_cannot_be_cancelled_and_nothing_comes_back_twice(database):
    who = await customer(database)
    await own_numbers(database, 1)
    bought = shown(await buy(database, who, now=datetime.now(UTC) - timedelta(minutes=21)))
    await expire_due(database)
    with pytest.raises(errors.NumberAlreadyReleased):
        await cancelled(database, who, bought)
    assert (await wallet(database, user_id=who.user_id, livemode=True)).available.amount == "10.00"


async def test_a_message_without_a_code_does_not_stand_in_the_way_and_stays_readable(database):
    who = await customer(database)
    await own_numbers(database, 1)
    bought = shown(await buy(database, who))
    await sms(database, bought.number, "Welcome to our service!")
    ended = await cancelled(database, who, bought)
    assert (ended.status, [m.text for m in ended.messages]) == ("cancelled", ["Welcome to our service!"])
    assert await cancelled(database, who, bought) == ended


async def test_the_days_spend_the_keys_cap_and_the_place_come_back(database, db):
    who = await customer(database)
    await own_numbers(database, 6)
    await db.execute(
        "INSERT INTO api_keys (id, user_id, livemode, name, hint, hash, daily_spend_cap_micros)"
        " VALUES ('key_1', $1, true, 'k', '', sha256('k'), 2000000)", who.user_id,
    )  # fmt: skip
    capped = type(who)(who.user_id, True, "key_1")
    for _ in range(6):
        bought = shown(await buy(database, capped, "whatsapp"))
        await cancelled(database, capped, bought)
    used = await usage(database, user_id=who.user_id, livemode=True)
    assert (used.spent_today.amount, used.open_verifications, used.purchases_this_hour) == ("0.00", 0, 6)
    assert await db.fetchval("SELECT spent_micros FROM api_key_spend") == 0


async def test_what_was_bought_yesterday_gives_nothing_back_to_today(database, db):
    who = await customer(database)
    await own_numbers(database, 3)
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    old = shown(await buy(database, who, now=midnight - SECOND))
    new = shown(await buy(database, who, now=midnight))
    spent = await db.fetchval("SELECT day_spent_micros FROM wallets WHERE livemode")
    await cancelled(database, who, old, midnight + SECOND)
    assert await db.fetchval("SELECT day_spent_micros FROM wallets WHERE livemode") == spent
    await cancelled(database, who, new, midnight + SECOND)
    assert await db.fetchval("SELECT day_spent_micros FROM wallets WHERE livemode") == 0


@pytest.mark.parametrize("how", ["another account", "the test mode of the same account", "no such id"])
async def test_what_is_not_there_for_the_one_who_asks_is_not_found(database, how):
    who = await customer(database)
    await own_numbers(database, 1)
    bought = shown(await buy(database, who))
    asker = (
        await customer(database)
        if how == "another account"
        else type(who)(who.user_id, how != "the test mode of the same account")
    )
    wanted = "ver_00000000000000000000000000" if how == "no such id" else bought.id
    with pytest.raises(errors.VerificationNotFound):
        await cancel(database, principal=asker, verification_id=wanted, vault=VAULT)
    assert shown(await read(database, principal=who, verification_id=bought.id, vault=VAULT)).status == "pending"


async def test_the_number_rests_as_long_as_it_was_told_to(database):
    who = await customer(database)
    await own_numbers(database, 1)
    bought = shown(await buy(database, who))
    now = datetime.now(UTC)
    await cancelled(database, who, bought, now, pause_seconds=60)
    with pytest.raises(errors.NoNumbers):
        await buy(database, who, "whatsapp", now=now + 59 * SECOND)
    assert shown(await buy(database, who, "whatsapp", now=now + 60 * SECOND)).number == bought.number

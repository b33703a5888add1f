"""The limits of a plan and of a key: where they begin, in which words they are told, and when they let go."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from namaskah.accounts.principal import Principal
from namaskah.verifications import errors
from namaskah.verifications.cancel import cancel
from namaskah.wallet.queries import usage
from tests.factories import VAULT, buy, customer, own_numbers, sms
from tests.verifications.shown import shown

HOUR = timedelta(hours=1)
_KEY = """
INSERT INTO api_keys (id, user_id, livemode, name, hint, hash, daily_spend_cap_micros) VALUES ('key_1', $1, true, 'k', '', '\\x', $2)
"""
_PLAN = "INSERT INTO plans VALUES ('small', 'Small', 0, 0, $1, $2, $3, 1, $4)"


async def small_plan(db, *, open_at_once: int = 100, an_hour: int = 100, a_day: int = 10**9, share_bp: int = 0) -> None:
    await db.execute(_PLAN, open_at_once, an_hour, a_day, share_bp)


async def bought(database, who, **wishes):
    return shown(await buy(database, who, **wishes))


async def test_too_many_open_at_once_is_told_with_the_limit_and_a_cancel_makes_room(database, db):
    await small_plan(db, open_at_once=2)
    who = await customer(database, plan="small")
    await own_numbers(database)
    first = await bought(database, who)
    await bought(database, who)
    with pytest.raises(errors.LimitReached, match="allows 2 verifications at the same time") as refusal:
        await buy(database, who)
    assert (refusal.value.retry_after, refusal.value.charged, refusal.value.status) == (30, False, 429)
    await cancel(database, principal=who, verification_id=first.id, vault=VAULT)
    await bought(database, who)


async def test_the_hour_begins_with_its_first_purchase_and_is_over_after_it(database, db):
    await small_plan(db, an_hour=3)
    who = await customer(database, plan="small")
    await own_numbers(database)
    now = datetime.now(UTC)
    for minutes in (0, 30, 59):
        await bought(database, who, now=now + timedelta(minutes=minutes))
    with pytest.raises(errors.LimitReached, match="allows 3 purchases an hour") as refusal:
        await buy(database, who, now=now + HOUR - timedelta(seconds=10))
    assert refusal.value.retry_after == 10
    await bought(database, who, now=now + HOUR)


async def test_the_day_ends_at_midnight_utc(database, db):
    await own_numbers(database)
    price = int(
        await db.fetchval(
            "SELECT price_micros(s, c, '', 0) FROM services s, countries c WHERE s.slug = 'telegram' AND c.code = 'us'"
        )
    )
    await small_plan(db, a_day=2 * price)
    who = await customer(database, plan="small")
    midnight = datetime(2030, 5, 5, tzinfo=UTC)
    for _ in range(2):
        await bought(database, who, now=midnight - timedelta(minutes=1))
    with pytest.raises(errors.LimitReached, match="USD a day") as refusal:
        await buy(database, who, now=midnight - timedelta(seconds=1))
    assert refusal.value.retry_after == 1
    await bought(database, who, now=midnight)


async def test_a_keys_own_cap_holds_for_that_key_only_and_until_midnight(database, db):
    await own_numbers(database)
    who = await customer(database)
    price = int(
        await db.fetchval(
            "SELECT price_micros(s, c, '', 1500) FROM services s, countries c WHERE s.slug = 'telegram' AND c.code = 'us'"
        )
    )
    await db.execute(_KEY.replace("'\\x'", "sha256('k')"), who.user_id, price)
    capped = Principal(who.user_id, True, "key_1")
    midnight = datetime(2030, 5, 5, tzinfo=UTC)
    await bought(database, capped, now=midnight - timedelta(minutes=1))
    with pytest.raises(errors.LimitReached, match="This API key may spend") as refusal:
        await buy(database, capped, now=midnight - timedelta(seconds=9))
    assert refusal.value.retry_after == 9
    await bought(database, who, now=midnight - timedelta(seconds=9))
    await bought(database, capped, now=midnight)


async def test_a_cap_below_the_price_never_buys(database, db):
    await own_numbers(database)
    who = await customer(database)
    await db.execute(_KEY.replace("'\\x'", "sha256('k')"), who.user_id, 1)
    with pytest.raises(errors.LimitReached, match=r"may spend 0\.000001 USD a day"):
        await buy(database, Principal(who.user_id, True, "key_1"))
    assert await db.fetchval("SELECT count(*) FROM number_uses") == 0


async def test_whoever_receives_too_few_codes_is_slowed_down_and_can_recover(database, db):
    await small_plan(db, an_hour=20, share_bp=2000)
    who = await customer(database, plan="small", balance="50.00")
    await own_numbers(database, 30)
    await db.execute("UPDATE wallets SET judged_count = 50, judged_codes = 9 WHERE user_id = $1 AND livemode", who.user_id)
    first = await bought(database, who)
    await bought(database, who)
    with pytest.raises(errors.LimitReached, match="Too few of your purchases received a code, so 2 an hour"):
        await buy(database, who)
    for order in (first,):
        await sms(database, order.number)
    assert await db.fetchval("SELECT (judged_count, judged_codes) FROM wallets WHERE user_id = $1 AND livemode", who.user_id) == (
        51,
        10,
    )
    await db.execute("UPDATE wallets SET judged_codes = 11 WHERE user_id = $1 AND livemode", who.user_id)
    await bought(database, who)


async def test_old_judgements_fade(database, db):
    who = await customer(database)
    await own_numbers(database)
    await db.execute("UPDATE wallets SET judged_count = 200, judged_codes = 50 WHERE livemode")
    await sms(database, (await bought(database, who)).number)
    assert await db.fetchval("SELECT (judged_count, judged_codes) FROM wallets WHERE livemode") == (101, 26)
    await db.execute("UPDATE wallets SET judged_count = 200, judged_codes = 50 WHERE livemode")
    order = await bought(database, who)
    await cancel(database, principal=who, verification_id=order.id, vault=VAULT)
    assert await db.fetchval("SELECT (judged_count, judged_codes) FROM wallets WHERE livemode") == (101, 25)


async def test_limits_hold_when_all_ask_at_once(database, db):
    await small_plan(db, open_at_once=7)
    who = await customer(database, plan="small", balance="100.00")
    await own_numbers(database, 60)
    outcomes = await asyncio.gather(*(buy(database, who) for _ in range(40)), return_exceptions=True)
    assert sum(not isinstance(outcome, Exception) for outcome in outcomes) == 7
    assert {type(o) for o in outcomes if isinstance(o, Exception)} == {errors.LimitReached}
    used = await usage(database, user_id=who.user_id, livemode=True)
    assert (used.open_verifications, used.purchases_this_hour) == (7, 7)


async def test_the_test_mode_has_limits_and_money_of_its_own(database, db):
    await small_plan(db, open_at_once=1)
    live = await customer(database, plan="small", balance="5.00")
    test = Principal(live.user_id, False)
    await own_numbers(database)
    with pytest.raises(errors.InsufficientFunds):
        await buy(database, test, "test_success")
    await db.execute("UPDATE wallets SET balance_micros = 0 WHERE user_id = $1 AND livemode", live.user_id)
    await db.execute("UPDATE wallets SET balance_micros = 5000000 WHERE user_id = $1 AND NOT livemode", live.user_id)
    with pytest.raises(errors.InsufficientFunds):
        await buy(database, live)
    assert shown(await buy(database, test, "test_success")).livemode is False

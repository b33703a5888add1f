"""The deadline: when it is due, in which batches, what else it gives back."""

from datetime import UTC, datetime, timedelta

from namaskah.accounts.principal import Principal
from namaskah.verifications.expire import expire_due, seconds_to_next
from namaskah.verifications.finish import finish
from namaskah.verifications.queries import read
from namaskah.wallet.check import check
from namaskah.wallet.queries import usage
from tests.factories import VAULT, buy, customer, own_numbers, sms
from tests.verifications.shown import shown

WINDOW = timedelta(minutes=20)
TINY = timedelta(microseconds=1)


async def test_a_microsecond_before_the_deadline_nothing_happens_and_at_it_everything(database):
    who = await customer(database)
    await own_numbers(database, 1)
    now = datetime.now(UTC)
    await buy(database, who, now=now)
    assert await expire_due(database, now=now + WINDOW - TINY) == (0, 0)
    assert await expire_due(database, now=now + WINDOW) == (1, 0)
    assert await expire_due(database, now=now + WINDOW) == (0, 0)
    assert (await check(database, full=True)).ok


async def test_the_next_deadline_is_known_and_none_when_nothing_is_open(database):
    assert await seconds_to_next(database) is None
    who = await customer(database)
    await own_numbers(database, 2)
    await buy(database, who, now=datetime.now(UTC) - timedelta(minutes=19))
    await buy(database, who)
    assert 50 < await seconds_to_next(database) <= 60
    await expire_due(database, now=datetime.now(UTC) + WINDOW)
    assert await seconds_to_next(database) is None


async def test_several_orders_of_several_wallets_go_back_in_one_batch_with_the_sums_right(database):
    who, other = await customer(database, balance="20.00"), await customer(database, balance="20.00")
    await own_numbers(database, 12)
    past = datetime.now(UTC) - WINDOW
    for buyer, count in ((who, 5), (other, 3), (who, 2)):
        for _ in range(count):
            await buy(database, buyer, now=past)
    paid = shown(await buy(database, other, now=past + timedelta(minutes=1)))
    await sms(database, paid.number)
    assert await expire_due(database, now=past + WINDOW) == (10, 0)
    for buyer, opened in ((who, 0), (other, 0)):
        assert (await usage(database, user_id=buyer.user_id, livemode=True)).open_verifications == opened
    report = await check(database, full=True)
    assert report.ok, report.findings


async def test_a_keys_cap_counts_only_what_was_not_given_back(database, db):
    who = await customer(database, balance="20.00")
    await own_numbers(database, 3)
    await db.execute(
        "INSERT INTO api_keys (id, user_id, livemode, name, hint, hash, daily_spend_cap_micros)"
        " VALUES ('key_1', $1, true, 'k', '', sha256('k'), 10000000)", who.user_id,
    )  # fmt: skip
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    capped = Principal(who.user_id, True, "key_1")
    for start in (midnight - timedelta(minutes=1), midnight + timedelta(minutes=1)):
        await buy(database, capped, now=start)
    paid = shown(await buy(database, capped, now=midnight + timedelta(minutes=2)))
    await db.execute("UPDATE verifications SET sweep_at = NULL WHERE id = $1", paid.id)
    assert (await expire_due(database, now=midnight + timedelta(hours=1))).released == 2
    spent = await db.fetch("SELECT day, spent_micros FROM api_key_spend ORDER BY day")
    price = await db.fetchval("SELECT price_micros FROM verifications WHERE id = $1", paid.id)
    assert [row["spent_micros"] for row in spent] == [0, price]


async def test_an_order_that_still_asks_expires_too_and_does_not_count_against_the_customer(database, db):
    who = await customer(database, livemode=False)
    bought = shown(await buy(database, who, "test_unknown_outcome"))
    assert await expire_due(database, now=datetime.now(UTC) + WINDOW) == (1, 0)
    after = shown(await read(database, principal=who, verification_id=bought.id, vault=VAULT))
    assert (after.status, after.charged) == ("expired", False)
    assert await db.fetchval("SELECT judged_count FROM wallets WHERE user_id = $1 AND NOT livemode", who.user_id) == 0
    assert (await check(database, full=True)).ok


async def test_an_upstream_is_told_to_take_the_number_back_or_that_we_are_done(database, db):
    who = await customer(database, livemode=False)
    await buy(database, who, "test_success")
    await buy(database, who, "test_instant")
    assert await expire_due(database, now=datetime.now(UTC) + WINDOW) == (1, 1)
    kinds = await db.fetch("SELECT kind FROM jobs ORDER BY kind")
    assert [row["kind"] for row in kinds] == ["provider_cancel", "provider_finish"]


async def test_a_finished_verification_is_not_closed_again(database, db):
    who = await customer(database)
    await own_numbers(database, 1)
    bought = shown(await buy(database, who))
    await sms(database, bought.number)
    await finish(database, principal=who, verification_id=bought.id, vault=VAULT)
    closed = await db.fetchval("SELECT closed_at FROM verifications")
    assert await expire_due(database, now=datetime.now(UTC) + WINDOW) == (0, 0)
    assert await db.fetchval("SELECT closed_at FROM verifications") == closed


async def test_each_release_has_an_event_of_its_own_without_a_gap(database, db):
    who = await customer(database, balance="20.00")
    await own_numbers(database, 4)
    for _ in range(4):
        await buy(database, who, now=datetime.now(UTC) - WINDOW)
    await expire_due(database)
    rows = await db.fetch("SELECT seq, type FROM events WHERE user_id = $1 AND livemode ORDER BY seq", who.user_id)
    assert [row["seq"] for row in rows] == list(range(1, 10))
    assert [row["type"] for row in rows[5:]] == ["verification.expired"] * 4


async def test_a_damaged_wallet_keeps_nobody_elses_money(database, db):
    damaged, other = await customer(database), await customer(database)
    await own_numbers(database, 2)
    past = datetime.now(UTC) - WINDOW - TINY
    stuck = shown(await buy(database, damaged, now=past))
    freed = shown(await buy(database, other, now=past))
    await db.execute("UPDATE wallets SET held_micros = 0 WHERE user_id = $1 AND livemode", damaged.user_id)
    assert await expire_due(database) == (1, 0)
    states = dict(await db.fetch("SELECT id, status FROM verifications"))
    assert states == {stuck.id: "pending", freed.id: "expired"}
    # It is tried again in a minute, so the next batch does not meet it at once.
    assert await expire_due(database) == (0, 0)


async def test_a_flooded_number_buries_no_code_and_swells_no_event(database, db):
    who = await customer(database)
    await own_numbers(database, 1)
    bought = shown(await buy(database, who))
    for _ in range(60):
        await sms(database, bought.number, "Win a holiday, call now")
    await sms(database, bought.number, "Your code is 246810")
    after = shown(await read(database, principal=who, verification_id=bought.id, vault=VAULT))
    assert (after.status, after.code, len(after.messages)) == ("completed", "246810", 50)

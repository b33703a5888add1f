"""Starting: what a key that is used twice gets, also at the same instant, and what no refusal may leave behind."""

import asyncio
import json

import asyncpg
import msgspec
import pytest

from namaskah.core.ids import new_id
from namaskah.core.money import InvalidAmount
from namaskah.providers.registry import Providers
from namaskah.providers.sandbox import SANDBOX_CASES, Sandbox
from namaskah.verifications import errors
from namaskah.verifications.cancel import cancel
from namaskah.verifications.queries import history, standing
from namaskah.verifications.reuse import reuse
from namaskah.verifications.start import Purchase, StartRequest
from namaskah.wallet.check import check
from tests.factories import VAULT, buy, customer, own_numbers, sms
from tests.figures import Growth
from tests.verifications.shown import shown

_START = """
SELECT outcome FROM verification_start_own($1, $2, $3, true, NULL, 'telegram', 'us', '', '', 'sms', NULL, '{}', 'k', 'f', 20, NULL, NULL)
"""


async def test_the_same_request_that_comes_while_the_first_takes_the_last_number_is_told_of_that_one(database, db):
    who = await customer(database)
    await own_numbers(database, 2)
    await buy(database, who)
    # The last one is where every look finds it at once, so that the first request holds no lock of the pool.
    await db.execute("UPDATE number_pool SET slot = 2147483646")
    async with db.transaction():
        assert await db.fetchval(_START, new_id("ver"), new_id("txn"), who.user_id) == "started"
        second = asyncio.create_task(buy(database, who, idempotency_key="k", fingerprint=b"f"))
        await asyncio.sleep(0.3)
        assert not second.done(), "there is no number left, but that one is its own"
    answer = await second
    assert answer.replayed
    assert (await check(database, full=True)).ok


async def test_when_the_first_of_two_same_requests_dies_the_second_buys(database, db):
    who = await customer(database)
    await own_numbers(database, 1)
    transaction = db.transaction()
    await transaction.start()
    assert await db.fetchval(_START, new_id("ver"), new_id("txn"), who.user_id) == "started"
    second = asyncio.create_task(buy(database, who, idempotency_key="k", fingerprint=b"f"))
    await asyncio.sleep(0.2)
    await transaction.rollback()
    assert not (await second).replayed


async def test_a_key_that_was_refused_may_be_used_again(database):
    who = await customer(database)
    with pytest.raises(errors.NoNumbers):
        await buy(database, who, idempotency_key="k", fingerprint=b"f")
    await own_numbers(database, 1)
    assert not (await buy(database, who, idempotency_key="k", fingerprint=b"f")).replayed


async def test_one_key_means_another_thing_to_another_account_and_in_the_test_mode(database):
    who, other = await customer(database), await customer(database)
    await own_numbers(database, 3)
    ids = {shown(await buy(database, buyer, idempotency_key="k", fingerprint=b"f")).id for buyer in (who, other)}
    test = await customer(database, livemode=False)
    ids.add(shown(await buy(database, test, "test_success", idempotency_key="k", fingerprint=b"f")).id)
    assert len(ids) == 3


async def test_a_refusal_that_is_told_again_counts_once(database):
    who = await customer(database, livemode=False)
    refusals = Growth("namaskah_verification_refusals_total", mode="test", code="no_numbers")
    for _ in range(2):
        with pytest.raises(errors.NoNumbers):
            await buy(database, who, "test_no_numbers", idempotency_key="k", fingerprint=b"f")
    assert refusals() == 1


async def test_the_replay_is_the_answer_of_then_not_of_now(database):
    who = await customer(database)
    await own_numbers(database, 1)
    first = await buy(database, who, idempotency_key="k", fingerprint=b"f")
    await sms(database, shown(first).number)
    again = await buy(database, who, idempotency_key="k", fingerprint=b"f")
    assert (again.body, again.status, again.replayed) == (first.body, 201, True)


@pytest.mark.parametrize("price", ["-1", "1e3", "nan", "", "0.1234567"])
async def test_a_maximum_price_that_is_no_amount_is_refused(database, price):
    with pytest.raises(InvalidAmount):
        await buy(database, await customer(database), max_price=price)


async def test_the_price_itself_is_within_the_maximum_and_a_micro_less_is_not(database):
    who = await customer(database)
    await own_numbers(database, 2)
    price = shown(await buy(database, who)).price.amount
    assert shown(await buy(database, who, max_price=price)).price.amount == price
    below = f"{float(price) - 0.000001:.6f}"
    with pytest.raises(errors.PriceAboveMax):
        await buy(database, who, max_price=below)


async def test_a_number_that_is_on_sale_though_it_was_used_is_passed_over(database, db):
    """A wish can take a number past the pool while the pool is being filled with it."""
    who = await customer(database)
    await own_numbers(database, 2)
    first = shown(await buy(database, who))
    await cancel(database, principal=who, verification_id=first.id, vault=VAULT)
    await db.execute(
        "INSERT INTO number_pool SELECT service_id, 'us', slot, number_id FROM number_uses, generate_series(1, 50) slot"
    )
    second = shown(await buy(database, who))
    assert second.number != first.number
    with pytest.raises(errors.NoNumbers):
        await buy(database, who)


async def test_a_stopped_service_and_a_closed_account_buy_nothing(database, db):
    who = await customer(database)
    await own_numbers(database, 1)
    await db.execute("UPDATE services SET stopped_at = now() WHERE slug = 'telegram'")
    with pytest.raises(errors.ServiceStopped):
        await buy(database, who)
    await db.execute("UPDATE users SET disabled_at = now()")
    with pytest.raises(errors.AccountDisabled):
        await buy(database, who, "whatsapp")


async def test_a_statement_that_breaks_leaves_nothing_and_is_not_called_a_refusal(database, db):
    who = await customer(database)
    await own_numbers(database, 1)
    await db.execute("ALTER TABLE events ADD CONSTRAINT broken CHECK (type <> 'verification.pending')")
    with pytest.raises(asyncpg.CheckViolationError):
        await buy(database, who)
    await db.execute("ALTER TABLE events DROP CONSTRAINT broken")
    await db.execute("CREATE UNIQUE INDEX broken ON verifications (country)")
    await buy(database, who)
    await own_numbers(database, 1)
    with pytest.raises(asyncpg.UniqueViolationError):
        await buy(database, who)
    assert await db.fetchval("SELECT count(*) FROM numbers WHERE busy") == 1
    assert (await check(database, full=True)).ok


async def test_a_number_of_ours_goes_before_an_upstreams_and_an_upstream_fills_the_gap(database):
    who = await customer(database)
    await own_numbers(database, 1)
    providers = Providers([Sandbox(name="upstream", cases={"telegram": SANDBOX_CASES["test_success"]})])
    first, second = [shown(await buy(database, who, providers=providers)) for _ in range(2)]
    assert first.number.startswith("+1202")
    assert (second.status, second.livemode) == ("pending", True)
    with pytest.raises(errors.ReuseNotPossible):
        purchase = Purchase(principal=who, request=StartRequest(service="", country=""), reuse_of=first.id)
        await reuse(database, purchase=purchase, providers=providers, vault=VAULT)


async def test_the_test_mode_has_nothing_to_use_again(database):
    who = await customer(database, livemode=False)
    with pytest.raises(errors.ReuseNotPossible):
        await buy(database, who, "test_success", reuse_of="ver_x")


async def test_history_can_be_narrowed_and_is_nobody_elses(database):
    who = await customer(database)
    await own_numbers(database, 3)
    paid = shown(await buy(database, who))
    await sms(database, paid.number)
    await buy(database, who, "whatsapp")

    async def ids(whose, **narrow):
        wishes = {"status": None, "service": None, **narrow}
        page = await history(database, principal=whose, limit=10, cursor=None, vault=VAULT, **wishes)
        return [item["id"] for item in msgspec.json.decode(page)["data"]]

    assert await ids(who, status="completed") == [paid.id] == await ids(who, service="telegram")
    assert await ids(who, status="expired") == []
    assert await ids(await customer(database)) == []


async def test_a_long_poll_knows_when_something_changed_and_asks_only_about_its_own(database):
    who = await customer(database)
    await own_numbers(database, 1)
    bought = shown(await buy(database, who))
    assert await standing(database, principal=who, verification_id=bought.id) == ("pending", 0)
    await sms(database, bought.number)
    assert await standing(database, principal=who, verification_id=bought.id) == ("completed", 1)
    with pytest.raises(errors.VerificationNotFound):
        await standing(database, principal=await customer(database), verification_id=bought.id)


async def test_what_a_customer_notes_comes_back_as_it_was(database):
    who = await customer(database)
    await own_numbers(database, 1)
    note = {'a"b': "\\ \u00e9 \U0001f600 '; DROP TABLE wallets; --"}
    assert json.loads((await buy(database, who, metadata=note)).body)["metadata"] == note

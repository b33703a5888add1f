"""Questions without a written answer: looked up, never asked again, released when the upstream surely never got them."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from namaskah.core.db import DatabaseGone
from namaskah.core.jobs import JobRunner
from namaskah.providers.base import Capabilities, ProviderError
from namaskah.providers.registry import Providers
from namaskah.providers.sandbox import SANDBOX_CASES, Sandbox
from namaskah.verifications import ask, errors
from namaskah.verifications.expire import expire_due
from namaskah.verifications.queries import read
from namaskah.verifications.reconcile import reconcile
from namaskah.verifications.upstream import upstream_jobs
from namaskah.wallet.check import check
from namaskah.wallet.queries import wallet
from tests.factories import VAULT, buy, customer
from tests.verifications.shown import shown

CASES = {"telegram": SANDBOX_CASES["test_success"]}


class Upstream(Sandbox):
    """A live upstream: what it answers to a purchase and to a search, and how often it was asked."""

    def __init__(self, name="upstream", *, buys=None, finds=None, by_reference=True):
        super().__init__(name=name, cases=CASES)
        self.capabilities = Capabilities(finds_by_reference=by_reference, another_code=True, poll_batch=50)
        self.bought, self._buys, self._finds = 0, buys, finds
        self.cancelled: list[str] = []

    async def buy(self, order):
        self.bought += 1
        if self._buys is not None:
            raise self._buys
        return await super().buy(order)

    async def find(self, order, *, taken=()):
        if isinstance(self._finds, Exception):
            raise self._finds
        return await super().find(order, taken=taken) if self._finds == "there" else None

    async def cancel(self, reference):
        self.cancelled.append(reference)


def timeout():
    return ProviderError("timeout")


async def in_doubt(database, upstream):
    who = await customer(database)
    bought = shown(await buy(database, who, providers=Providers([upstream]), idempotency_key="k", fingerprint=b"f"))
    assert bought.status == "requesting"
    return who, bought


async def age(db, seconds: int) -> None:
    await db.execute(f"UPDATE provider_orders SET asked_at = clock_timestamp() - interval '{seconds} seconds', poll_at = NULL")


async def status(database, who, bought):
    return shown(await read(database, principal=who, verification_id=bought.id, vault=VAULT)).status


async def test_found_means_it_is_ours_and_it_is_bought_once(database, db):
    upstream = Upstream(buys=timeout(), finds="there")
    who, bought = await in_doubt(database, upstream)
    assert await reconcile(database, providers=Providers([upstream]), vault=VAULT) == 1
    assert await status(database, who, bought) == "pending"
    assert upstream.bought == 1
    assert (await check(database, full=True)).ok


async def test_what_the_upstream_never_got_is_released_within_a_minute(database, db):
    upstream = Upstream(buys=timeout())
    who, bought = await in_doubt(database, upstream)
    await age(db, 44)
    await reconcile(database, providers=Providers([upstream]), vault=VAULT)
    assert await status(database, who, bought) == "requesting", "it may still show up"
    await age(db, 46)
    await reconcile(database, providers=Providers([upstream]), vault=VAULT)
    assert await status(database, who, bought) == "failed"
    assert (await wallet(database, user_id=who.user_id, livemode=True)).available.amount == "10.00"
    assert (await check(database, full=True)).ok


async def test_where_our_reference_is_not_kept_only_the_deadline_releases(database, db):
    upstream = Upstream(buys=timeout(), by_reference=False)
    who, bought = await in_doubt(database, upstream)
    await age(db, 300)
    await reconcile(database, providers=Providers([upstream]), vault=VAULT)
    assert await status(database, who, bought) == "requesting"
    await expire_due(database, now=datetime.now(UTC) + timedelta(minutes=21))
    assert await status(database, who, bought) == "expired"


async def test_what_is_found_after_the_release_is_given_back_there_and_the_money_stays_with_the_customer(database, db):
    upstream = Upstream(buys=timeout(), finds="there")
    who, _bought = await in_doubt(database, upstream)
    await expire_due(database, now=datetime.now(UTC) + timedelta(minutes=21))
    for _ in range(2):
        await age(db, 60)
        await reconcile(database, providers=Providers([upstream]), vault=VAULT)
    runner = JobRunner(database, upstream_jobs(Providers([upstream])), {})
    assert await runner.run_due() == 1
    assert len(upstream.cancelled) == 1
    assert (await wallet(database, user_id=who.user_id, livemode=True)).available.amount == "10.00"


async def test_an_upstream_that_fails_while_it_is_searched_is_searched_again(database, db):
    upstream = Upstream(buys=timeout(), finds=ProviderError("down"))
    who, bought = await in_doubt(database, upstream)
    await age(db, 60)
    await reconcile(database, providers=Providers([upstream]), vault=VAULT)
    assert await status(database, who, bought) == "requesting"
    assert await reconcile(database, providers=Providers([upstream]), vault=VAULT) == 0, "it is left alone for two seconds"
    upstream._finds = "there"
    await age(db, 60)
    await reconcile(database, providers=Providers([upstream]), vault=VAULT)
    assert await status(database, who, bought) == "pending"


async def test_an_upstream_that_is_not_configured_any_more_stops_nobody(database, db):
    who, bought = await in_doubt(database, Upstream(buys=timeout()))
    assert await reconcile(database, providers=Providers(), vault=VAULT) == 1
    assert await status(database, who, bought) == "requesting"


async def test_a_request_in_doubt_is_replayed_as_it_was_answered_and_never_asked_again(database, db):
    upstream = Upstream(buys=timeout())
    who, bought = await in_doubt(database, upstream)
    await age(db, 50)
    await reconcile(database, providers=Providers([upstream]), vault=VAULT)
    replay = await buy(database, who, providers=Providers([upstream]), idempotency_key="k", fingerprint=b"f")
    assert (replay.replayed, shown(replay).id) == (True, bought.id)
    assert upstream.bought == 1


async def test_a_request_that_died_and_was_never_heard_is_told_as_failed(database, db):
    who = await customer(database)
    upstream = Upstream(buys=asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        await buy(database, who, providers=Providers([upstream]), idempotency_key="k", fingerprint=b"f")
    await age(db, 50)
    await reconcile(database, providers=Providers([upstream]), vault=VAULT)
    with pytest.raises(errors.ProviderDown):
        await buy(database, who, providers=Providers([upstream]), idempotency_key="k", fingerprint=b"f")
    assert upstream.bought == 1


async def test_an_answer_that_takes_too_long_is_in_doubt(database, monkeypatch):
    class Slow(Upstream):
        async def buy(self, order):
            await asyncio.sleep(5)

    monkeypatch.setattr(ask, "BUY_TIMEOUT_SECONDS", 0.05)
    await in_doubt(database, Slow())


async def test_when_all_routes_fail_the_clearest_reason_is_told(database):
    who = await customer(database)
    routes = [Upstream("a", buys=ProviderError("down")), Upstream("b", buys=ProviderError("no_numbers"))]
    with pytest.raises(errors.ProviderDown):
        await buy(database, who, providers=Providers(routes))
    routes.append(Upstream("c", buys=ProviderError("price_moved")))
    with pytest.raises(errors.PriceAboveMax):
        await buy(database, who, providers=Providers(routes))
    assert (await wallet(database, user_id=who.user_id, livemode=True)).available.amount == "10.00"


async def test_no_second_route_is_asked_for_an_order_that_has_ended_meanwhile(database):
    class Late(Upstream):
        async def buy(self, order):
            await expire_due(database, now=datetime.now(UTC) + timedelta(minutes=21))
            raise ProviderError("no_numbers")

    who = await customer(database)
    second = Upstream("second")
    with pytest.raises(errors.NoNumbers):
        await buy(database, who, providers=Providers([Late("first"), second]))
    assert second.bought == 0
    report = await check(database, full=True)
    assert report.ok, report.findings


async def test_a_number_that_comes_for_an_order_that_has_ended_is_given_back(database, db):
    class Late(Upstream):
        async def buy(self, order):
            await expire_due(database, now=datetime.now(UTC) + timedelta(minutes=21))
            return await super().buy(order)

    who = await customer(database)
    upstream = Late()
    answer = shown(await buy(database, who, providers=Providers([upstream])))
    assert (answer.status, answer.charged) == ("expired", False)
    assert await db.fetchval("SELECT kind FROM jobs") == "provider_cancel"


async def test_what_expired_and_was_never_bought_is_not_released_twice(database, db):
    upstream = Upstream(buys=timeout())
    who, bought = await in_doubt(database, upstream)
    await expire_due(database, now=datetime.now(UTC) + timedelta(minutes=21))
    await age(db, 60)
    await reconcile(database, providers=Providers([upstream]), vault=VAULT)
    assert await status(database, who, bought) == "expired"
    assert (await check(database, full=True)).ok


@pytest.mark.parametrize("mistake", [KeyError("+12025550123"), TimeoutError()])
async def test_an_adapters_mistake_does_not_touch_the_other_questions(database, db, mistake):
    broken, good = Upstream("broken", buys=timeout(), finds=mistake), Upstream("good", buys=timeout(), finds="there")
    who, bought = await in_doubt(database, broken)
    whose, other = await in_doubt(database, good)
    await age(db, 20)
    assert await reconcile(database, providers=Providers([broken, good]), vault=VAULT) == 2
    assert await status(database, who, bought) == "requesting"
    assert await status(database, whose, other) == "pending"


async def test_a_database_that_is_gone_is_no_adapters_mistake(database, db):
    upstream = Upstream(buys=timeout(), finds=DatabaseGone())
    await in_doubt(database, upstream)
    with pytest.raises(DatabaseGone):
        await reconcile(database, providers=Providers([upstream]), vault=VAULT)

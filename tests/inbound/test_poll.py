"""Polling: what an upstream answers late, wrongly or not at all never stops the others, nor the money."""

from datetime import UTC, datetime

import pytest

from namaskah.inbound.poll import poll_due, seconds_to_next_poll
from namaskah.providers.base import Polled, ProviderError, UpstreamMessage
from namaskah.providers.registry import Providers
from namaskah.providers.sandbox import SANDBOX_CASES, Sandbox
from namaskah.verifications.queries import read
from namaskah.wallet.check import check
from tests.factories import VAULT, buy, customer
from tests.verifications.shown import shown

CASES = {"telegram": SANDBOX_CASES["test_timeout"]}


class Upstream(Sandbox):
    """A live upstream whose answers to polls the test writes."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, cases=CASES)
        self.answer = lambda references: []

    async def poll(self, references):
        return self.answer(references)


@pytest.fixture
def upstream() -> Upstream:
    return Upstream("first")


@pytest.fixture
def providers(upstream) -> Providers:
    return Providers([upstream])


def code(reference: str) -> Polled:
    return Polled(reference, "received", (UpstreamMessage("1", "Test", "Your code is 482913", datetime.now(UTC)),))


async def status(database, who, bought) -> str:
    return shown(await read(database, principal=who, verification_id=bought.id, vault=VAULT)).status


async def test_without_orders_there_is_nothing_to_wait_for(database, providers):
    assert await seconds_to_next_poll(database, providers=providers) is None
    assert await poll_due(database, providers=providers, vault=VAULT) == 0


async def test_a_code_is_taken_in_once_however_often_it_is_reported(database, db, providers, upstream):
    who = await customer(database)
    bought = shown(await buy(database, who, providers=providers))
    assert await seconds_to_next_poll(database, providers=providers) <= 0
    upstream.answer = lambda references: [code(r) for r in references]
    for _ in range(3):
        await db.execute("UPDATE provider_orders SET poll_at = now()")
        assert await poll_due(database, providers=providers, vault=VAULT) == 1
    assert await status(database, who, bought) == "completed"
    assert await db.fetchval("SELECT count(*) FROM messages") == 1
    assert (await check(database, full=True)).ok


@pytest.mark.parametrize("failure", [ProviderError("down"), ProviderError("rate_limited"), TimeoutError()])
async def test_an_upstream_that_fails_is_asked_again_and_the_order_stays(database, providers, upstream, failure):
    who = await customer(database)
    bought = shown(await buy(database, who, providers=providers))

    def fails(_references):
        raise failure

    upstream.answer = fails
    assert await poll_due(database, providers=providers, vault=VAULT) == 1
    assert await status(database, who, bought) == "pending"
    assert 0 < await seconds_to_next_poll(database, providers=providers) < 1


async def test_an_order_that_nobody_asked_for_changes_nothing(database, providers, upstream, db):
    who = await customer(database)
    bought = shown(await buy(database, who, providers=providers))
    upstream.answer = lambda references: [code("somebody else's")]
    await poll_due(database, providers=providers, vault=VAULT)
    assert await status(database, who, bought) == "pending"
    assert await db.fetchval("SELECT count(*) FROM messages WHERE verification_id IS NOT NULL") == 0


async def test_what_is_gone_upstream_is_not_asked_for_any_more(database, providers, upstream, db):
    who = await customer(database)
    bought = shown(await buy(database, who, providers=providers))
    upstream.answer = lambda references: [Polled(r, "gone") for r in references]
    await poll_due(database, providers=providers, vault=VAULT)
    assert await db.fetchval("SELECT poll_at FROM provider_orders") is None
    assert await status(database, who, bought) == "pending", "the deadline gives the money back, not a guess"


async def test_polling_ends_when_no_late_message_can_come(database, providers, db):
    await buy(database, await customer(database), providers=providers)
    await db.execute("UPDATE provider_orders SET poll_until = now() - interval '1 second'")
    assert await poll_due(database, providers=providers, vault=VAULT) == 1
    assert await db.fetchval("SELECT poll_at FROM provider_orders") is None

"""Numbers from upstreams: bought outside the transaction, polled, reconciled; the money follows what is known."""

import asyncio
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from namaskah.core.jobs import JobRunner
from namaskah.inbound.poll import poll_due
from namaskah.providers.base import ProviderError
from namaskah.providers.registry import Providers
from namaskah.providers.sandbox import SANDBOX_CASES, Sandbox
from namaskah.verifications import errors
from namaskah.verifications.answer import Answer
from namaskah.verifications.cancel import cancel
from namaskah.verifications.expire import expire_due
from namaskah.verifications.queries import read
from namaskah.verifications.reconcile import reconcile
from namaskah.verifications.shape import Verification
from namaskah.verifications.upstream import upstream_jobs
from namaskah.wallet.check import check
from namaskah.wallet.queries import wallet
from tests.factories import VAULT, buy, customer


class Clock:
    """A sandbox's clock that the test turns on by hand."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def providers(clock: Clock) -> Providers:
    return Providers(sandbox=Sandbox(clock=clock))


def shown(answer: Answer | bytes) -> Verification:
    return msgspec.json.decode(answer.body if isinstance(answer, Answer) else answer, type=Verification)


async def read_back(database, who, bought) -> Verification:
    return shown(await read(database, principal=who, verification_id=bought.id, vault=VAULT))


async def make_due(db) -> None:
    await db.execute("UPDATE provider_orders SET poll_at = now() WHERE poll_at IS NOT NULL")


@pytest.mark.parametrize(
    ("service", "refusal"),
    [
        ("test_no_numbers", errors.NoNumbers),
        ("test_price_moved", errors.PriceAboveMax),
        ("test_provider_down", errors.ProviderDown),
        ("test_insufficient_funds", errors.InsufficientFunds),
    ],
)
async def test_a_purchase_that_is_known_to_have_failed_gives_the_money_back(database, providers, service, refusal):
    who = await customer(database, livemode=False)
    with pytest.raises(refusal) as said:
        await buy(database, who, service, providers=providers, idempotency_key="k", fingerprint=b"f")
    assert said.value.charged is False
    with pytest.raises(refusal):
        await buy(database, who, service, providers=providers, idempotency_key="k", fingerprint=b"f")
    money = await wallet(database, user_id=who.user_id, livemode=False)
    assert (money.available.amount, money.held.amount) == ("10.00", "0.00")
    report = await check(database, full=True)
    assert report.ok, report.findings


async def test_a_code_is_found_by_polling_and_charged_once(database, db, providers, clock):
    who = await customer(database, livemode=False)
    bought = shown(await buy(database, who, "test_success", providers=providers))
    assert (bought.status, bought.livemode) == ("pending", False)
    await poll_due(database, providers=providers, vault=VAULT)
    assert (await read_back(database, who, bought)).status == "pending"
    clock.ahead = timedelta(seconds=3)
    for _ in range(2):
        await make_due(db)
        await poll_due(database, providers=providers, vault=VAULT)
    after = await read_back(database, who, bought)
    assert (after.status, len(after.messages)) == ("completed", 1)
    assert after.code is not None
    assert (await check(database, full=True)).ok


async def test_a_code_that_comes_with_the_number_is_in_the_first_answer(database, providers):
    who = await customer(database, livemode=False)
    bought = shown(await buy(database, who, "test_instant", providers=providers))
    assert bought.status == "completed"
    assert bought.code is not None


async def test_a_message_after_the_release_is_late_and_free(database, db, providers, clock):
    who = await customer(database, livemode=False)
    bought = shown(await buy(database, who, "test_late", providers=providers))
    clock.ahead = timedelta(seconds=14)
    assert (await expire_due(database, now=datetime.now(UTC) + timedelta(seconds=11))).released == 1
    await make_due(db)
    await poll_due(database, providers=providers, vault=VAULT)
    after = await read_back(database, who, bought)
    assert (after.status, after.charged, [m.late for m in after.messages]) == ("expired", False, [True])
    assert (await wallet(database, user_id=who.user_id, livemode=False)).available.amount == "10.00"


async def test_an_unknown_outcome_is_looked_up_and_never_bought_twice(database, db, providers, clock):
    who = await customer(database, livemode=False)
    answer = await buy(database, who, "test_unknown_outcome", providers=providers, idempotency_key="k", fingerprint=b"f")
    bought = shown(answer)
    assert (answer.status, bought.status, bought.number) == (201, "requesting", None)
    again = await buy(database, who, "test_unknown_outcome", providers=providers, idempotency_key="k", fingerprint=b"f")
    assert (again.replayed, shown(again).id) == (True, bought.id)
    clock.ahead = timedelta(seconds=4)
    await reconcile(database, providers=providers, vault=VAULT)
    after = await read_back(database, who, bought)
    assert after.status == "pending"
    assert after.number is not None
    assert (await check(database, full=True)).ok


async def test_an_unknown_outcome_may_be_cancelled_and_is_given_back_upstream_when_found(database, db, providers, clock):
    who = await customer(database, livemode=False)
    bought = shown(await buy(database, who, "test_unknown_outcome", providers=providers))
    assert shown(await cancel(database, principal=who, verification_id=bought.id, vault=VAULT)).status == "cancelled"
    clock.ahead = timedelta(seconds=4)
    await reconcile(database, providers=providers, vault=VAULT)
    assert await db.fetchval("SELECT count(*) FROM jobs WHERE kind = 'provider_cancel'") == 1
    # Nobody waits for its messages, so it is not polled, which nothing would ever end.
    assert await db.fetchval("SELECT count(*) FROM provider_orders WHERE poll_at IS NOT NULL") == 0
    runner = JobRunner(database, upstream_jobs(providers), {})
    assert await runner.run_due() == 1
    assert await db.fetchval("SELECT count(*) FROM jobs WHERE kind = 'provider_cancel'") == 0
    assert (await wallet(database, user_id=who.user_id, livemode=False)).available.amount == "10.00"


async def test_a_process_that_died_while_asking_is_settled_without_a_second_purchase(database, db, providers, clock):
    who = await customer(database, livemode=False)

    class Dies(Sandbox):
        async def buy(self, order):
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await buy(
            database, who, "test_success", providers=Providers(sandbox=Dies(clock=clock)), idempotency_key="k", fingerprint=b"f"
        )
    with pytest.raises(errors.StillRunning):
        await buy(database, who, "test_success", providers=providers, idempotency_key="k", fingerprint=b"f")
    await db.execute("UPDATE provider_orders SET asked_at = now() - interval '20 seconds'")
    await reconcile(database, providers=providers, vault=VAULT)
    answer = await buy(database, who, "test_success", providers=providers, idempotency_key="k", fingerprint=b"f")
    assert answer.replayed
    assert shown(answer).status == "pending"


class Down(Sandbox):
    """A live upstream that cannot be reached."""

    async def buy(self, order):
        raise ProviderError("down")


async def test_the_next_route_is_tried_within_the_same_request(database, clock):
    who = await customer(database)
    case = {"telegram": SANDBOX_CASES["test_success"]}
    providers = Providers([Down(name="first", clock=clock), Sandbox(name="second", cases=case, clock=clock)])
    bought = shown(await buy(database, who, "telegram", providers=providers))
    assert (bought.status, bought.livemode) == ("pending", True)
    assert (await check(database, full=True)).ok


class Broken(Sandbox):
    """A live upstream whose adapter has a mistake, or that hangs for what was bought in one country."""

    async def find(self, order, *, taken=()):
        if order.country == "us":
            raise KeyError("+12025550123")
        if order.country == "de":
            await asyncio.sleep(60)
        return await super().find(order, taken=taken)

    async def poll(self, references):
        raise KeyError("+12025550123")


async def test_an_open_question_that_cannot_be_answered_does_not_hold_up_the_others(database, db, clock, monkeypatch):
    monkeypatch.setattr("namaskah.verifications.reconcile.BUY_TIMEOUT_SECONDS", 0.2)
    who = await customer(database, livemode=False)
    providers = Providers(sandbox=Broken(clock=clock))
    for country in ("us", "de", "gb"):
        await buy(database, who, "test_unknown_outcome", country, providers=providers)
    clock.ahead = timedelta(seconds=4)
    assert await reconcile(database, providers=providers, vault=VAULT) == 3
    found = dict(await db.fetch("SELECT country, status FROM verifications"))
    assert found == {"us": "requesting", "de": "requesting", "gb": "pending"}


async def test_an_adapter_with_a_mistake_does_not_keep_the_other_upstreams_from_being_read(database, db, clock):
    who = await customer(database)
    case = {"telegram": SANDBOX_CASES["test_success"]}
    providers = Providers([Broken(name="broken", cases=case, clock=clock)], sandbox=Sandbox(clock=clock))
    await buy(database, who, "telegram", providers=providers)
    other = await customer(database, livemode=False)
    bought = shown(await buy(database, other, "test_success", providers=providers))
    clock.ahead = timedelta(seconds=3)
    await make_due(db)
    assert await poll_due(database, providers=providers, vault=VAULT) == 2
    assert (await read_back(database, other, bought)).status == "completed"

"""Everything at the same instant, through two pools as of two processes: exactly one outcome each, and no surprise."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from namaskah.accounts import api_keys
from namaskah.accounts.principal import Principal
from namaskah.core.db import Database
from namaskah.core.errors import NamaskahError
from namaskah.providers.registry import Providers
from namaskah.verifications import errors
from namaskah.verifications.answer import Answer
from namaskah.verifications.cancel import cancel
from namaskah.verifications.expire import expire_due
from namaskah.verifications.finish import finish
from namaskah.verifications.reuse import reuse
from namaskah.verifications.start import Purchase, StartRequest
from namaskah.wallet.check import check
from namaskah.wallet.queries import wallet
from tests.factories import VAULT, buy, customer, own_numbers, sms
from tests.verifications.shown import shown

SERVICES = ("telegram", "whatsapp", "discord", "google")


@pytest.fixture
async def second(database_url: str) -> AsyncIterator[Database]:
    """The pool of another process."""
    opened = await Database.open(database_url)
    yield opened
    await opened.close()


async def attempt(work: Any) -> Any:
    """What came of it, or the refusal; anything else that is raised fails the test."""
    try:
        return await work
    except NamaskahError as refusal:
        return type(refusal)


async def at(moment: datetime, work: Any) -> Any:
    await asyncio.sleep(max((moment - datetime.now(UTC)).total_seconds(), 0))
    return await attempt(work)


async def race(database: Database, second: Database, who: Principal, order: Any, deadline: datetime) -> tuple[Any, Any]:
    """A code and a cancel around the deadline, on which the sweepers wait as well."""
    moment = deadline + timedelta(milliseconds=random.uniform(-300, 20))
    # A message takes a step more than a cancel, so it gets a head start that sometimes is one and sometimes is not.
    later = moment + timedelta(milliseconds=random.uniform(-10, 100))
    return await asyncio.gather(
        at(moment, sms(database, order.number)), at(later, cancel(second, principal=who, verification_id=order.id, vault=VAULT))
    )


async def sweep_until(database: Database, ended: asyncio.Event) -> None:
    while not ended.is_set():
        await expire_due(database)
        await asyncio.sleep(0.001)


async def test_a_thousand_codes_race_a_thousand_cancels_and_the_deadline(database, second, db):
    who = await customer(database, balance="10000.00")
    await own_numbers(database, 1000)
    fates: Counter[str] = Counter()
    for _ in range(10):
        deadline = datetime.now(UTC) + timedelta(seconds=1.6)
        bought = [shown(await buy(database, who, now=deadline - timedelta(minutes=20))) for _ in range(100)]
        ended = asyncio.Event()
        sweepers = asyncio.gather(sweep_until(database, ended), sweep_until(second, ended))
        outcomes = await asyncio.gather(*(race(database, second, who, order, deadline) for order in bought))
        await asyncio.sleep(0.05)
        ended.set()
        await sweepers
        rows = await db.fetch("SELECT id, status FROM verifications WHERE id = ANY($1)", [order.id for order in bought])
        status = {row["id"]: row["status"] for row in rows}
        for order, (accepted, cancelled) in zip(bought, outcomes, strict=True):
            fates[status[order.id]] += 1
            assert {
                "completed": accepted.outcome == "captured" and cancelled is errors.CodeAlreadyReceived,
                "cancelled": accepted.outcome == "late" and isinstance(cancelled, Answer),
                "expired": accepted.outcome == "late" and cancelled is errors.NumberAlreadyReleased,
            }[status[order.id]], (status[order.id], accepted, cancelled)
    assert sum(fates.values()) == 1000
    assert set(fates) == {"completed", "cancelled", "expired"}, fates
    report = await check(database, full=True)
    assert report.ok, report.findings


async def test_a_hundred_buyers_with_money_for_ten_over_two_processes(database, second):
    await own_numbers(database, 200)
    price = shown(await buy(database, await customer(database))).price.amount
    who = await customer(database, balance=f"{float(price) * 10:.2f}")
    outcomes = await asyncio.gather(*(attempt(buy((database, second)[n % 2], who)) for n in range(100)))
    assert Counter(type(o) if isinstance(o, Answer) else o for o in outcomes) == {Answer: 10, errors.InsufficientFunds: 90}
    assert (await wallet(database, user_id=who.user_id, livemode=True)).available.amount == "0.00"


async def test_many_sweepers_release_each_order_once_also_of_one_wallet_with_more_than_a_batch(database, second, db):
    await own_numbers(database, 760)
    past = datetime.now(UTC) - timedelta(minutes=21)
    one, other = await customer(database, balance="5000.00"), await customer(database, balance="500.00")
    for who, count in ((one, 700), (other, 60)):
        for start in range(0, count, 50):
            await asyncio.gather(*(buy(database, who, now=past) for _ in range(start, min(start + 50, count))))
    swept = await asyncio.gather(*(expire_due((database, second)[n % 2]) for n in range(8)))
    assert sum(batch.released for batch in swept) == 760
    assert (await wallet(database, user_id=one.user_id, livemode=True)).available.amount == "5000.00"
    assert (await wallet(database, user_id=other.user_id, livemode=True)).available.amount == "500.00"
    assert await db.fetchval("SELECT max(n) FROM (SELECT count(*) AS n FROM hold_resolutions GROUP BY hold_id) q") == 1
    lines = await db.fetch(
        "SELECT available_after_micros - lag(available_after_micros) OVER (ORDER BY available_after_micros) AS step,"
        " amount_micros"
        " FROM transactions WHERE user_id = $1 AND type = 'release' ORDER BY available_after_micros", one.user_id,
    )  # fmt: skip
    assert all(line["step"] == line["amount_micros"] for line in lines[1:])
    report = await check(database, full=True)
    assert report.ok, report.findings


async def test_a_clock_that_jumps_settles_everything_once_and_back_again_nothing(database):
    who = await customer(database, balance="10.00")
    await own_numbers(database)
    bought = shown(await buy(database, who))
    assert (await expire_due(database, now=datetime.now(UTC) - timedelta(days=400))) == (0, 0)
    assert (await expire_due(database, now=datetime.now(UTC) + timedelta(days=400))) == (1, 0)
    assert (await expire_due(database)) == (0, 0)
    assert (await sms(database, bought.number)).outcome == "late"
    assert (await check(database, full=True)).ok


async def test_two_messages_at_the_same_instant_are_charged_once(database, second):
    who = await customer(database, balance="100.00")
    await own_numbers(database, 30)
    for _ in range(30):
        order = shown(await buy(database, who))
        accepted = await asyncio.gather(*(sms((database, second)[n % 2], order.number, f"code 11111{n}") for n in range(4)))
        assert Counter(a.outcome for a in accepted) == {"captured": 1, "another_code": 3}
    assert (await check(database, full=True)).ok


async def test_the_same_message_from_two_processes_at_once_is_one_message(database, second, db):
    who = await customer(database)
    await own_numbers(database, 1)
    order = shown(await buy(database, who))
    accepted = await asyncio.gather(*(sms((database, second)[n % 2], order.number, message_id="same") for n in range(20)))
    assert sum(not a.duplicate for a in accepted) == 1
    assert await db.fetchval("SELECT count(*) FROM messages") == 1


async def test_the_last_number_is_sold_once_and_reused_once(database, second):
    buyers = [await customer(database) for _ in range(20)]
    await own_numbers(database, 1)
    outcomes = await asyncio.gather(*(attempt(buy((database, second)[n % 2], who)) for n, who in enumerate(buyers)))
    (winner,) = [n for n, outcome in enumerate(outcomes) if isinstance(outcome, Answer)]
    assert Counter(o for o in outcomes if not isinstance(o, Answer)) == {errors.NoNumbers: 19}
    order = shown(outcomes[winner])
    await cancel(database, principal=buyers[winner], verification_id=order.id, vault=VAULT)
    again = Purchase(principal=buyers[winner], request=StartRequest(service="", country=""), reuse_of=order.id)
    outcomes = await asyncio.gather(
        *(attempt(reuse((database, second)[n % 2], purchase=again, providers=Providers(), vault=VAULT)) for n in range(20))
    )
    assert Counter(type(o) if isinstance(o, Answer) else o for o in outcomes) == {Answer: 1, errors.ReuseNotPossible: 19}
    assert (await check(database, full=True)).ok


class Busy:
    """A customer who does anything in any order, as fast as it goes."""

    def __init__(self, who: Principal, pools: tuple[Database, Database]) -> None:
        self._who, self._pools = who, pools
        self._orders: list[Any] = []
        self.did: Counter[str] = Counter()

    async def live(self, until: float) -> None:
        while asyncio.get_running_loop().time() < until:
            verb = random.choice(["buy", "buy", "sms", "cancel", "finish", "reuse", "sweep"])
            outcome = await attempt(self._do(verb, random.choice(self._pools)))
            self.did[f"{verb} {getattr(outcome, '__name__', 'done')}"] += 1

    async def _do(self, verb: str, db: Database) -> None:
        if verb == "sweep":
            await expire_due(db)
        elif verb == "buy" or not self._orders:
            ago = timedelta(minutes=20, seconds=random.choice([-60, -0.05]))
            self._orders.append(shown(await buy(db, self._who, random.choice(SERVICES), now=datetime.now(UTC) - ago)))
        else:
            await self._with(verb, random.choice(self._orders[-8:]), db)

    async def _with(self, verb: str, order: Any, db: Database) -> None:
        if verb == "sms":
            await sms(db, order.number)
        elif verb == "reuse":
            purchase = Purchase(principal=self._who, request=StartRequest(service="", country=""), reuse_of=order.id)
            self._orders.append(shown(await reuse(db, purchase=purchase, providers=Providers(), vault=VAULT)))
        else:
            call = cancel if verb == "cancel" else finish
            await call(db, principal=self._who, verification_id=order.id, vault=VAULT)


async def test_everything_at_once_for_some_seconds_locks_nobody_out_and_keeps_the_ledger(database, second):
    await own_numbers(database, 400)
    customers = []
    for _ in range(4):
        who = await customer(database, balance="500.00")
        key, _secret = await api_keys.create(
            database, user_id=who.user_id, livemode=True, name="capped", daily_spend_cap_micros=100_000_000
        )
        customers += [Busy(Principal(who.user_id, True, key.id), (database, second)) for _ in range(3)]
    until = asyncio.get_running_loop().time() + 5
    await asyncio.gather(*(one.live(until) for one in customers))
    await expire_due(database, now=datetime.now(UTC) + timedelta(hours=1))
    did = sum((one.did for one in customers), Counter())
    assert did["buy done"] > 100, did
    assert did["reuse done"] > 0, did
    report = await check(database, full=True)
    assert report.ok, report.findings
    spent = await database.fetchval("SELECT sum(spent_micros) FROM api_key_spend")
    paid = await database.fetchval("SELECT sum(price_micros) FROM verifications WHERE charged")
    assert spent >= paid

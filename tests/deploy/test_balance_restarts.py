"""Every process behind HAProxy and nginx is replaced, first gently and then with kill -9, in the middle of business.

Both balancers work at once in front of the same processes, each with customers of its own. `-s` shows the counts.
"""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from namaskah.accounts import api_keys
from namaskah.core.db import Database
from namaskah.wallet.check import check
from tests.api.processes import free_port
from tests.deploy.balanced import Balancer, Child, Site, certificate
from tests.deploy.customers import Customer, Tally
from tests.factories import customer, own_numbers

pytestmark = pytest.mark.slow
GENTLE, HARD = [signal.SIGTERM] * 3, [signal.SIGKILL] * 2
# Who is asked to end does so by itself.
EXIT_CODES = {signal.SIGTERM: 0, signal.SIGKILL: -signal.SIGKILL}
ACCOUNTS = 3
_PURCHASES = "SELECT key, verification_id FROM idempotency_keys"
_HELD = "SELECT count(*) FROM verifications v WHERE v.hold_id IS NOT NULL"
_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
_EVENTS = "SELECT event_seq FROM wallets WHERE user_id = $1 AND livemode"


class Business:
    """What goes on through one balancer."""

    def __init__(self, balancer: Balancer) -> None:
        self.balancer = balancer
        self.tally = Tally()
        self.customers: dict[str, Customer] = {}
        self.repeated: list[int] = []

    def note(self) -> None:
        """Notes how many requests the balancer has sent again so far."""
        self.repeated.append(self.balancer.repeated())

    def summary(self) -> str:
        """The counts for a person."""
        tally, (before, gently, hard) = self.tally, self.repeated
        return (
            f"{self.balancer.name}: {sum(tally.asked.values())} requests {dict(tally.asked)}, {len(tally.failed)} failed, sent again "
            f"{gently - before} at gentle ends and {hard - gently} at kills, {tally.replayed} purchases answered by their key, "
            f"{tally.reconnected} streams came back"
        )  # fmt: skip


@contextlib.asynccontextmanager
async def busy(database: Database, balancers: list[Balancer], trust: Any) -> AsyncIterator[list[Business]]:
    """Customers of every balancer do everything that they can, until the block ends."""
    await own_numbers(database, 9_000)
    everything = [Business(balancer) for balancer in balancers]
    for one in everything:
        for place in range(ACCOUNTS):
            who = await customer(database, balance="90000")
            _, secret = await api_keys.create(database, user_id=who.user_id, livemode=True, name="balance")
            base = f"https://localhost:{one.balancer.https}/api/v2"
            one.customers[who.user_id] = Customer(f"{one.balancer.name}-{place}", base, trust, secret, one.tally)
    customers = [who for one in everything for who in one.customers.values()]
    working = [asyncio.create_task(who.run()) for who in customers]
    try:
        await asyncio.sleep(0.5)
        yield everything
        for user_id, who in [found for one in everything for found in one.customers.items()]:
            who.stop_buying()
            await until_heard(database, user_id, who)
    finally:
        for who in customers:
            who.stop()
        await asyncio.gather(*working)


async def until_heard(database: Database, user_id: str, who: Customer) -> None:
    """Waits until the stream has brought what there is; what it lost would never come."""
    async with asyncio.timeout(15):
        while not who.seen or who.seen[-1] < await database.fetchval(_EVENTS, user_id):
            await asyncio.sleep(0.05)


async def test_nobody_notices_that_processes_are_replaced(tmp_path: Path, database: Database, database_url: str) -> None:
    with contextlib.ExitStack() as stack:
        trust = certificate(tmp_path)
        site = stack.enter_context(Site(database_url, web=3, worker=True))
        ports = [child.port for child in site.web]
        balancers = [Balancer(name, tmp_path / name, ports) for name in ("haproxy", "nginx")]
        for balancer in balancers:
            stack.enter_context(balancer.running())
        async with busy(database, balancers, trust) as everything:
            for signals in (GENTLE, HARD):
                for one in everything:
                    one.note()
                for place, number in enumerate(signals):
                    site.prepare(place)
                    for balancer in balancers:
                        await asyncio.to_thread(balancer.until_known, 3)
                    assert await asyncio.to_thread(site.replace, place, number) == EXIT_CODES[number]
            for one in everything:
                one.note()
        for one in everything:
            print(f"\n{one.summary()}")  # noqa: T201  # for a person, with -s
            assert one.tally.failed == []
            # Whether a request met a dying process is chance here; the kill in the middle of a purchase is another test.
            assert sum(one.tally.asked.values()) > 100
            for who in one.customers.values():
                assert who.seen == list(range(1, len(who.seen) + 1))
        bought = {key: one.tally.bought[key] for one in everything for key in one.tally.bought}
        assert {row["key"]: row["verification_id"] for row in await database.fetch(_PURCHASES)} == bought
        assert await database.fetchval(_HELD) == len(bought)
        assert (await check(database, full=True)).ok


@pytest.mark.parametrize("name", ["haproxy", "nginx"])
async def test_a_purchase_whose_process_dies_before_its_answer_is_sent_again_and_made_once(
    name: str, tmp_path: Path, database: Database, database_url: str, db: Any
) -> None:
    await own_numbers(database, 10)
    who = await customer(database, balance="10.00")
    _, secret = await api_keys.create(database, user_id=who.user_id, livemode=True, name="balance")
    trust = certificate(tmp_path)
    with contextlib.ExitStack() as stack:
        first, second = Child(database_url, "web", free_port()), Child(database_url, "web", free_port())
        for child in (first, second):
            stack.callback(child.end, signal.SIGKILL)
        await asyncio.to_thread(first.begin)
        balancer = stack.enter_context(Balancer(name, tmp_path / name, [first.port, second.port, second.port]).running())
        who_asks = Customer("once", f"https://localhost:{balancer.https}/api/v2", trust, secret, Tally())
        async with who_asks.client() as client:
            async with database.transaction() as holder:
                # Until the end of this block no purchase of this customer can be made; the first process waits in the middle.
                await holder.execute("SELECT 1 FROM wallets WHERE user_id = $1 FOR UPDATE", who.user_id)
                asked = asyncio.create_task(
                    client.post(
                        "/verifications", json={"service": "telegram", "country": "us"}, headers={"idempotency-key": "once"}
                    )
                )
                await until_waiting(db, 1)
                await asyncio.to_thread(second.begin)
                await asyncio.to_thread(balancer.until_known, 3)
                first.end(signal.SIGKILL)
                await until_waiting(db, 2)
            answer = await asked
    assert (answer.status_code, answer.headers["idempotency-replayed"]) == (201, "true")
    assert await database.fetchval(_HELD) == 1
    assert (await check(database, full=True)).ok


async def until_waiting(db: Any, count: int) -> None:
    """Waits until so many statements wait for a lock."""
    async with asyncio.timeout(15):
        while await db.fetchval(_WAITING) < count:
            await asyncio.sleep(0.02)

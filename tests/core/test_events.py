"""The hub: every event once and in order to everybody who waits for it, whichever process made it."""

import asyncio

import pytest

from namaskah.core import events
from namaskah.core.db import Database
from namaskah.core.events import Hub
from namaskah.core.signals import Signals
from tests.factories import customer

_ADD = """
WITH grown AS (UPDATE wallets SET event_seq = event_seq + $2 WHERE user_id = $1 AND livemode RETURNING event_seq)
INSERT INTO events SELECT $1, true, event_seq - $2 + n, 'wallet.updated', NULL, '{}', now() FROM grown, generate_series(1, $2::int) n
"""


@pytest.fixture
async def hub(database, database_url):
    """The hub of one process; `database` is that process's pool."""
    signals = Signals(database_url)
    made = Hub(database, signals)
    await signals.start()
    made.start()
    yield made
    await made.stop()
    await signals.stop()


@pytest.fixture
async def elsewhere(database_url):
    """The pool of another process."""
    other = await Database.open(database_url)
    yield other
    await other.close()


async def take(subscription, count: int) -> list[int]:
    seen: list[int] = []
    async with asyncio.timeout(10):
        while len(seen) < count:
            seen += [row.seq for row in await subscription.next(1)]
    return seen


async def test_what_was_stored_before_comes_first_and_nothing_twice(hub, database):
    who = await customer(database, balance="0")
    await database.execute(_ADD, who.user_id, 450)
    subscription = await hub.subscribe(who.user_id, True, 100)
    assert await take(subscription, 350) == list(range(101, 451))
    assert await subscription.next(0.05) == []
    subscription.close()


async def test_from_now_on_means_nothing_older(hub, database):
    who = await customer(database, balance="0")
    await database.execute(_ADD, who.user_id, 3)
    subscription = await hub.subscribe(who.user_id, True)
    await database.execute(_ADD, who.user_id, 1)
    database.announce(who.user_id, True)
    assert await take(subscription, 1) == [4]


async def test_another_processes_events_are_pushed_at_once(hub, database, elsewhere):
    who = await customer(database, balance="0")
    subscription = await hub.subscribe(who.user_id, True)
    await elsewhere.execute(_ADD, who.user_id, 2)
    elsewhere.announce(who.user_id, True)
    began = asyncio.get_running_loop().time()
    assert await take(subscription, 2) == [1, 2]
    assert asyncio.get_running_loop().time() - began < 0.9


async def test_an_event_that_nobody_announced_is_found_within_two_seconds(hub, database, elsewhere):
    who = await customer(database, balance="0")
    subscription = await hub.subscribe(who.user_id, True)
    await elsewhere.execute(_ADD, who.user_id, 1)
    began = asyncio.get_running_loop().time()
    assert await take(subscription, 1) == [1]
    assert asyncio.get_running_loop().time() - began < 2.5


async def test_another_accounts_and_the_test_modes_events_do_not_come(hub, database):
    who, other = await customer(database, balance="0"), await customer(database, balance="0")
    mine, test = await hub.subscribe(who.user_id, True), await hub.subscribe(who.user_id, False)
    await database.execute(_ADD, other.user_id, 2)
    await database.execute(_ADD, who.user_id, 1)
    for user_id in (who.user_id, other.user_id):
        database.announce(user_id, True)
    assert await take(mine, 1) == [1]
    assert await test.next(0.2) == []


async def test_whoever_lets_everything_lie_is_cut_off(hub, database, monkeypatch):
    monkeypatch.setattr(events, "MAX_WAITING", 5)
    who = await customer(database, balance="0")
    subscription = await hub.subscribe(who.user_id, True)
    await database.execute(_ADD, who.user_id, 6)
    database.announce(who.user_id, True)
    async with asyncio.timeout(5):
        while not subscription.overflowed:
            await asyncio.sleep(0.01)
    await subscription.next(0)


async def test_closing_forgets_and_twice_is_once(hub, database):
    who = await customer(database, balance="0")
    first, second = await hub.subscribe(who.user_id, True), await hub.subscribe(who.user_id, True)
    assert hub.open_subscriptions == 2
    first.close()
    first.close()
    second.close()
    assert hub.open_subscriptions == 0
    database.announce(who.user_id, True)


async def test_the_end_of_the_process_wakes_all_who_wait(hub, database):
    who = await customer(database, balance="0")
    subscription = await hub.subscribe(who.user_id, True)
    waiting = asyncio.create_task(subscription.next(30))
    await asyncio.sleep(0.05)
    hub.drain()
    assert await asyncio.wait_for(waiting, 1) == []
    assert hub.draining


async def test_writers_at_once_leave_no_gap_and_readers_miss_none(hub, database, elsewhere):
    who = await customer(database, balance="0")
    subscription = await hub.subscribe(who.user_id, True)

    async def write(db: Database) -> None:
        for _ in range(60):
            await db.execute(_ADD, who.user_id, 1)
            db.announce(who.user_id, True)

    writing = asyncio.gather(*(write(db) for db in (database, elsewhere, database, elsewhere)))
    assert await take(subscription, 240) == list(range(1, 241))
    await writing

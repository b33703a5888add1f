"""Offers from memory and from Redis: the same as the database's for every plan, new in every process within a second of a
change, and none the worse for whatever Redis does."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from namaskah.catalog.errors import UnknownCountry, UnknownService
from namaskah.catalog.prices import Catalogue
from namaskah.catalog.queries import offers
from namaskah.catalog.refresh_offers import refresh_offers
from namaskah.catalog.set_plan import set_plan
from namaskah.catalog.set_price import set_price
from namaskah.catalog.stop_service import stop_service
from namaskah.core import redis_store
from namaskah.core.cursor import InvalidCursor
from namaskah.core.db import Database, DatabaseGone
from namaskah.core.redis_store import RedisStore
from namaskah.core.signals import Signals
from tests.catalog.price_watcher import watcher
from tests.catalog.rows import add_numbers, add_user
from tests.programs import program
from tests.redis_server import RedisServer, redis_server

BY = {"actor_id": "user_operator", "reason": "as agreed"}
PLANS = ("free", "starter", "pro", "business", "enterprise")


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with redis_server() as started:
        yield started


@pytest.fixture
async def store(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RedisStore]:
    # On a busy machine fifty milliseconds may pass without anybody's fault.
    monkeypatch.setattr(redis_store, "CALL_SECONDS", 5.0)
    made = RedisStore(server.url)
    made.start()
    async with asyncio.timeout(5):
        while made.state != "ok":
            await asyncio.sleep(0.005)
    yield made
    await made.stop()


@pytest.fixture
async def sold(filled: Database, db: Any) -> Database:
    """Numbers in three places."""
    for country, operator in (("us", ""), ("us", "Z"), ("us", "a"), ("de", "o2")):
        await add_numbers(db, country, operator, how_many=2)
    await refresh_offers(filled)
    return filled


@pytest.fixture
async def catalogue(sold: Database, signals: Signals, store: RedisStore) -> AsyncIterator[Catalogue]:
    made = Catalogue(sold, signals, store)
    await signals.start()
    yield made
    await made.stop()


async def counted(database: Database, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that ask for offers, from now on."""
    asked: list[str] = []
    fetch = database.fetch

    async def counting(query: str, *args: Any) -> Any:
        if "offered" in query:
            asked.append(query)
        return await fetch(query, *args)

    monkeypatch.setattr(database, "fetch", counting)
    return asked


async def test_what_does_not_exist_is_said_to_be_unknown_and_asked_once(
    sold: Database, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_id, asked = await add_user(sold), await counted(sold, monkeypatch)
    for _ in range(3):
        with pytest.raises(UnknownService):
            await catalogue.offers(user_id, service="no-such")
        with pytest.raises(UnknownCountry):
            await catalogue.offers(user_id, service="telegram", country="xx")
    assert len(asked) == 2
    assert (await catalogue.offers(user_id, service="telegram", country="fr")).data == []
    with pytest.raises(InvalidCursor):
        await catalogue.offers(user_id, service="telegram", cursor="x")
    with pytest.raises(LookupError):
        await catalogue.offers("user_nobody", service="telegram")


async def test_they_are_the_databases_for_every_plan_page_and_mode(sold: Database, catalogue: Catalogue) -> None:
    await set_price(sold, service="whatsapp", country="us", operator="a", price_micros=333_333, **BY)
    await stop_service(sold, service="signal", **BY)
    async with asyncio.timeout(1):
        while (await catalogue.offers(await add_user(sold), service="signal")).data:
            await asyncio.sleep(0.01)
    wishes = [
        {"service": "whatsapp"},
        {"service": "whatsapp", "country": "us"},
        {"service": "whatsapp", "country": "us", "limit": 2},
        {"service": "whatsapp", "limit": 3},
        {"service": "paypal"},
        {"service": "signal"},
        {"country": "de", "limit": 5},
        {"service": "test_success", "livemode": False, "limit": 50},
        {"service": "whatsapp", "livemode": False},
    ]
    for plan in PLANS:
        user_id = await add_user(sold, plan=plan)
        for wish in wishes:
            cursor = None
            while True:
                ours = await catalogue.offers(user_id, cursor=cursor, **wish)
                theirs = await offers(sold, user_id=user_id, cursor=cursor, **wish)
                assert ours == theirs
                cursor = ours.next_cursor
                if cursor is None or "service" not in wish:
                    break


async def test_a_hundred_at_once_ask_the_database_once_and_the_next_process_never(
    sold: Database, catalogue: Catalogue, store: RedisStore, signals: Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_id, asked = await add_user(sold), await counted(sold, monkeypatch)
    pages = await asyncio.gather(*(catalogue.offers(user_id, service="whatsapp") for _ in range(100)))
    assert len(asked) == 1
    await store.written()
    other = Catalogue(sold, signals, store)
    assert await other.offers(user_id, service="whatsapp") == pages[0]
    assert len(asked) == 1
    await other.stop()


async def test_a_customers_new_plan_shows_within_a_second(sold: Database, catalogue: Catalogue, db: Any) -> None:
    one, two = await add_user(sold), await add_user(sold)
    before = await catalogue.offers(one, service="whatsapp")
    assert await catalogue.offers(two, service="whatsapp") == before
    await set_plan(sold, user_id=one, plan="enterprise", **BY)
    async with asyncio.timeout(1):
        while await catalogue.offers(one, service="whatsapp") == before:
            await asyncio.sleep(0.01)
    assert await catalogue.offers(two, service="whatsapp") == before
    await db.execute("INSERT INTO plans SELECT 'half', 'Half', 0, 5000, 1, 1, 1, 1, 0")
    three = await add_user(sold, plan="half")
    assert (await catalogue.offers(three, service="whatsapp", country="us")).data[0].price.amount == "0.60"


async def test_a_change_by_hand_in_the_database_shows_like_one_by_a_verb(sold: Database, catalogue: Catalogue, db: Any) -> None:
    user_id = await add_user(sold)
    await catalogue.offers(user_id, service="whatsapp")
    await db.execute("UPDATE services SET base_price_micros = 5000000 WHERE slug = 'whatsapp'")
    async with asyncio.timeout(1):
        while (await catalogue.offers(user_id, service="whatsapp", country="us")).data[0].price.amount != "5.00":
            await asyncio.sleep(0.01)
    async with db.transaction():
        before = await db.fetchval("SELECT value FROM schema_state WHERE name = 'catalogue_generation'")
        await db.execute("UPDATE services SET base_price_micros = 6000000 WHERE slug = 'whatsapp'")
        once = await db.fetchval("SELECT value FROM schema_state WHERE name = 'catalogue_generation'")
        await db.execute("UPDATE plans SET discount_bp = 1 WHERE slug = 'pro'")
        assert int(before) < int(once)
        # Both become visible together, so one number will do.
        assert await db.fetchval("SELECT value FROM schema_state WHERE name = 'catalogue_generation'") == once


async def test_numbers_that_come_into_stock_are_offered_within_a_second(sold: Database, catalogue: Catalogue, db: Any) -> None:
    user_id = await add_user(sold)
    assert (await catalogue.offers(user_id, service="whatsapp", country="gb")).data == []
    await add_numbers(db, "gb", how_many=3)
    await refresh_offers(sold)
    async with asyncio.timeout(1):
        while not (await catalogue.offers(user_id, service="whatsapp", country="gb")).data:
            await asyncio.sleep(0.01)


async def test_while_the_database_is_away_they_are_shown_unless_a_price_has_changed(sold: Database, catalogue: Catalogue) -> None:
    user_id = await add_user(sold)
    page = await catalogue.offers(user_id, service="whatsapp")
    await sold.pool.close()
    assert await catalogue.offers(user_id, service="whatsapp") == page
    catalogue._generation.hear(str(catalogue._generation.number() + 1))
    with pytest.raises(DatabaseGone):
        await catalogue.offers(user_id, service="whatsapp")


async def test_two_processes_share_keys_and_both_see_a_new_price_within_a_second_whatever_redis_does(
    sold: Database, server: RedisServer, database_url: str
) -> None:
    user_id, keys = await add_user(sold), []
    with ExitStack() as stack:
        watchers = []
        for seed in (1, 2):
            with server.watched() as seen:
                watchers.append(stack.enter_context(watcher(database_url, server.url, user_id, hash_seed=seed)))
                await asyncio.to_thread(watchers[-1].next)
            keys.append({verb: {line.split('"')[3] for line in seen if f'"{verb}"' in line} for verb in ("GET", "SET")})
        one, two = keys
        assert {key.rpartition(":")[2] for key in one["GET"]} == {"all", "whatsapp"}
        assert one["GET"] == two["GET"] == one["SET"]
        # Everything was there already.
        assert two["SET"] == set()
        for dollars, happens in ((2, None), (3, server.hang), (4, server.go_on), (5, server.kill), (6, server.start)):
            if happens is not None:
                happens()
            await set_price(sold, service="whatsapp", price_micros=dollars * 1_000_000, **BY)
            changed_at = time.time()
            seen_at = await asyncio.gather(*(asyncio.to_thread(process.until, f"{dollars}.00") for process in watchers))
            assert max(seen_at) - changed_at < 1


async def test_redis_cli_monitor_shows_the_keys(
    sold: Database, catalogue: Catalogue, server: RedisServer, store: RedisStore
) -> None:
    process = await asyncio.create_subprocess_exec(
        program("redis-cli"), "-p", str(server.port), "monitor", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"OK\n"
    await catalogue.offers(await add_user(sold), service="whatsapp")
    await store.written()
    shown = b""
    async with asyncio.timeout(5):
        while b'"SET"' not in shown:
            shown += await process.stdout.readline()
    process.terminate()
    await process.communicate()
    key = catalogue._offers.redis_key(("live", "whatsapp"))
    assert key.startswith("namaskah:offers:") and key.endswith(":live:whatsapp")
    assert f'"GET" "{key}"'.encode() in shown

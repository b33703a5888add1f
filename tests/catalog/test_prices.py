"""The ready lists: right for every plan, the same bytes until something changes, and then new in every process within
a second; while the database is away the old ones are served."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from namaskah.catalog import generation, lists
from namaskah.catalog.lists import CountryList, ServiceItem, ServiceList
from namaskah.catalog.open_service import open_service
from namaskah.catalog.prices import Catalogue
from namaskah.catalog.refresh_offers import refresh_offers
from namaskah.catalog.set_plan import set_plan
from namaskah.catalog.set_price import set_price
from namaskah.catalog.stop_service import stop_service
from namaskah.core import cache
from namaskah.core.db import Database, DatabaseGone
from namaskah.core.money import Money, money
from namaskah.core.signals import Signals
from namaskah.providers.sandbox import SANDBOX_SERVICES
from tests.catalog.rows import add_numbers, add_user

NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
BY = {"actor_id": "user_operator", "reason": "as agreed"}


@pytest.fixture
async def catalogue(filled: Database, signals: Signals) -> AsyncIterator[Catalogue]:
    made = Catalogue(filled, signals)
    await signals.start()
    yield made
    await made.stop()


async def listed(catalogue: Catalogue, user_id: str, *, livemode: bool = True) -> dict[str, ServiceItem]:
    body, _etag = await catalogue.services_json(user_id, livemode=livemode)
    return {item.code: item for item in msgspec.json.decode(body, type=ServiceList).data}


async def shows_within_a_second(catalogue: Catalogue, user_id: str, code: str, price: str) -> None:
    async with asyncio.timeout(1):
        while (await listed(catalogue, user_id))[code].price_from != Money(price):
            await asyncio.sleep(0.01)


async def test_an_unknown_user_has_no_prices(catalogue: Catalogue) -> None:
    with pytest.raises(LookupError):
        await catalogue.services_json("user_nobody")


async def test_blocked_services_are_not_listed_and_stopped_ones_not_available(
    filled: Database, catalogue: Catalogue, db: Any
) -> None:
    user_id = await add_user(filled)
    await add_numbers(db, "us", how_many=1)
    await refresh_offers(filled)
    await stop_service(filled, service="telegram", **BY)
    found = await listed(catalogue, user_id)
    assert "paypal" not in found
    assert "test_success" not in found
    assert not found["telegram"].available
    assert found["whatsapp"].available
    assert list(found)[:2] == ["whatsapp", "telegram"]
    await open_service(filled, service="paypal", **BY)
    async with asyncio.timeout(1):
        while "paypal" not in await listed(catalogue, user_id):
            await asyncio.sleep(0.01)


async def test_without_numbers_the_base_price_is_shown_as_not_available(filled: Database, catalogue: Catalogue) -> None:
    found = (await listed(catalogue, await add_user(filled, plan="pro")))["whatsapp"]
    assert (found.price_from, found.available) == (Money("1.104"), False)


async def test_the_lowest_price_of_what_is_in_stock_is_shown(filled: Database, catalogue: Catalogue, db: Any) -> None:
    user_id = await add_user(filled)
    await add_numbers(db, "de", how_many=1)
    await add_numbers(db, "gb", "o2", how_many=1)
    await refresh_offers(filled)
    assert (await listed(catalogue, user_id))["whatsapp"].price_from == Money("1.20")
    await set_price(filled, service="whatsapp", country="gb", price_micros=2_500_000, **BY)
    await shows_within_a_second(catalogue, user_id, "whatsapp", "1.92")
    await set_price(filled, service="whatsapp", country="gb", operator="o2", price_micros=900_000, **BY)
    await shows_within_a_second(catalogue, user_id, "whatsapp", "0.90")
    # Not in stock, so it does not count.
    await set_price(filled, service="whatsapp", country="us", price_micros=100_000, **BY)
    await asyncio.sleep(0.5)
    await shows_within_a_second(catalogue, user_id, "whatsapp", "0.90")


async def test_a_service_whose_numbers_are_used_up_is_not_available(filled: Database, catalogue: Catalogue, db: Any) -> None:
    user_id = await add_user(filled)
    (number,) = await add_numbers(db, "us", how_many=1)
    await refresh_offers(filled)
    assert (await listed(catalogue, user_id))["whatsapp"].available
    await db.execute("INSERT INTO number_uses SELECT id, $1, 'ver_0' FROM services WHERE slug = 'whatsapp'", number)
    assert (await refresh_offers(filled)).turned == 1
    async with asyncio.timeout(1):
        while (await listed(catalogue, user_id))["whatsapp"].available:
            await asyncio.sleep(0.01)
    assert (await listed(catalogue, user_id))["telegram"].available


async def test_prices_are_those_that_an_order_would_cost(filled: Database, catalogue: Catalogue, db: Any) -> None:
    await add_numbers(db, "bd", how_many=1)
    await refresh_offers(filled)
    for plan in ("free", "starter", "pro", "business", "enterprise"):
        rows = await filled.fetch(
            "SELECT s.slug, text(price_micros(s, c, '', p.discount_bp)) AS micros FROM services s, countries c, plans p"
            " WHERE c.code = 'bd' AND p.slug = $1 AND NOT s.blocked AND NOT s.sandbox",
            plan,
        )
        found = await listed(catalogue, await add_user(filled, plan=plan))
        assert {code: item.price_from for code, item in found.items()} == {row["slug"]: money(int(row["micros"])) for row in rows}


async def test_the_same_bytes_are_served_until_something_changes(filled: Database, catalogue: Catalogue) -> None:
    one, two = await add_user(filled), await add_user(filled)
    first, etag = await catalogue.services_json(one)
    again, same = await catalogue.services_json(two)
    assert again is first
    assert etag == same
    assert etag.startswith('"') and etag.endswith('"')
    await set_price(filled, service="whatsapp", price_micros=2_000_000, **BY)
    await shows_within_a_second(catalogue, one, "whatsapp", "2.00")
    assert (await catalogue.services_json(one))[1] != etag


async def test_a_customers_new_plan_shows_within_a_second_and_only_there(filled: Database, catalogue: Catalogue) -> None:
    one, two = await add_user(filled), await add_user(filled)
    await listed(catalogue, one)
    await listed(catalogue, two)
    await set_plan(filled, user_id=one, plan="enterprise", **BY)
    await shows_within_a_second(catalogue, one, "whatsapp", "1.02")
    assert (await listed(catalogue, two))["whatsapp"].price_from == Money("1.20")


async def test_a_plan_that_is_newer_than_the_lists_is_found(filled: Database, catalogue: Catalogue, db: Any) -> None:
    await listed(catalogue, await add_user(filled))
    await db.execute("INSERT INTO plans SELECT 'half', 'Half', 0, 5000, 1, 1, 1, 1, 0")
    assert (await listed(catalogue, await add_user(filled, plan="half")))["whatsapp"].price_from == Money("0.60")


async def test_test_mode_lists_the_sandbox(filled: Database, catalogue: Catalogue) -> None:
    found = await listed(catalogue, await add_user(filled), livemode=False)
    assert list(found) == [case.slug for case in SANDBOX_SERVICES]
    assert all(item.available and item.category == "test" for item in found.values())


async def test_countries_are_listed_by_name(catalogue: Catalogue) -> None:
    body, etag = await catalogue.countries_json()
    found = msgspec.json.decode(body, type=CountryList)
    assert len(found.data) == 249
    assert found.next_cursor is None
    assert [one.name for one in found.data] == sorted(one.name for one in found.data)
    assert next((one.name, one.dial) for one in found.data if one.code == "de") == ("Germany", "49")
    assert (await catalogue.countries_json())[1] == etag


async def test_a_thousand_requests_at_once_read_the_database_once(
    filled: Database, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_id = await add_user(filled)
    await catalogue._plan_of(user_id)
    asked: list[str] = []
    fetch = filled.fetch

    async def counting(query: str, *args: Any) -> Any:
        asked.append(query)
        return await fetch(query, *args)

    monkeypatch.setattr(filled, "fetch", counting)
    found = await asyncio.gather(*(catalogue.services_json(user_id) for _ in range(1000)))
    assert asked.count(lists.SERVICES) == 1
    assert all(one is found[0] for one in found)


async def test_without_signals_a_change_shows_all_the_same(filled: Database, signals: Signals) -> None:
    deaf = Catalogue(filled, signals)
    user_id = await add_user(filled)
    await listed(deaf, user_id)
    await set_price(filled, service="whatsapp", price_micros=2_000_000, **BY)
    async with asyncio.timeout(3):
        while (await listed(deaf, user_id))["whatsapp"].price_from != Money("2.00"):
            await asyncio.sleep(0.05)
    await deaf.stop()


async def test_a_change_that_was_missed_shows_though_an_answer_from_before_it_was_on_its_way(
    filled: Database, catalogue: Catalogue, signals: Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_id = await add_user(filled)
    await listed(catalogue, user_id)
    answered, go_on = asyncio.Event(), asyncio.Event()
    fetchval = filled.fetchval

    async def slowly(*args: Any) -> Any:
        found = await fetchval(*args)
        answered.set()
        await go_on.wait()
        return found

    await signals.stop()
    monkeypatch.setattr(filled, "fetchval", slowly)
    catalogue._generation.ask()
    await answered.wait()
    await set_price(filled, service="whatsapp", price_micros=2_000_000, **BY)
    await signals.start()
    go_on.set()
    await shows_within_a_second(catalogue, user_id, "whatsapp", "2.00")


async def test_a_change_that_was_missed_shows_though_the_database_could_not_be_asked_at_once(
    filled: Database, catalogue: Catalogue, signals: Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_id = await add_user(filled)
    await listed(catalogue, user_id)
    await signals.stop()
    await set_price(filled, service="whatsapp", price_micros=2_000_000, **BY)

    async def gone(*_args: Any) -> None:
        raise DatabaseGone

    with monkeypatch.context() as patched:
        patched.setattr(filled, "fetchval", gone)
        await signals.start()
        await catalogue._generation.ask()
    async with asyncio.timeout(3):
        while (await listed(catalogue, user_id))["whatsapp"].price_from != Money("2.00"):
            await asyncio.sleep(0.05)


async def test_while_the_database_is_away_the_old_lists_are_served_for_an_hour(
    filled: Database, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_id = await add_user(filled)
    before = await catalogue.services_json(user_id)
    await filled.pool.close()
    ahead = [0.0]
    for module in (cache, generation):
        monkeypatch.setattr(module, "monotonic", lambda: time.monotonic() + ahead[0])
    for seconds in (0.0, 100.0, 1000.0, 3500.0):
        ahead[0] = seconds
        assert await catalogue.services_json(user_id) == before
        assert len((await catalogue.countries_json())[0]) > 10_000
    ahead[0] = 3700.0
    with pytest.raises(DatabaseGone):
        await catalogue.services_json(user_id)
    with pytest.raises(DatabaseGone):
        await catalogue.countries_json()


async def test_a_database_that_hangs_makes_few_requests_wait(
    filled: Database, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_id = await add_user(filled)
    before = await catalogue.services_json(user_id)

    async def hang(*_args: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(filled, "fetch", hang)
    monkeypatch.setattr(filled, "fetchval", hang)
    for module in (cache, generation):
        monkeypatch.setattr(module, "WAIT_SECONDS", 0.05)
        monkeypatch.setattr(module, "monotonic", lambda: time.monotonic() + 1000)
    started = time.monotonic()
    for _ in range(100):
        assert await catalogue.services_json(user_id) == before
    assert time.monotonic() - started < 1


async def test_a_process_that_never_read_them_says_so(filled: Database, signals: Signals) -> None:
    await filled.pool.close()
    fresh = Catalogue(filled, signals)
    with pytest.raises(DatabaseGone):
        await fresh.services_json("user_1")
    with pytest.raises(DatabaseGone):
        await fresh.countries_json()
    await fresh.stop()

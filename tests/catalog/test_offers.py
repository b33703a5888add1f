"""The list of offers: only what may be bought, at this customer's price, with figures that have enough behind them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from namaskah.catalog.errors import UnknownCountry, UnknownService
from namaskah.catalog.queries import Offer, offers
from namaskah.catalog.refresh_offers import refresh_offers
from namaskah.catalog.set_price import set_price
from namaskah.catalog.stop_service import stop_service
from namaskah.core.cursor import InvalidCursor
from namaskah.core.db import Database
from namaskah.core.money import Money
from namaskah.providers.sandbox import SANDBOX_SERVICES
from tests.catalog.rows import add_numbers, add_order, add_user

NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
BY = {"actor_id": "user_operator", "reason": "as agreed"}


async def test_what_does_not_exist_is_said_to_be_unknown(filled: Database) -> None:
    user_id = await add_user(filled)
    with pytest.raises(UnknownService):
        await offers(filled, user_id=user_id, service="no-such")
    with pytest.raises(UnknownCountry):
        await offers(filled, user_id=user_id, service="telegram", country="xx")
    assert (await offers(filled, user_id=user_id, service="telegram", country="us")).data == []


# Among them: another list's, JSON of other types, a NUL.
@pytest.mark.parametrize(
    "cursor", ["", "x", "WyJhIl0", "é", "e30", "W251bGwsbnVsbCxudWxsXQ", "A" * 1000, "WyJcdTAwMDAiLCIiLCIiXQ"]
)
async def test_a_cursor_that_is_not_ours_is_refused(filled: Database, cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        await offers(filled, user_id=await add_user(filled), cursor=cursor)


async def test_blocked_and_stopped_services_have_no_offers(filled: Database, db: Any) -> None:
    user_id = await add_user(filled)
    await add_numbers(db, "us", how_many=1)
    await refresh_offers(filled)
    await stop_service(filled, service="telegram", **BY)
    for service in ("paypal", "telegram", "test_success"):
        assert (await offers(filled, user_id=user_id, service=service)).data == []
    assert len((await offers(filled, user_id=user_id, service="whatsapp")).data) == 1


async def test_a_service_that_was_never_bought_offers_all_free_numbers(filled: Database, db: Any) -> None:
    user_id = await add_user(filled, plan="starter")
    await add_numbers(db, "us", "t-mobile", how_many=3)
    await add_numbers(db, "de", how_many=2)
    await refresh_offers(filled)
    await set_price(filled, service="whatsapp", country="us", operator="t-mobile", price_micros=500_000, **BY)
    page = await offers(filled, user_id=user_id, service="whatsapp")
    assert page.next_cursor is None
    assert page.data == [
        # 1.20 times 1.6 is 1.92, less 3 % is 1.8624.
        Offer(service="whatsapp", country="de", operator=None, price=Money("1.8624"), stock=2, delivery_rate=None,
              sample_size=0, median_seconds=None),
        Offer(service="whatsapp", country="us", operator="t-mobile", price=Money("0.485"), stock=3, delivery_rate=None,
              sample_size=0, median_seconds=None),
    ]  # fmt: skip


async def test_a_rate_needs_twenty_orders(filled: Database, db: Any) -> None:
    user_id = await add_user(filled)
    numbers = await add_numbers(db, "us", how_many=30)
    at = NOW - timedelta(hours=1)
    for number in numbers[:14]:
        await add_order(db, user_id, "telegram", at=at, status="completed", seconds=8, number_id=number)
    for number in numbers[14:19]:
        await add_order(db, user_id, "telegram", at=at, status="expired", number_id=number)
    await refresh_offers(filled, now=NOW)
    (found,) = (await offers(filled, user_id=user_id, service="telegram")).data
    assert (found.delivery_rate, found.sample_size, found.median_seconds, found.stock) == (None, 19, None, 11)
    await add_order(db, user_id, "telegram", at=NOW, status="completed", seconds=9, number_id=numbers[19])
    await refresh_offers(filled, now=NOW + timedelta(minutes=1))
    (found,) = (await offers(filled, user_id=user_id, service="telegram")).data
    assert (found.delivery_rate, found.sample_size, found.median_seconds, found.stock) == (0.75, 20, 8, 10)


async def test_several_providers_of_one_place_are_one_offer(filled: Database, db: Any) -> None:
    user_id = await add_user(filled)
    await add_numbers(db, "us", how_many=5)
    await refresh_offers(filled)
    await db.execute(
        "INSERT INTO offers (service_id, country, operator, provider, stock, sample_size, delivered, median_seconds)"
        " SELECT id, 'us', '', p, 100, n, n / 2, n FROM services, (VALUES ('one', 30), ('two', 50)) v (p, n)"
        " WHERE slug = 'telegram'"
    )
    (found,) = (await offers(filled, user_id=user_id, service="telegram")).data
    assert (found.stock, found.sample_size, found.delivery_rate, found.median_seconds) == (205, 80, 0.5, 50)


async def test_pages_join_without_gap_or_repeat(filled: Database, db: Any) -> None:
    user_id = await add_user(filled)
    for country, operator in (("us", ""), ("us", "Z"), ("us", "a"), ("gb", "o2")):
        await add_numbers(db, country, operator, how_many=1)
    await refresh_offers(filled)
    seen: list[tuple[str, str, str | None]] = []
    cursor = None
    while True:
        page = await offers(filled, user_id=user_id, limit=97, cursor=cursor)
        seen += [(one.service, one.country, one.operator) for one in page.data]
        cursor = page.next_cursor
        if cursor is None:
            break
        assert len(page.data) == 97
    sold = await filled.fetchval("SELECT count(*) FROM services WHERE NOT blocked AND NOT sandbox")
    assert len(seen) == len(set(seen)) == 4 * sold
    assert seen == sorted(seen, key=lambda one: (one[0], one[1], one[2] or ""))


async def test_test_mode_offers_the_sandbox_and_nothing_else(filled: Database, db: Any) -> None:
    user_id = await add_user(filled)
    await add_numbers(db, "us", how_many=1)
    await refresh_offers(filled)
    page = await offers(filled, user_id=user_id, livemode=False, country="us")
    assert {one.service for one in page.data} == {case.slug for case in SANDBOX_SERVICES}
    assert page.data[0].price == Money("0.50")
    assert (await offers(filled, user_id=user_id, livemode=False, service="telegram")).data == []
    whole = await offers(filled, user_id=user_id, livemode=False, limit=100)
    after = await offers(filled, user_id=user_id, livemode=False, limit=100, cursor=whole.next_cursor)
    assert len(after.data) == 100
    assert after.data[0] not in whole.data

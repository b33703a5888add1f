"""Stock and delivery figures come from what really happened, each order counted once, whoever runs the job how often."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from namaskah.catalog.refresh_offers import IN_FLIGHT, refresh_offers
from namaskah.core.db import Database
from tests.catalog.rows import add_numbers, add_order, add_user

NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)


@pytest.fixture
async def user_id(filled: Database) -> str:
    return await add_user(filled)


async def offer(db: Database, service: str, country: str = "us", operator: str = "", provider: str = "inventory") -> Any:
    return await db.fetchrow(
        "SELECT o.* FROM offers o JOIN services s ON s.id = o.service_id"
        " WHERE s.slug = $1 AND country = $2 AND operator = $3 AND provider = $4",
        service, country, operator, provider,
    )  # fmt: skip


async def settle(db: Database, order_id: str, status: str, seconds: float) -> None:
    await db.execute(
        "UPDATE verifications SET status = $2, charged = $2 = 'completed', settled_at = created_at + make_interval(secs => $3),"
        " code_received_at = CASE WHEN $2 = 'completed' THEN created_at + make_interval(secs => $3) END WHERE id = $1",
        order_id, status, seconds,
    )  # fmt: skip


async def test_without_numbers_and_orders_nothing_is_offered(filled: Database) -> None:
    done = await refresh_offers(filled, now=NOW)
    assert (done.offers, done.turned, done.behind, done.busy) == (0, 0, False, False)
    assert await filled.fetchval("SELECT count(*) FROM offers") == 0


async def test_numbers_are_counted_by_country_and_operator(filled: Database, db: Any) -> None:
    await add_numbers(db, "us", "t-mobile", how_many=3)
    await add_numbers(db, "us", how_many=2)
    retired = await add_numbers(db, "gb", how_many=1)
    await refresh_offers(filled, now=NOW)
    await db.execute("UPDATE numbers SET retired_at = now() WHERE id = $1", retired[0])
    await db.execute("UPDATE numbers SET busy = true WHERE operator = 't-mobile' AND id % 3 = 0")
    await refresh_offers(filled, now=NOW)
    rows = await db.fetch("SELECT country, operator, total, free FROM country_stock ORDER BY 1, 2")
    assert [tuple(row) for row in rows] == [("gb", "", 0, 0), ("us", "", 2, 2), ("us", "t-mobile", 3, 2)]


async def test_a_number_that_was_used_for_a_service_is_no_stock_of_it(filled: Database, db: Any, user_id: str) -> None:
    numbers = await add_numbers(db, "us", how_many=10)
    await refresh_offers(filled, now=NOW - timedelta(hours=1))
    for number in numbers[:4]:
        await add_order(db, user_id, "telegram", at=NOW - timedelta(minutes=5), status="expired", number_id=number)
    await refresh_offers(filled, now=NOW)
    found = await offer(filled, "telegram")
    assert (found["used"], found["stock"]) == (4, 6)
    assert await offer(filled, "whatsapp") is None


async def test_each_use_is_counted_once_however_often_the_job_runs(filled: Database, db: Any, user_id: str) -> None:
    numbers = await add_numbers(db, "us", how_many=10)
    start = NOW - timedelta(minutes=3)
    await refresh_offers(filled, now=start)
    for minute, number in enumerate(numbers[:3]):
        await add_order(db, user_id, "telegram", at=start + timedelta(minutes=minute), status="expired", number_id=number)
    for step in range(0, 200, 20):
        await refresh_offers(filled, now=start + timedelta(seconds=step))
    assert (await offer(filled, "telegram"))["used"] == 3


async def test_taking_ones_own_number_again_uses_no_other(filled: Database, db: Any, user_id: str) -> None:
    numbers = await add_numbers(db, "us", how_many=2)
    await refresh_offers(filled, now=NOW - timedelta(minutes=30))
    first = await add_order(db, user_id, "telegram", at=NOW - timedelta(minutes=20), status="completed", number_id=numbers[0])
    await add_order(
        db, user_id, "telegram", at=NOW - timedelta(minutes=5), status="completed", number_id=numbers[0], reuse_of=first
    )
    await refresh_offers(filled, now=NOW)
    assert ((await offer(filled, "telegram"))["used"], (await offer(filled, "telegram"))["stock"]) == (1, 1)


async def test_numbers_that_are_busy_are_no_stock(filled: Database, db: Any, user_id: str) -> None:
    numbers = await add_numbers(db, "us", how_many=10)
    await refresh_offers(filled, now=NOW - timedelta(minutes=30))
    for number in numbers[:5]:
        await add_order(db, user_id, "telegram", at=NOW - timedelta(minutes=2), number_id=number)
    for number in numbers[5:8]:
        await add_order(db, user_id, "whatsapp", at=NOW - timedelta(minutes=2), number_id=number)
    await refresh_offers(filled, now=NOW)
    # Two are free and were used for neither.
    assert (await offer(filled, "telegram"))["stock"] == 2
    assert (await offer(filled, "whatsapp"))["stock"] == 2


async def test_the_last_number_sold_turns_the_offer_off_and_is_signalled(filled: Database, db: Any, user_id: str) -> None:
    numbers = await add_numbers(db, "us", how_many=1)
    heard: list[Any] = []
    await db.add_listener("namaskah_catalog", lambda *words: heard.append(words[3]))
    assert (await refresh_offers(filled, now=NOW - timedelta(minutes=30))).turned == 1
    await add_order(db, user_id, "telegram", at=NOW - timedelta(minutes=2), status="expired", number_id=numbers[0])
    assert (await refresh_offers(filled, now=NOW)).turned == 1
    assert (await offer(filled, "telegram"))["stock"] == 0
    async with asyncio.timeout(5):
        while len(heard) < 2:
            await asyncio.sleep(0.01)
    assert int(heard[0]) < int(heard[1])


async def test_uses_that_no_order_tells_of_are_counted_from_the_uses(filled: Database, db: Any) -> None:
    numbers = await add_numbers(db, "us", how_many=10)
    await refresh_offers(filled, now=NOW)
    await db.execute(
        "INSERT INTO number_uses SELECT s.id, n, 'ver_0' FROM services s, unnest($1::bigint[]) n"
        " WHERE slug IN ('telegram', 'whatsapp')",
        numbers[:7],
    )  # fmt: skip
    await refresh_offers(filled, now=NOW)
    await refresh_offers(filled, now=NOW)
    assert (await offer(filled, "telegram"))["stock"] == 3
    assert (await offer(filled, "whatsapp"))["stock"] == 3
    await db.execute("UPDATE numbers SET retired_at = now() WHERE id = ANY ($1)", numbers[:7])
    await refresh_offers(filled, now=NOW)
    await refresh_offers(filled, now=NOW)
    assert ((await offer(filled, "telegram"))["used"], (await offer(filled, "telegram"))["stock"]) == (0, 3)


async def test_the_recount_leaves_out_what_the_next_run_will_count(filled: Database, db: Any, user_id: str) -> None:
    numbers = await add_numbers(db, "us", how_many=10)
    await refresh_offers(filled, now=NOW)
    await add_order(db, user_id, "telegram", at=NOW, status="expired", number_id=numbers[0])
    await add_order(db, user_id, "telegram", at=NOW - timedelta(minutes=1), status="expired", number_id=numbers[1])
    for seconds in (5, 20, 40):
        await refresh_offers(filled, now=NOW + timedelta(seconds=seconds))
    assert (await offer(filled, "telegram"))["used"] == 2


async def test_delivery_is_what_happened_to_settled_orders(filled: Database, db: Any, user_id: str) -> None:
    at = NOW - timedelta(hours=2)
    for seconds in (5, 10, 30):
        await add_order(db, user_id, "telegram", at=at, status="completed", seconds=seconds)
    await add_order(db, user_id, "telegram", at=at, status="expired", seconds=1200)
    # A cancel within the first minute is nobody's failure, a later one is.
    await add_order(db, user_id, "telegram", at=at, status="cancelled", seconds=60)
    await add_order(db, user_id, "telegram", at=at, status="cancelled", seconds=61)
    await add_order(db, user_id, "telegram", at=at, status="completed", livemode=False)
    await add_order(db, user_id, "telegram", at=at, status="completed", seconds=7, provider="upstream", country="gb")
    assert (await refresh_offers(filled, now=NOW)).offers == 2
    own, bought = await offer(filled, "telegram"), await offer(filled, "telegram", "gb", provider="upstream")
    assert (own["sample_size"], own["delivered"], own["median_seconds"]) == (5, 3, 10)
    assert (bought["sample_size"], bought["delivered"], bought["median_seconds"]) == (1, 1, 7)


async def test_an_order_is_rolled_up_once_and_not_before_it_is_settled(filled: Database, db: Any, user_id: str) -> None:
    at = NOW - timedelta(minutes=10)
    await add_order(db, user_id, "telegram", at=at - timedelta(seconds=1), status="completed")
    still_open = await add_order(db, user_id, "telegram", at=at)
    await add_order(db, user_id, "telegram", at=at + timedelta(seconds=1), status="completed")
    for _ in range(3):
        await refresh_offers(filled, now=NOW)
    assert (await offer(filled, "telegram"))["sample_size"] == 1
    await settle(db, still_open, "expired", 1200)
    for minute in range(20, 23):
        await refresh_offers(filled, now=NOW + timedelta(minutes=minute))
    found = await offer(filled, "telegram")
    assert (found["sample_size"], found["delivered"]) == (3, 2)


async def test_an_order_that_hangs_does_not_hold_up_the_others(filled: Database, db: Any, user_id: str) -> None:
    await add_order(db, user_id, "telegram", at=NOW - timedelta(hours=20), status="pending")
    await add_order(db, user_id, "telegram", at=NOW - timedelta(hours=4), status="completed")
    await refresh_offers(filled, now=NOW)
    assert (await offer(filled, "telegram"))["sample_size"] == 1


async def test_what_is_older_than_seven_days_no_longer_counts(filled: Database, db: Any, user_id: str) -> None:
    await add_order(db, user_id, "telegram", at=NOW - timedelta(days=6, hours=23), status="completed", seconds=4)
    await add_order(db, user_id, "telegram", at=NOW - timedelta(days=1), status="expired")
    await add_order(db, user_id, "telegram", at=NOW - timedelta(days=8), status="completed")
    await refresh_offers(filled, now=NOW)
    found = await offer(filled, "telegram")
    assert (found["sample_size"], found["delivered"], found["median_seconds"]) == (2, 1, 4)
    await refresh_offers(filled, now=NOW + timedelta(hours=3))
    found = await offer(filled, "telegram")
    assert (found["sample_size"], found["delivered"], found["median_seconds"]) == (1, 0, None)
    await refresh_offers(filled, now=NOW + timedelta(days=50))
    assert (await offer(filled, "telegram"))["sample_size"] == 0
    assert await filled.fetchval("SELECT count(*) FROM offer_hours") == 0


async def test_a_long_absence_is_made_up_for_in_bounded_runs(filled: Database, db: Any, user_id: str) -> None:
    await refresh_offers(filled, now=NOW - timedelta(days=6))
    for hour in range(100):
        await add_order(db, user_id, "telegram", at=NOW - timedelta(hours=hour, minutes=1), status="completed")
    runs = 1
    while (await refresh_offers(filled, now=NOW)).behind:
        runs += 1
    assert 5 < runs < 200
    assert (await offer(filled, "telegram"))["sample_size"] == 100


async def test_figures_from_before_a_long_absence_go_as_well(filled: Database, db: Any, user_id: str) -> None:
    await add_order(db, user_id, "whatsapp", at=NOW - timedelta(days=1), status="completed")
    await refresh_offers(filled, now=NOW)
    later = NOW + timedelta(days=9)
    for hour in range(30):
        await add_order(db, user_id, "telegram", at=later - timedelta(hours=hour, minutes=1), status="completed")
    while (await refresh_offers(filled, now=later)).behind:
        pass
    assert (await offer(filled, "telegram"))["sample_size"] == 30
    assert (await offer(filled, "whatsapp"))["sample_size"] == 0


async def test_two_workers_do_not_do_it_twice(filled: Database, db: Any, user_id: str) -> None:
    for _ in range(20):
        await add_order(db, user_id, "telegram", at=NOW - timedelta(hours=1), status="completed")
    done = await asyncio.gather(*(refresh_offers(filled, now=NOW) for _ in range(8)))
    assert any(not one.busy for one in done)
    assert (await offer(filled, "telegram"))["sample_size"] == 20


async def test_an_order_in_flight_is_waited_for(filled: Database, db: Any, user_id: str) -> None:
    at = NOW - timedelta(seconds=1)
    await refresh_offers(filled, now=NOW)
    await add_order(db, user_id, "telegram", at=at, status="completed", number_id=(await add_numbers(db, "us", how_many=2))[0])
    await refresh_offers(filled, now=NOW + IN_FLIGHT)
    found = await offer(filled, "telegram")
    assert (found["used"], found["sample_size"], found["stock"]) == (1, 1, 1)

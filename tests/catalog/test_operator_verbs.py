"""What an operator changes by hand: refused where it makes no sense, written with who and why, told to every process."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from namaskah.accounts.errors import ReasonMissing, UnknownUser
from namaskah.catalog.errors import PriceOutOfRange, UnknownCountry, UnknownPlan, UnknownService
from namaskah.catalog.open_service import open_service
from namaskah.catalog.set_plan import set_plan
from namaskah.catalog.set_price import set_price
from namaskah.catalog.stop_service import start_service, stop_service
from namaskah.core.db import Database
from namaskah.core.signals import Signals
from tests.catalog.rows import add_user

BY = {"actor_id": "user_operator", "reason": "as agreed"}


@pytest.fixture
async def heard(filled: Database, signals: Signals) -> AsyncIterator[list[str]]:
    """The payloads that this process hears."""
    payloads: list[str] = []
    signals.subscribe("namaskah_catalog", payloads.append)
    await signals.start()
    yield payloads


async def audit(db: Database) -> list[tuple[Any, ...]]:
    rows = await db.fetch("SELECT actor_id, action, target, reason, detail FROM audit_log ORDER BY id")
    return [(*tuple(row)[:4], json.loads(row["detail"])) for row in rows]


async def price(db: Database, service: str, country: str, operator: str = "", discount_bp: int = 0) -> int:
    found: int = await db.fetchval(
        "SELECT price_micros(s, c, $3, $4) FROM services s, countries c WHERE s.slug = $1 AND c.code = $2",
        service, country, operator, discount_bp,
    )  # fmt: skip
    return found


@pytest.mark.parametrize("verb", [stop_service, start_service, open_service])
async def test_an_unknown_service_or_no_reason_is_refused(filled: Database, verb: Callable[..., Awaitable[None]]) -> None:
    with pytest.raises(UnknownService):
        await verb(filled, service="no-such", **BY)
    with pytest.raises(ReasonMissing):
        await verb(filled, service="whatsapp", actor_id="user_operator", reason=" ")
    assert await audit(filled) == []


async def test_a_price_that_makes_no_sense_is_refused(filled: Database) -> None:
    with pytest.raises(UnknownService):
        await set_price(filled, service="no-such", price_micros=500_000, **BY)
    with pytest.raises(UnknownService):
        await set_price(filled, service="no-such", country="us", price_micros=500_000, **BY)
    with pytest.raises(UnknownService):
        await set_price(filled, service="no-such", country="xx", price_micros=500_000, **BY)
    with pytest.raises(UnknownCountry):
        await set_price(filled, service="whatsapp", country="xx", price_micros=500_000, **BY)
    with pytest.raises(UnknownCountry):
        await set_price(filled, service="whatsapp", operator="o2", price_micros=500_000, **BY)
    for nonsense in (-1, 0, 9_999, 1_000_000_001):
        with pytest.raises(PriceOutOfRange):
            await set_price(filled, service="whatsapp", price_micros=nonsense, **BY)
    with pytest.raises(ReasonMissing):
        await set_price(filled, service="whatsapp", price_micros=500_000, actor_id="user_operator", reason="")
    assert await audit(filled) == []
    assert await filled.fetchval("SELECT count(*) FROM prices") == 0


async def test_the_base_price_is_multiplied_by_the_countrys_factor(filled: Database) -> None:
    await set_price(filled, service="whatsapp", price_micros=330_000, **BY)
    assert await price(filled, "whatsapp", "us") == 330_000
    # Germany's factor is 1.6; the product is rounded up to a whole cent.
    assert await price(filled, "whatsapp", "de") == 530_000
    assert await audit(filled) == [
        ("user_operator", "price.set", "whatsapp", "as agreed", {"base_price_micros": 330_000, "was": 1_200_000})
    ]


async def test_an_operators_price_goes_before_the_countrys_and_that_before_the_formula(filled: Database) -> None:
    await set_price(filled, service="whatsapp", country="us", price_micros=700_000, **BY)
    await set_price(filled, service="whatsapp", country="us", operator="t-mobile", price_micros=400_000, **BY)
    await set_price(filled, service="whatsapp", country="us", price_micros=800_000, **BY)
    assert await price(filled, "whatsapp", "us") == 800_000
    assert await price(filled, "whatsapp", "us", "t-mobile") == 400_000
    assert await price(filled, "whatsapp", "us", "other") == 800_000
    assert await price(filled, "whatsapp", "gb") == 1_200_000
    assert (await audit(filled))[-1][4] == {"country": "us", "operator": "", "price_micros": 800_000, "was": 700_000}


async def test_a_discount_is_rounded_down_to_a_hundredth_of_a_cent(filled: Database) -> None:
    await set_price(filled, service="whatsapp", country="us", price_micros=333_333, **BY)
    assert await price(filled, "whatsapp", "us", discount_bp=300) == 323_300
    await set_price(filled, service="whatsapp", country="us", price_micros=10_000, **BY)
    assert await price(filled, "whatsapp", "us", discount_bp=9_000) == 1_000


async def test_a_stopped_service_can_be_started_again(filled: Database) -> None:
    stopped = "SELECT stopped_at IS NOT NULL FROM services WHERE slug = 'whatsapp'"
    await stop_service(filled, service="whatsapp", **BY)
    await stop_service(filled, service="whatsapp", **BY)
    assert await filled.fetchval(stopped) is True
    await start_service(filled, service="whatsapp", **BY)
    assert await filled.fetchval(stopped) is False
    # Doing it twice leaves one line.
    assert [line[1] for line in await audit(filled)] == ["service.stop", "service.start"]


async def test_opening_a_blocked_service_is_on_record(filled: Database) -> None:
    await open_service(filled, service="paypal", **BY)
    await open_service(filled, service="paypal", **BY)
    await open_service(filled, service="whatsapp", **BY)
    assert await filled.fetchval("SELECT blocked FROM services WHERE slug = 'paypal'") is False
    assert await audit(filled) == [("user_operator", "service.open", "paypal", "as agreed", {"category": "payments"})]


async def test_a_plan_needs_a_user_and_a_plan_that_exist(filled: Database) -> None:
    user_id = await add_user(filled)
    with pytest.raises(UnknownUser):
        await set_plan(filled, user_id="user_nobody", plan="pro", **BY)
    with pytest.raises(UnknownPlan):
        await set_plan(filled, user_id=user_id, plan="platinum", **BY)
    with pytest.raises(ReasonMissing):
        await set_plan(filled, user_id=user_id, plan="pro", actor_id="user_operator", reason="\t")
    await set_plan(filled, user_id=user_id, plan="free", **BY)
    assert await audit(filled) == []


async def test_every_change_is_signalled(filled: Database, heard: list[str]) -> None:
    user_id = await add_user(filled)
    await set_plan(filled, user_id=user_id, plan="pro", **BY)
    assert await filled.fetchval("SELECT plan FROM users WHERE id = $1", user_id) == "pro"
    await set_price(filled, service="whatsapp", price_micros=500_000, **BY)
    await set_price(filled, service="whatsapp", country="us", price_micros=500_000, **BY)
    await stop_service(filled, service="whatsapp", **BY)
    await start_service(filled, service="whatsapp", **BY)
    await open_service(filled, service="paypal", **BY)
    async with asyncio.timeout(5):
        while len(heard) < 6:
            await asyncio.sleep(0.01)
    assert heard[0] == user_id
    # What the catalogue's caches are judged by: each change has a higher number.
    numbers = [int(payload) for payload in heard[1:]]
    assert numbers == sorted(set(numbers))
    assert len(await audit(filled)) == 6

"""The races over HTTP, on two web processes and two workers: the same single outcomes, and never a 5xx."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

from namaskah.core.money import micros_from_text
from tests.faults.shop import Shop, serve

_SOON = """
UPDATE verifications SET expires_at = soon, sweep_at = soon FROM (SELECT clock_timestamp() + interval '0.6 seconds' AS soon) s
WHERE id = ANY($1)
"""
_RESOLVED = """
SELECT v.id, v.status, v.charged, (SELECT count(*) FROM hold_resolutions r WHERE r.hold_id = v.hold_id) AS times
FROM verifications v WHERE v.id = ANY($1)
"""


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    instance = serve(tmp_path / "data", "--workers", "2")
    try:
        instance.until_ready()
        opened = Shop(instance)
        await opened.open(buyers=1, numbers=600, balance="1000")
        yield opened
        await opened.close()
    finally:
        instance.end()


async def buy(shop: Shop, service: str = "telegram", **headers: str) -> Any:
    body = {"service": service, "country": "us"}
    answer = await shop.ask(shop.buyers[0], "POST", "/verifications", json=body, headers=headers)
    assert answer is not None, "a 5xx or no answer"
    return answer


async def test_a_hundred_buyers_with_money_for_ten_and_one_key_used_fifty_times(shop: Shop) -> None:
    price = micros_from_text(msgspec.json.decode((await buy(shop)).content)["price"]["amount"])
    connection = await asyncpg.connect(shop.postgres.url)
    await connection.execute(
        "SELECT ledger_adjust('txn_1', user_id, true, 'debit', $1 - balance_micros + held_micros, 'x', 'system', 4::smallint, now())"
        " FROM wallets WHERE livemode", 10 * price,
    )  # fmt: skip
    await connection.close()
    answers = await asyncio.gather(*(buy(shop) for _ in range(100)))
    assert Counter(answer.status_code for answer in answers) == {201: 10, 402: 90}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 402} == {"insufficient_funds"}

    first = msgspec.json.decode(answers[[a.status_code for a in answers].index(201)].content)["id"]
    assert (await shop.ask(shop.buyers[0], "POST", f"/verifications/{first}/cancel")).status_code == 200
    answers = await asyncio.gather(*(buy(shop, **{"idempotency-key": "once"}) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    wallet = (await shop.ask(shop.buyers[0], "GET", "/wallet")).json()
    assert wallet["available"]["amount"] == "0.00"


async def test_codes_cancels_and_deadlines_race_to_exactly_one_outcome(shop: Shop) -> None:
    orders = [(await buy(shop, "whatsapp")).json() for _ in range(100)]
    connection = await asyncpg.connect(shop.postgres.url)
    try:
        await connection.execute(_SOON, [order["id"] for order in orders])
        deadline = time.monotonic() + 0.6

        async def race(order: Any) -> tuple[Any, Any]:
            await asyncio.sleep(deadline - time.monotonic() + random.uniform(-0.5, 0.2))
            return await asyncio.gather(
                shop.deliver(f"sms-{order['id']}", order["number"], "Your code is 482913"),
                shop.ask(shop.buyers[0], "POST", f"/verifications/{order['id']}/cancel"),
            )

        answers = await asyncio.gather(*(race(order) for order in orders))
        await asyncio.sleep(2)
        rows = {row["id"]: row for row in await connection.fetch(_RESOLVED, [order["id"] for order in orders])}
    finally:
        await connection.close()
    fates: Counter[str] = Counter()
    for order, (delivered, cancelled) in zip(orders, answers, strict=True):
        row = rows[order["id"]]
        fates[row["status"]] += 1
        assert row["times"] == 1
        assert delivered.status_code == 200
        said = (cancelled.status_code, cancelled.json().get("code") if cancelled.status_code != 200 else None)
        assert said == {
            "completed": (409, "code_already_received"), "cancelled": (200, None), "expired": (409, "already_released"),
        }[row["status"]]  # fmt: skip
    assert set(fates) == {"completed", "cancelled", "expired"}, fates

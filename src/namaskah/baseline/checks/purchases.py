"""Checks of the main job: what every quick service of the sandbox promises, and that each order ends exactly once."""

import asyncio
import re
from uuid import uuid4

from namaskah.baseline.checks.bed import API, Bed, Check, Json, expect, object_of, problem_of


async def a_code_arrives(bed: Bed) -> None:
    """A number is held, its code arrives after two seconds, and only then it is charged."""
    order = await bed.buy("test_success")
    expect(
        order["status"] == "pending" and order["number"], f"a new order is {order['status']} with number {bool(order['number'])}"
    )
    expect(order["charged"] is False and order["code"] is None, "a new order is charged or has a code already")
    done = await bed.until(order["id"], lambda seen: seen["code"], "no code came")
    _completed(done)
    await _lines(bed, done, "capture")


async def a_code_at_once(bed: Bed) -> None:
    """An order whose code is there at once is completed by the first waiting read."""
    order = await bed.buy("test_instant")
    _completed(await bed.until(order["id"], lambda seen: seen["code"], "no code came", seconds=min(bed.patience, 5)))


async def a_second_code(bed: Bed) -> None:
    """A second code comes on the same number and costs nothing."""
    order = await bed.buy("test_two_codes")
    done = await bed.until(order["id"], lambda seen: len(seen["messages"]) >= 2, "no second code came")
    first, second = done["messages"][:2]
    expect(first["code"] and second["code"] and first["id"] != second["id"], "the second message is not another one with a code")
    _completed(done)
    await _lines(bed, done, "capture")


async def a_voice_call(bed: Bed) -> None:
    """A voice call's transcript gives the code."""
    order = await bed.buy("test_voice")
    _completed(await bed.until(order["id"], lambda seen: seen["code"], "no code came"))


async def an_upstream_that_does_not_answer(bed: Bed) -> None:
    """An order whose outcome is not known at first is found again and completed."""
    order = await bed.buy("test_unknown_outcome")
    expect(order["status"] == "requesting", f"its status is {order['status']} instead of requesting")
    seconds = bed.patience * 2
    _completed(await bed.until(order["id"], lambda seen: seen["code"], "the number was not found again", seconds=seconds))


async def a_code_that_comes_too_late(bed: Bed) -> None:
    """An order without a code expires and is free, and a message that comes later is shown as late and charges nothing."""
    order = await bed.buy("test_late")
    ended = await bed.until(order["id"], lambda seen: seen["status"] not in ("requesting", "pending"), "it did not expire")
    expect(ended["status"] == "expired" and ended["charged"] is False, f"it is {ended['status']}, charged {ended['charged']}")
    seconds = bed.patience / 1.5
    late = await bed.until(order["id"], lambda seen: seen["messages"], "the late message is not shown", seconds=seconds)
    expect(late["messages"][0]["late"] is True, "the late message is not marked as late")
    expect(late["charged"] is False and late["status"] == "expired", "the late message changed the order")
    await _lines(bed, late, "release")


async def refusals_cost_nothing(bed: Bed) -> None:
    """Orders that are refused say why, and charge nothing."""
    for service, status, code in (
        ("test_no_numbers", 409, "no_numbers"),
        ("test_insufficient_funds", 402, "insufficient_funds"),
        ("test_price_moved", 409, "price_above_max"),
        ("test_provider_down", 409, "provider_down"),
        ("no-such-service", 422, "unknown_service"),
    ):
        problem_of(await bed.start(service), status, code)
    problem_of(await bed.start("test_success", max_price="0.01"), 409, "price_above_max")
    problem_of(await bed.start("test_success", country="zz"), 422, "unknown_country")


async def cancelling_gives_the_money_back(bed: Bed) -> None:
    """Cancelling gives back the whole price, and cancelling twice is the same as once."""
    order = await bed.buy("test_timeout")
    ended = await bed.post(f"/verifications/{order['id']}/cancel")
    expect(ended["status"] == "cancelled" and ended["charged"] is False, f"it is {ended['status']}, charged {ended['charged']}")
    again = await bed.post(f"/verifications/{order['id']}/cancel")
    expect(again["status"] == "cancelled", f"after the second cancel it is {again['status']}")
    await _lines(bed, ended, "release")


async def a_code_beats_a_cancel(bed: Bed) -> None:
    """An order with a code cannot be cancelled: the answer says that it is charged."""
    order = await bed.buy("test_instant")
    await bed.until(order["id"], lambda seen: seen["code"], "no code came")
    answer = await bed.probe.post(f"{API}/verifications/{order['id']}/cancel")
    problem_of(answer, 409, "code_already_received", charged=True)


async def one_end_for_each_order(bed: Bed) -> None:
    """Many cancels in the same instant as the code leave exactly one end, a capture or a release."""
    orders = [await bed.buy(service) for service in ("test_instant", "test_timeout", "test_instant")]
    await asyncio.gather(*(bed.probe.post(f"{API}/verifications/{order['id']}/cancel") for order in orders for _ in range(4)))
    for order in orders:
        ended = await bed.until(order["id"], lambda seen: seen["status"] in ("completed", "cancelled"), "it did not end")
        expect(ended["charged"] is (ended["status"] == "completed"), f"it is {ended['status']}, charged {ended['charged']}")
        await _lines(bed, ended, "capture" if ended["charged"] else "release")


async def one_order_for_each_key(bed: Bed) -> None:
    """The same Idempotency-Key makes one order: the same body is answered again, another body is refused."""
    key = f"check-{uuid4()}"
    first = await bed.buy("test_timeout", idempotency_key=key)
    again = await bed.start("test_timeout", idempotency_key=key)
    expect(object_of(again, 201)["id"] == first["id"], "the same key and body made a second order")
    expect(again.header("idempotency-replayed") == "true", "the repeated answer does not say so (Idempotency-Replayed)")
    problem_of(await bed.start("test_timeout", country="gb", idempotency_key=key), 422, "idempotency_mismatch")


async def one_order_of_many_at_once(bed: Bed) -> None:
    """Eight requests with one Idempotency-Key in the same instant make one order."""
    key = f"check-{uuid4()}"
    answers = await asyncio.gather(*(bed.start("test_timeout", idempotency_key=key) for _ in range(8)))
    made = {object_of(answer, 201)["id"] for answer in answers if answer.status == 201}
    expect(len(made) == 1, f"{len(made)} orders were made")
    for answer in answers:
        if answer.status != 201:
            problem_of(answer, 409, "idempotency_running", charged="unknown")


async def after_the_code(bed: Bed) -> None:
    """After its code an order can be reported and finished, and is closed then."""
    order = await bed.buy("test_instant")
    await bed.until(order["id"], lambda seen: seen["code"], "no code came")
    await bed.post(f"/verifications/{order['id']}/report", {"reason": "a check of the platform"})
    done = await bed.post(f"/verifications/{order['id']}/finish")
    expect(done["closed_at"], "a finished order has no closed_at")
    answer = await bed.probe.post(f"{API}/verifications/{order['id']}/another-code")
    problem_of(answer, 409, "verification_closed", charged=answer.json().get("charged"))


def _completed(order: Json) -> None:
    """A completed order whose code stands in its message."""
    expect(order["status"] == "completed", f"an order with a code is {order['status']}")
    expect(order["charged"] is True, "an order with a code is not charged")
    message = next((one for one in order["messages"] if one["code"] == order["code"]), None)
    expect(message is not None, "the code is not that of any message")
    expect(message and str(order["code"]) in re.sub(r"[ -]", "", str(message["text"])), "the code is not in the message's text")
    expect(order["livemode"] is False, "an order of a test key says that it is live")


async def _lines(bed: Bed, order: Json, end: str) -> None:
    """The statement has a hold and exactly this one end, of the same amount."""
    lines = await bed.lines(order["id"])
    kinds = sorted(line["type"] for line in lines)
    expect(kinds == sorted(["hold", end]), f"the statement has {', '.join(kinds) or 'nothing'} instead of hold and {end}")
    price = order["price"]["amount"]
    held = next(line["amount"]["amount"] for line in lines if line["type"] == "hold")
    expect(held.lstrip("-") == price, f"{held} was held for a price of {price}")


CHECKS = tuple(
    Check("integration", ask)
    for ask in (
        a_code_arrives, a_code_at_once, a_second_code, a_voice_call, an_upstream_that_does_not_answer,
        a_code_that_comes_too_late, refusals_cost_nothing, cancelling_gives_the_money_back, a_code_beats_a_cancel,
        one_end_for_each_order, one_order_for_each_key, one_order_of_many_at_once, after_the_code,
    )
)  # fmt: skip

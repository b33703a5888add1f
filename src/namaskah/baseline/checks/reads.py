"""Checks of what can be read: health, catalogue, wallet, history, events, waiting reads, errors, and the API's description."""

import asyncio
import re
from decimal import Decimal
from time import perf_counter
from typing import Final

from namaskah.baseline.checks.bed import API, Bed, Check, Json, expect, object_of, problem_of
from namaskah.baseline.checks.schema import misfits
from namaskah.baseline.stream import Event, events

_NOBODYS: Final = "ver_00000000000000000000000000"


async def everything_is_healthy(bed: Bed) -> None:
    """Health, readiness and liveness say that all is well, with a worker."""
    deadline = perf_counter() + bed.patience
    health = object_of(await bed.probe.get("/health", key=False), 200)
    while health["status"] != "ok" and perf_counter() < deadline:
        # One that has just started has not seen its worker yet.
        await asyncio.sleep(0.5)
        health = object_of(await bed.probe.get("/health", key=False), 200)
    expect(health["status"] == "ok", f"the status is {health['status']}")
    expect(health["database"]["ok"] is True, "the database does not answer")
    seen = health["worker_last_seen"]
    expect(seen is not None and seen < 60, f"a worker was seen {seen} seconds ago")
    for path in ("/livez", "/readyz"):
        object_of(await bed.probe.get(path, key=False), 200)


async def the_key_moves_no_money(bed: Bed) -> None:
    """The key is of the test mode, and its wallet has test money."""
    account, wallet = await bed.get("/account"), await bed.get("/wallet")
    expect(account["livemode"] is False and wallet["livemode"] is False, "the key is not of the test mode")


async def the_wallet_adds_up(bed: Bed) -> None:
    """Balance is what is held and what is available, and amounts are decimal text."""
    for attempt in range(3):
        wallet = await bed.get("/wallet")
        for name in ("balance", "held", "available"):
            amount = wallet[name]["amount"]
            expect(isinstance(amount, str) and re.fullmatch(r"\d+\.\d{2,6}", amount), f"{name} is {amount!r}, no decimal text")
        balance, held, free = (Decimal(wallet[name]["amount"]) for name in ("balance", "held", "available"))
        expect(balance == held + free, f"balance {balance} is not held {held} and available {free} (look {attempt + 1})")


async def the_catalogue_can_be_read(bed: Bed) -> None:
    """Services, countries and offers are there, and an unchanged list is not sent twice."""
    answer = await bed.probe.get(f"{API}/services")
    services = object_of(answer, 200)["data"]
    expect(any(service["code"] == "test_success" for service in services), "the sandbox's services are not listed")
    tag = answer.header("etag")
    expect(tag, "the list of services has no ETag")
    again = await bed.probe.get(f"{API}/services", if_none_match=tag)
    expect(again.status == 304 and not again.body, f"an unchanged list is answered with {again.status}")
    expect((await bed.get("/countries"))["data"], "there are no countries")
    offers = (await bed.get("/offers?service=test_success&country=us"))["data"]
    expect(offers and Decimal(offers[0]["price"]["amount"]) > 0, "there is no offer with a price for test_success in us")


async def history_has_pages(bed: Bed) -> None:
    """The history has pages, newest first, without an order twice, and can be narrowed."""
    made = [(await bed.buy("test_timeout"))["id"] for _ in range(3)]
    for order in made:
        await bed.post(f"/verifications/{order}/cancel")
    first = await bed.get("/verifications?service=test_timeout&status=cancelled&limit=2")
    expect(len(first["data"]) == 2 and first["next_cursor"], "a page of two has not two rows and a cursor")
    second = await bed.get(f"/verifications?service=test_timeout&status=cancelled&limit=2&cursor={first['next_cursor']}")
    rows = [*first["data"], *second["data"]]
    ids = [row["id"] for row in rows]
    expect(len(set(ids)) == len(ids), "an order is on two pages")
    times = [row["created_at"] for row in rows]
    expect(times == sorted(times, reverse=True), "the newest is not the first")
    wrong = [row for row in rows if (row["service"], row["status"]) != ("test_timeout", "cancelled")]
    expect(not wrong, "the narrowed history shows other orders")


async def events_are_pushed_and_replayed(bed: Bed) -> None:
    """An open stream is told of an order and its end at once, and a stream that comes back misses nothing."""
    async with events(bed.probe) as stream:
        expect(stream.answer.status == 200, f"the stream is answered with {stream.answer.status}")
        kind = stream.answer.header("content-type").partition(";")[0]
        expect(kind == "text/event-stream", f"the stream is {kind}")
        order = (await bed.buy("test_timeout"))["id"]
        began = perf_counter()
        pending = await stream.about(order, "verification.pending", bed.patience)
        await bed.post(f"/verifications/{order}/cancel")
        ended = await stream.about(order, "verification.cancelled", bed.patience)
        expect(perf_counter() - began < 5, "the events came seconds late")
    expect(ended.id > pending.id and ended.body["id"] == f"evt_{ended.id}", "events are not numbered in order")
    async with events(bed.probe, after=pending.id, query=f"?verification={order}") as narrowed:
        again: Event = await narrowed.next(bed.patience)
    expect((again.id, again.type) == (ended.id, ended.type), "the stream does not go on after Last-Event-ID")
    async with events(bed.probe, after=pending.id - 1) as whole:
        numbers = [(await whole.next(bed.patience)).id for _ in range(2)]
    expect(numbers == [pending.id, pending.id + 1], f"a replay has events {numbers} instead of all from {pending.id} on")


async def a_waiting_read_waits(bed: Bed) -> None:
    """A waiting read answers when something happens, and after its time when nothing does."""
    order = (await bed.buy("test_timeout"))["id"]
    began = perf_counter()
    quiet = await bed.get(f"/verifications/{order}?wait=1")
    took = perf_counter() - began
    expect(quiet["status"] == "pending" and took >= 0.9, f"it answered after {took:.2f} s instead of 1 s")
    expect(took < bed.patience, f"it answered after {took:.2f} s instead of 1 s")
    problem_of(await bed.probe.get(f"{API}/verifications/{order}?wait=31"), 422, "invalid_parameter")


async def errors_are_clear(bed: Bed) -> None:
    """Errors are application/problem+json with a code, the request's id, whether money moved, and the field."""
    address = f"{API}/verifications"
    problem_of(await bed.probe.get(f"{address}/{_NOBODYS}"), 404, "verification_not_found")
    problem_of(await bed.probe.get(f"{API}/no-such-address"), 404, "unknown_address")
    problem_of(await bed.probe.ask("POST", address, headers={"content-type": "application/json"}, body=b"{"), 400, "invalid_json")
    problem_of(
        await bed.probe.ask("POST", address, headers={"content-type": "text/plain"}, body=b"x"), 415, "unsupported_media_type"
    )
    for answer, code in (
        (await bed.probe.post(address, {"service": "test_success"}), "invalid_request"),
        (await bed.probe.post(address, {"service": "test_success", "country": "us", "pirce": "1"}), "invalid_request"),
        (await bed.probe.get(f"{address}?limit=0"), "invalid_parameter"),
        (await bed.probe.get(f"{address}?lmit=1"), "invalid_parameter"),
    ):
        expect(problem_of(answer, 422, code)["errors"], f"{code} names no field")
    problem_of(await bed.probe.get(f"{address}?cursor=nonsense"), 422, "invalid_cursor")


async def answers_are_as_described(bed: Bed) -> None:
    """The answers have the shape that the OpenAPI document describes."""
    document = await bed.document()
    expect(document.get("openapi", "").startswith("3.1"), "there is no OpenAPI 3.1 document")
    order = (await bed.buy("test_instant"))["id"]
    await bed.until(order, lambda seen: seen["code"], "no code came")
    asked = {
        "/account": "/account", "/account/usage": "/account/usage", "/wallet": "/wallet", "/countries": "/countries",
        "/wallet/transactions": "/wallet/transactions?limit=3", "/services": "/services", "/api-keys": "/api-keys",
        "/offers": "/offers?service=test_success", "/verifications": "/verifications?limit=3",
        "/verifications/{id}": f"/verifications/{order}",
    }  # fmt: skip
    for described, path in asked.items():
        answer = await bed.probe.get(API + path)
        _as_described(document, described, "get", answer.status, answer.header("content-type"), object_of(answer, 200))
    refused = await bed.start("test_no_numbers")
    body = object_of(refused, 409)
    _as_described(document, "/verifications", "post", refused.status, refused.header("content-type"), body)


def _as_described(document: Json, path: str, method: str, status: int, kind: str, body: Json) -> None:
    operation = document.get("paths", {}).get(path, {}).get(method)
    expect(operation is not None, f"{method.upper()} {path} is not described")
    described = operation["responses"].get(str(status))
    expect(described is not None, f"{method.upper()} {path}: the status {status} is not described")
    shape = described["content"].get(kind.partition(";")[0])
    expect(shape is not None, f"{method.upper()} {path}: {kind} is not described")
    wrong = misfits(body, shape["schema"], document)
    expect(not wrong, f"{method.upper()} {path}: {'; '.join(wrong[:3])}")


CHECKS = tuple(
    Check("integration", ask)
    for ask in (
        everything_is_healthy, the_key_moves_no_money, the_wallet_adds_up, the_catalogue_can_be_read, history_has_pages,
        events_are_pushed_and_replayed, a_waiting_read_waits, errors_are_clear, answers_are_as_described,
    )
)  # fmt: skip

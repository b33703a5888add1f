"""A small load: many customers' requests at once are answered quickly, without an error, and nobody's stream goes without."""

import asyncio
import contextlib
from statistics import fmean
from time import perf_counter

from namaskah.baseline.checks.bed import API, Bed, Check, expect, object_of
from namaskah.baseline.figures import percentile
from namaskah.baseline.judge import AVERAGE_MS, ERROR_RATE
from namaskah.baseline.probe import Answer
from namaskah.baseline.stream import events

_CONNECTIONS = 8
_READS = 240
_ORDERS = 20
_STREAMS = 10


async def reads_at_once(bed: Bed) -> None:
    """Eight connections that read without a pause are answered within 150 ms on average, without an error."""
    paths = ["/livez", "/health", "/", f"{API}/services", f"{API}/wallet", f"{API}/verifications?limit=20"]
    turn = iter(range(_READS))
    found: list[Answer] = []

    async def ask() -> None:
        for number in turn:
            answer = await bed.probe.get(paths[number % len(paths)])
            found.append(answer)

    await asyncio.gather(*(ask() for _ in range(_CONNECTIONS)))
    wrong = sum(answer.status != 200 for answer in found)
    expect(wrong / len(found) < ERROR_RATE, f"{wrong} of {len(found)} answers are not 200")
    times = [answer.seconds * 1000 for answer in found]
    told = f"the average is {fmean(times):.0f} ms, p95 {percentile(times, 0.95):.0f} ms"
    expect(fmean(times) < AVERAGE_MS, f"{told}; wanted is an average below {AVERAGE_MS:g} ms")


async def orders_at_once(bed: Bed) -> None:
    """Twenty orders at once all get their code, each a number of its own."""
    answers = await asyncio.gather(*(bed.start("test_instant") for _ in range(_ORDERS)))
    made = [object_of(answer, 201) for answer in answers]
    done = await asyncio.gather(*(bed.until(order["id"], lambda seen: seen["code"], "no code came") for order in made))
    expect(all(order["status"] == "completed" for order in done), "not all orders are completed")
    expect(len({order["id"] for order in done}) == _ORDERS, "two requests made the same order")


async def streams_at_once(bed: Bed) -> None:
    """Ten open streams all are told of an order within two seconds."""
    async with contextlib.AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(events(bed.probe)) for _ in range(_STREAMS)]
        expect(all(one.answer.status == 200 for one in opened), "not every stream is opened")
        began = perf_counter()
        order = (await bed.buy("test_timeout"))["id"]
        seen = await asyncio.gather(*(one.about(order, "verification.pending", bed.patience) for one in opened))
    latest = max(event.at for event in seen) - began
    expect(latest < 2, f"the last stream was told after {latest:.1f} s")


CHECKS = tuple(Check("load", ask) for ask in (reads_at_once, orders_at_once, streams_at_once))

"""What remembering buys: a service's offers from memory, from Redis and from the database; what it takes of Redis' memory;
and what requests notice of a Redis that hangs and comes back."""

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from statistics import median, quantiles
from typing import Any, Final

import msgspec

from bench.client import request
from bench.context import ROUNDS, Bench
from bench.figures import Figure, at_least, at_most, report
from bench.server import run
from bench.web import Process, get, web
from namaskah.catalog import prices, queries
from namaskah.catalog.lists import read_lists
from namaskah.catalog.prices import Catalogue
from namaskah.core.db import Database
from namaskah.core.redis_store import RedisStore
from namaskah.core.signals import Signals
from tests.redis_server import RedisServer, redis_server

CALLS: Final = 400
SERVICES: Final = 200
MEGABYTE: Final = 1_000_000
# Of a small installation's Redis.
REDIS_MEGABYTES: Final = 30
USER: Final = "user_1"
# A hundred offers a service: fifty countries, two networks each.
_PLACES: Final = """
INSERT INTO country_stock (country, operator, total, free)
SELECT code, operator, 1000, 900 FROM (SELECT code FROM countries ORDER BY code LIMIT 50) c, (VALUES ('one'), ('two')) o (operator)
"""
_SOLD: Final = "SELECT slug FROM services WHERE NOT blocked AND NOT sandbox ORDER BY popularity, slug"
_OPERATOR: Final = "UPDATE services SET base_price_micros = base_price_micros + 10000 WHERE slug = 'telegram'"

# The fault: how long each part is looked at, and how many requests a second come in.
PART_SECONDS: Final = 6.0
RATE: Final = 100
CONNECTIONS: Final = 16
CHANGE_SECONDS: Final = 0.25
WORSE_MS: Final = 50.0


def measure(bench: Bench) -> list[Figure]:
    """Works on a copy, where every service is offered in a hundred places."""
    url = bench.copy_of_small("cached")
    bench.execute("cached", _PLACES)
    services = [row["slug"] for row in bench.execute("cached", _SOLD)]
    with redis_server() as redis:
        bought = run(_bought(url, redis, services))
        fault = _fault(bench, url, redis, services)
    return [*bought, *fault]


async def _bought(url: str, redis: RedisServer, services: list[str]) -> list[Figure]:
    async with _catalogue(url, redis) as (db, store, signals):
        with_memory = Catalogue(db, signals, store)
        before = prices.OFFERS_IN_MEMORY
        prices.OFFERS_IN_MEMORY = 0  # type: ignore[misc]
        redis_only = Catalogue(db, signals, store)
        prices.OFFERS_IN_MEMORY = before  # type: ignore[misc]
        empty = int(redis.figure("used_memory"))
        for service in services:
            await with_memory.offers(USER, service=service)
            await store.written()
        await with_memory.services_json(USER)
        await store.written()
        used = int(redis.figure("used_memory")) - empty
        entries = len(redis.keys())
        some = itertools.cycle(services[-SERVICES:])
        calls: dict[str, Callable[[], Awaitable[Any]]] = {
            "memory": lambda: with_memory.offers(USER, service=next(some)),
            "redis": lambda: redis_only.offers(USER, service=next(some)),
            "database": lambda: queries.offers(db, user_id=USER, service=next(some)),
            "lists": lambda: read_lists(db),
        }
        us: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(ROUNDS):
            for name, call in calls.items():
                us[name].append(await _each(call, 5 if name == "lists" else CALLS))
        took = {name: median(rounds) for name, rounds in us.items()}
        await with_memory.stop()
        await redis_only.stop()
    return [
        at_least("a page of 100 offers of a service: from memory | asked of the database", took["memory"], took["database"],
                 "us", 2.0, faster="less"),
        report("the same from Redis | asked of the database", took["redis"], "us", ceiling=took["database"]),
        report("reading the lists of all services and countries, which is done once an hour and after a change",
               took["lists"] / 1000, "ms"),
        at_most(f"Redis' memory for {len(services):,} services with 100 offers each, prices of 6 plans: {entries:,} entries",
                used / MEGABYTE, "MB", REDIS_MEGABYTES),
    ]  # fmt: skip


@contextlib.asynccontextmanager
async def _catalogue(url: str, redis: RedisServer) -> AsyncIterator[tuple[Database, RedisStore, Signals]]:
    db, store, signals = await Database.open(url), RedisStore(redis.url), Signals(url)
    store.start()
    await signals.start()
    while store.state != "ok":  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    yield db, store, signals
    await signals.stop()
    await store.stop()
    await db.close()


async def _each(call: Callable[[], Awaitable[Any]], times: int) -> float:
    """Microseconds."""
    started = time.perf_counter()
    for _ in range(times):
        await call()
    return (time.perf_counter() - started) / times * 1e6


class _Answer(msgspec.Struct, frozen=True):
    at: float
    ms: float
    status: int


def _fault(bench: Bench, url: str, redis: RedisServer, services: list[str]) -> list[Figure]:
    redis.command("FLUSHALL")
    key = bench.small.keys[0]
    asked = [request("GET", f"/api/v2/offers?service={service}&limit=10", key=key) for service in services[-1500:]]
    with web(url, more={"REDIS_URL": redis.url}) as [process]:
        _until_cache(process.port, "ok")
        parts, costs, back = run(_timeline(url, process, asked, redis))
    before, first, later, after = parts
    failed = sum(one.status != 200 for part in parts for one in part)
    limit = WORSE_MS + _p(before, 99)
    return [
        at_most(f"answers other than 200 while Redis hung and came back, {RATE} offers a second", failed, "", 0),
        report("offers with Redis, prices changing four times a second, so that memory has little: p50", _p(before, 50), "ms"),
        report("the same: p99", _p(before, 99), "ms"),
        report("Redis hangs, the first second: p50", _p(first, 50), "ms", ceiling=_p(before, 50)),
        at_most("the same: p99 (at most 50 ms worse)", _p(first, 99), "ms", limit, ceiling=_p(before, 99)),
        report("Redis hangs, from then on: p50", _p(later, 50), "ms", ceiling=_p(before, 50)),
        report("the same: p99", _p(later, 99), "ms", ceiling=_p(before, 99)),
        report("processor time of an answer in the web process while Redis hangs | with Redis", costs[1], "us", ceiling=costs[0]),
        at_most("Redis answers again: until it is used", back, "s", 5.0),
        report("from then on: p99", _p(after, 99), "ms", ceiling=_p(before, 99)),
    ]


def _p(answers: list[_Answer], percent: int) -> float:
    return quantiles([one.ms for one in answers], n=100)[percent - 1]


def _until_cache(port: int, state: str) -> float:
    started = time.monotonic()
    while json.loads(get(port, "/health"))["cache"] != state:
        time.sleep(0.01)
    return time.monotonic() - started


async def _timeline(
    url: str, process: Process, asked: list[bytes], redis: RedisServer
) -> tuple[list[list[_Answer]], list[float], float]:
    """Asks at an even rate all the time; the answers before the hang, in its first second, in the rest of it, after it.

    And microseconds of the process for an answer, with Redis and while it hangs; and how long Redis was not used then.
    """
    answers: list[_Answer] = []
    cycle = itertools.cycle(asked)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_ask(process.port, cycle, place, answers)) for place in range(CONNECTIONS)]
        tasks.append(group.create_task(_change_prices(url)))
        await asyncio.sleep(PART_SECONDS)
        began, used = time.monotonic(), [process.processor_seconds()]
        await asyncio.sleep(PART_SECONDS)
        hung = time.monotonic()
        used.append(process.processor_seconds())
        redis.hang()
        await asyncio.sleep(PART_SECONDS)
        used.append(process.processor_seconds())
        redis.go_on()
        went_on = time.monotonic()
        back = await asyncio.to_thread(_until_cache, process.port, "ok")
        await asyncio.sleep(PART_SECONDS)
        for task in tasks:
            task.cancel()

    def between(start: float, end: float) -> list[_Answer]:
        return [one for one in answers if start <= one.at < end]

    parts = [between(began, hung), between(hung, hung + 1), between(hung + 1, went_on), between(went_on + back, float("inf"))]
    counts = (len(parts[0]), len(parts[1]) + len(parts[2]))
    costs = [(used[place + 1] - used[place]) / count * 1e6 for place, count in enumerate(counts)]
    return parts, costs, back


async def _ask(port: int, cycle: "itertools.cycle[bytes]", place: int, answers: list[_Answer]) -> None:
    """One connection's share of the rate; an answer is timed from when its request was due."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    due = time.monotonic() + place / RATE
    try:
        while True:
            await asyncio.sleep(due - time.monotonic())
            writer.write(next(cycle))
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(length)
            now = time.monotonic()
            answers.append(_Answer(due, (now - due) * 1000, int(head[9:12])))
            due += CONNECTIONS / RATE
    finally:
        writer.close()


async def _change_prices(url: str) -> None:
    db = await Database.open(url, max_size=1)
    try:
        while True:
            await db.execute(_OPERATOR)
            await asyncio.sleep(CHANGE_SECONDS)
    finally:
        await db.close()

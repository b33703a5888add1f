"""Redis may die, hang, refuse and come back: nothing is raised, nobody waits long, and soon it is used again."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from namaskah.core import metrics
from namaskah.core.observed import RequestRecord, current_request
from namaskah.core.redis_store import CALL_SECONDS, Budget, RedisStore, budget
from tests.programs import program
from tests.redis_server import RedisServer, redis_server, silent_server

# A busy machine may be late; what must not happen is waiting for each of many calls.
SLACK = 0.5


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with redis_server() as started:
        yield started


@pytest.fixture
async def store(server: RedisServer) -> AsyncIterator[RedisStore]:
    made = RedisStore(server.url)
    made.start()
    await becomes(made, "ok")
    yield made
    await made.stop()


async def becomes(store: RedisStore, state: str, within: float = 5) -> float:
    """How many seconds it took."""
    started = time.monotonic()
    async with asyncio.timeout(within):
        while store.state != state:
            await asyncio.sleep(0.005)
    return time.monotonic() - started


async def waited(store: RedisStore, calls: int) -> float:
    """How many seconds so many requests, one after the other, waited for Redis together."""
    total = 0.0
    for _ in range(calls):
        spent = Budget(None)
        assert await store.get("key", spent) is None
        total += spent.seconds
    return total


async def finds(store: RedisStore, value: bytes | None) -> None:
    """A busy machine may make it miss a beat."""
    async with asyncio.timeout(5):
        while store.state != "ok" or await store.get("key", Budget(None)) != value:
            await asyncio.sleep(0.005)


async def test_nothing_is_asked_before_it_has_answered_once(server: RedisServer) -> None:
    store = RedisStore(server.url)
    assert store.state == "down"
    assert await waited(store, 100) == 0
    await store.stop()


@pytest.mark.parametrize("url", ["localhost", "http://127.0.0.1:1/0", "redis://127.0.0.1:port/0", ""])
async def test_an_address_that_makes_no_sense_is_like_no_redis(url: str) -> None:
    store = RedisStore(url)
    store.start()
    assert await waited(store, 10) == 0
    store.put_soon("key", b"value", 10)
    assert store.state == "down"
    await store.stop()


async def test_one_that_accepts_and_never_answers_is_waited_for_by_nobody() -> None:
    with silent_server() as url:
        store = RedisStore(url)
        store.start()
        await asyncio.sleep(0.05)
        assert await waited(store, 100) == 0
        await asyncio.wait_for(store.stop(), 2)


async def test_what_was_written_is_found_until_it_ends(store: RedisStore) -> None:
    store.put_soon("key", b"\x00value", 1)
    await store.written()
    await finds(store, b"\x00value")
    await finds(store, None)


async def test_one_that_was_killed_is_used_again_within_five_seconds(store: RedisStore, server: RedisServer) -> None:
    server.kill()
    assert await waited(store, 100) < CALL_SECONDS + SLACK
    assert store.state == "down"
    assert metrics.CACHE_BREAKER._value.get() == 1
    store.put_soon("key", b"value", 10)
    server.start()
    await becomes(store, "ok", within=5)
    assert metrics.CACHE_BREAKER._value.get() == 0
    await finds(store, None)
    store.put_soon("key", b"value", 10)
    await store.written()
    await finds(store, b"value")


async def test_one_that_hangs_costs_a_request_fifty_milliseconds_and_then_nobody(store: RedisStore, server: RedisServer) -> None:
    server.hang()
    spent = Budget(None)
    assert await store.get("key", spent) is None
    assert spent.seconds < CALL_SECONDS + SLACK
    assert await waited(store, 1000) < 0.01
    assert store.state == "down"
    server.go_on()
    await becomes(store, "ok", within=5)


async def test_a_hundred_requests_at_once_do_not_wait_one_after_the_other(store: RedisStore, server: RedisServer) -> None:
    server.hang()
    started = time.monotonic()
    assert await asyncio.gather(*(store.get("key", Budget(None)) for _ in range(100))) == [None] * 100
    assert time.monotonic() - started < CALL_SECONDS + SLACK
    server.go_on()


async def test_a_hang_is_noticed_without_a_request(store: RedisStore, server: RedisServer) -> None:
    server.hang()
    await becomes(store, "down", within=5)
    server.go_on()
    await becomes(store, "ok", within=5)


async def test_after_a_hang_nobody_gets_the_answer_to_another_question(store: RedisStore, server: RedisServer) -> None:
    for name in "abcdefgh":
        store.put_soon(name, name.encode(), 60)
    await store.written()
    for _ in range(3):
        server.hang()
        await asyncio.gather(*(store.get(name, Budget(None)) for name in "abcdefgh"))
        server.go_on()
        await becomes(store, "ok", within=5)
        answers = await asyncio.gather(*(store.get(name, Budget(None)) for name in "hgfedcba"))
        assert all(answer in (name.encode(), None) for answer, name in zip(answers, "hgfedcba", strict=True))
    assert await store.get("c", Budget(None)) in (b"c", None)


async def test_all_calls_of_a_request_have_fifty_milliseconds_together(store: RedisStore) -> None:
    record = RequestRecord({"headers": [], "method": "GET"})
    before = current_request.set(record)
    first = budget()
    assert await store.get("key", first) is None
    assert first.seconds > 0
    # What it began in other tasks counts as well.
    assert await asyncio.create_task(_the_budget()) is first
    first.seconds = CALL_SECONDS
    calls = _calls()
    assert await store.get("key", budget()) is None
    assert _calls() == calls
    current_request.set(RequestRecord({"headers": [], "method": "GET"}))
    assert budget().seconds == 0
    current_request.reset(before)
    assert budget() is not budget()


async def _the_budget() -> Budget:
    return budget()


def _calls() -> float:
    return sum(sample.value for sample in metrics.CACHE_SECONDS.collect()[0].samples if sample.name.endswith("_count"))


async def test_a_refused_command_is_no_reason_to_do_without(store: RedisStore, server: RedisServer) -> None:
    server.command("LPUSH", "key", "a list")
    assert await waited(store, 3) < SLACK
    server.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
    server.command("CONFIG", "SET", "maxmemory", "1")
    store.put_soon("other", b"value", 10)
    await store.written()
    assert store.state == "ok"


async def test_more_than_can_be_written_is_dropped(store: RedisStore, server: RedisServer) -> None:
    for n in range(10_000):
        store.put_soon(str(n), b"value", 60)
    await store.written()
    assert 1 <= len(server.keys()) < 1_000


async def test_debians_redis_does_as_well() -> None:
    with redis_server(program=program("redis-server")) as server:
        store = RedisStore(server.url)
        store.start()
        await becomes(store, "ok")
        store.put_soon("key", b"value", 60)
        await store.written()
        await finds(store, b"value")
        await store.stop()

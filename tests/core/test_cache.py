"""What a cache may never do (show a price from before a change, make a thing twice at once, fail because Redis does), and
what it is for."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from namaskah.core import cache as module
from namaskah.core import redis_store
from namaskah.core.cache import Cache, Coding, Life, digest
from namaskah.core.errors import Unavailable
from namaskah.core.metrics import CACHE_REQUESTS
from namaskah.core.observed import RequestRecord, current_request
from namaskah.core.redis_store import RedisStore
from tests.redis_server import RedisServer, redis_server

LIFE = Life(fresh=60, keep=1800, away=3600, absent=30)
BRIDGED = Life(fresh=60, keep=1800, away=3600, bridge=True)
TEXT = Coding[str]("1", str.encode, bytes.decode)
KEY = ("live", "telegram")
_names = (f"test_{n}" for n in itertools.count())


class Maker:
    """Makes the values first, second ... ; slowly while it is held, and not at all while it is down."""

    def __init__(self, value: str | None = "made") -> None:
        self.value = value
        self.asked = 0
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.down = False

    async def __call__(self) -> str | None:
        self.asked += 1
        value = f"{self.value} {self.asked}" if self.value else None
        await self.go_on.wait()
        if self.down:
            raise Unavailable()
        return value


class Clock:
    """What the cache takes for the time."""

    ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "monotonic", made)
    return made


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server() as started:
        yield started


@pytest.fixture
async def store(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RedisStore]:
    server.command("FLUSHALL")
    # On a busy machine fifty milliseconds may pass without anybody's fault.
    monkeypatch.setattr(redis_store, "CALL_SECONDS", 5.0)
    made = RedisStore(server.url)
    made.start()
    await used(made)
    yield made
    await made.stop()


async def used(store: RedisStore) -> None:
    async with asyncio.timeout(5):
        while store.state != "ok":
            await asyncio.sleep(0.005)


def cache(life: Life = LIFE, **more: object) -> Cache[str]:
    return Cache[str](next(_names), life, **({"room": 100, "jitter": lambda: 0.0} | more))  # type: ignore[arg-type]


def counted(of: Cache[str], source: str) -> float:
    return CACHE_REQUESTS.labels(of._name, source)._value.get()  # type: ignore[no-any-return]


async def settled(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.002)


async def test_what_cannot_be_made_is_said_to_all_who_wait_and_not_remembered() -> None:
    values, make = cache(), Maker()
    make.down = True
    answers = await asyncio.gather(*(values.get(KEY, make) for _ in range(10)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [Unavailable] * 10
    assert make.asked == 1
    make.down = False
    assert await values.get(KEY, make) == "made 2"


async def test_a_hundred_misses_at_once_make_it_once() -> None:
    values, make = cache(), Maker()
    assert await asyncio.gather(*(values.get(KEY, make) for _ in range(100))) == ["made 1"] * 100
    assert await values.get(KEY, make) == "made 1"
    assert (make.asked, counted(values, "miss"), counted(values, "memory")) == (1, 100, 1)


async def test_one_who_gives_up_waiting_takes_nobody_with_him() -> None:
    values, make = cache(), Maker()
    make.go_on.clear()
    waiting = [asyncio.create_task(values.get(KEY, make)) for _ in range(3)]
    await settled(lambda: make.asked == 1)
    waiting[0].cancel()
    make.go_on.set()
    assert await asyncio.gather(*waiting[1:]) == ["made 1"] * 2


async def test_that_there_is_none_is_remembered_for_a_while(clock: Clock) -> None:
    values, make = cache(), Maker(None)
    assert [await values.get(KEY, make) for _ in range(5)] == [None] * 5
    assert (make.asked, counted(values, "negative")) == (1, 4)
    clock.ahead = 31
    assert await values.get(KEY, make) is None
    assert make.asked == 2


async def test_what_does_not_exist_fills_no_memory() -> None:
    values, make = cache(), Maker(None)
    for n in range(1_500):
        await values.get((str(n),), make)
    assert len(values._absent) == 1_000


async def test_that_there_is_none_ends_with_a_change() -> None:
    number = [1]
    values, make = cache(generation=lambda: number[0]), Maker(None)
    await values.get(KEY, make)
    number[0], make.value = 2, "made"
    assert await values.get(KEY, make) == "made 2"


async def test_after_a_change_nobody_gets_what_was_made_before() -> None:
    number = [1]
    values, make = cache(generation=lambda: number[0]), Maker()
    await values.get(KEY, make)
    number[0] = 2
    assert values.now(KEY) is None
    assert await values.get(KEY, make) == "made 2"


async def test_a_slow_maker_cannot_put_back_what_was_before_the_change(store: RedisStore, server: RedisServer) -> None:
    number = [1]
    values, make = cache(generation=lambda: number[0], store=store, coding=TEXT), Maker()
    make.go_on.clear()
    early = asyncio.create_task(values.get(KEY, make))
    await settled(lambda: make.asked == 1)
    number[0] = 2
    # Whoever asks after the change does not join the one who asked before.
    late = asyncio.create_task(values.get(KEY, make))
    await settled(lambda: make.asked == 2)
    make.go_on.set()
    assert [await early, await late] == ["made 1", "made 2"]
    assert values.now(KEY) == "made 2"
    await store.written()
    # Nor in a process that was slower still, and never heard of it: what it writes counts for nobody.
    other = Cache[str](values._name, LIFE, room=9, store=store, coding=TEXT, generation=lambda: 1, jitter=lambda: 0.0)
    assert await other.get(KEY, make) == "made 3"
    await store.written()
    fresh = Cache[str](values._name, LIFE, room=9, store=store, coding=TEXT, generation=lambda: 2, jitter=lambda: 0.0)
    assert await fresh.get(KEY, make) == "made 4"


async def test_what_is_forgotten_while_it_is_made_is_not_kept() -> None:
    values, make = cache(), Maker()
    make.go_on.clear()
    early = asyncio.create_task(values.get(KEY, make))
    await settled(lambda: make.asked == 1)
    values.forget_all()
    make.go_on.set()
    await early
    assert values.now(KEY) is None
    assert await values.get(KEY, make) == "made 2"


async def test_an_old_value_is_given_out_while_a_new_one_is_made(clock: Clock) -> None:
    values, make = cache(), Maker()
    await values.get(KEY, make)
    clock.ahead = 61
    make.go_on.clear()
    assert [await values.get(KEY, make) for _ in range(3)] == ["made 1"] * 3
    assert counted(values, "stale") == 3
    make.go_on.set()
    await settled(lambda: values.now(KEY) == "made 2")
    clock.ahead = 61 + 1801
    assert await values.get(KEY, make) == "made 3"


async def test_what_cannot_be_made_anew_is_shown_for_an_hour_but_not_after_a_change(clock: Clock) -> None:
    number = [1]
    values, make = cache(generation=lambda: number[0]), Maker()
    await values.get(KEY, make)
    make.down = True
    for clock.ahead in (61, 1801, 3590):
        assert await values.get(KEY, make) == "made 1"
    number[0] = 2
    with pytest.raises(Unavailable):
        await values.get(KEY, make)
    number[0] = 1
    clock.ahead = 3601
    with pytest.raises(Unavailable):
        await values.get(KEY, make)


async def test_a_maker_that_hangs_makes_few_wait(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.05)
    values, make = cache(), Maker()
    await values.get(KEY, make)
    clock.ahead = 1900
    make.go_on.clear()
    started = time.monotonic()
    assert [await values.get(KEY, make) for _ in range(100)] == ["made 1"] * 100
    assert time.monotonic() - started < 1
    await values.stop()


async def test_while_changes_are_not_heard_of_a_value_is_good_for_a_second(clock: Clock) -> None:
    hears = [True]
    values, make = cache(heard=lambda: hears[0]), Maker()
    await values.get(KEY, make)
    clock.ahead = 30
    assert values.now(KEY) == "made 1"
    hears[0] = False
    assert await values.get(KEY, make) == "made 2"


async def test_a_bridge_shows_the_value_before_while_many_changes_are_read_together() -> None:
    number = [1]
    values, make = cache(BRIDGED, generation=lambda: number[0]), Maker()
    await values.get(KEY, make)
    for number[0] in range(2, 200):
        values.renew(KEY, make)
        assert await values.get(KEY, make) is not None
        await asyncio.sleep(0)
    await settled(lambda: values.now(KEY) is not None)
    assert 2 <= make.asked < 6


async def test_a_bridge_ends_after_half_a_second(clock: Clock) -> None:
    number = [1]
    values, make = cache(BRIDGED, generation=lambda: number[0]), Maker()
    await values.get(KEY, make)
    number[0] = 2
    make.go_on.clear()
    assert await values.get(KEY, make) == "made 1"
    clock.ahead = 0.6
    waiting = asyncio.create_task(values.get(KEY, make))
    await settled(lambda: make.asked == 2)
    make.go_on.set()
    assert await waiting == "made 2"


async def test_what_was_forgotten_while_a_change_came_is_not_made_again_and_again() -> None:
    number = [1]
    values, make = cache(BRIDGED, generation=lambda: number[0]), Maker()

    async def made() -> str | None:
        # As a question to the database does, it lets others go on.
        await asyncio.sleep(0)
        return await make()

    make.go_on.clear()
    waiting = asyncio.create_task(values.get(KEY, made))
    await settled(lambda: make.asked == 1)
    number[0] = 2
    values.forget(KEY)
    make.go_on.set()
    await waiting
    for _ in range(50):
        await asyncio.sleep(0)
    assert make.asked == 1
    await values.stop()


async def test_what_a_change_left_behind_ends_with_the_cache() -> None:
    number = [1]
    values, make = cache(generation=lambda: number[0]), Maker()
    make.go_on.clear()
    waiting = [asyncio.create_task(values.get(KEY, make))]
    await settled(lambda: make.asked == 1)
    number[0] = 2
    waiting.append(asyncio.create_task(values.get(KEY, make)))
    await settled(lambda: make.asked == 2)
    await values.stop()
    assert values._tasks == set()
    assert [type(end) for end in await asyncio.gather(*waiting, return_exceptions=True)] == [Unavailable] * 2


async def test_values_that_were_made_together_do_not_end_together(clock: Clock) -> None:
    drawn = iter((0.0, 0.5, 1.0))
    values, make = cache(jitter=lambda: next(drawn)), Maker()
    for name in "abc":
        await values.get((name,), make)
    for clock.ahead, fresh in ((53, "abc"), (55, "ab"), (58, "a"), (61, "")):
        assert [name for name in "abc" if values.now((name,))] == list(fresh)


async def test_memory_is_bounded_and_keeps_what_is_asked_for() -> None:
    values = cache(room=10, weigh=len)
    for name in "abcdefgh":
        await values.get((name,), Maker("x"))
        values.now(("a",))
    # "x 1" weighs three.
    assert [name for name in "abcdefgh" if values.now((name,))] == ["a", "g", "h"]


async def test_another_process_finds_it_in_redis(store: RedisStore, server: RedisServer) -> None:
    make = Maker()
    one = cache(store=store, coding=TEXT)
    await one.get(KEY, make)
    await store.written()
    assert server.keys() == {f"namaskah:{one._name}:1:live:telegram"}
    assert 1_790_000 < int(server.command("PTTL", one.redis_key(KEY))[1:]) <= 1_800_000
    other = Cache[str](one._name, LIFE, room=10, store=store, coding=TEXT)
    assert await asyncio.gather(*(other.get(KEY, make) for _ in range(100))) == ["made 1"] * 100
    assert (make.asked, counted(one, "redis")) == (1, 100)


async def test_what_is_getting_old_in_redis_is_shown_and_then_made_anew(clock: Clock, store: RedisStore) -> None:
    make = Maker()
    one = cache(store=store, coding=TEXT)
    await one.get(KEY, make)
    await store.written()
    other = Cache[str](one._name, Life(fresh=0, keep=1800, away=3600), room=10, store=store, coding=TEXT)
    assert await other.get(KEY, make) == "made 1"
    assert await other.get(KEY, make) == "made 1"
    await settled(lambda: make.asked == 2)


@pytest.mark.parametrize("garbage", [b"", b"garbage", b"\x78\x01", b"x" * 100_000], ids=["nothing", "text", "half", "long"])
async def test_garbage_in_redis_is_a_miss_and_mended(store: RedisStore, server: RedisServer, garbage: bytes) -> None:
    values, make = cache(store=store, coding=TEXT), Maker()
    server.command("SET", values.redis_key(KEY), garbage)
    assert await values.get(KEY, make) == "made 1"
    await store.written()
    assert server.command("GET", values.redis_key(KEY)) not in (garbage, b"$-1\r\n")


async def test_what_is_of_another_kind_key_form_or_generation_is_a_miss(store: RedisStore, server: RedisServer) -> None:
    values, make = cache(store=store, coding=TEXT), Maker()
    server.command("LPUSH", values.redis_key(KEY), "a list")
    assert await values.get(KEY, make) == "made 1"
    await store.written()
    assert store.state == "ok"
    server.command("DEL", values.redis_key(KEY))
    await Cache[str](values._name, LIFE, room=9, store=store, coding=TEXT).get(KEY, make)
    await store.written()
    again = {"room": 9, "store": store}
    newer = Cache[str](values._name, LIFE, coding=Coding("2", TEXT.encode, TEXT.decode), **again)
    assert await newer.get(KEY, make) == "made 3"
    changed = Cache[str](values._name, LIFE, coding=TEXT, generation=lambda: 7, **again)
    assert await changed.get(KEY, make) == "made 4"
    # What belongs under another key, as when two answers were mixed up.
    server.command("COPY", values.redis_key(KEY), values.redis_key(("live", "whatsapp")))
    mixed = Cache[str](values._name, LIFE, coding=TEXT, **again)
    assert await mixed.get(("live", "whatsapp"), make) == "made 5"


async def test_a_key_can_be_read_by_people_and_never_collides() -> None:
    values = cache(coding=TEXT)
    plain = values.redis_key(("live", "telegram"))
    assert plain == f"namaskah:{values._name}:1:live:telegram"
    odd = [("live:telegram",), ("live", "tele gram"), ("LIVE", "telegram"), ("live", ""), ("live", "x" * 65), ("é",)]
    keys = {values.redis_key(key) for key in odd}
    assert len(keys) == len(odd)
    assert all(key.isascii() and " " not in key and len(key) < 200 for key in keys)
    # The same in every process, whatever its hash seed, and for ever.
    assert digest("live", "tele gram") == "b31d5fefffd8a90e"


async def test_a_request_knows_whether_its_answer_was_remembered() -> None:
    record = RequestRecord({"headers": [], "method": "GET"})
    before = current_request.set(record)
    values, make = cache(), Maker()
    await values.get(("a",), make)
    assert record.cache == "miss"
    record.cache = ""
    await values.get(("a",), make)
    assert record.cache == "hit"
    await values.get(("b",), make)
    await values.get(("a",), make)
    assert record.cache == "miss"
    current_request.reset(before)

"""Values that are dear to make and may be remembered: in this process's memory first, then in Redis, where there is one.

A cache is judged by a generation: the number of the last change to what its values are made of, which comes from the
database. A value carries the number that was known before it was made, and counts only while that number holds. So a slow
maker cannot put an old value back after a change, in whatever process it runs and whether or not Redis heard of it.

For one key only one task at a time looks into Redis and makes the value; everybody else waits for it. Processes do not
wait for each other: a look into a lock in Redis costs each of them about what making a value costs.
"""

import asyncio
import random
import time
import zlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from time import monotonic
from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec
import structlog

from namaskah.core import metrics
from namaskah.core.errors import Unavailable
from namaskah.core.observed import current_request
from namaskah.core.redis_store import Budget, RedisStore, budget

T = TypeVar("T")
Key = tuple[str, ...]

# Whoever has something older to show waits no longer than this for the new.
WAIT_SECONDS: Final = 1.0
# And after a failure nobody who has something to show waits for so long.
RETRY_SECONDS: Final = 1.0
# While changes are not heard of, a value is asked for anew after this.
UNHEARD_SECONDS: Final = 1.0
# Many changes in a row (a price list being set) are read together.
PAUSE_SECONDS: Final = 0.2
# How long the value before a change is shown to everybody while the new one is made.
BRIDGE_SECONDS: Final = 0.5
# Values end up to a tenth of their life early, so that those made together are not all made anew together.
JITTER: Final = 0.1
_NAMESPACE: Final = "namaskah"
_ABSENT_KEPT: Final = 1_000
_LARGEST_BYTES: Final = 16_000_000
_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-.")
_log = structlog.get_logger()


def digest(*parts: str) -> str:
    """Sixteen characters that are the same in every process for the same parts, and differ for any others."""
    return sha256(msgspec.msgpack.encode(parts)).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """How long a value is good for, in seconds since it was made.

    Up to `fresh` it is given out at once; up to `keep` as well, while a new one is made; up to `away` only when no new one
    can be made. `absent`: how long it is remembered that there is none. `bridge`: whether the value before a change is
    shown for the moment that the new one takes to be made; if not, everybody waits for the new.
    """

    fresh: float
    keep: float
    away: float
    absent: float = 30.0
    bridge: bool = False


@dataclass(frozen=True)
class Coding(Generic[T]):
    """How values are written to Redis. `version` names their form: another release's that differ must not be read."""

    version: str
    encode: Callable[[T], bytes]
    decode: Callable[[bytes], T]


class _Written(msgspec.Struct, array_like=True, frozen=True):
    """What lies in Redis, compressed. The key is in it, so that an answer to somebody else's question is noticed."""

    key: str
    generation: int
    made_at: float
    body: bytes


class _Held(Generic[T]):
    """A value in memory; times are monotonic."""

    __slots__ = ("bridge_until", "fresh_until", "generation", "keep_until", "made_at", "value", "weight")

    def __init__(self, value: T, generation: int, made_at: float, life: Life, jitter: float, weight: int) -> None:
        self.value = value
        self.generation = generation
        self.made_at = made_at
        self.fresh_until = made_at + life.fresh * (1 - jitter)
        self.keep_until = made_at + life.keep * (1 - jitter)
        # Set when a change is first noticed.
        self.bridge_until = 0.0
        self.weight = weight


class _Found(NamedTuple, Generic[T]):
    """What a flight brought. None: there is no such value."""

    held: _Held[T] | None
    source: str


class _Flight(Generic[T]):
    """One look into Redis and, where that was in vain, one making of a value; `found` is what everybody waits for."""

    __slots__ = ("found", "generation", "wanted")

    def __init__(self, generation: int) -> None:
        self.generation = generation
        self.found: asyncio.Future[_Found[T]] = asyncio.get_running_loop().create_future()
        # False when what it brings must not be kept.
        self.wanted = True

    def fail(self, error: Exception) -> None:
        """Tells it to everybody who waits."""
        self.found.set_exception(error)
        # Perhaps nobody does, which is no reason to complain at exit.
        self.found.exception()


class Cache(Generic[T]):
    """Values of one kind by key. `generation` answers the number that holds now; it must be one read from the database.

    `heard` says whether changes (`forget`) reach this process now. `room` bounds the memory, in what `weigh` counts.
    Without `store` or `coding` the values stay in this process.
    """

    def __init__(
        self, name: str, life: Life, *, room: int, weigh: Callable[[T], int] = lambda _value: 1,
        generation: Callable[[], int] = lambda: 0, heard: Callable[[], bool] = lambda: True,
        store: RedisStore | None = None, coding: Coding[T] | None = None, jitter: Callable[[], float] = random.random,
    ) -> None:  # fmt: skip
        self._name = name
        self._life = life
        self._room, self._weight, self._weigh = room, 0, weigh
        self._generation, self._heard = generation, heard
        self._store, self._coding = store, coding
        self._jitter = jitter
        self._memory: OrderedDict[Key, _Held[T]] = OrderedDict()
        self._absent: OrderedDict[Key, tuple[int, float]] = OrderedDict()
        self._flights: dict[Key, _Flight[T]] = {}
        # Those that were left behind by a change as well.
        self._tasks: set[asyncio.Task[None]] = set()
        self._retry_at = 0.0
        self._counters = {
            source: metrics.CACHE_REQUESTS.labels(name, source) for source in ("memory", "redis", "stale", "miss", "negative")
        }

    def now(self, key: Key) -> T | None:
        """The value, where memory has it and it is fresh; else None, and `get` is to be asked."""
        held = self._memory.get(key)
        if held is None or held.generation != self._generation() or monotonic() >= self._until(held, held.fresh_until):
            return None
        self._memory.move_to_end(key)
        self._count("memory")
        return held.value

    async def get(self, key: Key, make: Callable[[], Awaitable[T | None]]) -> T | None:
        """The value; `make` is awaited when there is none that is good. None: `make` said lately that there is none.

        Raises what `make` raises; Unavailable only when there is nothing older that may be shown.
        """
        found = self.now(key)
        if found is not None:
            return found
        generation = self._generation()
        absent = self._absent.get(key)
        if absent is not None and absent[0] == generation and monotonic() < absent[1]:
            self._count("negative")
            return None
        held = self._memory.get(key)
        if held is not None and self._may_pass(held, generation):
            self._begin(key, make)
            self._count("stale")
            return held.value
        brought = await self._wait(self._begin(key, make), held)
        self._count(brought.source)
        return None if brought.held is None else brought.held.value

    def renew(self, key: Key, make: Callable[[], Awaitable[T | None]]) -> None:
        """Begins to make the value anew, so that the next one who asks finds it; whoever was never asked need not."""
        if key in self._memory:
            self._begin(key, make)

    def forget(self, key: Key) -> None:
        """The value has changed: nothing that was made before this moment is kept."""
        held = self._memory.pop(key, None)
        if held is not None:
            self._weight -= held.weight
        self._absent.pop(key, None)
        flight = self._flights.pop(key, None)
        if flight is not None:
            flight.wanted = False

    def forget_all(self) -> None:
        """Changes may have been missed."""
        for key in [*self._memory, *self._absent, *self._flights]:
            self.forget(key)

    async def stop(self) -> None:
        """Ends what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def redis_key(self, key: Key) -> str:
        """Where the value lies in Redis: namaskah:<cache>:<version>:<key>, the same in every process."""
        version = "" if self._coding is None else self._coding.version
        parts = (part if part and len(part) <= 64 and _PLAIN.issuperset(part) else digest(part) for part in key)
        return ":".join((_NAMESPACE, self._name, version, *parts))

    def _until(self, held: _Held[T], moment: float) -> float:
        return moment if self._heard() else min(moment, held.made_at + UNHEARD_SECONDS)

    def _may_pass(self, held: _Held[T], generation: int) -> bool:
        """Whether a value that is not fresh may be given out while a new one is made."""
        now = monotonic()
        if held.generation == generation:
            return now < self._until(held, held.keep_until)
        if not self._life.bridge:
            return False
        if not held.bridge_until:
            held.bridge_until = now + BRIDGE_SECONDS
        return now < held.bridge_until

    async def _wait(self, flight: _Flight[T], held: _Held[T] | None) -> _Found[T]:
        """What the flight brings, or what is held when that is allowed and the flight takes too long or fails."""
        now = monotonic()
        current = held is not None and (held.generation == flight.generation or self._life.bridge)
        if held is None or not current or now - held.made_at >= self._life.away:
            return await asyncio.shield(flight.found)
        if now >= self._retry_at:
            try:
                return await asyncio.wait_for(asyncio.shield(flight.found), WAIT_SECONDS)
            except (TimeoutError, Unavailable):
                self._retry_at = monotonic() + RETRY_SECONDS
        return _Found(held, "stale")

    def _begin(self, key: Key, make: Callable[[], Awaitable[T | None]]) -> _Flight[T]:
        """Begins a flight, or joins the one that is under way where that will do."""
        generation = self._generation()
        flight = self._flights.get(key)
        # One that bridges goes on until it has caught up with the changes.
        if flight is None or (flight.generation != generation and not self._life.bridge):
            flight = self._flights[key] = _Flight(generation)
            task = asyncio.create_task(self._fly(flight, key, make, budget()))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return flight

    async def _fly(self, flight: _Flight[T], key: Key, make: Callable[[], Awaitable[T | None]], spent: Budget) -> None:
        try:
            while True:
                if self._life.bridge and (held := self._memory.get(key)) is not None:
                    await asyncio.sleep(held.made_at + PAUSE_SECONDS - monotonic())
                    flight.generation = self._generation()
                flight.found.set_result(await self._bring(flight, key, make, spent))
                if not self._life.bridge or not flight.wanted or flight.generation == self._generation():
                    return
                flight.found = asyncio.get_running_loop().create_future()
        except Exception as error:
            if isinstance(error, Unavailable):
                # Those who can show something older need not wait for the next failure.
                self._retry_at = monotonic() + RETRY_SECONDS
            _log.warning("cache_not_renewed", cache=self._name, error=type(error).__name__)
            flight.fail(error)
        finally:
            if self._flights.get(key) is flight:
                del self._flights[key]
            if not flight.found.done():
                flight.fail(Unavailable("This process is ending; ask again.", retry_after=1))

    async def _bring(
        self, flight: _Flight[T], key: Key, make: Callable[[], Awaitable[T | None]], spent: Budget
    ) -> _Found[T]:  # fmt: skip
        held = await self._from_store(flight, key, spent)
        if held is not None:
            self._keep(flight, key, held)
            return _Found(held, "redis")
        made_at = monotonic()
        value = await make()
        if value is None:
            self._keep_absent(flight, key)
            return _Found(None, "miss")
        held = _Held(value, flight.generation, made_at, self._life, self._jitter() * JITTER, self._weigh(value))
        self._keep(flight, key, held)
        self._to_store(flight, key, held)
        return _Found(held, "miss")

    def _keep(self, flight: _Flight[T], key: Key, held: _Held[T]) -> None:
        """Into memory, unless a change has made it old meanwhile; then out with what was used longest ago."""
        if not flight.wanted or (held.generation != self._generation() and not self._life.bridge):
            return
        before = self._memory.pop(key, None)
        self._weight += held.weight - (0 if before is None else before.weight)
        self._memory[key] = held
        self._absent.pop(key, None)
        while self._weight > self._room and len(self._memory) > 1:
            self._weight -= self._memory.popitem(last=False)[1].weight

    def _keep_absent(self, flight: _Flight[T], key: Key) -> None:
        """In this process only, and few: the names of what does not exist are made up by others."""
        if flight.wanted:
            seconds = self._life.absent * (1 - self._jitter() * JITTER)
            self._absent[key] = (flight.generation, monotonic() + seconds)
            if len(self._absent) > _ABSENT_KEPT:
                self._absent.popitem(last=False)

    async def _from_store(self, flight: _Flight[T], key: Key, spent: Budget) -> _Held[T] | None:
        """What Redis has, if it is of this generation and still good. Anything else there counts as nothing."""
        if self._store is None or self._coding is None:
            return None
        name = self.redis_key(key)
        raw = await self._store.get(name, spent)
        if raw is None:
            return None
        try:
            written = msgspec.msgpack.decode(_inflated(raw), type=_Written)
            if written.key != name or written.generation != flight.generation:
                return None
            value = self._coding.decode(written.body)
        except Exception:
            # Somebody else's value, or half of one.
            metrics.CACHE_ERRORS.labels("decode").inc()
            return None
        # Clocks differ: a value from the future is a new one.
        age = max(time.time() - written.made_at, 0.0)
        held = _Held(value, written.generation, monotonic() - age, self._life, self._jitter() * JITTER, self._weigh(value))
        # Where memory has one that is getting old, another one that is getting old is no help.
        mine = self._memory.get(key)
        known = mine is not None and mine.generation == held.generation
        return held if monotonic() < (held.fresh_until if known else held.keep_until) else None

    def _to_store(self, flight: _Flight[T], key: Key, held: _Held[T]) -> None:
        if self._store is None or self._coding is None or not flight.wanted or held.generation != self._generation():
            return
        name, age = self.redis_key(key), monotonic() - held.made_at
        written = _Written(name, held.generation, time.time() - age, self._coding.encode(held.value))
        # The fastest level: it halves a list of prices, and better ones cost a request's time.
        packed = zlib.compress(msgspec.msgpack.encode(written), 1)
        self._store.put_soon(name, packed, held.keep_until - monotonic())

    def _count(self, source: str) -> None:
        self._counters[source].inc()
        record = current_request.get()
        if record is not None and record.cache != "miss":
            record.cache = "miss" if source == "miss" else "hit"


def _inflated(raw: bytes) -> bytes:
    """Raises when it is not whole, or larger than anything that we write."""
    inflating = zlib.decompressobj()
    plain = inflating.decompress(raw, _LARGEST_BYTES)
    if not inflating.eof:
        raise ValueError("not a whole value")
    return plain


def version_of(*texts: Any) -> str:
    """A version for values that follow from these statements and fields: other ones give another version."""
    return digest(*(str(text) for text in texts))[:8]

"""The hub: wakes the streams and long-polls of this process when a wallet's events have grown.

A mark comes from an announcement in this process, from NOTIFY, or from a look at the wallets once a second, which makes up
for a lost one. Marked wallets are read together, one query at a time: under load the batches grow by themselves. Events
are numbered per wallet in the order of the commits, so a subscription that remembers the last number misses none.
"""

import asyncio
import contextlib
from collections import deque
from contextvars import Context
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg
import structlog

from namaskah.core.db import Database, DatabaseGone
from namaskah.core.signals import Signals

# A subscription that lets this many events lie is cut off; its client comes back and has them replayed.
MAX_WAITING = 1000
LOOK_SECONDS = 1.0
# Every wallet is looked at once in that time, a part of them at a time: whose turn it is must not hold up the others.
LOOK_PARTS = 10
# At most 200 events of each wallet.
_READ = "SELECT * FROM events_since($1, $2, $3)"
# By the wallets' own counters, because looking for events that are not there costs five times as much.
_GROWN = """
SELECT k.user_id, k.livemode
FROM unnest($1::text[], $2::boolean[], $3::bigint[]) AS k (user_id, livemode, seq)
JOIN wallets w ON w.user_id = k.user_id AND w.livemode = k.livemode
WHERE w.event_seq > k.seq
"""
_NOW_AT = "SELECT event_seq FROM wallets WHERE user_id = $1 AND livemode = $2"
_log = structlog.get_logger()
Key = tuple[str, bool]


class EventRow(NamedTuple):
    """An event as stored: texts and codes inside `data` are still ciphertexts."""

    seq: int
    type: str
    object_id: str | None
    data: str
    created_at: datetime
    # Of the request that caused it, if that was traced.
    traceparent: str | None = None


class Subscription:
    """What one client waits for. `seq` is the last event that was put into it."""

    __slots__ = ("_hub", "_waiter", "key", "overflowed", "rows", "seq")

    def __init__(self, hub: "Hub", key: Key, seq: int) -> None:
        self.key = key
        self.seq = seq
        self.rows: deque[EventRow] = deque()
        self.overflowed = False
        self._hub = hub
        self._waiter: asyncio.Future[None] | None = None

    async def next(self, seconds: float) -> list[EventRow]:
        """All events that wait, or those that come within so many seconds; none when that is over."""
        if not self.rows and not self.overflowed:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(seconds):
                    await self._waiter
            except TimeoutError:
                return []
            finally:
                self._waiter = None
        rows = list(self.rows)
        self.rows.clear()
        return rows

    def put(self, row: EventRow) -> None:
        """Hands an event over; older ones than it has are not repeated."""
        if row.seq <= self.seq:
            return
        self.seq = row.seq
        if len(self.rows) >= MAX_WAITING:
            self.overflowed = True
        else:
            self.rows.append(row)
        self.wake()

    def wake(self) -> None:
        """Ends a wait."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def close(self) -> None:
        """Forgets the subscription."""
        self._hub.forget(self)


class Hub:
    """The subscriptions of this process, and the one reader that serves them."""

    def __init__(self, db: Database, signals: Signals) -> None:
        self._db = db
        self._subscriptions: dict[Key, list[Subscription]] = {}
        self._marked: set[Key] = set()
        self._reader: asyncio.Task[None] | None = None
        self._looker: asyncio.Task[None] | None = None
        self.draining = False
        db.on_announce = self.mark
        signals.subscribe("namaskah_events", self._heard)
        signals.on_reset(self.mark_all)

    @property
    def open_subscriptions(self) -> int:
        """How many clients wait now."""
        return sum(map(len, self._subscriptions.values()))

    def start(self) -> None:
        """Begins to look at the table once a second."""
        self._looker = asyncio.create_task(self._look())

    async def stop(self) -> None:
        """Wakes all waiters, for the last time."""
        self.drain()
        for task in (self._looker, self._reader):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    def drain(self) -> None:
        """The process is about to end: streams close with a hint to come back."""
        self.draining = True
        for subscriptions in self._subscriptions.values():
            for subscription in subscriptions:
                subscription.wake()

    async def subscribe(self, user_id: str, livemode: bool, after_seq: int | None = None) -> Subscription:
        """Events after `after_seq`, the stored ones first; None means from now on.

        A number that was not given out yet counts as now: after a recovery to an earlier moment clients still hold such
        numbers, and would hear nothing until they are reached again.
        """
        key = (user_id, livemode)
        now_at = await self._db.fetchval(_NOW_AT, user_id, livemode) or 0
        after_seq = now_at if after_seq is None else min(after_seq, now_at)
        subscription = Subscription(self, key, after_seq)
        self._subscriptions.setdefault(key, []).append(subscription)
        self.mark(user_id, livemode)
        return subscription

    def forget(self, subscription: Subscription) -> None:
        """Drops a subscription; doing it twice is no error."""
        found = self._subscriptions.get(subscription.key, [])
        if subscription in found:
            found.remove(subscription)
        if not found:
            self._subscriptions.pop(subscription.key, None)

    def mark(self, user_id: str, livemode: bool) -> None:
        """Says that a wallet has new events; costs a look-up when nobody here waits for them."""
        key = (user_id, livemode)
        if key not in self._subscriptions:
            return
        self._marked.add(key)
        self._wake_reader()

    def mark_all(self) -> None:
        """Has every wallet that somebody waits for read again."""
        self._marked.update(self._subscriptions)
        if self._marked:
            self._wake_reader()

    def _wake_reader(self) -> None:
        if self._reader is None or self._reader.done():
            # It reads for everybody, so its statements are no part of the request that woke it.
            self._reader = asyncio.get_running_loop().create_task(self._read(), context=Context())

    def _heard(self, payload: str) -> None:
        sender, *marks = payload.split(" ")
        if sender == self._db.mark_of_own:
            return
        for mark in marks:
            user_id, _, mode = mark.partition(":")
            self.mark(user_id, mode == "l")

    async def _look(self) -> None:
        part = 0
        while True:
            await asyncio.sleep(LOOK_SECONDS / LOOK_PARTS)
            part = (part + 1) % LOOK_PARTS
            keys = list(self._subscriptions)[part::LOOK_PARTS]
            if keys:
                await self._look_at(keys)

    async def _look_at(self, keys: list[Key]) -> None:
        try:
            rows = await self._db.fetch(_GROWN, *_columns(keys, self._subscriptions))
        except (DatabaseGone, asyncpg.PostgresError) as error:
            _log.warning("wallets_not_looked_at", error=type(error).__name__)
            return
        for user_id, livemode in rows:
            self.mark(user_id, livemode)

    async def _read(self) -> None:
        while self._marked:
            keys = [key for key in self._marked if key in self._subscriptions]
            self._marked.clear()
            if not keys:
                return
            after = {key: min(subscription.seq for subscription in self._subscriptions[key]) for key in keys}
            try:
                rows = await self._db.fetch(_READ, [key[0] for key in keys], [key[1] for key in keys], list(after.values()))
            except DatabaseGone:
                # The look at the table a second later tries again.
                _log.warning("events_not_read")
                return
            self._hand_out(rows, after)

    def _hand_out(self, rows: Any, after: dict[Key, int]) -> None:
        counts: dict[Key, int] = {}
        for user_id, livemode, *rest in rows:
            key = (user_id, livemode)
            event = EventRow(*rest)
            for subscription in self._subscriptions.get(key, ()):
                # One that came while this was being read may want older rows first: its own mark has it read again.
                if subscription.seq >= after[key]:
                    subscription.put(event)
            counts[key] = counts.get(key, 0) + 1
        # A full page means that there is more.
        self._marked.update(key for key, count in counts.items() if count >= 200)


def _columns(keys: list[Key], subscriptions: dict[Key, list[Subscription]]) -> tuple[list[str], list[bool], list[int]]:
    """Wallets as arrays of user ids, modes, and the last event that all who wait for one have."""
    after = [min(subscription.seq for subscription in subscriptions[key]) for key in keys]
    return [key[0] for key in keys], [key[1] for key in keys], after

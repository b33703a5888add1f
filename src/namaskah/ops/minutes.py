"""What the status page is measured by: each process writes down its minutes, and a minute without a row is an outage.

A web process adds up the requests that it has answered, a worker says that it works. What cannot be written because the
database is away is kept and written later, marked as missed, so that no failed request is forgotten.
"""

import asyncio
import contextlib
import os
import socket
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
import structlog
from prometheus_client import Counter, Histogram

from namaskah.core import metrics
from namaskah.core.db import Db
from namaskah.core.ids import new_id

# Twice a minute, so that every minute has a row although nobody's clock is in step with the database's.
TICK_SECONDS: Final = 30.0
PATIENCE_SECONDS: Final = 5.0
# A day of them: who is away for longer has lost the rest.
_KEPT: Final = 2_880
# Upper ends of the classes into which durations are counted, in seconds; the last class has none.
BOUNDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
# Customers ask these; what operators and their machines ask for (health, metrics) would only flatter the figures.
_SURFACES: Final = frozenset({"api", "web", "inbound"})
# Answered from memory, whatever else is broken: a rush to this very page must not make an outage look small.
_NEVER_FAIL: Final = frozenset({"/status", "/status.json", "/status.rss", "/assets/{file}", "unknown"})
_log = structlog.get_logger()

# By the database's clock, as everything that is compared later.
WRITE: Final = """
INSERT INTO status_minutes AS m (minute, instance, kind, ok, failed, durations, missed)
VALUES (date_trunc('minute', clock_timestamp() - make_interval(secs => $1)), $2, 'web', $3, $4, $5, $6)
ON CONFLICT (minute, kind, instance) DO UPDATE SET ok = m.ok + excluded.ok, failed = m.failed + excluded.failed,
    durations = (SELECT coalesce(array_agg(coalesce(a, 0) + coalesce(b, 0) ORDER BY place), '{}')
                 FROM unnest(m.durations, excluded.durations) WITH ORDINALITY AS both_of (a, b, place)),
    missed = m.missed AND excluded.missed
"""
WORKS: Final = """
INSERT INTO status_minutes (minute, instance, kind) VALUES (date_trunc('minute', clock_timestamp()), $1, 'worker')
ON CONFLICT DO NOTHING
"""


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that were answered: `failed` are our own fault (5xx); `durations` counts them by BOUNDS."""

    ok: int = 0
    failed: int = 0
    durations: tuple[int, ...] = (0,) * (len(BOUNDS) + 1)

    def since(self, before: "Answered") -> "Answered":
        """What came in addition since `before`."""
        durations = tuple(max(0, now - then) for now, then in zip(self.durations, before.durations, strict=True))
        return Answered(ok=max(0, self.ok - before.ok), failed=max(0, self.failed - before.failed), durations=durations)


def answered_by_this_process() -> Answered:
    """All that customers were answered since this process began, read from the metrics that count it anyway."""
    ok = failed = 0
    for sample in _samples(metrics.HTTP_REQUESTS):
        if sample.name.endswith("_total") and _counts(sample.labels):
            if sample.labels["status"] >= "500":
                failed += int(sample.value)
            else:
                ok += int(sample.value)
    durations = [0] * (len(BOUNDS) + 1)
    below = 0
    for sample in _samples(metrics.HTTP_SECONDS):
        # The buckets of a histogram come in order, each with all that lie in those before.
        if sample.name.endswith("_bucket") and _counts(sample.labels):
            bound, value = float(sample.labels["le"]), int(sample.value)
            durations[bisect_left(BOUNDS, bound)] += value - below
            below = 0 if bound == float("inf") else value
    return Answered(ok=ok, failed=failed, durations=tuple(durations))


def _counts(labels: dict[str, str]) -> bool:
    return labels["surface"] in _SURFACES and labels["route"] not in _NEVER_FAIL


def _samples(metric: Counter | Histogram) -> Iterable[Any]:
    return (sample for family in metric.collect() for sample in family.samples)


class _Kept(msgspec.Struct):
    answered: Answered
    at: float
    missed: bool = False


class Recorder:
    """Writes down the minutes of this web process. `read` says what it has answered so far."""

    def __init__(self, db: Db, read: Callable[[], Answered] = answered_by_this_process) -> None:
        self._db = db
        self._read = read
        self._instance = f"{socket.gethostname()}:{os.getpid()}:{new_id('web')[-6:]}"
        self._seen = read()
        self._kept: deque[_Kept] = deque(maxlen=_KEPT)

    async def keep(self, stop: asyncio.Event) -> None:
        """Writes until `stop` is set, and once more then. Raises nothing: measuring must not break what is measured."""
        while not stop.is_set():
            await self.write()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), TICK_SECONDS)
        await self.write()

    async def write(self) -> bool:
        """Adds what was answered since the last time to the minute; answers whether everything is written."""
        try:
            now = self._read()
            self._kept.append(_Kept(now.since(self._seen), time.monotonic()))
            self._seen = now
            async with asyncio.timeout(PATIENCE_SECONDS):
                while self._kept:
                    await self._db.execute(WRITE, *self._values(self._kept[0]))
                    self._kept.popleft()
        except Exception as error:  # whatever it is, the requests must go on
            for kept in self._kept:
                kept.missed = True
            _log.warning("minute_not_written", error=type(error).__name__)
            return False
        return True

    def _values(self, kept: _Kept) -> tuple[Any, ...]:
        answered = kept.answered
        age = max(0.0, time.monotonic() - kept.at)
        return age, self._instance, answered.ok, answered.failed, list(answered.durations), kept.missed


async def note_worker(db: Db, *, instance: str) -> None:
    """A worker says that it works in this minute."""
    await db.execute(WORKS, instance)

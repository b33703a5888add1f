"""Each process writes down its minutes; what the database missed is written later and says so."""

import asyncio
from datetime import timedelta

import pytest

from namaskah.core import metrics
from namaskah.core.db import DatabaseGone
from namaskah.ops.minutes import Answered, Recorder, answered_by_this_process, note_worker


class Counter:
    """What a process has answered so far."""

    def __init__(self):
        self.now = Answered()

    def __call__(self):
        return self.now

    def add(self, *, ok=0, failed=0, fast=0):
        durations = (self.now.durations[0] + fast, *self.now.durations[1:])
        self.now = Answered(ok=self.now.ok + ok, failed=self.now.failed + failed, durations=durations)


class AwayAtTimes:
    """The database, when it is there."""

    def __init__(self, database):
        self.database, self.away = database, False

    async def execute(self, query, *args):
        if self.away:
            raise DatabaseGone()
        return await self.database.execute(query, *args)


async def rows_of(db):
    return await db.fetch("SELECT * FROM status_minutes ORDER BY minute, instance")


async def test_what_was_answered_is_added_to_the_minute(database, db):
    counter = Counter()
    recorder = Recorder(database, counter)
    counter.add(ok=5, failed=1, fast=6)
    assert await recorder.write()
    counter.add(ok=2, fast=2)
    assert await recorder.write()
    rows = await rows_of(db)
    assert sum(row["ok"] for row in rows) == 7
    assert sum(row["failed"] for row in rows) == 1
    assert sum(row["durations"][0] for row in rows) == 8
    assert {(row["kind"], row["missed"]) for row in rows} == {("web", False)}
    assert len({row["instance"] for row in rows}) == 1


async def test_a_process_that_nobody_asks_anything_writes_that_it_is_there(database, db):
    assert await Recorder(database, Counter()).write()
    [row] = await rows_of(db)
    assert (row["ok"], row["failed"]) == (0, 0)


async def test_what_failed_while_the_database_was_away_is_written_when_it_is_back(database, db):
    counter, away = Counter(), AwayAtTimes(database)
    recorder = Recorder(away, counter)
    away.away = True
    counter.add(failed=4)
    assert not await recorder.write()
    counter.add(failed=3)
    assert not await recorder.write()
    away.away = False
    # As if that had been three minutes ago.
    for kept in recorder._kept:
        kept.at -= 180
    counter.add(ok=1)
    assert await recorder.write()
    late, now = await db.fetchrow("SELECT sum(failed) f, max(minute) m FROM status_minutes WHERE missed"), None
    now = await db.fetchrow("SELECT sum(ok) ok, sum(failed) f, max(minute) m FROM status_minutes WHERE NOT missed")
    assert (late["f"], now["ok"], now["f"]) == (7, 1, 0)
    assert now["m"] - late["m"] == timedelta(minutes=3)
    assert await recorder.write()
    assert await db.fetchval("SELECT sum(failed) FROM status_minutes") == 7, "nothing is written twice"


async def test_a_minute_that_was_reached_once_was_not_missed(database, db):
    counter, away = Counter(), AwayAtTimes(database)
    recorder = Recorder(away, counter)
    away.away = True
    assert not await recorder.write()
    away.away = False
    assert await recorder.write()
    # Both in the same minute, unless it has just ended.
    assert [row["missed"] for row in await rows_of(db)] in ([False], [True, False])


async def test_it_writes_at_once_and_once_more_when_it_is_stopped(database, db):
    counter, stop = Counter(), asyncio.Event()
    counter.add(ok=1)
    task = asyncio.create_task(Recorder(database, counter).keep(stop))
    async with asyncio.timeout(10):
        while not await rows_of(db):
            await asyncio.sleep(0.01)
    counter.add(ok=4)
    stop.set()
    await asyncio.wait_for(task, 10)
    assert await db.fetchval("SELECT sum(ok) FROM status_minutes") == 4


async def test_a_broken_measurement_breaks_nothing_else(database):
    def broken():
        if recorder_made:
            raise KeyError("x")
        return Answered()

    recorder_made: list[bool] = []
    recorder = Recorder(database, broken)
    recorder_made.append(True)
    assert await recorder.write() is False


async def test_a_worker_says_that_it_works_once_a_minute(database, db):
    await note_worker(database, instance="w")
    await note_worker(database, instance="w")
    rows = await rows_of(db)
    assert {row["kind"] for row in rows} == {"worker"}
    assert len(rows) <= 2


@pytest.mark.parametrize(
    ("surface", "route", "status", "ok", "failed"),
    [
        ("api", "/of-this-test", "200", 1, 0), ("web", "/of-this-test", "404", 1, 0), ("inbound", "/of-this-test", "503", 0, 1),
        ("ops", "/health", "503", 0, 0), ("web", "/status", "200", 0, 0), ("web", "/assets/{file}", "200", 0, 0),
        ("web", "unknown", "404", 0, 0),
    ],
)  # fmt: skip
def test_requests_of_customers_are_counted_by_whose_fault_it_was(surface, route, status, ok, failed):
    before = answered_by_this_process()
    metrics.HTTP_REQUESTS.labels(surface, "GET", route, status).inc()
    now = answered_by_this_process().since(before)
    assert (now.ok, now.failed) == (ok, failed)


@pytest.mark.parametrize(("seconds", "place"), [(0.004, 0), (0.01, 0), (0.12, 4), (0.2, 4), (0.9, 6), (4.0, 8), (60.0, 9)])
def test_durations_are_counted_by_their_classes(seconds, place):
    before = answered_by_this_process()
    metrics.HTTP_SECONDS.labels("api", "GET", "/of-this-test").observe(seconds)
    metrics.HTTP_SECONDS.labels("ops", "GET", "/health").observe(seconds)
    now = answered_by_this_process().since(before)
    assert [n for n, count in enumerate(now.durations) if count] == [place]
    assert sum(now.durations) == 1

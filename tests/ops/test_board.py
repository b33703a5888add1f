"""The figures in a process: read once for a crowd, kept when they cannot be read, never waited for twice."""

import asyncio

import pytest

from namaskah.core.db import DatabaseGone
from namaskah.ops import board
from namaskah.ops.board import Board
from tests.ops.build import report


class Source:
    """The database, as far as the board sees it."""

    def __init__(self):
        self.asked, self.error, self.gate = 0, None, None

    async def __call__(self):
        self.asked += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        return report(summary=f"reading {self.asked}")


@pytest.fixture
def source():
    return Source()


async def test_a_database_that_was_never_there_leaves_nothing_to_show(source):
    source.error = DatabaseGone()
    assert (await Board(source).current()).report is None


async def test_a_crowd_is_one_reading(source):
    source.gate = asyncio.Event()
    kept = Board(source)
    crowd = [asyncio.create_task(kept.current()) for _ in range(200)]
    await asyncio.sleep(0)
    source.gate.set()
    readings = await asyncio.gather(*crowd)
    assert source.asked == 1
    assert {reading.report.summary for reading in readings} == {"reading 1"}


async def test_nobody_waits_for_a_newer_reading(source, monkeypatch):
    monkeypatch.setattr(board, "FRESH_SECONDS", 0.0)
    kept = Board(source)
    await kept.current()
    source.gate = asyncio.Event()
    async with asyncio.timeout(1):
        for _ in range(3):
            assert (await kept.current()).report.summary == "reading 1"
    source.gate.set()
    await asyncio.wait_for(asyncio.shield(kept._task), 1)
    assert (await kept.current()).report.summary == "reading 2"


@pytest.mark.parametrize("error", [DatabaseGone(), ConnectionResetError(), KeyError("a mistake of ours")])
async def test_the_last_reading_stays_with_the_moment_of_the_loss(source, monkeypatch, error):
    monkeypatch.setattr(board, "FRESH_SECONDS", 0.0)
    kept = Board(source)
    await kept.current()
    source.error = error
    readings = []
    for _ in range(4):
        await kept.current()
        await kept._task
        readings.append(kept._reading)
    assert {reading.report.summary for reading in readings} == {"reading 1"}
    assert readings[0].lost_at is None, "once may be a hiccup"
    assert readings[1].lost_at is not None
    assert readings[3].lost_at == readings[1].lost_at, "the loss began once"
    source.error = None
    await kept.current()
    await kept._task
    assert kept._reading.lost_at is None


async def test_a_database_that_hangs_is_given_up(source, monkeypatch):
    monkeypatch.setattr(board, "PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(board, "FRESH_SECONDS", 0.0)
    kept = Board(source)
    await kept.current()
    source.gate = asyncio.Event()
    async with asyncio.timeout(5):
        for _ in range(2):
            await kept.current()
            await kept._task
    assert kept._reading.lost_at is not None


async def test_after_a_quiet_time_the_first_one_sees_the_present(source, monkeypatch):
    monkeypatch.setattr(board, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(board, "OLD_SECONDS", 0.0)
    kept = Board(source)
    await kept.current()
    assert (await kept.current()).report.summary == "reading 2"


async def test_it_is_read_when_nobody_looks(source, monkeypatch):
    monkeypatch.setattr(board, "WARM_SECONDS", 0.01)
    stop = asyncio.Event()
    task = asyncio.create_task(Board(source).keep_warm(stop))
    async with asyncio.timeout(5):
        while source.asked < 3:
            await asyncio.sleep(0.01)
    stop.set()
    await asyncio.wait_for(task, 5)

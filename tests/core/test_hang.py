"""A database that hangs: nobody waits for it, and it is met again when it answers. Its processes are really stopped."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import asyncpg
import pytest

from namaskah.core.db import Database, DatabaseGone
from namaskah.core.embedded import EmbeddedPostgres
from namaskah.core.hang import HangWatch
from namaskah.core.pool import Pool
from namaskah.core.signals import Signals


class Server:
    """A server of this test's own, all of whose processes can be stopped and let go on."""

    def __init__(self, folder: Path) -> None:
        self._postgres = EmbeddedPostgres(folder, fast_and_unsafe=True)
        self.url = self._postgres.start()
        self._pidfile = next(folder.rglob("postmaster.pid"))

    def send(self, number: signal.Signals) -> None:
        postmaster = int(self._pidfile.read_text().split()[0])
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        for pid in [postmaster, *map(int, children)]:
            # One whose client is gone ends by itself.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def stop(self) -> None:
        self.send(signal.SIGCONT)
        self._postgres.stop()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    started = Server(tmp_path / "postgres")
    yield started
    started.stop()


@pytest.fixture
async def database(server: Server) -> AsyncIterator[Database]:
    opened = await Database.open(server.url, role=None, max_size=4)
    signals = Signals(server.url)
    await signals.start()
    watch = HangWatch(opened, signals)
    watch.start()
    yield opened
    await watch.stop()
    await signals.stop()
    await opened.close()


async def test_nobody_waits_for_a_database_that_hangs_and_it_is_met_again(server: Server, database: Database) -> None:
    assert await asyncio.gather(*(database.fetchval("SELECT 1") for _ in range(4))) == [1, 1, 1, 1]
    server.send(signal.SIGSTOP)
    began = perf_counter()
    waiting = await asyncio.gather(*(database.fetchval("SELECT 2") for _ in range(6)), return_exceptions=True)
    assert all(isinstance(error, DatabaseGone) and error.charged == "unknown" for error in waiting)
    assert perf_counter() - began < 4.5
    began = perf_counter()
    with pytest.raises(DatabaseGone):
        await database.fetchval("SELECT 3")
    assert perf_counter() - began < 0.5
    server.send(signal.SIGCONT)
    async with asyncio.timeout(10):
        while True:
            try:
                assert await database.fetchval("SELECT 4") == 4
                break
            except DatabaseGone:
                await asyncio.sleep(0.05)


async def test_a_statement_that_takes_its_time_is_left_alone(server: Server, database: Database) -> None:
    assert await database.fetchval("SELECT 5 FROM pg_sleep(3.5)") == 5


async def test_nobody_waits_to_be_let_in_either(server: Server, database: Database) -> None:
    # Nothing is open, as after a hang that is over: who asks must connect, which a stopped server's kernel accepts.
    database.pool.shut()
    database.pool.open_again()
    server.send(signal.SIGSTOP)
    began = perf_counter()
    waiting = await asyncio.gather(*(database.fetchval("SELECT 6") for _ in range(6)), return_exceptions=True)
    assert all(isinstance(error, DatabaseGone) for error in waiting)
    assert perf_counter() - began < 4.5


async def test_one_that_refuses_us_after_it_hung_is_no_reason_to_stop_looking() -> None:
    refused = False

    async def connect() -> Any:
        raise asyncpg.InvalidPasswordError("refused") if refused else TimeoutError

    watched = Database(Pool(connect, 1))
    looking = asyncio.create_task(HangWatch(watched, Signals(""))._cut_until_it_answers())
    await asyncio.sleep(0)
    refused = True
    async with asyncio.timeout(5):
        await looking
    with pytest.raises(asyncpg.InvalidPasswordError):
        await watched.pool.take(1)

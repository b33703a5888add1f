"""The pool on a real server: bounds, waiting, broken connections, cancelled requests, and closing."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from namaskah.core.db import Database, DatabaseGone
from namaskah.core.pool import Pool

SIZE = 3


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async def connect() -> Any:
        return await asyncpg.connect(database_url, timeout=5, command_timeout=5)

    opened = Pool(connect, SIZE)
    yield opened
    opened.terminate()


async def _pid(connection: Any) -> int:
    return int(await connection.fetchval("SELECT pg_backend_pid()"))


async def test_whoever_waits_too_long_is_told(pool: Pool) -> None:
    taken = [await pool.take(5) for _ in range(SIZE)]
    with pytest.raises(TimeoutError):
        await pool.take(0.05)
    for connection in taken:
        pool.give(connection)
    assert len({await _pid(await pool.take(5)) for _ in range(SIZE)}) == SIZE


async def test_one_that_gave_up_waiting_loses_no_connection(pool: Pool) -> None:
    taken = [await pool.take(5) for _ in range(SIZE)]
    waiting = asyncio.create_task(pool.take(5))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    # Served and cancelled in the same turn of the loop.
    pool.give(taken.pop())
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await pool.take(0.5)


async def test_a_connection_that_the_server_has_ended_is_replaced(pool: Pool, db: Any) -> None:
    connection = await pool.take(5)
    ended = await _pid(connection)
    pool.give(connection)
    await db.execute("SELECT pg_terminate_backend($1)", ended)
    await asyncio.sleep(0.2)
    assert await _pid(await pool.take(5)) != ended


async def test_a_transaction_that_was_left_open_is_not_passed_on(pool: Pool) -> None:
    connection = await pool.take(5)
    await connection.execute("BEGIN")
    pool.give(connection)
    following = await pool.take(5)
    assert following is not connection and not following.is_in_transaction()


async def test_failing_to_connect_makes_room_for_the_next_try() -> None:
    attempts = 0

    async def refuse() -> Any:
        nonlocal attempts
        attempts += 1
        raise ConnectionRefusedError

    pool = Pool(refuse, 1)
    for _ in range(3):
        with pytest.raises(ConnectionRefusedError):
            await pool.take(5)
    assert attempts == 3


async def test_never_more_connections_than_the_size_however_many_ask(pool: Pool, db: Any) -> None:
    async def work() -> int:
        connection = pool.take_now() or await pool.take(5)
        try:
            return int(await connection.fetchval("SELECT pg_backend_pid() FROM pg_sleep(0.01)"))
        finally:
            pool.give(connection)

    assert len(set(await asyncio.gather(*(work() for _ in range(50))))) == SIZE
    assert pool.busy == 0


async def test_a_cancelled_statement_leaves_a_connection_that_works(database: Database) -> None:
    for _ in range(20):
        running = asyncio.create_task(database.fetchval("SELECT pg_sleep(5)"))
        await asyncio.sleep(0.02)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert await database.fetchval("SELECT 7") == 7
    assert database.pool.busy == 0


async def test_a_closed_pool_says_so_to_those_who_wait_and_to_those_who_come(pool: Pool) -> None:
    taken = [await pool.take(5) for _ in range(SIZE)]
    waiting = asyncio.create_task(pool.take(5))
    await asyncio.sleep(0)
    await pool.close()
    with pytest.raises(asyncpg.InterfaceError, match="closed"):
        await waiting
    with pytest.raises(asyncpg.InterfaceError, match="closed"):
        await pool.take(5)
    pool.give(taken[0])
    assert taken[0].is_closed()


async def test_a_closed_database_is_gone(database: Database) -> None:
    await database.pool.close()
    with pytest.raises(DatabaseGone):
        await database.fetchval("SELECT 1")

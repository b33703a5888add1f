"""The pool: a lost database is said in words that tell what to do, and met again when it is back."""

import asyncio

import asyncpg
import pytest

from namaskah.core.db import Database, DatabaseGone

_CUT_ALL = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'namaskah' AND datname = current_database()"
)


async def test_it_runs_as_the_restricted_role_and_in_utc(database):
    assert await database.fetchval("SELECT current_user") == "namaskah_app"
    assert await database.fetchval("SHOW timezone") == "UTC"


@pytest.mark.parametrize("method", ["fetch", "fetchrow", "fetchval", "execute"])
async def test_a_connection_that_was_cut_says_that_the_outcome_is_unknown_and_the_next_one_works(database, db, method):
    running = asyncio.create_task(getattr(database, method)("SELECT pg_sleep(10)"))
    await asyncio.sleep(0.2)
    await db.execute(_CUT_ALL)
    with pytest.raises(DatabaseGone) as gone:
        await running
    assert (gone.value.charged, gone.value.status, gone.value.retry_after) == ("unknown", 503, 2)
    for _ in range(3):
        try:
            assert await database.fetchval("SELECT 7") == 7
            break
        except DatabaseGone:
            continue


async def test_a_transaction_that_lost_its_connection_is_undone(database, db):
    with pytest.raises(DatabaseGone):
        async with database.transaction() as connection:
            await connection.execute("INSERT INTO schema_state VALUES ('x', 'y')")
            await db.execute(_CUT_ALL)
            await connection.execute("SELECT 1")
    assert await db.fetchval("SELECT count(*) FROM schema_state WHERE name = 'x'") == 0


async def test_a_transaction_is_done_whole_or_not_at_all(database, db):
    with pytest.raises(asyncpg.UniqueViolationError):
        async with database.transaction() as connection:
            await connection.execute("INSERT INTO schema_state VALUES ('x', 'y')")
            await connection.execute("INSERT INTO schema_state VALUES ('x', 'y')")
    async with database.transaction() as connection:
        await connection.execute("INSERT INTO schema_state VALUES ('x', 'y')")
    assert await db.fetchval("SELECT value FROM schema_state WHERE name = 'x'") == "y"


async def test_a_statement_that_is_wrong_is_no_lost_database(database):
    with pytest.raises(asyncpg.PostgresError):
        await database.fetchval("SELECT 1/0")


async def test_a_pool_that_is_closed_is_gone(database_url):
    closed = await Database.open(database_url)
    await closed.close()
    with pytest.raises(DatabaseGone):
        await closed.fetchval("SELECT 1")

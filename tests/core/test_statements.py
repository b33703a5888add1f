"""What is noted of statements: a name without arguments, their time, failures by kind, slow ones in the log."""

import asyncio
import json

import asyncpg
import pytest
import structlog

from namaskah.core.observed import RequestRecord, current_request
from namaskah.core.statements import Statements, statement_name
from tests.figures import Growth


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("SELECT * FROM verification_receive($1, $2, $3)", "verification_receive"),
        ("SELECT pg_notify($1, $2)", "pg_notify"),
        ("SELECT count(*) FROM users WHERE id = $1", "select_users"),
        ("\n    INSERT INTO jobs (kind) VALUES ($1)", "insert_jobs"),
        ("WITH gone AS (DELETE FROM sessions RETURNING 1) SELECT count(*) FROM gone", "delete_sessions"),
        ("SHOW data_directory", "show"),
    ],
)
def test_a_statement_is_named_by_what_it_calls_or_by_its_verb_and_table(sql, name):
    assert statement_name(sql) == name


def test_many_texts_of_one_name_take_no_other_statement_its_name(monkeypatch):
    monkeypatch.setattr(Statements, "_known", {})
    monkeypatch.setattr(Statements, "_named", {}, raising=False)
    names = {Statements.known(f"SELECT id FROM offers LIMIT {n}").name for n in range(3_000)}
    assert names == {"select_offers"}
    assert Statements.known("SELECT id FROM wallets").name == "select_wallets"
    assert len(Statements._known) <= 2_000


def test_names_without_end_make_no_series_without_end(monkeypatch):
    monkeypatch.setattr(Statements, "_known", {})
    monkeypatch.setattr(Statements, "_named", {}, raising=False)
    monkeypatch.setattr("namaskah.core.statements._MOST_NAMES", 3)
    names = [Statements.known(f"SELECT id FROM made_up_{n % 5}").name for n in range(10)]
    assert set(names) == {"select_made_up_0", "select_made_up_1", "select_made_up_2", "other"}
    assert names[:5] == names[5:]


async def test_a_failure_is_counted_by_its_kind(database):
    server, integrity, refused = (Growth("namaskah_db_errors_total", kind=kind) for kind in ("server", "integrity", "P0"))
    with structlog.testing.capture_logs() as logged, pytest.raises(asyncpg.UndefinedTableError):
        await database.fetch("SELECT * FROM no_such_table")
    assert [(line["statement"], line["sqlstate"]) for line in logged] == [("select_no_such_table", "42P01")]
    with pytest.raises(asyncpg.UniqueViolationError):
        await database.execute("INSERT INTO schema_state VALUES ('release', 'x')")
    with pytest.raises(asyncpg.PostgresError):
        await database.execute("DO $$ BEGIN RAISE EXCEPTION 'a refusal of ours' USING ERRCODE = 'NM402'; END $$")
    assert (server(), integrity(), refused()) == (1, 1, 0)


async def test_a_slow_statement_is_logged_by_name_and_counted_and_its_arguments_are_not(database):
    slow = Growth("namaskah_db_slow_statements_total", statement="pg_sleep")
    with structlog.testing.capture_logs() as logged:
        await database.fetchval("SELECT pg_sleep(0.06), $1::text", "12025550123")
        await database.fetchval("SELECT 1")
    (line,) = [entry for entry in logged if entry["event"] == "slow_statement"]
    assert (line["statement"], slow()) == ("pg_sleep", 1)
    assert "12025550123" not in json.dumps(line)


async def test_a_request_knows_how_much_of_it_was_the_database(database):
    record = RequestRecord({"headers": [], "method": "GET"})
    before = current_request.set(record)
    try:
        await database.fetchval("SELECT pg_sleep(0.01)")
        await database.execute("SELECT 1")
    finally:
        current_request.reset(before)
    assert record.db_statements == 2
    assert 0.01 <= record.db_seconds < 2


async def test_waiting_for_a_connection_is_no_time_of_the_statement(database):
    waits, spent = (
        Growth("namaskah_db_pool_wait_seconds_count"),
        Growth("namaskah_db_statement_duration_seconds_sum", statement="current_date"),
    )
    held = [await database.pool.take(5) for _ in range(12)]
    record = RequestRecord({"headers": [], "method": "GET"})
    before = current_request.set(record)
    asking = asyncio.create_task(database.fetchval("SELECT 'nothing'"))
    current_request.reset(before)
    await asyncio.sleep(0.1)
    for connection in held:
        database.pool.give(connection)
    assert await asking == "nothing"
    assert waits() == 1
    assert record.db_seconds < 0.1
    assert spent() == 0

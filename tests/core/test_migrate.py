"""Migrations: from nothing, twice, from two processes at once; and what the restricted role may not do to the ledger."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

import namaskah
from namaskah.core.db import Database, DatabaseGone
from namaskah.core.migrate import is_current, migrate, upgrade_tables
from namaskah.wallet.check import check
from tests.factories import buy, customer, own_numbers, sms

_PROGRAM = """
import asyncio, sys
from namaskah.prepare import prepare_database
asyncio.run(prepare_database(sys.argv[1]))
"""
_INDEX = """
SELECT pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE c.relname = $1 AND i.indisvalid AND i.indisready
"""


async def test_an_empty_database_is_migrated_and_the_second_time_nothing_is_to_do(empty_database_url):
    assert not await is_current(empty_database_url)
    assert await migrate(empty_database_url)
    assert await is_current(empty_database_url)
    assert not await migrate(empty_database_url)


async def test_two_processes_that_migrate_at_once_do_not_stand_in_each_others_way(empty_database_url):
    started = [
        subprocess.Popen([sys.executable, "-c", _PROGRAM, empty_database_url], stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = [await asyncio.to_thread(process.communicate, timeout=60) for process in started]
    assert [(process.returncode, err) for process, (_, err) in zip(started, said, strict=True)] == [(0, "")] * 3
    assert await is_current(empty_database_url)


async def test_a_function_that_was_changed_by_hand_is_put_right_by_the_next_release(database_url, db):
    await db.execute("UPDATE schema_state SET value = 'an older release' WHERE name = 'release'")
    await db.execute(
        "CREATE OR REPLACE FUNCTION event_next(p_user text, p_live boolean) RETURNS bigint LANGUAGE sql AS 'SELECT 7::bigint'"
    )
    assert await migrate(database_url)
    assert "UPDATE wallets" in await db.fetchval("SELECT prosrc FROM pg_proc WHERE proname = 'event_next'")


async def test_an_upgrade_in_the_middle_of_business_disturbs_no_purchase(database, database_url, db):
    who = await customer(database, balance="100.00")
    await own_numbers(database, 60)

    async def buy_all() -> None:
        for _ in range(40):
            await buy(database, who)

    async def upgrade_all() -> None:
        for _ in range(3):
            await db.execute("UPDATE schema_state SET value = 'an older release' WHERE name = 'release'")
            await migrate(database_url)

    await asyncio.gather(buy_all(), upgrade_all())
    assert (await check(database, full=True)).ok


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("idx_verifications_user_created", "(user_id, created_at DESC)"),
        ("idx_verifications_status_created", "(status, created_at DESC)"),
        ("idx_transactions_user_type", "(user_id, type, created_at DESC)"),
        ("idx_users_email_verified", "(email, email_verified)"),
        ("idx_payment_logs_reference", "(reference)"),
    ],
)
async def test_the_required_index_is_there_and_valid(db, name, target):
    definition = await db.fetchval(_INDEX, name)
    assert definition is not None
    assert target in definition


_LAST_OF_THE_INDEXES = "20261122_04"


def _before_the_indexes() -> str:
    folder = Path(namaskah.__file__).parent / "migrations" / "versions"
    found = min(module for module in folder.glob("*.py") if "CREATE INDEX CONCURRENTLY" in module.read_text())
    return re.search(r'down_revision = "(\w+)"', found.read_text()).group(1)


async def test_an_index_whose_building_was_interrupted_is_built_again(empty_database_url):
    await upgrade_tables(empty_database_url, _LAST_OF_THE_INDEXES)
    connection = await asyncpg.connect(empty_database_url)
    try:
        for name in ("idx_users_email_verified", "transactions_created"):
            await connection.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = $1::text::regclass", name)
        await connection.execute("UPDATE alembic_version SET version_num = $1", _before_the_indexes())
        await upgrade_tables(empty_database_url, _LAST_OF_THE_INDEXES)
        assert await connection.fetchval(_INDEX, "idx_users_email_verified") is not None
        assert await connection.fetchval(_INDEX, "transactions_created") is not None
    finally:
        await connection.close()


_TABLES = ("transactions", "entries", "hold_resolutions")


@pytest.mark.parametrize("statement", ["UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
@pytest.mark.parametrize("table", _TABLES)
async def test_the_application_can_change_nothing_in_the_ledger(database, statement, table):
    column = "hold_id" if table == "hold_resolutions" else "created_at" if table == "transactions" else "amount_micros"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.execute(statement.format(table, column, column))


@pytest.mark.parametrize("statement", ["UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
@pytest.mark.parametrize("table", _TABLES)
async def test_even_the_owner_of_the_tables_is_refused(database, db, statement, table):
    who = await customer(database)
    await own_numbers(database)
    bought = await buy(database, who)
    await sms(database, bought.body.decode().split('"number" : "')[1].split('"')[0])
    column = "hold_id" if table == "hold_resolutions" else "created_at" if table == "transactions" else "amount_micros"
    with pytest.raises(asyncpg.PostgresError, match="append-only") as refusal:
        await db.execute(statement.format(table, column, column))
    assert refusal.value.sqlstate == "NM001"


async def test_entries_that_do_not_sum_to_zero_are_refused(database):
    who = await customer(database)
    transaction = await database.fetchval("SELECT id FROM transactions WHERE user_id = $1", who.user_id)
    with pytest.raises(asyncpg.PostgresError, match="sum to zero"):
        await database.execute("INSERT INTO entries VALUES ($1, 2, 5), ($1, 3, -4)", transaction)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (a integer)",
        "ALTER TABLE wallets DROP CONSTRAINT never_over_held",
        "ALTER TABLE entries DISABLE TRIGGER append_only",
        "INSERT INTO ledger_accounts VALUES (9, 'mine')",
        "UPDATE audit_log SET reason = 'x'",
        "DELETE FROM audit_log",
        "DROP FUNCTION event_next(text, boolean)",
    ],
)
async def test_the_application_cannot_change_the_schema_or_the_audit_log(database, statement):
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE wallets SET balance_micros = -1",
        "UPDATE wallets SET held_micros = balance_micros + 1",
        "UPDATE wallets SET open_count = -1",
    ],
)
async def test_the_database_itself_refuses_a_wallet_that_cannot_be(database, statement):
    await customer(database)
    with pytest.raises(asyncpg.CheckViolationError):
        await database.execute(statement)


async def test_a_server_that_is_not_there_is_said_to_be_away():
    with pytest.raises(DatabaseGone):
        await migrate("postgresql://nobody@127.0.0.1:9/nothing")
    with pytest.raises(DatabaseGone):
        await Database.open("postgresql://nobody@127.0.0.1:9/nothing")


async def test_an_older_release_works_on_the_schema_of_a_newer_one(database_url, db):
    await db.execute("UPDATE alembic_version SET version_num = '29990101_01'")
    await db.execute("UPDATE schema_state SET value = 'of a newer release' WHERE name = 'release'")
    assert await migrate(database_url)
    assert await db.fetchval("SELECT version_num FROM alembic_version") == "29990101_01"
    assert not await migrate(database_url)

"""Guards of the tests themselves: own database each, no way off this machine, none vanishes in CI."""

import socket

import asyncpg
import pytest

from tests.conftest import OutsideSocketRefused
from tests.postgres import Databases
from tests.requirements import require


def test_a_test_cannot_reach_another_machine() -> None:
    with pytest.raises(OutsideSocketRefused), socket.socket() as outside:
        outside.connect(("192.0.2.1", 80))


def test_a_test_cannot_look_up_another_machine() -> None:
    with pytest.raises(OutsideSocketRefused):
        socket.getaddrinfo("example.com", 80)


def test_a_missing_requirement_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no browser"):
        require(False, "no browser")


def test_a_missing_requirement_is_named_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no browser"):
        require(False, "no browser")


async def test_what_one_test_writes_no_other_one_sees(databases: Databases) -> None:
    first, second = databases.take(), databases.take()
    one, two = await asyncpg.connect(first), await asyncpg.connect(second)
    await one.execute("CREATE TABLE mine (n integer)")
    assert await two.fetchval("SELECT to_regclass('mine')") is None
    await one.close()
    await two.close()
    databases.give_back(first)
    databases.give_back(second)


async def test_a_test_begins_with_the_migrated_schema(db: "asyncpg.Connection[asyncpg.Record]") -> None:
    assert await db.fetchval("SELECT to_regclass('users') IS NOT NULL")


async def test_a_database_with_open_connections_can_be_given_back(databases: Databases) -> None:
    url = databases.take(empty=True)
    connection = await asyncpg.connect(url)
    databases.give_back(url)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await connection.fetchval("SELECT 1")
    connection.terminate()

"""Whom a limit on addresses means. What the limits do is tested with signing in."""

import asyncio

import pytest

from namaskah.accounts.errors import TooManySignIns
from namaskah.accounts.sign_in_limits import count_attempt, take_back
from namaskah.core.db import Database


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("192.0.2.1", "::ffff:192.0.2.1"),
        ("fe80::1%eth0", "fe80::2"),
        ("unix:\x00", "unix:\ud800"),
        ("", "\x00"),
    ],
)
async def test_two_ways_to_write_one_client_share_a_limit(database: Database, first: str, second: str) -> None:
    for n in range(10):
        await count_attempt(database, email=f"{n}@example.com", address=first)
    with pytest.raises(TooManySignIns):
        await count_attempt(database, email="other@example.com", address=second)


async def test_one_that_is_turned_away_for_its_address_does_not_count_for_the_account(
    database: Database,
) -> None:
    for n in range(10):
        await count_attempt(database, email=f"{n}@example.com", address="192.0.2.1")
    for _ in range(20):
        with pytest.raises(TooManySignIns):
            await count_attempt(database, email="anna@example.com", address="192.0.2.1")
    await count_attempt(database, email="anna@example.com", address="192.0.2.2")
    assert await database.fetchval("SELECT count(*) FROM sign_in_attempts WHERE failures = 1") == 12


async def test_attempts_taken_back_at_once_leave_nothing(database: Database) -> None:
    made = await asyncio.gather(*(count_attempt(database, email="anna@example.com", address="192.0.2.1") for _ in range(10)))
    await asyncio.gather(*(take_back(database, attempt) for attempt in made))
    assert await database.fetchval("SELECT count(*) FROM sign_in_attempts") == 0

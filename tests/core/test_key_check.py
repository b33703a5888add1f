"""A database is used with one secret key; another one is noticed before anything is written with it."""

import asyncio

import asyncpg
import pytest

from namaskah.core.crypto import Vault
from namaskah.core.key_check import WrongSecretKey, check_key
from namaskah.prepare import prepare_database


async def test_another_key_is_refused_and_the_first_one_goes_on_working(database):
    first, second = Vault(b"1" * 32), Vault(b"2" * 32)
    await check_key(database, first)
    with pytest.raises(WrongSecretKey, match="another NAMASKAH_SECRET_KEY"):
        await check_key(database, second)
    await check_key(database, first)


async def test_preparing_a_database_with_another_key_is_refused(database_url):
    await prepare_database(database_url, vault=Vault(b"1" * 32))
    with pytest.raises(WrongSecretKey):
        await prepare_database(database_url, vault=Vault(b"2" * 32))


async def test_two_processes_that_start_at_once_on_a_new_database_both_begin(database_url, database):
    first = await asyncpg.connect(database_url)
    try:
        started = first.transaction()
        await started.start()
        await check_key(first, Vault(bytes(32)))
        second = asyncio.create_task(check_key(database, Vault(bytes(32))))
        while not await first.fetchval(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database())"
        ):
            await asyncio.sleep(0.005)
        await started.commit()
        # It waited for the first one's row, which its own statement cannot see.
        await second
    finally:
        await first.close()

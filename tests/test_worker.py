"""The worker's loops beside each other: what takes long in one keeps no other waiting, and nothing it says is personal."""

import asyncio
import contextlib

import pytest
import structlog
from pydantic import SecretStr

from namaskah.core.settings import Settings
from namaskah.platform import Platform
from namaskah.worker import Worker


@pytest.fixture
async def platform(database_url):
    settings = Settings(environment="test", database_url=SecretStr(database_url), secret_key=SecretStr("0123456789abcdef" * 4))
    opened = await Platform.open(settings, database_url)
    yield opened
    await opened.close()


@contextlib.asynccontextmanager
async def working(platform):
    stop = asyncio.Event()
    task = asyncio.create_task(Worker(platform).run(stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, 10)


async def test_a_check_of_the_ledger_that_takes_long_keeps_no_other_job_waiting(platform, db, monkeypatch):
    begun, end = asyncio.Event(), asyncio.Event()

    async def long(*_args: object, **_kwargs: object) -> None:
        begun.set()
        await end.wait()

    monkeypatch.setattr("namaskah.worker._report", long)
    async with working(platform):
        try:
            await asyncio.wait_for(begun.wait(), 10)
            # Such as the orders that upstreams must be told of.
            await db.execute(
                """INSERT INTO jobs (kind, payload) VALUES ('provider_finish', '{"provider": "sandbox", "reference": "r"}')"""
            )
            async with asyncio.timeout(5):
                while await db.fetchval("SELECT count(*) FROM jobs WHERE kind = 'provider_finish'"):
                    await asyncio.sleep(0.05)
        finally:
            end.set()


async def test_a_step_that_breaks_is_logged_without_its_text(platform, monkeypatch):
    text = f"Your code is {482_900 + 13}"

    async def breaks(*_args: object, **_kwargs: object) -> int:
        raise KeyError(text)

    monkeypatch.setattr("namaskah.worker.handle_left_over", breaks)
    with structlog.testing.capture_logs() as said:
        async with working(platform):
            await asyncio.sleep(0.3)
    broken = [entry for entry in said if entry["event"] == "worker_step_broken"]
    assert broken
    assert (broken[0]["step"], broken[0]["error"]) == ("_left_over", "KeyError")
    assert "482913" not in str(said)

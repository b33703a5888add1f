"""Signals: heard in every process; a lost connection is noticed, said, and made again."""

import asyncio

import pytest

from namaskah.core.db import Database
from namaskah.core.signals import Signals

_CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'namaskah signals' AND datname = current_database()"


async def until(condition, seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture
async def signals(database_url):
    made = Signals(database_url)
    made.heard, made.resets = [], 0
    made.subscribe("namaskah_keys", made.heard.append)

    def reset() -> None:
        made.resets += 1

    made.on_reset(reset)
    await made.start()
    yield made
    await made.stop()
    assert not made.healthy


def test_a_channel_that_nobody_sends_on_is_refused():
    with pytest.raises(ValueError, match="unknown channel"):
        Signals("postgresql://x").subscribe("nothing", print)


async def test_what_another_connection_says_is_heard_on_its_channel_only(signals, database):
    await database.signal("namaskah_catalog", "not for us")
    await database.signal("namaskah_keys", "revoked")
    await until(lambda: signals.heard)
    assert signals.heard == ["revoked"]


async def test_a_connection_that_dies_is_noticed_within_a_second_and_made_again(signals, database, db):
    assert (signals.healthy, signals.resets) == (True, 1)
    await db.fetch(_CUT)
    await until(lambda: not signals.healthy, 1.0)
    await until(lambda: signals.healthy)
    assert signals.resets == 2, "whoever listens must look for what was said meanwhile"
    await database.signal("namaskah_keys", "again")
    await until(lambda: signals.heard)


async def test_a_mistake_of_ours_does_not_end_the_listening(signals, database, db):
    mistakes = [ZeroDivisionError()]

    def mistaken() -> None:
        if mistakes:
            raise mistakes.pop()

    signals.on_reset(mistaken)
    await db.fetch(_CUT)
    await until(lambda: not mistakes)
    await until(lambda: signals.healthy)
    await database.signal("namaskah_keys", "again")
    await until(lambda: signals.heard)


async def test_without_a_server_it_goes_on_without_being_healthy(monkeypatch):
    lonely = Signals("postgresql://nobody@127.0.0.1:9/nothing")

    async def short(work, _seconds):
        work.close()
        raise TimeoutError

    monkeypatch.setattr("namaskah.core.signals.asyncio.wait_for", short)
    await lonely.start()
    await asyncio.sleep(0.15)
    assert not lonely.healthy
    await lonely.stop()


async def test_what_was_never_started_can_be_stopped():
    await Signals("postgresql://x").stop()


async def test_many_announcements_leave_together_and_none_is_lost(signals, database_url, database):
    listener = Signals(database_url)
    heard: list[str] = []
    listener.subscribe("namaskah_events", heard.append)
    await listener.start()
    wallets = {f"user_{n:026}" for n in range(450)}
    for user_id in wallets:
        database.announce(user_id, user_id.endswith("7"))
    await until(lambda: sum(len(payload.split()) - 1 for payload in heard) >= 450)
    # The first word says who announces, so that nobody has to listen to himself.
    assert {payload.split()[0] for payload in heard} == {database.mark_of_own}
    marks = {mark for payload in heard for mark in payload.split()[1:]}
    assert marks == {f"{user_id}:{'l' if user_id.endswith('7') else 't'}" for user_id in wallets}
    assert len(heard) < 20
    assert all(len(payload) < 8000 for payload in heard)
    await listener.stop()


async def test_an_announcement_that_cannot_be_sent_is_dropped_without_harm(database_url):
    gone = await Database.open(database_url)
    await gone.pool.close()
    gone.announce("user_1", True)
    await asyncio.wait([gone._bell], timeout=2)
    assert gone._marks == set()
    await gone.close()

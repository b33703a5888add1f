"""Sessions of the browser."""

import asyncio
from typing import Any

import pytest

from namaskah.accounts.disable import disable
from namaskah.accounts.sessions import open_session, sign_out, sign_out_everywhere, user_of
from namaskah.accounts.sweep import sweep
from namaskah.core.db import Database


@pytest.mark.parametrize("token", ["", "a", "A" * 43, "é" * 43, "\ud800" * 43, "\x00" * 43, "A" * 100_000])
async def test_an_invented_token_is_nobodys(database: Database, token: str) -> None:
    assert await user_of(database, token) is None
    await sign_out(database, token)


@pytest.mark.parametrize(
    "ended",
    ["expires_at = now()", "last_seen_at = now() - interval '14 days'"],
)
async def test_a_session_that_is_over_opens_nothing(database: Database, new_user: Any, db: Any, ended: str) -> None:
    user = await new_user()
    token = await open_session(database, user_id=user.id, user_agent="Firefox")
    await db.execute(f"UPDATE sessions SET {ended}")
    assert await user_of(database, token) is None
    assert await sweep(database) == 1
    assert await database.fetchval("SELECT count(*) FROM sessions") == 0


async def test_using_a_session_does_not_move_its_absolute_end(database: Database, new_user: Any, db: Any) -> None:
    user = await new_user()
    token = await open_session(database, user_id=user.id, user_agent="", days=2)
    await db.execute("UPDATE sessions SET last_seen_at = now() - interval '2 minutes'")
    assert await user_of(database, token) == user
    left = await db.fetchval("SELECT extract(epoch FROM expires_at - now())::float8 FROM sessions")
    assert 2 * 86_400 - 60 < left <= 2 * 86_400


async def test_that_a_session_is_used_is_written_once_a_minute(database: Database, new_user: Any, db: Any) -> None:
    user = await new_user()
    token = await open_session(database, user_id=user.id, user_agent="Firefox\x00\ud800")
    row = "SELECT xmin::text, last_seen_at FROM sessions"
    fresh = await db.fetchrow(row)
    await user_of(database, token)
    assert await db.fetchrow(row) == fresh
    await db.execute("UPDATE sessions SET last_seen_at = now() - interval '61 seconds'")
    assert await asyncio.gather(*(user_of(database, token) for _ in range(10))) == [user] * 10
    seen = await db.fetchrow(row)
    assert seen["last_seen_at"] > fresh["last_seen_at"]
    assert await user_of(database, token) == user
    assert await db.fetchrow(row) == seen


async def test_signing_out_ends_this_session_only(database: Database, new_user: Any) -> None:
    user = await new_user()
    here, there = [await open_session(database, user_id=user.id, user_agent="") for _ in range(2)]
    await sign_out(database, here)
    await sign_out(database, here)
    assert await user_of(database, here) is None
    assert await user_of(database, there) == user


async def test_signing_out_everywhere_ends_all_of_this_user_but_the_one_that_is_kept(database: Database, new_user: Any) -> None:
    user, other = await new_user(), await new_user()
    tokens = [await open_session(database, user_id=user.id, user_agent="") for _ in range(3)]
    others = await open_session(database, user_id=other.id, user_agent="")
    assert await sign_out_everywhere(database, user.id, keep=tokens[0]) == 2
    assert [await user_of(database, token) for token in tokens] == [user, None, None]
    assert await sign_out_everywhere(database, user.id) == 1
    assert await user_of(database, tokens[0]) is None
    assert await user_of(database, others) == other


async def test_disabling_a_user_ends_the_sessions(database: Database, new_user: Any) -> None:
    user = await new_user()
    token = await open_session(database, user_id=user.id, user_agent="")
    await disable(database, user_id=user.id, actor_id="operator", reason="abuse")
    assert await user_of(database, token) is None
    late = await open_session(database, user_id=user.id, user_agent="")
    assert await user_of(database, late) is None


async def test_the_sweep_forgets_old_attempts_and_keeps_what_counts(database: Database, new_user: Any, db: Any) -> None:
    user = await new_user()
    token = await open_session(database, user_id=user.id, user_agent="")
    await db.execute("INSERT INTO sign_in_attempts VALUES ('a', now() - interval '7 minutes', 3), ('b', now(), 3)")
    assert await sweep(database) == 1
    assert await db.fetchval("SELECT count(*) FROM sign_in_attempts") == 1
    assert await user_of(database, token) == user

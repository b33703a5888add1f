"""Signing in, its limits, and that nothing tells whether an account exists."""

import asyncio
from typing import Any

import pytest
import structlog

from namaskah.accounts.disable import disable
from namaskah.accounts.errors import AccountDisabled, SignInBusy, TooManySignIns, WrongCredentials
from namaskah.accounts.sessions import user_of
from namaskah.accounts.sign_in import sign_in
from namaskah.accounts.sign_up import CURRENT_TERMS_VERSION, sign_up
from namaskah.accounts.users import User
from namaskah.core.db import Database


@pytest.fixture
async def anna(database: Database) -> User:
    return await sign_up(database, email="Anna@Example.com", password="x7Kq!mWz", terms_version=CURRENT_TERMS_VERSION)


async def attempt(
    database: Database,
    *,
    email: str = "anna@example.com",
    password: str = "x7Kq!mWz",
    address: str = "192.0.2.1",
) -> tuple[User, str]:
    return await sign_in(database, email=email, password=password, address=address, user_agent="Firefox")


async def fail(database: Database, times: int, **who: str) -> list[Any]:
    tries = [attempt(database, **{"password": f"wrong guess {n}", **who}) for n in range(times)]
    return await asyncio.gather(*tries, return_exceptions=True)


@pytest.mark.parametrize("email", ["nobody@example.com", "", "no address", "a\x00@example.com", "\ud800@example.com"])
async def test_an_unknown_address_is_refused_in_the_words_of_a_wrong_password(database: Database, anna: User, email: str) -> None:
    with pytest.raises(WrongCredentials) as unknown:
        await attempt(database, email=email)
    with pytest.raises(WrongCredentials) as wrong:
        await attempt(database, password="wrong guess")
    assert vars(unknown.value) == vars(wrong.value)


@pytest.mark.parametrize("password", ["", "x7Kq!mWZ", "x7Kq!mWz ", "\ud800", "x" * 10_000])
async def test_a_wrong_password_opens_no_session(database: Database, anna: User, password: str) -> None:
    with pytest.raises(WrongCredentials):
        await attempt(database, password=password)
    assert await database.fetchval("SELECT count(*) FROM sessions") == 0


async def test_a_user_without_a_password_cannot_sign_in(database: Database, anna: User, db: Any) -> None:
    await db.execute("UPDATE users SET password_hash = NULL")
    with pytest.raises(WrongCredentials):
        await attempt(database, password="")


async def test_of_forty_guesses_at_once_ten_are_looked_at(database: Database, anna: User) -> None:
    results = await fail(database, 40)
    assert sum(isinstance(result, WrongCredentials) for result in results) == 10
    refused = [result for result in results if isinstance(result, TooManySignIns)]
    assert len(refused) == 30
    assert all(0 < (error.retry_after or 0) <= 360 for error in refused)


@pytest.mark.parametrize("email", ["anna@example.com", "nobody@example.com"])
async def test_an_account_is_limited_over_all_addresses_whether_it_exists_or_not(
    database: Database, anna: User, email: str
) -> None:
    for n in range(10):
        await fail(database, 1, email=email.swapcase(), address=f"192.0.2.{n}")
    with pytest.raises(TooManySignIns):
        await attempt(database, email=email, address="198.51.100.7")


async def test_an_address_is_limited_over_all_accounts_and_others_are_not(database: Database, anna: User) -> None:
    for n in range(10):
        await fail(database, 1, email=f"someone{n}@example.com")
    with pytest.raises(TooManySignIns):
        await attempt(database)
    user, _token = await attempt(database, address="198.51.100.7")
    assert user == anna


async def test_an_ipv6_client_cannot_escape_within_its_network(database: Database, anna: User) -> None:
    for n in range(10):
        await fail(database, 1, email=f"someone{n}@example.com", address=f"2001:db8:1:2::{n}")
    with pytest.raises(TooManySignIns):
        await attempt(database, address="2001:db8:1:2:ffff::1")
    await attempt(database, address="2001:db8:1:3::1")


async def test_right_passwords_do_not_use_the_limit_up(database: Database, anna: User) -> None:
    await fail(database, 9)
    for _ in range(5):
        await attempt(database)
    await asyncio.gather(attempt(database), return_exceptions=True)
    # Whole minutes are counted, and one may have begun in between.
    counted = "SELECT max(n) FROM (SELECT sum(failures) AS n FROM sign_in_attempts GROUP BY subject_hash) AS x"
    assert await database.fetchval(counted) == 9
    assert isinstance((await fail(database, 1))[0], WrongCredentials)
    with pytest.raises(TooManySignIns):
        await attempt(database)


async def test_nobody_is_locked_out_for_ever(database: Database, anna: User, db: Any) -> None:
    await fail(database, 10)
    await fail(database, 20)
    assert await database.fetchval("SELECT sum(failures) FROM sign_in_attempts") == 20
    await db.execute("UPDATE sign_in_attempts SET window_start = window_start - interval '6 minutes'")
    user, _token = await attempt(database)
    assert user == anna


async def test_failures_of_the_minutes_before_still_count(database: Database, anna: User, db: Any) -> None:
    await fail(database, 6)
    await db.execute("UPDATE sign_in_attempts SET window_start = window_start - interval '4 minutes'")
    results = await fail(database, 20)
    assert sum(isinstance(result, WrongCredentials) for result in results) == 4


async def test_the_table_of_attempts_names_neither_account_nor_address(database: Database, anna: User) -> None:
    await fail(database, 1)
    rows = str([tuple(row) for row in await database.fetch("SELECT * FROM sign_in_attempts")])
    assert "anna" not in rows.lower()
    assert "192.0.2" not in rows


async def test_a_busy_moment_costs_no_attempt(database: Database, anna: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("namaskah.accounts.passwords.MAX_WAITING", 0)
    # It became busy only after the attempt had been counted.
    monkeypatch.setattr("namaskah.accounts.sign_in.refuse_when_busy", lambda: None)
    with pytest.raises(SignInBusy):
        await attempt(database)
    assert await database.fetchval("SELECT count(*) FROM sign_in_attempts") == 0


async def test_in_a_flood_a_refusal_asks_the_database_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("namaskah.accounts.passwords.MAX_WAITING", 0)
    await database.close()
    with pytest.raises(SignInBusy):
        await attempt(database)


async def test_a_disabled_user_learns_it_only_with_the_right_password(database: Database, anna: User) -> None:
    await disable(database, user_id=anna.id, actor_id="operator", reason="abuse")
    with pytest.raises(WrongCredentials):
        await attempt(database, password="wrong guess")
    with pytest.raises(AccountDisabled):
        await attempt(database)
    assert await database.fetchval("SELECT count(*) FROM sessions") == 0


async def test_each_sign_in_has_a_token_of_its_own_that_is_stored_only_as_a_hash(database: Database, anna: User) -> None:
    user, first = await attempt(database)
    _user, second = await attempt(database, email=" ANNA@example.com ")
    assert user == anna
    assert first != second
    assert len(first) == 43
    assert await user_of(database, first) == anna
    rows = str([tuple(row) for row in await database.fetch("SELECT * FROM sessions")])
    assert first not in rows


async def test_an_outdated_hash_is_renewed_at_the_next_sign_in(database: Database, anna: User, db: Any) -> None:
    from argon2 import PasswordHasher

    await db.execute("UPDATE users SET password_hash = $1", PasswordHasher(1, 1024, 1).hash("x7Kq!mWz"))
    await attempt(database)
    assert (await db.fetchval("SELECT password_hash FROM users")).startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    await attempt(database)


async def test_a_hash_that_cannot_be_renewed_now_keeps_nobody_out(
    database: Database, anna: User, db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from argon2 import PasswordHasher

    async def busy(_password: str) -> str:
        raise SignInBusy(retry_after=2)

    await db.execute("UPDATE users SET password_hash = $1", PasswordHasher(1, 1024, 1).hash("x7Kq!mWz"))
    monkeypatch.setattr("namaskah.accounts.sign_in.hash_password", busy)
    await attempt(database)
    assert "t=1" in await db.fetchval("SELECT password_hash FROM users")


async def test_no_log_line_names_who_tried(database: Database, anna: User) -> None:
    with structlog.testing.capture_logs() as lines:
        await fail(database, 12, email="someone@example.com")
        await attempt(database, address="198.51.100.7")
    # A busy machine may also find statements slow.
    assert {line["event"] for line in lines} - {"slow_statement"} == {"sign_in_refused", "signed_in"}
    for canary in ("example.com", "wrong guess", "x7Kq", "192.0.2", "198.51"):
        assert canary not in str(lines)

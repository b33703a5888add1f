"""Signing up."""

import asyncio

import asyncpg
import pytest

from namaskah.accounts import sign_up as signing_up
from namaskah.accounts.errors import EmailTaken, InvalidEmail, TermsNotAccepted, UnknownUser, WeakPassword
from namaskah.accounts.sign_up import CURRENT_TERMS_VERSION, sign_up
from namaskah.accounts.users import User, user_by_email, user_by_id
from namaskah.core.db import Database
from namaskah.core.errors import NamaskahError

GOOD = {"email": "Anna@Example.com", "password": "x7Kq!mWz", "terms_version": CURRENT_TERMS_VERSION}


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("email", "anna\x00@example.com", InvalidEmail),
        ("email", "anna\ud800@example.com", InvalidEmail),
        ("password", "password1", WeakPassword),
        ("password", "Anna@Example.com", WeakPassword),
        ("terms_version", "1999-01-01", TermsNotAccepted),
        ("terms_version", "", TermsNotAccepted),
    ],
)
async def test_a_bad_sign_up_says_which_field_and_writes_nothing(
    database: Database, field: str, value: str, error: type[NamaskahError]
) -> None:
    with pytest.raises(error) as caught:
        await sign_up(database, **{**GOOD, field: value})
    assert caught.value.fields[0].name == field
    assert await database.fetchval("SELECT count(*) FROM users") == 0


async def test_an_address_is_taken_once_in_whatever_case(database: Database) -> None:
    await sign_up(database, **GOOD)
    with pytest.raises(EmailTaken) as caught:
        await sign_up(database, **{**GOOD, "email": " aNNA@example.COM "})
    assert caught.value.status == 409
    assert await database.fetchval("SELECT count(*) FROM users") == 1


async def test_of_ten_sign_ups_at_once_one_wins(database: Database) -> None:
    new_user = await signing_up.prepare(**GOOD)
    results = await asyncio.gather(*(signing_up.insert(database, new_user) for _ in range(10)), return_exceptions=True)
    assert sum(isinstance(result, User) for result in results) == 1
    assert sum(isinstance(result, EmailTaken) for result in results) == 9


async def test_a_taken_address_leaves_the_callers_transaction_usable(database: Database) -> None:
    new_user = await signing_up.prepare(**GOOD)
    await signing_up.insert(database, new_user)
    async with database.transaction() as connection:
        with pytest.raises(EmailTaken):
            await signing_up.insert(connection, new_user)
        assert await connection.fetchval("SELECT 1") == 1


async def test_a_rolled_back_sign_up_leaves_no_user(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as connection:
            await sign_up(connection, **GOOD)
            raise ZeroDivisionError
    assert await database.fetchval("SELECT count(*) FROM users") == 0


async def test_a_new_user_is_found_by_id_and_by_address(database: Database) -> None:
    user = await sign_up(database, **GOOD)
    assert user.email == "Anna@Example.com"
    assert (user.kind, user.plan, user.email_verified, user.disabled_at) == ("person", "free", False, None)
    assert await user_by_id(database, user.id) == user
    assert await user_by_email(database, " anna@EXAMPLE.com") == user


@pytest.mark.parametrize("text", ["user_", "nobody", "user_\x00", "user_01kq3v0000000000000000000a", "\ud800"])
async def test_who_is_not_there_is_not_found(database: Database, text: str) -> None:
    with pytest.raises(UnknownUser):
        await user_by_id(database, text)
    with pytest.raises(UnknownUser):
        await user_by_email(database, f"{text}@example.com")


async def test_neither_password_nor_address_shows_where_it_could_be_logged(
    database: Database, db: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    user = await sign_up(database, **GOOD)
    stored = await db.fetchval("SELECT password_hash FROM users")
    assert stored.startswith("$argon2id$")
    shown = repr(user) + repr(await signing_up.prepare(**GOOD))
    assert "Anna" not in shown
    assert "argon2" not in shown

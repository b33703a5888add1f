"""Making, listing and revoking API keys."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from namaskah.accounts import api_keys
from namaskah.accounts.disable import disable
from namaskah.accounts.errors import (
    AccountDisabled,
    InvalidApiKeySettings,
    ReasonMissing,
    TooManyApiKeys,
    UnknownApiKey,
    UnknownUser,
)
from namaskah.accounts.key_format import digest_of, is_well_formed
from namaskah.core.db import Database

AUDIT = "SELECT actor_id, action, target, reason FROM audit_log ORDER BY id"


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("name", {"name": "  "}),
        ("name", {"name": "x" * 101}),
        ("name", {"name": "a\x00b"}),
        ("name", {"name": "a\ud800b"}),
        ("daily_spend_cap", {"daily_spend_cap_micros": 0}),
        ("daily_spend_cap", {"daily_spend_cap_micros": -1}),
        ("daily_spend_cap", {"daily_spend_cap_micros": 10**30}),
        ("expires_at", {"expires_at": datetime(2020, 1, 1, tzinfo=UTC)}),
        ("expires_at", {"expires_at": datetime(2999, 1, 1)}),  # noqa: DTZ001
    ],
)
async def test_settings_that_make_no_sense_are_refused_with_their_field(
    database: Database, new_user: Any, field: str, values: dict[str, Any]
) -> None:
    user = await new_user()
    with pytest.raises(InvalidApiKeySettings) as caught:
        await api_keys.create(database, **{"user_id": user.id, "livemode": True, "name": "server", **values})
    assert caught.value.fields[0].name == field
    assert await api_keys.list_keys(database, user_id=user.id) == []


async def test_there_is_no_key_for_who_does_not_exist_or_is_disabled(database: Database, new_user: Any) -> None:
    with pytest.raises(UnknownUser):
        await api_keys.create(database, user_id="user_\x00", livemode=True, name="server")
    user = await new_user()
    await disable(database, user_id=user.id, actor_id="operator", reason="abuse")
    with pytest.raises(AccountDisabled):
        await api_keys.create(database, user_id=user.id, livemode=True, name="server")


async def test_of_twenty_keys_made_at_once_the_plan_allows_five_of_each_kind(database: Database, new_user: Any) -> None:
    user = await new_user()
    tries = [api_keys.create(database, user_id=user.id, livemode=n % 2 == 0, name="server") for n in range(20)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(result, TooManyApiKeys) for result in results) == 10
    keys = await api_keys.list_keys(database, user_id=user.id)
    assert [sum(key.livemode for key in keys), len(keys)] == [5, 10]


async def test_a_revoked_and_an_expired_key_make_room(database: Database, new_user: Any, db: Any) -> None:
    user = await new_user()
    made = [await api_keys.create(database, user_id=user.id, livemode=True, name="server") for _ in range(5)]
    await api_keys.revoke(database, user_id=user.id, key_id=made[0][0].id)
    await db.execute("UPDATE api_keys SET expires_at = now() WHERE id = $1", made[1][0].id)
    for _ in range(2):
        await api_keys.create(database, user_id=user.id, livemode=True, name="server")
    with pytest.raises(TooManyApiKeys):
        await api_keys.create(database, user_id=user.id, livemode=True, name="server")


async def test_a_key_is_shown_once_and_stored_as_its_digest(database: Database, new_user: Any) -> None:
    user = await new_user()
    ends = datetime.now(UTC) + timedelta(days=1)
    key, secret = await api_keys.create(
        database,
        user_id=user.id,
        livemode=False,
        name=" CI ",
        daily_spend_cap_micros=5_000_000,
        expires_at=ends,
    )
    assert is_well_formed(secret)
    assert (key.name, key.livemode, key.daily_spend_cap_micros, key.expires_at) == (
        "CI",
        False,
        5_000_000,
        ends,
    )
    row = await database.fetchrow("SELECT * FROM api_keys")
    assert row["hash"] == digest_of(secret)
    assert secret not in str(tuple(row))
    assert key.hint == secret[:13] + "…"
    assert await api_keys.list_keys(database, user_id=user.id) == [key]
    assert await database.fetch(AUDIT) == []


@pytest.mark.parametrize("key_id", ["", "key_", "key_\x00", "\ud800", "key_01kq3v0000000000000000000a"])
async def test_a_key_that_does_not_exist_cannot_be_revoked(database: Database, new_user: Any, key_id: str) -> None:
    user = await new_user()
    with pytest.raises(UnknownApiKey):
        await api_keys.revoke(database, user_id=user.id, key_id=key_id)


async def test_nobody_revokes_or_sees_the_key_of_another(database: Database, new_user: Any) -> None:
    owner, other = await new_user(), await new_user()
    key, _secret = await api_keys.create(database, user_id=owner.id, livemode=True, name="server")
    with pytest.raises(UnknownApiKey):
        await api_keys.revoke(database, user_id=other.id, key_id=key.id)
    assert await api_keys.list_keys(database, user_id=other.id, with_revoked=True) == []
    assert await api_keys.list_keys(database, user_id=owner.id) == [key]


async def test_a_key_is_revoked_once_and_for_good(database: Database, new_user: Any) -> None:
    user = await new_user()
    key, _secret = await api_keys.create(database, user_id=user.id, livemode=True, name="server")
    await api_keys.revoke(database, user_id=user.id, key_id=key.id)
    [revoked] = await api_keys.list_keys(database, user_id=user.id, with_revoked=True)
    await api_keys.revoke(database, user_id=user.id, key_id=key.id)
    assert await api_keys.list_keys(database, user_id=user.id, with_revoked=True) == [revoked]
    assert revoked.revoked_at is not None
    assert await api_keys.list_keys(database, user_id=user.id) == []


async def test_what_an_operator_does_is_in_the_audit_log(database: Database, new_user: Any) -> None:
    user = await new_user()
    by = {"actor_id": "operator", "reason": " asked by mail "}
    with pytest.raises(ReasonMissing):
        await api_keys.create(database, user_id=user.id, livemode=True, name="server", actor_id="operator")
    key, _secret = await api_keys.create(database, user_id=user.id, livemode=True, name="server", **by)
    with pytest.raises(ReasonMissing):
        await api_keys.revoke(database, user_id=user.id, key_id=key.id, actor_id="operator")
    await api_keys.revoke(database, user_id=user.id, key_id=key.id, **by)
    await api_keys.revoke(database, user_id=user.id, key_id=key.id, **by)
    assert [tuple(row) for row in await database.fetch(AUDIT)] == [
        ("operator", "api_key.create", key.id, "asked by mail"),
        ("operator", "api_key.revoke", key.id, "asked by mail"),
    ]

"""Disabling an account."""

from typing import Any

import pytest

from namaskah.accounts.disable import disable
from namaskah.accounts.errors import ReasonMissing, UnknownUser
from namaskah.core.db import Database

AUDIT = "SELECT actor_id, action, target, reason FROM audit_log ORDER BY id"


@pytest.mark.parametrize("reason", ["", " \n"])
async def test_nobody_is_disabled_without_a_reason(database: Database, new_user: Any, reason: str) -> None:
    user = await new_user()
    with pytest.raises(ReasonMissing):
        await disable(database, user_id=user.id, actor_id="operator", reason=reason)
    assert await database.fetchval("SELECT disabled_at FROM users") is None


@pytest.mark.parametrize("user_id", ["user_01kq3v0000000000000000000a", "user_\x00", ""])
async def test_nobody_can_disable_who_does_not_exist(database: Database, user_id: str) -> None:
    with pytest.raises(UnknownUser):
        await disable(database, user_id=user_id, actor_id="operator", reason="abuse")
    assert await database.fetch(AUDIT) == []


async def test_who_did_it_and_why_is_kept_once(database: Database, new_user: Any) -> None:
    user = await new_user()
    first = await disable(database, user_id=user.id, actor_id="operator_a", reason=" sold numbers ")
    again = await disable(database, user_id=user.id, actor_id="operator_b", reason="once more")
    assert first.disabled_at is not None
    assert again == first
    assert await database.fetchval("SELECT disabled_reason FROM users") == "sold numbers"
    assert [tuple(row) for row in await database.fetch(AUDIT)] == [("operator_a", "user.disable", user.id, "sold numbers")]

"""API keys: made, listed and revoked.

The key itself is shown once and never stored; `keyring.py` recognises it.
"""

from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from namaskah.accounts.errors import (
    AccountDisabled,
    InvalidApiKeySettings,
    ReasonMissing,
    TooManyApiKeys,
    UnknownApiKey,
    UnknownUser,
)
from namaskah.accounts.key_format import digest_of, hint_of, new_secret
from namaskah.core.db import Database, Db
from namaskah.core.errors import FieldError
from namaskah.core.ids import is_id, new_id

LONGEST_NAME: Final = 100
_LARGEST_CAP_MICROS: Final = 10**15

COLUMNS: Final = (
    "k.id, k.livemode, k.name, k.hint, k.daily_spend_cap_micros, k.created_at, k.last_used_at, k.expires_at, k.revoked_at"
)
# Locks the owner, so that two creations at once cannot both be the last one that the plan allows.
LOCK_OWNER: Final = """
SELECT u.disabled_at, p.api_keys AS allowed FROM users u JOIN plans p ON p.slug = u.plan
WHERE u.id = $1 FOR NO KEY UPDATE OF u
"""
COUNT: Final = """
SELECT count(*) FROM api_keys
WHERE user_id = $1 AND livemode = $2 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
"""
INSERT: Final = f"""
INSERT INTO api_keys AS k (id, user_id, livemode, name, hint, hash, daily_spend_cap_micros, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING {COLUMNS}
"""
NOTE: Final = "INSERT INTO audit_log (actor_id, action, target, reason) VALUES ($1, 'api_key.create', $2, $3)"

# The notification leaves with the commit: nobody asks the database again before it is true, and no crash can
# come between.
REVOKE: Final = """
WITH revoked AS (
    UPDATE api_keys SET revoked_at = now()
    WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL
    RETURNING id, hash
), noted AS (
    INSERT INTO audit_log (actor_id, action, target, reason)
    SELECT $3::text, 'api_key.revoke', id, $4::text FROM revoked WHERE $3::text IS NOT NULL
)
SELECT pg_notify('namaskah_keys', encode(hash, 'hex')) FROM revoked
"""
EXISTS: Final = "SELECT EXISTS (SELECT FROM api_keys WHERE id = $1 AND user_id = $2)"
LIST: Final = f"""
SELECT {COLUMNS} FROM api_keys k
WHERE k.user_id = $1 AND (k.revoked_at IS NULL OR $2)
ORDER BY k.created_at DESC, k.id DESC
"""


class ApiKey(msgspec.Struct, frozen=True):
    """What may be shown of a key: `hint` is its beginning; without a cap only the plan's limit holds."""

    id: str
    livemode: bool
    name: str
    hint: str
    daily_spend_cap_micros: int | None
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None


async def create(
    db: Database,
    *,
    user_id: str,
    livemode: bool,
    name: str,
    daily_spend_cap_micros: int | None = None,
    expires_at: datetime | None = None,
    actor_id: str | None = None,
    reason: str = "",
) -> tuple[ApiKey, str]:
    """Makes a key; answers it with the secret, which cannot be had again.

    An operator who does it for the user says so with `actor_id` and `reason`, which go to the audit log.
    Raises InvalidApiKeySettings, TooManyApiKeys (the plan's limit, for live and for test keys each),
    UnknownUser, AccountDisabled, and ReasonMissing.
    """
    name = _checked_name(name)
    _check_limits(daily_spend_cap_micros, expires_at)
    _check_operator(actor_id, reason)
    secret = new_secret(livemode=livemode)
    async with db.transaction() as connection:
        owner = await connection.fetchrow(LOCK_OWNER, user_id) if is_id(user_id, "user") else None
        if owner is None:
            raise UnknownUser()
        if owner["disabled_at"] is not None:
            raise AccountDisabled()
        if await connection.fetchval(COUNT, user_id, livemode) >= owner["allowed"]:
            raise TooManyApiKeys(f"The plan allows {owner['allowed']} API keys of this kind; revoke one first.")
        row = await connection.fetchrow(
            INSERT,
            *(new_id("key"), user_id, livemode, name, hint_of(secret), digest_of(secret)),
            *(daily_spend_cap_micros, expires_at),
        )
        if actor_id is not None:
            await connection.execute(NOTE, actor_id, row["id"], reason.strip())
    return _key_from(row), secret


async def revoke(db: Db, *, user_id: str, key_id: str, actor_id: str | None = None, reason: str = "") -> None:
    """Ends a key of this user for good; every process refuses it within a second. Doing it again is no error.

    An operator who does it for the user says so with `actor_id` and `reason`. Raises UnknownApiKey and
    ReasonMissing.
    """
    _check_operator(actor_id, reason)
    if not is_id(key_id, "key") or not is_id(user_id, "user"):
        raise UnknownApiKey()
    revoked = await db.fetch(REVOKE, key_id, user_id, actor_id, reason.strip())
    if not revoked and not await db.fetchval(EXISTS, key_id, user_id):
        raise UnknownApiKey()


async def list_keys(db: Db, *, user_id: str, with_revoked: bool = False) -> list[ApiKey]:
    """The user's keys, newest first; revoked ones only when asked for."""
    return [_key_from(row) for row in await db.fetch(LIST, user_id, with_revoked)]


def _key_from(row: Any) -> ApiKey:
    return ApiKey(*row)


def _checked_name(name: str) -> str:
    stripped = name.strip()
    if not 1 <= len(stripped) <= LONGEST_NAME:
        raise _refused("name", f"A key's name has 1 to {LONGEST_NAME} characters.")
    if not stripped.isprintable():
        raise _refused("name", "A key's name has no control characters or invisible characters.")
    return stripped


def _check_limits(daily_spend_cap_micros: int | None, expires_at: datetime | None) -> None:
    if daily_spend_cap_micros is not None and not 0 < daily_spend_cap_micros <= _LARGEST_CAP_MICROS:
        raise _refused("daily_spend_cap", "The daily cap must be more than nothing and at most 1,000,000,000.")
    if expires_at is not None and (expires_at.tzinfo is None or expires_at <= datetime.now(UTC)):
        raise _refused("expires_at", "The end must be in the future, with its time zone.")


def _check_operator(actor_id: str | None, reason: str) -> None:
    if actor_id is not None and not reason.strip():
        raise ReasonMissing()


def _refused(field: str, message: str) -> InvalidApiKeySettings:
    return InvalidApiKeySettings(message, fields=(FieldError(field, message),))

"""Disabling an account: its sessions end and its keys stop working, in every process, at once."""

from typing import Final

from namaskah.accounts.errors import ReasonMissing, UnknownUser
from namaskah.accounts.users import COLUMNS, User, user_from
from namaskah.core.db import Db
from namaskah.core.ids import is_id

# The notification leaves with the commit: nobody hears of it too early, and no crash can come between.
DISABLE: Final = f"""
WITH before AS (
    SELECT id, disabled_at FROM users WHERE id = $1 FOR NO KEY UPDATE
), changed AS (
    UPDATE users u SET
        disabled_at = coalesce(u.disabled_at, now()),
        disabled_reason = coalesce(u.disabled_reason, $3)
    FROM before WHERE u.id = before.id
    RETURNING {COLUMNS}, before.disabled_at IS NULL AS is_new
), signed_out AS (
    DELETE FROM sessions USING before WHERE sessions.user_id = before.id
), noted AS (
    INSERT INTO audit_log (actor_id, action, target, reason)
    SELECT $2, 'user.disable', id, $3 FROM changed WHERE is_new
)
SELECT *, pg_notify('namaskah_keys', id) FROM changed
"""


async def disable(db: Db, *, user_id: str, actor_id: str, reason: str) -> User:
    """Disables the user, with who did it and why in the audit log. Doing it again changes nothing.

    Raises ReasonMissing and UnknownUser.
    """
    if not reason.strip():
        raise ReasonMissing()
    row = await db.fetchrow(DISABLE, user_id, actor_id, reason.strip()) if is_id(user_id, "user") else None
    if row is None:
        raise UnknownUser()
    return user_from(row)

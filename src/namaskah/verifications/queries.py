"""Reading verifications. The acting account is an argument everywhere, so that nobody reads what is not theirs."""

from typing import Any

import msgspec

from namaskah.accounts.principal import Principal
from namaskah.core.crypto import Vault
from namaskah.core.cursor import moment_and_id, page_after
from namaskah.core.db import Db
from namaskah.verifications.errors import VerificationNotFound
from namaskah.verifications.shape import opened

_WITH_MESSAGES = "CASE WHEN v.message_count > 0 THEN messages_json(v.id) ELSE '[]' END"
_READ = (
    f"SELECT verification_json(v, {_WITH_MESSAGES}) FROM verifications v WHERE v.id = $1 AND v.user_id = $2 AND v.livemode = $3"
)
# The page's order is that of idx_verifications_user_created; the id decides between two of the same microsecond.
_HISTORY = f"""
SELECT v.id, v.created_at, verification_json(v, {_WITH_MESSAGES}) AS body
FROM verifications v
WHERE v.user_id = $1 AND v.livemode = $2
"""
_ORDER = " ORDER BY v.created_at DESC, v.id DESC LIMIT "
_STANDING = "SELECT status, message_count FROM verifications WHERE id = $1 AND user_id = $2 AND livemode = $3"


async def read(db: Db, *, principal: Principal, verification_id: str, vault: Vault) -> bytes:
    """The finished JSON of one verification. Raises VerificationNotFound, also for other people's."""
    stored = await db.fetchval(_READ, verification_id, principal.user_id, principal.livemode)
    if stored is None:
        raise VerificationNotFound()
    return opened(stored, vault)


async def standing(db: Db, *, principal: Principal, verification_id: str) -> tuple[str, int]:
    """Status and number of messages: what a long-poll waits to see change. Raises VerificationNotFound."""
    row: Any = await db.fetchrow(_STANDING, verification_id, principal.user_id, principal.livemode)
    if row is None:
        raise VerificationNotFound()
    return row["status"], row["message_count"]


async def history(
    db: Db, *, principal: Principal, status: str | None, service: str | None, limit: int, cursor: str | None, vault: Vault
) -> bytes:
    """A page of the account's verifications, newest first: `{"data": [...], "next_cursor": ...}`. Raises InvalidCursor."""
    arguments: list[Any] = [principal.user_id, principal.livemode]
    wishes = ""
    for column, wish in (("v.status", status), ("v.service", service)):
        if wish is not None:
            arguments.append(wish)
            wishes += f" AND {column} = ${len(arguments)}"
    if cursor is not None:
        arguments += moment_and_id(cursor)
        wishes += f" AND (v.created_at, v.id) < (${len(arguments) - 1}, ${len(arguments)})"
    # Only what is wished for stands in the statement, and the limit as a literal: the planner then knows the page is short.
    rows = await db.fetch(f"{_HISTORY}{wishes}{_ORDER}{int(limit) + 1}", *arguments)
    page = rows[:limit]
    following = None
    if len(rows) > limit:
        following = page_after(page[-1]["created_at"], page[-1]["id"])
    data = b",".join(opened(row["body"], vault) for row in page)
    return b'{"data":[' + data + b'],"next_cursor":' + msgspec.json.encode(following) + b"}"

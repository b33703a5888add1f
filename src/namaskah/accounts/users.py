"""The user as the rest of the code sees one, and the two ways to find one."""

from datetime import datetime
from typing import Any, Final

import msgspec

from namaskah.accounts.email_address import checked_email
from namaskah.accounts.errors import InvalidEmail, UnknownUser
from namaskah.core.db import Db
from namaskah.core.ids import is_id

# Every statement that answers a user selects these, in this order, with the table named u.
COLUMNS: Final = "u.id, u.kind, u.email, u.email_verified, u.plan, u.terms_version, u.created_at, u.disabled_at"

BY_ID: Final = f"SELECT {COLUMNS} FROM users u WHERE u.id = $1"
BY_EMAIL: Final = f"SELECT {COLUMNS} FROM users u WHERE lower(u.email) = lower($1)"


class User(msgspec.Struct, frozen=True):
    """A person, or an organisation. The password's hash is not here: only signing in reads it."""

    id: str
    kind: str
    email: str
    email_verified: bool
    plan: str
    terms_version: str
    created_at: datetime
    disabled_at: datetime | None

    def __repr__(self) -> str:
        """Without the e-mail address, which must not reach a log or a traceback."""
        return f"User({self.id})"


def user_from(row: Any) -> User:
    """The user of a row that begins with COLUMNS."""
    return User(*row[:8])


async def user_by_id(db: Db, user_id: str) -> User:
    """Raises UnknownUser."""
    row = await db.fetchrow(BY_ID, user_id) if is_id(user_id, "user") else None
    if row is None:
        raise UnknownUser()
    return user_from(row)


async def user_by_email(db: Db, email: str) -> User:
    """Finds by the address in any case of letters. Raises UnknownUser, also for what is no address at all."""
    try:
        address = checked_email(email)
    except InvalidEmail:
        raise UnknownUser() from None
    row = await db.fetchrow(BY_EMAIL, address)
    if row is None:
        raise UnknownUser()
    return user_from(row)

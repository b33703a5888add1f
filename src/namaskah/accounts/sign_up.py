"""Signing up: an e-mail address, a password, and the terms of acceptable use.

It comes in two steps, because hashing takes some 20 ms and must not keep a database connection or a
transaction open: `prepare` needs no database, `insert` is one short statement. `sign_up` is both.
"""

from typing import Final

import msgspec

from namaskah.accounts.email_address import checked_email
from namaskah.accounts.errors import EmailTaken, TermsNotAccepted
from namaskah.accounts.passwords import check_password, hash_password
from namaskah.accounts.users import COLUMNS, User, user_from
from namaskah.core.db import Db
from namaskah.core.errors import FieldError
from namaskah.core.ids import new_id

# The version of the text at /terms. It changes with the text, in the same commit.
CURRENT_TERMS_VERSION: Final = "2026-11-01"

# DO NOTHING instead of an error, because an error would end the transaction that the caller may be in.
INSERT_USER: Final = f"""
INSERT INTO users AS u (id, email, password_hash, terms_version, terms_accepted_at)
VALUES ($1, $2, $3, $4, now())
ON CONFLICT (lower(email)) DO NOTHING
RETURNING {COLUMNS}
"""


class NewUser(msgspec.Struct, frozen=True):
    """A checked sign-up that is ready to be written."""

    email: str
    password_hash: str
    terms_version: str

    def __repr__(self) -> str:
        """Without anything personal."""
        return "NewUser()"


async def sign_up(
    db: Db,
    *,
    email: str,
    password: str,
    terms_version: str,
    current_terms_version: str = CURRENT_TERMS_VERSION,
) -> User:
    """Checks and writes a new user.

    Raises InvalidEmail, WeakPassword, TermsNotAccepted, SignInBusy and EmailTaken.
    """
    new_user = await prepare(
        email=email,
        password=password,
        terms_version=terms_version,
        current_terms_version=current_terms_version,
    )
    return await insert(db, new_user)


async def prepare(
    *, email: str, password: str, terms_version: str, current_terms_version: str = CURRENT_TERMS_VERSION
) -> NewUser:
    """All that needs no database. Raises InvalidEmail, WeakPassword, TermsNotAccepted and SignInBusy."""
    address = checked_email(email)
    if terms_version != current_terms_version:
        message = f"The terms of acceptable use, version {current_terms_version}, must be accepted."
        raise TermsNotAccepted(message, fields=(FieldError("terms_version", message),))
    check_password(password, email=address)
    return NewUser(address, await hash_password(password), terms_version)


async def insert(db: Db, new_user: NewUser) -> User:
    """Writes the user. Raises EmailTaken; the caller's transaction stays usable."""
    row = await db.fetchrow(INSERT_USER, new_id("user"), new_user.email, new_user.password_hash, new_user.terms_version)
    if row is None:
        message = "There is an account with this e-mail address already; sign in instead."
        raise EmailTaken(message, fields=(FieldError("email", message),))
    return user_from(row)

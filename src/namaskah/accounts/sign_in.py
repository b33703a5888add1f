"""Signing in with e-mail and password.

Neither the text nor the time of a refusal tells whether the account exists: unknown addresses are counted,
hashed and refused exactly like wrong passwords.
"""

import contextlib
from typing import Final

import structlog

from namaskah.accounts import sign_in_limits
from namaskah.accounts.email_address import checked_email
from namaskah.accounts.errors import AccountDisabled, InvalidEmail, SignInBusy, WrongCredentials
from namaskah.accounts.passwords import hash_password, is_outdated, refuse_when_busy, verify_password
from namaskah.accounts.sessions import SESSION_DAYS, open_session
from namaskah.accounts.users import COLUMNS, User, user_from
from namaskah.core import metrics
from namaskah.core.db import Db
from namaskah.core.errors import NamaskahError

WITH_HASH: Final = f"SELECT {COLUMNS}, u.password_hash FROM users u WHERE lower(u.email) = lower($1)"
# Only if nobody changed the password meanwhile.
RENEW_HASH: Final = "UPDATE users SET password_hash = $2 WHERE id = $1 AND password_hash = $3"
_log = structlog.get_logger()


async def sign_in(
    db: Db, *, email: str, password: str, address: str, user_agent: str, session_days: int = SESSION_DAYS
) -> tuple[User, str]:
    """The user and the new session's token for the cookie; `address` is the client's, for the limits only.

    Raises WrongCredentials; TooManySignIns (with `retry_after` in seconds); SignInBusy; and AccountDisabled,
    which only the owner of the right password ever sees.
    """
    try:
        signed_in = await _checked(db, email, password, address, user_agent, session_days)
    except NamaskahError as refusal:
        metrics.SIGN_INS.labels(refusal.code).inc()
        raise
    metrics.SIGN_INS.labels("ok").inc()
    return signed_in


async def _checked(db: Db, email: str, password: str, address: str, user_agent: str, session_days: int) -> tuple[User, str]:
    refuse_when_busy()
    try:
        typed = checked_email(email)
    except InvalidEmail:
        typed = ""
    attempt = await sign_in_limits.count_attempt(db, email=typed, address=address)
    row = await db.fetchrow(WITH_HASH, typed)
    stored: str | None = None if row is None else row["password_hash"]
    try:
        right = await verify_password(stored, password)
    except SignInBusy:
        await sign_in_limits.take_back(db, attempt)
        raise
    if row is None or stored is None or not right:
        _log.info("sign_in_refused", user_id=None if row is None else row["id"])
        raise WrongCredentials()
    await sign_in_limits.take_back(db, attempt)
    user = user_from(row)
    if user.disabled_at is not None:
        raise AccountDisabled()
    if is_outdated(stored):
        # When too many wait, the next sign-in renews it: this one was right.
        with contextlib.suppress(SignInBusy):
            await db.execute(RENEW_HASH, user.id, await hash_password(password), stored)
    token = await open_session(db, user_id=user.id, user_agent=user_agent, days=session_days)
    _log.info("signed_in", user_id=user.id)
    return user, token

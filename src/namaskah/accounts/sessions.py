"""Sessions of the browser: a random token in a cookie, and its SHA-256 in the table.

A session ends when it was not used for IDLE_DAYS, at its absolute end in any case, when its user signs out,
and when its user is disabled.
"""

import hashlib
import secrets
from datetime import timedelta
from typing import Final

from namaskah.accounts.users import COLUMNS, User, user_from
from namaskah.core.db import Db

SESSION_DAYS: Final = 30
IDLE_DAYS: Final = 14
_TOKEN_BYTES: Final = 32
_TOKEN_LENGTH: Final = 43
_LONGEST_USER_AGENT: Final = 300

OPEN: Final = """
INSERT INTO sessions (token_hash, user_id, user_agent, expires_at)
VALUES ($1, $2, $3, now() + $4::interval)
"""

# The UPDATE finds nothing to do for a minute after it did something, so that most requests only read.
USER_OF: Final = f"""
WITH live AS (
    SELECT token_hash, user_id, last_seen_at FROM sessions
    WHERE token_hash = $1 AND expires_at > now() AND last_seen_at > now() - $2::interval
), seen AS (
    UPDATE sessions s SET last_seen_at = now() FROM live
    WHERE s.token_hash = live.token_hash
      AND live.last_seen_at < now() - interval '1 minute' AND s.last_seen_at < now() - interval '1 minute'
)
SELECT {COLUMNS} FROM live JOIN users u ON u.id = live.user_id WHERE u.disabled_at IS NULL
"""

SIGN_OUT: Final = "DELETE FROM sessions WHERE token_hash = $1"
SIGN_OUT_EVERYWHERE: Final = """
WITH gone AS (DELETE FROM sessions WHERE user_id = $1 AND token_hash IS DISTINCT FROM $2 RETURNING 1)
SELECT count(*) FROM gone
"""


async def open_session(db: Db, *, user_id: str, user_agent: str, days: int = SESSION_DAYS) -> str:
    """Opens a session of at most `days`; answers the new token for the cookie (256 random bits)."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    # What browsers send here is anyone's text: only what is printable is kept.
    agent = "".join(character for character in user_agent[:_LONGEST_USER_AGENT] if character.isprintable())
    await db.execute(OPEN, _hash(token), user_id, agent, timedelta(days=days))
    return token


async def user_of(db: Db, token: str) -> User | None:
    """The user whose session this is, or None. Notes that the session is in use, at most once a minute."""
    if not _could_be_token(token):
        return None
    row = await db.fetchrow(USER_OF, _hash(token), timedelta(days=IDLE_DAYS))
    return None if row is None else user_from(row)


async def sign_out(db: Db, token: str) -> None:
    """Ends this session. One that has ended already is no error."""
    if _could_be_token(token):
        await db.execute(SIGN_OUT, _hash(token))


async def sign_out_everywhere(db: Db, user_id: str, *, keep: str | None = None) -> int:
    """Ends all sessions of the user, but for the one of the token `keep`; answers how many that were."""
    kept = _hash(keep) if keep is not None and _could_be_token(keep) else None
    return int(await db.fetchval(SIGN_OUT_EVERYWHERE, user_id, kept))


def _could_be_token(token: str) -> bool:
    """Spares the database what is certainly none of our tokens, and itself text that cannot be encoded."""
    return len(token) == _TOKEN_LENGTH and token.isascii()


def _hash(token: str) -> bytes:
    # No constant-time comparison is needed: timing the look-up tells about a hash that cannot be turned back.
    return hashlib.sha256(token.encode("ascii")).digest()

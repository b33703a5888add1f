"""How often signing in may fail: ten times in five minutes for an account, and as often for an address.

An attempt is counted before the password is looked at and taken back when it was right, so that a hundred
guesses at once are not a hundred guesses. Attempts that are turned away do not count, so nobody is locked out
for longer than six minutes after the last real guess. Accounts that do not exist are limited in the same way.
"""

import ipaddress
from datetime import datetime
from typing import Any, Final

from namaskah.accounts.errors import TooManySignIns
from namaskah.core.db import Db

FAILURES: Final = 10
# Whole minutes are counted, so a minute more keeps the last of its failures for the full five.
WINDOW_SECONDS: Final = 5 * 60 + 60

# The minutes of the window are added up. The current minute's row is locked and read anew by DO UPDATE, so
# that concurrent attempts cannot pass together. Subjects in order of their hash: two attempts never wait for
# each other.
COUNT: Final = f"""
WITH subjects AS (
    SELECT sha256(convert_to('account:' || lower($1::text), 'UTF8')) AS hash
    UNION ALL SELECT sha256(convert_to('address:' || $2::text, 'UTF8'))
), earlier AS (
    SELECT s.hash, coalesce(sum(a.failures), 0) AS failures
    FROM subjects s LEFT JOIN sign_in_attempts a ON a.subject_hash = s.hash
        AND a.window_start > now() - interval '{WINDOW_SECONDS} seconds'
        AND a.window_start < date_trunc('minute', now())
    GROUP BY s.hash
)
INSERT INTO sign_in_attempts AS a (subject_hash, window_start, failures)
SELECT hash, date_trunc('minute', now()), 1 FROM earlier WHERE failures < {FAILURES} ORDER BY hash
ON CONFLICT (subject_hash, window_start) DO UPDATE SET failures = a.failures + 1
    WHERE a.failures + (SELECT e.failures FROM earlier e WHERE e.hash = a.subject_hash) < {FAILURES}
RETURNING a.subject_hash, a.window_start
"""

# The locked rows say how many failures there are now; the statement's own snapshot may be older.
TAKE_BACK: Final = """
WITH mine AS MATERIALIZED (
    SELECT a.subject_hash, a.window_start, a.failures FROM sign_in_attempts a
    JOIN unnest($1::bytea[], $2::timestamptz[]) AS counted (subject_hash, window_start)
        USING (subject_hash, window_start)
    ORDER BY a.subject_hash FOR UPDATE OF a
), emptied AS (
    DELETE FROM sign_in_attempts a USING mine
    WHERE (a.subject_hash, a.window_start) = (mine.subject_hash, mine.window_start) AND mine.failures = 1
)
UPDATE sign_in_attempts a SET failures = a.failures - 1 FROM mine
WHERE (a.subject_hash, a.window_start) = (mine.subject_hash, mine.window_start) AND mine.failures > 1
"""

# When the oldest counted minute leaves the window, for whichever of the two is full.
SECONDS_UNTIL_FREE: Final = f"""
SELECT coalesce(max(wait), 1) FROM (
    SELECT extract(epoch FROM min(window_start) + interval '{WINDOW_SECONDS} seconds' - now()) AS wait
    FROM sign_in_attempts
    WHERE subject_hash IN (
        sha256(convert_to('account:' || lower($1::text), 'UTF8')),
        sha256(convert_to('address:' || $2::text, 'UTF8'))
    ) AND window_start > now() - interval '{WINDOW_SECONDS} seconds'
    GROUP BY subject_hash HAVING sum(failures) >= {FAILURES}
) AS full_ones
"""


class Attempt:
    """A counted attempt, which is to be taken back when the password was right."""

    def __init__(self, rows: Any) -> None:
        self.subjects: list[bytes] = [row[0] for row in rows]
        self.minutes: list[datetime] = [row[1] for row in rows]


async def count_attempt(db: Db, *, email: str, address: str) -> Attempt:
    """Counts it for account and address. Raises TooManySignIns, and then counts nothing."""
    network = _network(address)
    attempt = Attempt(await db.fetch(COUNT, email, network))
    if len(attempt.subjects) == 2:
        return attempt
    if attempt.subjects:
        await take_back(db, attempt)
    wait = float(await db.fetchval(SECONDS_UNTIL_FREE, email, network))
    raise TooManySignIns(retry_after=max(1.0, wait))


async def take_back(db: Db, attempt: Attempt) -> None:
    """Forgets a counted attempt: it was no guess."""
    await db.execute(TAKE_BACK, attempt.subjects, attempt.minutes)


def _network(address: str) -> str:
    """What one client holds: an IPv4 address, or the first half of an IPv6 one."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "".join(character for character in address[:64] if character.isprintable())
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(found) >> 64 << 64, 64)))

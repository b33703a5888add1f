"""Notices a secret key that is not the database's: with it nothing that was encrypted before could be read again."""

from namaskah.core.crypto import Vault
from namaskah.core.db import Db

# The first process writes what the key makes of a fixed word; everyone compares. A keyed hash tells nothing of the key.
_MARK = """
WITH marked AS (
    INSERT INTO schema_state VALUES ('secret_key_mark', $1) ON CONFLICT (name) DO NOTHING RETURNING value
)
SELECT value FROM marked UNION ALL SELECT value FROM schema_state WHERE name = 'secret_key_mark' LIMIT 1
"""


class WrongSecretKey(Exception):
    """The database was used with another NAMASKAH_SECRET_KEY; start with that one, or the old texts stay closed."""


async def check_key(db: Db, vault: Vault) -> None:
    """Raises WrongSecretKey when the database's texts and secrets were encrypted with another key."""
    mark = vault.keyed_hash("namaskah secret key mark").hex()
    found = await db.fetchval(_MARK, mark)
    if found is None:
        # Another process wrote it after this statement had begun: there, but not yet to be seen by it.
        found = await db.fetchval(_MARK, mark)
    if found != mark:
        raise WrongSecretKey((WrongSecretKey.__doc__ or "").strip())

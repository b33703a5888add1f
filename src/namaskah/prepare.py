"""Brings a database to this release's state: schema, functions, grants, catalogue."""

from namaskah.catalog.load import load_catalogue
from namaskah.core.crypto import Vault
from namaskah.core.db import Database
from namaskah.core.key_check import check_key
from namaskah.core.migrate import migrate
from namaskah.providers.sandbox import SANDBOX_SERVICES


async def prepare_database(url: str, *, vault: Vault | None = None) -> None:
    """Migrates and loads the catalogue. Costs two short connections when everything is there already.

    With a vault it raises WrongSecretKey when the database was used with another key.
    """
    await migrate(url)
    db = await Database.open(url, max_size=1, role=None)
    try:
        await load_catalogue(db, sandbox_services=SANDBOX_SERVICES)
        if vault is not None:
            await check_key(db, vault)
    finally:
        await db.close()

"""The demo user of development: money, numbers to buy, and a test key, so that the first command already
works.

What it is told by is kept in the data folder (`demo.json`, mode 0600) before the database hears of it: a
start that was interrupted is completed by the next one, and later starts can print it again.
"""

import json
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Final

from namaskah.core.db import Database

if TYPE_CHECKING:
    from namaskah.core.settings import Settings

EMAIL: Final = "demo@namaskah.test"
CREDIT_MICROS: Final = 20_000_000
SOURCE: Final = "demo"
NUMBERS: Final = 200
# Countries with ranges of their own; the ranges of the others are too small for their share of the numbers.
COUNTRIES: Final = ("us", "gb", "fr", "ca")

STATE: Final = """
SELECT (SELECT id FROM users WHERE lower(email) = $1) AS user_id,
       EXISTS (SELECT FROM transactions t JOIN users u ON u.id = t.user_id
               WHERE lower(u.email) = $1 AND t.livemode AND t.reason = 'demo') AS credited,
       EXISTS (SELECT FROM api_keys k JOIN users u ON u.id = k.user_id
               WHERE lower(u.email) = $1 AND k.id = $2 AND k.revoked_at IS NULL) AS has_key,
       (SELECT id FROM number_sources WHERE name = $3) AS source_id,
       (SELECT count(*) FROM numbers n JOIN number_sources s ON s.id = n.source_id
        WHERE s.name = $3) AS numbers
"""


async def demo_account(settings: "Settings", url: str) -> dict[str, str] | None:
    """The demo user's e-mail, password and test key; makes what is missing.

    None when there is such a user whose password is not known here, as on a shared database.
    """
    file = settings.data_dir / "demo.json"
    facts: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    db = await Database.open(url, max_size=1)
    try:
        state = await db.fetchrow(STATE, EMAIL, facts.get("test_key_id", ""), SOURCE)
        if state["user_id"] is not None and "password" not in facts:
            return None
        facts.setdefault("password", secrets.token_urlsafe(12))
        facts["email"] = EMAIL
        _keep(file, facts)
        user_id = state["user_id"] or await _register(db, facts["password"])
        if not state["credited"]:
            await _credit(db, user_id)
        if state["numbers"] < NUMBERS:
            await _stock(db, settings, state["source_id"])
        if not state["has_key"]:
            await _make_key(db, user_id, facts)
            _keep(file, facts)
    finally:
        await db.close()
    return {name: facts[name] for name in ("email", "password", "test_key")}


def _keep(file: Path, facts: dict[str, str]) -> None:
    """Writes the file as a whole or not at all, readable by its owner only."""
    file.parent.mkdir(parents=True, exist_ok=True)
    begun = file.with_suffix(".begun")
    begun.unlink(missing_ok=True)
    with os.fdopen(os.open(begun, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        json.dump(facts, opened)
    begun.rename(file)


async def _register(db: Database, password: str) -> str:
    from namaskah.accounts.sign_up import CURRENT_TERMS_VERSION
    from namaskah.wallet.register import register

    user = await register(db, email=EMAIL, password=password, terms_version=CURRENT_TERMS_VERSION)
    return user.id


async def _credit(db: Database, user_id: str) -> None:
    from namaskah.wallet.adjust import credit

    await credit(db, user_id=user_id, amount_micros=CREDIT_MICROS, reason="demo", actor_id="system")


async def _make_key(db: Database, user_id: str, facts: dict[str, str]) -> None:
    from namaskah.accounts.api_keys import create

    key, secret = await create(db, user_id=user_id, livemode=False, name="demo")
    facts["test_key"], facts["test_key_id"] = secret, key.id


async def _stock(db: Database, settings: "Settings", source_id: str | None) -> None:
    """Numbers that reach nobody; their messages come by the source's signed webhook, as real ones do."""
    from namaskah.core.crypto import Vault
    from namaskah.providers.inventory import NewNumber, add_numbers, create_source
    from namaskah.providers.number_fiction import fiction_number

    if source_id is None:
        vault = Vault(settings.key_bytes)
        source, _secret = await create_source(db, name=SOURCE, vault=vault, actor_id="system")
        source_id = source.id
    share = NUMBERS // len(COUNTRIES)
    new = [NewNumber(fiction_number(country, seed), country) for country in COUNTRIES for seed in range(share)]
    await add_numbers(db, source_id=source_id, numbers=new)

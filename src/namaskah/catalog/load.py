"""Puts the catalogue that ships with this release (the CSV files in `data/`) into the database.

What an operator has changed stays: a stopped service, an opened one, a base price, and every price of a country.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol

import msgspec

from namaskah.catalog.read_data import read_blocked_senders, read_countries, read_plans, read_services
from namaskah.core.db import Db

SANDBOX_CATEGORY: Final = "test"
SANDBOX_PRICE_MICROS: Final = 500_000


class SandboxService(Protocol):
    """A service of the test mode, as the sandbox provider names it."""

    @property
    def slug(self) -> str: ...

    @property
    def name(self) -> str: ...


LOADED: Final = "SELECT value FROM schema_state WHERE name = 'catalogue'"

# One statement, so that nobody sees half a catalogue. Rows in order, so that two processes wait for each other instead
# of locking each other out. Senders are remembered as they were loaded: one that left the file leaves the table as well,
# while one that an operator has added stays.
LOAD: Final = """
WITH given_services AS (
    SELECT * FROM jsonb_to_recordset($1::jsonb) AS g (slug text, name text, category text, blocked boolean,
        base_price_micros bigint, popularity integer, keywords text, sandbox boolean)
), loaded_services AS (
    INSERT INTO services AS s (slug, name, category, blocked, base_price_micros, popularity, keywords, sandbox)
    SELECT slug, name, category, blocked, base_price_micros, popularity, keywords, sandbox FROM given_services ORDER BY slug
    ON CONFLICT (slug) DO UPDATE SET name = excluded.name, category = excluded.category, popularity = excluded.popularity,
        keywords = excluded.keywords, sandbox = excluded.sandbox,
        blocked = excluded.blocked AND s.opened_at IS NULL,
        base_price_micros = CASE WHEN s.base_price_set_at IS NULL THEN excluded.base_price_micros ELSE s.base_price_micros END
), loaded_countries AS (
    INSERT INTO countries (code, name, dial, price_factor_bp)
    SELECT code, name, dial, price_factor_bp
    FROM jsonb_to_recordset($2::jsonb) AS g (code text, name text, dial text, price_factor_bp integer) ORDER BY code
    ON CONFLICT (code) DO UPDATE SET name = excluded.name, dial = excluded.dial, price_factor_bp = excluded.price_factor_bp
), loaded_plans AS (
    INSERT INTO plans (slug, name, monthly_price_micros, discount_bp, max_concurrent, max_per_hour, daily_spend_micros,
        api_keys, min_delivery_bp)
    SELECT slug, name, monthly_price_micros, discount_bp, max_concurrent, max_per_hour, daily_spend_micros, api_keys,
        min_delivery_bp
    FROM jsonb_to_recordset($3::jsonb) AS g (slug text, name text, monthly_price_micros bigint, discount_bp integer,
        max_concurrent integer, max_per_hour integer, daily_spend_micros bigint, api_keys integer, min_delivery_bp integer)
    ORDER BY slug
    ON CONFLICT (slug) DO UPDATE SET name = excluded.name, monthly_price_micros = excluded.monthly_price_micros,
        discount_bp = excluded.discount_bp, max_concurrent = excluded.max_concurrent, max_per_hour = excluded.max_per_hour,
        daily_spend_micros = excluded.daily_spend_micros, api_keys = excluded.api_keys,
        min_delivery_bp = excluded.min_delivery_bp
), given_senders AS (
    SELECT * FROM jsonb_to_recordset($4::jsonb) AS g (pattern text, category text, reason text)
), loaded_senders AS (
    INSERT INTO blocked_senders (pattern, category, reason)
    SELECT pattern, category, reason FROM given_senders ORDER BY pattern
    ON CONFLICT (pattern) DO UPDATE SET category = excluded.category, reason = excluded.reason
), withdrawn_senders AS (
    DELETE FROM blocked_senders b USING schema_state st
    WHERE st.name = 'catalogue_senders' AND st.value::jsonb ? b.pattern
      AND NOT EXISTS (SELECT FROM given_senders g WHERE g.pattern = b.pattern)
), noted AS (
    INSERT INTO schema_state (name, value)
    VALUES ('catalogue', $5), ('catalogue_senders', (SELECT jsonb_agg(pattern)::text FROM given_senders))
    ON CONFLICT (name) DO UPDATE SET value = excluded.value
)
SELECT true
"""


async def load_catalogue(db: Db, *, sandbox_services: Iterable[SandboxService] = ()) -> bool:
    """Brings services, countries, plans and withheld senders up to this release; answers whether anything was to do.

    When it was loaded before it costs one query. Raises CatalogueDataError when a file is malformed.
    """
    documents = _documents(sandbox_services)
    digest = hashlib.sha256(b"\0".join([LOAD.encode(), *documents])).hexdigest()
    if await db.fetchval(LOADED) == digest:
        return False
    await db.execute(LOAD, *(document.decode() for document in documents), digest)
    return True


def _documents(sandbox_services: Iterable[SandboxService]) -> list[bytes]:
    """What is to be in the four tables, as JSON."""
    services: list[dict[str, Any]] = [
        msgspec.to_builtins(service) | {"blocked": service.blocked, "keywords": "|".join(service.keywords), "sandbox": False}
        for service in read_services()
    ]
    services += [
        {
            "slug": service.slug, "name": service.name, "category": SANDBOX_CATEGORY, "blocked": False,
            "base_price_micros": SANDBOX_PRICE_MICROS, "popularity": place, "keywords": "", "sandbox": True,
        }
        for place, service in enumerate(sandbox_services, 1)
    ]  # fmt: skip
    tables: Sequence[Any] = (services, read_countries(), read_plans(), read_blocked_senders())
    return [msgspec.json.encode(table) for table in tables]

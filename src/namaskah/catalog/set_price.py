"""An operator sets a price by hand: a service's base price, or its price in one country (and for one mobile network)."""

from typing import Final

from namaskah.accounts.errors import ReasonMissing
from namaskah.catalog.errors import PriceOutOfRange, UnknownCountry, UnknownService
from namaskah.core.db import Db
from namaskah.core.money import text_from_micros

# A cent is still above zero after the largest discount; a verification costs something.
LOWEST_MICROS: Final = 10_000
HIGHEST_MICROS: Final = 1_000_000_000

SET_BASE: Final = """
WITH before AS (
    SELECT id, base_price_micros FROM services WHERE slug = $1 FOR UPDATE
), changed AS (
    UPDATE services s SET base_price_micros = $2, base_price_set_at = now() FROM before WHERE s.id = before.id
    RETURNING before.base_price_micros AS was
), noted AS (
    INSERT INTO audit_log (actor_id, action, target, reason, detail)
    SELECT $3, 'price.set', $1, $4, jsonb_build_object('base_price_micros', $2::bigint, 'was', was) FROM changed
)
SELECT was FROM changed
"""

SET_IN_COUNTRY: Final = """
WITH place AS (
    SELECT s.id, c.code
    FROM (SELECT id FROM services WHERE slug = $1) s FULL JOIN (SELECT code FROM countries WHERE code = $5) c ON true
), before AS (
    SELECT p.price_micros FROM prices p JOIN place ON p.service_id = place.id AND p.country = place.code WHERE p.operator = $6
), changed AS (
    INSERT INTO prices (service_id, country, operator, price_micros)
    SELECT id, code, $6, $2 FROM place WHERE id IS NOT NULL AND code IS NOT NULL
    ON CONFLICT (service_id, country, operator) DO UPDATE SET price_micros = excluded.price_micros, updated_at = now()
    RETURNING 1
), noted AS (
    INSERT INTO audit_log (actor_id, action, target, reason, detail)
    SELECT $3, 'price.set', $1, $4, jsonb_build_object('country', $5::text, 'operator', $6::text,
        'price_micros', $2::bigint, 'was', (SELECT price_micros FROM before)) FROM changed
)
SELECT id IS NOT NULL AS service_known, code IS NOT NULL AS country_known FROM place
"""


async def set_price(
    db: Db, *, service: str, price_micros: int, actor_id: str, reason: str, country: str | None = None, operator: str = ""
) -> None:
    """Sets what the service costs before a plan's discount; without a country its base price, which countries' factors multiply.

    A price for an operator goes before the country's. It holds for orders made from now on, and survives new catalogues.
    Raises UnknownService, UnknownCountry, PriceOutOfRange (0.01 to 1,000 USD), ReasonMissing.
    """
    if not reason.strip():
        raise ReasonMissing()
    if not LOWEST_MICROS <= price_micros <= HIGHEST_MICROS:
        raise PriceOutOfRange(f"{text_from_micros(price_micros)} USD is not between 0.01 and 1,000 USD.")
    if country is None:
        if operator:
            raise UnknownCountry("A price for one operator needs its country.")
        if await db.fetchrow(SET_BASE, service, price_micros, actor_id, reason.strip()) is None:
            raise UnknownService(f"There is no service {service!r}.")
        return
    row = await db.fetchrow(SET_IN_COUNTRY, service, price_micros, actor_id, reason.strip(), country, operator)
    if row is None or not row["service_known"]:
        raise UnknownService(f"There is no service {service!r}.")
    if not row["country_known"]:
        raise UnknownCountry(f"There is no country {country!r}.")

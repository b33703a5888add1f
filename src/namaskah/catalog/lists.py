"""The lists of services and countries as ready JSON: everything that is read at once, and one encoding for each plan.

The list with a customer's prices depends on the plan alone. `catalog/prices.py` keeps what is read here.
"""

import hashlib
from typing import Final

import asyncpg
import msgspec

from namaskah.core.cache import Coding, version_of
from namaskah.core.db import Database, DatabaseGone
from namaskah.core.money import Money, money

PLANS: Final = "SELECT slug FROM plans ORDER BY slug"
COUNTRIES: Final = "SELECT code, name, dial FROM countries ORDER BY name"

# The lowest price over what is in stock, else the base price. Discounts keep the order of prices, so the lowest list
# price is searched once and then discounted for every plan.
SERVICES: Final = """
WITH in_stock AS (
    SELECT s.id, k.country, k.operator
    FROM services s CROSS JOIN country_stock k
    LEFT JOIN offers o ON o.service_id = s.id AND o.country = k.country AND o.operator = k.operator AND o.provider = 'inventory'
    WHERE k.free > 0 AND NOT s.sandbox AND NOT s.blocked AND coalesce(o.stock, 1) > 0
    UNION ALL
    SELECT service_id, country, operator FROM offers WHERE provider <> 'inventory' AND stock > 0
), lowest AS (
    SELECT i.id, min(list_price_micros(coalesce(po.price_micros, pc.price_micros), s.base_price_micros, c.price_factor_bp))
               AS micros
    FROM in_stock i JOIN services s ON s.id = i.id JOIN countries c ON c.code = i.country
    LEFT JOIN prices po ON po.service_id = i.id AND po.country = i.country AND po.operator = i.operator
    LEFT JOIN prices pc ON pc.service_id = i.id AND pc.country = i.country AND pc.operator = ''
    GROUP BY i.id
)
SELECT s.slug, s.name, s.category, s.sandbox, s.stopped_at IS NULL AND (s.sandbox OR l.id IS NOT NULL) AS available,
       ARRAY(SELECT discounted_micros(coalesce(l.micros, list_price_micros(NULL, s.base_price_micros, 10000)), p.discount_bp)
             FROM unnest($1::text[]) WITH ORDINALITY AS wanted (slug, place) LEFT JOIN plans p ON p.slug = wanted.slug
             ORDER BY wanted.place) AS prices
FROM services s LEFT JOIN lowest l ON l.id = s.id
WHERE NOT s.blocked
ORDER BY s.popularity, s.slug
"""

Ready = tuple[bytes, str]
_Service = tuple[str, str, str, bool, bool, list[int]]
_Country = tuple[str, str, str]
# What lies in Redis: plans, services with a price for each, countries.
_Rows = tuple[list[str], list[_Service], list[_Country]]


class ServiceItem(msgspec.Struct, frozen=True):
    """A service as customers see it; `price_from` is the lowest price among its countries for this customer."""

    code: str
    name: str
    category: str
    price_from: Money
    available: bool


class CountryItem(msgspec.Struct, frozen=True):
    """A country; `dial` is its calling code without plus, empty where nobody can be called."""

    code: str
    name: str
    dial: str


class ServiceList(msgspec.Struct, frozen=True):
    """All services, those asked for most first."""

    data: list[ServiceItem]
    next_cursor: str | None = None


class CountryList(msgspec.Struct, frozen=True):
    """All countries by name."""

    data: list[CountryItem]
    next_cursor: str | None = None


class Lists:
    """What was read at one moment, and the JSON made of it so far."""

    def __init__(self, rows: _Rows) -> None:
        self.rows = rows
        plans, self._services, countries = rows
        self.ready: dict[tuple[str, bool], Ready] = {}
        self._places = {plan: place for place, plan in enumerate(plans)}
        self.country_codes = frozenset(code for code, _name, _dial in countries)
        self.countries = _ready(CountryList([CountryItem(*row) for row in countries]))

    def services(self, plan: str, livemode: bool) -> Ready | None:
        """The list for a plan; None when the plan was not there yet."""
        place = self._places.get(plan)
        if place is None:
            return None
        found = self.ready.get((plan, livemode))
        if found is None:
            items = [
                ServiceItem(slug, name, category, money(prices[place]), available)
                for slug, name, category, sandbox, available, prices in self._services
                if sandbox != livemode
            ]
            found = self.ready[plan, livemode] = _ready(ServiceList(items))
        return found


async def read_lists(db: Database) -> Lists:
    """Everything that is listed now. Raises DatabaseGone."""
    try:
        plans: list[str] = [row["slug"] for row in await db.fetch(PLANS)]
        services = await db.fetch(SERVICES, plans)
        countries = await db.fetch(COUNTRIES)
    except asyncpg.PostgresError as error:
        raise DatabaseGone("The catalogue cannot be read now.", retry_after=2) from error
    return Lists((plans, [tuple(row) for row in services], [tuple(row) for row in countries]))


def _ready(body: ServiceList | CountryList) -> Ready:
    encoded = msgspec.json.encode(body)
    return encoded, f'"{hashlib.sha256(encoded).hexdigest()[:24]}"'


_decode: Final = msgspec.msgpack.Decoder(_Rows).decode
LISTS: Final = Coding[Lists](
    version=version_of(PLANS, SERVICES, COUNTRIES, _Rows),
    encode=lambda lists: msgspec.msgpack.encode(lists.rows),
    decode=lambda raw: Lists(_decode(raw)),
)

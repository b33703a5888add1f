"""Reading what can be bought: offers, each a service in one country on one mobile network, with this customer's price.

Those of one service are read whole, with the prices of all plans, so that they can be remembered (`catalog/prices.py`).
"""

from typing import Any, Final

import msgspec

from namaskah.catalog.errors import UnknownCountry, UnknownService
from namaskah.core.cache import Coding, version_of
from namaskah.core.cursor import make_cursor, read_cursor
from namaskah.core.db import Db
from namaskah.core.money import Money, money

# Below that a rate says more about chance than about the offer.
ENOUGH_SAMPLES: Final = 20
# The sandbox never runs out.
SANDBOX_STOCK: Final = 1000

# Our own numbers are an offer of every service: where a service has no row of its own, the country's free numbers are
# its stock. Several providers of one place are one offer; its median is that of the provider with most samples.
_LIVE: Final = """
SELECT s.id, x.*
FROM services s CROSS JOIN LATERAL (
    SELECT e.country, e.operator, sum(e.stock)::integer AS stock, sum(e.sample_size)::integer AS sample_size,
           sum(e.delivered)::integer AS delivered,
           (array_agg(e.median_seconds ORDER BY e.sample_size DESC))[1] AS median_seconds
    FROM (
        SELECT k.country, k.operator COLLATE "C" AS operator, coalesce(o.stock, k.free) AS stock,
               coalesce(o.sample_size, 0) AS sample_size, coalesce(o.delivered, 0) AS delivered, o.median_seconds
        FROM country_stock k
        LEFT JOIN offers o ON o.service_id = s.id AND o.country = k.country AND o.operator = k.operator
            AND o.provider = 'inventory'
        UNION ALL
        SELECT o.country, o.operator, o.stock, o.sample_size, o.delivered, o.median_seconds
        FROM offers o WHERE o.service_id = s.id AND o.provider <> 'inventory'
    ) e
    GROUP BY e.country, e.operator
) x
WHERE NOT s.sandbox AND NOT s.blocked AND s.stopped_at IS NULL{wishes}
ORDER BY s.slug, x.country, x.operator
"""

_SANDBOX: Final = f"""
SELECT s.id, x.country, x.operator, {SANDBOX_STOCK} AS stock, 0 AS sample_size, 0 AS delivered, NULL::real AS median_seconds
FROM services s CROSS JOIN (SELECT code AS country, '' COLLATE "C" AS operator FROM countries) x
WHERE s.sandbox AND NOT s.blocked AND s.stopped_at IS NULL{{wishes}}
ORDER BY s.slug, x.country, x.operator
"""

# The price is asked for the page's rows alone.
_PAGE: Final = """
WITH page AS MATERIALIZED ({offers} LIMIT {limit})
SELECT s.slug, c.code, page.operator, price_micros(s, c, page.operator, p.discount_bp) AS price_micros,
       page.stock, page.sample_size, page.delivered, page.median_seconds
FROM page JOIN services s ON s.id = page.id JOIN countries c ON c.code = page.country
CROSS JOIN (SELECT discount_bp FROM users u JOIN plans ON plans.slug = u.plan WHERE u.id = $1) p
ORDER BY s.slug, c.code, page.operator
"""

# Of one service ($1), for every plan: the steps of price_micros, so that what the plans share is worked out once. A service
# without offers is one row of nulls, an unknown one none.
_OF_SERVICE: Final = """
WITH offered AS MATERIALIZED ({offers})
SELECT p.plans, c.code, o.operator, o.stock, o.sample_size, o.delivered, o.median_seconds,
       ARRAY(SELECT discounted_micros(l.micros, discount_bp)
             FROM unnest(p.discounts) WITH ORDINALITY AS d (discount_bp, place) ORDER BY place) AS prices
FROM services s
CROSS JOIN (SELECT array_agg(slug ORDER BY slug) AS plans, array_agg(discount_bp ORDER BY slug) AS discounts FROM plans) p
LEFT JOIN (offered o JOIN countries c ON c.code = o.country) ON o.id = s.id
LEFT JOIN prices po ON po.service_id = s.id AND po.country = o.country AND po.operator = o.operator
LEFT JOIN prices pc ON pc.service_id = s.id AND pc.country = o.country AND pc.operator = ''
CROSS JOIN LATERAL list_price_micros(coalesce(po.price_micros, pc.price_micros), s.base_price_micros, c.price_factor_bp)
    AS l (micros)
WHERE s.slug = $1
ORDER BY c.code, o.operator
"""

_KNOWN: Final = """
SELECT EXISTS (SELECT FROM services WHERE slug = $1) AS service_known,
       EXISTS (SELECT FROM countries WHERE code = $2) AS country_known
"""


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What can be bought. `operator` None is any mobile network. `delivery_rate` is the share of orders of the last seven
    days that received a code, `median_seconds` how long it took; both are None as long as there is not enough data."""

    service: str
    country: str
    operator: str | None
    price: Money
    stock: int
    delivery_rate: float | None
    sample_size: int
    median_seconds: float | None


class OfferPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of offers, and the cursor of the next one."""

    data: list[Offer]
    next_cursor: str | None


async def offers(
    db: Db, *, user_id: str, livemode: bool = True, service: str | None = None, country: str | None = None,
    limit: int = 100, cursor: str | None = None,
) -> OfferPage:  # fmt: skip
    """The offers in the order of service, country and operator, at this customer's prices; in test mode the sandbox's.

    Blocked and stopped services have none. Raises InvalidCursor, UnknownService and UnknownCountry.
    """
    arguments: list[Any] = [user_id]
    wishes = ""
    for column, wish in (("s.slug", service), ("x.country", country)):
        if wish is not None:
            arguments.append(wish)
            wishes += f" AND {column} = ${len(arguments)}"
    if cursor is not None:
        arguments += read_cursor(cursor, parts=3)
        last = len(arguments)
        # The first comparison looks redundant, but it is what an index can serve.
        wishes += f" AND s.slug >= ${last - 2} AND (s.slug, x.country, x.operator) > (${last - 2}, ${last - 1}, ${last})"
    statement = (_LIVE if livemode else _SANDBOX).format(wishes=wishes)
    rows = await db.fetch(_PAGE.format(offers=statement, limit=int(limit) + 1), *arguments)
    if not rows and cursor is None:
        await _refuse_unknown(db, service, country)
    page = rows[:limit]
    following = None
    if len(rows) > limit:
        following = make_cursor([page[-1]["slug"], page[-1]["code"], page[-1]["operator"]])
    return OfferPage(data=[_offer(row["slug"], _row(row, []), row["price_micros"]) for row in page], next_cursor=following)


class OfferRow(msgspec.Struct, array_like=True, frozen=True):
    """An offer with its price in micros for each plan."""

    country: str
    operator: str
    stock: int
    delivery_rate: float | None
    sample_size: int
    median_seconds: float | None
    prices: list[int]


class ServiceOffers(msgspec.Struct, array_like=True, frozen=True):
    """All offers of a service by country and operator; `plans` are whose prices the rows have, in their order."""

    service: str
    plans: list[str]
    rows: list[OfferRow]

    def __len__(self) -> int:
        # What it costs to remember it, also when it is empty.
        return len(self.rows) + 1

    def page(self, plan: str, country: str | None, limit: int, cursor: str | None) -> OfferPage | None:
        """What `offers` answers for that plan; None when the plan is not among them. Raises InvalidCursor."""
        after = None if cursor is None else tuple(read_cursor(cursor, parts=3))
        if plan not in self.plans:
            return None
        place = self.plans.index(plan)
        rows = [
            row
            for row in self.rows
            if (country is None or row.country == country)
            and (after is None or (self.service, row.country, row.operator) > after)
        ]
        following = None
        if len(rows) > limit:
            rows = rows[:limit]
            following = make_cursor([self.service, rows[-1].country, rows[-1].operator])
        return OfferPage(data=[_offer(self.service, row, row.prices[place]) for row in rows], next_cursor=following)


async def read_service_offers(db: Db, service: str, livemode: bool) -> ServiceOffers | None:
    """Everything that can be bought of a service, at every plan's prices. None: there is no such service."""
    statement = (_LIVE if livemode else _SANDBOX).format(wishes=" AND s.slug = $1")
    rows = await db.fetch(_OF_SERVICE.format(offers=statement), service)
    if not rows:
        return None
    return ServiceOffers(service, rows[0]["plans"], [_row(row, row["prices"]) for row in rows if row["code"] is not None])


def _row(row: Any, prices: list[int]) -> OfferRow:
    enough = row["sample_size"] >= ENOUGH_SAMPLES
    median = row["median_seconds"]
    return OfferRow(
        row["code"],
        row["operator"],
        row["stock"],
        round(row["delivered"] / row["sample_size"], 4) if enough else None,
        row["sample_size"],
        round(median, 1) if enough and median is not None else None,
        prices,
    )


def _offer(service: str, row: OfferRow, price_micros: int) -> Offer:
    return Offer(
        service=service,
        country=row.country,
        operator=row.operator or None,
        price=money(price_micros),
        stock=row.stock,
        delivery_rate=row.delivery_rate,
        sample_size=row.sample_size,
        median_seconds=row.median_seconds,
    )


async def _refuse_unknown(db: Db, service: str | None, country: str | None) -> None:
    """An empty list for a misspelt name would look as if everything were sold out."""
    if service is None and country is None:
        return
    known = await db.fetchrow(_KNOWN, service, country)
    if service is not None and not known["service_known"]:
        raise UnknownService(f"There is no service {service!r}.")
    if country is not None and not known["country_known"]:
        raise UnknownCountry(f"There is no country {country!r}.")


OFFERS: Final = Coding[ServiceOffers](
    version=version_of(_OF_SERVICE, _LIVE, _SANDBOX, ServiceOffers.__struct_fields__, OfferRow.__struct_fields__),
    encode=msgspec.msgpack.Encoder().encode,
    decode=msgspec.msgpack.Decoder(ServiceOffers).decode,
)

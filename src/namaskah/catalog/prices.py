"""The lists of services and countries as ready JSON, kept in this process: a call costs two look-ups in a dict.

The list with a customer's prices depends on the plan alone, so it is encoded once per plan. A change is signalled
(`namaskah_catalog`: a user's id when that user's plan has changed, anything else for the lists) and shows within a
second. While the database cannot be reached, the lists that we have are served for up to an hour.
"""

import asyncio
import hashlib
from time import monotonic
from typing import Any, Final

import asyncpg
import msgspec
import structlog

from namaskah.core.db import Database, DatabaseGone
from namaskah.core.money import Money, money
from namaskah.core.signals import Signals

# Signals make this needless; it bounds the harm should one ever get lost, and shows stock that has run out.
FRESH_SECONDS: Final = 60.0
UNHEARD_SECONDS: Final = 1.0
# From this age on a request waits for the fresh lists, though never longer than WAIT_SECONDS.
OLD_SECONDS: Final = 120.0
WAIT_SECONDS: Final = 1.0
LONGEST_SECONDS: Final = 3600.0
# Many changes in a row (a price list being set) are read together.
PAUSE_SECONDS: Final = 0.2
RETRY_SECONDS: Final = 1.0
REMEMBERED: Final = 50_000
_log = structlog.get_logger()

PLANS: Final = "SELECT slug FROM plans ORDER BY slug"
PLAN_OF: Final = "SELECT plan FROM users WHERE id = $1"
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


class _Lists:
    """What was read at one moment (`taken_at`, monotonic seconds), and the JSON made of it so far."""

    def __init__(self, changes: int, plans: list[str], services: Any, countries: Any) -> None:
        self.changes = changes
        self.taken_at = monotonic()
        self.ready: dict[tuple[str, bool], Ready] = {}
        self._places = {plan: place for place, plan in enumerate(plans)}
        self._services = services
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


def _ready(body: ServiceList | CountryList) -> Ready:
    encoded = msgspec.json.encode(body)
    return encoded, f'"{hashlib.sha256(encoded).hexdigest()[:24]}"'


class Catalogue:
    """The lists of this process. Make it before the signals are started; stop it before the database is closed."""

    def __init__(self, db: Database, signals: Signals) -> None:
        self._db = db
        self._signals = signals
        self._lists: _Lists | None = None
        self._plans: dict[str, tuple[str, float]] = {}
        self._changes = 0
        self._plan_changes = 0
        self._refreshing: asyncio.Task[None] | None = None
        self._retry_at = 0.0
        signals.subscribe("namaskah_catalog", self._heard)
        signals.on_reset(self._missed)

    async def services_json(self, user_id: str, *, livemode: bool = True) -> Ready:
        """The list of services at this customer's prices, and its ETag; in test mode the sandbox's services.

        Raises DatabaseGone when it was never read or is over an hour old.
        """
        lists = self._lists
        known = self._plans.get(user_id)
        if lists is not None and known is not None and lists.changes == self._changes:
            oldest = monotonic() - (FRESH_SECONDS if self._signals.healthy else UNHEARD_SECONDS)
            if known[1] > oldest and lists.taken_at > oldest:
                found = lists.ready.get((known[0], livemode))
                if found is not None:
                    return found
        return await self._services(user_id, livemode)

    async def countries_json(self) -> Ready:
        """The list of countries, and its ETag. Raises DatabaseGone as services_json does."""
        return (await self._current()).countries

    async def stop(self) -> None:
        """Ends a refresh that is under way."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.gather(self._refreshing, return_exceptions=True)

    async def _services(self, user_id: str, livemode: bool) -> Ready:
        plan = await self._plan_of(user_id)
        found = (await self._current()).services(plan, livemode)
        if found is None:
            # The plan is newer than the lists.
            self._changes += 1
            await asyncio.shield(self._refresh())
            found = (await self._current()).services(plan, livemode)
            if found is None:
                raise LookupError("a user's plan that does not exist")
        return found

    async def _plan_of(self, user_id: str) -> str:
        known = self._plans.get(user_id)
        age = monotonic() - known[1] if known is not None else LONGEST_SECONDS
        fresh = age < (FRESH_SECONDS if self._signals.healthy else UNHEARD_SECONDS)
        resting = monotonic() < self._retry_at and age < LONGEST_SECONDS
        if known is not None and (fresh or resting):
            return known[0]
        asked_at, changes = monotonic(), self._plan_changes
        try:
            plan = await asyncio.wait_for(self._db.fetchval(PLAN_OF, user_id), None if known is None else WAIT_SECONDS)
        except (DatabaseGone, TimeoutError):
            self._retry_at = monotonic() + RETRY_SECONDS
            if known is None or age >= LONGEST_SECONDS:
                raise
            return known[0]
        if plan is None:
            raise LookupError("an unknown user asks for prices")
        # If a plan was changed while the database was asked, the answer may be older, so it is not kept.
        if changes == self._plan_changes:
            if len(self._plans) >= REMEMBERED:
                self._plans.clear()
            self._plans[user_id] = (plan, asked_at)
        return str(plan)

    async def _current(self) -> _Lists:
        """The lists, fresh where that is possible: a few seconds too old they are served while new ones are read."""
        lists = self._lists
        if lists is None:
            await asyncio.shield(self._refresh())
            lists = self._lists
            if lists is None:
                raise DatabaseGone("The catalogue could not be read.", retry_after=2)
            return lists
        age = monotonic() - lists.taken_at
        if lists.changes != self._changes or age > (FRESH_SECONDS if self._signals.healthy else UNHEARD_SECONDS):
            if monotonic() >= self._retry_at:
                refreshing = self._refresh()
                if age > OLD_SECONDS:
                    done, _ = await asyncio.wait([refreshing], timeout=WAIT_SECONDS)
                    if not done:
                        # A database that hangs must not make every request wait.
                        self._retry_at = monotonic() + RETRY_SECONDS
                    lists = self._lists or lists
            if monotonic() - lists.taken_at > LONGEST_SECONDS:
                raise DatabaseGone("The catalogue is out of date and cannot be read.", retry_after=2)
        return lists

    def _refresh(self) -> "asyncio.Task[None]":
        """Begins to read the lists, or joins whoever is reading them."""
        if self._refreshing is None:
            self._refreshing = asyncio.create_task(self._read())
            self._refreshing.add_done_callback(self._read_ended)
        return self._refreshing

    def _read_ended(self, task: "asyncio.Task[None]") -> None:
        self._refreshing = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self._retry_at = monotonic() + RETRY_SECONDS
            _log.warning("catalogue_not_refreshed", error=type(error).__name__)

    async def _read(self) -> None:
        while True:
            changes = self._changes
            try:
                plans = [row["slug"] for row in await self._db.fetch(PLANS)]
                services = await self._db.fetch(SERVICES, plans)
                countries = await self._db.fetch(COUNTRIES)
            except asyncpg.PostgresError as error:
                raise DatabaseGone("The catalogue cannot be read now.", retry_after=2) from error
            rows = [tuple(row) for row in services]
            self._lists = _Lists(changes, plans, rows, countries)
            if changes == self._changes:
                return
            await asyncio.sleep(PAUSE_SECONDS)

    def _heard(self, payload: str) -> None:
        """A user's plan has changed (the user's id), or something in the lists."""
        if payload.startswith("user_"):
            self._plan_changes += 1
            self._plans.pop(payload, None)
            return
        self._changes += 1
        # Read at once, so that the next request finds it; whoever has never been asked need not.
        if self._lists is not None:
            self._refresh()

    def _missed(self) -> None:
        """Signals may have been missed."""
        self._plan_changes += 1
        self._plans.clear()
        self._heard("")

"""What is sold at which price, remembered: a call for a list costs two look-ups in a dict, one for offers no query.

Three caches (`core/cache.py`): the lists (an hour), the offers of each service (half an hour), each customer's plan. Every
change of a price, a service, a country or a plan changes the catalogue's generation, and shows within a second in every
process. What was remembered only informs: what an order costs is decided by the database, when it is made.
"""

import asyncio
from functools import partial
from typing import Final

from namaskah.catalog.errors import UnknownCountry, UnknownService
from namaskah.catalog.generation import Generation
from namaskah.catalog.lists import LISTS, Lists, Ready, read_lists
from namaskah.catalog.queries import OFFERS, OfferPage, ServiceOffers, offers, read_service_offers
from namaskah.core.cache import Cache, Life
from namaskah.core.db import Database
from namaskah.core.redis_store import RedisStore
from namaskah.core.signals import Signals

PLAN_OF: Final = "SELECT plan FROM users WHERE id = $1"

# A change of stock that matters (something can be had that could not, or the other way round) is signalled as well.
LISTS_LIFE: Final = Life(fresh=3000.0, keep=3600.0, away=3600.0, bridge=True)
# Stock and delivery rates are counted once a minute; prices are those of the generation.
OFFERS_LIFE: Final = Life(fresh=60.0, keep=1800.0, away=3600.0)
PLAN_LIFE: Final = Life(fresh=60.0, keep=60.0, away=3600.0)
USERS: Final = 50_000
# Offers of all services together: about 20 MB.
OFFERS_IN_MEMORY: Final = 30_000
_ALL: Final = ("all",)


class Catalogue:
    """The catalogue of this process. Make it before the signals are started; stop it before the database is closed."""

    def __init__(self, db: Database, signals: Signals, store: RedisStore | None = None) -> None:
        self._db = db
        self._generation = Generation(db, signals, self._changed)
        number = self._generation.number
        self._lists = Cache[Lists]("lists", LISTS_LIFE, room=1, generation=number, store=store, coding=LISTS)
        self._offers = Cache[ServiceOffers](
            "offers", OFFERS_LIFE, room=OFFERS_IN_MEMORY, weigh=len, generation=number, store=store, coding=OFFERS
        )
        self._plans = Cache[str]("plan", PLAN_LIFE, room=USERS, heard=lambda: signals.healthy)
        self._read_lists = partial(read_lists, db)
        signals.subscribe("namaskah_catalog", self._heard)
        signals.on_reset(self._missed)

    async def services_json(self, user_id: str, *, livemode: bool = True) -> Ready:
        """The list of services at this customer's prices, and its ETag; in test mode the sandbox's services.

        Raises DatabaseGone when it was never read or is over an hour old.
        """
        if self._generation.is_sure():
            lists, plan = self._lists.now(_ALL), self._plans.now((user_id,))
            if lists is not None and plan is not None:
                ready = lists.ready.get((plan, livemode))
                if ready is not None:
                    return ready
        return await self._services(user_id, livemode)

    async def countries_json(self) -> Ready:
        """The list of countries, and its ETag. Raises DatabaseGone as services_json does."""
        return (await self._current_lists()).countries

    async def offers(
        self, user_id: str, *, livemode: bool = True, service: str | None = None, country: str | None = None,
        limit: int = 100, cursor: str | None = None,
    ) -> OfferPage:  # fmt: skip
        """As `catalog.queries.offers`, and those of one service without asking the database."""
        if service is not None:
            plan = await self._plan_of(user_id)
            await self._generation.make_sure()
            read = partial(read_service_offers, self._db, service, livemode)
            found = await self._offers.get(("live" if livemode else "test", service), read)
            if found is None and cursor is None:
                raise UnknownService(f"There is no service {service!r}.")
            page = OfferPage(data=[], next_cursor=None) if found is None else found.page(plan, country, limit, cursor)
            if page is not None:
                if not page.data and country is not None and cursor is None:
                    await self._refuse_unknown(country)
                return page
        # A page over all services; or the plan is newer than what was read.
        return await offers(
            self._db, user_id=user_id, livemode=livemode, service=service, country=country, limit=limit, cursor=cursor
        )

    async def stop(self) -> None:
        """Ends what is being read."""
        await asyncio.gather(self._lists.stop(), self._offers.stop(), self._plans.stop(), self._generation.stop())

    async def _services(self, user_id: str, livemode: bool) -> Ready:
        plan = await self._plan_of(user_id)
        ready = (await self._current_lists()).services(plan, livemode)
        if ready is None:
            # The plan is newer than the lists, and its signal has not come yet.
            await asyncio.shield(self._generation.ask_anew())
            self._lists.forget(_ALL)
            ready = (await self._current_lists()).services(plan, livemode)
            if ready is None:
                raise LookupError("a user's plan that does not exist")
        return ready

    async def _current_lists(self) -> Lists:
        await self._generation.make_sure()
        lists = await self._lists.get(_ALL, self._read_lists)
        if lists is None:
            raise LookupError("lists are never absent")
        return lists

    async def _plan_of(self, user_id: str) -> str:
        plan = await self._plans.get((user_id,), partial(self._db.fetchval, PLAN_OF, user_id))
        if plan is None:
            raise LookupError("an unknown user asks for prices")
        return plan

    async def _refuse_unknown(self, country: str) -> None:
        """An empty list for a misspelt name would look as if everything were sold out."""
        if country not in (await self._current_lists()).country_codes:
            raise UnknownCountry(f"There is no country {country!r}.")

    def _heard(self, payload: str) -> None:
        """A user's plan has changed (the user's id), or the catalogue (its new generation)."""
        if payload.startswith("user_"):
            self._plans.forget((payload,))
        else:
            self._generation.hear(payload)

    def _missed(self) -> None:
        """Signals may have been missed."""
        self._plans.forget_all()
        self._generation.ask_anew()

    def _changed(self) -> None:
        # Read at once, so that the next request finds it; whoever has never been asked need not.
        self._lists.renew(_ALL, self._read_lists)

"""What a customer can choose on the home page: services, countries and the offer that is meant, at this customer's prices."""

import re
from typing import Final

import msgspec

from namaskah.accounts.principal import Principal
from namaskah.catalog.errors import UnknownService
from namaskah.catalog.lists import ServiceItem
from namaskah.catalog.queries import Offer
from namaskah.core.money import micros_from_text
from namaskah.platform import Platform
from namaskah.providers.number_fiction import COUNTRIES as FICTION
from namaskah.providers.sandbox import SANDBOX_CASES
from namaskah.verifications.shape import Verification
from namaskah.web import names as names_of

FIRST_TRY: Final = "test_success"
POPULAR: Final = 12
FOUND: Final = 40
_HOME_COUNTRY: Final = "us"
# As many as there are countries, with a few networks each.
_OFFERS: Final = 1000
_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class Choice(msgspec.Struct, kw_only=True):
    """What the home page shows above its buy button. `offer` is None as long as there is nothing to buy."""

    query: str
    found: list[ServiceItem]
    service: str
    service_name: str
    note: str
    offers: list[Offer]
    offer: Offer | None
    country_names: dict[str, str]
    service_names: dict[str, str]
    key: str


async def choose(
    platform: Platform, *, principal: Principal, query: dict[str, str], last: Verification | None, key: str
) -> Choice:
    """Reads what is asked for in the address; what is not said there is as in the last order, or a first suggestion."""
    services, names = await names_of.services(platform, principal.user_id, livemode=principal.livemode)
    wanted = query.get("q", "").strip()[:64]
    service = query.get("service", "") or _suggested(names, last, livemode=principal.livemode, searching=bool(wanted))
    found, note = await _offers_of(platform, principal, service)
    same = last if last is not None and last.service == service else None
    country = query.get("country", "") or (same.country if same else _HOME_COUNTRY)
    offer = next((offer for offer in found if offer.country == country), None)
    if offer is None and found and "country" not in query:
        offer = found[0]
    return Choice(
        query=wanted, found=_search(services, wanted), service=service, service_name=names.get(service, service), note=note,
        offers=found, offer=offer, country_names=await names_of.countries(platform), service_names=names, key=key,
    )  # fmt: skip


def _suggested(names: dict[str, str], last: Verification | None, *, livemode: bool, searching: bool) -> str:
    if searching:
        return ""
    if last is not None and last.service in names:
        return last.service
    return "" if livemode else FIRST_TRY


def _search(services: list[ServiceItem], wanted: str) -> list[ServiceItem]:
    """Those whose name begins with what was typed first, then those that hold it; what can be had goes first."""
    if not wanted:
        return [item for item in services if item.available][:POPULAR] or services[:POPULAR]
    typed = wanted.casefold()
    hits = [item for item in services if typed in item.name.casefold() or typed in item.code]
    hits.sort(key=lambda item: (not item.name.casefold().startswith(typed), not item.available))
    return hits[:FOUND]


async def _offers_of(platform: Platform, principal: Principal, service: str) -> tuple[list[Offer], str]:
    """One offer a country, the cheapest first, and a word on the service where there is something to say."""
    if not service:
        return [], ""
    try:
        if not _SLUG.fullmatch(service):
            raise UnknownService()
        page = await platform.catalogue.offers(principal.user_id, livemode=principal.livemode, service=service, limit=_OFFERS)
    except UnknownService:
        return [], "We do not know this service. Search for its name below."
    cheapest: dict[str, Offer] = {}
    for offer in page.data:
        if offer.stock and (principal.livemode or offer.country in FICTION):
            best = cheapest.setdefault(offer.country, offer)
            if _micros(offer) < _micros(best):
                cheapest[offer.country] = offer
    found = sorted(cheapest.values(), key=lambda offer: (_micros(offer), offer.country))
    if not principal.livemode and service in SANDBOX_CASES:
        return found, SANDBOX_CASES[service].what_happens
    return found, "" if found else "There is no number for this service now. Choose another one, or try again later."


def _micros(offer: Offer) -> int:
    return micros_from_text(offer.price.amount)

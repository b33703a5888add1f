"""Services and countries as people call them, from the process's ready lists, decoded once per list."""

from functools import lru_cache

import msgspec

from namaskah.catalog.lists import CountryList, ServiceItem, ServiceList
from namaskah.platform import Platform


@lru_cache(maxsize=16)
def _services(ready: bytes) -> tuple[list[ServiceItem], dict[str, str]]:
    items = msgspec.json.decode(ready, type=ServiceList).data
    return items, {item.code: item.name for item in items}


@lru_cache(maxsize=2)
def _countries(ready: bytes) -> dict[str, str]:
    return {item.code: item.name for item in msgspec.json.decode(ready, type=CountryList).data}


async def services(platform: Platform, user_id: str, *, livemode: bool) -> tuple[list[ServiceItem], dict[str, str]]:
    """What is offered to this customer, the most wanted first; and the names by code. Not to be changed."""
    return _services((await platform.catalogue.services_json(user_id, livemode=livemode))[0])


async def countries(platform: Platform) -> dict[str, str]:
    """The names by code. Not to be changed."""
    return _countries((await platform.catalogue.countries_json())[0])

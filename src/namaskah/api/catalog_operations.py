"""The table's part about what can be bought."""

from typing import Final

from namaskah.api import catalog, examples
from namaskah.api.operation import Operation, Success
from namaskah.catalog.errors import UnknownCountry, UnknownService
from namaskah.catalog.lists import CountryList, ServiceList
from namaskah.catalog.queries import OfferPage
from namaskah.core.cursor import InvalidCursor

_TAG: Final = "Catalogue"
_UNCHANGED: Final = Success(description="What the client has still holds.")

CATALOG_OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation(
        method="GET", path="/services", operation_id="listServices", tag=_TAG, summary="All services",
        description="With the lowest price for your plan, those asked for most first. A test key sees the sandbox's.",
        handler=catalog.list_services, request_headers=("If-None-Match",),
        success={
            200: Success(description="The whole list.", shape=ServiceList, example=examples.SERVICES),
            304: _UNCHANGED,
        },
    ),
    Operation(
        method="GET", path="/countries", operation_id="listCountries", tag=_TAG, summary="All countries",
        description="By name, with their dialling codes.",
        handler=catalog.list_countries, request_headers=("If-None-Match",),
        success={
            200: Success(description="The whole list.", shape=CountryList, example=examples.COUNTRIES),
            304: _UNCHANGED,
        },
    ),
    Operation(
        method="GET", path="/offers", operation_id="listOffers", tag=_TAG, summary="What a service costs where",
        description="Price for your plan, stock, and how many orders of the last seven days received a code.",
        handler=catalog.list_offers, query=catalog.OffersQuery,
        errors=(UnknownService, UnknownCountry, InvalidCursor),
        success={200: Success(description="A page.", shape=OfferPage, example=examples.OFFERS)},
    ),
)  # fmt: skip

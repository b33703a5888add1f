"""What can be bought, over HTTP: services, countries and offers. The lists are ready bytes with an ETag."""

from typing import Annotated, Final

import msgspec
from msgspec import UNSET, UnsetType

from namaskah.api.call import Call, Headers, Reply
from namaskah.api.fields import COUNTRY, SERVICE, Cursor, Limit, given

_encode: Final = msgspec.json.Encoder().encode
# The customer may keep the list, and asks each time whether it still holds: a 304 costs neither side anything.
_REVALIDATE: Final = (b"cache-control", b"private, no-cache")


class OffersQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which offers are wanted."""

    service: Annotated[str, SERVICE] | UnsetType = UNSET
    country: Annotated[str, COUNTRY] | UnsetType = UNSET
    limit: Limit = 100
    cursor: Cursor | UnsetType = UNSET


async def list_services(call: Call) -> Reply:
    """GET /services"""
    who = call.principal
    body, etag = await call.platform.catalogue.services_json(who.user_id, livemode=who.livemode)
    return unless_known(call, body, etag)


async def list_countries(call: Call) -> Reply:
    """GET /countries"""
    body, etag = await call.platform.catalogue.countries_json()
    return unless_known(call, body, etag)


async def list_offers(call: Call) -> Reply:
    """GET /offers"""
    query = call.query(OffersQuery)
    page = await call.platform.catalogue.offers(
        call.principal.user_id,
        livemode=call.principal.livemode,
        service=given(query.service),
        country=query.country.lower() if query.country else None,
        limit=query.limit,
        cursor=given(query.cursor),
    )
    return Reply(_encode(page))


def unless_known(call: Call, body: bytes, etag: str, content_type: bytes = b"application/json") -> Reply:
    """The body, or 304 when If-None-Match says that the client has it."""
    tag = etag.encode("ascii")
    headers: Headers = (_REVALIDATE, (b"etag", tag))
    known = call.headers.get(b"if-none-match")
    if known is not None:
        tags = {one.strip().removeprefix(b"W/") for one in known.split(b",")}
        if tag in tags or b"*" in tags:
            return Reply(status=304, headers=headers)
    return Reply(body, headers=headers, content_type=content_type)

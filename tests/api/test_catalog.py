"""What can be bought, over HTTP."""

import asyncio

import pytest

from namaskah.catalog.lists import CountryList, ServiceList
from namaskah.catalog.queries import OfferPage
from namaskah.catalog.refresh_offers import refresh_offers
from namaskah.catalog.set_price import set_price
from tests.api.customers import problem, shaped


async def test_a_live_key_sees_the_services_and_a_test_key_the_sandboxs(live, tester):
    services = {one.code for one in shaped(await live.get("/services"), ServiceList).data}
    sandbox = {one.code for one in shaped(await tester.get("/services"), ServiceList).data}
    assert {"telegram", "whatsapp"} <= services
    assert {"test_success", "test_timeout"} <= sandbox
    assert not services & sandbox


@pytest.mark.parametrize("path", ["/services", "/countries", "/openapi.json", "/docs"])
async def test_what_the_client_has_is_not_sent_again(live, path):
    first = await live.get(path)
    assert (first.status_code, first.headers["cache-control"]) == (200, "private, no-cache")
    etag = first.headers["etag"]
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = await live.get(path, headers={"if-none-match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    changed = await live.get(path, headers={"if-none-match": '"other"'})
    assert changed.content == first.content


async def test_a_changed_price_is_seen_under_a_new_etag(live, platform):
    before = await live.get("/services")
    price = 99_000_000
    await set_price(platform.db, service="telegram", price_micros=price, actor_id="operator", reason="dearer")
    async with asyncio.timeout(5):
        while (after := await live.get("/services", headers={"if-none-match": before.headers["etag"]})).status_code == 304:
            await asyncio.sleep(0.05)
    changed = {one.code: one.price_from for one in shaped(after, ServiceList).data}
    assert changed["telegram"] != {one.code: one.price_from for one in shaped(before, ServiceList).data}["telegram"]
    assert after.headers["etag"] != before.headers["etag"]


async def test_countries_are_listed(live):
    countries = shaped(await live.get("/countries"), CountryList).data
    assert {"us", "in", "br"} <= {one.code for one in countries}


async def test_an_offer_has_price_and_stock(live, platform):
    await refresh_offers(platform.db)
    for country in ("us", "US"):
        page = shaped(await live.get("/offers", params={"service": "telegram", "country": country}), OfferPage)
        assert [(one.service, one.country, one.stock) for one in page.data] == [("telegram", "us", 20)]


async def test_offers_are_paged(tester):
    seen: list[tuple[str, str]] = []
    cursor: dict[str, str] = {}
    while len(seen) < 60:
        page = shaped(await tester.get("/offers", params={"service": "test_success", "limit": 25, **cursor}), OfferPage)
        seen += [(one.service, one.country) for one in page.data]
        assert page.next_cursor is not None
        cursor = {"cursor": page.next_cursor}
    assert len(set(seen)) == len(seen) == 75
    assert seen == sorted(seen)


@pytest.mark.parametrize(("query", "code"), [({"service": "nope"}, "unknown_service"), ({"country": "zz"}, "unknown_country")])
async def test_a_misspelt_name_is_said_and_not_answered_with_nothing(live, query, code):
    problem(await live.get("/offers", params=query), 422, code)

"""Choosing and buying on the home page."""

import asyncio
import secrets

import msgspec
import pytest

from namaskah.accounts.principal import Principal
from namaskah.catalog.refresh_offers import refresh_offers
from namaskah.catalog.stop_service import stop_service
from namaskah.verifications.queries import read
from namaskah.verifications.shape import Verification
from namaskah.wallet.adjust import credit
from namaskah.wallet.queries import wallet
from tests.factories import VAULT, own_numbers
from tests.web.browser import Browser


async def count(platform) -> int:
    return await platform.db.fetchval("SELECT count(*) FROM verifications")


async def user_id(platform) -> str:
    return await platform.db.fetchval("SELECT id FROM users WHERE email = 'new@example.com'")


async def fund(platform, amount_micros: int = 5_000_000) -> str:
    who = await user_id(platform)
    await credit(platform.db, user_id=who, amount_micros=amount_micros, reason="test", actor_id="system")
    return who


def wish(member: Browser, **fields: str) -> dict[str, str]:
    """The buy form of the last page, with changes."""
    return member.form("/verifications") | fields


def live_wish(member: Browser, service: str = "telegram", price: str = "1.40") -> dict[str, str]:
    """A form that buys with real money; who has none is not shown one."""
    return {
        "token": member.form("/sign-out")["token"], "key": secrets.token_urlsafe(18), "mode": "live",
        "service": service, "country": "us", "price": price,
    }  # fmt: skip


async def test_without_money_nothing_is_charged_and_the_page_says_so(member: Browser, platform):
    await own_numbers(platform.db)
    await member.open("/")
    answer = await member.send("/verifications", live_wish(member))
    assert answer.status_code == 402
    assert "The available balance does not cover the price." in answer.text
    assert "Nothing was charged." in answer.text
    assert "test mode" in answer.text
    assert answer.headers["x-request-id"] in answer.text
    assert 'href="/?service=telegram&amp;country=us"' in answer.text
    assert await count(platform) == 0


async def test_a_blocked_service_is_refused_and_points_to_the_terms(member: Browser, platform):
    await fund(platform)
    await member.open("/")
    answer = await member.send("/verifications", live_wish(member, "paypal", "5.00"))
    assert answer.status_code == 403
    assert "acceptable use" in answer.text
    assert "Nothing was charged." in answer.text
    assert (await wallet(platform.db, user_id=await user_id(platform), livemode=True)).held.amount == "0.00"


async def test_a_price_that_rose_since_it_was_shown_is_not_charged(member: Browser, platform):
    await fund(platform)
    await own_numbers(platform.db)
    await member.open("/")
    answer = await member.send("/verifications", live_wish(member, "telegram", "0.01"))
    assert answer.status_code == 409
    assert "above your max_price" in answer.text
    assert await count(platform) == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"service": ""}, {"service": "Telegram'; --"}, {"country": ""}, {"country": "usa"}, {"price": ""}, {"price": "-1"},
        {"price": "1e9"}, {"key": ""}, {"key": "short"}, {"key": "x" * 65}, {"mode": ""}, {"mode": "LIVE"},
    ],
)  # fmt: skip
async def test_a_form_that_makes_no_sense_buys_nothing(member: Browser, platform, fields):
    await member.open("/")
    answer = await member.send("/verifications", wish(member, **fields))
    assert answer.status_code == 422
    assert "Nothing was charged." in answer.text
    assert await count(platform) == 0


async def test_a_form_of_a_session_that_has_ended_buys_nothing(member: Browser, platform):
    await member.open("/")
    fields = wish(member)
    await member.press("/sign-out")
    answer = await member.send("/verifications", fields)
    assert answer.url.path == "/sign-in"
    assert member.form("/sign-in")["next"] == "/?service=test_success&country=us"
    assert await count(platform) == 0


async def test_sending_the_form_twice_buys_once(member: Browser, platform):
    await member.open("/")
    fields = wish(member, service="test_slow")
    first = await member.send("/verifications", fields)
    again = await member.send("/verifications", fields)
    assert first.url.path == again.url.path
    assert "You did not buy a second one." in again.text
    assert await count(platform) == 1


async def test_a_double_tap_buys_once(member: Browser, platform):
    await fund(platform)
    await own_numbers(platform.db)
    await member.open("/")
    fields = live_wish(member)
    headers = {"origin": member.origin}
    taps = await asyncio.gather(*(member.client.post("/verifications", data=fields, headers=headers) for _ in range(5)))
    assert {tap.status_code for tap in taps} == {303}
    assert len({tap.headers["location"].partition("?")[0] for tap in taps}) == 1
    assert await count(platform) == 1
    assert (await wallet(platform.db, user_id=await user_id(platform), livemode=True)).held.amount == "1.40"


async def test_the_key_of_a_form_buys_nothing_else(member: Browser, platform):
    await member.open("/")
    fields = wish(member)
    await member.send("/verifications", fields)
    answer = await member.send("/verifications", fields | {"service": "test_slow"})
    assert answer.status_code == 422
    assert await count(platform) == 1


async def test_a_page_opened_anew_buys_another_number(member: Browser, platform):
    for _ in range(2):
        await member.open("/")
        await member.press("/verifications")
    assert await count(platform) == 2


async def test_a_new_member_is_offered_a_test_that_succeeds(member: Browser):
    page = await member.open("/")
    assert "Test mode." in page.text
    assert wish(member)["service"] == "test_success"
    assert (wish(member)["mode"], wish(member)["price"]) == ("test", "0.50")
    assert "$100.00" in page.text


async def test_real_money_ends_the_suggestion_of_test_mode(member: Browser, platform):
    await fund(platform)
    page = await member.open("/")
    assert "Test mode." not in page.text
    assert "$5.00" in page.text


async def test_the_chosen_mode_is_kept(member: Browser, platform):
    await fund(platform)
    await member.open("/")
    await member.send("/mode", {"token": member.form("/sign-out")["token"], "mode": "test"})
    assert "Test mode." in (await member.open("/")).text
    await member.press("/mode", mode="live")
    assert "Test mode." not in (await member.open("/")).text


async def test_a_service_is_found_by_a_part_of_its_name_without_a_script(member: Browser, platform):
    await fund(platform)
    page = await member.open("/?q=TELEG")
    assert 'href="/?service=telegram"' in page.text
    assert 'href="/?service=whatsapp"' not in page.text


NONSENSE = (
    "?q=%00%ff", "?q=%3Cscript%3E", "?service=%00", "?service=nothing", "?service=paypal", "?country=zz",
    "?service=test_success&country=zz", "?q=" + "x" * 3000, "?" + "a=1&" * 100,
)  # fmt: skip


@pytest.mark.parametrize("asked", NONSENSE)
async def test_nonsense_in_the_address_shows_the_page_all_the_same(member: Browser, asked):
    page = await member.open("/" + asked)
    assert page.status_code == 200
    assert "<script>" not in page.text


async def test_the_offer_shows_price_and_stock_and_can_be_bought(member: Browser, platform):
    await fund(platform)
    await own_numbers(platform.db, 7)
    await own_numbers(platform.db, 3, country="gb")
    await refresh_offers(platform.db)
    page = await member.open("/?service=telegram&country=us")
    assert "7 numbers free." in page.text
    assert 'href="/?service=telegram&amp;country=gb"' in page.text
    bought = await member.press("/verifications")
    assert bought.status_code == 200, bought.text
    assert "Waiting for the code" in bought.text
    principal = Principal(await user_id(platform), True)
    body = await read(platform.db, principal=principal, verification_id=bought.url.path.rpartition("/")[2], vault=VAULT)
    assert msgspec.json.decode(body, type=Verification).price.amount == "1.40"


async def test_a_stopped_service_is_not_sold(member: Browser, platform):
    await fund(platform)
    await own_numbers(platform.db)
    await member.open("/")
    await stop_service(platform.db, service="telegram", reason="test", actor_id="system")
    answer = await member.send("/verifications", live_wish(member, "telegram", "5.00"))
    assert answer.status_code == 409
    assert "Nothing was charged." in answer.text


async def test_the_last_orders_are_listed_with_a_way_to_buy_again(member: Browser):
    await member.open("/?service=test_instant&country=gb")
    await member.press("/verifications")
    page = await member.open("/")
    assert "Test: instant" in page.text
    assert 'href="/?service=test_instant&amp;country=gb" aria-label="Again: Test: instant"' in page.text
    # The last choice is there again, ready to be bought with one more tap.
    assert (wish(member)["service"], wish(member)["country"]) == ("test_instant", "gb")


async def test_a_number_that_waits_is_pointed_to_before_another_is_bought(member: Browser):
    await member.open("/?service=test_timeout&country=us")
    address = (await member.press("/verifications")).url.path
    page = await member.open("/")
    assert f'<a class="inline" href="{address}">Test: timeout</a>' in page.text
    assert "Get another number for" in page.text


async def test_test_money_can_be_refilled(member: Browser, platform):
    await member.open("/")
    await member.press("/verifications")
    await member.open("/")
    await member.send("/test-wallet/refill", {"token": member.form("/sign-out")["token"]})
    money = await wallet(platform.db, user_id=await user_id(platform), livemode=False)
    assert money.available.amount == "100.00"

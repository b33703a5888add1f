"""The page of one verification: what it shows, and what its buttons do."""

import asyncio
import re

import pytest

from namaskah.wallet.check import check
from namaskah.wallet.queries import wallet
from tests.factories import customer, own_numbers, sms
from tests.web.browser import Browser
from tests.web.test_home import fund, live_wish, user_id


async def bought(member: Browser, service: str = "test_timeout") -> str:
    """Buys a number of the test mode; answers its page's address."""
    await member.open(f"/?service={service}&country=us")
    return (await member.press("/verifications")).url.path


async def bought_live(member: Browser, platform) -> tuple[str, str]:
    """Buys one of our own numbers with real money; answers the page's address and the number."""
    await fund(platform)
    await own_numbers(platform.db)
    await member.open("/")
    page = await member.send("/verifications", live_wish(member))
    assert page.status_code == 200, page.text
    return page.url.path, await platform.db.fetchval("SELECT number FROM verifications")


async def eventually(member: Browser, address: str, words: str, seconds: float = 10) -> str:
    """Looks again, as the page without a script does, until the words are there."""
    for _ in range(int(seconds / 0.1)):
        page = await member.open(address)
        if words in page.text:
            return page.text
        await asyncio.sleep(0.1)
    raise AssertionError(f"{words!r} never came: {page.text}")


async def test_somebody_elses_verification_is_not_found(member: Browser, other: Browser, platform):
    address = await bought(member)
    assert (await other.open(address)).status_code == 404
    assert (await other.open(address + "?part=live")).status_code == 404
    await other.open("/")
    token = other.form("/sign-out")["token"]
    for verb in ("cancel", "finish", "report", "another-code"):
        for mode in ("live", "test"):
            answer = await other.send(f"{address}/{verb}", {"token": token, "mode": mode, "reason": "other"})
            assert (answer.status_code, "or it is not yours" in answer.text) == (404, True)
    assert await platform.db.fetchval("SELECT status FROM verifications") == "pending"


@pytest.mark.parametrize("wrong", ["ver_00000000000000000000000000", "ver_x", "x", "ver_" + "i" * 26, "%00", "a/b/c"])
async def test_an_address_that_is_none_is_not_found(member: Browser, wrong):
    assert (await member.open(f"/verifications/{wrong}")).status_code in (404, 405)


async def test_a_visitor_is_asked_to_sign_in_first(member: Browser, visitor: Browser):
    address = await bought(member)
    await member.press("/sign-out")
    page = await visitor.open(address)
    assert page.url.path == "/sign-in"
    assert visitor.form("/sign-in")["next"] == address


async def test_a_button_that_does_not_exist_does_nothing(member: Browser):
    address = await bought(member)
    answer = await member.send(f"{address}/destroy", {"token": member.form("/sign-out")["token"], "mode": "test"})
    assert answer.status_code == 404


async def test_a_report_needs_a_reason(member: Browser):
    address = await bought(member)
    answer = await member.press(f"{address}/report", reason="")
    assert answer.status_code == 422
    assert f'href="{address}"' in answer.text


async def test_cancelling_too_early_says_how_long_to_wait(member: Browser, platform):
    address = await bought(member)
    await platform.db.execute("UPDATE verifications SET can_cancel_at = clock_timestamp() + interval '40 seconds'")
    page = await member.open(address)
    assert re.search(r'<button id="do-cancel" disabled>.*data-left="(39|40)"', page.text)
    answer = await member.press(f"{address}/cancel")
    assert answer.status_code == 409
    assert re.search("It can be cancelled in (39|40) seconds", answer.text)
    assert "Nothing was charged" in answer.text


async def test_a_cancel_after_the_code_says_that_the_code_was_paid(member: Browser, platform):
    address, number = await bought_live(member, platform)
    await member.open(address)
    fields = member.form(f"{address}/cancel")
    await sms(platform.db, number, "Your code is 428 190")
    answer = await member.send(f"{address}/cancel", fields)
    assert answer.status_code == 409
    assert "The price was charged, because the code had arrived." in answer.text


async def test_a_number_is_shown_large_with_its_state_and_the_time_left(member: Browser):
    address = await bought(member, "test_slow")
    page = await member.open(address)
    assert re.search(r'<bdi dir="ltr" class="number" id="number" data-plain="\+1\d{10}">\+1 \d{3}-\d{3}-\d{4}</bdi>', page.text)
    assert "Waiting for the code" in page.text
    assert re.search(r'role="timer"><bdi dir="ltr" data-left="1(19\d|200)">(19:5\d|20:00)</bdi>', page.text)
    assert '<div id="say" class="unseen" role="status"></div>' in page.text
    assert '<noscript><meta http-equiv="refresh" content="10"></noscript>' in page.text


async def test_cancelling_gives_the_money_back(member: Browser, platform):
    address = await bought(member)
    page = await member.press(f"{address}/cancel")
    assert "You cancelled it. $0.50 is back in your wallet." in page.text
    money = await wallet(platform.db, user_id=await user_id(platform), livemode=False)
    assert (money.available.amount, money.held.amount) == ("100.00", "0.00")


async def test_the_code_of_a_test_appears_by_itself(member: Browser, worker, platform):
    address = await bought(member, "test_success")
    text = await eventually(member, address, 'id="code"')
    code = re.search(r'id="code">(\d+)<', text)
    assert code is not None
    stored = re.search(r"<blockquote><p dir=\"auto\">(.*)</p>", text)
    assert stored is not None
    assert code[1] in stored[1]
    assert "$0.50 was charged." in text
    assert "refresh" not in text.partition("</head>")[0]


async def test_the_live_part_is_what_the_script_swaps_in(member: Browser, platform):
    address, number = await bought_live(member, platform)
    before = await member.open(address + "?part=live")
    assert before.text.lstrip().startswith('<section class="card order" data-stamp="pending.0.open.')
    await sms(platform.db, number, "<b>G-428190</b> is your code")
    after = await member.open(address + "?part=live")
    assert 'data-stamp="completed.1.open.' in after.text
    assert "&lt;b&gt;G-428190&lt;/b&gt; is your code" in after.text
    assert "<html" not in after.text
    assert (await check(platform.db, full=True)).ok


async def test_after_a_code_one_can_ask_for_another_finish_and_report(member: Browser, platform):
    address, number = await bought_live(member, platform)
    await sms(platform.db, number, "Your code is 428190")
    await member.open(address)
    page = await member.press(f"{address}/another-code")
    assert "We asked for another code. It is free; it will appear here." in page.text
    await sms(platform.db, number, "Your code is 777123")
    assert 'id="code">777123<' in (await member.open(address)).text
    page = await member.press(f"{address}/report", reason="code_refused", more="twice")
    assert "it does not change what was charged" in page.text
    assert await platform.db.fetchval("SELECT report_reason FROM verifications") == "The service refused the code: twice"
    page = await member.press(f"{address}/finish")
    assert "The number is no longer yours." in page.text
    assert f'action="{address}/finish"' not in page.text


async def test_an_order_without_a_code_gives_the_money_back_by_itself(member: Browser, worker, platform):
    address = await bought(member)
    await platform.db.execute(
        """
        UPDATE verifications
        SET expires_at = clock_timestamp() + interval '1 second', sweep_at = clock_timestamp() + interval '1 second'
        """
    )
    text = await eventually(member, address, "No code came in time. $0.50 is back in your wallet.")
    assert "Try again" in text


async def test_a_test_order_stays_visible_after_changing_to_real_money(member: Browser, platform):
    address = await bought(member)
    await member.press("/mode", mode="live")
    page = await member.open(address)
    assert page.status_code == 200
    assert "Test mode." in page.text


async def test_an_erased_message_is_said_to_be_erased(member: Browser, platform):
    address, number = await bought_live(member, platform)
    await sms(platform.db, number, "Your code is 428190")
    await platform.db.execute("UPDATE messages SET text_encrypted = NULL, code_encrypted = NULL")
    page = await member.open(address)
    assert "This message has been erased." in page.text
    assert "The code has been erased." in page.text


async def test_a_customer_of_the_api_alone_cannot_be_signed_in(visitor: Browser, platform):
    who = await customer(platform.db)
    await visitor.open("/sign-in")
    answer = await visitor.press("/sign-in", email=f"{who.user_id}@example.com", password="anything at all")
    assert answer.status_code == 401

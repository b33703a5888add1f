"""The main job from end to end: buy, receive or not, pay only for a code."""

import asyncio
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from namaskah.catalog.errors import UnknownCountry, UnknownService
from namaskah.core.money import micros_from_text
from namaskah.verifications import errors
from namaskah.verifications.answer import Answer
from namaskah.verifications.cancel import cancel
from namaskah.verifications.expire import expire_due
from namaskah.verifications.finish import finish
from namaskah.verifications.queries import history, read
from namaskah.verifications.shape import Verification
from namaskah.wallet.check import check
from namaskah.wallet.queries import wallet
from tests.factories import VAULT, buy, customer, own_numbers, sms


def shown(answer: Answer | bytes) -> Verification:
    return msgspec.json.decode(answer.body if isinstance(answer, Answer) else answer, type=Verification)


async def test_a_code_completes_the_verification_and_is_paid_once(database):
    who = await customer(database)
    await own_numbers(database)
    bought = shown(await buy(database, who))
    assert (bought.status, bought.charged, bought.code, bought.livemode) == ("pending", False, None, True)
    money = await wallet(database, user_id=who.user_id, livemode=True)
    assert money.held == bought.price

    accepted = await sms(database, bought.number, "123-456 is your code")
    assert accepted.outcome == "captured"
    after = shown(await read(database, principal=who, verification_id=bought.id, vault=VAULT))
    assert (after.status, after.charged, after.code) == ("completed", True, "123456")
    assert after.messages[0].text == "123-456 is your code"
    money = await wallet(database, user_id=who.user_id, livemode=True)
    assert micros_from_text(money.balance.amount) == 10_000_000 - micros_from_text(bought.price.amount)
    assert money.held.amount == "0.00"
    report = await check(database, full=True)
    assert report.ok, report.findings


async def test_the_same_message_again_changes_nothing(database):
    who = await customer(database)
    await own_numbers(database)
    bought = shown(await buy(database, who))
    await sms(database, bought.number, message_id="one")
    again = await sms(database, bought.number, message_id="one")
    assert again.duplicate
    after = shown(await read(database, principal=who, verification_id=bought.id, vault=VAULT))
    assert len(after.messages) == 1


async def test_a_second_code_costs_nothing(database):
    who = await customer(database)
    await own_numbers(database)
    bought = shown(await buy(database, who))
    await sms(database, bought.number, "code 111111")
    assert (await sms(database, bought.number, "code 222222")).outcome == "another_code"
    after = shown(await read(database, principal=who, verification_id=bought.id, vault=VAULT))
    assert [m.code for m in after.messages] == ["111111", "222222"]
    assert after.code == "222222"
    assert (await check(database, full=True)).ok


async def test_a_message_without_a_code_is_shown_and_not_charged(database):
    who = await customer(database)
    await own_numbers(database)
    bought = shown(await buy(database, who))
    assert (await sms(database, bought.number, "Welcome to our service!")).outcome == "message"
    after = shown(await read(database, principal=who, verification_id=bought.id, vault=VAULT))
    assert (after.status, after.charged, after.code, len(after.messages)) == ("pending", False, None, 1)


async def test_a_cancel_gives_everything_back_and_twice_is_once(database):
    who = await customer(database)
    await own_numbers(database)
    bought = shown(await buy(database, who))
    for _ in range(2):
        assert shown(await cancel(database, principal=who, verification_id=bought.id, vault=VAULT)).status == "cancelled"
    money = await wallet(database, user_id=who.user_id, livemode=True)
    assert (money.available.amount, money.held.amount) == ("10.00", "0.00")
    report = await check(database, full=True)
    assert report.ok, report.findings


async def test_a_cancel_after_the_code_is_refused_and_says_that_it_is_paid(database):
    who = await customer(database)
    await own_numbers(database)
    bought = shown(await buy(database, who))
    await sms(database, bought.number)
    with pytest.raises(errors.CodeAlreadyReceived) as refusal:
        await cancel(database, principal=who, verification_id=bought.id, vault=VAULT)
    assert refusal.value.charged is True


async def test_nobody_cancels_what_is_not_theirs(database):
    who, other = await customer(database), await customer(database)
    await own_numbers(database)
    bought = shown(await buy(database, who))
    with pytest.raises(errors.VerificationNotFound):
        await cancel(database, principal=other, verification_id=bought.id, vault=VAULT)
    with pytest.raises(errors.VerificationNotFound):
        await read(database, principal=other, verification_id=bought.id, vault=VAULT)


async def test_the_deadline_gives_everything_back(database):
    who = await customer(database)
    await own_numbers(database, 3)
    past = datetime.now(UTC) - timedelta(minutes=20, seconds=1)
    bought = [shown(await buy(database, who, now=past)) for _ in range(3)]
    swept = await expire_due(database)
    assert swept.released == 3
    after = shown(await read(database, principal=who, verification_id=bought[0].id, vault=VAULT))
    assert (after.status, after.charged) == ("expired", False)
    money = await wallet(database, user_id=who.user_id, livemode=True)
    assert money.available.amount == "10.00"
    report = await check(database, full=True)
    assert report.ok, report.findings


async def test_a_late_code_is_shown_as_late_and_never_charged(database):
    who = await customer(database)
    await own_numbers(database)
    bought = shown(await buy(database, who, now=datetime.now(UTC) - timedelta(minutes=21)))
    await expire_due(database)
    assert (await sms(database, bought.number)).outcome == "late"
    after = shown(await read(database, principal=who, verification_id=bought.id, vault=VAULT))
    assert (after.status, after.charged, after.code, after.messages[0].late) == ("expired", False, None, True)
    assert (await check(database, full=True)).ok


async def test_a_code_after_the_deadline_and_before_the_sweeper_is_late_too(database):
    who = await customer(database)
    await own_numbers(database)
    bought = shown(await buy(database, who, now=datetime.now(UTC) - timedelta(minutes=21)))
    assert (await sms(database, bought.number)).outcome == "late"
    await expire_due(database)
    assert (await wallet(database, user_id=who.user_id, livemode=True)).available.amount == "10.00"


async def test_a_completed_verification_gives_its_number_back_at_the_end(database):
    who = await customer(database)
    await own_numbers(database, 1)
    bought = shown(await buy(database, who, now=datetime.now(UTC) - timedelta(minutes=19, seconds=59, milliseconds=500)))
    await sms(database, bought.number)
    with pytest.raises(errors.NoNumbers):
        await buy(database, who, service="whatsapp")
    await asyncio.sleep(0.6)
    assert (await expire_due(database)).closed == 1
    assert shown(await buy(database, who, service="whatsapp")).number == bought.number


async def test_a_number_is_never_sold_twice_for_one_service(database):
    who = await customer(database)
    await own_numbers(database, 1)
    bought = shown(await buy(database, who))
    await sms(database, bought.number)
    await finish(database, principal=who, verification_id=bought.id, vault=VAULT)
    with pytest.raises(errors.NoNumbers):
        await buy(database, who)
    assert shown(await buy(database, who, service="whatsapp")).number == bought.number


async def test_a_late_sms_never_reaches_the_next_customer_during_the_pause(database):
    who = await customer(database)
    await own_numbers(database, 1)
    bought = shown(await buy(database, who))
    await cancel(database, principal=who, verification_id=bought.id, vault=VAULT, pause_seconds=60)
    with pytest.raises(errors.NoNumbers):
        await buy(database, who, service="whatsapp")


async def test_an_idempotency_key_buys_once_and_replays_the_answer(database):
    who = await customer(database)
    await own_numbers(database)
    first = await buy(database, who, idempotency_key="k1", fingerprint=b"a")
    again = await buy(database, who, idempotency_key="k1", fingerprint=b"a")
    assert again.replayed
    assert again.body == first.body
    with pytest.raises(errors.IdempotencyMismatch):
        await buy(database, who, idempotency_key="k1", fingerprint=b"b")


async def test_one_key_at_the_same_instant_buys_once(database):
    who = await customer(database, balance="1.50")
    await own_numbers(database, 50)
    answers = await asyncio.gather(*(buy(database, who, idempotency_key="k", fingerprint=b"a") for _ in range(20)))
    assert len({shown(answer).id for answer in answers}) == 1
    assert sum(not answer.replayed for answer in answers) == 1


async def test_money_for_ten_buys_ten(database):
    await own_numbers(database, 200)
    who = await customer(database, balance="0")
    price = shown(await buy(database, await customer(database))).price
    from namaskah.wallet.adjust import credit

    await credit(database, user_id=who.user_id, amount_micros=10 * micros_from_text(price.amount), reason="x", actor_id="system")
    answers = await asyncio.gather(*(buy(database, who) for _ in range(100)), return_exceptions=True)
    bought = [a for a in answers if isinstance(a, Answer)]
    assert len(bought) == 10
    assert {type(a) for a in answers if not isinstance(a, Answer)} == {errors.InsufficientFunds}
    assert (await check(database, full=True)).ok


async def test_refusals_move_no_money(database):
    who = await customer(database, balance="0.01")
    rich = await customer(database)
    await own_numbers(database)
    for buyer, wishes, refusal in (
        (who, {}, errors.InsufficientFunds),
        (rich, {"service": "nothing-like-it"}, UnknownService),
        (rich, {"service": "test_success"}, UnknownService),
        (rich, {"country": "xx"}, UnknownCountry),
        (rich, {"service": "paypal"}, errors.ServiceBlocked),
        (rich, {"country": "gb"}, errors.NoNumbers),
        (rich, {"max_price": "0.01"}, errors.PriceAboveMax),
        (rich, {"operator": "nobody"}, errors.NoNumbers),
    ):
        with pytest.raises(refusal) as said:
            await buy(database, buyer, **wishes)
        assert said.value.charged is False
    assert (await wallet(database, user_id=rich.user_id, livemode=True)).available.amount == "10.00"


async def test_a_plan_limits_how_many_are_open_at_once(database):
    who = await customer(database, plan="free", balance="20.00")
    await own_numbers(database, 20)
    answers = await asyncio.gather(*(buy(database, who) for _ in range(12)), return_exceptions=True)
    assert sum(isinstance(a, Answer) for a in answers) == 5
    assert {type(a) for a in answers if not isinstance(a, Answer)} == {errors.LimitReached}


async def test_history_pages_without_gaps(database):
    who = await customer(database)
    await own_numbers(database, 12)
    ids = [shown(await buy(database, who)).id for _ in range(7)]
    seen, cursor = [], None
    while True:
        page = msgspec.json.decode(
            await history(database, principal=who, status=None, service=None, limit=3, cursor=cursor, vault=VAULT)
        )
        seen += [item["id"] for item in page["data"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ids[::-1]

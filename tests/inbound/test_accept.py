"""The one way in: stored first, then offered. What lay unhandled is taken up, and never by the wrong customer."""

from datetime import UTC, datetime, timedelta

import pytest

from namaskah.inbound.accept import accept
from namaskah.inbound.sweep import handle_left_over
from namaskah.messages.record import NewMessage, clean, record
from namaskah.verifications.cancel import cancel
from namaskah.verifications.queries import read
from namaskah.verifications.receive import receive
from namaskah.wallet.check import check
from namaskah.wallet.queries import wallet
from tests.factories import VAULT, buy, customer, own_numbers
from tests.verifications.shown import shown

MINUTE = timedelta(minutes=1)


def message(origin: str, number: str, text: str = "Your code is 482913", **more: str) -> NewMessage:
    given = {"origin_message_id": "m1", "sender": "Test", **more}
    return NewMessage(origin=origin, number=number, text=text, received_at=datetime.now(UTC), **given)


async def test_what_was_stored_and_not_handled_is_taken_up_once(database):
    who = await customer(database)
    rack = await own_numbers(database)
    bought = shown(await buy(database, who))
    await record(database, vault=VAULT, message=message(rack, bought.number))
    assert await handle_left_over(database) == 0, "its own process still has two seconds"
    soon = datetime.now(UTC) + timedelta(seconds=3)
    assert await handle_left_over(database, now=soon) == 1
    assert await handle_left_over(database, now=soon) == 0
    assert shown(await read(database, principal=who, verification_id=bought.id, vault=VAULT)).code == "482913"
    assert (await check(database, full=True)).ok


async def test_a_message_that_lay_while_its_number_changed_hands_is_not_the_next_customers(database):
    first, second = await customer(database), await customer(database)
    rack = await own_numbers(database, 1)
    before = datetime.now(UTC) - 5 * MINUTE
    bought = shown(await buy(database, first, now=before))
    await record(
        database, vault=VAULT, message=message(rack, bought.number, "G-482913 is the first one's secret"), now=before + MINUTE
    )
    await cancel(database, principal=first, verification_id=bought.id, vault=VAULT, now=before + 2 * MINUTE)
    again = shown(await buy(database, second, "whatsapp"))
    assert again.number == bought.number

    await handle_left_over(database)
    after = shown(await read(database, principal=second, verification_id=again.id, vault=VAULT))
    assert (after.status, after.charged, after.messages) == ("pending", False, [])
    assert (await wallet(database, user_id=second.user_id, livemode=True)).balance.amount == "10.00"
    assert (await check(database, full=True)).ok


async def test_a_late_message_goes_to_the_one_who_had_the_number_last(database):
    first, second = await customer(database), await customer(database)
    rack = await own_numbers(database, 1)
    bought = shown(await buy(database, first))
    await cancel(database, principal=first, verification_id=bought.id, vault=VAULT)
    assert (await accept(database, vault=VAULT, message=message(rack, bought.number))).outcome == "late"
    shown(await buy(database, second, "whatsapp"))
    after = shown(await read(database, principal=first, verification_id=bought.id, vault=VAULT))
    assert [m.late for m in after.messages] == [True]


async def test_a_clock_that_is_set_back_takes_no_code_from_its_customer(database):
    who = await customer(database)
    rack = await own_numbers(database, 1)
    bought = shown(await buy(database, who, now=datetime.now(UTC) + MINUTE))
    assert (await accept(database, vault=VAULT, message=message(rack, bought.number))).outcome == "captured"


async def test_an_hour_after_the_end_a_message_is_nobodys(database, db):
    who = await customer(database)
    rack = await own_numbers(database, 1)
    past = datetime.now(UTC) - 90 * MINUTE
    bought = shown(await buy(database, who, now=past))
    await cancel(database, principal=who, verification_id=bought.id, vault=VAULT, now=past + MINUTE)
    assert (await accept(database, vault=VAULT, message=message(rack, bought.number))).outcome == "no_verification"
    assert await db.fetchval("SELECT verification_id FROM messages") is None


async def test_a_blocked_senders_message_is_withheld_and_pays_nothing(database, db):
    who = await customer(database)
    rack = await own_numbers(database)
    await db.execute("INSERT INTO blocked_senders VALUES ('MyBank*', 'bank', 'test')")
    bought = shown(await buy(database, who))
    withheld = message(rack, bought.number, sender="mybank-alerts")
    assert (await accept(database, vault=VAULT, message=withheld)).outcome == "withheld"
    after = shown(await read(database, principal=who, verification_id=bought.id, vault=VAULT))
    assert (after.status, after.charged, after.messages) == ("pending", False, [])
    assert (await check(database, full=True)).ok


async def test_a_message_that_is_faster_than_its_order_waits_for_it(database, db):
    """An upstream that reports by itself may be quicker than its answer to our purchase."""
    who = await customer(database, livemode=False)
    bought = shown(await buy(database, who, "test_unknown_outcome"))
    await db.execute("UPDATE provider_orders SET reference = 'r1'")
    arrived = await accept(database, vault=VAULT, message=message("sandbox", "+12025550100", reference="r1"))
    assert arrived.outcome == "not_yet"
    assert await handle_left_over(database, now=datetime.now(UTC) + MINUTE) == 0
    assert await db.fetchval("SELECT handled_at FROM messages") is None
    assert shown(await read(database, principal=who, verification_id=bought.id, vault=VAULT)).status == "requesting"


async def test_a_handled_message_is_not_handled_again(database):
    who = await customer(database)
    rack = await own_numbers(database)
    bought = shown(await buy(database, who))
    accepted = await accept(database, vault=VAULT, message=message(rack, bought.number))
    assert await receive(database, message_id=accepted.message_id) == "already_handled"
    assert (await accept(database, vault=VAULT, message=message(rack, bought.number))).outcome == "already_handled"


async def test_texts_codes_and_their_places_are_encrypted(database, db):
    who = await customer(database)
    rack = await own_numbers(database)
    bought = shown(await buy(database, who))
    await accept(database, vault=VAULT, message=message(rack, bought.number, "Your code is 482913"))
    row = await db.fetchrow("SELECT * FROM messages")
    assert b"482913" not in row["text_encrypted"] + row["code_encrypted"]
    events = await db.fetch("SELECT data FROM events")
    assert not any("482913" in event["data"] for event in events)


@pytest.mark.parametrize(("dirty", "cleaned"), [("a\x00b", "ab"), ("a\ud800b", "a?b"), ("\U0001f600", "\U0001f600"), ("", "")])
def test_what_no_database_can_hold_is_taken_out(dirty, cleaned):
    assert clean(dirty) == cleaned

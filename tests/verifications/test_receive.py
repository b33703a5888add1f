"""An SMS meets its verification: who may send it, and what is withheld."""

import msgspec
import pytest

from namaskah.catalog.open_service import open_service
from namaskah.core.ids import new_id
from namaskah.verifications import errors
from namaskah.verifications.queries import read
from namaskah.verifications.shape import Verification
from namaskah.wallet.queries import usage, wallet
from tests.factories import VAULT, buy, customer, own_numbers, sms


async def _read(database, who, verification_id) -> Verification:
    body = await read(database, principal=who, verification_id=verification_id, vault=VAULT)
    return msgspec.json.decode(body, type=Verification)


async def test_a_source_cannot_speak_for_another_sources_number(database):
    who = await customer(database)
    await own_numbers(database)
    bought = msgspec.json.decode((await buy(database, who)).body, type=Verification)
    assert (await sms(database, bought.number, source=new_id("src"))).outcome == "no_verification"
    assert (await _read(database, who, bought.id)).status == "pending"
    assert (await wallet(database, user_id=who.user_id, livemode=True)).balance.amount == "10.00"


async def test_a_blocked_senders_message_is_withheld_and_costs_nothing(database):
    who = await customer(database)
    await own_numbers(database)
    bought = msgspec.json.decode((await buy(database, who)).body, type=Verification)
    assert (await sms(database, bought.number, sender="PayPal")).outcome == "withheld"
    after = await _read(database, who, bought.id)
    assert (after.status, after.messages) == ("pending", [])


async def test_the_sender_of_a_service_that_an_operator_opened_is_welcome_to_it_alone(database):
    who = await customer(database)
    await own_numbers(database)
    await open_service(database, service="paypal", actor_id="operator", reason="approved")
    paypal = msgspec.json.decode((await buy(database, who, "paypal")).body, type=Verification)
    other = msgspec.json.decode((await buy(database, who)).body, type=Verification)
    assert (await sms(database, paypal.number, sender="PayPal")).outcome == "captured"
    assert (await _read(database, who, paypal.id)).code == "123456"
    assert (await sms(database, other.number, sender="PayPal")).outcome == "withheld"


async def test_the_test_mode_is_not_held_to_the_plans_limits(database):
    who = await customer(database, plan="free", balance="90.00", livemode=False)
    for _ in range(25):
        await buy(database, who, "test_success")
    assert (await usage(database, user_id=who.user_id, livemode=False)).open_verifications == 25


async def test_what_never_became_a_number_does_not_count_for_the_hour(database):
    who = await customer(database, livemode=False)
    for _ in range(3):
        with pytest.raises(errors.NoNumbers):
            await buy(database, who, "test_no_numbers")
    assert (await usage(database, user_id=who.user_id, livemode=False)).purchases_this_hour == 0

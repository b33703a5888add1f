"""Reports are notes: they need a number, they are the owner's, and they refund nothing."""

import pytest

from namaskah.verifications import errors
from namaskah.verifications.report import report
from namaskah.wallet.queries import wallet
from tests.factories import VAULT, buy, customer, own_numbers, sms
from tests.verifications.shown import shown


async def test_a_report_is_kept_the_last_one_counts_and_no_money_moves(database, db):
    who = await customer(database)
    await own_numbers(database, 1)
    bought = shown(await buy(database, who))
    await sms(database, bought.number)
    before = await wallet(database, user_id=who.user_id, livemode=True)
    for reason in ("the code was wrong", "the number was banned"):
        answer = shown(await report(database, principal=who, verification_id=bought.id, reason=reason, vault=VAULT))
    assert (answer.status, answer.code) == ("completed", "123456")
    assert await db.fetchval("SELECT report_reason FROM verifications WHERE reported_at IS NOT NULL") == "the number was banned"
    assert await wallet(database, user_id=who.user_id, livemode=True) == before


async def test_without_a_number_there_is_nothing_to_report(database):
    who = await customer(database, livemode=False)
    bought = shown(await buy(database, who, "test_unknown_outcome"))
    with pytest.raises(errors.NothingToReport):
        await report(database, principal=who, verification_id=bought.id, reason="x", vault=VAULT)


async def test_what_is_not_yours_cannot_be_reported(database):
    who, other = await customer(database), await customer(database)
    await own_numbers(database, 1)
    bought = shown(await buy(database, who))
    with pytest.raises(errors.VerificationNotFound):
        await report(database, principal=other, verification_id=bought.id, reason="x", vault=VAULT)

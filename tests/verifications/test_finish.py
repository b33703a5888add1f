"""Finishing: only what is paid, once, and the number is free."""

from datetime import UTC, datetime, timedelta

import pytest

from namaskah.verifications import errors
from namaskah.verifications.cancel import cancel
from namaskah.verifications.finish import finish
from namaskah.wallet.queries import wallet
from tests.factories import VAULT, buy, customer, own_numbers, sms
from tests.verifications.shown import shown


@pytest.fixture
async def paid(database):
    who = await customer(database)
    await own_numbers(database, 1)
    bought = shown(await buy(database, who))
    await sms(database, bought.number)
    return who, bought


async def finished(database, who, bought, **more):
    return shown(await finish(database, principal=who, verification_id=bought.id, vault=VAULT, **more))


async def test_what_still_waits_for_its_code_cannot_be_finished(database):
    who = await customer(database)
    await own_numbers(database, 1)
    bought = shown(await buy(database, who))
    with pytest.raises(errors.NoCodeYet):
        await finished(database, who, bought)


async def test_what_is_still_being_asked_for_cannot_be_finished(database):
    who = await customer(database, livemode=False)
    bought = shown(await buy(database, who, "test_unknown_outcome"))
    with pytest.raises(errors.NoCodeYet):
        await finished(database, who, bought)


async def test_what_was_given_back_cannot_be_finished(database):
    who = await customer(database)
    await own_numbers(database, 1)
    bought = shown(await buy(database, who))
    await cancel(database, principal=who, verification_id=bought.id, vault=VAULT)
    with pytest.raises(errors.NumberAlreadyReleased):
        await finished(database, who, bought)


async def test_nobody_finishes_what_is_not_theirs(database, paid):
    who, bought = paid
    with pytest.raises(errors.VerificationNotFound):
        await finished(database, await customer(database), bought)
    with pytest.raises(errors.VerificationNotFound):
        await finished(database, type(who)(who.user_id, False), bought)


async def test_it_moves_no_money_frees_the_number_and_twice_is_once(database, db, paid):
    who, bought = paid
    before = await wallet(database, user_id=who.user_id, livemode=True)
    first = await finished(database, who, bought)
    assert first.closed_at is not None
    assert await finished(database, who, bought) == first
    assert await wallet(database, user_id=who.user_id, livemode=True) == before
    assert await db.fetchval("SELECT busy FROM numbers") is False
    assert await db.fetchval("SELECT count(*) FROM events WHERE type = 'verification.finished'") == 1


async def test_after_the_deadline_it_was_closed_at_the_deadline(database, paid):
    who, bought = paid
    later = datetime.now(UTC) + timedelta(hours=2)
    assert (await finished(database, who, bought, now=later)).closed_at == bought.expires_at


async def test_a_message_after_the_end_is_late(database, paid):
    who, bought = paid
    await finished(database, who, bought)
    assert (await sms(database, bought.number, "Your code is 222222")).outcome == "late"


async def test_the_upstream_is_told_by_a_job(database, db):
    who = await customer(database, livemode=False)
    bought = shown(await buy(database, who, "test_instant"))
    await finished(database, who, bought)
    assert await db.fetchval("SELECT kind FROM jobs") == "provider_finish"

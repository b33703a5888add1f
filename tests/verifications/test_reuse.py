"""The same number again: only for the one who used it last, only when it is free, paid like any other."""

from datetime import UTC, datetime, timedelta

import pytest

from namaskah.providers.registry import Providers
from namaskah.verifications import errors
from namaskah.verifications.cancel import cancel
from namaskah.verifications.finish import finish
from namaskah.verifications.reuse import reuse
from namaskah.verifications.start import Purchase, StartRequest
from namaskah.wallet.check import check
from tests.factories import VAULT, buy, customer, own_numbers, sms
from tests.verifications.shown import shown


async def again(database, who, before, **more):
    request = StartRequest(service="", country="", **{k: more.pop(k) for k in ("max_price",) if k in more})
    purchase = Purchase(principal=who, request=request, reuse_of=before.id, **more)
    return await reuse(database, purchase=purchase, providers=Providers(), vault=VAULT)


@pytest.fixture
async def used(database):
    """A customer with money whose verification is completed and finished."""
    who = await customer(database, balance="20.00")
    await own_numbers(database, 1)
    bought = shown(await buy(database, who))
    await sms(database, bought.number)
    await finish(database, principal=who, verification_id=bought.id, vault=VAULT, pause_seconds=60)
    return who, bought


async def test_its_last_user_gets_it_also_while_it_rests_and_pays_for_a_code_only(database, used):
    who, before = used
    bought = shown(await again(database, who, before))
    assert (bought.number, bought.service, bought.reuse_of, bought.status) == (
        before.number,
        before.service,
        before.id,
        "pending",
    )
    assert (await sms(database, bought.number, "Your code is 222222")).outcome == "captured"
    report = await check(database, full=True)
    assert report.ok, report.findings


async def test_the_first_of_two_reuses_is_not_the_last_user_any_more(database, used):
    who, before = used
    second = shown(await again(database, who, before))
    await cancel(database, principal=who, verification_id=second.id, vault=VAULT)
    with pytest.raises(errors.ReuseNotPossible):
        await again(database, who, before)
    assert shown(await again(database, who, second)).number == before.number


async def test_while_it_is_open_it_must_be_finished_first(database):
    who = await customer(database)
    await own_numbers(database, 1)
    with pytest.raises(errors.ReuseNotPossible, match="Finish the verification first"):
        await again(database, who, shown(await buy(database, who)))


async def test_while_somebody_else_has_it_it_is_refused(database, used):
    who, before = used
    other = await customer(database)
    later = datetime.now(UTC) + timedelta(minutes=2)
    assert shown(await buy(database, other, "whatsapp", now=later)).number == before.number
    with pytest.raises(errors.ReuseNotPossible, match="in use or was given to somebody else"):
        await again(database, who, before, now=later)


async def test_somebody_elses_verification_is_not_found(database, used):
    _, before = used
    with pytest.raises(errors.VerificationNotFound):
        await again(database, await customer(database), before)


async def test_an_upstreams_number_is_not_sold_twice(database):
    who = await customer(database, livemode=False)
    bought = shown(await buy(database, who, "test_instant"))
    with pytest.raises(errors.ReuseNotPossible, match="upstream"):
        await again(database, who, bought)


async def test_a_live_upstreams_number_cannot_be_had_through_the_test_mode(database, used):
    who, before = used
    with pytest.raises(errors.VerificationNotFound):
        await again(database, type(who)(who.user_id, False), before)


async def test_a_maximum_price_holds_here_too(database, used):
    who, before = used
    with pytest.raises(errors.PriceAboveMax):
        await again(database, who, before, max_price="0.01")


async def test_one_idempotency_key_buys_it_once(database, used):
    who, before = used
    first = await again(database, who, before, idempotency_key="k", fingerprint=b"f")
    second = await again(database, who, before, idempotency_key="k", fingerprint=b"f")
    assert (second.replayed, second.body) == (True, first.body)


async def test_a_retired_number_is_gone(database, db, used):
    who, before = used
    await db.execute("UPDATE numbers SET retired_at = now()")
    with pytest.raises(errors.ReuseNotPossible):
        await again(database, who, before)


async def test_after_somebody_else_had_it_it_rests_like_for_anybody(database, used):
    who, before = used
    other = await customer(database)
    later = datetime.now(UTC) + timedelta(minutes=2)
    theirs = shown(await buy(database, other, "whatsapp", now=later))
    await cancel(database, principal=other, verification_id=theirs.id, vault=VAULT, pause_seconds=60, now=later)
    with pytest.raises(errors.ReuseNotPossible):
        await again(database, who, before, now=later + timedelta(seconds=59))
    assert shown(await again(database, who, before, now=later + timedelta(seconds=60))).number == before.number

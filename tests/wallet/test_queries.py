"""Reading the wallet, its statement and what is used of the limits; and opening both wallets at sign-up."""

import pytest

from namaskah.accounts.errors import EmailTaken
from namaskah.wallet.queries import transactions, usage, wallet
from namaskah.wallet.register import TEST_BALANCE_MICROS, register
from tests.factories import buy, customer, own_numbers, sms
from tests.verifications.shown import shown

NOBODY = "user_00000000000000000000000000"


async def test_a_user_without_a_wallet_is_a_programming_error(database):
    with pytest.raises(LookupError):
        await wallet(database, user_id=NOBODY, livemode=True)
    with pytest.raises(LookupError):
        await usage(database, user_id=NOBODY, livemode=True)


async def test_the_statement_pages_newest_first_and_each_line_follows_from_the_one_before(database):
    who = await customer(database)
    await own_numbers(database)
    for _ in range(3):
        await sms(database, shown(await buy(database, who)).number)
    lines, after = [], None
    while page := await transactions(database, user_id=who.user_id, livemode=True, kind=None, limit=2, after=after):
        lines += page
        after = (page[-1].created_at, page[-1].id)
    assert [line.type for line in lines] == ["capture", "hold"] * 3 + ["credit"]
    assert len({line.id for line in lines}) == 7
    assert lines[0].available_after == (await wallet(database, user_id=who.user_id, livemode=True)).available
    captures = await transactions(database, user_id=who.user_id, livemode=True, kind="capture", limit=9, after=None)
    assert len(captures) == 3


async def test_the_share_of_codes_is_unknown_before_the_first_judgement(database):
    who = await customer(database)
    assert (await usage(database, user_id=who.user_id, livemode=True)).delivery_share is None
    await own_numbers(database)
    await sms(database, shown(await buy(database, who)).number)
    assert (await usage(database, user_id=who.user_id, livemode=True)).delivery_share == 1.0


async def test_signing_up_opens_both_wallets_and_fills_the_test_ones(database):
    user = await register(database, email="a@example.com", password="correct horse battery", terms_version="2026-11-01")
    live = await wallet(database, user_id=user.id, livemode=True)
    test = await wallet(database, user_id=user.id, livemode=False)
    assert (live.balance.amount, test.balance.amount) == ("0.00", f"{TEST_BALANCE_MICROS / 1_000_000:.2f}")


async def test_a_sign_up_that_is_refused_leaves_nothing(database, db):
    await register(database, email="a@example.com", password="correct horse battery", terms_version="2026-11-01")
    with pytest.raises(EmailTaken):
        await register(database, email="A@example.com", password="correct horse battery", terms_version="2026-11-01")
    assert await db.fetchval("SELECT count(*) FROM users") == 1
    assert await db.fetchval("SELECT count(*) FROM wallets") == 2

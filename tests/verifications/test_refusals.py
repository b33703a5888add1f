"""What the SQL functions refuse, in words; whatever is none of ours stays what it was."""

import asyncpg
import pytest

from namaskah.catalog.errors import UnknownCountry, UnknownService
from namaskah.verifications import errors
from namaskah.verifications.refusals import raised, refused

OUTCOMES = {
    "unknown_service": UnknownService,
    "unknown_country": UnknownCountry,
    "service_blocked": errors.ServiceBlocked,
    "service_stopped": errors.ServiceStopped,
    "account_disabled": errors.AccountDisabled,
    "price_above_max": errors.PriceAboveMax,
    "insufficient_funds": errors.InsufficientFunds,
    "provider_down": errors.ProviderDown,
    "no_numbers": errors.NoNumbers,
}


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_each_refusal_has_its_error_and_says_that_nothing_was_charged(outcome):
    error = refused(outcome, service="x", country="us", price=750_000, available=None)
    assert type(error) is OUTCOMES[outcome]
    assert "Nothing was charged." in error.detail
    assert error.charged is False


def test_the_amounts_stand_in_the_words():
    assert (
        "0.75 USD and 0.10 USD"
        in refused("insufficient_funds", service="x", country="us", price=750_000, available=100_000).detail
    )
    assert "0.75 USD" in refused("price_above_max", service="x", country="us", price=750_000, available=0).detail


async def from_the_database(db, code: str, kind: str, detail: str) -> asyncpg.PostgresError:
    with pytest.raises(asyncpg.PostgresError) as caught:
        await db.execute(f"DO $$ BEGIN RAISE EXCEPTION '{kind}' USING ERRCODE = '{code}', DETAIL = '{detail}'; END $$")
    return caught.value


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("too_many_open", "Your plan allows 3000000 verifications at the same time."),
        ("too_many_an_hour", "Your plan allows 3000000 purchases an hour."),
        ("daily_spend", "Your plan allows 3.00 USD a day."),
        ("key_spend", "This API key may spend 3.00 USD a day."),
        ("low_delivery_share", "so 3000000 an hour are allowed until more do."),
        ("try_again", "Another purchase of yours was in the way; ask again."),
    ],
)
async def test_each_limit_is_told_in_its_own_words(db, kind, words):
    error = raised(await from_the_database(db, "NM429", kind, '{"limit": 3000000, "retry_after": 7}'))
    assert isinstance(error, errors.LimitReached)
    assert words in error.detail
    assert error.retry_after == 7


async def test_too_little_money_is_told_with_both_amounts(db):
    error = raised(await from_the_database(db, "NM402", "insufficient_funds", '{"available": 10000, "price": 750000}'))
    assert isinstance(error, errors.InsufficientFunds)
    assert "0.75 USD and 0.01 USD" in error.detail


async def test_a_refusal_without_details_is_still_one(db):
    assert isinstance(raised(await from_the_database(db, "NM402", "insufficient_funds", "")), errors.InsufficientFunds)


async def test_what_is_none_of_ours_is_not_translated(db):
    with pytest.raises(asyncpg.PostgresError) as caught:
        await db.execute("SELECT 1/0")
    assert raised(caught.value) is None

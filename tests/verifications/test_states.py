"""The table in states.py is the oracle: the verbs and their SQL functions do what it says, for every state and trigger."""

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from namaskah.core.errors import NamaskahError
from namaskah.core.ids import new_id
from namaskah.providers.registry import Providers
from namaskah.providers.sandbox import Sandbox
from namaskah.verifications.cancel import cancel
from namaskah.verifications.errors import NoNumbers
from namaskah.verifications.expire import expire_due
from namaskah.verifications.states import OPEN, RELEASED, STATUSES, TRANSITIONS, Status, Trigger, after
from namaskah.wallet.check import check
from tests.factories import VAULT, buy, customer, own_numbers, sms
from tests.verifications.shown import shown

_ASSIGN = "SELECT * FROM verification_assign($1, '+12025550100', $2, '', NULL, NULL, 0, NULL, NULL)"
_FAIL = "SELECT * FROM verification_fail($1, 'no_numbers', $2, NULL, NULL)"


class Silent(Sandbox):
    """Its answer never comes."""

    async def buy(self, order):
        raise asyncio.CancelledError


async def in_state(database, db, status: Status):
    """A verification that has come to this state by the verbs; answers (principal, id, number)."""
    live = status != "failed"
    who = await customer(database, livemode=live and status != "requesting")
    if status == "failed":
        with pytest.raises(NoNumbers):
            await buy(database, who, "test_no_numbers")
    elif status == "requesting":
        await buy(database, who, "test_unknown_outcome")
    else:
        await own_numbers(database, 1)
        await buy(database, who)
    row = await db.fetchrow("SELECT id, number FROM verifications WHERE user_id = $1", who.user_id)
    if status == "completed":
        await sms(database, row["number"])
    elif status == "cancelled":
        await cancel(database, principal=who, verification_id=row["id"], vault=VAULT)
    elif status == "expired":
        await expire_due(database, now=datetime.now(UTC) + timedelta(minutes=21))
    assert await db.fetchval("SELECT status FROM verifications WHERE id = $1", row["id"]) == status
    return who, row["id"], row["number"]


async def pull(database, who, verification_id: str, number: str | None, trigger: Trigger) -> None:
    match trigger:
        case "assign":
            await database.fetchrow(_ASSIGN, verification_id, new_id("ref"))
        case "fail":
            await database.fetchrow(_FAIL, verification_id, new_id("txn"))
        case "code":
            await sms(database, number or "+12025550100")
        case "cancel":
            await cancel(database, principal=who, verification_id=verification_id, vault=VAULT)
        case "expire":
            await expire_due(database, now=datetime.now(UTC) + timedelta(minutes=21))


@pytest.mark.parametrize(("status", "trigger"), list(itertools.product(STATUSES, get_args(Trigger))))
async def test_each_trigger_leads_where_the_table_says_or_nowhere(database, db, status, trigger):
    who, verification_id, number = await in_state(database, db, status)
    try:
        await pull(database, who, verification_id, number, trigger)
    except NamaskahError as refusal:
        assert after(status, trigger) is None, refusal
    expected = after(status, trigger) or status
    assert await db.fetchval("SELECT status FROM verifications WHERE id = $1", verification_id) == expected
    report = await check(database, full=True)
    assert report.ok, report.findings


def test_the_table_knows_every_state_and_leaves_none_that_has_ended():
    assert set(STATUSES) == set(get_args(Status)) == OPEN | RELEASED | {"completed"}
    assert {status for status, _ in TRANSITIONS} == OPEN
    reached = {"requesting", *TRANSITIONS.values()}
    assert reached == set(STATUSES)


async def test_the_database_knows_the_same_states(db):
    definition = await db.fetchval(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'verifications'::regclass AND conname LIKE '%status%'"
    )
    assert all(f"'{status}'" in definition for status in STATUSES)
    assert definition.count("'") == 2 * len(STATUSES)


async def test_a_request_that_dies_before_the_answer_may_not_be_cancelled_while_it_is_being_asked(database, db):
    who = await customer(database, livemode=False)
    with pytest.raises(asyncio.CancelledError):
        await buy(database, who, "test_success", providers=Providers(sandbox=Silent()))
    verification_id = await db.fetchval("SELECT id FROM verifications")
    with pytest.raises(NamaskahError) as refusal:
        await cancel(database, principal=who, verification_id=verification_id, vault=VAULT)
    assert (refusal.value.code, refusal.value.charged, refusal.value.retry_after) == ("cancel_too_early", False, 5)


async def test_what_the_customer_sees_is_a_state_of_the_table(database):
    who = await customer(database)
    await own_numbers(database)
    assert shown(await buy(database, who)).status in STATUSES

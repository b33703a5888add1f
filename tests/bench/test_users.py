"""Virtual users against a real instance: two web processes' worth of flow in seconds, and every failure is counted."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from bench.stage import Elsewhere, add_statement_times, play
from bench.steps import Level, summed
from bench.users import STEPS, Account, Orders
from bench.web import Process, get, web, worker
from namaskah.accounts import api_keys
from namaskah.accounts.passwords import hash_password
from namaskah.core.db import Database
from namaskah.wallet.check import check
from tests.factories import customer, own_numbers

PASSWORD = "a long sentence for this test"
SECRET = "whsec_" + "c2VjcmV0" * 4


@contextlib.contextmanager
def running(url: str) -> Iterator[Process]:
    with (
        web(url, more={"FORWARDED_ALLOW_IPS": "127.0.0.1", "LOG_LEVEL": "ERROR"}) as [process],
        worker(url, more={"LOG_LEVEL": "ERROR"}),
    ):
        yield process


@pytest.fixture
async def accounts(db: Any, database: Database) -> AsyncIterator[list[tuple[Account, str]]]:
    """Five customers with money; each with a live key, and beside it a test key."""
    made = []
    for _ in range(5):
        who = await customer(database, balance="900.00")
        await db.execute("UPDATE users SET password_hash = $2 WHERE id = $1", who.user_id, await hash_password(PASSWORD))
        _, live = await api_keys.create(database, user_id=who.user_id, livemode=True, name="load")
        _, test = await api_keys.create(database, user_id=who.user_id, livemode=False, name="load")
        made.append((Account(f"{who.user_id}@example.com", PASSWORD, live), test))
    yield made


def orders(process: Process, accounts: list[Account], **given: Any) -> Orders:
    usual = {
        "users": len(accounts), "sign_ins_a_second": 10.0, "seconds": 1.0, "least_purchases": 2, "think": 0.1, "purchases_a_session": 2, "services": ["telegram"],
        "own_addresses": True, "stretch": 1.0, "delivery": (0.05, 0.2),
    }  # fmt: skip
    return Orders(urls=[f"http://127.0.0.1:{process.port}"], accounts=accounts, **(usual | given))


def level_of(wanted: Orders) -> Level:
    return summed(play(wanted), users=wanted.users, think=wanted.think)


async def test_users_who_fail_are_counted_and_the_others_get_their_codes(
    database_url: str, db: Any, database: Database, accounts: list[tuple[Account, str]]
) -> None:
    source = await own_numbers(db, 400)
    # As the worker will have counted a moment later.
    await db.execute("INSERT INTO country_stock (country, total, free) VALUES ('us', 400, 400)")
    live = [account for account, _ in accounts]
    forgetful = Account(live[0].email, "not the password", live[0].key)
    with running(database_url) as process:
        refused = level_of(orders(process, [forgetful], seconds=0.2, least_purchases=0))
        unheard = level_of(
            orders(
                process,
                live[:1],
                seconds=0.2,
                patience=1.0,
                least_purchases=1,
                source_id=source,
                source_secret="whsec_" + "b3RoZXJz" * 4,
            )
        )
        went_well = level_of(orders(process, live, source_id=source, source_secret=SECRET))
        seen: dict[str, Any] = {}
        add_statement_times(get(process.port, "/metrics").decode(), seen)

    assert [row.step for row in refused.steps] == ["sign in"]
    assert refused.errors == 1 and set(refused.steps[0].reasons) == {"401"} and not refused.holds
    # A webhook with a wrong signature brings no code: that user waited in vain and was not counted as served.
    assert {row.step: row.errors for row in unheard.steps if row.errors} == {"webhook": 1, "code": 1}

    assert went_well.errors == 0, went_well.steps
    rows = {row.step: row for row in went_well.steps}
    assert set(rows) == {*STEPS, "webhook"}
    assert rows["sign in"].count >= 5 and rows["code"].count >= rows["buy"].count >= 5
    assert rows["code"].p50 <= rows["code"].p95 <= rows["code"].p99 <= rows["code"].max
    bought = await db.fetchval("SELECT count(*) FROM verifications WHERE status = 'completed' AND charged")
    assert bought >= rows["buy"].count
    assert (await check(database, full=True)).ok
    assert seen["verification_start_own"].count >= rows["buy"].count >= 1
    assert 0 < seen["verification_start_own"].quick <= seen["verification_start_own"].count


async def test_an_instance_that_runs_already_is_asked_in_test_mode_only(
    database_url: str, db: Any, accounts: list[tuple[Account, str]]
) -> None:
    account, test_key = accounts[0]
    with pytest.raises(ValueError, match="test key"):
        Elsewhere("http://127.0.0.1:1", account).orders(users=1, think=0, seconds=1, sign_ins_a_second=1)
    with running(database_url) as process:
        place = Elsewhere(f"http://127.0.0.1:{process.port}/", Account(account.email, PASSWORD, test_key))
        wanted = place.orders(users=2, think=0.05, seconds=0.5, sign_ins_a_second=5, stretch=1)
        wanted.least_purchases = 2
        level = level_of(wanted)
    assert level.errors == 0, level.steps
    assert {row.step for row in level.steps} == {*STEPS, "refill"}
    assert await db.fetchval("SELECT count(*) FROM verifications WHERE livemode") == 0

"""The ledger's check finds every kind of drift: each is made by hand, past all guards, and must be named."""

import json

import pytest

from namaskah.wallet.check import QUESTIONS, asked, check
from tests.factories import VAULT, buy, customer, own_numbers, sms
from tests.verifications.shown import shown

# The guards are off in this session only: what the check must find is what no statement of ours could do.
_NO_GUARDS = "SET session_replication_role = replica"
_NO_LIMITS = """
ALTER TABLE wallets DROP CONSTRAINT never_over_held; ALTER TABLE wallets DROP CONSTRAINT wallets_balance_micros_check;
ALTER TABLE verifications DROP CONSTRAINT charged_means_a_code; DROP INDEX payment_logs_credited_once;
"""
_PAYMENT = """
INSERT INTO payment_logs (id, user_id, provider, reference, status, amount_micros, currency, transaction_id)
SELECT n::text, u.id, 'bank', 'r1', 'paid', 5, 'USD', (SELECT max(id) FROM transactions) FROM users u, generate_series(1, 2) n
"""
# A hundred thousand credits of a micro each, all of ten days ago.
_HISTORY = """
WITH old AS (
    INSERT INTO transactions (id, user_id, livemode, type, amount_micros, balance_after_micros, available_after_micros,
                              actor_id, created_at)
    SELECT 'txn_0' || lpad(n::text, 25, '0'), $1, true, 'credit', 1, n, n, 'system', now() - interval '10 days'
    FROM generate_series(1, 100000) n RETURNING id
)
INSERT INTO entries SELECT id, a.account::smallint, a.amount FROM old, (VALUES (4, -1), (1, 1)) a (account, amount)
"""
_ARCHIVED = """
INSERT INTO archived_orders SELECT {id}, user_id, livemode, {carried_by}, '{status}', service, country, operator, provider, number_id, NULL,
    NULL, price_micros, 1, created_at, pending_at, expires_at, {code_at}, created_at, NULL, NULL, 'txn_h', 0, 0, expires_at, 'x', 'txn_e',
    0, 0, '', 'x', created_at, now() FROM verifications WHERE status = 'completed'
"""
# What is done by hand; the invariant that must be named.
DRIFTS = {
    "a balance that grew by itself": (
        "UPDATE wallets SET balance_micros = balance_micros + 1 WHERE livemode", "a wallet equals its entries"),
    "money held for nothing": (
        "UPDATE wallets SET held_micros = held_micros + 7 WHERE livemode", "the held money of a wallet is that of its open verifications"),
    "an open order that is not counted": (
        "UPDATE wallets SET open_count = 0 WHERE livemode", "the held money of a wallet is that of its open verifications"),
    "a negative balance": (
        "UPDATE wallets SET balance_micros = -1 WHERE NOT livemode", "nothing is negative and nothing over-held"),
    "an entry that is gone": (
        "DELETE FROM entries WHERE account = 1 AND transaction_id = (SELECT max(id) FROM transactions WHERE type = 'hold')",
        "the entries of a transaction sum to zero"),
    "an entry that was changed": (
        "UPDATE entries SET amount_micros = amount_micros - 3 WHERE account = 3", "the entries of a transaction sum to zero"),
    "a line that says more than was moved": (
        "UPDATE transactions SET amount_micros = amount_micros + 2 WHERE type = 'credit'",
        "a line of the statement is what its entries did"),
    "a transaction without entries": (
        "DELETE FROM entries WHERE transaction_id = (SELECT max(id) FROM transactions WHERE type = 'credit')",
        "the entries of a transaction sum to zero"),
    "a hold that nobody resolved": (
        "UPDATE transactions SET hold_deadline_at = now() - interval '61 seconds' WHERE type = 'hold'",
        "a hold is resolved within a minute of its deadline"),
    "a capture that resolves nothing": (
        "DELETE FROM hold_resolutions WHERE kind = 'capture'", "a capture or release resolves a hold"),
    "a capture of less than was held": (
        "UPDATE entries SET amount_micros = amount_micros / 2 WHERE transaction_id IN (SELECT id FROM transactions WHERE type = 'capture')",
        "what was captured or released is what was held"),
    "a capture that is called a release": (
        "UPDATE hold_resolutions SET kind = 'release'", "what was captured or released is what was held"),
    "a completed order whose money went back": (
        "UPDATE hold_resolutions SET kind = 'release'",
        "a completed verification has a capture, a cancelled, expired or failed one a release"),
    "an order that ended without a release": (
        "UPDATE verifications SET status = 'expired' WHERE status = 'pending'",
        "a completed verification has a capture, a cancelled, expired or failed one a release"),
    "a completed order without a message": (
        "DELETE FROM messages", "a completed verification has received a code, and only it is charged"),
    "a charge without a code": (
        "UPDATE verifications SET charged = true WHERE status = 'pending'",
        "a completed verification has received a code, and only it is charged"),
    "an archived order that no line carries forward": (
        _ARCHIVED.format(id="'ver_old'", carried_by="'txn_c'", status="completed", code_at="now()"),
        "what was paid for archived orders is carried forward"),
    "an order that is in the archive and not gone": (
        _ARCHIVED.format(id="id", carried_by="NULL", status="expired", code_at="NULL"), "an archived order is in no other place"),
    "a payment that was credited twice": (_PAYMENT, "no payment is credited twice"),
    "a number that nobody gave back": (
        "UPDATE verifications SET closed_at = now() WHERE status = 'pending'", "no number is busy without an open verification"),
    "a number that belongs to nobody": (
        "UPDATE numbers SET verification_id = 'ver_x' WHERE busy", "no number is busy without an open verification"),
    "a number that was sold twice": (
        "UPDATE verifications SET number_id = (SELECT min(number_id) FROM verifications)", "no number was sold twice for one service"),
}  # fmt: skip


@pytest.fixture
async def busy(database):
    """A customer with one paid and one open order."""
    who = await customer(database)
    await own_numbers(database)
    await sms(database, shown(await buy(database, who)).number)
    await buy(database, who)
    assert (await check(database, full=True)).ok
    return who


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("drift", DRIFTS)
async def test_drift_is_found_and_named(database, db, drift):
    statement, invariant = DRIFTS[drift]
    await db.execute(_NO_LIMITS)
    await db.execute(_NO_GUARDS)
    await db.execute(statement)
    report = await check(database, full=True)
    assert not report.ok
    assert invariant in {finding.invariant for finding in report.findings}, report.findings


def test_every_invariant_has_a_drift_that_breaks_it():
    assert {invariant for _, invariant in DRIFTS.values()} == {name for name, _ in QUESTIONS}


@pytest.mark.usefixtures("busy")
async def test_the_size_of_the_drift_is_told_in_micros(database, db):
    await db.execute("UPDATE wallets SET balance_micros = balance_micros + 42 WHERE livemode")
    assert (await check(database, full=True)).drift_micros == 42


@pytest.mark.usefixtures("busy")
async def test_the_incremental_check_looks_at_what_is_new_and_finds_its_drift(database, db):
    await db.execute("DELETE FROM ledger_checks")
    first = await check(database, full=False)
    assert (first.ok, first.checked_from.year) == (True, 1970)
    second = await check(database, full=False)
    assert second.ok
    assert second.checked_from.year > 1970
    await db.execute("UPDATE wallets SET held_micros = held_micros + 1 WHERE livemode")
    third = await check(database, full=False)
    assert not third.ok
    assert (await check(database, full=False)).checked_from == third.checked_from, "what was found once is looked at again"


async def test_the_incremental_check_reads_what_is_new_and_not_the_history(database, db):
    who = await customer(database)
    await own_numbers(database)
    await db.execute(_NO_GUARDS)
    await db.execute(_HISTORY, who.user_id)
    await db.execute("UPDATE wallets SET balance_micros = balance_micros + 100000 WHERE user_id = $1 AND livemode", who.user_id)
    await buy(database, who)
    await db.execute("VACUUM ANALYZE")
    assert (await check(database, full=True)).ok
    assert (await check(database, full=False)).ok
    since = await db.fetchval("SELECT clock_timestamp() - interval '2 minutes'")
    for invariant, question in QUESTIONS:
        plan = await db.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON, TIMING OFF) {asked(question)}", since)
        read = sum(rows_of(json.loads(plan)[0]["Plan"]))
        assert read < 20_000, (invariant, read, plan)


def rows_of(plan):
    """How many rows each scan of a plan has read, those included that it threw away."""
    if "Relation Name" in plan:
        away = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
        yield (plan["Actual Rows"] + away) * plan["Actual Loops"]
    for part in plan.get("Plans", ()):
        yield from rows_of(part)


@pytest.mark.usefixtures("busy")
async def test_each_check_is_kept_with_what_it_found(database, db):
    await db.execute("UPDATE wallets SET balance_micros = balance_micros + 1 WHERE livemode")
    await check(database, full=True)
    row = await db.fetchrow("SELECT kind, ok, findings->0->>'micros' AS micros FROM ledger_checks ORDER BY id DESC LIMIT 1")
    assert tuple(row) == ("full", False, "1")


async def test_many_findings_are_cut_to_twenty_of_a_kind(database, db):
    for _ in range(25):
        await customer(database)
    await db.execute("UPDATE wallets SET balance_micros = balance_micros + 1 WHERE livemode")
    report = await check(database, full=True)
    assert len(report.findings) == 20


async def test_work_that_goes_on_meanwhile_is_no_finding(database):
    import asyncio

    who = await customer(database, balance="100.00")
    await own_numbers(database, 100)

    async def work() -> None:
        for _ in range(60):
            await sms(database, shown(await buy(database, who)).number)

    working = asyncio.create_task(work())
    while not working.done():
        report = await check(database, full=True)
        assert report.ok, report.findings
    await working
    assert VAULT

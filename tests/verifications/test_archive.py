"""Old orders leave, and the money is proved as before: what is archived, what stays, who may, and what a crash leaves."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from namaskah.core.batches import Pace
from namaskah.core.db import Database, DatabaseGone
from namaskah.verifications.archive import archive_orders, archive_wallet, count_orders
from namaskah.verifications.cancel import cancel
from namaskah.verifications.errors import VerificationNotFound
from namaskah.verifications.queries import history, read
from namaskah.wallet.check import check
from namaskah.wallet.queries import transactions, wallet
from tests.factories import VAULT, buy, customer, own_numbers, sms
from tests.verifications.shown import shown

NOW = datetime.now(UTC)
BEFORE = NOW - timedelta(days=100)
_AGE = """
SET session_replication_role = replica;
UPDATE verifications SET created_at = created_at - interval '{0} days', pending_at = pending_at - interval '{0} days',
    expires_at = expires_at - interval '{0} days', code_received_at = code_received_at - interval '{0} days',
    settled_at = settled_at - interval '{0} days', closed_at = closed_at - interval '{0} days' WHERE id = ANY ($1);
UPDATE transactions SET created_at = created_at - interval '{0} days', hold_deadline_at = hold_deadline_at - interval '{0} days'
    WHERE verification_id = ANY ($1);
UPDATE messages SET created_at = created_at - interval '{0} days', received_at = received_at - interval '{0} days'
    WHERE verification_id = ANY ($1);
SET session_replication_role = origin;
"""


@pytest.fixture
async def owner(database_url):
    """The database as its owner sees it."""
    opened = await Database.open(database_url, max_size=2, role=None)
    yield opened
    await opened.close()


async def age(db, days, *orders):
    """Makes orders that many days older, with all that belongs to them, as no statement of ours could."""
    for statement in filter(str.strip, _AGE.format(days).split(";")):
        await db.execute(statement, *([[order.id for order in orders]] if "$1" in statement else []))


async def completed(database, who):
    """An order that got its code and is closed."""
    bought = shown(await buy(database, who))
    await sms(database, bought.number)
    await database.execute("UPDATE verifications SET closed_at = clock_timestamp(), sweep_at = NULL WHERE id = $1", bought.id)
    await database.execute("UPDATE numbers SET busy = false WHERE verification_id = $1", bought.id)
    return bought


async def cancelled(database, who):
    """An order whose money went back."""
    bought = shown(await buy(database, who))
    await cancel(database, principal=who, verification_id=bought.id, pause_seconds=0, vault=VAULT)
    return bought


async def archived(owner, before=BEFORE):
    return await archive_orders(owner, before=before, reason="books are closed", actor_id="cli:test")


async def proved(database):
    report = await check(database, full=True)
    assert report.ok, report.findings


async def everything(db):
    """All that could be lost, as the database has it."""
    tables = ("verifications", "transactions", "entries", "hold_resolutions", "messages", "archived_orders", "wallets")
    return {table: sorted(map(repr, map(tuple, await db.fetch(f"SELECT * FROM {table}")))) for table in tables}


async def test_what_is_young_or_open_stays(database, owner, db):
    who = await customer(database)
    await own_numbers(database)
    young, still_open = await completed(database, who), shown(await buy(database, who))
    await age(db, 99, young)
    await db.execute("UPDATE verifications SET created_at = created_at - interval '200 days' WHERE id = $1", still_open.id)
    before = await everything(db)
    assert (await archived(owner)).orders == 0
    assert await everything(db) == before


async def test_an_order_that_began_before_and_ended_after_the_day_stays_whole(database, owner, db):
    who = await customer(database)
    await own_numbers(database)
    order = await completed(database, who)
    await age(db, 99, order)
    await db.execute("UPDATE verifications SET created_at = created_at - interval '2 days' WHERE id = $1", order.id)
    assert (await archived(owner)).orders == 0
    await proved(database)


async def test_old_orders_leave_and_the_money_is_what_it_was(database, owner, db):
    who, other = await customer(database), await customer(database)
    await own_numbers(database)
    paid, given_back, young = await completed(database, who), await cancelled(database, who), await completed(database, who)
    theirs = await completed(database, other)
    await age(db, 150, paid, given_back, theirs)
    before = await wallet(database, user_id=who.user_id, livemode=True)
    counted = await count_orders(owner, before=BEFORE)
    done = await archived(owner)
    assert done == counted
    assert (done.orders, done.wallets) == (3, 2)
    assert await wallet(database, user_id=who.user_id, livemode=True) == before
    await proved(database)
    assert (await check(database, full=False)).ok
    assert [row["id"] for row in await db.fetch("SELECT id FROM verifications")] == [young.id]
    assert await db.fetchval("SELECT count(*) FROM messages") == 1
    with pytest.raises(VerificationNotFound):
        await read(database, principal=who, verification_id=paid.id, vault=VAULT)
    page = await history(database, principal=who, status=None, service=None, limit=10, cursor=None, vault=VAULT)
    assert young.id.encode() in page
    assert (await archived(owner)).orders == 0, "a second run finds nothing"


async def test_the_archive_keeps_what_proves_the_order(database, owner, db):
    who = await customer(database)
    await own_numbers(database)
    order = await completed(database, who)
    await age(db, 150, order)
    lines = {row["type"]: row for row in await db.fetch("SELECT * FROM transactions WHERE verification_id = $1", order.id)}
    await archived(owner)
    row = await db.fetchrow("SELECT * FROM archived_orders")
    assert (row["verification_id"], row["status"], row["hold_id"], row["end_id"], row["messages"]) == (
        order.id, "completed", lines["hold"]["id"], lines["capture"]["id"], 1)  # fmt: skip
    assert row["code_received_at"] is not None
    for line, prefix in (("hold", "hold"), ("capture", "end")):
        assert row[f"{prefix}_balance_after_micros"] == lines[line]["balance_after_micros"]
        assert row[f"{prefix}_available_after_micros"] == lines[line]["available_after_micros"]
        assert row[f"{prefix}_actor_id"] == lines[line]["actor_id"]
    assert await db.fetchval("SELECT count(*) FROM audit_log WHERE action = 'ledger.archive'") == 1


async def test_the_statement_goes_on_from_what_is_carried_forward(database, owner, db):
    who = await customer(database)
    await own_numbers(database)
    first, second, third = [await completed(database, who) for _ in range(3)]
    await age(db, 150, first, second)
    await db.execute("SET session_replication_role = replica")
    await db.execute("UPDATE transactions SET created_at = created_at - interval '300 days' WHERE type = 'credit'")
    await archived(owner)
    lines = await transactions(database, user_id=who.user_id, livemode=True, kind=None, limit=10, after=None)
    assert [line.type for line in lines] == ["capture", "hold", "debit", "credit"]
    carried = lines[2]
    assert carried.reason.startswith("2 orders until ")
    assert carried.reason.endswith(", carried forward")
    assert float(carried.amount.amount) == -2 * float(third.price.amount)
    assert float(carried.balance_after.amount) == float(lines[3].balance_after.amount) + float(carried.amount.amount)


async def test_many_steps_and_many_runs_carry_all_of_it_forward(database, owner, db, monkeypatch):
    who = await customer(database, balance="50.00")
    await own_numbers(database, 12)
    orders = [await (cancelled if n % 3 == 2 else completed)(database, who) for n in range(12)]
    for place, order in enumerate(orders):
        await age(db, 400 - 20 * place, order)
    before = await wallet(database, user_id=who.user_id, livemode=True)
    monkeypatch.setattr(Pace.__init__, "__kwdefaults__", {"first": 2, "least": 2, "most": 2})
    monkeypatch.setattr("namaskah.verifications.archive.Pace", lambda **_: Pace())
    taken = []
    for days in (390, 310, 250, 100):
        taken.append((await archived(owner, NOW - timedelta(days=days))).orders)
        await proved(database)
        assert await wallet(database, user_id=who.user_id, livemode=True) == before
    assert taken == [1, 4, 3, 4]
    assert await db.fetchval("SELECT count(*) FROM transactions WHERE type <> 'credit'") == await db.fetchval(
        "SELECT count(DISTINCT carried_by) FROM archived_orders"
    )


async def test_revenue_stays_what_was_earned(database, owner, db):
    earned = "SELECT sum(amount_micros) FROM entries WHERE account = 3"
    who = await customer(database)
    await own_numbers(database)
    orders = [await completed(database, who) for _ in range(3)]
    before = await db.fetchval(earned)
    await age(db, 150, *orders)
    await archived(owner)
    assert await db.fetchval(earned) == before


async def test_an_order_whose_lines_do_not_add_up_stays_and_is_complained_of(database, owner, db):
    who = await customer(database)
    await own_numbers(database)
    whole, damaged = await completed(database, who), await completed(database, who)
    await age(db, 150, whole, damaged)
    await db.execute("SET session_replication_role = replica")
    await db.execute(
        "UPDATE entries SET amount_micros = 1 WHERE account = 3 AND transaction_id = (SELECT id FROM transactions"
        " WHERE verification_id = $1 AND type = 'capture')", damaged.id,
    )  # fmt: skip
    assert (await archived(owner)).orders == 1
    assert await db.fetchval("SELECT id FROM verifications") == damaged.id
    assert not (await check(database, full=True)).ok


async def test_a_number_that_was_sold_once_is_not_sold_again_for_the_same_service(database, owner, db):
    from namaskah.verifications.errors import NoNumbers

    who = await customer(database)
    await own_numbers(database, 1)
    await age(db, 150, await completed(database, who))
    await db.execute("UPDATE numbers SET free_at = '-infinity'")
    await archived(owner)
    with pytest.raises(NoNumbers):
        await buy(database, who)


# Who may


async def test_the_application_cannot_archive(database, db):
    who = await customer(database)
    await own_numbers(database)
    await age(db, 150, await completed(database, who))
    before = await everything(db)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await archived(database)
    assert await everything(db) == before


@pytest.mark.parametrize("table", ["transactions", "entries", "hold_resolutions"])
async def test_opening_the_first_guard_by_hand_does_not_open_the_second(database, db, table):
    who = await customer(database)
    await own_numbers(database)
    await completed(database, who)
    await db.execute("SET namaskah.archiving = 'on'")
    if table == "transactions":
        await db.execute("ALTER TABLE entries DROP CONSTRAINT entries_transaction_id_fkey")
        await db.execute("ALTER TABLE hold_resolutions DROP CONSTRAINT hold_resolutions_hold_id_fkey")
        await db.execute("ALTER TABLE hold_resolutions DROP CONSTRAINT hold_resolutions_transaction_id_fkey")
    with pytest.raises(asyncpg.PostgresError, match="is not archived") as refusal:
        await db.execute(f"DELETE FROM {table}")
    assert refusal.value.sqlstate == "NM001"


@pytest.mark.parametrize(
    "statement", ["UPDATE archived_orders SET price_micros = 1", "DELETE FROM archived_orders", "TRUNCATE archived_orders"]
)
async def test_nobody_changes_the_archive(database, db, statement):
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.execute(statement)
    with pytest.raises(asyncpg.PostgresError, match="append-only"):
        await db.execute(statement)


async def test_an_older_releases_grants_do_not_let_the_application_write_to_the_archive(database, db):
    await db.execute("GRANT INSERT, UPDATE, DELETE ON archived_orders TO namaskah_app")
    for statement in (
        "INSERT INTO archived_orders SELECT",
        "DELETE FROM archived_orders",
        "UPDATE archived_orders SET price_micros = 2",
    ):
        with pytest.raises(asyncpg.PostgresError, match="append-only"):
            await database.execute(statement)


# What is found when it was done wrongly


async def test_a_line_that_carries_too_little_is_drift(database, owner, db):
    who = await customer(database)
    await own_numbers(database)
    await age(db, 150, await completed(database, who))
    await archived(owner)
    await db.execute("SET session_replication_role = replica")
    await db.execute("UPDATE archived_orders SET price_micros = price_micros + 5")
    report = await check(database, full=True)
    assert {found.invariant for found in report.findings} == {"what was paid for archived orders is carried forward"}
    assert report.drift_micros == 5


# Crashes

_STEPS = ("INSERT INTO archived_orders", "INSERT INTO transactions", "INSERT INTO entries", "DELETE FROM entries", "DELETE FROM hold_resolutions",
          "DELETE FROM transactions", "DELETE FROM messages", "DELETE FROM verifications")  # fmt: skip


@pytest.mark.parametrize("timing", ["BEFORE", "AFTER"])
@pytest.mark.parametrize("step", _STEPS)
async def test_a_crash_before_or_after_any_step_leaves_all_as_it_was_and_the_next_run_finishes(database, owner, db, timing, step):
    who = await customer(database)
    await own_numbers(database)
    orders = [await completed(database, who), await cancelled(database, who), await completed(database, who)]
    await age(db, 150, *orders)
    before = await everything(db)
    action, _, table = step.partition(" INTO " if "INTO" in step else " FROM ")
    # The server itself ends the connection there, as it would if the process were killed.
    await db.execute(
        "CREATE FUNCTION crash() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid());"
        f" RETURN NULL; END $$; CREATE TRIGGER crash {timing} {action} ON {table} FOR EACH STATEMENT EXECUTE FUNCTION crash()"
    )
    with pytest.raises(DatabaseGone):
        await archived(owner)
    assert await everything(db) == before
    await db.execute(f"DROP TRIGGER crash ON {table}")
    assert (await archived(owner)).orders == 3
    await proved(database)


async def test_buying_goes_on_while_old_orders_leave(database, owner, db):
    import asyncio

    who = await customer(database, balance="100.00")
    await own_numbers(database, 120)
    old = [await completed(database, who) for _ in range(30)]
    await age(db, 150, *old)
    archiving = asyncio.create_task(archived(owner))
    bought = 0
    while not archiving.done() or bought < 10:
        await completed(database, who)
        bought += 1
        report = await check(database, full=True)
        assert report.ok, report.findings
    assert (await archiving).orders == 30
    await proved(database)


async def test_many_damaged_orders_of_one_instant_do_not_keep_the_later_ones(database, db, owner):
    who = await customer(database)
    await own_numbers(database, 7)
    orders = [await cancelled(database, who) for _ in range(7)]
    await age(db, 200, *orders)
    damaged = [order.id for order in orders[:6]]
    await db.execute(
        "UPDATE verifications SET created_at = $2, price_micros = price_micros + 1 WHERE id = ANY ($1)",
        damaged,
        NOW - timedelta(days=300),
    )
    async with asyncio.timeout(20):
        found = await archive_wallet(
            owner, user_id=who.user_id, livemode=True, before=BEFORE, pace=Pace(first=5, least=5, most=5)
        )
    assert found == (1, 0)
    assert await db.fetchval("SELECT count(*) FROM verifications") == 6

"""What is forgotten and when; what must stay, because it proves the money, stays."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from namaskah.core import batches
from namaskah.verifications import retention
from namaskah.verifications.queries import read
from namaskah.verifications.retention import (
    erase_messages,
    forget_ended_work,
    forget_events,
    forget_idempotency_keys,
    mask_numbers,
)
from namaskah.wallet.check import check
from tests.factories import VAULT, buy, customer, own_numbers, sms
from tests.verifications.shown import shown

_AGE = "UPDATE {} SET created_at = created_at - interval '{} days'"


async def paid(database, **wishes):
    who = await customer(database)
    await own_numbers(database, 5)
    bought = shown(await buy(database, who, **wishes))
    await sms(database, bought.number, "Your code is 482913")
    return who, bought


async def test_before_the_days_are_over_nothing_is_erased(database, db):
    who, bought = await paid(database)
    await db.execute(_AGE.format("messages", 6))
    assert await erase_messages(database, days=7) == 0
    assert shown(await read(database, principal=who, verification_id=bought.id, vault=VAULT)).code == "482913"


async def test_after_them_text_code_sender_and_number_are_gone_and_the_proof_stays(database, db):
    who, bought = await paid(database)
    await db.execute(_AGE.format("messages", 8))
    assert await erase_messages(database, days=7) == 1
    assert await erase_messages(database, days=7) == 0
    row = await db.fetchrow("SELECT * FROM messages")
    assert (row["text_encrypted"], row["code_encrypted"], row["sender"]) == (None, None, "")
    assert row["number"] == bought.number[:4] + "*" * (len(bought.number) - 4)
    after = shown(await read(database, principal=who, verification_id=bought.id, vault=VAULT))
    assert (after.status, after.charged, after.code) == ("completed", True, None)
    assert [(m.text, m.code) for m in after.messages] == [(None, None)]
    report = await check(database, full=True)
    assert report.ok, report.findings


async def test_events_hold_copies_and_go_with_the_texts(database, db):
    await paid(database)
    assert await forget_events(database, days=7) == 0
    await db.execute(_AGE.format("events", 8))
    assert await forget_events(database, days=7) == await db.fetchval("SELECT sum(event_seq) FROM wallets")


async def test_idempotency_keys_live_for_their_days(database, db):
    await paid(database, idempotency_key="k", fingerprint=b"f")
    assert await forget_idempotency_keys(database, days=30) == 0
    await db.execute(_AGE.format("idempotency_keys", 31))
    assert await forget_idempotency_keys(database, days=30) == 1


async def test_more_than_a_step_is_forgotten_in_one_run(database, db, monkeypatch):
    monkeypatch.setattr(batches.Pace.__init__, "__kwdefaults__", {"first": 1.0, "least": 1.0, "most": 2.0})
    await paid(database)
    await db.execute(_AGE.format("events", 8))
    left = await db.fetchval("SELECT count(*) FROM events")
    assert left > 2
    assert await forget_events(database, days=7) == left


async def test_a_row_that_somebody_has_locked_is_left_for_the_next_run(database, db):
    await paid(database)
    await db.execute(_AGE.format("events", 8))
    left = await db.fetchval("SELECT count(*) FROM events")
    async with db.transaction():
        locked = len(await db.fetch("SELECT FROM events WHERE seq = 1 FOR UPDATE"))
        assert await forget_events(database, days=7) == left - locked
    assert await forget_events(database, days=7) == locked > 0


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (retention._ERASE, "messages_unerased"),
        (retention._FORGET_EVENTS, "events_age"),
        (retention._FORGET_KEYS, "idempotency_keys_age"),
        (retention._FORGET_PROVIDER_ORDERS, "provider_orders_age"),
        (retention._FORGET_DEAD_JOBS, "jobs_dead"),
    ],
)
async def test_each_step_asks_an_index_for_what_is_old_and_reads_nothing_else(db, statement, index):
    await db.execute("SET enable_seqscan = off; SET enable_sort = off")
    plan = await db.fetchval(f"EXPLAIN (FORMAT JSON) {statement}", 100, datetime(1970, 1, 1, tzinfo=UTC), timedelta(days=7))
    [scan] = [node for node in nodes_of(json.loads(plan)[0]["Plan"]) if node.get("Index Name") == index]
    # Both ends of the range: what is asked for by a filter instead would read the whole index once nothing old is left.
    assert scan["Index Cond"].count("<") == 1, scan
    assert scan["Index Cond"].count(">=") == 1


_MANY = """
SET session_replication_role = replica;
INSERT INTO verifications (id, user_id, livemode, status, service_id, service, country, provider, number, price_micros, hold_id, created_at,
    can_cancel_at, expires_at)
SELECT 'ver_' || n, 'user_1', true, (ARRAY['cancelled', 'expired', 'failed'])[1 + n % 3], 1, 'x', 'us', 'x',
       CASE WHEN n % 3 < 2 THEN '+12025550100' END, 1, 'txn_' || n, now() - n * interval '1 minute', now(), now()
FROM generate_series(1, 30000) n;
SET session_replication_role = origin;
ANALYZE verifications
"""


async def test_a_step_of_masking_reads_no_more_than_it_masks_even_when_it_is_the_hundredth(db):
    await db.execute(_MANY)
    await db.execute(f"PREPARE step (bigint, timestamptz, timestamptz) AS {retention._MASK}")
    since = datetime(1970, 1, 1, tzinfo=UTC)
    async with db.transaction():
        await db.execute(batches._UNHURRIED)
        for _ in range(20):
            count, since = await db.fetchrow(f"EXECUTE step (50, '{since}', now())")
            assert count == 50
        plan = await db.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE step (50, '{since}', now())")
    scans = [
        node for node in nodes_of(json.loads(plan)[0]["Plan"]) if node.get("Index Name") == "idx_verifications_status_created"
    ]
    assert scans
    assert sum(scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0) for scan in scans) <= 150


def nodes_of(plan):
    """All parts of a plan."""
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes_of(part)


async def test_what_is_over_for_months_is_forgotten_and_what_runs_is_not(database, db):
    who, bought = await paid(database)
    await db.execute(
        "INSERT INTO provider_orders (verification_id, provider, state, asked_at) VALUES ($1, 'x', 'open', now())", bought.id
    )
    await db.execute("INSERT INTO jobs (kind, dead_at) VALUES ('a', now()), ('b', now() - interval '91 days'), ('c', NULL)")
    await db.execute(
        "INSERT INTO api_keys (id, user_id, livemode, name, hint, hash) VALUES ('key_1', $1, true, 'n', 'h', $2)",
        who.user_id,
        b"h" * 32,
    )
    await db.execute("INSERT INTO api_key_spend VALUES ('key_1', current_date, 1), ('key_1', current_date - 40, 1)")
    assert await forget_ended_work(database) == 2
    await db.execute("UPDATE provider_orders SET asked_at = now() - interval '91 days'")
    assert await forget_ended_work(database) == 0, "an order that is open is kept, however old"
    await db.execute("UPDATE provider_orders SET state = 'closed'")
    assert await forget_ended_work(database) == 1
    assert await db.fetchval("SELECT count(*) FROM jobs WHERE kind IN ('a', 'c')") == 2


async def test_numbers_are_masked_after_a_month_and_only_those_of_orders_that_ended(database, db):
    who = await customer(database, balance="20.00")
    await own_numbers(database, 3)
    now = datetime.now(UTC)
    old, still_open, young = [
        shown(await buy(database, who, now=now - timedelta(days=days))) for days in (31, 31, 29)
    ]  # fmt: skip
    for bought in (old, young):
        await db.execute("UPDATE verifications SET status = 'expired' WHERE id = $1", bought.id)
    await mask_numbers(database, days=30)
    numbers = {row["id"]: row["number"] for row in await db.fetch("SELECT id, number FROM verifications")}
    assert numbers == {old.id: old.number[:4] + "*" * 8, still_open.id: still_open.number, young.id: young.number}


async def test_masking_goes_on_where_it_ended_and_without_orders_does_nothing(database, db):
    await mask_numbers(database, days=30)
    assert await db.fetchval("SELECT count(*) FROM schema_state WHERE name = 'numbers_masked_to'") == 0
    who = await customer(database)
    await own_numbers(database, 1)
    bought = shown(await buy(database, who, now=datetime.now(UTC) - timedelta(days=33)))
    await db.execute("UPDATE verifications SET status = 'expired'")
    await mask_numbers(database, days=32)
    await mask_numbers(database, days=30)
    assert await db.fetchval("SELECT number FROM verifications") == bought.number[:4] + "*" * 8
    masked_to = await db.fetchval("SELECT value::timestamptz FROM schema_state WHERE name = 'numbers_masked_to'")
    assert timedelta(days=30) <= datetime.now(UTC) - masked_to < timedelta(days=30, minutes=1)


async def test_masking_passes_over_empty_time_and_stops_in_time_for_what_is_young(database, db):
    who = await customer(database, balance="20.00")
    await own_numbers(database, 3)
    now = datetime.now(UTC)
    ages = (400, 60, 29)
    orders = [shown(await buy(database, who, now=now - timedelta(days=days))) for days in ages]
    await db.execute("UPDATE verifications SET status = 'expired'")
    await mask_numbers(database, days=30)
    numbers = {row["id"]: row["number"] for row in await db.fetch("SELECT id, number FROM verifications")}
    assert ["*" in numbers[order.id] for order in orders] == [True, True, False]

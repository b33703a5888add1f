"""What is forgotten and when; what must stay, because it proves the money, stays."""

from datetime import UTC, datetime, timedelta

from namaskah.verifications import retention
from namaskah.verifications.queries import read
from namaskah.verifications.retention import erase_messages, forget_events, forget_idempotency_keys, mask_numbers
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


async def test_more_than_a_batch_is_forgotten_in_one_run(database, db, monkeypatch):
    monkeypatch.setattr(retention, "_BATCH", 1)
    await paid(database)
    await db.execute(_AGE.format("events", 8))
    left = await db.fetchval("SELECT count(*) FROM events")
    one_at_a_time = retention._FORGET_EVENTS.replace("LIMIT 5000", "LIMIT 1")
    assert await retention._in_batches(database, one_at_a_time, timedelta(days=7)) == left


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

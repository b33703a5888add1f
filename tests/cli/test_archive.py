"""`namaskah ledger archive` from the outside."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.cli.conftest import Namaskah

_OLD = """
SET session_replication_role = replica;
WITH u AS (SELECT id FROM users LIMIT 1), v AS (
    INSERT INTO verifications (id, user_id, livemode, status, service_id, service, country, provider, price_micros, hold_id, created_at,
        can_cancel_at, expires_at, settled_at, closed_at)
    SELECT 'ver_old', u.id, false, 'failed', 1, 'x', 'us', 'x', 500000, 'txn_hold', now() - interval '200 days', now(),
           now() - interval '199 days', now() - interval '200 days', now() - interval '200 days' FROM u
), t AS (
    INSERT INTO transactions (id, user_id, livemode, type, amount_micros, balance_after_micros, available_after_micros, verification_id,
        hold_deadline_at, actor_id, created_at)
    SELECT k.id, u.id, false, k.type, k.amount, 1000000, 1000000, 'ver_old', k.deadline, u.id, now() - interval '200 days'
    FROM u, (VALUES ('txn_hold', 'hold', -500000, now()), ('txn_back', 'release', 500000, NULL)) k (id, type, amount, deadline)
), e AS (
    INSERT INTO entries VALUES ('txn_hold', 1, -500000), ('txn_hold', 2, 500000), ('txn_back', 2, -500000), ('txn_back', 1, 500000)
)
INSERT INTO hold_resolutions VALUES ('txn_hold', 'release', 'txn_back');
"""


async def test_old_orders_are_counted_then_archived_and_the_ledger_is_proved(namaskah: Namaskah, db: Any) -> None:
    assert namaskah("user", "create", "ana@example.com").returncode == 0
    await db.execute(_OLD)
    day = f"{datetime.now(UTC) - timedelta(days=120):%Y-%m-%d}"
    call = ("ledger", "archive", "--before", day, "--reason", "closed", "--json")
    counted = json.loads(namaskah(*call, "--dry-run").stdout)
    assert (counted["orders"], counted["dry_run"]) == (1, True)
    done = json.loads(namaskah(*call).stdout)
    assert (done["orders"], done["captured_micros"], done["wallets"]) == (1, 0, 1)
    assert namaskah("ledger", "check").returncode == 0
    again = namaskah(*call[:-1])
    assert again.stdout.startswith("0 orders of 0 wallets were archived")
    actor = await db.fetchval("SELECT actor_id FROM audit_log WHERE action = 'ledger.archive' ORDER BY id LIMIT 1")
    assert actor.startswith("cli:")


def test_what_is_young_cannot_be_archived_and_a_reason_is_needed(namaskah: Namaskah) -> None:
    young = f"{datetime.now(UTC) - timedelta(days=80):%Y-%m-%d}"
    refused = namaskah("ledger", "archive", "--before", young, "--reason", "closed")
    assert (refused.returncode, "last 90 days" in refused.stderr) == (2, True)
    assert namaskah("ledger", "archive", "--before", "2020-01-01", "--reason", " ").returncode == 2
    kept_longer = namaskah("ledger", "archive", "--before", "2026-01-01", "--reason", "x", NUMBER_MASK_DAYS="365")
    assert "last 365 days" in kept_longer.stderr

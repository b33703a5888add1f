"""Proves the ledger: every invariant of the money as one SQL question that must answer nothing.

`full` looks at everything; the incremental check looks at what was booked since the last one and at what is open. The
worker runs the one every minute and the other every night; `namaskah ledger check` runs either at any time.
"""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from namaskah.core.db import Database

# Transactions are stamped before they commit; looking this far back again finds the ones that committed late.
_OVERLAP = timedelta(minutes=2)
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")

_SUMS = """coalesce(sum(e.amount_micros) FILTER (WHERE e.account = 1), 0)::bigint AS available,
    coalesce(sum(e.amount_micros) FILTER (WHERE e.account = 2), 0)::bigint AS held"""
_OFF = """(abs(w.balance_micros - coalesce(s.available, 0) - coalesce(s.held, 0)) + abs(w.held_micros - coalesce(s.held, 0)))"""
# All statuses by name, so that idx_verifications_status_created serves the range of time.
_ANY = "v.status IN ('requesting', 'pending', 'completed', 'cancelled', 'expired', 'failed')"

# Name, question ($1: only what was booked since then). Each row found is one violation: what, and by how many micros.
QUESTIONS: tuple[tuple[str, str], ...] = (
    ("the entries of a transaction sum to zero", """
        SELECT t.id, coalesce(sum(e.amount_micros), 0)::bigint FROM transactions t LEFT JOIN entries e ON e.transaction_id = t.id
        WHERE t.created_at >= $1::timestamptz GROUP BY t.id HAVING coalesce(sum(e.amount_micros), 0) <> 0 OR count(e.*) < 2"""),
    ("a line of the statement is what its entries did", """
        SELECT t.id, t.amount_micros - coalesce(e.amount_micros, 0)
        FROM transactions t LEFT JOIN entries e ON e.transaction_id = t.id AND e.account = 1
        WHERE t.created_at >= $1::timestamptz AND t.amount_micros <> coalesce(e.amount_micros, 0)"""),
    # All sums at once in the full check. The other one must not add up years every minute: a wallet that is as one of
    # its newest lines says is right, and only of one that is not the entries are summed.
    ("a wallet equals its entries", f"""
        SELECT w.user_id || CASE WHEN w.livemode THEN '' ELSE ' (test)' END, {_OFF}
        FROM wallets w LEFT JOIN (SELECT t.user_id, t.livemode, {_SUMS} FROM transactions t
            JOIN entries e ON e.transaction_id = t.id WHERE e.account IN (1, 2) GROUP BY 1, 2) s USING (user_id, livemode)
        WHERE $1::timestamptz = 'epoch' AND {_OFF} <> 0
        UNION ALL
        SELECT w.user_id || CASE WHEN w.livemode THEN '' ELSE ' (test)' END, {_OFF}
        FROM (SELECT t.user_id, t.livemode, array_agg(DISTINCT (t.balance_after_micros, t.available_after_micros)) AS lines
              FROM transactions t WHERE t.created_at >= $1::timestamptz GROUP BY 1, 2) r
        JOIN wallets w USING (user_id, livemode), LATERAL (SELECT {_SUMS} FROM transactions t
            JOIN entries e ON e.transaction_id = t.id WHERE t.user_id = w.user_id AND t.livemode = w.livemode) s
        WHERE $1::timestamptz <> 'epoch' AND {_OFF} <> 0
          AND (w.balance_micros, w.balance_micros - w.held_micros) <> ALL (r.lines)"""),
    ("nothing is negative and nothing over-held", """
        SELECT user_id, least(balance_micros, held_micros, balance_micros - held_micros) FROM wallets
        WHERE (balance_micros < 0 OR held_micros < 0 OR held_micros > balance_micros) AND $1::timestamptz IS NOT NULL"""),
    ("a hold is resolved within a minute of its deadline", """
        SELECT t.id, -t.amount_micros FROM transactions t
        WHERE t.type = 'hold' AND t.created_at >= $1::timestamptz - interval '2 hours'
          AND t.hold_deadline_at < clock_timestamp() - interval '1 minute'
          AND NOT EXISTS (SELECT FROM hold_resolutions r WHERE r.hold_id = t.id)"""),
    ("what was captured or released is what was held", """
        SELECT r.hold_id, h.amount_micros - coalesce(e.amount_micros, 0)
        FROM transactions t JOIN hold_resolutions r ON r.transaction_id = t.id JOIN transactions h ON h.id = r.hold_id
        LEFT JOIN entries e ON e.transaction_id = r.transaction_id AND e.account = 2
        WHERE t.created_at >= $1::timestamptz AND t.type IN ('capture', 'release')
          AND (t.type <> r.kind OR h.type <> 'hold' OR h.amount_micros IS DISTINCT FROM e.amount_micros)"""),
    ("a capture or release resolves a hold", """
        SELECT t.id, t.amount_micros FROM transactions t
        WHERE t.type IN ('capture', 'release') AND t.created_at >= $1::timestamptz
          AND NOT EXISTS (SELECT FROM hold_resolutions r WHERE r.transaction_id = t.id)"""),
    ("the held money of a wallet is that of its open verifications", """
        SELECT w.user_id, w.held_micros - coalesce(o.held, 0)
        FROM wallets w LEFT JOIN (
            SELECT v.user_id, v.livemode, sum(v.price_micros)::bigint AS held, count(*) AS open FROM verifications v
            WHERE v.status IN ('pending', 'requesting') GROUP BY 1, 2) o USING (user_id, livemode)
        WHERE $1::timestamptz IS NOT NULL AND (w.held_micros <> coalesce(o.held, 0) OR w.open_count <> coalesce(o.open, 0))"""),
    ("a completed verification has a capture, a cancelled, expired or failed one a release", f"""
        SELECT v.id, v.price_micros FROM verifications v LEFT JOIN hold_resolutions r ON r.hold_id = v.hold_id
        WHERE {_ANY} AND v.created_at >= $1::timestamptz - interval '2 hours' AND r.kind IS DISTINCT FROM (CASE
            WHEN v.status = 'completed' THEN 'capture'
            WHEN v.status IN ('cancelled', 'expired', 'failed') THEN 'release' END)"""),
    ("a completed verification has received a code, and only it is charged", f"""
        SELECT v.id, v.price_micros FROM verifications v
        WHERE {_ANY} AND v.created_at >= $1::timestamptz - interval '2 hours'
          AND (v.charged <> (v.status = 'completed') OR v.charged <> (v.code_received_at IS NOT NULL)
            OR (v.status = 'completed'
               AND NOT EXISTS (SELECT FROM messages m WHERE m.verification_id = v.id AND m.has_code AND NOT m.late)))"""),
    ("what was paid for archived orders is carried forward", """
        SELECT coalesce(t.id, a.carried_by), coalesce(a.captured, 0) + coalesce(t.amount_micros, 0)
        FROM (SELECT carried_by, sum(price_micros)::bigint AS captured FROM archived_orders
              WHERE status = 'completed' GROUP BY carried_by) a
        FULL JOIN (SELECT id, amount_micros FROM transactions WHERE type = 'debit' AND actor_id = 'archive') t
            ON t.id = a.carried_by
        WHERE $1::timestamptz = 'epoch' AND coalesce(a.captured, 0) + coalesce(t.amount_micros, 0) <> 0"""),
    ("an archived order is in no other place", """
        SELECT a.verification_id, a.price_micros FROM archived_orders a
        WHERE $1::timestamptz = 'epoch' AND (EXISTS (SELECT FROM verifications v WHERE v.id = a.verification_id)
          OR EXISTS (SELECT FROM transactions t WHERE t.id IN (a.hold_id, a.end_id)))"""),
    ("no payment is credited twice", """
        SELECT provider || ' ' || reference, sum(amount_micros)::bigint FROM payment_logs
        WHERE transaction_id IS NOT NULL AND $1::timestamptz IS NOT NULL GROUP BY provider, reference HAVING count(*) > 1"""),
    ("no number is busy without an open verification", """
        SELECT n.id::text, 0::bigint FROM numbers n LEFT JOIN verifications v ON v.id = n.verification_id
        WHERE n.busy AND $1::timestamptz IS NOT NULL AND (v.id IS NULL OR v.closed_at IS NOT NULL)"""),
    ("no number was sold twice for one service", """
        SELECT max(v.id), 0::bigint FROM verifications v
        WHERE v.number_id IS NOT NULL AND v.reuse_of IS NULL AND $1::timestamptz = 'epoch'
        GROUP BY v.service_id, v.number_id HAVING count(*) > 1"""),
)  # fmt: skip
_LAST = "SELECT max(checked_to) FROM ledger_checks WHERE ok"
_KEEP = "INSERT INTO ledger_checks (kind, checked_to, ok, findings) VALUES ($1, $2, $3, $4)"
_MOST = 20


def asked(question: str) -> str:
    """The statement for a question; answers at most 20 rows.

    Materialized, because with the LIMIT before its eyes PostgreSQL walks a whole index in order, in the hope to stop soon;
    but usually there is nothing to be found.
    """
    return f"WITH q AS MATERIALIZED ({question}) SELECT * FROM q LIMIT {_MOST}"


class Finding(NamedTuple):
    """An invariant that does not hold: which, for what, by how many micros."""

    invariant: str
    subject: str
    micros: int


class CheckReport(msgspec.Struct, frozen=True):
    """`drift_micros` is the sum of all differences found; at most 20 findings of each invariant are listed."""

    ok: bool
    drift_micros: int
    checked_from: datetime
    seconds: float
    findings: tuple[Finding, ...]


async def check(db: Database, *, full: bool) -> CheckReport:
    """Asks every question inside one snapshot, so that work that goes on meanwhile is no finding."""
    since = _EPOCH
    if not full:
        last = await db.fetchval(_LAST)
        since = _EPOCH if last is None else last - _OVERLAP
    findings: list[Finding] = []
    async with db.transaction() as connection:
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        await connection.execute("SET LOCAL statement_timeout = '30min'")
        started: datetime = await connection.fetchval("SELECT clock_timestamp()")
        for invariant, question in QUESTIONS:
            rows: Any = await connection.fetch(asked(question), since, timeout=1800)
            findings += [Finding(invariant, row[0], row[1]) for row in rows]
        ended: datetime = await connection.fetchval("SELECT clock_timestamp()")
    await db.execute(
        _KEEP,
        "full" if full else "incremental",
        started,
        not findings,
        msgspec.json.encode([f._asdict() for f in findings]).decode(),
    )
    return CheckReport(
        not findings, sum(abs(f.micros) for f in findings), since, (ended - started).total_seconds(), tuple(findings)
    )

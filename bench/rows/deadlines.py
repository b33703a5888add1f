"""Refunds after their deadline by the real worker process, with 100,000 orders open; and 10,000 that are due at once."""

import time
from typing import Any

from bench.context import Bench
from bench.figures import Figure, at_most, report
from bench.web import settled_memory, worker

SPREAD_SECONDS = 10
SPREAD = 1_000
AT_ONCE = 10_000
PATIENCE_SECONDS = 30
FIRST_JOBS_SECONDS = 900
MEGABYTE = 1_000_000
_FIRST_JOBS_DONE = """
SELECT EXISTS (SELECT FROM schema_state WHERE name = 'offers') AND EXISTS (SELECT FROM ledger_checks) AND NOT EXISTS (
    SELECT FROM jobs WHERE locked_until > clock_timestamp()) AND EXISTS (SELECT FROM jobs WHERE kind = 'retention') AS done
"""
# All are due in an hour, but for some that are due one after the other, and some at the same instant.
_LATER = "UPDATE verifications SET sweep_at = now() + interval '1 hour', expires_at = now() + interval '1 hour' WHERE sweep_at IS NOT NULL"
_SOON = """
UPDATE verifications v SET sweep_at = d.due, expires_at = d.due
FROM (SELECT id, clock_timestamp() + make_interval(secs => $3 + $4 * row_number() OVER () / $2::float8) AS due
      FROM (SELECT id FROM verifications WHERE sweep_at > now() + interval '30 minutes' ORDER BY md5(id) LIMIT $1) chosen) d
WHERE v.id = d.id RETURNING v.id
"""
# When the refund was committed, not when it was decided. Rows were written by the sweep last.
_LATE = """
SELECT count(*) AS settled, max(late) * 1000 AS worst,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY late) * 1000 AS p50, percentile_cont(0.99) WITHIN GROUP (ORDER BY late) * 1000 AS p99
FROM (SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin) - expires_at)::float8 AS late
      FROM verifications WHERE id = ANY ($1::text[]) AND status = 'expired') x
"""


def measure(bench: Bench) -> list[Figure]:
    """Lateness in milliseconds from the deadline to the commit."""
    bench.execute("large", _LATER)
    bench.execute("large", "VACUUM (ANALYZE) verifications")
    pending = bench.execute("large", "SELECT count(*) AS n FROM verifications WHERE status = 'pending'")[0]["n"]
    with worker(bench.server.url("large")) as process:
        _wait_for_first_jobs(bench)
        spread = _due(bench, SPREAD, 2.0, SPREAD_SECONDS)
        time.sleep(SPREAD_SECONDS + 2.5)
        one_by_one = _settled(bench, spread)
        used = process.processor_seconds()
        at_once = _due(bench, AT_ONCE, 3.0, 0.0)
        together = _settled(bench, at_once)
        used = process.processor_seconds() - used
        memory = settled_memory(process)
    return [
        at_most(
            f"a refund after its deadline, {pending:,} pending, {SPREAD // SPREAD_SECONDS} due a second: p99",
            one_by_one["p99"],
            "ms late",
            100,
        ),
        report("the same: median", one_by_one["p50"], "ms late"),
        at_most(f"{AT_ONCE:,} refunds due at once: until the last is committed", together["worst"] / 1000, "s", 2.0),
        report("processor time of the worker for each of them", used / AT_ONCE * 1e6, "us"),
        at_most("memory of the worker process after them", memory / MEGABYTE, "MB", 120),
    ]


def _wait_for_first_jobs(bench: Bench) -> None:
    """A platform's very first worker counts all numbers and proves the whole ledger once; its later ones do not."""
    until = time.monotonic() + FIRST_JOBS_SECONDS
    while not bench.execute("large", _FIRST_JOBS_DONE)[0]["done"]:
        if time.monotonic() > until:
            raise RuntimeError(f"the worker's first jobs took over {FIRST_JOBS_SECONDS} s")
        time.sleep(0.5)


def _due(bench: Bench, count: int, in_seconds: float, over_seconds: float) -> list[str]:
    return [row["id"] for row in bench.execute("large", _SOON, count, count, in_seconds, over_seconds)]


def _settled(bench: Bench, ids: list[str]) -> Any:
    """Waits until all are settled."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        [row] = bench.execute("large", _LATE, ids)
        if row["settled"] == len(ids):
            return row
        if time.monotonic() > until:
            raise RuntimeError(f"only {row['settled']} of {len(ids)} were refunded within {PATIENCE_SECONDS} s")
        time.sleep(0.2)

"""The five indexes: what the query that each serves costs with it and without it; and the history's statement as written."""

import json
from statistics import median
from typing import Any

from bench.context import Bench
from bench.figures import Figure
from bench.server import run

TIMES = 5
# Each query as the product or its operators ask it; the first one is written as it is asked by hand.
QUERIES = {
    "idx_verifications_user_created": "SELECT * FROM verifications WHERE user_id = 'user_123' ORDER BY created_at DESC LIMIT 10",
    "idx_transactions_user_type":
        "SELECT * FROM transactions WHERE user_id = 'user_123' AND type = 'capture' ORDER BY created_at DESC LIMIT 20",
    "idx_users_email_verified": "SELECT id FROM users WHERE email = 'user123@example.com' AND NOT email_verified",
    "idx_verifications_status_created": "SELECT * FROM verifications WHERE status = 'failed' ORDER BY created_at DESC LIMIT 50",
    "idx_payment_logs_reference": "SELECT * FROM payment_logs WHERE reference = 'ref_4711'",
}  # fmt: skip


def measure(bench: Bench) -> list[Figure]:
    """The index is dropped inside a transaction that is rolled back."""
    return list(run(_all(bench)))


async def _all(bench: Bench) -> list[Figure]:
    found = []
    async with bench.server.connect("large") as connection:
        for name, query in QUERIES.items():
            serving, with_ms, with_pages = await _ask(connection, query)
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute(f"DROP INDEX {name}")
            _, without_ms, without_pages = await _ask(connection, query)
            await transaction.rollback()
            ratio = without_ms / with_ms
            found.append(
                Figure(
                    row=f"{name} serves: {query} ({with_pages:,} | {without_pages:,} pages) | without it", value=with_ms,
                    ceiling=without_ms, unit="ms", ratio=ratio, target="ratio >= 2.00 and used", holds=ratio >= 2 and name in serving,
                )
            )  # fmt: skip
    return found


async def _ask(connection: Any, query: str) -> tuple[set[str], float, int]:
    """The indexes used, the median time in milliseconds, and the pages read."""
    times: list[float] = []
    used: set[str] = set()
    pages = 0
    for _ in range(TIMES):
        [plan] = json.loads(await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}", timeout=600))
        times.append(plan["Execution Time"])
        used = set(_indexes(plan["Plan"]))
        pages = plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]
    return used, median(times), pages


def _indexes(node: dict[str, Any]) -> list[str]:
    below = [name for child in node.get("Plans", ()) for name in _indexes(child)]
    return [node["Index Name"], *below] if "Index Name" in node else below

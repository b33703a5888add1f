"""What an index is worth: the query that it serves, run with it and without it.

On a live database the index is not dropped, which would lock everybody out: it is hidden from this session's planner, or,
where that is not allowed, the planner is told to use no index. Dropping it, the exact way, is for copies.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median
from typing import Any, Literal

import asyncpg
import msgspec

Way = Literal["hidden", "switched off", "dropped"]
_WAIT = "SET LOCAL lock_timeout = '100ms'"
_PATIENCE = "SET LOCAL statement_timeout = '{}ms'"
# Our own planner passes over an index that is not valid; nobody else sees a change that is never committed, and the row in
# the catalogue is the only thing that is locked.
_HIDE = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass($1)"
_SWITCH_OFF = "SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off; SET LOCAL enable_bitmapscan = off"
_MAY_HIDE = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
_THERE = "SELECT to_regclass($1) IS NOT NULL"


class Run(msgspec.Struct, frozen=True):
    """One way to run a query: milliseconds (the median), pages read, and which indexes served it."""

    milliseconds: float
    pages: int
    indexes: list[str]


class Worth(msgspec.Struct, frozen=True):
    """An index, its query, and both runs; `without` is None when it took longer than it may."""

    index: str
    query: str
    there: bool
    used: bool
    way: Way
    with_it: Run
    without: Run | None

    @property
    def times_faster(self) -> float | None:
        """How many times faster the query is with the index."""
        return self.without.milliseconds / max(self.with_it.milliseconds, 0.001) if self.without else None


async def worth(connection: Any, index: str, query: str, *, exact: bool = False, times: int = 3, most_ms: int = 30_000) -> Worth:
    """Runs the query, which must only read, so many times with and without the index; `exact` drops it in between.

    Nothing stays changed. The connection must be the owner's, outside a transaction.
    """
    there = bool(await connection.fetchval(_THERE, index))
    with_it = await ask(connection, query, times)
    way: Way = "dropped" if exact else "hidden" if await connection.fetchval(_MAY_HIDE) else "switched off"
    without = None
    try:
        async with _without(connection, index if there else None, way):
            await connection.execute(_PATIENCE.format(most_ms))
            without = await ask(connection, query, times)
    except (asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError):
        # It took too long, or somebody holds the index: the rest of the report is worth having without it.
        without = None
    return Worth(index, query, there, index in with_it.indexes, way, with_it, without)


@asynccontextmanager
async def _without(connection: Any, index: str | None, way: Way) -> AsyncIterator[None]:
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(_WAIT)
        if way == "switched off":
            await connection.execute(_SWITCH_OFF)
        elif index is not None and way == "dropped":
            await connection.execute(f"DROP INDEX {index}")
        elif index is not None:
            await connection.execute(_HIDE, index)
        yield
    finally:
        await transaction.rollback()


async def ask(connection: Any, query: str, times: int) -> Run:
    """EXPLAIN (ANALYZE, BUFFERS), so many times."""
    spent: list[float] = []
    used: list[str] = []
    pages = 0
    for _ in range(times):
        [plan] = json.loads(await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}", timeout=600))
        spent.append(plan["Execution Time"])
        used = sorted(set(_indexes(plan["Plan"])))
        pages = plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]
    return Run(round(median(spent), 3), pages, used)


async def explained(connection: Any, query: str, *, avoid_reading_whole: bool = False) -> list[str]:
    """The lines of EXPLAIN ANALYZE, as somebody at a prompt sees them; on request as if the table were large."""
    async with connection.transaction():
        if avoid_reading_whole:
            await connection.execute("SET LOCAL enable_seqscan = off")
        return [row[0] for row in await connection.fetch(f"EXPLAIN ANALYZE {query}", timeout=600)]


def _indexes(node: dict[str, Any]) -> list[str]:
    below = [name for child in node.get("Plans", ()) for name in _indexes(child)]
    return [node["Index Name"], *below] if "Index Name" in node else below

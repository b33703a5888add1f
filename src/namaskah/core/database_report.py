"""What a look at the whole database tells: sizes, indexes nobody uses, indexes that are missing, bloat, slow statements.

It only reads PostgreSQL's own statistics, so it can be asked of a live database at any time; `exact=True` reads every
page of the indexes instead of estimating. What needs a right or an extension that is not there is left empty, with a note.
"""

import re
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

_PAGE = 8192

_TABLES = """
SELECT c.relname AS name, greatest(c.reltuples, 0)::bigint AS rows, pg_table_size(c.oid) AS bytes,
       pg_indexes_size(c.oid) AS index_bytes
FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'm', 'p')
ORDER BY pg_total_relation_size(c.oid) DESC, c.relname
"""
_INDEXES = """
SELECT c.relname AS name, t.relname AS table, pg_relation_size(c.oid) AS bytes, coalesce(s.idx_scan, 0) AS scans,
       coalesce(s.idx_tup_read, 0) AS rows_read, i.indisunique AS unique, i.indisvalid AS valid
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
LEFT JOIN pg_stat_user_indexes s ON s.indexrelid = i.indexrelid
WHERE t.relnamespace = 'public'::regnamespace
ORDER BY pg_relation_size(c.oid) DESC, c.relname
"""
_SINCE = "SELECT stats_reset FROM pg_stat_database WHERE datname = current_database()"
# A foreign key without an index costs whoever deletes the parent one look through the whole child table a row.
_KEYS_WITHOUT_INDEX = """
SELECT c.conname AS name, c.conrelid::regclass::text AS table, c.confrelid::regclass::text AS parent,
       array_to_string(ARRAY(SELECT a.attname FROM unnest(c.conkey) WITH ORDINALITY k (num, place)
           JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.num ORDER BY k.place), ', ') AS columns,
       coalesce(s.n_tup_del, 0) AS deletes
FROM pg_constraint c LEFT JOIN pg_stat_user_tables s ON s.relid = c.confrelid
WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace
  AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indisvalid
      AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) LIKE '%IS NOT NULL%')
      AND (i.indkey::smallint[])[0:cardinality(c.conkey) - 1] @> c.conkey)
ORDER BY coalesce(s.n_tup_del, 0) DESC, c.conname
"""
_READ_WHOLE = """
SELECT s.relname AS table, s.seq_scan AS scans, s.seq_tup_read / s.seq_scan AS rows_a_scan, pg_table_size(s.relid) AS bytes
FROM pg_stat_user_tables s
WHERE s.schemaname = 'public' AND s.seq_scan > 0 AND s.seq_tup_read / s.seq_scan >= $1 AND pg_table_size(s.relid) >= $2
ORDER BY s.seq_tup_read DESC
"""
# What the rows would take if they lay close together: their average widths, a head of 28 bytes each, the fill factor.
_TABLE_BLOAT = """
SELECT c.relname AS name, pg_relation_size(c.oid) AS bytes, coalesce(s.n_live_tup, 0) AS live, coalesce(s.n_dead_tup, 0) AS dead,
       greatest(s.last_vacuum, s.last_autovacuum) AS vacuumed_at, greatest(s.last_analyze, s.last_autoanalyze) AS analysed_at,
       coalesce((SELECT 100 - substring(o FROM 12)::integer FROM unnest(c.reloptions) o
                 WHERE o LIKE 'fillfactor=%'), 0) AS left_free,
       (greatest(c.reltuples, 0) * (28 + coalesce((SELECT sum((1 - p.null_frac) * p.avg_width) FROM pg_stats p
           WHERE p.schemaname = 'public' AND p.tablename = c.relname), 0)))::bigint AS needed
FROM pg_class c LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
ORDER BY pg_relation_size(c.oid) DESC, c.relname
"""
# The same of a B-tree: the keys' widths and 8 bytes, in eights, and 4 more a row; pages are filled to nine tenths. Equal
# keys are stored once, so that an index of few different values is smaller than this says, and not called bloated by mistake.
_INDEX_BLOAT = """
SELECT c.relname AS name, pg_relation_size(c.oid) AS bytes,
       (greatest(c.reltuples, 0) * (4 + 8 * ceil((8 + (SELECT sum(coalesce(p.avg_width, 8)) FROM pg_attribute a
           LEFT JOIN pg_stats p ON p.schemaname = 'public' AND p.attname = a.attname AND p.tablename IN (t.relname, c.relname)
           WHERE a.attrelid = c.oid)) / 8.0)) / 0.9)::bigint AS needed
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid JOIN pg_am m ON m.oid = c.relam
WHERE t.relnamespace = 'public'::regnamespace AND m.amname = 'btree' AND i.indisvalid AND pg_relation_size(c.oid) >= $1
ORDER BY pg_relation_size(c.oid) DESC, c.relname
"""
_EXACT = "SELECT avg_leaf_density FROM pgstatindex($1::text::regclass)"
_HAS = "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = $1)"
_SLOWEST = """
SELECT query, calls, total_exec_time AS total_ms, mean_exec_time AS mean_ms, max_exec_time AS worst_ms, rows
FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND calls > 0
ORDER BY total_exec_time DESC LIMIT $1
"""
# Comments, texts in any of their forms, and numbers, but for those that belong to a name or to a parameter's place.
_LITERALS = re.compile(
    r"(?P<comment>--[^\n]*|/\*.*?\*/)|\$(\w*)\$.*?\$\2\$|(?:\b[EUBX]&?)?'(?:[^']|'')*'|(?<![\w$.])\d+(?:\.\d+)?\b",
    re.DOTALL | re.IGNORECASE,
)


class Table(msgspec.Struct, frozen=True):
    """A table with what belongs to it; `rows` is the planner's estimate."""

    name: str
    rows: int
    bytes: int
    index_bytes: int


class Index(msgspec.Struct, frozen=True):
    """An index and how often it was used since statistics count."""

    name: str
    table: str
    bytes: int
    scans: int
    rows_read: int
    unique: bool
    valid: bool


class KeyWithoutIndex(msgspec.Struct, frozen=True):
    """A foreign key that no index serves; it matters where rows of the parent are deleted (`deletes`)."""

    name: str
    table: str
    parent: str
    columns: str
    deletes: int


class ReadWhole(msgspec.Struct, frozen=True):
    """A large table that is read from end to end."""

    table: str
    scans: int
    rows_a_scan: int
    bytes: int


class TableBloat(msgspec.Struct, frozen=True):
    """Dead rows, and the share of the table that its rows would not need (0 to 1)."""

    name: str
    bytes: int
    live: int
    dead: int
    share: float
    vacuumed_at: datetime | None
    analysed_at: datetime | None


class IndexBloat(msgspec.Struct, frozen=True):
    """The share of an index that its keys would not need (0 to 1); measured where `exact`."""

    name: str
    bytes: int
    share: float
    exact: bool


class Statement(msgspec.Struct, frozen=True):
    """One of the statements that cost most, without its literals. Times are milliseconds."""

    text: str
    calls: int
    total_ms: float
    mean_ms: float
    worst_ms: float
    rows: int


class DatabaseReport(msgspec.Struct, frozen=True):
    """All of it. `since` is when the counting began; None: when the database was made."""

    since: datetime | None
    tables: list[Table]
    indexes: list[Index]
    unused: list[Index]
    keys_without_index: list[KeyWithoutIndex]
    read_whole: list[ReadWhole]
    table_bloat: list[TableBloat]
    index_bloat: list[IndexBloat]
    slowest: list[Statement]
    notes: list[str]


async def examine(
    connection: Any, *, exact: bool = False, statements: int = 10, large_rows: int = 10_000, large_bytes: int = 10_000_000
) -> DatabaseReport:
    """Asks everything. Tables and indexes from `large_bytes` on count as large, scans from `large_rows` rows on."""
    notes: list[str] = []
    indexes = [Index(**dict(row)) for row in await connection.fetch(_INDEXES)]
    return DatabaseReport(
        since=await connection.fetchval(_SINCE),
        tables=[Table(**dict(row)) for row in await connection.fetch(_TABLES)],
        indexes=indexes,
        unused=[index for index in indexes if index.scans == 0 and not index.unique],
        keys_without_index=[KeyWithoutIndex(**dict(row)) for row in await connection.fetch(_KEYS_WITHOUT_INDEX)],
        read_whole=[ReadWhole(**dict(row)) for row in await connection.fetch(_READ_WHOLE, large_rows, large_bytes)],
        table_bloat=[_table_bloat(row) for row in await connection.fetch(_TABLE_BLOAT)],
        index_bloat=await _index_bloat(connection, exact, large_bytes, notes),
        slowest=await _slowest(connection, statements, notes),
        notes=notes,
    )


def without_literals(statement: str) -> str:
    """A statement on one line with `?` for every text and number in it: what customers typed belongs in no report."""
    return " ".join(_LITERALS.sub(lambda found: " " if found["comment"] else "?", statement).split())


def _table_bloat(row: Any) -> TableBloat:
    # Nothing is known of the rows of a table that was never analysed.
    known = row["needed"] > 0 or (row["live"] == 0 == row["dead"] and row["analysed_at"] is not None)
    share = _excess(row["bytes"], row["needed"] / (1 - row["left_free"] / 100)) if known else 0.0
    return TableBloat(row["name"], row["bytes"], row["live"], row["dead"], share, row["vacuumed_at"], row["analysed_at"])


def _excess(size: int, needed: float) -> float:
    # The last page of a small table is never full.
    return round(max(size - needed - _PAGE, 0) / size, 3) if size else 0.0


async def _index_bloat(connection: Any, exact: bool, from_bytes: int, notes: list[str]) -> list[IndexBloat]:
    if exact and not await connection.fetchval(_HAS, "pgstattuple"):
        notes.append("Index bloat is estimated: CREATE EXTENSION pgstattuple lets it be measured.")
        exact = False
    found = []
    for row in await connection.fetch(_INDEX_BLOAT, 0 if exact else from_bytes):
        share = _excess(row["bytes"], row["needed"])
        if exact:
            density = float(await connection.fetchval(_EXACT, row["name"], timeout=600))
            # An index without rows has no density at all.
            share = 0.0 if density != density else round(max(1 - density / 90, 0), 3)
        found.append(IndexBloat(row["name"], row["bytes"], share, exact))
    return found


async def _slowest(connection: Any, most: int, notes: list[str]) -> list[Statement]:
    if not await connection.fetchval(_HAS, "pg_stat_statements"):
        notes.append(
            "Slowest statements are not known: set shared_preload_libraries = 'pg_stat_statements' and run `namaskah migrate`."
        )
        return []
    try:
        async with connection.transaction():
            rows = await connection.fetch(_SLOWEST, most)
    except asyncpg.PostgresError as error:
        notes.append(f"Slowest statements are not known: {error}.")
        return []
    return [Statement(without_literals(row["query"]), *(_plain(value) for value in list(row.values())[1:])) for row in rows]


def _plain(value: Any) -> Any:
    return round(value, 3) if isinstance(value, float) else value

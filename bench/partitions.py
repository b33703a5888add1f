"""`python -m bench.partitions`: whether daily partitions pay for events, and monthly ones for messages (docs/adr/0016).

Three forms of the same table with the same rows, side by side: as it was (a BRIN index on the time), with a B-tree on the
time, and with a partition a day. ROWS sets their number (default 5,000,000, about 16 GB). Not a row of the table: it
decided once.
"""

import os
import time
from collections.abc import Callable
from typing import Any

from bench.pgbench import run_pgbench
from bench.server import LOADING, RUNNING, Server, run, server

DAYS, WALLETS, SECONDS, CLIENTS = 8, 20_000, 5.0, 8
_COLUMNS = """
user_id text COLLATE "C" NOT NULL, livemode boolean NOT NULL, seq bigint NOT NULL, type text NOT NULL,
object_id text COLLATE "C", data text NOT NULL, created_at timestamptz NOT NULL
"""
_PLAIN = f"CREATE TABLE {{0}} ({_COLUMNS})"
_KEY = "ALTER TABLE {0} ADD PRIMARY KEY (user_id, livemode, seq)"
# What partitioning costs first: the key must hold the time too, so that it alone no longer makes a number unique.
_PARTED = f"CREATE TABLE {{0}} ({_COLUMNS}, PRIMARY KEY (user_id, livemode, seq, created_at)) PARTITION BY RANGE (created_at)"
_DAY = "CREATE TABLE {0}_{1} PARTITION OF {0} FOR VALUES FROM ('{2}') TO ('{3}')"
_FILL = f"""
INSERT INTO {{0}} SELECT 'user_' || lpad((n % {WALLETS})::text, 26, '0'), true, n / {WALLETS} + 1, 'verification.code_received',
    'ver_' || lpad(n::text, 26, '0'), repeat(md5(n::text), 22),
    timestamptz '2026-11-01' + n * interval '{DAYS} days' / $1::float8
FROM generate_series($2::bigint, $3::bigint) n
"""
_READER = """
CREATE FUNCTION {0}_after(p_users text[], p_live boolean[], p_seqs bigint[], p_since timestamptz)
RETURNS TABLE (user_id text, livemode boolean, seq bigint, data text)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
BEGIN
    RETURN QUERY SELECT e.user_id, e.livemode, e.seq, e.data
    FROM unnest(p_users, p_live, p_seqs) AS k (user_id, livemode, seq),
         LATERAL (SELECT * FROM {0} x WHERE x.user_id = k.user_id AND x.livemode = k.livemode AND x.seq > k.seq {1}
                  ORDER BY x.seq LIMIT 200) e ORDER BY e.user_id, e.livemode, e.seq;
END $$
"""
_READ = """
\\set u random(0, {wallets})
SELECT count(*) FROM {table}_after(ARRAY['user_' || lpad(:u::text, 26, '0')], ARRAY[true], ARRAY[{after}]::bigint[],
    timestamptz '2026-11-08 12:00');
"""
_INSERT = """
\\set u random(0, {wallets})
BEGIN;
{lines}
COMMIT;
"""
_INSERT_LINE = """INSERT INTO {table} VALUES ('user_' || lpad(:u::text, 26, '0'), true, nextval('numbers_of_events'), 'verification.pending',
'ver_x', repeat(md5(:u::text), 22), timestamptz '2026-11-08 23:00');"""
_AS_BEFORE = """
DELETE FROM {0} WHERE (user_id, livemode, seq) IN (
    SELECT user_id, livemode, seq FROM {0} WHERE created_at < '2026-11-02' LIMIT 5000 FOR UPDATE SKIP LOCKED)
"""
_IN_ORDER = """
WITH old AS MATERIALIZED (
    SELECT ctid, created_at FROM {0} WHERE created_at >= $1 AND created_at < '2026-11-02' ORDER BY created_at LIMIT 500 FOR UPDATE SKIP LOCKED
), gone AS (DELETE FROM {0} WHERE ctid = ANY (ARRAY(SELECT ctid FROM old)))
SELECT max(created_at), count(*) FROM old
"""


def main() -> None:
    """Builds, measures, prints."""
    rows = int(os.environ.get("ROWS", "5000000").replace("_", ""))
    with server() as ours:
        ours.restart(LOADING)
        run(_make(ours, rows))
        ours.restart(RUNNING)
        run(_execute(ours, "VACUUM (ANALYZE)"))
        for name in ("as_before", "with_btree", "parted"):
            _sizes(ours, name, "before")
        _rates(ours, rows)
        _deletion(ours)
        _messages(ours)


async def _execute(ours: Server, *statements: str) -> None:
    async with ours.connect("trial") as connection:
        for statement in statements:
            await connection.execute(statement, timeout=3600)


async def _make(ours: Server, rows: int) -> None:
    async with ours.connect("postgres") as connection:
        await connection.execute("CREATE DATABASE trial TEMPLATE template0")
    async with ours.connect("trial") as connection:
        await connection.execute("SET timezone = 'UTC'; CREATE SEQUENCE numbers_of_events START 1000000 CACHE 100")
        await connection.execute(_PLAIN.format("as_before"))
        await connection.execute(_PLAIN.format("with_btree"))
        await connection.execute(_PARTED.format("parted"))
        for day in range(1, DAYS + 2):
            await connection.execute(_DAY.format("parted", day, f"2026-11-{day:02}", f"2026-11-{day + 1:02}"))
        for table in ("as_before", "with_btree", "parted"):
            started = time.perf_counter()
            for first in range(1, rows, 500_000):
                await connection.execute(_FILL.format(table), float(rows), first, min(first + 499_999, rows), timeout=3600)
            print(f"{table}: filled in {time.perf_counter() - started:.0f} s", flush=True)
        for table in ("as_before", "with_btree"):
            await connection.execute(_KEY.format(table), timeout=3600)
        await connection.execute("CREATE INDEX as_before_created ON as_before USING brin (created_at)", timeout=3600)
        await connection.execute("CREATE INDEX with_btree_created ON with_btree (created_at)", timeout=3600)
        for table in ("as_before", "with_btree", "parted"):
            await connection.execute(_READER.format(table, ""))
        await connection.execute(_READER.format("parted", "AND x.created_at >= p_since").replace("parted_after", "pruned_after"))


def _rates(ours: Server, rows: int) -> None:
    last = rows // WALLETS
    for what, after in (("nothing new", last + 1), ("the newest 3 of a wallet", last - 3), ("200 to replay", last - 200)):
        for table in ("as_before", "with_btree", "parted", "pruned"):
            script = _READ.format(table=table, after=after, wallets=WALLETS - 1)
            run_pgbench(ours, "trial", script, clients=CLIENTS, seconds=1)
            rate = run_pgbench(ours, "trial", script, clients=CLIENTS, seconds=SECONDS)
            print(f"read, {what}: {table} {rate.tps:,.0f} /s, {rate.server_us:,.0f} us of the server", flush=True)
    for repeat in range(2):
        for table in ("as_before", "with_btree", "parted"):
            lines = "\n".join([_INSERT_LINE.format(table=table)] * 20)
            rate = run_pgbench(ours, "trial", _INSERT.format(wallets=WALLETS - 1, lines=lines), clients=CLIENTS, seconds=SECONDS)
            print(
                f"insert ({repeat}): {table} {rate.tps * 20:,.0f} /s, {rate.server_us / 20:,.1f} us of the server each",
                flush=True,
            )


def _deletion(ours: Server) -> None:
    async def as_before(connection: Any) -> list[float]:
        times: list[float] = []
        while True:
            started = time.perf_counter()
            gone = int((await connection.execute(_AS_BEFORE.format("as_before"), timeout=600)).split()[1])
            times.append(time.perf_counter() - started)
            if gone < 5000:
                return times

    async def in_order(connection: Any) -> list[float]:
        times: list[float] = []
        since = await connection.fetchval("SELECT timestamptz '2026-01-01'")
        while True:
            started = time.perf_counter()
            reached, gone = await connection.fetchrow(_IN_ORDER.format("with_btree"), since, timeout=600)
            times.append(time.perf_counter() - started)
            if gone < 500:
                return times
            since = reached

    async def drop(connection: Any) -> list[float]:
        started = time.perf_counter()
        await connection.execute("DROP TABLE parted_1")
        return [time.perf_counter() - started]

    for table, delete in (("as_before", as_before), ("with_btree", in_order), ("parted", drop)):
        run(_delete(ours, table, delete))
        _sizes(ours, table, "after")


async def _delete(ours: Server, table: str, delete: Callable[[Any], Any]) -> None:
    async with ours.connect("trial") as connection:
        await connection.execute("CHECKPOINT")
        for what, work in (("delete a day", delete), ("vacuum", lambda c: _vacuum(c, table))):
            before = await connection.fetchval("SELECT pg_current_wal_lsn()")
            cpu = ours.processor_seconds()
            times = await work(connection)
            wal = await connection.fetchval("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), $1)::bigint", before)
            print(
                f"{what}: {table} {sum(times):.2f} s in {len(times)} statements, longest {max(times) * 1000:.1f} ms,"
                f" processor {ours.processor_seconds() - cpu:.2f} s, WAL {wal / 1e6:,.0f} MB", flush=True,
            )  # fmt: skip


async def _vacuum(connection: Any, table: str) -> list[float]:
    started = time.perf_counter()
    await connection.execute(f"VACUUM {table}", timeout=3600)
    return [time.perf_counter() - started]


def _sizes(ours: Server, table: str, when: str) -> None:
    async def ask() -> None:
        async with ours.connect("trial") as connection:
            row = await connection.fetchrow(
                "SELECT sum(pg_table_size(t)) / 1e6, sum(pg_indexes_size(t)) / 1e6 FROM (SELECT $1::regclass UNION ALL"
                " SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = $1::regclass) x (t)",
                table,
            )
            print(f"size {when}: {table} {row[0]:,.0f} MB, its indexes {row[1]:,.0f} MB", flush=True)

    run(ask())


def _messages(ours: Server) -> None:
    """The look at an order's messages, with one table and with twelve partitions, a month each."""
    columns = 'id text COLLATE "C", verification_id text COLLATE "C", body text, created_at timestamptz'
    months = "\n".join(
        f"CREATE TABLE months_{m} PARTITION OF months FOR VALUES FROM ('2026-{m:02}-01') TO ('{2026 + m // 12}-{m % 12 + 1:02}-01');"
        for m in range(1, 13)
    )
    fill = """INSERT INTO {0} SELECT 'msg_' || n, 'ver_' || lpad(n::text, 26, '0'), repeat(md5(n::text), 6),
              timestamptz '2026-01-01' + n * interval '360 days' / 1000000.0 FROM generate_series(1, 1000000) n"""
    run(_execute(
        ours, f"CREATE TABLE whole ({columns})", f"CREATE TABLE months ({columns}) PARTITION BY RANGE (created_at); {months}",
        fill.format("whole"), fill.format("months"), "CREATE INDEX ON whole (verification_id)", "CREATE INDEX ON months (verification_id)",
        "VACUUM (ANALYZE) whole", "VACUUM (ANALYZE) months",
    ))  # fmt: skip
    for table in ("whole", "months"):
        script = f"\\set n random(1, 1000000)\nSELECT count(*) FROM {table} WHERE verification_id = 'ver_' || lpad(:n::text, 26, '0');\n"
        run_pgbench(ours, "trial", script, clients=CLIENTS, seconds=1)
        rate = run_pgbench(ours, "trial", script, clients=CLIENTS, seconds=SECONDS)
        print(f"messages of an order: {table} {rate.tps:,.0f} /s, {rate.server_us:,.0f} us of the server", flush=True)


if __name__ == "__main__":
    main()

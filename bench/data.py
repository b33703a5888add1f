"""Fills a database with generated customers, numbers and verifications that keep every invariant of the ledger.

Secondary indexes, keys and foreign keys are taken off, the rows come in by COPY from two processes, and everything is
built again at the end; 10,000,000 verifications (about 42 GB) take some ten minutes on two cores.
"""

import asyncio
import hashlib
import io
import multiprocessing
import random
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import asyncpg
import msgspec

from bench.data_rows import COLUMNS, COUNTRIES, PREFIXES, Part, Share
from bench.server import run
from namaskah.accounts.key_format import checksum, digest_of
from namaskah.core.crypto import Vault

SECRET_KEY = bytes(range(32))
SOURCE_ID, SOURCE_SECRET = "src_00000000000000000000000001", "whsec_" + "YmVuY2htYXJrLXNlY3JldC1vZi0zMi1ieXRlcyEhISE="
SERVICES = 1_800
BYTES_A_VERIFICATION = 4_200
# Within the longest retention that can be set, so that a worker does not begin to erase what is measured.
_SPAN_MS = 80 * 86_400_000
_CHUNK = 10_000
_PARTS = 2
_LOADED = ("verifications", "transactions", "entries", "hold_resolutions", "messages", "events", "number_uses")
Progress = Callable[[str, int, int], None]

_PLAN = """
INSERT INTO plans (slug, name, monthly_price_micros, discount_bp, max_concurrent, max_per_hour, daily_spend_micros, api_keys, min_delivery_bp)
VALUES ('bench', 'Benchmark', 0, 1000, 1000000000, 1000000000, 1000000000000000, 1000, 0)
"""
_SERVICES = """
INSERT INTO services (slug, name, category, base_price_micros, popularity)
SELECT 'bench-' || n, 'Benchmark service ' || n, 'other', 200000 + n % 100 * 10000, 100000 + n
FROM generate_series(1, $1 - (SELECT count(*) FROM services WHERE NOT blocked AND NOT sandbox)) n
"""
_SOLD = "SELECT id, slug, base_price_micros FROM services WHERE NOT blocked AND NOT sandbox ORDER BY popularity, slug"
_USERS = """
INSERT INTO users (id, email, plan, terms_version, terms_accepted_at)
SELECT 'user_' || n, 'user' || n || '@example.com', 'bench', '2026-11-01', now() FROM generate_series(1, $1::integer) n
"""
_TEST_WALLETS = "INSERT INTO wallets (user_id, livemode) SELECT id, false FROM users"
_SOURCE = "INSERT INTO number_sources (id, name, secret_encrypted) VALUES ($1, 'benchmark', $2)"
_NUMBERS = """
INSERT INTO numbers (id, e164, country, source_id)
OVERRIDING SYSTEM VALUE
SELECT n, ($2::text[])[k] || lpad(n::text, 7, '0'), ($1::text[])[k], $3
FROM generate_series($4::bigint, $5::bigint) n, LATERAL (SELECT (n % array_length($1::text[], 1) + 1)::integer AS k) place
"""
_NEXT_NUMBER = "SELECT setval(pg_get_serial_sequence('numbers', 'id'), (SELECT max(id) FROM numbers))"
_BUSY = """
UPDATE numbers n SET busy = true, verification_id = v.id FROM verifications v WHERE v.number_id = n.id AND v.status = 'pending'
"""
# Attempts that were never credited: a reference without a transaction moves no money.
_PAYMENTS = """
INSERT INTO payment_logs (id, user_id, provider, reference, status, amount_micros, currency)
SELECT 'pay_' || n, 'user_' || n % $1::integer + 1, 'bench', 'ref_' || n, 'failed', 10000000, 'USD' FROM generate_series(1, 50000) n
"""
_OFFERS = """
INSERT INTO offers (service_id, country, provider, stock, sample_size, delivered, median_seconds)
SELECT s.id, 'us', 'inventory', 1000, 100, 70, 12 FROM services s WHERE NOT s.sandbox
"""
_STOCK = """
INSERT INTO country_stock (country, total, free)
SELECT country, count(*), count(*) FILTER (WHERE NOT busy) FROM numbers GROUP BY country
"""
_KEYS = """
INSERT INTO api_keys (id, user_id, livemode, name, hint, hash)
SELECT 'key_' || n, 'user_' || n, true, 'benchmark', 'nmk_live_', h FROM unnest($1::bytea[]) WITH ORDINALITY AS k (h, n)
"""
# Foreign keys first, because keys cannot go while something refers to them.
_TAKEN_OFF = """
SELECT c.conrelid::regclass::text AS relation, c.conname AS name, pg_get_constraintdef(c.oid) AS definition, c.contype::text AS kind
FROM pg_constraint c
WHERE c.contype IN ('f', 'p', 'u') AND (c.conrelid = ANY ($1::text[]::regclass[]) OR c.confrelid = ANY ($1::text[]::regclass[]))
ORDER BY c.contype <> 'f'
"""
_INDEXES = """
SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition
FROM pg_index i WHERE i.indrelid = ANY ($1::text[]::regclass[])
  AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid AND c.contype IN ('p', 'u'))
"""


class Place(Protocol):
    """Where databases are: a server of the benchmark, or of a test."""

    def url(self, database: str) -> str: ...
    def connect(self, database: str) -> AbstractAsyncContextManager[Any]: ...


class Dataset(msgspec.Struct, frozen=True):
    """What was loaded, as far as the measurements need to know it."""

    verifications: int
    users: int
    numbers: int
    services: list[tuple[int, str, int]]
    keys: list[str]
    seconds: float


def api_key(number: int) -> str:
    """The live key of user_<number>: the same in every run."""
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    body = "nmk_live_" + "".join(random.Random(number).choices(digits, k=30))
    return body + checksum(body)


async def load(
    server: Place,
    database: str,
    *,
    verifications: int,
    open_orders: int = 0,
    numbers: int = 400_000,
    progress: Progress | None = None,
) -> Dataset:
    """Fills a migrated database that is empty but for the catalogue. The server should run with LOADING's settings."""
    started = time.monotonic()
    users = max(1_000, min(verifications // 500, 20_000))
    url = server.url(database)
    # Each part must come out even, and open orders take numbers of their own.
    numbers -= numbers % (_PARTS * len(COUNTRIES))
    say = progress or (lambda _what, _done, _total: None)
    async with server.connect(database) as connection:
        services = await _furnish(connection, users, numbers)
        taken_off = await _take_off(connection)
        now_ms = int(time.time() * 1000)
        shares = [
            Share(
                place, _PARTS, verifications // _PARTS, open_orders // _PARTS, users, min(users, verifications // 50), numbers, now_ms - _SPAN_MS, now_ms, services,
                SOURCE_ID, SECRET_KEY, seed=7,
            )
            for place in range(_PARTS)
        ]  # fmt: skip
        await asyncio.to_thread(_fill, url, shares, say)
        await connection.execute(_TEST_WALLETS)
        if open_orders:
            prefixes = [PREFIXES[country] for country in COUNTRIES]
            await connection.execute(_NUMBERS, list(COUNTRIES), prefixes, SOURCE_ID, numbers + 1, numbers + open_orders)
        await connection.execute(_NEXT_NUMBER)
    await _put_back(server, database, taken_off, say)
    async with server.connect(database) as connection:
        if open_orders:
            await connection.execute(_BUSY)
        await connection.execute(_STOCK)
    await _vacuum(server, database, say)
    return Dataset(verifications, users, numbers, services, [api_key(n) for n in range(1, 1001)], time.monotonic() - started)


async def _furnish(connection: Any, users: int, numbers: int) -> list[tuple[int, str, int]]:
    """What verifications refer to."""
    await connection.execute(_PLAN)
    await connection.execute(_SERVICES, SERVICES)
    await connection.execute(_USERS, users)
    secret = Vault(SECRET_KEY).encrypt(SOURCE_SECRET.encode(), context=SOURCE_ID)
    await connection.execute(_SOURCE, SOURCE_ID, secret)
    prefixes = [PREFIXES[country] for country in COUNTRIES]
    await connection.execute(_NUMBERS, list(COUNTRIES), prefixes, SOURCE_ID, 1, numbers)
    await connection.execute(_OFFERS)
    await connection.execute(_PAYMENTS, users)
    await connection.execute(_KEYS, [digest_of(api_key(number)) for number in range(1, 1001)])
    return [tuple(row) for row in await connection.fetch(_SOLD)]


async def _take_off(connection: Any) -> tuple[list[Any], list[Any]]:
    constraints = await connection.fetch(_TAKEN_OFF, list(_LOADED))
    indexes = await connection.fetch(_INDEXES, list(_LOADED))
    for row in constraints:
        await connection.execute(f"ALTER TABLE {row['relation']} DROP CONSTRAINT {row['name']}")
    for row in indexes:
        await connection.execute(f"DROP INDEX {row['name']}")
    return constraints, indexes


async def _put_back(server: Place, database: str, taken_off: tuple[list[Any], list[Any]], say: Progress) -> None:
    """Two indexes at a time; foreign keys last, and without reading all rows again, which were made to obey them."""
    constraints, indexes = taken_off
    work = [row["definition"] for row in indexes]
    work += [
        f"ALTER TABLE {row['relation']} ADD CONSTRAINT {row['name']} {row['definition']}"
        for row in constraints
        if row["kind"] != "f"
    ]
    # By table, so that two builds seldom want the same one: ALTER TABLE keeps others out.
    work.sort(key=lambda statement: hashlib.sha256(statement.encode()).digest())
    done, total = 0, len(work)

    async def build() -> None:
        nonlocal done
        async with server.connect(database) as connection:
            while work:
                await connection.execute(work.pop(), timeout=3600)
                done += 1
                say("indexes", done, total)

    await asyncio.gather(build(), build())
    async with server.connect(database) as connection:
        for row in constraints:
            if row["kind"] == "f":
                await connection.execute(
                    f"ALTER TABLE {row['relation']} ADD CONSTRAINT {row['name']} {row['definition']} NOT VALID"
                )


async def _vacuum(server: Place, database: str, say: Progress) -> None:
    work = [*_LOADED, "wallets", "numbers", "users", "services", "offers", "api_keys", "payment_logs"]
    total = len(work)

    async def vacuum() -> None:
        async with server.connect(database) as connection:
            while work:
                await connection.execute(f"VACUUM (ANALYZE, FREEZE) {work.pop(0)}", timeout=3600)
                say("vacuum and analyse", total - len(work), total)

    await asyncio.gather(vacuum(), vacuum())


def _fill(url: str, shares: list[Share], say: Progress) -> None:
    """One process a part: making the rows costs about as much as storing them."""
    context = multiprocessing.get_context("spawn")
    made: Any = context.Array("q", len(shares))
    processes = [context.Process(target=_fill_part, args=(url, share, made), daemon=True) for share in shares]
    for process in processes:
        process.start()
    total = sum(share.verifications for share in shares)
    while any(process.is_alive() for process in processes):
        time.sleep(0.2)
        say("verifications", sum(made), total)
    if any(process.exitcode for process in processes):
        raise RuntimeError("a process that fills the database has failed; see above")


def _fill_part(url: str, share: Share, made: Any) -> None:
    run(_copy(url, share, made))


async def _copy(url: str, share: Share, made: Any) -> None:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        # Triggers and foreign keys would check row by row what the ledger check proves for all of them.
        await connection.execute("SET session_replication_role = replica; SET synchronous_commit = off")
        part = Part(share)
        while True:
            count = part.make(_CHUNK)
            if not count:
                part.wallets()
            for table, lines in part.lines.items():
                data = io.BytesIO("".join(lines).encode())
                await connection.copy_to_table(table, source=data, columns=COLUMNS[table], timeout=600)
                lines.clear()
            if not count:
                return
            made[share.place] += count
    finally:
        await connection.close()

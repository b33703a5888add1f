"""The generated data is what the product itself could have written."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from bench.data import SECRET_KEY, Dataset, load
from namaskah.accounts.key_format import is_well_formed
from namaskah.accounts.principal import Principal
from namaskah.core.crypto import Vault
from namaskah.core.db import Database
from namaskah.core.ids import is_id
from namaskah.verifications.queries import history
from namaskah.verifications.shape import opened
from namaskah.wallet.check import check
from tests.factories import buy

VERIFICATIONS, OPEN = 10_000, 200


class Given:
    """This test's database in the place of a server's."""

    def __init__(self, url: str) -> None:
        self._url = url

    def url(self, _database: str) -> str:
        return self._url

    @contextlib.asynccontextmanager
    async def connect(self, _database: str) -> AsyncIterator[Any]:
        connection = await asyncpg.connect(self._url)
        yield connection
        await connection.close()


async def _schema(db: Any) -> list[str]:
    rows = await db.fetch(
        "SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) AS line FROM pg_constraint"
        " UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
    )
    return [row["line"].removesuffix(" NOT VALID") for row in rows if row["line"]]


@pytest.mark.slow
async def test_ten_thousand_generated_verifications_pass_the_ledger_check_and_can_be_used(
    database_url: str, db: Any, database: Database
) -> None:
    before = await _schema(db)
    loaded: Dataset = await load(Given(database_url), "", verifications=VERIFICATIONS, open_orders=OPEN, numbers=30_000)

    report = await check(database, full=True)
    assert report.ok, report.findings
    assert await _schema(db) == before
    counts = {row["status"]: row["n"] for row in await db.fetch("SELECT status, count(*) AS n FROM verifications GROUP BY 1")}
    assert sum(counts.values()) == VERIFICATIONS and counts["pending"] == OPEN
    assert 0.65 < counts["completed"] / VERIFICATIONS < 0.75
    assert await db.fetchval("SELECT count(*) FROM verifications WHERE user_id = 'user_123'") >= 20
    assert await db.fetchval("SELECT count(*) FROM services WHERE NOT blocked AND NOT sandbox") == 1_800 == len(loaded.services)
    assert all(is_well_formed(key) for key in loaded.keys)
    row = await db.fetchrow("SELECT id, user_id FROM verifications WHERE status = 'completed' LIMIT 1")
    assert is_id(row["id"], "ver")

    vault = Vault(SECRET_KEY)
    page = await history(
        database, principal=Principal(row["user_id"], True), status="completed", service=None, limit=5, cursor=None, vault=vault
    )  # fmt: skip
    assert b"is your verification code" in page
    event = await db.fetchval("SELECT data FROM events WHERE type = 'verification.code_received' LIMIT 1")
    assert b'"code":"' in opened(event, vault)
    bought = await buy(database, Principal("user_123", True), "bench-1", providers=None)
    assert bought.status == 201
    assert (await check(database, full=True)).ok

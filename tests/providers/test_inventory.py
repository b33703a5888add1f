"""Our own numbers: sources with their secrets, numbers put on sale and taken off again."""

import asyncio
import time
from collections.abc import Iterator

import asyncpg
import pytest

from namaskah.core import webhook_signature
from namaskah.core.crypto import Vault
from namaskah.core.db import Database
from namaskah.core.ids import is_id, new_id
from namaskah.providers.errors import BadSourceName, SourceNameTaken, UnknownSource
from namaskah.providers.inventory import (
    NewNumber,
    NumberCount,
    Rejected,
    add_numbers,
    count_numbers,
    create_source,
    list_numbers,
    list_sources,
    retire_numbers,
    source_secret,
)

Connection = asyncpg.Connection
VAULT = Vault(b"k" * 32)
COUNTRIES = [("us", "1"), ("gb", "44"), ("de", "49")]


@pytest.fixture
async def source_id(database: Database, db: Connection) -> str:
    """A source in a database that sells numbers of three countries."""
    await db.execute("DELETE FROM countries")
    await db.executemany("INSERT INTO countries (code, name, dial, price_factor_bp) VALUES ($1, $1, $2, 10000)", COUNTRIES)
    source, _ = await create_source(database, name="rack", vault=VAULT, actor_id="operator")
    return source.id


def british(count: int, first: int = 0) -> Iterator[NewNumber]:
    """Mobile numbers of the kingdom, in a range as big as is asked for."""
    return (NewNumber(f"+44 7700 {number:06}", operator="EE") for number in range(first, first + count))


async def test_a_name_is_taken_once(database: Database, source_id: str) -> None:
    with pytest.raises(SourceNameTaken, match="'rack'"):
        await create_source(database, name=" rack ", vault=VAULT, actor_id="operator")
    assert [source.id for source in await list_sources(database)] == [source_id]


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "two\nlines", "nul\x00"])
async def test_a_source_needs_a_name(database: Database, name: str) -> None:
    with pytest.raises(BadSourceName):
        await create_source(database, name=name, vault=VAULT, actor_id="operator")
    assert await list_sources(database) == []


async def test_an_unknown_or_disabled_source_has_no_secret_and_takes_no_numbers(
    database: Database, db: Connection, source_id: str
) -> None:
    await db.execute("UPDATE number_sources SET disabled_at = now()")
    for unknown in (new_id("src"), "", source_id):
        with pytest.raises(UnknownSource):
            await source_secret(database, source_id=unknown, vault=VAULT)
        with pytest.raises(UnknownSource):
            await add_numbers(database, source_id=unknown, numbers=british(1))
    assert await count_numbers(database) == []


async def test_the_secret_is_shown_once_kept_encrypted_and_signs(database: Database, db: Connection) -> None:
    source, secret = await create_source(database, name="carrier", vault=VAULT, actor_id="operator")
    assert is_id(source.id, "src")
    stored = await db.fetchval("SELECT secret_encrypted FROM number_sources")
    assert secret.encode() not in stored
    assert webhook_signature.secret_bytes(secret) not in stored
    key = await source_secret(database, source_id=source.id, vault=VAULT)
    headers = {
        "webhook-id": "m1",
        "webhook-timestamp": "1000",
        "webhook-signature": webhook_signature.sign(webhook_signature.secret_bytes(secret), "m1", 1000, b"{}"),
    }
    assert webhook_signature.verify(key, headers, b"{}", now=1000) == "m1"


async def test_creating_a_source_is_in_the_audit_log(db: Connection, source_id: str) -> None:
    row = await db.fetchrow("SELECT actor_id, action, target FROM audit_log")
    assert tuple(row) == ("operator", "source.create", source_id)


async def test_each_rejected_row_is_named_with_its_reason_and_the_others_are_added(database: Database, source_id: str) -> None:
    numbers = [
        NewNumber("+44 7700 900000"),
        NewNumber("+31 6 12345678"),
        NewNumber("rubbish"),
        NewNumber("+44 7700 900001", country="de"),
        NewNumber("+44 7700 900002", operator="nul\x00"),
        NewNumber("030 23125 000", country="de"),
    ]
    added = await add_numbers(database, source_id=source_id, numbers=numbers)
    assert (added.added, added.duplicates) == (2, 0)
    assert added.rejected == (
        Rejected(2, "+31 6 12345678", "a number of no country that we sell numbers in"),
        Rejected(3, "rubbish", "not written as a phone number"),
        Rejected(4, "+44 7700 900001", "not a number of country 'de'"),
        Rejected(5, "+44 7700 900002", "not a name of an operator, or not an area code"),
    )


async def test_the_same_number_is_added_once_however_it_is_written(database: Database, source_id: str) -> None:
    other, _ = await create_source(database, name="other", vault=VAULT, actor_id="operator")
    twice = [NewNumber("+447700900000"), NewNumber("+44 7700-900000"), NewNumber("07700900001", "gb")]
    first = await add_numbers(database, source_id=source_id, numbers=twice)
    second = await add_numbers(database, source_id=other.id, numbers=twice)
    assert (first.added, first.duplicates) == (2, 1)
    assert (second.added, second.duplicates) == (0, 3)
    assert await list_numbers(database, source_id=other.id) == []


async def test_a_number_keeps_what_was_said_of_it(database: Database, source_id: str) -> None:
    given = [
        NewNumber("(212) 555-0142", "us", " Verizon ", voice=True),
        NewNumber("+442079460000", area_code="20"),
    ]
    await add_numbers(database, source_id=source_id, numbers=given)
    numbers = {number.e164: number for number in await list_numbers(database, source_id=source_id)}
    american, british_number = numbers["+12125550142"], numbers["+442079460000"]
    assert (american.country, american.operator, american.area_code, american.voice) == (
        "us", "verizon", "212", True,
    )  # fmt: skip
    assert (british_number.country, british_number.area_code, british_number.voice) == ("gb", "20", False)
    assert not american.busy
    assert american.retired_at is None


async def test_nothing_to_add_is_no_error(database: Database, source_id: str) -> None:
    added = await add_numbers(database, source_id=source_id, numbers=[])
    assert (added.added, added.duplicates, added.rejected) == (0, 0, ())


async def test_progress_is_told_and_rows_are_counted_over_all_chunks(database: Database, source_id: str) -> None:
    told: list[int] = []
    numbers = [*british(12_000), NewNumber("rubbish")]
    added = await add_numbers(database, source_id=source_id, numbers=numbers, progress=told.append)
    assert told == [5_000, 10_000, 12_001]
    assert (added.added, [rejected.row for rejected in added.rejected]) == (12_000, [12_001])


async def test_two_imports_of_the_same_numbers_at_once_add_each_number_once(database: Database, source_id: str) -> None:
    forwards, backwards = list(british(6_000)), list(british(6_000))[::-1]
    results = await asyncio.gather(
        add_numbers(database, source_id=source_id, numbers=forwards),
        add_numbers(database, source_id=source_id, numbers=backwards),
    )
    assert sum(result.added for result in results) == 6_000
    assert sum(result.duplicates for result in results) == 6_000


@pytest.mark.slow
async def test_a_hundred_thousand_numbers_are_added_in_seconds(database: Database, source_id: str) -> None:
    started = time.monotonic()
    added = await add_numbers(database, source_id=source_id, numbers=british(100_000))
    assert added.added == 100_000
    assert time.monotonic() - started < 30


async def test_retired_numbers_are_counted_and_stay_retired(database: Database, db: Connection, source_id: str) -> None:
    await add_numbers(database, source_id=source_id, numbers=british(3))
    await db.execute("UPDATE numbers SET busy = true WHERE e164 = '+447700000002'")
    for expected in (2, 0):
        retired = await retire_numbers(
            database, source_id=source_id, actor_id="operator", reason="SIM removed",
            numbers=["+447700000001", "+447700000002", "+447700999999"],
        )  # fmt: skip
        assert retired == expected
    again = await add_numbers(database, source_id=source_id, numbers=british(3))
    assert (again.added, again.duplicates) == (0, 3)
    assert await count_numbers(database) == [NumberCount(country="gb", operator="ee", total=3, busy=1, retired=2)]
    log = await db.fetch("SELECT reason, detail FROM audit_log WHERE action = 'numbers.retire'")
    assert [tuple(row) for row in log] == [("SIM removed", '{"numbers": 2}')]


async def test_retiring_all_of_a_source_leaves_the_others(database: Database, source_id: str) -> None:
    other, _ = await create_source(database, name="other", vault=VAULT, actor_id="operator")
    await add_numbers(database, source_id=source_id, numbers=british(3))
    await add_numbers(database, source_id=other.id, numbers=british(2, first=10))
    assert await retire_numbers(database, source_id=source_id, actor_id="operator", reason="rack sold") == 3
    assert [count.retired for count in await count_numbers(database, source_id=other.id)] == [0]


async def test_numbers_are_listed_page_by_page(database: Database, source_id: str) -> None:
    await add_numbers(database, source_id=source_id, numbers=british(5))
    first = await list_numbers(database, source_id=source_id, limit=3)
    rest = await list_numbers(database, source_id=source_id, after=first[-1].id, limit=3)
    assert [number.e164[-1] for number in first + rest] == ["0", "1", "2", "3", "4"]

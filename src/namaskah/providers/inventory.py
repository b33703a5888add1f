"""Our own numbers: where they come from (sources, each with the secret of its webhook) and which there are.

Selling them is a statement of `verifications`; what arrives on them comes in by the signed webhook of their
source.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Final

import msgspec

from namaskah.core.crypto import Vault
from namaskah.core.db import Db
from namaskah.core.ids import new_id
from namaskah.core.webhook_signature import new_secret, secret_bytes
from namaskah.providers.errors import BadSourceName, SourceNameTaken, UnknownSource
from namaskah.providers.number_format import NumberNotUsable, ReadNumber, read_number

_CHUNK: Final = 5_000


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where numbers come from: a modem rack, a carrier's account. Its id is part of the webhook's address."""

    id: str
    name: str
    created_at: datetime
    disabled_at: datetime | None
    # Messages that found no verification: for numbers that are not ours, or not in use. They are kept like any other.
    unclaimed: int = 0


class NewNumber(msgspec.Struct, frozen=True):
    """A number to be added, as the operator has written it. Without a country it tells its own."""

    number: str
    country: str = ""
    operator: str = ""
    area_code: str = ""
    voice: bool = False


class Rejected(msgspec.Struct, frozen=True):
    """A number that was not added: its place in what was given (from 1), itself, and why."""

    row: int
    number: str
    reason: str


class Added(msgspec.Struct, frozen=True):
    """What became of the numbers. Duplicates are those that we have already, from whatever source."""

    added: int
    duplicates: int
    rejected: tuple[Rejected, ...]


class OwnNumber(msgspec.Struct, frozen=True, kw_only=True):
    """A number of ours. `id` is what `list_numbers` goes on after."""

    id: int
    e164: str
    country: str
    operator: str
    area_code: str
    voice: bool
    busy: bool
    retired_at: datetime | None


class NumberCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many numbers of one country and operator there are; `busy` and `retired` are parts of `total`."""

    country: str
    operator: str
    total: int
    busy: int
    retired: int


CREATE_SOURCE = """
WITH source AS (
    INSERT INTO number_sources (id, name, secret_encrypted) VALUES ($1, $2, $3)
    ON CONFLICT (name) DO NOTHING
    RETURNING id, name, created_at, disabled_at
), logged AS (
    INSERT INTO audit_log (actor_id, action, target, reason)
    SELECT $4, 'source.create', id, 'a new number source' FROM source
)
SELECT * FROM source
"""

SECRET = "SELECT secret_encrypted FROM number_sources WHERE id = $1 AND disabled_at IS NULL"

LIST_SOURCES = """
SELECT s.id, s.name, s.created_at, s.disabled_at,
       (SELECT count(*) FROM messages m
        WHERE m.origin = s.id AND m.verification_id IS NULL AND m.handled_at IS NOT NULL) AS unclaimed
FROM number_sources s ORDER BY s.created_at, s.id
"""

# Sorted, so that two imports of the same numbers wait for each other instead of locking each other out.
ADD = """
WITH added AS (
    INSERT INTO numbers (e164, country, operator, area_code, voice, source_id)
    SELECT e164, country, operator, area_code, voice, $6
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bool[])
         AS given (e164, country, operator, area_code, voice)
    ORDER BY e164
    ON CONFLICT (e164) DO NOTHING
    RETURNING 1
)
SELECT count(*) FROM added
"""

RETIRE = """
WITH retired AS (
    UPDATE numbers SET retired_at = now()
    WHERE source_id = $1 AND retired_at IS NULL AND ($2::text[] IS NULL OR e164 = ANY ($2))
    RETURNING 1
), counted AS (
    SELECT count(*) AS numbers FROM retired
), logged AS (
    INSERT INTO audit_log (actor_id, action, target, reason, detail)
    SELECT $3, 'numbers.retire', $1, $4, jsonb_build_object('numbers', numbers) FROM counted WHERE numbers > 0
)
SELECT numbers FROM counted
"""

LIST_NUMBERS = """
SELECT id, e164, country, operator, area_code, voice, busy, retired_at
FROM numbers WHERE source_id = $1 AND id > $2 ORDER BY id LIMIT $3
"""

COUNT_NUMBERS = """
SELECT country, operator, count(*) AS total, count(*) FILTER (WHERE busy) AS busy,
       count(*) FILTER (WHERE retired_at IS NOT NULL) AS retired
FROM numbers WHERE $1::text IS NULL OR source_id = $1
GROUP BY country, operator ORDER BY country, operator
"""


async def create_source(db: Db, *, name: str, vault: Vault, actor_id: str) -> tuple[Source, str]:
    """A new source and its webhook's secret (`whsec_...`), which is shown this once and kept encrypted.

    Raises BadSourceName, SourceNameTaken.
    """
    name = name.strip()
    if not 1 <= len(name) <= 100 or not name.isprintable():
        raise BadSourceName
    source_id, secret = new_id("src"), new_secret()
    encrypted = vault.encrypt(secret.encode(), context=source_id)
    row = await db.fetchrow(CREATE_SOURCE, source_id, name, encrypted, actor_id)
    if row is None:
        raise SourceNameTaken(f"Another number source is named {name!r}.")
    return Source(**row), secret


async def source_secret(db: Db, *, source_id: str, vault: Vault) -> bytes:
    """The key that signs the source's webhooks; it never changes, so keep it. Raises UnknownSource."""
    encrypted = await db.fetchval(SECRET, source_id)
    if encrypted is None:
        raise UnknownSource
    return secret_bytes(vault.decrypt(encrypted, context=source_id).decode())


async def list_sources(db: Db) -> list[Source]:
    """All sources, oldest first, each with how many of its messages nobody waited for."""
    return [Source(**row) for row in await db.fetch(LIST_SOURCES)]


async def add_numbers(
    db: Db,
    *,
    source_id: str,
    numbers: Iterable[NewNumber],
    progress: Callable[[int], None] | None = None,
) -> Added:
    """Puts numbers on sale. `progress` is called with how many were looked at so far. Raises UnknownSource.

    Every few thousand are committed for themselves: whoever is interrupted adds the same numbers again, and
    those that are there count as duplicates. A retired number stays retired.
    """
    if await db.fetchval(SECRET, source_id) is None:
        raise UnknownSource
    countries = frozenset(row["code"] for row in await db.fetch("SELECT code FROM countries"))
    added, seen, usable, rejected = 0, 0, 0, list[Rejected]()
    for chunk in _chunks(numbers):
        # Reading takes about 25 us a number: a thread keeps the process answering meanwhile.
        columns, refused = await asyncio.to_thread(_read, chunk, seen + 1, countries)
        seen += len(chunk)
        usable += len(chunk) - len(refused)
        rejected += refused
        added += await db.fetchval(ADD, *columns, source_id)
        if progress is not None:
            progress(seen)
    return Added(added, usable - added, tuple(rejected))


async def retire_numbers(db: Db, *, source_id: str, actor_id: str, reason: str, numbers: Collection[str] | None = None) -> int:
    """Takes numbers (E.164; None is all of the source) off sale for good; answers how many.

    An order that has one of them keeps it to its end.
    """
    given = None if numbers is None else list(numbers)
    retired: int = await db.fetchval(RETIRE, source_id, given, actor_id, reason)
    return retired


async def list_numbers(db: Db, *, source_id: str, after: int = 0, limit: int = 100) -> list[OwnNumber]:
    """The source's numbers whose id is greater than `after`, in the order of their ids."""
    return [OwnNumber(**row) for row in await db.fetch(LIST_NUMBERS, source_id, after, limit)]


async def count_numbers(db: Db, *, source_id: str | None = None) -> list[NumberCount]:
    """How many numbers there are by country and operator, of one source or of all."""
    return [NumberCount(**row) for row in await db.fetch(COUNT_NUMBERS, source_id)]


def _chunks(numbers: Iterable[NewNumber]) -> Iterator[list[NewNumber]]:
    iterator = iter(numbers)
    while chunk := list(islice(iterator, _CHUNK)):
        yield chunk


_Columns = tuple[list[str], list[str], list[str], list[str], list[bool]]


def _read(chunk: list[NewNumber], first_row: int, countries: frozenset[str]) -> tuple[_Columns, list[Rejected]]:
    """The columns of those that can be added, and those that cannot."""
    read: list[tuple[NewNumber, ReadNumber]] = []
    rejected: list[Rejected] = []
    for row, new in enumerate(chunk, first_row):
        try:
            if not f"{new.operator}{new.area_code}".isprintable() or len(new.operator) > 64:
                raise NumberNotUsable("not a name of an operator, or not an area code")
            read.append((new, read_number(new.number, countries=countries, country=new.country)))
        except NumberNotUsable as error:
            rejected.append(Rejected(row, new.number, str(error)))
    columns = (
        [number.e164 for _, number in read],
        [number.country for _, number in read],
        [new.operator.strip().lower() for new, _ in read],
        [new.area_code.strip() or number.area_code for new, number in read],
        [new.voice for new, _ in read],
    )
    return columns, rejected

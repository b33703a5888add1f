"""`namaskah db report`: the database as its operator wants to see it: sizes, bloat, what is unused, missing or slow, and
what each of the five named indexes is worth."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from namaskah.cli.connect import reachable_url, read_settings
from namaskah.cli.output import CommandFailed, example, mark, print_json, say

if TYPE_CHECKING:
    from namaskah.core.database_report import DatabaseReport
    from namaskah.core.index_worth import Worth

# Each named index with a query that it serves, as the product or its operators ask it.
NAMED: Final = {
    "idx_verifications_user_created": "SELECT * FROM verifications WHERE user_id = 'user_123' ORDER BY created_at DESC LIMIT 10",
    "idx_transactions_user_type":
        "SELECT * FROM transactions WHERE user_id = 'user_123' AND type = 'capture' ORDER BY created_at DESC LIMIT 20",
    "idx_users_email_verified": "SELECT id FROM users WHERE email = 'user123@example.com' AND NOT email_verified",
    "idx_verifications_status_created": "SELECT * FROM verifications WHERE status = 'failed' ORDER BY created_at DESC LIMIT 50",
    "idx_payment_logs_reference": "SELECT * FROM payment_logs WHERE reference = 'ref_4711'",
}  # fmt: skip
# Asked by hand, to the letter.
BY_HAND: Final = "SELECT * FROM verifications WHERE user_id = 'user_123' ORDER BY created_at DESC LIMIT 10;"
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
db = typer.Typer(no_args_is_help=True, help="A look into the database.")


def register(app: typer.Typer) -> None:
    """Adds the group."""
    app.add_typer(db, name="db")


@db.callback()
def group() -> None:
    """Without this a group of one command would be that command."""


@db.command("report", epilog=example("namaskah db report", "namaskah db report --json", "namaskah db report --exact --top 30"))
def report(
    exact: Annotated[
        bool,
        typer.Option(
            "--exact", help="Drop each named index for a moment and read every index page: on a copy, not on a live database."
        ),
    ] = False,
    top: Annotated[int, typer.Option(min=1, max=1000, help="How many lines each part has.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Shows sizes, unused and missing indexes, bloat, the slowest statements, and what the named indexes are worth.

    It changes nothing and locks nobody out. With --exact each named index is dropped in a transaction that is
    rolled back, which keeps everybody waiting meanwhile.
    """
    import asyncio

    with reachable_url(read_settings()) as url:
        found, named, plan = asyncio.run(_examine(url, exact=exact, top=top))
    if as_json:
        import msgspec

        worths = [msgspec.to_builtins(one) | {"times_faster": one.times_faster} for one in named]
        print_json({**msgspec.to_builtins(found), "named_indexes": worths, "by_hand": {"statement": BY_HAND, "plan": plan}})
    else:
        _print(found, named, plan, top)


async def _examine(url: str, *, exact: bool, top: int) -> "tuple[DatabaseReport, list[Worth], list[str]]":
    import asyncpg

    from namaskah.core.database_report import examine
    from namaskah.core.db import CONNECTION_LOST, DatabaseGone
    from namaskah.core.index_worth import explained, worth

    try:
        connection: Any = await asyncpg.connect(url, timeout=10, server_settings={"application_name": "namaskah db report"})
    except CONNECTION_LOST as error:
        raise DatabaseGone("The database does not answer.") from error
    try:
        if await connection.fetchval("SELECT to_regclass('public.verifications') IS NULL"):
            raise CommandFailed("The database is empty: run `namaskah migrate` first.")
        found = await examine(connection, exact=exact, statements=top)
        named = [await worth(connection, name, query, exact=exact) for name, query in NAMED.items()]
        plan = await explained(connection, BY_HAND)
        if not any("Index" in line for line in plan):
            plan.append("With so few rows the table is read whole; with many (here: SET enable_seqscan = off):")
            plan += await explained(connection, BY_HAND, avoid_reading_whole=True)
        return found, named, plan
    finally:
        await connection.close()


def _print(found: "DatabaseReport", named: "Sequence[Worth]", plan: list[str], top: int) -> None:
    _print_indexes(found, top)
    _print_bloat(found, top)
    slowest = (
        (f"{one.total_ms / 1000:,.1f} s", f"{one.calls:,}", f"{one.mean_ms:.2f} ms", f"{one.worst_ms:,.1f} ms", one.text[:100])
        for one in found.slowest
    )
    _part("Slowest statements", ("total", "calls", "mean", "worst", "statement"), slowest)
    _part("The named indexes", ("index", "with it", "without it", "faster", "pages", "without: by"), map(_worth, named))
    say(f"EXPLAIN ANALYZE {BY_HAND}")
    for line in plan:
        say(f"  {line}")
    for note in found.notes:
        say(f"\n{note}")


def _print_indexes(found: "DatabaseReport", top: int) -> None:
    since = f"since {_when(found.since)}" if found.since else "since the database was made"
    tables = ((one.name, f"{one.rows:,}", _size(one.bytes), _size(one.index_bytes)) for one in found.tables[:top])
    _part("Tables", ("table", "rows, about", "size", "indexes"), tables)
    used = (
        (one.name, one.table, _size(one.bytes), f"{one.scans:,}" + ("" if one.valid else " NOT VALID"))
        for one in found.indexes[:top]
    )
    _part(f"Indexes (uses {since})", ("index", "table", "size", "uses"), used)
    unused = ((one.name, one.table, _size(one.bytes)) for one in found.unused[:top])
    _part(f"Unused indexes ({since})", ("index", "table", "size"), unused)
    missing = ((one.table, one.columns, one.parent, f"{one.deletes:,}") for one in found.keys_without_index if one.deletes)
    _part("Foreign keys without an index", ("table", "columns", "rows deleted from", "so far"), missing)
    whole = ((one.table, f"{one.scans:,}", f"{one.rows_a_scan:,}", _size(one.bytes)) for one in found.read_whole[:top])
    _part("Large tables that are read whole", ("table", "times", "rows each time", "size"), whole)


def _print_bloat(found: "DatabaseReport", top: int) -> None:
    tables = (
        (one.name, _size(one.bytes), f"{one.dead:,}", f"{one.share:.0%}", _when(one.vacuumed_at))
        for one in found.table_bloat[:top]
    )
    _part("Bloat of tables", ("table", "size", "dead rows", "more than needed", "vacuumed"), tables)
    indexes = (
        (one.name, _size(one.bytes), f"{one.share:.0%}" + ("" if one.exact else ", estimated")) for one in found.index_bloat[:top]
    )
    _part("Bloat of indexes", ("index", "size", "more than needed"), indexes)


def _worth(one: "Worth") -> tuple[str, ...]:
    name = one.index if one.there else mark(f"{one.index} is missing", "red")
    used = "" if one.used else " (not used: the table is small)"
    if one.without is None:
        return (name, f"{one.with_it.milliseconds} ms{used}", "over 30 s", "", f"{one.with_it.pages:,}", one.way)
    pages = f"{one.with_it.pages:,} instead of {one.without.pages:,}"
    times = (f"{one.with_it.milliseconds} ms{used}", f"{one.without.milliseconds} ms", f"{one.times_faster:,.1f} x")
    return (name, *times, pages, one.way)


def _part(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A heading and its rows in columns; nothing but a word where there are none."""
    lines = [heads, *rows]
    say(mark(title, "cyan"))
    if len(lines) == 1:
        say("  none")
    else:
        widths = [max(len(line[place]) for line in lines) for place in range(len(heads))]
        for line in lines:
            say("  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    say()


def _size(number: int) -> str:
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:,.0f} {unit}"
        number = round(number / 1000) if number >= 10_000 else number // 1000
    return f"{number:,.0f} GB"


def _when(moment: datetime | None) -> str:
    return "never" if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"

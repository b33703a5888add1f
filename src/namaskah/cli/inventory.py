"""`namaskah source` and `namaskah numbers`: our own numbers and where they come from."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from namaskah.cli.connect import Instance, operator, with_database
from namaskah.cli.output import FAILED, WRONGLY_CALLED, CommandFailed, complain, example, print_json, say

if TYPE_CHECKING:
    from namaskah.providers.inventory import Added, NewNumber

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]

source = typer.Typer(no_args_is_help=True, help="Sources of our own numbers.")
numbers = typer.Typer(no_args_is_help=True, help="Our own numbers.")


def register(app: typer.Typer) -> None:
    """Adds both groups."""
    app.add_typer(source, name="source")
    app.add_typer(numbers, name="numbers")


@source.command("create", epilog=example("namaskah source create 'modem rack 1'"))
def create_source(name: Annotated[str, typer.Argument(help="What people call it; unique.")], as_json: AsJson = False) -> None:
    """Makes a source of numbers and prints the secret that signs its webhooks. It is shown this once."""

    async def work(instance: Instance) -> None:
        from namaskah.providers import inventory

        made, secret = await inventory.create_source(instance.db, name=name, vault=instance.vault, actor_id=operator())
        address = f"{instance.settings.public_url.rstrip('/')}/inbound/sms/{made.id}"
        if as_json:
            print_json({"id": made.id, "name": made.name, "secret": secret, "webhook_url": address})
        else:
            say(f"Source   {made.id}\nSecret   {secret}   (shown this once)\nWebhook  POST {address}")

    with_database(work)


@source.command("list", epilog=example("namaskah source list", "namaskah source list --json"))
def list_sources(as_json: AsJson = False) -> None:
    """Lists the sources, each with how many of its messages nobody waited for: those are kept and counted."""

    async def work(instance: Instance) -> None:
        from namaskah.providers import inventory

        found = await inventory.list_sources(instance.db)
        if as_json:
            print_json({"sources": [{"id": s.id, "name": s.name, "unclaimed": s.unclaimed} for s in found]})
        for one in [] if as_json else found:
            say(f"{one.id}  {one.unclaimed:>8,} unclaimed  {one.name}")

    with_database(work)


@numbers.command(
    "add",
    epilog=example(
        "namaskah numbers add src_01kq... +12025550100 +12025550101",
        "namaskah numbers add src_01kq... --file numbers.csv --operator tmobile",
        "cat numbers.txt | namaskah numbers add src_01kq... --country us",
    ),
)
def add_numbers(
    source_id: Annotated[str, typer.Argument(metavar="SOURCE", help="The source's id, src_...")],
    given: Annotated[list[str] | None, typer.Argument(metavar="[NUMBER]...", help="The numbers.")] = None,
    file: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="A file with one number a line.")] = None,
    country: Annotated[str, typer.Option(help="ISO code, for numbers without a country code.")] = "",
    operator_name: Annotated[str, typer.Option("--operator", help="The mobile network.")] = "",
    voice: Annotated[bool, typer.Option("--voice", help="They can also take calls.")] = False,
    as_json: AsJson = False,
) -> None:
    """Puts numbers of a source on sale: from arguments, a file, or standard input.

    A line holds a number, or number,country,operator,area code. Empty lines and those that begin with # are
    skipped. Numbers that are there already change nothing, so that an interrupted import is simply run again.
    """
    if given and file:
        raise CommandFailed("Give numbers or a file, not both.", exit_code=WRONGLY_CALLED)
    if not given and file is None and sys.stdin.isatty():
        raise CommandFailed("Give numbers, --file, or a list on standard input.", exit_code=WRONGLY_CALLED)
    lines, total = _lines(given, file)
    added = with_database(lambda instance: _add(instance, source_id, _read(lines, country, operator_name, voice), total))
    rejected = [{"row": row.row, "number": row.number, "reason": row.reason} for row in added.rejected]
    if as_json:
        print_json({"added": added.added, "duplicates": added.duplicates, "rejected": rejected})
    else:
        for row in added.rejected[:20]:
            complain(f"number {row.row}, {row.number}: {row.reason}")
        say(f"{added.added:,} added, {added.duplicates:,} there already, {len(rejected):,} rejected")
    raise typer.Exit(FAILED if rejected else 0)


def _lines(given: list[str] | None, file: Path | None) -> tuple[Iterator[str], int | None]:
    """The lines, and how many there are where that can be known beforehand."""
    if given:
        return iter(given), len(given)
    if file is None:
        return iter(sys.stdin), None
    with file.open("rb") as counted:
        total = sum(1 for _ in counted)
    return _lines_of(file), total


def _lines_of(file: Path) -> Iterator[str]:
    with file.open(encoding="utf-8") as opened:
        yield from opened


def _read(lines: Iterator[str], country: str, operator_name: str, voice: bool) -> "Iterator[NewNumber]":
    from namaskah.providers.inventory import NewNumber

    for line in lines:
        if line.strip() and not line.lstrip().startswith("#"):
            number, its_country, its_operator, area_code, *_ = [*map(str.strip, line.split(",")), "", "", ""]
            yield NewNumber(number, its_country or country, its_operator or operator_name, area_code, voice)


async def _add(instance: Instance, source_id: str, new: "Iterator[NewNumber]", total: int | None) -> "Added":
    from namaskah.providers import inventory

    if not sys.stderr.isatty():
        return await inventory.add_numbers(instance.db, source_id=source_id, numbers=new)
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("Adding numbers"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=total)
        return await inventory.add_numbers(
            instance.db, source_id=source_id, numbers=new,
            progress=lambda done: progress.update(task, completed=done),
        )  # fmt: skip

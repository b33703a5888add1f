"""Commands that look at or change the database as a whole, and those that only print: migrate, doctor,
openapi, demo."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from namaskah.cli.connect import reachable_url, read_settings
from namaskah.cli.output import CommandFailed, example, print_json, say

# Where test messages lie beside a checkout; without such a folder the demo plays its own.
CORPUS = Path("../shared/corpora/otp")
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("migrate", epilog=example("DATABASE_URL=postgresql://... namaskah migrate"))(migrate)
    app.command("doctor", epilog=example("namaskah doctor", "namaskah doctor --json"))(doctor)
    app.command("openapi", epilog=example("namaskah openapi > openapi.json"))(openapi)
    app.command("demo", epilog=example("namaskah demo", "CORPUS=messages/ namaskah demo --json"))(demo)


def migrate(as_json: AsJson = False) -> None:
    """Brings the database to this release's schema, from any earlier one. Running it again changes
    nothing."""
    import asyncio

    settings = read_settings()
    with reachable_url(settings, create=True) as url:
        changed = asyncio.run(_migrate(url))
    if as_json:
        print_json({"changed": changed})
    else:
        say("The database was brought to this release." if changed else "The database is current.")


async def _migrate(url: str) -> bool:
    import asyncpg

    from namaskah.core.migrate import is_current
    from namaskah.prepare import prepare_database

    try:
        changed = not await is_current(url)
        await prepare_database(url)
    except asyncpg.PostgresError as error:
        raise CommandFailed(f"The database refuses us: {error}. No money moved.") from None
    return changed


def doctor(as_json: AsJson = False) -> None:
    """Looks for everything that is known to go wrong, and says what mends it. It mends nothing itself.

    The exit code is 1 when a check fails; a warning leaves it 0.
    """
    from namaskah.cli.doctor import examine, print_findings

    findings = examine(read_settings())
    print_findings(findings, as_json=as_json)
    raise typer.Exit(1 if any(finding.verdict == "FAIL" for finding in findings) else 0)


def openapi() -> None:
    """Prints the OpenAPI 3.1 document of the API as JSON. Needs no database."""
    import json

    from namaskah.api.openapi import document
    from namaskah.api.operations import OPERATIONS

    json.dump(document(OPERATIONS), sys.stdout, indent=2, ensure_ascii=False)
    say()


def demo(
    as_json: AsJson = False,
    corpus: Annotated[Path | None, typer.Option(envvar="CORPUS", help="A folder of messages in JSON lines.")] = CORPUS,
) -> None:
    """Does the main job on real messages: buys numbers, delivers SMS, reads the codes, and proves the ledger.

    It runs on a fresh embedded database of its own and leaves nothing behind.
    """
    from namaskah.demo import run

    raise typer.Exit(run(corpus=corpus, as_json=as_json))

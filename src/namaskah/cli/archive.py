"""`namaskah ledger archive`: old orders and their ledger lines leave the tables that work. Nothing does it by itself: how
long records of money are kept is a matter of law, which the operator knows."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from namaskah.cli.connect import operator, reachable_url, read_settings
from namaskah.cli.money import AsJson, Reason, ledger
from namaskah.cli.output import WRONGLY_CALLED, CommandFailed, example, print_json, say

if TYPE_CHECKING:
    from namaskah.core.settings import Settings
    from namaskah.verifications.archive import Archived

# Whatever else is set: younger orders are still asked about.
YOUNGEST_DAYS = 90
Before = Annotated[
    datetime, typer.Option("--before", formats=["%Y-%m-%d"], help="The day (UTC) before which orders were made and ended.")
]


def register(_app: typer.Typer) -> None:
    """Adds the command to the group that is there already."""
    ledger.command(
        "archive",
        epilog=example(
            "namaskah ledger archive --before 2025-01-01 --reason 'books of 2024 are closed' --dry-run",
            "namaskah ledger archive --before 2025-01-01 --reason 'books of 2024 are closed'",
        ),
    )(archive)


def archive(
    before: Before,
    reason: Reason,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be archived, and change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Moves old orders with their messages and ledger lines into the archive, one row each, while the platform runs.

    Customers no longer see them; what they paid stays in their statement as lines that carry it forward. May be
    interrupted, and run again, at any time. Without it everything is kept.
    """
    import asyncio

    settings = read_settings()
    until = before.replace(tzinfo=UTC)
    days = max(YOUNGEST_DAYS, settings.idempotency_days, settings.number_mask_days, settings.message_retention_days)
    if until > datetime.now(UTC) - timedelta(days=days):
        raise CommandFailed(f"Orders of the last {days} days cannot be archived. Nothing was changed.", exit_code=WRONGLY_CALLED)
    if not reason.strip():
        raise CommandFailed("A reason is needed. Nothing was changed.", exit_code=WRONGLY_CALLED)
    done = asyncio.run(_archive(settings, until, reason.strip(), dry_run))
    if as_json:
        answer = {"orders": done.orders, "captured_micros": done.captured_micros, "wallets": done.wallets, "dry_run": dry_run}
        print_json(answer | {"before": until})
    else:
        verb, paid = "would be" if dry_run else "were", f"{done.captured_micros / 1e6:,.2f} USD"
        say(f"{done.orders:,} orders of {done.wallets:,} wallets {verb} archived; {paid} carried forward")
        if not dry_run:
            say("Prove it with `namaskah ledger check`.")


async def _archive(settings: "Settings", before: datetime, reason: str, dry_run: bool) -> "Archived":
    import asyncpg

    from namaskah.core.db import Database
    from namaskah.core.migrate import is_current
    from namaskah.verifications.archive import archive_orders, count_orders

    with reachable_url(settings) as url:
        if not await is_current(url):
            raise CommandFailed("The database has another release's schema: run `namaskah migrate` first.")
        # As the owner: the application's own role may delete nothing in the ledger.
        db = await Database.open(url, max_size=1, role=None)
        try:
            if dry_run:
                return await count_orders(db, before=before)
            return await archive_orders(db, before=before, reason=reason, actor_id=operator())
        except asyncpg.InsufficientPrivilegeError as error:
            raise CommandFailed(f"Only the database's owner may archive: {error}. Nothing more was changed.") from None
        finally:
            await db.close()

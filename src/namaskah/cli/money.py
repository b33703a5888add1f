"""`namaskah wallet` and `namaskah ledger`: money by hand, always with a reason, and the proof that none is
lost."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from namaskah.cli.connect import Instance, find_user, operator, with_database
from namaskah.cli.output import (
    DONE,
    FAILED,
    WRONGLY_CALLED,
    CommandFailed,
    complain,
    example,
    mark,
    print_json,
    say,
)

if TYPE_CHECKING:
    from namaskah.wallet.check import CheckReport

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
User = Annotated[str, typer.Argument(metavar="USER", help="The user's e-mail address or id.")]
Amount = Annotated[str, typer.Argument(metavar="USD", help="The amount, such as 25 or 0.75.")]
Reason = Annotated[str, typer.Option(help="Why: the customer's statement and the audit log show it.")]
Reference = Annotated[
    str | None, typer.Option(help="Your name for this movement, such as a bank's: given again, nothing is booked twice.")
]
Test = Annotated[bool, typer.Option("--test", help="The test mode's wallet instead of real money.")]

wallet = typer.Typer(no_args_is_help=True, help="Customers' money.")
ledger = typer.Typer(no_args_is_help=True, help="The double-entry ledger.")


def register(app: typer.Typer) -> None:
    """Adds both groups."""
    app.add_typer(wallet, name="wallet")
    app.add_typer(ledger, name="ledger")


@wallet.command(
    "credit", epilog=example("namaskah wallet credit ana@example.com 25 --reason 'bank transfer' --reference bank-4711")
)
def credit(
    who: User, amount: Amount, reason: Reason, reference: Reference = None, test: Test = False, as_json: AsJson = False
) -> None:
    """Adds money to a wallet and prints what it holds then."""
    _adjust("credit", who, amount, reason, reference, test, as_json)


@wallet.command("debit", epilog=example("namaskah wallet debit ana@example.com 5 --reason 'credited twice'"))
def debit(
    who: User, amount: Amount, reason: Reason, reference: Reference = None, test: Test = False, as_json: AsJson = False
) -> None:
    """Takes money that is not held by an open order out of a wallet and prints what is left."""
    _adjust("debit", who, amount, reason, reference, test, as_json)


def _adjust(
    kind: Literal["credit", "debit"], who: str, amount: str, reason: str, reference: str | None, test: bool, as_json: bool
) -> None:
    if not reason.strip():
        raise CommandFailed("A reason is needed. No money moved.", exit_code=WRONGLY_CALLED)

    async def work(instance: Instance) -> None:
        from namaskah.core.money import micros_from_text
        from namaskah.wallet import adjust, queries

        found = await find_user(instance.db, who)
        act = adjust.credit if kind == "credit" else adjust.debit
        transaction = await act(
            instance.db,
            user_id=found.id,
            livemode=not test,
            amount_micros=micros_from_text(amount),
            reason=reason.strip(),
            actor_id=operator(),
            reference=reference,
        )
        now = await queries.wallet(instance.db, user_id=found.id, livemode=not test)
        if as_json:
            print_json(
                {
                    "transaction": transaction,
                    "user_id": found.id,
                    "livemode": not test,
                    "balance": now.balance.amount,
                    "available": now.available.amount,
                }
            )
        else:
            say(f"{transaction}: balance {now.balance.amount} USD, available {now.available.amount} USD")

    with_database(work)


@ledger.command("check", epilog=example("namaskah ledger check", "namaskah ledger check --json"))
def check(
    incremental: Annotated[bool, typer.Option("--incremental", help="Only what was booked since the last check.")] = False,
    as_json: AsJson = False,
) -> None:
    """Proves that no money was lost or made: every wallet equals its entries, every hold has one end.

    The exit code is 1 when anything is wrong; each finding names what, and by how much.
    """
    report = with_database(lambda instance: _check(instance, full=not incremental))
    findings = [{"invariant": found.invariant, "subject": found.subject, "micros": found.micros} for found in report.findings]
    if as_json:
        seconds = round(report.seconds, 3)
        print_json({"ok": report.ok, "drift_micros": report.drift_micros, "seconds": seconds, "findings": findings})
    else:
        for found in report.findings:
            complain(f"{found.invariant}: {found.subject}, {found.micros:,} micros")
        verdict = mark("OK", "green") if report.ok else mark("WRONG", "red")
        drift = f"drift {report.drift_micros:,} micros"
        say(f"{verdict}  {drift}, {len(findings)} findings, {report.seconds:.2f} s")
    raise typer.Exit(DONE if report.ok else FAILED)


async def _check(instance: Instance, *, full: bool) -> "CheckReport":
    from namaskah.wallet.check import check

    return await check(instance.db, full=full)

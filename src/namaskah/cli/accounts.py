"""`namaskah user` and `namaskah api-key`: who may use the platform, and with which keys."""

import secrets
import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from namaskah.cli.connect import Instance, find_user, operator, with_database
from namaskah.cli.output import WRONGLY_CALLED, CommandFailed, example, print_json, say

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
User = Annotated[str, typer.Argument(metavar="USER", help="The user's e-mail address or id.")]
Reason = Annotated[str, typer.Option(help="Why, for the audit log.")]

user = typer.Typer(no_args_is_help=True, help="Users.")
api_key = typer.Typer(no_args_is_help=True, help="API keys of users.")


def register(app: typer.Typer) -> None:
    """Adds both groups."""
    app.add_typer(user, name="user")
    app.add_typer(api_key, name="api-key")


@user.command(
    "create",
    epilog=example(
        "namaskah user create ana@example.com",
        "namaskah user create ana@example.com --password-stdin < password.txt",
    ),
)
def create_user(
    email: Annotated[str, typer.Argument(help="The e-mail address to sign in with.")],
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")] = False,
    as_json: AsJson = False,
) -> None:
    """Makes a user with a wallet for real money and one for the test mode.

    Without --password-stdin a random password is made and printed, this once.
    """
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
        if not password:
            raise CommandFailed("There is no password on standard input.", exit_code=WRONGLY_CALLED)
    else:
        password = secrets.token_urlsafe(15)

    async def work(instance: Instance) -> None:
        from namaskah.accounts.sign_up import CURRENT_TERMS_VERSION
        from namaskah.wallet.register import register

        made = await register(instance.db, email=email, password=password, terms_version=CURRENT_TERMS_VERSION)
        if as_json:
            print_json({"id": made.id, "email": made.email, "password": None if password_stdin else password})
        else:
            shown = "" if password_stdin else f"\nPassword {password}   (shown this once)"
            say(f"User     {made.id}\nE-mail   {made.email}{shown}")

    with_database(work)


@user.command("disable", epilog=example("namaskah user disable ana@example.com --reason 'stolen card'"))
def disable_user(who: User, reason: Reason, as_json: AsJson = False) -> None:
    """Ends the user's sessions and refuses all keys at once, in every process. Nothing is deleted."""

    async def work(instance: Instance) -> None:
        from namaskah.accounts.disable import disable

        found = await find_user(instance.db, who)
        done = await disable(instance.db, user_id=found.id, actor_id=operator(), reason=reason)
        if as_json:
            print_json({"id": done.id, "disabled_at": done.disabled_at})
        else:
            say(f"{done.id} is disabled.")

    with_database(work)


@api_key.command(
    "create",
    epilog=example(
        "namaskah api-key create ana@example.com --name laptop --reason 'asked by phone'",
        "namaskah api-key create ana@example.com --name ci --test --json --reason 'for her tests'",
    ),
)
def create_key(
    who: User,
    name: Annotated[str, typer.Option(help="What the user calls it.")],
    reason: Reason,
    test: Annotated[bool, typer.Option("--test", help="For the test mode: it moves no real money.")] = False,
    daily_cap: Annotated[str | None, typer.Option(metavar="USD", help="The most it may spend on a day.")] = None,
    expires_days: Annotated[int | None, typer.Option(min=1, help="It ends after so many days.")] = None,
    as_json: AsJson = False,
) -> None:
    """Makes an API key for a user and prints it. It is shown this once and stored hashed."""

    async def work(instance: Instance) -> None:
        from namaskah.accounts import api_keys
        from namaskah.core.money import micros_from_text

        found = await find_user(instance.db, who)
        key, secret = await api_keys.create(
            instance.db,
            user_id=found.id,
            livemode=not test,
            name=name,
            daily_spend_cap_micros=None if daily_cap is None else micros_from_text(daily_cap),
            expires_at=None if expires_days is None else datetime.now(UTC) + timedelta(days=expires_days),
            actor_id=operator(),
            reason=reason,
        )
        if as_json:
            print_json({"id": key.id, "key": secret, "livemode": key.livemode, "user_id": found.id})
        else:
            say(f"Key id   {key.id}\nKey      {secret}   (shown this once)")

    with_database(work)


@api_key.command("revoke", epilog=example("namaskah api-key revoke ana@example.com key_01kq... --reason 'found in a log'"))
def revoke_key(
    who: User,
    key_id: Annotated[str, typer.Argument(metavar="KEY", help="The key's id, key_...")],
    reason: Reason,
    as_json: AsJson = False,
) -> None:
    """Ends an API key for good; every process refuses it within a second."""

    async def work(instance: Instance) -> None:
        from namaskah.accounts import api_keys

        found = await find_user(instance.db, who)
        await api_keys.revoke(instance.db, user_id=found.id, key_id=key_id, actor_id=operator(), reason=reason)
        if as_json:
            print_json({"id": key_id, "revoked": True})
        else:
            say(f"{key_id} is revoked.")

    with_database(work)

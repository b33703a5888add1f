"""How a command reaches the database: DATABASE_URL, or else the embedded server of NAMASKAH_DATA_DIR.

An embedded server that runs already is shared; otherwise it runs for as long as the command does.
"""

import contextlib
import getpass
import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from namaskah.cli.output import WRONGLY_CALLED, CommandFailed

if TYPE_CHECKING:
    from pathlib import Path

    from namaskah.accounts.users import User
    from namaskah.core.crypto import Vault
    from namaskah.core.db import Database
    from namaskah.core.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True)
class Instance:
    """What a command works with: the settings and the application's own, restricted access to the
    database."""

    settings: "Settings"
    url: str
    db: "Database"

    @cached_property
    def vault(self) -> "Vault":
        """Encrypts with the same key as the running platform."""
        from namaskah.core.crypto import Vault

        return Vault(self.settings.key_bytes)


def operator() -> str:
    """Who acts, for the audit log: the user of this machine who called the command."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return f"cli:{os.getuid()}"  # a container's user often has no name


def read_settings(env_file: str | None = None) -> "Settings":
    """The settings. Raises CommandFailed with what is wrong with them."""
    if env_file is not None:
        from dotenv import load_dotenv

        # Into the environment, so that the processes that we start see the same; what is set already wins.
        if not load_dotenv(env_file):
            raise CommandFailed(f"There are no settings in {env_file}.", exit_code=WRONGLY_CALLED)
    from namaskah.core.settings import SettingsInvalid, load_settings

    try:
        return load_settings()
    except SettingsInvalid as error:
        raise CommandFailed(f"The settings are not valid: {error}", exit_code=WRONGLY_CALLED) from None


def embedded_folder(settings: "Settings") -> "Path":
    """Where the embedded server keeps its files."""
    return settings.data_dir / "postgres"


@contextlib.contextmanager
def reachable_url(settings: "Settings", *, create: bool = False) -> Iterator[str]:
    """The URL of the database while it surely runs; `create` allows a new embedded one to be made."""
    warn_on_stderr(settings)
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    from namaskah.core.embedded import EmbeddedPostgres, EmbeddedPostgresError

    folder = embedded_folder(settings)
    if not create and not (folder / "cluster").exists():
        raise CommandFailed(
            f"There is no database in {settings.data_dir}: set DATABASE_URL or NAMASKAH_DATA_DIR, "
            "or make one with `namaskah migrate` or `namaskah serve`."
        )
    server = EmbeddedPostgres(folder)
    try:
        url = server.start()
    except EmbeddedPostgresError as error:
        raise CommandFailed(str(error)) from None
    try:
        yield url
    finally:
        server.stop()


def with_database(work: Callable[[Instance], Awaitable[T]]) -> T:
    """Runs `work` on the database of the settings and answers its result. Raises CommandFailed."""
    import asyncio

    settings = read_settings()
    with reachable_url(settings) as url:
        return asyncio.run(_work(settings, url, work))


def warn_on_stderr(settings: "Settings") -> None:
    """Log lines go to standard error, because programs read standard output; left alone they would go there."""
    from namaskah.core.logs import configure
    from namaskah.core.statements import Statements

    configure("pretty", level="WARNING")
    Statements.slow_seconds = settings.slow_statement_seconds


async def _work(settings: "Settings", url: str, work: Callable[[Instance], Awaitable[T]]) -> T:
    import asyncpg

    from namaskah.core.db import Database
    from namaskah.core.key_check import WrongSecretKey, check_key
    from namaskah.core.migrate import is_current

    try:
        if not await is_current(url):
            raise CommandFailed("The database has another release's schema: run `namaskah migrate` first.")
        db = await Database.open(url, max_size=2)
    except asyncpg.PostgresError as error:
        raise CommandFailed(f"The database refuses us: {error}. No money moved.") from None
    try:
        instance = Instance(settings, url, db)
        await check_key(db, instance.vault)
        return await work(instance)
    except WrongSecretKey as error:
        raise CommandFailed(f"{error} No money moved.") from None
    finally:
        await db.close()


async def find_user(db: "Database", text: str) -> "User":
    """The user whose id or e-mail address an operator has typed. Raises UnknownUser."""
    from namaskah.accounts.users import user_by_email, user_by_id

    return await (user_by_id(db, text) if text.startswith("user_") else user_by_email(db, text))

"""`namaskah migrate`: brings a database to this release's schema, functions and grants, from any state, any number of times.

The functions (*.sql beside their verbs) are replaced as a whole whenever their digest differs; a database that is up to
date costs one query.
"""

import asyncio
import contextlib
import hashlib
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

import asyncpg

from namaskah.core.db import APP_ROLE, CONNECTION_LOST, DatabaseGone

_LOCK_KEY = 0x6E616D61736B6168  # "namaskah" in ASCII
_STATE_EXISTS = "SELECT to_regclass('public.schema_state') IS NOT NULL"
_STATE = "SELECT value FROM schema_state WHERE name = 'release'"

# The application may read and write rows, never change the schema; the ledger it may only read and append to.
_GRANTS = f"""
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{APP_ROLE}') THEN CREATE ROLE {APP_ROLE} NOLOGIN; END IF;
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;
DO $$ BEGIN
    IF NOT pg_has_role(current_user, '{APP_ROLE}', 'MEMBER') THEN
        EXECUTE 'GRANT {APP_ROLE} TO ' || quote_ident(current_user);
    END IF;
END $$;
GRANT USAGE ON SCHEMA public TO {APP_ROLE};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {APP_ROLE};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {APP_ROLE};
-- Not those of extensions: where somebody else has installed one, granting its functions is refused.
DO $$ DECLARE one regprocedure; BEGIN
    FOR one IN SELECT p.oid FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND NOT EXISTS (
        SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
    LOOP EXECUTE 'GRANT EXECUTE ON FUNCTION ' || one || ' TO {APP_ROLE}'; END LOOP;
END $$;
REVOKE UPDATE, DELETE, TRUNCATE ON transactions, entries, hold_resolutions, audit_log FROM {APP_ROLE};
REVOKE INSERT, UPDATE, DELETE ON ledger_accounts, alembic_version, archived_orders FROM {APP_ROLE};
"""


# For `namaskah db report`. Where it cannot be had, the report says so.
_COUNTS_STATEMENTS = "SELECT current_setting('shared_preload_libraries') LIKE '%pg_stat_statements%'"
_SHOW_STATEMENTS = "CREATE EXTENSION IF NOT EXISTS pg_stat_statements"


def _package() -> Traversable:
    return resources.files("namaskah")


def function_files() -> list[tuple[str, str]]:
    """Every SQL function file of the package as (path, text), lower layers first, so that each finds what it calls."""
    found = []
    for package in ("wallet", "catalog", "providers", "messages", "verifications"):
        folder = _package() / package
        if folder.is_dir():
            files = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".sql")), key=lambda e: e.name)
            found += [(f"{package}/{entry.name}", entry.read_text()) for entry in files]
    return found


def release_digest() -> str:
    """What identifies schema, functions and grants of this release."""
    digest = hashlib.sha256(_GRANTS.encode())
    for _name, text in function_files():
        digest.update(text.encode())
    versions = _package() / "migrations" / "versions"
    for name in sorted(entry.name for entry in versions.iterdir() if entry.name.endswith(".py")):
        digest.update(name.encode())
    return digest.hexdigest()


async def is_current(url: str) -> bool:
    """Whether the database already has this release's schema. Raises DatabaseGone when there is no server."""
    connection = await _connect(url)
    try:
        return await _has_release(connection)
    finally:
        await connection.close()


async def migrate(url: str) -> bool:
    """Brings the database up to date; answers whether anything was to do. Safe to run from several processes at once."""
    connection = await _connect(url)
    try:
        if await _has_release(connection):
            return False
        # Asking again and again, because a statement that waits for the lock holds a snapshot, and CREATE INDEX
        # CONCURRENTLY waits for every snapshot: the two would wait for each other.
        locked = False
        while not locked:
            locked = await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK_KEY)
            await asyncio.sleep(0 if locked else 0.1)
        if await _has_release(connection):
            return False
        if not await _is_ahead(connection):
            await upgrade_tables(url)
        async with connection.transaction():
            await connection.execute("SET LOCAL lock_timeout = '5s'")
            for name, text in function_files():
                try:
                    await connection.execute(text)
                except asyncpg.PostgresError as error:
                    raise RuntimeError(f"cannot install {name}: {error}") from error
            await connection.execute(_GRANTS)
            await connection.execute(
                "INSERT INTO schema_state VALUES ('release', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                release_digest(),
            )
        await _show_statements(connection)
        return True
    finally:
        await connection.close()


async def _show_statements(connection: Any) -> None:
    # Only a superuser may, which the owner of a database need not be.
    with contextlib.suppress(asyncpg.PostgresError):
        if await connection.fetchval(_COUNTS_STATEMENTS):
            await connection.execute(_SHOW_STATEMENTS)


async def _connect(url: str) -> Any:
    try:
        return await asyncpg.connect(url, timeout=10, server_settings={"application_name": "namaskah migrate"})
    except CONNECTION_LOST as error:
        raise DatabaseGone("The database does not answer.") from error


async def _has_release(connection: Any) -> bool:
    if not await connection.fetchval(_STATE_EXISTS):
        return False
    return bool(await connection.fetchval(_STATE) == release_digest())


async def _is_ahead(connection: Any) -> bool:
    """Whether a newer release has migrated the database: after a rollback by code its schema stays, and serves us too.

    Migrations only expand what the release before them uses (docs/adr), so there is nothing to undo.
    """
    if not await connection.fetchval("SELECT to_regclass('public.alembic_version') IS NOT NULL"):
        return False
    found = await connection.fetchval("SELECT version_num FROM alembic_version")
    versions = _package() / "migrations" / "versions"
    # The files are named v<revision>_<words>.py.
    known = {entry.name[1:12] for entry in versions.iterdir() if entry.name.startswith("v")}
    return found is not None and found not in known


async def upgrade_tables(url: str, to: str = "head") -> None:
    """Runs the migrations up to a revision; functions and grants are what `migrate` adds."""
    # Imported here because Alembic and SQLAlchemy cost 0.4 s at every start, and are needed at one in a hundred.
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory
    from sqlalchemy import Connection, text
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import NullPool

    config = Config()
    config.set_main_option("script_location", str(_package() / "migrations"))
    config.set_main_option("path_separator", "os")
    script = ScriptDirectory.from_config(config)

    def run(connection: Connection) -> None:
        def steps(revision: Any, _context: Any) -> Any:
            return script._upgrade_revs(to, revision)

        with EnvironmentContext(config, script, fn=steps, destination_rev=to) as environment:
            environment.configure(connection=connection, transaction_per_migration=True)
            with environment.begin_transaction():
                environment.run_migrations()

    engine = create_async_engine(
        # asyncpg reads the URL itself: SQLAlchemy would pass it options such as sslmode that it does not know so.
        "postgresql+asyncpg://",
        async_creator=lambda: asyncpg.connect(url),
        poolclass=NullPool,
    )
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SET lock_timeout = '5s'"))
            await connection.commit()
            await connection.run_sync(run)
            await connection.commit()
    finally:
        await engine.dispose()

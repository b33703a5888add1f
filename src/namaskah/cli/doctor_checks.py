"""What `namaskah doctor` looks at, one function each: what it is like, and what mends it where it is not
well."""

import asyncio
import resource
import shutil
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from namaskah.cli.connect import embedded_folder

if TYPE_CHECKING:
    from namaskah.core.settings import Settings

Verdict = Literal["OK", "WARN", "FAIL"]

VERSIONS: Final = range(15, 19)
INDEXES: Final = (
    "idx_verifications_user_created",
    "idx_verifications_status_created",
    "idx_transactions_user_type",
    "idx_users_email_verified",
    "idx_payment_logs_reference",
)
# What may only grow, whatever the application does.
APPEND_ONLY: Final = ("transactions", "entries", "hold_resolutions", "archived_orders", "audit_log")


class Finding(NamedTuple):
    """What one check saw; `mends` is what to do about it, empty when nothing is."""

    name: str
    verdict: Verdict
    detail: str
    mends: str = ""


# Of the machine


def secret_key(settings: "Settings") -> Finding:
    """The key that message texts are encrypted with."""
    file = settings.data_dir / "secret.key"
    if settings.secret_key is not None:
        return Finding("secret key", "OK", "given by NAMASKAH_SECRET_KEY")
    if settings.database_url is not None:
        mends = "Set NAMASKAH_SECRET_KEY to what `openssl rand -hex 32` prints, the same on every machine."
        return Finding("secret key", "WARN", f"kept in {file}, and the database is elsewhere", mends)
    if not file.exists():
        return Finding("secret key", "OK", f"will be made in {file} at the first start")
    return Finding("secret key", "OK", f"kept in {file}")


def secret_files(settings: "Settings") -> Finding:
    """Whether others can read what only the platform may."""
    names = ("secret.key", "demo.json", "postgres/password")
    found = [path for name in names if (path := settings.data_dir / name).exists()]
    open_ones = [str(path) for path in found if path.stat().st_mode & 0o077]
    if open_ones:
        return Finding(
            "secret files",
            "FAIL",
            f"others can read {', '.join(open_ones)}",
            f"chmod 600 {' '.join(open_ones)}",
        )
    return Finding("secret files", "OK", f"{len(found)} found, only their owner can read them")


def disk_space(settings: "Settings") -> Finding:
    """Room where the data folder is."""
    folder = settings.data_dir.absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    verdict: Verdict = "FAIL" if free < 200e6 else "WARN" if free < 2e9 else "OK"
    return Finding("disk space", verdict, f"{free / 1e9:,.1f} GB free at {folder}", "Make room, or move the data folder.")


def open_files(_settings: "Settings") -> Finding:
    """Every open stream is a file; `namaskah serve` raises the limit as far as it may."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard in (resource.RLIM_INFINITY, -1) or hard >= 10_000:
        return Finding("open files", "OK", "no limit" if hard < 0 else f"up to {hard:,}")
    mends = "Raise it to 65536: LimitNOFILE= of the systemd unit, or `ulimit -n` where it is started."
    return Finding("open files", "WARN", f"at most {hard:,}, one for each open stream", mends)


OF_THE_MACHINE: Final = (secret_key, secret_files, disk_space, open_files)

# Of the database


async def version(connection: Any, settings: "Settings", _url: str) -> Finding:
    """Which PostgreSQL answers."""
    server = connection.get_server_version()
    full = str(await connection.fetchval("SHOW server_version")).partition(" ")[0]
    where = f"embedded, in {embedded_folder(settings)}" if settings.database_url is None else "of DATABASE_URL"
    if server.major in VERSIONS:
        return Finding("database", "OK", f"PostgreSQL {full}, {where}")
    mends = f"Use PostgreSQL {VERSIONS[0]} to {VERSIONS[-1]}."
    return Finding("database", "FAIL", f"PostgreSQL {server.major} is not supported", mends)


async def schema(_connection: Any, _settings: "Settings", url: str) -> Finding:
    """Whether tables, functions and grants are this release's."""
    from namaskah.core.migrate import is_current

    if await is_current(url):
        return Finding("schema", "OK", "is this release's")
    return Finding("schema", "FAIL", "is another release's", "namaskah migrate")


async def role(connection: Any, _settings: "Settings", _url: str) -> Finding:
    """Whether the application works with a role that cannot rewrite the ledger."""
    from namaskah.core.db import APP_ROLE

    row = await connection.fetchrow(
        "SELECT rolsuper, pg_has_role(current_user, oid, 'MEMBER') AS usable FROM pg_roles WHERE rolname = $1",
        APP_ROLE,
    )
    if row is None or not row["usable"]:
        return Finding("role", "FAIL", f"{APP_ROLE} cannot be used", "namaskah migrate, as the database's owner")
    changeable = await connection.fetch(
        "SELECT name FROM unnest($2::text[]) AS name, unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) AS act"
        " WHERE has_table_privilege($1, name, act) GROUP BY name",
        APP_ROLE,
        list(APPEND_ONLY),
    )
    if row["rolsuper"] or changeable:
        names = ", ".join(found["name"] for found in changeable) or "everything"
        return Finding("role", "FAIL", f"{APP_ROLE} can change {names}", "namaskah migrate; ALTER ROLE ... NOSUPERUSER")
    return Finding("role", "OK", f"{APP_ROLE} can append to the ledger and change nothing in it")


async def clock(connection: Any, _settings: "Settings", _url: str) -> Finding:
    """Deadlines follow the database's clock, signatures ours."""
    before = time.time()
    theirs = float(await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8"))
    skew = theirs - (before + time.time()) / 2
    verdict: Verdict = "FAIL" if abs(skew) > 60 else "WARN" if abs(skew) > 1 else "OK"
    return Finding("clock", verdict, f"the database's differs by {skew:+.3f} s", "Let both machines follow NTP.")


async def indexes(connection: Any, _settings: "Settings", _url: str) -> Finding:
    """The five that the large tables' queries stand on."""
    rows = await connection.fetch(
        "SELECT c.relname, i.indisvalid FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid"
        " WHERE c.relname = ANY ($1) OR NOT i.indisvalid",
        list(INDEXES),
    )
    valid = {row["relname"] for row in rows if row["indisvalid"]}
    broken = sorted({row["relname"] for row in rows if not row["indisvalid"]} | (set(INDEXES) - valid))
    if not broken:
        return Finding("indexes", "OK", f"all {len(INDEXES)} are there and valid")
    mends = "REINDEX INDEX CONCURRENTLY each invalid one; `namaskah migrate` makes missing ones."
    return Finding("indexes", "FAIL", f"missing or invalid: {', '.join(broken)}", mends)


async def worker(connection: Any, _settings: "Settings", _url: str) -> Finding:
    """Without a worker nothing expires and nothing is refunded."""
    from namaskah.core.health import WORKER_LAST_SEEN, WORKER_SECONDS

    age = await connection.fetchval(WORKER_LAST_SEEN)
    if age is not None and age < WORKER_SECONDS:
        return Finding("worker", "OK", f"seen {max(age, 0):.0f} s ago")
    detail = "never seen" if age is None else f"last seen {age:,.0f} s ago"
    return Finding("worker", "WARN", detail, "namaskah serve, or namaskah serve --role worker")


async def ledger(_connection: Any, _settings: "Settings", url: str) -> Finding:
    """Whether what was booked since the last check adds up."""
    from namaskah.core.db import Database
    from namaskah.wallet.check import check

    db = await Database.open(url, max_size=1)
    try:
        report = await asyncio.wait_for(check(db, full=False), 60)
    except TimeoutError:
        return Finding("ledger", "WARN", "the check takes more than a minute", "namaskah ledger check")
    finally:
        await db.close()
    if report.ok:
        return Finding("ledger", "OK", f"adds up, checked in {report.seconds:.2f} s")
    first = report.findings[0]
    detail = f"{len(report.findings)} findings, drift {report.drift_micros:,} micros; first: {first.invariant}"
    return Finding("ledger", "FAIL", detail, "namaskah ledger check; book a reversing transaction, never edit rows")


async def connections(connection: Any, settings: "Settings", _url: str) -> Finding:
    """Whether all processes of this machine get their connections at once."""
    row = await connection.fetchrow(
        "SELECT current_setting('max_connections')::int AS most,"
        " current_setting('superuser_reserved_connections')::int AS reserved"
    )
    # Each process has its pool and one connection that listens; one process is the worker.
    processes = settings.web_workers + 1
    needed, room = processes * (settings.pool_size + 1), row["most"] - row["reserved"]
    detail = f"{processes} processes need {needed} of {room}"
    verdict: Verdict = "FAIL" if needed > room else "WARN" if needed > room * 0.8 else "OK"
    return Finding("connections", verdict, detail, "Lower DATABASE_POOL_SIZE or raise max_connections.")


async def cache(_connection: Any, settings: "Settings", _url: str) -> Finding:
    """Whether Redis answers, and fast enough for a request."""
    if settings.redis is None:
        return Finding("cache", "OK", "each process remembers for itself; there is no REDIS_URL")
    from namaskah.core.redis_store import CALL_SECONDS, ping

    mends = "Start Redis, or correct REDIS_URL; without it each process remembers for itself."
    try:
        seconds = await ping(settings.redis)
    except Exception as error:
        # The words of an error may hold the address with its password.
        return Finding("cache", "WARN", f"Redis does not answer ({type(error).__name__})", mends)
    if seconds > CALL_SECONDS / 2:
        return Finding("cache", "WARN", f"Redis took {seconds * 1000:.0f} ms to answer", "Put it near the web processes.")
    return Finding("cache", "OK", f"Redis answers in {seconds * 1000:.1f} ms")


Check = Callable[[Any, "Settings", str], Awaitable[Finding]]
OF_THE_DATABASE: Final[dict[str, Check]] = {
    "database": version,
    "schema": schema,
    "role": role,
    "clock": clock,
    "indexes": indexes,
    "worker": worker,
    "ledger": ledger,
    "connections": connections,
    "cache": cache,
}

"""What is noted of every statement: its name, its time, whether it failed; and what the driver's words for a lost server mean.

A name is made from the SQL text once: the function that is called, else the verb and its first table. Texts are constants
of the code, so there are as many names as statements. Arguments are never looked at.
"""

import re
from time import perf_counter
from types import TracebackType
from typing import Any, ClassVar, Final

import asyncpg
import structlog

from namaskah.core import metrics
from namaskah.core.errors import Unavailable
from namaskah.core.observed import current_request
from namaskah.core.tracing import current_span, tell_statement

# What asyncpg raises when the server is gone, starting or full, as opposed to refusing a statement.
CONNECTION_LOST: tuple[type[BaseException], ...] = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
)

# The same, and an answer that did not come in time.
GONE: tuple[type[BaseException], ...] = (*CONNECTION_LOST, TimeoutError)

# Everything that the server or the way to it can say.
DATABASE_ERRORS: tuple[type[BaseException], ...] = (asyncpg.PostgresError, *GONE)

_FUNCTION: Final = re.compile(r"\s*SELECT\s+(?:\*|[\w.,\s]+?)\s+FROM\s+(\w+)\s*\(|\s*SELECT\s+(\w+)\s*\(", re.IGNORECASE)
_VERB: Final = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|REFRESH|TRUNCATE)\b", re.IGNORECASE)
_TABLE: Final = re.compile(r"\b(?:INTO\s+([a-z_]\w*)|(?:FROM|UPDATE|JOIN)\s+(?:ONLY\s+)?([a-z_]\w*)\b(?!\s*\())", re.IGNORECASE)
_COMMON_TABLE: Final = re.compile(r"(?:\bWITH(?:\s+RECURSIVE)?|,)\s+(\w+)\s*(?:\([^()]*\)\s*)?AS\b", re.IGNORECASE)
_AGGREGATES: Final = frozenset({"count", "max", "min", "sum", "coalesce", "extract", "array", "exists", "greatest", "least"})
# More names than we have statements: a text that is put together at run time must not make a series each.
_MOST_NAMES: Final = 400
# A page's LIMIT stands in its text, so that customers' wishes make some hundred texts of one name.
_MOST_TEXTS: Final = 2_000
# Several statements under one name; they may take as long as they must, such as the proof of the ledger.
TRANSACTION: Final = "TRANSACTION"
_log = structlog.get_logger()


class DatabaseGone(Unavailable):
    """The database does not answer."""

    code = "database_unavailable"


def statement_name(sql: str) -> str:
    """A short name: `verification_receive`, `select_users`, `insert_jobs`."""
    called = _FUNCTION.match(sql)
    function = called and (called.group(1) or called.group(2))
    if function and function.lower() not in _AGGREGATES:
        return function.lower()
    verb = _VERB.search(sql)
    if verb is None:
        return (sql.split(None, 1) or ["nothing"])[0].lower()[:20]
    own = {name.lower() for name in _COMMON_TABLE.findall(sql)}
    tables = [(into or other).lower() for into, other in _TABLE.findall(sql)]
    table = next((name for name in tables if name not in own and name not in ("unnest", "lateral", "set")), "")
    return f"{verb.group(1).lower()}_{table}".rstrip("_")


class _Known:
    """A statement that has been seen: its name and its place in the metrics."""

    __slots__ = ("histogram", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.histogram = metrics.DB_SECONDS.labels(name)


class Statements:
    """How statements are judged in this process."""

    slow_seconds = 0.05
    # When the server last answered anything (perf_counter), by which a server that hangs is told from one that is slow.
    answered_at = 0.0
    _known: ClassVar[dict[str, _Known]] = {}
    _named: ClassVar[dict[str, _Known]] = {}

    @classmethod
    def known(cls, sql: str) -> _Known:
        """The statement's name and place."""
        found = cls._known.get(sql)
        if found is None:
            name = statement_name(sql)
            if name not in cls._named and len(cls._named) >= _MOST_NAMES:
                name = "other"
            found = cls._named.get(name) or cls._named.setdefault(name, _Known(name))
            if len(cls._known) < _MOST_TEXTS:
                cls._known[sql] = found
        return found


def count_error(error: BaseException) -> str | None:
    """Adds a failure to the metrics; answers its kind. Refusals by our own functions (NMxxx) are answers, and none."""
    state = getattr(error, "sqlstate", None) or ""
    if state.startswith(("NM", "P0")):
        return None
    if isinstance(error, TimeoutError):
        kind = "timeout"
    elif isinstance(error, GONE):
        kind = "gone"
    else:
        kind = {"23": "integrity", "40": "conflict", "55": "lock", "57": "cancelled", "53": "resources"}.get(state[:2], "server")
    metrics.DB_ERRORS.labels(kind).inc()
    return kind


class Measured:
    """Around one statement: takes its time, counts its failure, turns a lost server into the error for customers."""

    __slots__ = ("_sql", "started")

    def __init__(self, sql: str) -> None:
        self._sql = sql

    def __enter__(self) -> "Measured":
        self.started = perf_counter()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None) -> None:
        now = perf_counter()
        seconds = now - self.started
        if error is None or isinstance(error, asyncpg.PostgresError):
            Statements.answered_at = now
        known = Statements.known(self._sql)
        known.histogram.observe(seconds)
        record = current_request.get()
        if record is not None:
            record.db_seconds += seconds
            record.db_statements += 1
        span = current_span.get()
        if span is not None:
            tell_statement(span, known.name, seconds, None if error is None else type(error).__name__)
        if seconds > Statements.slow_seconds and self._sql is not TRANSACTION:
            _tell_slow(known.name, seconds, record)
        if error is not None and isinstance(error, DATABASE_ERRORS):
            _tell_failed(known.name, count_error(error), error, record)
            _raise_gone(error)


def _tell_failed(name: str, kind: str | None, error: BaseException, record: Any) -> None:
    """A mistake of ours is found by its statement. A lost server is told of once, by who lost it, and not by each request."""
    if kind not in (None, "gone", "timeout"):
        state = getattr(error, "sqlstate", None)
        request_id = None if record is None else record.request_id.decode()
        _log.warning("statement_failed", statement=name, kind=kind, sqlstate=state, request_id=request_id)


def _tell_slow(name: str, seconds: float, record: Any) -> None:
    metrics.DB_SLOW.labels(name).inc()
    request_id = None if record is None else record.request_id.decode()
    _log.warning("slow_statement", statement=name, seconds=round(seconds, 3), request_id=request_id)


def _raise_gone(error: BaseException) -> None:
    """Turns the driver's words for a lost database into the error that customers can understand."""
    # A value that cannot be encoded is an InterfaceError too; it is our own mistake and not the server's absence.
    if isinstance(error, GONE) and not isinstance(error, ValueError):
        raise DatabaseGone(
            "The database does not answer. Ask again with the same Idempotency-Key to learn whether it was done.",
            charged="unknown",
            retry_after=2,
        ) from error

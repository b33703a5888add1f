"""Work that is done later: rows of the table `jobs`, written in the caller's own statement, taken with SKIP LOCKED.

A job is leased, not removed, while it runs: a worker that dies gives it back when the lease ends, so a job may run twice
and must not mind. It is tried again with growing pauses and is dead, and kept, when its attempts are used up.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from time import perf_counter
from typing import Any

import msgspec
import structlog

from namaskah.core import error_reports, metrics, tracing
from namaskah.core.db import DATABASE_ERRORS, Database
from namaskah.core.errors import Unavailable

LEASE_SECONDS = 120
_BATCH = 20
_log = structlog.get_logger()
Payload = dict[str, Any]
Handler = Callable[[Payload], Awaitable[None]]

_TAKE = f"""
UPDATE jobs SET locked_until = clock_timestamp() + interval '{LEASE_SECONDS} seconds', attempts = attempts + 1
WHERE id IN (
    SELECT id FROM jobs
    WHERE due_at <= clock_timestamp() AND dead_at IS NULL AND kind = ANY($1)
      AND (locked_until IS NULL OR locked_until < clock_timestamp())
    ORDER BY due_at LIMIT {_BATCH} FOR UPDATE SKIP LOCKED
) RETURNING id, kind, unique_key, payload, attempts, max_attempts, traceparent
"""
_DONE = "DELETE FROM jobs WHERE id = $1"
_AGAIN = """
UPDATE jobs SET locked_until = NULL, last_error = $3, due_at = clock_timestamp() + make_interval(secs => $2) WHERE id = $1
"""
_LATER = """
UPDATE jobs SET locked_until = NULL, last_error = $3, due_at = clock_timestamp() + make_interval(secs => $2),
    attempts = attempts - 1
WHERE id = $1
"""
# Only as long as it is ours: a lease that has ended may be another worker's by now.
_KEEP = f"""
UPDATE jobs SET locked_until = clock_timestamp() + interval '{LEASE_SECONDS} seconds' WHERE id = $1 AND attempts = $2
"""
_DEAD = "UPDATE jobs SET locked_until = NULL, last_error = $2, dead_at = clock_timestamp() WHERE id = $1"
_REST = """
UPDATE jobs SET locked_until = NULL, attempts = 0, last_error = NULL, due_at = clock_timestamp() + make_interval(secs => $2)
WHERE id = $1
"""
_PLAN = """
INSERT INTO jobs (kind, unique_key, due_at, max_attempts)
VALUES ($1, 'every:' || $1, clock_timestamp() + make_interval(secs => $2), 1000000)
ON CONFLICT (unique_key) DO NOTHING
"""


class RetryLater(Exception):
    """A job cannot be done now; it is tried again after `seconds`, which does not count against it."""

    def __init__(self, seconds: float, why: str) -> None:
        self.seconds = seconds
        super().__init__(why)


def backoff_seconds(attempt: int) -> float:
    """2, 4, 8 ... seconds, an hour at the most, spread by a quarter so that failed jobs do not return in step."""
    return float(min(2.0**attempt, 3600.0) * random.uniform(0.75, 1.25))


class JobRunner:
    """Runs the due jobs of the kinds it knows; `every` holds those that come back after so many seconds."""

    def __init__(self, db: Database, handlers: Mapping[str, Handler], every: Mapping[str, float]) -> None:
        self._db = db
        self._handlers = dict(handlers)
        self._every = dict(every)

    async def plan(self) -> None:
        """Writes down the recurring jobs, once for all workers."""
        for kind, seconds in self._every.items():
            await self._db.execute(_PLAN, kind, random.uniform(0, min(seconds, 5.0)))

    async def run_due(self) -> int:
        """Runs what is due now, at most 20 at once; answers how many were taken."""
        rows = await self._db.fetch(_TAKE, list(self._handlers))
        # All are waited for, also when the database goes away at the end of one of them.
        for ended in await asyncio.gather(*(self._run(row) for row in rows), return_exceptions=True):
            if isinstance(ended, BaseException):
                raise ended
        return len(rows)

    async def _run(self, row: Any) -> None:
        with tracing.begin_job(row["kind"], row["traceparent"]):
            await self._run_traced(row)

    async def _run_traced(self, row: Any) -> None:
        kind: str = row["kind"]
        began = perf_counter()
        # Of one that is cut off when its process ends: it runs again when its lease is over.
        outcome = "failed"
        try:
            # What recurs may take long where there is much to do, and then keeps its lease.
            async with self._kept(row) if kind in self._every else asyncio.timeout(LEASE_SECONDS - 10):
                await self._handlers[kind](msgspec.json.decode(row["payload"]))
        except RetryLater as later:
            outcome = "later"
            await self._db.execute(_LATER, row["id"], later.seconds, str(later))
        except Exception as error:  # whatever a job raises must not end the worker
            error_reports.report(error, job=kind)
            tracing.mark_failed(error)
            _log.warning("job_failed", kind=kind, attempt=row["attempts"], error=type(error).__name__)
            outcome = "dead" if row["attempts"] >= row["max_attempts"] else "failed"
            if outcome == "dead":
                await self._db.execute(_DEAD, row["id"], type(error).__name__)
            else:
                await self._db.execute(_AGAIN, row["id"], backoff_seconds(row["attempts"]), type(error).__name__)
        else:
            outcome = "done"
            if kind in self._every:
                await self._db.execute(_REST, row["id"], self._every[kind])
            else:
                await self._db.execute(_DONE, row["id"])
        finally:
            metrics.JOBS_RUN.labels(kind, outcome).inc()
            metrics.JOB_SECONDS.labels(kind).observe(perf_counter() - began)
            if kind in self._every:
                ok, every = outcome == "done", self._every[kind]
                error_reports.check_in(kind, ok=ok, every_seconds=every, seconds=perf_counter() - began)

    @contextlib.asynccontextmanager
    async def _kept(self, row: Any) -> AsyncIterator[None]:
        """Renews the lease for as long as the work goes on, so that no other worker begins it as well."""

        async def renew() -> None:
            while True:
                await asyncio.sleep(LEASE_SECONDS / 4)
                with contextlib.suppress(*DATABASE_ERRORS, Unavailable):
                    await self._db.execute(_KEEP, row["id"], row["attempts"])

        keeper = asyncio.create_task(renew())
        try:
            yield
        finally:
            keeper.cancel()

"""The worker: settles what is due, polls the upstreams, takes up what was left over, runs the jobs, checks the ledger.

Any number of workers may run beside each other; every loop takes its rows with SKIP LOCKED. A loop that fails waits a
little and goes on, so that a database that was away is met again by itself.
"""

import asyncio
import os
import socket
import traceback
from collections.abc import Awaitable, Callable
from functools import partial

import asyncpg
import structlog

from namaskah import __version__
from namaskah.accounts.sweep import sweep as sweep_accounts
from namaskah.catalog.refresh_offers import refresh_offers
from namaskah.core import error_reports, metrics
from namaskah.core.db import Database
from namaskah.core.errors import NamaskahError
from namaskah.core.ids import new_id
from namaskah.core.jobs import Handler, JobRunner
from namaskah.core.settings import Settings
from namaskah.inbound.poll import poll_due, seconds_to_next_poll
from namaskah.inbound.sweep import handle_left_over
from namaskah.ops.figures import Figures
from namaskah.ops.minutes import note_worker
from namaskah.ops.roll_up import roll_up
from namaskah.platform import Platform
from namaskah.verifications.expire import BATCH, expire_due, seconds_to_next
from namaskah.verifications.reconcile import reconcile
from namaskah.verifications.retention import (
    erase_messages,
    forget_ended_work,
    forget_events,
    forget_idempotency_keys,
    mask_numbers,
)
from namaskah.verifications.upstream import upstream_jobs
from namaskah.wallet.check import check
from namaskah.wallet.forget_checks import forget_checks

_log = structlog.get_logger()
_SEEN = """
INSERT INTO workers (id, version) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET last_seen_at = clock_timestamp()
"""
_FORGET_WORKERS = "DELETE FROM workers WHERE last_seen_at < clock_timestamp() - interval '1 day'"
_DAY = 86_400.0


class Worker:
    """All loops of one worker process, or of a web process that works too."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._db = platform.db
        self.id = f"{socket.gethostname()}:{os.getpid()}:{new_id('wrk')[-6:]}"
        self._figures = Figures(
            platform.db, platform.providers, data_dir=platform.settings.data_dir, public_url=platform.settings.public_url
        )
        handlers = _handlers(platform.settings, platform)
        self._jobs = JobRunner(platform.db, {k: handler for k, handler in handlers.items() if k not in _EVERY}, {})
        # Each has a loop of its own: the nightly check of the ledger may take half an hour, which nothing else waits for.
        self._chores = {kind: JobRunner(platform.db, {kind: handlers[kind]}, {kind: _EVERY[kind]}) for kind in _EVERY}

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop` is set; returns when every loop has finished what it was doing."""
        loops = (self._sweep, self._poll, self._left_over, self._reconcile, self._run_jobs, self._heartbeat, self._tell_figures)
        steps: dict[str, Callable[[], Awaitable[float]]] = {loop.__name__: loop for loop in loops}
        steps |= {kind: partial(self._run_chore, runner) for kind, runner in self._chores.items()}
        await asyncio.gather(*(self._for_ever(name, step, stop) for name, step in steps.items()))

    async def _for_ever(self, name: str, step: Callable[[], Awaitable[float]], stop: asyncio.Event) -> None:
        failures = 0
        while not stop.is_set():
            try:
                pause = await step()
                metrics.WORKER_STEPS.labels(name.strip("_"), "ok").inc()
                self._check_in(name, ok=True)
                failures = 0
            except (NamaskahError, asyncpg.PostgresError, OSError, TimeoutError) as error:
                failures += 1
                metrics.WORKER_STEPS.labels(name.strip("_"), "failed").inc()
                pause = min(0.1 * 2**failures, 2.0)
                self._check_in(name, ok=False)
                error_reports.report(error, step=name)
                _log.warning("worker_step_failed", step=name, error=type(error).__name__)
            except Exception as error:
                failures += 1
                metrics.WORKER_STEPS.labels(name.strip("_"), "broken").inc()
                pause = min(0.1 * 2**failures, 30.0)
                self._check_in(name, ok=False)
                error_reports.report(error, step=name)
                # Where it happened, and not its text, which may quote a message or a number.
                stack = "".join(traceback.format_tb(error.__traceback__))
                _log.error("worker_step_broken", step=name, error=type(error).__name__, stack=stack)
            try:
                await asyncio.wait_for(stop.wait(), pause)
            except TimeoutError:
                continue

    def _check_in(self, name: str, *, ok: bool) -> None:
        # The chores do so when they were really done, which is not at every look for them.
        if name not in self._chores:
            error_reports.check_in(name, ok=ok)

    async def _sweep(self) -> float:
        """Sleeps to the very deadline, a second at the most: orders with shorter ones may come in meanwhile."""
        swept = await expire_due(self._db, pause_seconds=self._platform.settings.inventory_cooldown_seconds)
        if swept.released + swept.closed >= BATCH:
            return 0
        due_in = await seconds_to_next(self._db)
        return 1.0 if due_in is None else min(max(due_in + 0.002, 0.02), 1.0)

    async def _poll(self) -> float:
        await poll_due(self._db, providers=self._platform.providers, vault=self._platform.vault)
        due_in = await seconds_to_next_poll(self._db, providers=self._platform.providers)
        return 0.25 if due_in is None else min(max(due_in, 0.05), 0.25)

    async def _left_over(self) -> float:
        return 0.0 if await handle_left_over(self._db) >= 200 else 1.0

    async def _reconcile(self) -> float:
        await reconcile(self._db, providers=self._platform.providers, vault=self._platform.vault)
        return 1.0

    async def _run_jobs(self) -> float:
        return 0.0 if await self._jobs.run_due() else 0.5

    async def _run_chore(self, runner: JobRunner) -> float:
        return 0.0 if await runner.run_due() else 1.0

    async def _tell_figures(self) -> float:
        return await self._figures.tell_due()

    async def _heartbeat(self) -> float:
        await self._db.execute(_SEEN, self.id, __version__)
        await note_worker(self._db, instance=self.id)
        for runner in self._chores.values():
            await runner.plan()
        await self._db.execute(_FORGET_WORKERS)
        return 10.0


_EVERY = {
    "offers_refresh": 15.0,
    "ledger_check": 60.0,
    "ledger_check_full": _DAY,
    "retention": 600.0,
    "accounts_sweep": 300.0,
    "status_roll_up": 60.0,
}


def _handlers(settings: Settings, platform: Platform) -> dict[str, Handler]:
    db: Database = platform.db

    async def offers(_payload: object) -> None:
        await refresh_offers(db)

    async def ledger(_payload: object) -> None:
        await _report(db, full=False)

    async def ledger_full(_payload: object) -> None:
        await _report(db, full=True)

    async def accounts(_payload: object) -> None:
        await sweep_accounts(db)

    async def status(_payload: object) -> None:
        await roll_up(db)

    async def retention(_payload: object) -> None:
        await erase_messages(db, days=settings.message_retention_days)
        await forget_events(db, days=settings.message_retention_days)
        await forget_idempotency_keys(db, days=settings.idempotency_days)
        await mask_numbers(db, days=settings.number_mask_days)
        await forget_ended_work(db)
        await forget_checks(db)

    return {
        "offers_refresh": offers, "ledger_check": ledger, "ledger_check_full": ledger_full, "retention": retention,
        "accounts_sweep": accounts, "status_roll_up": status,        **upstream_jobs(platform.providers),
    }  # fmt: skip


async def _report(db: Database, *, full: bool) -> None:
    report = await check(db, full=full)
    if not report.ok:
        _log.error("ledger_drift", drift_micros=report.drift_micros, findings=[f.invariant for f in report.findings])

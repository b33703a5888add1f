"""What the worker reads from the database and the outside world for the metrics: money, ledger, queues, users, upstreams.

What happens is counted where it happens (`core/metrics.py`); here is what stands: sums and ages. Every worker reads it for
itself, so that each instance tells fresh figures. Nothing here touches the large tables: who is active is read from the
hour of a wallet's last purchase.
"""

import asyncio
import os
import ssl
from collections.abc import Callable, Iterable
from pathlib import Path
from time import monotonic
from typing import Any, Final
from urllib.parse import urlsplit

import structlog

from namaskah.core import metrics
from namaskah.core.db import Database
from namaskah.providers.base import ProviderError
from namaskah.providers.registry import Providers

PROBE_SECONDS: Final = 10.0
_MICROS: Final = 1_000_000
_log = structlog.get_logger()

_CHECKS: Final = """
SELECT k.kind, c.ok, extract(epoch FROM c.finished_at)::float8 AS finished_at,
       coalesce((SELECT sum(abs((f ->> 'micros')::numeric)) FROM jsonb_array_elements(c.findings) f), 0)::float8 AS drift
FROM (VALUES ('incremental'), ('full')) AS k (kind),
LATERAL (SELECT * FROM ledger_checks WHERE kind = k.kind ORDER BY id DESC LIMIT 1) c
"""
_JOBS: Final = """
SELECT kind, count(*) FILTER (WHERE dead_at IS NULL AND due_at <= clock_timestamp()) AS waiting,
       count(*) FILTER (WHERE dead_at IS NOT NULL) AS dead,
       coalesce(max(extract(epoch FROM clock_timestamp() - due_at)) FILTER (WHERE dead_at IS NULL AND due_at <= clock_timestamp()
           AND (locked_until IS NULL OR locked_until < clock_timestamp())), 0)::float8 AS age
FROM jobs GROUP BY kind
"""
_QUEUES: Final = """
SELECT (SELECT count(*) FROM messages WHERE handled_at IS NULL) AS unhandled,
       (SELECT coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8
        FROM messages WHERE handled_at IS NULL) AS unhandled_age,
       (SELECT extract(epoch FROM max(last_seen_at)) FROM workers)::float8 AS worker_seen,
       (SELECT coalesce(sum(total), 0) FROM country_stock) AS numbers, (SELECT coalesce(sum(free), 0) FROM country_stock) AS free
"""
_CONNECTIONS: Final = """
SELECT coalesce(state, 'other') AS state, count(*) AS connections FROM pg_stat_activity
WHERE datname = current_database() GROUP BY 1
"""
_WALLETS: Final = """
SELECT coalesce(sum(balance_micros), 0)::bigint AS balance, coalesce(sum(held_micros), 0)::bigint AS held,
       count(*) FILTER (WHERE hour_started_at > now() - interval '1 day') AS active_1d,
       count(*) FILTER (WHERE hour_started_at > now() - interval '30 days') AS active_30d,
       count(*) FILTER (WHERE hour_started_at <= now() - interval '30 days' AND hour_started_at > now() - interval '60 days')
           AS churned_30d
FROM wallets WHERE livemode
"""
_USERS: Final = """
SELECT count(*) AS all, count(*) FILTER (WHERE email_verified) AS verified,
       count(*) FILTER (WHERE disabled_at IS NOT NULL) AS disabled, pg_database_size(current_database()) AS bytes
FROM users
"""
# The states that PostgreSQL knows; anything else would be a series that nobody expects.
_STATES: Final = ("active", "idle", "idle in transaction", "idle in transaction (aborted)", "other")


class Figures:
    """Tells the standing figures of an instance; each group when its time has come."""

    def __init__(self, db: Database, providers: Providers, *, data_dir: Path, public_url: str) -> None:
        self._db = db
        self._providers = providers
        self._places = {"data": data_dir, "database": data_dir / "postgres"}
        self._public_url = public_url
        self._kinds: set[str] = set()
        self._groups: tuple[tuple[float, Callable[[], Any]], ...] = (
            (15.0, self.tell_queues),
            (60.0, self._tell_wallets),
            (60.0, self._tell_providers),
            (60.0, self._tell_disks),
            (300.0, self._tell_users),
            (3600.0, self._tell_certificate),
        )
        self._due = dict.fromkeys(range(len(self._groups)), 0.0)

    async def tell_due(self) -> float:
        """Tells the groups that are due; answers the seconds until the next one. Raises what the database raises."""
        for number, (every, tell) in enumerate(self._groups):
            if monotonic() >= self._due[number]:
                self._due[number] = monotonic() + every
                await tell()
        return max(min(self._due.values()) - monotonic(), 0.0)

    async def tell_queues(self) -> None:
        """Tells the ledger's checks, jobs, messages, workers, numbers and connections now."""
        checks = await self._db.fetch(_CHECKS)
        for row in checks:
            metrics.LEDGER_OK.labels(row["kind"]).set(float(row["ok"]))
            metrics.LEDGER_CHECKED.labels(row["kind"]).set(row["finished_at"])
        # What the nightly proof of everything found stays true when the minute's look at the newest finds nothing.
        metrics.LEDGER_DRIFT.set(max([row["drift"] for row in checks], default=0.0) / _MICROS)
        jobs = await self._db.fetch(_JOBS)
        counts = {row["kind"]: (row["waiting"], row["dead"]) for row in jobs}
        self._kinds |= counts.keys()
        for kind in self._kinds:
            # A kind whose last job is done, or was deleted, has none.
            waiting, dead = counts.get(kind, (0, 0))
            metrics.JOBS_WAITING.labels(kind).set(waiting)
            metrics.JOBS_DEAD.labels(kind).set(dead)
        metrics.QUEUE_AGE.set(max([row["age"] for row in jobs], default=0.0))
        row = await self._db.fetchrow(_QUEUES)
        metrics.MESSAGES_UNHANDLED.set(row["unhandled"])
        metrics.MESSAGES_UNHANDLED_AGE.set(row["unhandled_age"])
        metrics.WORKER_SEEN.set(row["worker_seen"] or 0.0)
        metrics.NUMBERS.labels("free").set(row["free"])
        metrics.NUMBERS.labels("busy").set(row["numbers"] - row["free"])
        open_now = {row["state"]: row["connections"] for row in await self._db.fetch(_CONNECTIONS)}
        for state in _STATES:
            metrics.DB_SERVER_CONNECTIONS.labels(state).set(open_now.get(state, 0))

    async def _tell_wallets(self) -> None:
        row = await self._db.fetchrow(_WALLETS)
        metrics.WALLETS_BALANCE.set(row["balance"] / _MICROS)
        metrics.WALLETS_HELD.set(row["held"] / _MICROS)
        _tell_states(row, ("active_1d", "active_30d", "churned_30d"))

    async def _tell_users(self) -> None:
        row = await self._db.fetchrow(_USERS)
        _tell_states(row, ("all", "verified", "disabled"))
        metrics.DB_SIZE.set(row["bytes"])

    async def _tell_providers(self) -> None:
        await asyncio.gather(*(self._probe(name) for name in self._providers.names))

    async def _probe(self, name: str) -> None:
        """Asks for our balance there, the cheapest question that there is."""
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                balance = await self._providers.named(name).balance()
        except (ProviderError, TimeoutError):
            metrics.PROVIDER_UP.labels(name).set(0)
            return
        except Exception as error:  # an adapter's mistake; its text may quote what the upstream said
            _log.error("provider_probe_broken", provider=name, error=type(error).__name__)
            metrics.PROVIDER_UP.labels(name).set(0)
            return
        metrics.PROVIDER_UP.labels(name).set(1)
        if balance is not None:
            metrics.PROVIDER_BALANCE.labels(name).set(balance / _MICROS)

    async def _tell_disks(self) -> None:
        for place, folder in self._places.items():
            if not folder.exists():
                continue  # the database is somewhere else
            disk = os.statvfs(folder)
            metrics.DISK_FREE.labels(place).set(disk.f_bavail * disk.f_frsize)
            metrics.DISK_SIZE.labels(place).set(disk.f_blocks * disk.f_frsize)

    async def _tell_certificate(self) -> None:
        parts = urlsplit(self._public_url)
        if parts.scheme != "https" or parts.hostname is None:
            return
        try:
            expiry = await certificate_expiry(parts.hostname, parts.port or 443)
        except (OSError, TimeoutError, ValueError) as error:
            _log.warning("certificate_not_read", error=type(error).__name__)
            return
        metrics.CERTIFICATE_EXPIRY.labels(parts.hostname).set(expiry)


def _tell_states(row: Any, states: Iterable[str]) -> None:
    for state in states:
        metrics.USERS.labels(state).set(row[state])


async def certificate_expiry(host: str, port: int) -> float:
    """When the certificate that the host shows ends, in seconds since 1970. Raises OSError, TimeoutError, ValueError.

    It is read without being trusted: one that has ended, or is not trusted any more, must be told of too.
    """
    from cryptography import x509

    # No authorities are loaded, which would hold up the loop for 80 ms and are not asked.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    async with asyncio.timeout(PROBE_SECONDS):
        _reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
        try:
            shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        finally:
            writer.close()
    return x509.load_der_x509_certificate(shown).not_valid_after_utc.timestamp()

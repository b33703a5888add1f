"""Finds out what became of questions to upstreams whose answer nobody wrote down: it timed out, or its process died.

Such a purchase is never repeated. It is looked up at the upstream by our reference; found means it is ours (or is given
back there, when the verification has ended meanwhile). A question that the upstream certainly never got is released.
"""

import asyncio
from datetime import datetime
from typing import Any

import structlog

from namaskah.core.crypto import Vault
from namaskah.core.db import Database
from namaskah.core.errors import NamaskahError
from namaskah.core.ids import new_id
from namaskah.providers.base import Provider, ProviderError
from namaskah.providers.registry import Providers, UnknownProvider
from namaskah.verifications.ask import BUY_TIMEOUT_SECONDS, Asked, assigned, failed

# An upstream that keeps our reference and does not show it this long after the question never got it.
NEVER_GOT_IT_SECONDS = 45.0
_log = structlog.get_logger()
# Taking a row moves asked-for rows to `unknown` and leases them for some seconds through poll_at.
_TAKE = f"""
UPDATE provider_orders o SET state = 'unknown', poll_at = clock_timestamp() + interval '2 seconds'
FROM verifications v
WHERE v.id = o.verification_id AND o.verification_id IN (
    SELECT verification_id FROM provider_orders
    WHERE (state = 'asking' AND asked_at < clock_timestamp() - interval '{BUY_TIMEOUT_SECONDS + 3} seconds')
       OR (state = 'unknown' AND asked_at > clock_timestamp() - interval '1 hour'
           AND (poll_at IS NULL OR poll_at <= clock_timestamp()))
    ORDER BY asked_at LIMIT 50 FOR UPDATE SKIP LOCKED)
RETURNING v.id, v.service, v.country, v.operator, v.area_code, v.capability, v.price_micros, v.status, v.created_at, o.provider,
          extract(epoch FROM clock_timestamp() - o.asked_at)::float8 AS seconds
"""
_TAKEN = "SELECT reference FROM provider_orders WHERE provider = $1 AND reference IS NOT NULL AND asked_at > $2"
_FAIL = "SELECT * FROM verification_fail($1, $2, $3, NULL, NULL)"
# The answer of a request that died while it ran: what has become of it, for the replays of its key.
_SETTLE_KEYS = """
UPDATE idempotency_keys k SET status = CASE WHEN v.status = 'failed' THEN 409 ELSE 201 END,
    body = CASE WHEN v.status = 'failed' THEN coalesce(v.failure, 'no_numbers') ELSE verification_json(v, '[]') END
FROM verifications v WHERE v.id = k.verification_id AND k.status IS NULL AND v.id = $1
"""


async def reconcile(db: Database, *, providers: Providers, vault: Vault) -> int:
    """Looks up one batch of open questions; answers how many were looked at."""
    rows: Any = await db.fetch(_TAKE)
    # At once, because an upstream that is slow for one of them would keep all others waiting.
    await asyncio.gather(*(_look_up(db, row, providers, vault) for row in rows))
    return len(rows)


async def _look_up(db: Database, row: Any, providers: Providers, vault: Vault) -> None:
    """Looks up one question; whatever goes wrong with it does not touch the others."""
    try:
        await _find(db, row, providers.named(row["provider"]), vault)
    except UnknownProvider:
        _log.error("provider_not_configured", provider=row["provider"])
    except (ProviderError, TimeoutError) as error:
        _log.warning("reconcile_failed", provider=row["provider"], kind=getattr(error, "kind", "timeout"))
    except NamaskahError:
        raise
    except Exception as error:  # an adapter's mistake; its text may quote what the upstream said
        _log.error("reconcile_broken", provider=row["provider"], verification_id=row["id"], error=type(error).__name__)
    await db.execute(_SETTLE_KEYS, row["id"])


async def _find(db: Database, row: Any, provider: Provider, vault: Vault) -> None:
    asked_at: datetime = row["created_at"]
    order = Asked(
        verification_id=row["id"], service=row["service"], country=row["country"], operator=row["operator"],
        area_code=row["area_code"], capability=row["capability"], price_micros=row["price_micros"],
    )  # fmt: skip
    taken = set[str]()
    if not provider.capabilities.finds_by_reference:
        taken = {found["reference"] for found in await db.fetch(_TAKEN, provider.name, asked_at)}
    async with asyncio.timeout(BUY_TIMEOUT_SECONDS):
        bought = await provider.find(order.order(asked_at), taken=taken)
    if bought is not None:
        await assigned(db, order=order, provider=provider, bought=bought, vault=vault)
    elif provider.capabilities.finds_by_reference and row["seconds"] > NEVER_GOT_IT_SECONDS:
        failed(db, await db.fetchrow(_FAIL, row["id"], "provider_down", new_id("txn")))

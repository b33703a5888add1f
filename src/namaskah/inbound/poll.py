"""Asks each upstream for the messages of all its open orders at once, often while codes are expected, then less often."""

import asyncio
from typing import Any

import structlog

from namaskah.core.crypto import Vault
from namaskah.core.db import Database
from namaskah.inbound.accept import accept
from namaskah.messages.record import NewMessage
from namaskah.providers.base import Polled, Provider, ProviderError
from namaskah.providers.registry import Providers

POLL_TIMEOUT_SECONDS = 10.0
_log = structlog.get_logger()
# The pause grows from a quarter of a second (for as long as codes usually take) to five; the row is leased meanwhile.
# Orders that have ended are still read for a while, because a message that comes late is shown.
_DUE = """
UPDATE provider_orders o SET polls = polls + 1,
    poll_at = CASE WHEN o.poll_until < clock_timestamp() THEN NULL
              ELSE clock_timestamp() + make_interval(secs => least(0.25 * power(1.05, least(o.polls, 100)), 5)) END
FROM verifications v
WHERE v.id = o.verification_id AND o.verification_id IN (
    SELECT verification_id FROM provider_orders
    WHERE provider = $1 AND reference IS NOT NULL AND poll_at <= clock_timestamp()
    ORDER BY poll_at LIMIT 500 FOR UPDATE SKIP LOCKED)
RETURNING o.reference, v.number
"""
_END = "UPDATE provider_orders SET poll_at = NULL WHERE provider = $1 AND reference = ANY($2)"
_NEXT = """
SELECT extract(epoch FROM min(poll_at) - clock_timestamp())::float8 FROM provider_orders
WHERE poll_at IS NOT NULL AND reference IS NOT NULL AND provider = ANY($1)
"""


async def poll_due(db: Database, *, providers: Providers, vault: Vault) -> int:
    """One round over all upstreams; answers how many orders were asked for."""
    counts = await asyncio.gather(*(_poll_one(db, providers.named(name), vault) for name in providers.names))
    return sum(counts)


async def seconds_to_next_poll(db: Database, *, providers: Providers) -> float | None:
    """Seconds until an order is due, None when none is open."""
    found = await db.fetchval(_NEXT, list(providers.names))
    return None if found is None else float(found)


async def _poll_one(db: Database, provider: Provider, vault: Vault) -> int:
    rows: Any = await db.fetch(_DUE, provider.name)
    numbers = {row["reference"]: row["number"] for row in rows}
    references = list(numbers)
    size = provider.capabilities.poll_batch
    for start in range(0, len(references), size):
        try:
            async with asyncio.timeout(POLL_TIMEOUT_SECONDS):
                polled = await provider.poll(references[start : start + size])
        except (ProviderError, TimeoutError) as error:
            _log.warning("poll_failed", provider=provider.name, kind=getattr(error, "kind", "timeout"))
            continue
        except Exception as error:  # an adapter's mistake, which must not keep the other upstreams from being read
            _log.error("poll_broken", provider=provider.name, error=type(error).__name__)
            continue
        for order in polled:
            await _take_in(db, provider, order, numbers.get(order.reference), vault)
        gone = [order.reference for order in polled if order.state in ("cancelled", "gone")]
        if gone:
            await db.execute(_END, provider.name, gone)
    return len(rows)


async def _take_in(db: Database, provider: Provider, order: Polled, number: str | None, vault: Vault) -> None:
    for message in order.messages:
        await accept(
            db, vault=vault,
            message=NewMessage(
                origin=provider.name, origin_message_id=message.message_id, reference=order.reference, number=number or "",
                sender=message.sender, text=message.text, received_at=message.received_at,
            ),
        )  # fmt: skip

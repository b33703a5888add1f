"""Asks upstreams for a number, outside any transaction, and writes down what they said.

What is known to have failed goes to the next route; what is unknown stays `requesting` until reconcile.py has found out.
"""

import asyncio
from datetime import datetime
from typing import Any

import msgspec
import structlog

from namaskah.core import metrics
from namaskah.core.clock import utcnow
from namaskah.core.crypto import Vault
from namaskah.core.db import Database
from namaskah.core.ids import new_id
from namaskah.messages.record import NewMessage, record
from namaskah.providers.base import Bought, Capability, Order, Provider, ProviderError
from namaskah.verifications.answer import Answer
from namaskah.verifications.receive import receive
from namaskah.verifications.refusals import refused
from namaskah.verifications.shape import opened

# The contract gives a provider ten seconds; what takes longer may or may not have happened.
BUY_TIMEOUT_SECONDS = 12.0
_log = structlog.get_logger()


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A verification that waits for a number, as an upstream needs to know it."""

    verification_id: str
    service: str
    country: str
    operator: str
    area_code: str
    capability: Capability
    price_micros: int
    idempotency_key: str | None = None
    now: datetime | None = None

    def order(self, asked_at: datetime | None = None) -> Order:
        """The same in the words of the contract; `asked_at` is the stored time when the question is an old one."""
        return Order(
            reference=self.verification_id, service=self.service, country=self.country, operator=self.operator,
            area_code=self.area_code, capability=self.capability, price_micros=self.price_micros,
            max_price_micros=self.price_micros, asked_at=asked_at or self.now or utcnow(),
        )  # fmt: skip


_ASSIGN = "SELECT * FROM verification_assign($1, $2, $3, $4, $5, $6, $7, $8, $9)"
_UNKNOWN = "SELECT body FROM verification_unknown($1, $2)"
_FAIL = "SELECT * FROM verification_fail($1, $2, $3, $4, $5)"
_NEXT_ROUTE = """
WITH moved AS (UPDATE verifications SET provider = $2 WHERE id = $1 AND status = 'requesting' RETURNING id)
UPDATE provider_orders SET provider = $2, asked_at = clock_timestamp() FROM moved WHERE verification_id = moved.id
"""
_READ = "SELECT verification_json(v, messages_json(v.id)) FROM verifications v WHERE id = $1"


async def ask_in_turn(db: Database, *, order: Asked, routes: list[Provider], vault: Vault) -> Answer:
    """The finished answer. Raises NoNumbers, PriceAboveMax or ProviderDown when every route is known to have failed."""
    failure = "no_numbers"
    for place, provider in enumerate(routes):
        if place and await db.execute(_NEXT_ROUTE, order.verification_id, provider.name) == "UPDATE 0":
            break  # it ended while we asked; a number bought now would belong to nobody
        try:
            async with asyncio.timeout(BUY_TIMEOUT_SECONDS):
                bought = await provider.buy(order.order())
        except ProviderError as error:
            if not error.outcome_known:
                return await _unknown(db, order, vault)
            failure = _worse(failure, error)
            continue
        except TimeoutError:
            return await _unknown(db, order, vault)
        return await assigned(db, order=order, provider=provider, bought=bought, vault=vault)
    row = await db.fetchrow(_FAIL, order.verification_id, failure, new_id("txn"), order.idempotency_key, order.now)
    failed(db, row)
    raise refused(failure, service=order.service, country=order.country, price=order.price_micros, available=None)


def failed(db: Database, row: Any) -> None:
    """Tells what verification_fail did: streams are woken, the end is counted."""
    db.announce(row["user_id"], row["livemode"])
    if row["done"]:
        metrics.VERIFICATIONS_SETTLED.labels(metrics.mode(row["livemode"]), "failed").inc()


async def assigned(db: Database, *, order: Asked, provider: Provider, bought: Bought, vault: Vault) -> Answer:
    """Stores the number that an upstream sold, and the messages that came with it."""
    row: Any = await db.fetchrow(
        _ASSIGN, order.verification_id, bought.number, bought.reference, bought.operator, bought.can_cancel_at,
        bought.expires_at, provider.capabilities.late_seconds, order.idempotency_key, order.now,
    )  # fmt: skip
    db.announce(row["user_id"], row["livemode"])
    if row["outcome"] == "gone":
        stored = await db.fetchval(_READ, order.verification_id)
        return Answer(opened(stored, vault), 201)
    body = row["body"]
    for message in bought.messages:
        recorded = await record(
            db, vault=vault,
            message=NewMessage(
                origin=provider.name, origin_message_id=message.message_id, reference=bought.reference, number=bought.number,
                sender=message.sender, text=message.text, received_at=message.received_at,
            ),
            now=order.now,
        )  # fmt: skip
        await receive(db, message_id=recorded.message_id, now=order.now)
        body = await db.fetchval(_READ, order.verification_id)
    return Answer(opened(body, vault), 201)


async def _unknown(db: Database, order: Asked, vault: Vault) -> Answer:
    _log.warning("provider_outcome_unknown", verification_id=order.verification_id)
    return Answer(opened(await db.fetchval(_UNKNOWN, order.verification_id, order.idempotency_key), vault), 201)


def _worse(failure: str, error: ProviderError) -> str:
    """What to tell the customer when several routes failed: a price that moved says more than an empty stock."""
    if error.kind == "price_moved":
        return "price_above_max"
    if error.kind in ("down", "rate_limited", "timeout", "no_balance") and failure == "no_numbers":
        return "provider_down"
    return failure

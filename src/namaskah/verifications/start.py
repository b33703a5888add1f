"""Buys a number: one of our own by a single statement, else from the upstreams that can, one after the other.

The money is held before anybody is asked, and given back the moment it is known that there is no number. An upstream's
answer that is not known is never asked again blindly: see reconcile.py.
"""

from datetime import datetime
from typing import Any, Literal

import asyncpg
import msgspec

from namaskah.accounts.principal import Principal
from namaskah.core import metrics
from namaskah.core.crypto import Vault
from namaskah.core.db import Database
from namaskah.core.errors import NamaskahError
from namaskah.core.ids import new_id
from namaskah.core.money import micros_from_text
from namaskah.providers.base import Provider
from namaskah.providers.registry import Providers
from namaskah.providers.sandbox import SANDBOX_CASES
from namaskah.verifications import ask, errors
from namaskah.verifications.answer import Answer
from namaskah.verifications.refusals import raised, refused
from namaskah.verifications.shape import opened


class StartRequest(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What a customer asks for. `max_price` is the most it may cost, as decimal text in US dollars."""

    service: str
    country: str
    capability: Literal["sms", "voice"] = "sms"
    operator: str | None = None
    area_code: str | None = None
    max_price: str | None = None
    metadata: dict[str, str] = {}


class Purchase(msgspec.Struct, frozen=True, kw_only=True):
    """A request, who makes it, and the key under which its answer is kept."""

    principal: Principal
    request: StartRequest
    idempotency_key: str | None = None
    fingerprint: bytes = b""
    minutes: float = 20
    reuse_of: str | None = None
    now: datetime | None = None


_START_OWN = """
SELECT * FROM verification_start_own($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
"""
_REQUEST = """
SELECT * FROM verification_request($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
"""
_encode = msgspec.json.encode


async def start(db: Database, *, purchase: Purchase, providers: Providers, vault: Vault) -> Answer:
    """Buys a number for the service. The answer's status is `pending`, or `requesting` while the outcome is unknown.

    Raises NoNumbers, PriceAboveMax, InsufficientFunds, LimitReached, ServiceBlocked and their siblings: nothing is
    charged then. IdempotencyMismatch and StillRunning say that the key was used before.
    """
    try:
        return await _bought(db, purchase=purchase, providers=providers, vault=vault)
    except NamaskahError as refusal:
        if not refusal.replayed:
            metrics.REFUSALS.labels(metrics.mode(purchase.principal.livemode), refusal.code).inc()
        raise


async def _bought(db: Database, *, purchase: Purchase, providers: Providers, vault: Vault) -> Answer:
    request = purchase.request
    if not purchase.principal.livemode:
        return await _from_upstreams(db, purchase=purchase, routes=[providers.sandbox], vault=vault)
    row = await _attempt(db, _START_OWN, purchase, purchase.reuse_of)
    if row["outcome"] == "started":
        db.announce(purchase.principal.user_id, True)
        return Answer(row["body"].encode(), 201)
    routes = providers.live_routes(request.service, request.country, request.capability)
    if row["outcome"] != "no_numbers" or purchase.reuse_of is not None or not routes:
        return _settled(purchase, row, vault)
    return await _from_upstreams(db, purchase=purchase, routes=routes, vault=vault)


async def _attempt(db: Database, statement: str, purchase: Purchase, last: str | None) -> Any:
    """Runs one of the two start functions; its refusals by exception come out as our errors."""
    request, principal = purchase.request, purchase.principal
    arguments = (
        new_id("ver"), new_id("txn"), principal.user_id, principal.livemode, principal.key_id,
        request.service, request.country, request.operator or "", request.area_code or "", request.capability,
        None if request.max_price is None else micros_from_text(request.max_price),
        _encode(request.metadata).decode(), purchase.idempotency_key, purchase.fingerprint, purchase.minutes, last, purchase.now,
    )  # fmt: skip
    try:
        row = await db.fetchrow(statement, *arguments)
    except asyncpg.PostgresError as error:
        ours = raised(error)
        if ours is None:
            raise
        raise ours from None
    if row["outcome"] in ("started", "requested"):
        metrics.VERIFICATIONS_STARTED.labels(metrics.mode(principal.livemode)).inc()
    return {**dict(row), "id": arguments[0]}


def _settled(purchase: Purchase, row: Any, vault: Vault) -> Answer:
    """The answer of an attempt that bought nothing: a replay, or an error."""
    outcome = row["outcome"]
    if outcome == "mismatch":
        raise errors.IdempotencyMismatch("The key belongs to a request with another body. This request charged nothing.")
    if outcome == "running":
        raise errors.StillRunning("Ask again in a moment for its answer.", charged="unknown", retry_after=1)
    if outcome == "replayed" and row["status"] == 201:
        return Answer(opened(row["body"], vault), 201, replayed=True)
    request = purchase.request
    refusal = refused(
        row["body"] if outcome == "replayed" else outcome,
        service=request.service, country=request.country, price=row["price"], available=row["available"],
    )  # fmt: skip
    refusal.replayed = outcome == "replayed"
    raise refusal


async def _from_upstreams(db: Database, *, purchase: Purchase, routes: list[Provider], vault: Vault) -> Answer:
    """Takes the hold, writes the question down, then asks the routes in turn, outside any transaction."""
    request = purchase.request
    case = SANDBOX_CASES.get(request.service) if not purchase.principal.livemode else None
    if case is not None and case.failure == "insufficient_funds":
        raise errors.InsufficientFunds(f"{request.service} always answers this. Nothing was charged.")
    if purchase.reuse_of is not None:
        raise errors.ReuseNotPossible("This number's upstream does not sell it twice. Nothing was charged.")
    row = await _attempt(db, _REQUEST, purchase, routes[0].name)
    if row["outcome"] != "requested":
        return _settled(purchase, row, vault)
    order = ask.Asked(
        verification_id=row["id"], service=request.service, country=request.country, operator=request.operator or "",
        area_code=request.area_code or "", capability=request.capability, price_micros=row["price"],
        idempotency_key=purchase.idempotency_key, now=purchase.now,
    )  # fmt: skip
    return await ask.ask_in_turn(db, order=order, routes=routes, vault=vault)

"""Buys the number of an earlier verification again, for the same service and by the same person who used it last."""

from typing import Any

from namaskah.core.crypto import Vault
from namaskah.core.db import Database
from namaskah.providers.registry import INVENTORY, Providers
from namaskah.verifications import errors
from namaskah.verifications.answer import Answer
from namaskah.verifications.start import Purchase, StartRequest, start

_BEFORE = """
SELECT service, country, operator, capability, provider, number_id, closed_at IS NOT NULL AS closed
FROM verifications WHERE id = $1 AND user_id = $2 AND livemode = $3
"""


async def reuse(db: Database, *, purchase: Purchase, providers: Providers, vault: Vault) -> Answer:
    """A new verification on the number of `purchase.reuse_of`; the request's service and country are taken from there.

    Raises VerificationNotFound, ReuseNotPossible (still open, given to somebody else, or an upstream's number), and what
    start raises.
    """
    principal = purchase.principal
    before: Any = await db.fetchrow(_BEFORE, purchase.reuse_of, principal.user_id, principal.livemode)
    if before is None:
        raise errors.VerificationNotFound()
    if before["provider"] != INVENTORY or before["number_id"] is None:
        raise errors.ReuseNotPossible("This number's upstream does not sell it twice. Nothing was charged.")
    if not before["closed"]:
        raise errors.ReuseNotPossible("Finish the verification first. Nothing was charged.")
    old = purchase.request
    request = StartRequest(
        service=before["service"], country=before["country"], capability=before["capability"],
        max_price=old.max_price, metadata=old.metadata,
    )  # fmt: skip
    again = Purchase(
        principal=principal, request=request, idempotency_key=purchase.idempotency_key, fingerprint=purchase.fingerprint,
        minutes=purchase.minutes, reuse_of=purchase.reuse_of, now=purchase.now,
    )  # fmt: skip
    try:
        return await start(db, purchase=again, providers=providers, vault=vault)
    except errors.NoNumbers:
        raise errors.ReuseNotPossible("The number is in use or was given to somebody else. Nothing was charged.") from None

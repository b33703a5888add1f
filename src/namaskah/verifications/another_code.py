"""Asks for one more code on the same number, for nothing, as long as the verification is open."""

from typing import Any

from namaskah.accounts.principal import Principal
from namaskah.core.crypto import Vault
from namaskah.core.db import Database
from namaskah.providers.base import ProviderError
from namaskah.providers.registry import INVENTORY, Providers
from namaskah.verifications import errors
from namaskah.verifications.answer import Answer
from namaskah.verifications.shape import opened

_STATE = """
SELECT v.status, v.provider, o.reference, v.closed_at IS NULL AND clock_timestamp() < v.expires_at AS open,
       verification_json(v, messages_json(v.id)) AS body
FROM verifications v LEFT JOIN provider_orders o ON o.verification_id = v.id
WHERE v.id = $1 AND v.user_id = $2 AND v.livemode = $3
"""


async def another_code(db: Database, *, principal: Principal, verification_id: str, providers: Providers, vault: Vault) -> Answer:
    """Tells the upstream to expect one more message; our own numbers always do. Costs nothing.

    Raises VerificationNotFound, NoCodeYet (the first one is still awaited), VerificationClosed, AnotherCodeNotPossible.
    """
    row: Any = await db.fetchrow(_STATE, verification_id, principal.user_id, principal.livemode)
    if row is None:
        raise errors.VerificationNotFound()
    if not row["open"]:
        raise errors.VerificationClosed()
    if row["status"] != "completed":
        raise errors.NoCodeYet("The first code is still awaited; it costs nothing until it comes.")
    if row["provider"] != INVENTORY:
        provider = providers.named(row["provider"])
        if not provider.capabilities.another_code:
            raise errors.AnotherCodeNotPossible("This number's upstream gives one code only.")
        try:
            await provider.another_code(row["reference"])
        except ProviderError as error:
            raise errors.AnotherCodeNotPossible(
                "The upstream did not accept it just now. Nothing was charged for asking.", retry_after=error.retry_after
            ) from error
    return Answer(opened(row["body"], vault))

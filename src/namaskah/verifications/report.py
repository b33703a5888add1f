"""The customer says that a number or a code was wrong: a note on the provider's quality, which refunds nothing by itself."""

from datetime import datetime

from namaskah.accounts.principal import Principal
from namaskah.core.crypto import Vault
from namaskah.core.db import Database
from namaskah.verifications import errors
from namaskah.verifications.answer import Answer
from namaskah.verifications.shape import opened

_REPORT = "SELECT * FROM verification_report($1, $2, $3, $4, $5)"


async def report(
    db: Database, *, principal: Principal, verification_id: str, reason: str, vault: Vault, now: datetime | None = None
) -> Answer:
    """Keeps the reason; a later report replaces an earlier one. Raises VerificationNotFound, NothingToReport."""
    row = await db.fetchrow(_REPORT, verification_id, principal.user_id, principal.livemode, reason, now)
    if row["outcome"] == "not_found":
        raise errors.VerificationNotFound()
    if row["outcome"] == "no_number":
        raise errors.NothingToReport()
    return Answer(opened(row["body"], vault))

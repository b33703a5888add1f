"""The customer needs no more messages: the number becomes free before its time is up. Moves no money."""

from datetime import datetime

from namaskah.accounts.principal import Principal
from namaskah.core.crypto import Vault
from namaskah.core.db import Database
from namaskah.verifications import errors
from namaskah.verifications.answer import Answer
from namaskah.verifications.shape import opened

_FINISH = "SELECT * FROM verification_finish($1, $2, $3, $4, $5)"


async def finish(
    db: Database, *, principal: Principal, verification_id: str, vault: Vault, pause_seconds: int = 0, now: datetime | None = None
) -> Answer:
    """Closes a completed verification; finishing twice is the same as once.

    Raises VerificationNotFound, NoCodeYet (it is still waiting), NumberAlreadyReleased.
    """
    row = await db.fetchrow(_FINISH, verification_id, principal.user_id, principal.livemode, pause_seconds, now)
    match row["outcome"]:
        case "finished":
            db.announce(principal.user_id, principal.livemode)
        case "not_found":
            raise errors.VerificationNotFound()
        case "pending" | "requesting":
            raise errors.NoCodeYet()
        case "cancelled" | "expired" | "failed":
            raise errors.NumberAlreadyReleased("It ended before; the whole price was given back then.")
    return Answer(opened(row["body"], vault))

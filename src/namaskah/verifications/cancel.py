"""The customer gives the number back before a code: the whole hold is released at once."""

from datetime import datetime

from namaskah.accounts.principal import Principal
from namaskah.core import metrics
from namaskah.core.crypto import Vault
from namaskah.core.db import Database
from namaskah.core.ids import new_id
from namaskah.verifications import errors
from namaskah.verifications.answer import Answer
from namaskah.verifications.shape import opened

_CANCEL = "SELECT * FROM verification_cancel($1, $2, $3, $4, $5, $6)"


async def cancel(
    db: Database, *, principal: Principal, verification_id: str, vault: Vault, pause_seconds: int = 0, now: datetime | None = None
) -> Answer:
    """Releases the hold. A code that committed first wins and is charged; cancelling twice is the same as once.

    `pause_seconds` is how long our own number rests before the next customer. Raises VerificationNotFound,
    CodeAlreadyReceived (charged), NumberAlreadyReleased, CancelTooEarly (with retry_after in seconds).
    """
    row = await db.fetchrow(
        _CANCEL, verification_id, principal.user_id, principal.livemode, new_id("txn"), pause_seconds, now
    )  # fmt: skip
    match row["outcome"]:
        case "cancelled":
            db.announce(principal.user_id, principal.livemode)
            metrics.VERIFICATIONS_SETTLED.labels(metrics.mode(principal.livemode), "cancelled").inc()
        case "not_found":
            raise errors.VerificationNotFound()
        case "code_received":
            raise errors.CodeAlreadyReceived(
                "The code came first. The verification is paid and its code can be read.", charged=True
            )
        case "already_released":
            raise errors.NumberAlreadyReleased("It ended before; the whole price was given back then.")
        case "requesting":
            raise errors.CancelTooEarly("The number is still being asked for; try again in a few seconds.", retry_after=5)
        case "too_early":
            seconds = max(1.0, row["wait_seconds"])
            raise errors.CancelTooEarly(
                f"It can be cancelled in {seconds:.0f} seconds. Nothing was charged so far.", retry_after=seconds
            )
    return Answer(opened(row["body"], vault))

"""The one way in for a message: stored first, then offered to its verification. A crash between the two loses nothing."""

from datetime import datetime
from typing import NamedTuple

from namaskah.core.crypto import Vault
from namaskah.core.db import Database
from namaskah.messages.record import NewMessage, record
from namaskah.verifications.receive import Outcome, receive


class Accepted(NamedTuple):
    """`duplicate` says that the message had come before and changed nothing now."""

    message_id: str
    duplicate: bool
    outcome: Outcome


async def accept(db: Database, *, vault: Vault, message: NewMessage, now: datetime | None = None) -> Accepted:
    """Records the message and offers it. When only the second part fails, the sweeper of unhandled messages repeats it."""
    recorded = await record(db, vault=vault, message=message, now=now)
    if recorded.duplicate:
        return Accepted(recorded.message_id, True, "already_handled")
    return Accepted(recorded.message_id, False, await receive(db, message_id=recorded.message_id, now=now))

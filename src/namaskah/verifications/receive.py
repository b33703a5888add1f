"""An SMS meets its verification: in one statement the hold is captured, the event appended, the message marked handled."""

from datetime import datetime
from typing import Literal

from namaskah.core import metrics
from namaskah.core.db import Database
from namaskah.core.ids import new_id

Outcome = Literal[
    "captured", "another_code", "message", "late", "withheld", "no_verification", "not_yet", "already_handled"
]  # fmt: skip

_RECEIVE = "SELECT * FROM verification_receive($1, $2, $3)"


async def receive(db: Database, *, message_id: str, now: datetime | None = None) -> Outcome:
    """Offers a recorded message to the verification of its number, and wakes the customer's streams.

    Doing it twice does nothing the second time. `not_yet` means that the number is still being stored: offer it again.
    """
    row = await db.fetchrow(_RECEIVE, message_id, new_id("txn"), now)
    outcome: Outcome = row["outcome"]
    metrics.MESSAGES.labels(outcome).inc()
    if outcome == "captured":
        mode = metrics.mode(row["livemode"])
        metrics.VERIFICATIONS_SETTLED.labels(mode, "completed").inc()
        metrics.DELIVERY_SECONDS.labels(mode).observe(max(row["seconds"], 0.0))
        if row["livemode"]:
            metrics.REVENUE.inc(row["price_micros"] / 1_000_000)
    if outcome in ("captured", "another_code", "message", "late"):
        db.announce(row["user_id"], row["livemode"])
    return outcome

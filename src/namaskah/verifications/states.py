"""The whole life of a verification: which state follows which, by what. The SQL functions beside the verbs obey this table.

    requesting ─assign→ pending ─code→ completed
        │                  ├─cancel→ cancelled
        ├─fail→ failed     └─expire→ expired
        ├─cancel→ cancelled   (only while the upstream's answer is unknown)
        └─expire→ expired

A hold is taken with the first state; `completed` captures it, the other three ends release it.
"""

from typing import Final, Literal

Status = Literal["requesting", "pending", "completed", "cancelled", "expired", "failed"]
Trigger = Literal["assign", "fail", "code", "cancel", "expire"]

TRANSITIONS: Final[dict[tuple[Status, Trigger], Status]] = {
    ("requesting", "assign"): "pending",
    ("requesting", "fail"): "failed",
    ("requesting", "cancel"): "cancelled",
    ("requesting", "expire"): "expired",
    ("pending", "code"): "completed",
    ("pending", "cancel"): "cancelled",
    ("pending", "expire"): "expired",
}

STATUSES: Final[tuple[Status, ...]] = ("requesting", "pending", "completed", "cancelled", "expired", "failed")
OPEN: Final[frozenset[Status]] = frozenset({"requesting", "pending"})
RELEASED: Final[frozenset[Status]] = frozenset({"cancelled", "expired", "failed"})


def after(status: Status, trigger: Trigger) -> Status | None:
    """The state that follows, or None where the trigger has no meaning."""
    return TRANSITIONS.get((status, trigger))

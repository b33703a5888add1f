"""What the platform should do, said once more in plain Python: no SQL, no concurrency, one obvious way.

The state machine lets both do the same and compares money, states, limits and numbers after every step.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from namaskah.verifications.states import OPEN, RELEASED, after

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
WINDOW = timedelta(minutes=20)
PAUSE_SECONDS = 60


@dataclass
class Plan:
    """The limits of a plan, amounts in micros."""

    max_open: int
    max_hour: int
    max_day: int


@dataclass
class Number:
    """One of our own numbers."""

    e164: str
    busy: bool = False
    free_at: datetime | None = None
    last: "Order | None" = None


@dataclass(eq=False)
class Order:
    """A verification."""

    id: str
    account: "Account"
    service: str
    price: int
    created_at: datetime
    expires_at: datetime
    status: str = "pending"
    number: Number | None = None
    reference: str | None = None
    closed_at: datetime | None = None
    sweep: bool = True
    asking: bool = False
    key: str | None = None
    messages: int = 0
    again: bool = False

    def move(self, trigger: str) -> bool:
        """Follows the table of states; False when the trigger has no meaning now."""
        following = after(self.status, trigger)  # type: ignore[arg-type]
        if following is None:
            return False
        self.status = following
        return True


@dataclass(eq=False)
class Account:
    """A wallet, its limits and its orders."""

    principal: Any
    plan: Plan
    key_cap: int | None = None
    balance: int = 0
    held: int = 0
    open_count: int = 0
    hour_started: datetime | None = None
    hour_count: int = 0
    day: date | None = None
    day_spent: int = 0
    events: int = 0
    key_spent: dict[date, int] = field(default_factory=dict)
    orders: list[Order] = field(default_factory=list)

    @property
    def available(self) -> int:
        """What can be spent."""
        return self.balance - self.held

    def limit_refuses(self, price: int, now: datetime) -> bool:
        """Whether a plan's limit, or the key's, is in the way of a purchase."""
        in_hour = self.hour_started is not None and self.hour_started > now - HOUR
        spent = self.day_spent if self.day == now.date() else 0
        keyed = self.key_cap is not None and self.key_spent.get(now.date(), 0) + price > self.key_cap
        return (
            self.open_count >= self.plan.max_open
            or (in_hour and self.hour_count >= self.plan.max_hour)
            or spent + price > self.plan.max_day
            or keyed
        )

    def hold(self, order: Order) -> None:
        """Money is set aside for an order."""
        now = order.created_at
        in_hour = self.hour_started is not None and self.hour_started > now - HOUR
        self.hour_started, self.hour_count = (self.hour_started, self.hour_count + 1) if in_hour else (now, 1)
        self.day_spent = (self.day_spent if self.day == now.date() else 0) + order.price
        self.day = now.date()
        if self.key_cap is not None:
            self.key_spent[now.date()] = self.key_spent.get(now.date(), 0) + order.price
        self.held += order.price
        self.open_count += 1
        self.orders.append(order)

    def release(self, order: Order, trigger: str, now: datetime) -> None:
        """The order ends without a code: everything goes back."""
        if order.status == "requesting":
            # What never became a number was no purchase.
            self.hour_count = max(self.hour_count - 1, 0)
        assert order.move(trigger)
        assert order.status in RELEASED
        self.held -= order.price
        self.open_count -= 1
        self.events += 1
        day = order.created_at.date()
        if day == now.date() == self.day:
            self.day_spent = max(self.day_spent - order.price, 0)
        if self.key_cap is not None:
            self.key_spent[day] -= order.price
        order.closed_at, order.sweep = now, False
        free(order, now)

    def capture(self, order: Order) -> None:
        """The code came: the money is the house's."""
        assert order.move("code")
        self.balance -= order.price
        self.held -= order.price
        self.open_count -= 1


def free(order: Order, now: datetime, *, pause: int = PAUSE_SECONDS) -> None:
    """The order's own number rests, and is then for sale again."""
    number = order.number
    if number is not None and number.last is order and number.busy:
        number.busy, number.free_at = False, now + timedelta(seconds=pause)


def takeable(numbers: list[Number], used: set[tuple[str, str]], service: str, now: datetime) -> list[Number]:
    """The numbers that may be sold for a service now."""
    return [
        n for n in numbers
        if not n.busy and (n.free_at is None or n.free_at <= now) and (service, n.e164) not in used
    ]  # fmt: skip


def outcome_of_message(order: Order | None, has_code: bool, now: datetime) -> str:
    """What an SMS means for the order that last had the number."""
    if order is None or (order.closed_at is not None and order.closed_at < now - HOUR):
        return "no_verification"
    if order.closed_at is not None or now >= order.expires_at:
        return "late"
    if not has_code:
        return "message"
    return "captured" if order.status == "pending" else "another_code"


def expire_all(accounts: list[Account], now: datetime) -> tuple[int, int]:
    """What one look of the sweeper does: (released, closed)."""
    released = closed = 0
    for account in accounts:
        for order in account.orders:
            if not order.sweep or order.expires_at > now:
                continue
            if order.status in OPEN:
                account.release(order, "expire", now)
                released += 1
            else:
                order.closed_at, order.sweep = order.expires_at, False
                free(order, now)
                closed += 1
    return released, closed

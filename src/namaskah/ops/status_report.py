"""The status page as data: what `/status.json` answers, and what the pages and the feed are made of. No database here.

Nothing in it says who sells us numbers, and no figure says how many orders there are.
"""

from datetime import date, datetime
from math import floor, sqrt
from typing import Final, Literal

import msgspec

from namaskah.ops.minutes import BOUNDS

State = Literal["operational", "degraded", "down", "maintenance", "unknown", "not_offered"]
DAYS: Final = 90
# Under so many orders a rate says more about chance than about us.
ENOUGH_ORDERS: Final = 20
ENOUGH_REQUESTS: Final = 20
# A day with an outage of so many minutes is red, with a shorter one amber.
LONG_OUTAGE_MINUTES: Final = 30
SUMMARIES: Final[dict[State, str]] = {
    "operational": "Everything works.",
    "degraded": "Some things do not work as usual.",
    "down": "There is an outage.",
    "maintenance": "Maintenance is going on.",
    "unknown": "Nothing has been measured yet.",
}
_WORSE: Final[tuple[State, ...]] = ("operational", "maintenance", "degraded", "down")
_BY_IMPACT: Final[dict[str, State]] = {"none": "operational", "minor": "degraded", "major": "degraded", "critical": "down"}


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """A day in UTC of something that is measured every minute. `uptime` is a percentage; None where nothing was measured."""

    date: date
    state: State
    uptime: float | None = None
    down_minutes: int = 0
    degraded_minutes: int = 0
    maintenance_minutes: int = 0


class Component(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the platform. Percentages of the last 24 hours and of all days shown; milliseconds of the last 24 hours."""

    id: str
    name: str
    state: State
    uptime_24h: float | None = None
    uptime_90d: float | None = None
    median_ms: int | None = None
    p95_ms: int | None = None
    days: list[Day] = []


class DeliveryDay(msgspec.Struct, frozen=True, kw_only=True):
    """Of 100 orders of that day, so many got their code; None when there were too few to say."""

    date: date
    state: State
    rate: int | None = None


class CountryDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """The last 24 hours of a group of services in one country, beside what was usual in the four weeks before."""

    country: str
    name: str
    state: State
    rate: int | None
    usual: int | None
    median_seconds: int | None


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """Whether codes arrive for a group of services, in all countries together and in each."""

    id: str
    name: str
    state: State
    rate: int | None
    usual: int | None
    median_seconds: int | None
    days: list[DeliveryDay]
    countries: list[CountryDelivery]


class Update(msgspec.Struct, frozen=True, kw_only=True):
    """What operators said at a moment. `id` is its own for ever, for readers of the feed."""

    id: str
    stage: str
    body: str
    at: datetime


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """An incident or an announced maintenance, with its updates, the newest first."""

    id: str
    kind: Literal["incident", "maintenance"]
    title: str
    impact: str
    stage: str
    components: list[str]
    starts_at: datetime
    ends_at: datetime | None
    ended_at: datetime | None
    updates: list[Update]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything on the page. `incidents` are open ones and `maintenance` what is to come or going on; `history` is over."""

    measured_at: datetime
    state: State
    summary: str
    components: list[Component]
    delivery: list[Delivery]
    incidents: list[Incident]
    maintenance: list[Incident]
    history: list[Incident]


def percentage(available: float, minutes: int) -> float | None:
    """A share as a percentage, rounded down: 100 is said only of what was never away."""
    # Sums of shares may miss a whole number by their last digits.
    return floor(round(available / minutes * 10_000, 4)) / 100 if minutes else None


def day_state(*, minutes: int, available: float, degraded: int, down: int, maintenance: int) -> State:
    """How a day is shown."""
    if not minutes:
        return "maintenance" if maintenance else "unknown"
    if down >= LONG_OUTAGE_MINUTES:
        return "down"
    return "degraded" if down or degraded >= 3 or available / minutes < 0.995 else "operational"


def rate_of(delivered: int, settled: int) -> int | None:
    """Of 100 orders so many got their code; None when there were too few to say."""
    return round(100 * delivered / settled) if settled >= ENOUGH_ORDERS else None


def delivery_state(*, delivered: int, settled: int, usual_delivered: int, usual_settled: int) -> State:
    """Whether as many codes arrive as usual. What chance alone explains (two standard deviations) is as usual.

    As long as nothing usual is known, half of the orders is expected.
    """
    if settled < ENOUGH_ORDERS:
        return "unknown"
    usual = usual_delivered / usual_settled if usual_settled >= ENOUGH_ORDERS else 0.5
    rate = delivered / settled
    if rate >= usual * 0.8 - 1e-9 or rate >= usual - 2 * sqrt(usual * (1 - usual) / settled):
        return "operational"
    return "degraded" if rate >= usual * 0.4 else "down"


def milliseconds(durations: list[int], share: float) -> int | None:
    """The duration that `share` of the requests did not exceed, from the counts by class; None when there were too few."""
    total = sum(durations)
    if total < ENOUGH_REQUESTS:
        return None
    wanted, below = share * total, 0
    for place, count in enumerate(durations):
        if below + count >= wanted and count:
            low = BOUNDS[place - 1] if place else 0.0
            high = BOUNDS[place] if place < len(BOUNDS) else low
            return max(1, round(1000 * (low + (high - low) * (wanted - below) / count)))
        below += count
    return None


def worst(states: list[State]) -> State:
    """The worst of them; what is not known is as good as the others, unless there are no others."""
    known = [state for state in states if state in _WORSE]
    return max(known, key=_WORSE.index) if known else "unknown"


def state_said(component: str, open_incidents: list[Incident], running: list[Incident]) -> State:
    """What operators say of a component at this moment."""
    said: list[State] = [
        _BY_IMPACT[incident.impact] for incident in open_incidents if _affects(incident, component)
    ]  # fmt: skip
    said += ["maintenance" for incident in running if _affects(incident, component)]
    return worst(said)


def _affects(incident: Incident, component: str) -> bool:
    return any(component == name or component.startswith(f"{name}:") for name in incident.components)

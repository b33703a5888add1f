"""How the status page says things: states, days and incidents in words, so that nothing on it hangs on a colour."""

from datetime import UTC, date, datetime
from typing import Final

from namaskah.ops.status import component_name
from namaskah.ops.status_report import Component, Day, Delivery, DeliveryDay, Incident, State

STATES: Final[dict[State, str]] = {
    "operational": "Works",
    "degraded": "Not as usual",
    "down": "Outage",
    "maintenance": "Maintenance",
    "unknown": "Not measured",
    "not_offered": "Not offered yet",
}
CODES: Final[dict[State, str]] = {
    **STATES,
    "operational": "As usual",
    "degraded": "Fewer codes than usual",
    "down": "Hardly any codes",
    "unknown": "Too few orders to say",
}
STAGES: Final = {
    "investigating": "Investigating",
    "identified": "Identified",
    "monitoring": "Monitoring",
    "resolved": "Resolved",
    "scheduled": "Scheduled",
    "in_progress": "In progress",
    "completed": "Completed",
}
IMPACTS: Final = {"none": "No impact", "minor": "Minor impact", "major": "Major impact", "critical": "Critical impact"}
MARKS: Final[dict[State, str]] = {
    "operational": "✓",
    "degraded": "!",
    "down": "✕",
    "maintenance": "⚒",
    "unknown": "?",
    "not_offered": "–",
}
# How many days with trouble are told one by one to who cannot see the bars.
_TOLD: Final = 7


def day_name(day: date) -> str:
    """22 Nov"""
    return f"{day:%-d %b}"


def moment(at: datetime) -> str:
    """22 Nov 2026, 12:04 UTC"""
    return f"{at.astimezone(UTC):%-d %b %Y, %H:%M} UTC"


def percent(value: float | None) -> str:
    """99.98 %, and 100 % only of what was never away."""
    return "–" if value is None else f"{value:g}\N{NO-BREAK SPACE}%"


def of_a_day(day: Day | DeliveryDay) -> str:
    """What a day was like, in a few words."""
    if isinstance(day, DeliveryDay):
        return "–" if day.rate is None else f"{day.rate} of 100"
    if day.uptime is None:
        return "maintenance" if day.maintenance_minutes else "–"
    parts = [percent(day.uptime)]
    if day.down_minutes:
        parts.append(f"{minutes(day.down_minutes)} down")
    if day.maintenance_minutes:
        parts.append(f"{minutes(day.maintenance_minutes)} maintenance")
    return ", ".join(parts)


def minutes(count: int) -> str:
    """5 min, 2 h 10 min"""
    hours, rest = divmod(count, 60)
    return " ".join(([f"{hours} h"] if hours else []) + ([f"{rest} min"] if rest or not hours else []))


def of_all_days(part: Component | Delivery) -> str:
    """What the bars show, for who cannot see them."""
    days: list[Day | DeliveryDay] = [*part.days]
    measured = [day for day in days if day.state not in ("unknown", "not_offered")]
    if not measured:
        return f"{part.name}: nothing was measured in the last {len(days)} days."
    trouble = [f"{day_name(day.date)}: {of_a_day(day)}" for day in reversed(days) if day.state in ("degraded", "down")]
    told = "; ".join(trouble[:_TOLD])
    more = f"; and {len(trouble) - _TOLD} more" if len(trouble) > _TOLD else ""
    said = f"trouble on {len(trouble)}: {told}{more}." if trouble else "all of them as they should be."
    return f"{part.name}, the last {len(days)} days: {len(measured)} measured, {said}"


def affected(incident: Incident) -> str:
    """What an incident affects, by name."""
    return ", ".join(component_name(name) for name in incident.components)

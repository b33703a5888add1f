"""A status page's figures without a database: everything that can be on it, and names that must not be."""

from datetime import UTC, datetime, timedelta
from typing import Any

from namaskah.ops.status_report import Component, CountryDelivery, Day, Delivery, DeliveryDay, Incident, Report, Update

NOW = datetime(2026, 11, 25, 10, 30, 20, tzinfo=UTC)


def incident(number: int = 1, **wishes: Any) -> Incident:
    """An incident with two updates, in UTC."""
    given: dict[str, Any] = {
        "id": f"inc_{number:026}", "kind": "incident", "title": "Codes are late", "impact": "minor", "stage": "identified",
        "components": ["delivery:messaging"], "starts_at": NOW - timedelta(hours=2), "ends_at": None, "ended_at": None,
        "updates": [
            Update(id=f"inc_{number:026}.2", stage="identified", body="It is the queue.", at=NOW - timedelta(hours=1)),
            Update(id=f"inc_{number:026}.1", stage="investigating", body="We look into it.", at=NOW - timedelta(hours=2)),
        ],
    }  # fmt: skip
    return Incident(**{**given, **wishes})


def days(count: int = 90) -> list[Day]:
    """The first third was not measured; one outage, one bad day, one maintenance."""
    made = []
    for back in range(count - 1, -1, -1):
        day = (NOW - timedelta(days=back)).date()
        if back > count * 2 // 3:
            made.append(Day(date=day, state="unknown"))
        elif back == 20:
            made.append(Day(date=day, state="down", uptime=93.05, down_minutes=100))
        elif back == 5:
            made.append(Day(date=day, state="degraded", uptime=99.93, down_minutes=1))
        elif back == 9:
            made.append(Day(date=day, state="operational", uptime=100.0, maintenance_minutes=30))
        else:
            made.append(Day(date=day, state="operational", uptime=100.0))
    return made


def group(name: str = "Messaging", *, rate: int | None = 82, state: Any = "operational") -> Delivery:
    """A group of services with two countries."""
    return Delivery(
        id=f"delivery:{name.lower()}", name=name, state=state, rate=rate, usual=84, median_seconds=11,
        days=[DeliveryDay(date=day.date, state="unknown" if day.uptime is None else "operational",
                          rate=None if day.uptime is None or rate is None else 80 + day.date.day % 7) for day in days()],
        countries=[
            CountryDelivery(country="us", name="United States", state=state, rate=rate, usual=84, median_seconds=9),
            CountryDelivery(country="gb", name="United Kingdom", state="unknown", rate=None, usual=None, median_seconds=None),
        ],
    )  # fmt: skip


def report(**wishes: Any) -> Report:
    """A page with everything on it."""
    given: dict[str, Any] = {
        "measured_at": NOW, "state": "degraded", "summary": "Some things do not work as usual.",
        "components": [
            Component(id="api", name="Website and API", state="operational", uptime_24h=100.0, uptime_90d=99.87, median_ms=4,
                      p95_ms=38, days=days()),
            Component(id="processing", name="Incoming codes and refunds", state="operational", uptime_24h=100.0,
                      uptime_90d=99.9, days=days()),
            Component(id="payments", name="Payments", state="not_offered"),
        ],
        "delivery": [group(), group("Social", state="degraded", rate=51), group("Dating", rate=None, state="unknown")],
        "incidents": [incident()],
        "maintenance": [incident(2, kind="maintenance", title="New disks", impact="none", stage="scheduled", components=["api"],
                                 starts_at=NOW + timedelta(days=1), ends_at=NOW + timedelta(days=1, hours=1),
                                 updates=[Update(id="inc_2.3", stage="scheduled", body="Half an hour.", at=NOW)])],
        "history": [incident(3, stage="resolved", title="Website away", impact="critical", components=["api", "processing"],
                             ended_at=NOW - timedelta(days=20), starts_at=NOW - timedelta(days=20, hours=2))],
    }  # fmt: skip
    return Report(**{**given, **wishes})

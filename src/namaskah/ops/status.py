"""Reads the status page from the database: a handful of short queries over figures that the roll-up has made.

Only the state of this very moment comes from the raw minutes. Whoever serves it keeps what was read (`board.py`).
"""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from msgspec.structs import replace

from namaskah.core.db import Db
from namaskah.ops.roll_up import USUAL
from namaskah.ops.status_report import (
    DAYS,
    SUMMARIES,
    Component,
    CountryDelivery,
    Day,
    Delivery,
    DeliveryDay,
    Incident,
    Report,
    State,
    Update,
    day_state,
    delivery_state,
    milliseconds,
    percentage,
    rate_of,
    state_said,
    worst,
)

# Rows come twice a minute; who has written none for this long does not work.
ALIVE: Final = timedelta(minutes=1)
NAMES: Final = {"api": "Website and API", "processing": "Incoming codes and refunds", "payments": "Payments"}
_GROUP_NAMES: Final = {"ai": "AI", "jobs": "Job search", "other": "Other services"}

MOMENT: Final = """
SELECT coalesce($1, now()) AS now, EXISTS (SELECT FROM payment_logs) AS payments,
       EXISTS (SELECT FROM schema_state WHERE name = 'status') OR EXISTS (SELECT FROM status_minutes) AS begun
"""
LATEST: Final = """
SELECT kind, max(minute) FILTER (WHERE NOT missed) AS last, sum(ok) AS ok, sum(failed) AS failed
FROM status_minutes WHERE minute > $1::timestamptz - interval '6 minutes' AND minute <= $1 GROUP BY kind
"""
HOURS: Final = """
SELECT component, minutes, available, durations FROM status_hours
WHERE hour >= $1::timestamptz - interval '24 hours' AND hour <= $1
"""
MEASURED_DAYS: Final = """
SELECT component, day, minutes, maintenance, available, degraded, down FROM status_days WHERE day > $1 AND day <= $2
"""
DELIVERY_DAYS: Final = """
SELECT category, day, settled, delivered FROM status_delivery_days WHERE country = '' AND day > $1 AND day <= $2 ORDER BY day
"""
DELIVERY_NOW: Final = """
SELECT n.category, n.country, c.name, n.settled, n.delivered, n.median_seconds, n.usual_settled, n.usual_delivered
FROM status_delivery_now n LEFT JOIN countries c ON c.code = n.country ORDER BY n.category, c.name NULLS FIRST
"""
# Open ones whatever their age.
INCIDENTS: Final = """
SELECT i.*, u.id AS update_id, u.stage AS update_stage, u.body, u.created_at AS said_at
FROM status_incidents i JOIN status_incident_updates u ON u.incident_id = i.id
WHERE i.created_at > $1::timestamptz - interval '90 days' OR i.ended_at IS NULL
ORDER BY i.starts_at DESC, i.id, u.id DESC
"""


async def read_report(db: Db, *, now: datetime | None = None) -> Report:
    """Everything on the page as it is now. `now` is for tests."""
    row = await db.fetchrow(MOMENT, now)
    moment: datetime = row["now"].astimezone(UTC)
    spoken = _incidents(await db.fetch(INCIDENTS, moment), moment)
    open_now = [one for one in spoken if one.kind == "incident" and one.stage != "resolved"]
    planned = [one for one in spoken if one.kind == "maintenance" and one.stage != "completed"]
    running = [one for one in planned if one.stage == "in_progress"]

    def said(component: str) -> State:
        return state_said(component, open_now, running)

    components = await _components(db, moment, begun=row["begun"])
    components.append(Component(id="payments", name=NAMES["payments"], state="unknown" if row["payments"] else "not_offered"))
    components = [_with_state(one, said(one.id)) for one in components]
    delivery = await _delivery(db, moment)
    state = _overall(components, [worst([one.state, said(one.id)]) for one in delivery], open_now, running)
    return Report(
        measured_at=moment, state=state, summary=SUMMARIES[state], components=components, delivery=delivery,
        incidents=open_now, maintenance=planned, history=[one for one in spoken if one not in open_now and one not in planned],
    )  # fmt: skip


def _overall(components: list[Component], delivery: list[State], open_now: list[Incident], running: list[Incident]) -> State:
    """One group of services without codes is no outage of the platform."""
    measured = worst([one.state for one in components])
    rest: list[State] = ["degraded" for state in delivery if state in ("degraded", "down")]
    rest += ["down" if one.impact == "critical" else "degraded" for one in open_now if one.impact != "none"]
    rest += ["maintenance" for _ in running]
    return measured if measured == "unknown" and not rest else worst([measured, *rest])


def _with_state(component: Component, said: State) -> Component:
    """What is measured, or what operators say where that is worse or nothing is measured."""
    if said in ("unknown", "operational") or component.state == "not_offered":
        return component
    # Announced maintenance explains an outage.
    return replace(component, state=said if said == "maintenance" else worst([component.state, said]))


async def _components(db: Db, moment: datetime, *, begun: bool) -> list[Component]:
    today = moment.date()
    latest = {row["kind"]: row for row in await db.fetch(LATEST, moment)}
    hours: dict[str, list[Any]] = defaultdict(list)
    for row in await db.fetch(HOURS, moment):
        hours[row["component"]].append(row)
    days: dict[str, dict[date, Any]] = defaultdict(dict)
    for row in await db.fetch(MEASURED_DAYS, today - timedelta(days=DAYS), today):
        days[row["component"]][row["day"]] = row
    made = []
    for name, kind in (("api", "web"), ("processing", "worker")):
        state: State = _now(latest.get(kind), moment) if begun else "unknown"
        durations = [sum(column) for column in zip(*(row["durations"] for row in hours[name] if row["durations"]), strict=False)]
        shown = days[name].values()
        made.append(
            Component(
                id=name,
                name=NAMES[name],
                state=state,
                median_ms=milliseconds(durations, 0.5),
                p95_ms=milliseconds(durations, 0.95),
                uptime_24h=percentage(sum(row["available"] for row in hours[name]), sum(row["minutes"] for row in hours[name])),
                uptime_90d=percentage(sum(row["available"] for row in shown), sum(row["minutes"] for row in shown)),
                days=[_day(day, days[name].get(day)) for day in _last_days(today)],
            )
        )
    return made


def _now(row: Any, moment: datetime) -> State:
    """From the last minutes: nobody who writes is an outage, and so is a share of failures that is no accident."""
    if row is None or row["last"] is None or row["last"] < moment.replace(second=0, microsecond=0) - ALIVE:
        return "down"
    ok, failed = row["ok"], row["failed"]
    if failed < 3:
        return "operational"
    return "down" if failed > ok else "degraded" if failed / (ok + failed) > 0.05 else "operational"


def _day(day: date, row: Any) -> Day:
    if row is None:
        return Day(date=day, state="unknown")
    state = day_state(
        minutes=row["minutes"], available=row["available"], degraded=row["degraded"], down=row["down"],
        maintenance=row["maintenance"],
    )  # fmt: skip
    return Day(
        date=day, state=state, uptime=percentage(row["available"], row["minutes"]), down_minutes=row["down"],
        degraded_minutes=row["degraded"], maintenance_minutes=row["maintenance"],
    )  # fmt: skip


async def _delivery(db: Db, moment: datetime) -> list[Delivery]:
    today = moment.date()
    days: dict[str, dict[date, tuple[int, int]]] = defaultdict(dict)
    for row in await db.fetch(DELIVERY_DAYS, today - timedelta(days=DAYS) - USUAL, today):
        days[row["category"]][row["day"]] = (row["delivered"], row["settled"])
    now: dict[str, list[Any]] = defaultdict(list)
    for row in await db.fetch(DELIVERY_NOW):
        now[row["category"]].append(row)
    made = []
    for category in sorted(days.keys() | now.keys(), key=group_name):
        rows = [_country(row) for row in now[category]]
        whole = next((row for row in rows if not row.country), None)
        made.append(
            Delivery(
                id=f"delivery:{category}",
                name=group_name(category),
                state=whole.state if whole else "unknown",
                rate=whole.rate if whole else None,
                usual=whole.usual if whole else None,
                median_seconds=whole.median_seconds if whole else None,
                days=_delivery_days(days[category], today),
                countries=[row for row in rows if row.country],
            )
        )
    return made


def _country(row: Any) -> CountryDelivery:
    counts = {name: row[name] for name in ("delivered", "settled", "usual_delivered", "usual_settled")}
    rate = rate_of(row["delivered"], row["settled"])
    return CountryDelivery(
        country=row["country"], name=row["name"] or row["country"].upper(), state=delivery_state(**counts), rate=rate,
        usual=rate_of(row["usual_delivered"], row["usual_settled"]),
        median_seconds=None if rate is None or row["median_seconds"] is None else round(row["median_seconds"]),
    )  # fmt: skip


def _delivery_days(counts: dict[date, tuple[int, int]], today: date) -> list[DeliveryDay]:
    """Each day beside the four weeks before it, whose sums move along."""
    none = (0, 0)
    first = today - timedelta(days=DAYS - 1)
    usual = [sum(counts.get(first - timedelta(days=back), none)[part] for back in range(1, USUAL.days + 1)) for part in (0, 1)]
    made = []
    for day in _last_days(today):
        delivered, settled = counts.get(day, none)
        state = delivery_state(delivered=delivered, settled=settled, usual_delivered=usual[0], usual_settled=usual[1])
        made.append(DeliveryDay(date=day, state=state, rate=rate_of(delivered, settled)))
        leaving = counts.get(day - USUAL, none)
        usual = [usual[0] + delivered - leaving[0], usual[1] + settled - leaving[1]]
    return made


def _incidents(rows: Any, moment: datetime) -> list[Incident]:
    updates: dict[str, list[Update]] = defaultdict(list)
    first: dict[str, Any] = {}
    for row in rows:
        first.setdefault(row["id"], row)
        updates[row["id"]].append(
            Update(id=f"{row['id']}.{row['update_id']}", stage=row["update_stage"], body=row["body"], at=row["said_at"])
        )
    return [
        Incident(
            id=row["id"], kind=row["kind"], title=row["title"], impact=row["impact"], stage=_stage(row, moment),
            components=row["components"], starts_at=row["starts_at"], ends_at=row["ends_at"], ended_at=row["ended_at"],
            updates=updates[row["id"]],
        )
        for row in first.values()
    ]  # fmt: skip


def _stage(row: Any, moment: datetime) -> str:
    """A maintenance begins and ends by itself."""
    stage: str = row["stage"]
    if stage != "scheduled" or row["starts_at"] > moment:
        return stage
    return "in_progress" if moment < row["ends_at"] else "completed"


def _last_days(today: date) -> list[date]:
    return [today - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]


def group_name(category: str) -> str:
    """How a group of services is called."""
    return _GROUP_NAMES.get(category, category.replace("_", " ").capitalize())


def component_name(component: str) -> str:
    """How what an incident affects is called."""
    part, _, category = component.partition(":")
    if part != "delivery":
        return NAMES.get(part, part)
    return (
        f"Codes for {group_name(category).lower() if category not in _GROUP_NAMES else group_name(category)}"
        if category
        else "Codes"
    )

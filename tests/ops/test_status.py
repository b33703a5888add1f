"""The page as it is read from the database: empty, in order, in trouble; and never a word about who sells us numbers."""

from datetime import timedelta

import msgspec
import pytest

from namaskah.ops.incidents import open_incident, resolve_incident, schedule_maintenance
from namaskah.ops.roll_up import roll_up
from namaskah.ops.status import component_name, read_report
from namaskah.ops.status_report import DAYS
from tests.ops.conftest import MINUTE, NOW

DAY = timedelta(days=1)
THIS = NOW.replace(second=0)


def part(report, name):
    return next(one for one in (*report.components, *report.delivery) if one.id == name)


async def working(past, *, since=NOW - timedelta(minutes=30), **more):
    await past.minutes(since.replace(second=0), THIS + MINUTE, **more)


async def test_an_empty_installation_says_that_nothing_is_measured(database):
    report = await read_report(database, now=NOW)
    assert report.state == "unknown"
    assert [(one.id, one.state, one.uptime_90d) for one in report.components] == [
        ("api", "unknown", None), ("processing", "unknown", None), ("payments", "not_offered", None)
    ]  # fmt: skip
    assert (report.delivery, report.incidents, report.maintenance, report.history) == ([], [], [], [])
    assert {day.state for day in part(report, "api").days} == {"unknown"}


async def test_ninety_days_end_today_and_are_days_in_utc(database):
    days = part(await read_report(database, now=NOW), "api").days
    assert len(days) == DAYS == 90
    assert (days[0].date, days[-1].date) == ((NOW - 89 * DAY).date(), NOW.date())


async def test_what_works_works_before_the_first_roll_up(database, past):
    await past.minutes(THIS, THIS + MINUTE)
    report = await read_report(database, now=NOW)
    assert (report.state, part(report, "api").state, part(report, "processing").state) == ("operational",) * 3


async def test_who_has_written_nothing_for_two_minutes_is_away(database, past):
    await past.minutes(THIS - 30 * MINUTE, THIS - MINUTE)
    report = await read_report(database, now=NOW)
    assert (report.state, part(report, "api").state, part(report, "processing").state) == ("down",) * 3


async def test_without_a_worker_only_the_processing_is_away(database, past):
    await working(past, kinds=["web"])
    report = await read_report(database, now=NOW)
    assert (part(report, "api").state, part(report, "processing").state, report.state) == ("operational", "down", "down")


@pytest.mark.parametrize(
    ("ok", "failed", "state"), [(1, 0, "operational"), (98, 2, "operational"), (90, 10, "degraded"), (1, 9, "down")]
)
async def test_failures_of_the_last_minutes_are_seen_at_once(database, past, ok, failed, state):
    await working(past, ok=ok, failed=failed)
    assert part(await read_report(database, now=NOW), "api").state == state


async def test_an_outage_stays_on_its_day_and_in_the_figures(database, past):
    await past.minutes(THIS - 2 * DAY, THIS - DAY - 120 * MINUTE, durations=[9, 0, 0, 0, 0, 0, 0, 0, 0, 1])
    await working(past, since=THIS - DAY, durations=[9, 0, 0, 0, 0, 0, 0, 0, 0, 1])
    await roll_up(database, now=NOW)
    report = await read_report(database, now=NOW)
    api = part(report, "api")
    assert report.state == "operational"
    yesterday = api.days[-2]
    assert (yesterday.state, yesterday.down_minutes, yesterday.uptime) == ("down", 120, 91.66)
    assert (api.days[-1].state, api.days[-1].uptime) == ("operational", 100.0)
    assert api.days[-4].state == "unknown"
    assert api.uptime_90d == 95.83
    assert api.uptime_24h == 100.0
    assert (api.median_ms, api.p95_ms) == (6, 5000)


async def test_codes_of_a_group_are_compared_with_its_usual(database, past):
    await working(past)
    for back in range(2, 30):
        await past.orders("telegram", NOW - back * DAY, settled=100, delivered=80)
    await past.orders("telegram", NOW, settled=100, delivered=50, seconds=[10, 12, 14])
    await past.orders("tinder", NOW, settled=19, delivered=0)
    await past.orders("telegram", NOW, settled=40, delivered=35, country="gb")
    await roll_up(database, now=NOW)
    report = await read_report(database, now=NOW)
    messaging = part(report, "delivery:messaging")
    assert (messaging.name, messaging.state, messaging.rate, messaging.usual, messaging.median_seconds) == (
        "Messaging",
        "degraded",
        61,
        80,
        12,
    )
    assert [(day.state, day.rate) for day in messaging.days[-3:]] == [("operational", 80), ("unknown", None), ("degraded", 61)]
    assert [(one.name, one.state, one.rate) for one in messaging.countries] == [
        ("United Kingdom", "operational", 88), ("United States", "degraded", 50)
    ]  # fmt: skip
    dating = part(report, "delivery:dating")
    assert (dating.state, dating.rate) == ("unknown", None)
    assert report.state == "degraded"


async def test_no_provider_and_no_number_of_orders_is_ever_named(database, past):
    await working(past)
    await past.orders("telegram", NOW, settled=4321, delivered=4123, provider="canary-upstream")
    await past.orders("telegram", NOW, settled=1234, delivered=1000, provider="inventory", country="gb")
    await roll_up(database, now=NOW)
    body = msgspec.json.encode(await read_report(database, now=NOW)).decode()
    for word in ("canary", "inventory", "sandbox", "4321", "5555", "4123", "1234"):
        assert word not in body


async def test_an_open_incident_outweighs_what_is_measured(database, past):
    await working(past)
    given = {"title": "Away", "body": "We look.", "actor_id": "cli:test"}
    incident = await open_incident(database, impact="critical", components=["api"], **given)
    await open_incident(database, impact="none", components=["processing"], **given)
    report = await read_report(database)
    assert (report.state, part(report, "api").state) == ("down", "down")
    assert [one.title for one in report.incidents] == ["Away", "Away"]
    await resolve_incident(database, incident_id=incident, body="Back.", actor_id="cli:test")
    report = await read_report(database)
    assert len(report.incidents) == 1
    [past_one] = report.history
    assert [(update.stage, update.body) for update in past_one.updates] == [("resolved", "Back."), ("investigating", "We look.")]
    assert past_one.ended_at is not None


async def test_payments_are_not_offered_until_there_are_some_also_in_an_incident(database, db):
    await open_incident(database, title="t", body="b", impact="major", components=["payments"], actor_id="cli:test")
    assert part(await read_report(database), "payments").state == "not_offered"
    await db.execute("INSERT INTO payment_logs VALUES ('pay_1', NULL, 'p', 'r', 'failed', 1, 'USD')")
    assert part(await read_report(database), "payments").state == "degraded"


async def test_maintenance_begins_and_ends_by_itself(database, db, past):
    await working(past)
    present = await db.fetchval("SELECT now()")
    await schedule_maintenance(
        database, title="Disks", body="b", starts_at=present + 10 * MINUTE, ends_at=present + 20 * MINUTE, components=["api"], actor_id="cli:test"
    )  # fmt: skip
    before, during, after = [await read_report(database, now=present + minutes * MINUTE) for minutes in (5, 15, 25)]
    assert [one.stage for one in before.maintenance] == ["scheduled"]
    assert [one.stage for one in during.maintenance] == ["in_progress"]
    assert part(during, "api").state == "maintenance", "although nothing is written then"
    assert (after.maintenance, [one.stage for one in after.history]) == ([], ["completed"])


async def test_old_incidents_leave_the_page_and_open_ones_stay(database, db):
    for title in ("Over", "Open"):
        await open_incident(database, title=title, body="b", impact="minor", components=["api"], actor_id="cli:test")
    await db.execute("UPDATE status_incidents SET created_at = now() - interval '91 days'")
    await db.execute("UPDATE status_incidents SET stage = 'resolved', ended_at = now() WHERE title = 'Over'")
    report = await read_report(database)
    assert ([one.title for one in report.incidents], report.history) == (["Open"], [])


@pytest.mark.parametrize(
    ("component", "name"),
    [
        ("api", "Website and API"),
        ("delivery", "Codes"),
        ("delivery:messaging", "Codes for messaging"),
        ("delivery:ai", "Codes for AI"),
    ],
)
def test_what_is_affected_has_a_name(component, name):
    assert component_name(component) == name

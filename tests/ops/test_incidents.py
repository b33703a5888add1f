"""What operators say: four stages, nothing changed afterwards, every act in the audit log, no outage renamed."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from namaskah.ops.errors import IncidentInvalid, IncidentOver, UnknownIncident
from namaskah.ops.incidents import open_incident, resolve_incident, schedule_maintenance, update_incident

WHO = "cli:ana"


async def opened(db, **wishes):
    given = {"title": "Codes are late", "body": "We look into it.", "impact": "minor", "components": ["delivery"], **wishes}
    return await open_incident(db, actor_id=WHO, **given)


@pytest.mark.parametrize(
    "wrong",
    [
        {"title": " "}, {"title": "x" * 121}, {"title": "two\nlines"}, {"body": ""}, {"body": "x" * 2001}, {"body": "bell \x07"},
        {"body": "half \ud83d"}, {"impact": "huge"}, {"components": []}, {"components": ["api", "nothing"]},
        {"components": ["delivery:nothing"]}, {"stage": "resolved"}, {"stage": "scheduled"},
    ],
)  # fmt: skip
async def test_what_makes_no_sense_is_refused_and_leaves_no_trace(database, db, wrong):
    with pytest.raises(IncidentInvalid):
        await opened(database, **wrong)
    assert await db.fetchval("SELECT count(*) FROM status_incidents") == 0
    assert await db.fetchval("SELECT count(*) FROM audit_log") == 0


async def test_an_incident_goes_through_its_stages_and_each_word_is_kept(database, db):
    incident = await opened(database)
    assert (
        await update_incident(database, incident_id=incident, body="It is the queue.", actor_id=WHO, stage="identified")
        == "identified"
    )
    assert await update_incident(database, incident_id=incident, body="Worse.", actor_id=WHO, impact="major") == "identified"
    assert await update_incident(database, incident_id=incident, body="Mended.", actor_id=WHO, stage="monitoring") == "monitoring"
    assert await resolve_incident(database, incident_id=incident, body="All is well.", actor_id=WHO) == "resolved"
    row = await db.fetchrow("SELECT * FROM status_incidents")
    assert (row["stage"], row["impact"], row["ended_at"] is None) == ("resolved", "major", False)
    said = await db.fetch("SELECT stage, body FROM status_incident_updates ORDER BY id")
    assert [tuple(one) for one in said] == [
        ("investigating", "We look into it."), ("identified", "It is the queue."), ("identified", "Worse."),
        ("monitoring", "Mended."), ("resolved", "All is well."),
    ]  # fmt: skip


async def test_every_act_is_in_the_audit_log_with_who_did_it(database, db):
    incident = await opened(database, components=["api", "delivery:messaging"])
    await resolve_incident(database, incident_id=incident, body="Over.", actor_id="cli:ben")
    rows = await db.fetch("SELECT actor_id, action, target, reason FROM audit_log ORDER BY id")
    assert [tuple(row) for row in rows] == [
        (WHO, "status.open", incident, "We look into it."), ("cli:ben", "status.update", incident, "Over."),
    ]  # fmt: skip


async def test_what_is_over_stays_over(database, db):
    incident = await opened(database)
    await resolve_incident(database, incident_id=incident, body="Over.", actor_id=WHO)
    for act in (update_incident, resolve_incident):
        with pytest.raises(IncidentOver):
            await act(database, incident_id=incident, body="Again.", actor_id=WHO)
    assert await db.fetchval("SELECT count(*) FROM status_incident_updates") == 2


async def test_of_two_who_end_it_at_once_one_learns_that_it_is_over(database):
    incident = await opened(database)
    ends = [resolve_incident(database, incident_id=incident, body="Over.", actor_id=WHO) for _ in range(4)]
    ended = await asyncio.gather(*ends, return_exceptions=True)
    assert sorted(type(one).__name__ for one in ended) == ["IncidentOver"] * 3 + ["str"]


@pytest.mark.parametrize("incident", ["inc_nothing", "inc_" + "0" * 26, "'; DROP TABLE status_incidents"])
async def test_an_unknown_incident_is_no_incident(database, incident):
    with pytest.raises(UnknownIncident):
        await update_incident(database, incident_id=incident, body="Hello.", actor_id=WHO)


@pytest.mark.parametrize(
    ("starts", "ends"),
    [
        (timedelta(minutes=-5), timedelta(hours=1)),
        (timedelta(hours=2), timedelta(hours=1)),
        (timedelta(hours=1), timedelta(hours=1)),
    ],
)
async def test_an_outage_cannot_be_called_maintenance_afterwards(database, starts, ends):
    now = datetime.now(UTC)
    with pytest.raises(IncidentInvalid):
        await schedule_maintenance(
            database, title="t", body="b", starts_at=now + starts, ends_at=now + ends, components=["api"], actor_id=WHO
        )


async def test_a_time_without_a_zone_is_refused(database):
    naive = datetime(2100, 1, 1)  # noqa: DTZ001
    with pytest.raises(IncidentInvalid, match="zone"):
        await schedule_maintenance(
            database, title="t", body="b", starts_at=naive, ends_at=naive + timedelta(hours=1), components=["api"], actor_id=WHO
        )


async def test_maintenance_may_be_spoken_of_and_ended_early(database, db):
    now = datetime.now(UTC)
    incident = await schedule_maintenance(
        database, title="t", body="b", starts_at=now + timedelta(hours=1), ends_at=now + timedelta(hours=2), components=["api"], actor_id=WHO
    )  # fmt: skip
    assert (
        await update_incident(database, incident_id=incident, body="As planned.", actor_id=WHO, stage="monitoring") == "scheduled"
    )
    assert await resolve_incident(database, incident_id=incident, body="Not needed.", actor_id=WHO) == "completed"
    assert (await db.fetchrow("SELECT stage FROM status_incidents"))["stage"] == "completed"


async def test_maintenance_whose_window_is_past_is_over(database, db):
    now = datetime.now(UTC)
    incident = await schedule_maintenance(
        database, title="t", body="b", starts_at=now + timedelta(hours=1), ends_at=now + timedelta(hours=2), components=["api"], actor_id=WHO
    )  # fmt: skip
    await db.execute("UPDATE status_incidents SET starts_at = now() - interval '2 hours', ends_at = now() - interval '1 hour'")
    with pytest.raises(IncidentOver):
        await update_incident(database, incident_id=incident, body="Longer.", actor_id=WHO)

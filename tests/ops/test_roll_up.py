"""Hours and days are made of what was measured: gaps are outages, days are UTC's, a run may be repeated and may come late."""

import contextlib
import json
from datetime import timedelta

import pytest

from namaskah.ops.incidents import schedule_maintenance
from namaskah.ops.roll_up import roll_up
from tests.ops.conftest import MINUTE, NOW

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MIDNIGHT = NOW.replace(hour=0, minute=0, second=0)
# The last minute that is judged has ended two minutes ago.
JUDGED = NOW.replace(second=0) - 2 * MINUTE


class OneConnection:
    """Stands for the pool where a test needs a connection with settings of its own."""

    def __init__(self, connection):
        self.connection = connection

    @contextlib.asynccontextmanager
    async def transaction(self):
        yield self.connection


async def day_of(db, component="api", day=NOW):
    return await db.fetchrow("SELECT * FROM status_days WHERE component = $1 AND day = $2", component, day.date())


async def test_without_a_measurement_there_is_nothing_to_roll_up(database, db):
    assert await roll_up(database, now=NOW) is False
    assert await db.fetchval("SELECT count(*) FROM status_days") == 0


async def test_minutes_without_a_row_are_an_outage_of_everything(database, db, past):
    await past.minutes(MIDNIGHT, MIDNIGHT + HOUR)
    await past.minutes(MIDNIGHT + HOUR + 25 * MINUTE, JUDGED + 2 * MINUTE)
    assert await roll_up(database, now=NOW)
    for component in ("api", "processing"):
        row = await day_of(db, component)
        assert (row["minutes"], row["down"], row["degraded"]) == (10 * 60 + 28, 25, 0)
        assert row["available"] == pytest.approx(10 * 60 + 3)


async def test_without_workers_only_the_processing_is_away(database, db, past):
    await past.minutes(JUDGED - 10 * MINUTE, JUDGED, kinds=["web"])
    await roll_up(database, now=NOW)
    assert (await day_of(db))["down"] == 0
    assert (await day_of(db, "processing"))["down"] == 10


async def test_a_partial_day_counts_from_the_first_minute_that_was_ever_measured(database, db, past):
    await past.minutes(JUDGED - 7 * MINUTE, NOW.replace(second=0))
    await roll_up(database, now=NOW)
    row = await day_of(db)
    assert (row["minutes"], row["down"], row["ok"]) == (7, 0, 70)
    assert await db.fetchval("SELECT count(*) FROM status_days") == 2


async def test_a_minute_that_was_written_later_is_an_outage_and_keeps_its_failures(database, db, past):
    await past.minutes(JUDGED - 10 * MINUTE, JUDGED - 6 * MINUTE)
    await past.minutes(JUDGED - 6 * MINUTE, JUDGED - 4 * MINUTE, kinds=["web"], ok=3, failed=4, missed=True)
    await past.minutes(JUDGED - 4 * MINUTE, JUDGED)
    await roll_up(database, now=NOW)
    row = await day_of(db)
    assert (row["minutes"], row["down"], row["failed"], row["available"]) == (10, 2, 8, 8)


async def test_one_process_that_lost_the_database_is_no_outage_while_another_one_works(database, db, past):
    await past.minutes(JUDGED - 5 * MINUTE, JUDGED, instance="one", ok=90)
    await past.minutes(JUDGED - 5 * MINUTE, JUDGED, instance="two", kinds=["web"], ok=0, failed=10, missed=True)
    await roll_up(database, now=NOW)
    row = await day_of(db)
    assert (row["down"], row["degraded"], row["available"]) == (0, 5, pytest.approx(4.5))


@pytest.mark.parametrize(
    ("ok", "failed", "down", "degraded", "available"),
    [(0, 0, 0, 0, 1), (1, 1, 0, 0, 0.5), (0, 2, 0, 0, 0), (0, 3, 1, 0, 0), (94, 6, 0, 1, 0.94), (99, 1, 0, 0, 0.99)],
)
async def test_a_failure_or_two_are_no_outage(database, db, past, ok, failed, down, degraded, available):
    await past.minutes(JUDGED - MINUTE, JUDGED, ok=ok, failed=failed)
    await roll_up(database, now=NOW)
    row = await day_of(db)
    assert (row["minutes"], row["down"], row["degraded"]) == (1, down, degraded)
    assert row["available"] == pytest.approx(available)


async def test_days_are_days_in_utc_whatever_zone_the_connection_has(database, db, past):
    await past.minutes(MIDNIGHT - 3 * MINUTE, MIDNIGHT + 2 * MINUTE)
    async with database.transaction() as connection:
        await connection.execute("SET LOCAL timezone = 'Asia/Kathmandu'")
        assert await roll_up(OneConnection(connection), now=MIDNIGHT + 4 * MINUTE)  # type: ignore[arg-type]
    assert (await day_of(db, day=MIDNIGHT - DAY))["minutes"] == 3
    assert (await day_of(db, day=MIDNIGHT))["minutes"] == 2
    hours = [row["hour"] for row in await db.fetch("SELECT hour FROM status_hours WHERE component = 'api' ORDER BY 1")]
    assert hours == [MIDNIGHT - HOUR, MIDNIGHT]


async def test_a_run_may_be_repeated(database, db, past):
    await past.minutes(MIDNIGHT, NOW, durations=[5, 3, 0, 0, 0, 0, 0, 0, 0, 2])
    await roll_up(database, now=NOW)
    first = [tuple(row) for row in await db.fetch("SELECT * FROM status_days ORDER BY component")]
    await roll_up(database, now=NOW)
    await roll_up(database, now=NOW + timedelta(seconds=20))
    assert [tuple(row) for row in await db.fetch("SELECT * FROM status_days ORDER BY component")] == first
    row = await day_of(db)
    assert row["durations"][0] == 5 * row["minutes"]
    assert row["durations"][9] == 2 * row["minutes"]


async def test_an_absence_of_days_is_made_up_for_in_one_run(database, db, past):
    began = NOW.replace(second=0) - 4 * DAY
    await past.minutes(began, began + 30 * MINUTE)
    await roll_up(database, now=began + 20 * MINUTE)
    # All was off for nearly four days; then processes and workers are back.
    await past.minutes(JUDGED - 5 * MINUTE, JUDGED + 2 * MINUTE)
    await roll_up(database, now=NOW)
    rows = await db.fetch("SELECT day, minutes, down FROM status_days WHERE component = 'api' ORDER BY day")
    assert [row["minutes"] for row in rows] == [13 * 60 + 30, 1440, 1440, 1440, 10 * 60 + 28]
    assert [row["down"] for row in rows] == [13 * 60, 1440, 1440, 1440, 10 * 60 + 23]


async def test_what_comes_later_is_taken_in_by_the_hours_made_anew(database, db, past):
    await past.minutes(JUDGED - 90 * MINUTE, JUDGED - 80 * MINUTE)
    await roll_up(database, now=NOW)
    assert (await day_of(db))["down"] == 80
    await past.minutes(JUDGED - 80 * MINUTE, JUDGED, kinds=["web"], ok=20, failed=0)
    await roll_up(database, now=NOW)
    assert (await day_of(db))["down"] == 0


async def test_two_runs_do_not_meet(database, db, past):
    await past.minutes(JUDGED - MINUTE, JUDGED)
    async with database.transaction() as connection:
        await connection.execute("SELECT pg_advisory_xact_lock($1)", 0x7374617475730000)
        assert await roll_up(database, now=NOW) is False
    assert await roll_up(database, now=NOW) is True


async def test_announced_maintenance_is_neither_up_nor_down(database, db, past):
    present = await db.fetchval("SELECT date_trunc('minute', now())")
    incident = await schedule_maintenance(
        database, title="New disks", body="Orders stop for half an hour.", starts_at=present + 10 * MINUTE,
        ends_at=present + 40 * MINUTE, components=["api"], actor_id="cli:test",
    )  # fmt: skip
    assert incident.startswith("inc_")
    await past.minutes(present, present + 15 * MINUTE)
    await past.minutes(present + 45 * MINUTE, present + 60 * MINUTE)
    await roll_up(database, now=present + 62 * MINUTE)
    sums = "SELECT sum(minutes), sum(maintenance), sum(down) FROM status_days WHERE component = $1"
    assert tuple(await db.fetchrow(sums, "api")) == (30, 30, 5)
    assert tuple(await db.fetchrow(sums, "processing")) == (60, 0, 30)


async def test_old_measurements_are_aged_out(database, db, past):
    await past.minutes(NOW - 5 * DAY, NOW - 5 * DAY + 3 * MINUTE)
    await db.execute(
        "INSERT INTO status_hours VALUES ('api', $1, 60, 0, 60, 0, 0, 0, 0, '{}'), ('api', $2, 60, 0, 60, 0, 0, 0, 0, '{}')",
        NOW.replace(minute=0, second=0) - 20 * DAY, NOW.replace(minute=0, second=0) - 10 * DAY,
    )  # fmt: skip
    await db.execute(
        "INSERT INTO status_days VALUES ('api', $1, 1440, 0, 1440, 0, 0, 0, 0, '{}'), ('api', $2, 1440, 0, 1440, 0, 0, 0, 0, '{}')",
        (NOW - 401 * DAY).date(), (NOW - 90 * DAY).date(),
    )  # fmt: skip
    await roll_up(database, now=NOW)
    assert await db.fetchval("SELECT count(*) FROM status_minutes") == 0
    assert await db.fetchval("SELECT min(hour) FROM status_hours") == NOW.replace(minute=0, second=0) - 10 * DAY
    assert await db.fetchval("SELECT min(day) FROM status_days") == (NOW - 90 * DAY).date()


async def test_delivery_is_added_up_by_group_country_and_day_over_all_routes(database, db, past):
    await past.minutes(JUDGED - MINUTE, JUDGED)
    await past.orders("telegram", NOW, settled=30, delivered=20, seconds=[4, 6], provider="inventory")
    await past.orders("whatsapp", NOW, settled=10, delivered=10, seconds=[8], provider="another")
    await past.orders("telegram", NOW, settled=5, delivered=1, country="gb")
    await past.orders("telegram", MIDNIGHT - MINUTE, settled=7, delivered=7)
    await past.orders("test_success", NOW, settled=99, delivered=0)
    await roll_up(database, now=NOW)
    rows = await db.fetch("SELECT * FROM status_delivery_days ORDER BY day, country")
    found = [(r["category"], r["country"], r["day"], r["settled"], r["delivered"], r["median_seconds"]) for r in rows]
    yesterday, today = (NOW - DAY).date(), NOW.date()
    assert found == [
        ("messaging", "", yesterday, 7, 7, None), ("messaging", "us", yesterday, 7, 7, None),
        ("messaging", "", today, 45, 31, 6), ("messaging", "gb", today, 5, 1, None), ("messaging", "us", today, 40, 30, 6),
    ]  # fmt: skip
    now = await db.fetch("SELECT * FROM status_delivery_now ORDER BY country")
    assert [(r["country"], r["settled"], r["delivered"], r["usual_settled"]) for r in now] == [
        ("", 52, 38, 7), ("gb", 5, 1, 0), ("us", 47, 37, 7)
    ]  # fmt: skip


async def test_orders_that_end_later_are_added_to_their_own_day(database, db, past):
    await past.minutes(JUDGED - MINUTE, JUDGED)
    await past.orders("telegram", MIDNIGHT - MINUTE, settled=7, delivered=7)
    state = json.dumps({"rolled_to": (MIDNIGHT - 30 * MINUTE).isoformat(), "window_from": (NOW - 7 * DAY).isoformat()})
    await db.execute("INSERT INTO schema_state VALUES ('offers', $1)", state)
    await roll_up(database, now=NOW)
    await db.execute("UPDATE offer_hours SET settled = 9, delivered = 8")
    await roll_up(database, now=NOW + 4 * MINUTE)
    total = "SELECT settled FROM status_delivery_days WHERE country = ''"
    assert await db.fetchval(total) == 7, "too early: the orders are added up every five minutes"
    await roll_up(database, now=NOW + 5 * MINUTE)
    assert await db.fetchval(total) == 9

"""Makes hours and days out of what was measured: of the minutes that the processes wrote, and of the orders that ended.

Every run makes its last hours anew from the rows below them, so that it may be repeated, and may come late: an absence of
days is made up for in one run. Days are days in UTC.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from namaskah.catalog import refresh_offers
from namaskah.core.db import Database

LOCK_KEY: Final = 0x7374617475730000  # "status" in ASCII
STATE: Final = "status"
# A minute is judged when its rows have surely come. What processes write later is taken in by the hours made anew.
SETTLES: Final = timedelta(minutes=2)
MADE_ANEW: Final = timedelta(hours=3)
RAW_KEPT: Final = timedelta(days=3)
HOURS_KEPT: Final = timedelta(days=14)
DAYS_KEPT: Final = timedelta(days=400)
# The orders of two days are added up for this, so not at every run.
DELIVERY_EVERY: Final = timedelta(minutes=5)
RECENT: Final = timedelta(hours=24)
USUAL: Final = timedelta(days=28)

TRY_LOCK: Final = "SELECT pg_try_advisory_xact_lock($1)"
READ_STATE: Final = """
SELECT now() AS now, (SELECT min(minute) FROM status_minutes) AS first,
       (SELECT value FROM schema_state WHERE name = $1) AS state, (SELECT value FROM schema_state WHERE name = $2) AS offers
"""
WRITE_STATE: Final = "INSERT INTO schema_state VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value"

# A minute without a row of a web process is one in which the platform did not work, whoever was asleep. In one whose rows
# all came later the database was away, and nobody could order. In all others it counts what was asked: a failure or two are
# no outage. Announced maintenance is neither up nor down.
HOURS: Final = """
WITH asked AS MATERIALIZED (
    SELECT minute, sum(ok) AS ok, sum(failed) AS failed, bool_and(missed) AS missed
    FROM status_minutes WHERE kind = 'web' AND minute >= $1 AND minute < $2 GROUP BY minute
), worked AS MATERIALIZED (
    SELECT DISTINCT minute FROM status_minutes WHERE kind = 'worker' AND minute >= $1 AND minute < $2
), minutes AS (
    SELECT minute FROM generate_series($1::timestamptz, $2::timestamptz - interval '1 minute', interval '1 minute') minute
), shares AS (
    SELECT 'api' AS component, minute, coalesce(ok, 0) AS ok, coalesce(failed, 0) AS failed, coalesce(missed, true) AS gone,
           CASE WHEN coalesce(missed, true) THEN 0 WHEN ok + failed = 0 THEN 1 ELSE ok::float8 / (ok + failed) END AS share
    FROM minutes LEFT JOIN asked USING (minute)
    UNION ALL
    SELECT 'processing', m.minute, 0, 0, w.minute IS NULL, (w.minute IS NOT NULL)::integer
    FROM minutes m LEFT JOIN worked w ON w.minute = m.minute
), judged AS (
    SELECT s.*, date_trunc('hour', minute, 'UTC') AS hour, gone OR (share < 0.5 AND failed >= 3) AS is_down,
           share < 0.95 AND failed >= 3 AS is_degraded,
           EXISTS (SELECT FROM status_incidents i WHERE i.kind = 'maintenance' AND s.component = ANY (i.components)
                     AND s.minute >= i.starts_at AND s.minute < coalesce(i.ended_at, i.ends_at)) AS announced
    FROM shares s
), took AS (
    SELECT 'api' AS component, hour, array_agg(n ORDER BY place) AS durations
    FROM (SELECT date_trunc('hour', minute, 'UTC') AS hour, place, sum(d.n) AS n
          FROM status_minutes, unnest(durations) WITH ORDINALITY AS d (n, place)
          WHERE kind = 'web' AND minute >= $1 AND minute < $2 GROUP BY 1, 2) added
    GROUP BY hour
), sums AS (
    SELECT component, hour, count(*) FILTER (WHERE NOT announced) AS minutes, count(*) FILTER (WHERE announced) AS maintenance,
           coalesce(sum(share) FILTER (WHERE NOT announced), 0) AS available,
           count(*) FILTER (WHERE is_degraded AND NOT is_down AND NOT announced) AS degraded,
           count(*) FILTER (WHERE is_down AND NOT announced) AS down, sum(ok) AS ok, sum(failed) AS failed
    FROM judged GROUP BY component, hour
)
INSERT INTO status_hours AS h (component, hour, minutes, maintenance, available, degraded, down, ok, failed, durations)
SELECT component, hour, minutes, maintenance, available, degraded, down, ok, failed, coalesce(durations, '{}')
FROM sums LEFT JOIN took USING (component, hour)
ON CONFLICT (hour, component) DO UPDATE SET minutes = excluded.minutes, maintenance = excluded.maintenance,
    available = excluded.available, degraded = excluded.degraded, down = excluded.down, ok = excluded.ok,
    failed = excluded.failed, durations = excluded.durations
"""

DAYS: Final = """
WITH hours AS MATERIALIZED (
    SELECT *, (hour AT TIME ZONE 'UTC')::date AS day FROM status_hours WHERE hour >= $1
), took AS (
    SELECT component, day, array_agg(n ORDER BY place) AS durations
    FROM (SELECT component, day, place, sum(d.n) AS n FROM hours, unnest(durations) WITH ORDINALITY AS d (n, place)
          GROUP BY 1, 2, 3) added
    GROUP BY 1, 2
), sums AS (
    SELECT component, day, sum(minutes) AS minutes, sum(maintenance) AS maintenance, sum(available) AS available,
           sum(degraded) AS degraded, sum(down) AS down, sum(ok) AS ok, sum(failed) AS failed
    FROM hours GROUP BY 1, 2
)
INSERT INTO status_days AS d (component, day, minutes, maintenance, available, degraded, down, ok, failed, durations)
SELECT component, day, minutes, maintenance, available, degraded, down, ok, failed, coalesce(durations, '{}')
FROM sums LEFT JOIN took USING (component, day)
ON CONFLICT (day, component) DO UPDATE SET minutes = excluded.minutes, maintenance = excluded.maintenance,
    available = excluded.available, degraded = excluded.degraded, down = excluded.down, ok = excluded.ok,
    failed = excluded.failed, durations = excluded.durations
"""

# offer_hours knows live orders only, without those that were cancelled at once. The sets add a line for all countries.
DELIVERY_DAYS: Final = """
WITH hours AS MATERIALIZED (
    SELECT s.category, h.country, (h.hour AT TIME ZONE 'UTC')::date AS day, h.settled, h.delivered, h.seconds
    FROM offer_hours h JOIN services s ON s.id = h.service_id
    WHERE h.hour >= $1 AND h.hour < $2 AND h.settled > 0 AND NOT s.sandbox
), sums AS (
    SELECT category, coalesce(country, '') AS country, day, sum(settled) AS settled, sum(delivered) AS delivered
    FROM hours GROUP BY GROUPING SETS ((category, day), (category, hours.country, day))
), medians AS (
    SELECT category, coalesce(country, '') AS country, day, percentile_cont(0.5) WITHIN GROUP (ORDER BY second) AS median
    FROM hours, unnest(seconds) second GROUP BY GROUPING SETS ((category, day), (category, hours.country, day))
)
INSERT INTO status_delivery_days AS d (category, country, day, settled, delivered, median_seconds)
SELECT category, country, day, settled, delivered, median FROM sums LEFT JOIN medians USING (category, country, day)
ON CONFLICT (day, category, country) DO UPDATE SET settled = excluded.settled, delivered = excluded.delivered,
    median_seconds = excluded.median_seconds
"""
CLEAR_NOW: Final = "DELETE FROM status_delivery_now"
DELIVERY_NOW: Final = """
WITH hours AS MATERIALIZED (
    SELECT s.category, h.country, h.settled, h.delivered, h.seconds
    FROM offer_hours h JOIN services s ON s.id = h.service_id
    WHERE h.hour >= $1 AND h.settled > 0 AND NOT s.sandbox
), sums AS (
    SELECT category, coalesce(country, '') AS country, sum(settled) AS settled, sum(delivered) AS delivered
    FROM hours GROUP BY GROUPING SETS ((category), (category, hours.country))
), medians AS (
    SELECT category, coalesce(country, '') AS country, percentile_cont(0.5) WITHIN GROUP (ORDER BY second) AS median
    FROM hours, unnest(seconds) second GROUP BY GROUPING SETS ((category), (category, hours.country))
), usual AS (
    SELECT category, country, sum(settled) AS settled, sum(delivered) AS delivered
    FROM status_delivery_days WHERE day >= $2 AND day < $3 GROUP BY 1, 2
)
INSERT INTO status_delivery_now
    (category, country, settled, delivered, median_seconds, usual_settled, usual_delivered)
SELECT category, country, coalesce(s.settled, 0), coalesce(s.delivered, 0), m.median, coalesce(u.settled, 0),
       coalesce(u.delivered, 0)
FROM sums s FULL JOIN usual u USING (category, country) LEFT JOIN medians m USING (category, country)
"""

FORGET: Final = (
    ("DELETE FROM status_minutes WHERE minute < $1", RAW_KEPT),
    ("DELETE FROM status_hours WHERE hour < $1", HOURS_KEPT),
    ("DELETE FROM status_days WHERE day < ($1::timestamptz AT TIME ZONE 'UTC')::date", DAYS_KEPT),
    ("DELETE FROM status_delivery_days WHERE day < ($1::timestamptz AT TIME ZONE 'UTC')::date", DAYS_KEPT),
)


class Progress(msgspec.Struct, kw_only=True):
    """How far the roll-up has come; kept in `schema_state`. Nothing is judged before `began`, the first minute ever written.

    `offers_to`: up to where the offers' hours were complete when they were last read; only later ones change.
    """

    began: datetime
    rolled_to: datetime
    offers_to: datetime | None = None
    delivery_at: datetime | None = None


async def roll_up(db: Database, *, now: datetime | None = None) -> bool:
    """Brings the status page's figures up to date; to be run about once a minute, by any number of workers.

    Answers False when another one was at it, or there is nothing to measure yet. `now` is for tests.
    """
    async with db.transaction() as connection:
        if not await connection.fetchval(TRY_LOCK, LOCK_KEY):
            return False
        row = await connection.fetchrow(READ_STATE, STATE, refresh_offers.STATE)
        moment = (row["now"] if now is None else now).astimezone(UTC)
        if row["state"] is not None:
            progress = msgspec.json.decode(row["state"], type=Progress)
        elif row["first"] is not None:
            progress = Progress(began=row["first"], rolled_to=row["first"])
        else:
            return False
        await _measured(connection, progress, moment)
        if progress.delivery_at is None or moment - progress.delivery_at >= DELIVERY_EVERY:
            await _delivered(connection, progress, moment, row["offers"])
        for statement, kept in FORGET:
            await connection.execute(statement, moment - kept)
        await connection.execute(WRITE_STATE, STATE, msgspec.json.encode(progress).decode())
    return True


async def _measured(connection: Any, progress: Progress, moment: datetime) -> None:
    """Hours from the minutes, and days from the hours. The raw minutes of what is made anew are still there."""
    to = (moment - SETTLES).replace(second=0, microsecond=0)
    begin = max(progress.began, _hour(min(progress.rolled_to, moment - MADE_ANEW)))
    if to <= begin:
        return
    await connection.execute(HOURS, begin, to)
    await connection.execute(DAYS, _day(begin))
    progress.rolled_to = max(progress.rolled_to, to)


async def _delivered(connection: Any, progress: Progress, moment: datetime, offers: str | None) -> None:
    """Days from the hours of the offers, beginning with the first that may have changed since the last time."""
    begin = moment - refresh_offers.KEPT if progress.offers_to is None else progress.offers_to
    if offers is not None:
        progress.offers_to = msgspec.json.decode(offers, type=refresh_offers.Progress).rolled_to
    day = _day(begin)
    while day <= moment:  # one by one, so that no statement is long, however many days there are to make up for
        await connection.execute(DELIVERY_DAYS, day, day + timedelta(days=1))
        day += timedelta(days=1)
    await connection.execute(CLEAR_NOW)
    await connection.execute(DELIVERY_NOW, _hour(moment - RECENT), (moment - USUAL).date(), moment.date())
    progress.delivery_at = moment


def _hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _day(moment: datetime) -> datetime:
    return _hour(moment).replace(hour=0)

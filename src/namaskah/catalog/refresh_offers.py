"""Recomputes what the offers say from what really happened: how many numbers are left, how many orders got their code.

Every order is looked at twice in its life, whatever the table's size: once soon after it was made (it has used a number)
and once when it is settled (a code came, or not). Both passes remember how far they came.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from namaskah.core.db import Database

LOCK_KEY: Final = 0x6F66666572730000  # "offers" in ASCII
STATE: Final = "offers"
WINDOW: Final = timedelta(days=7)
KEPT: Final = timedelta(days=30)
# A purchase is a matter of milliseconds: one that has not committed after this long is left to the recount.
IN_FLIGHT: Final = timedelta(seconds=10)
# No order stays open for so long; one that does (an open question at an upstream) must not hold up the others.
LONGEST_OPEN: Final = timedelta(hours=3)
SLICE: Final = timedelta(hours=1)
# Bounds one run; what is left is done by the next one.
SLICES: Final = 12
# While it makes up for an absence it rolls up only; then the figures of so many services are made anew in each run.
SERVICES: Final = 100
CHUNK: Final = 5_000
# How many codes' seconds an offer keeps of one hour: enough for a median.
SAMPLES: Final = 20

TRY_LOCK: Final = "SELECT pg_try_advisory_xact_lock($1)"
READ_STATE: Final = "SELECT now() AS now, (SELECT value FROM schema_state WHERE name = $1) AS state"
WRITE_STATE: Final = "INSERT INTO schema_state VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value"

# All statuses by name, so that idx_verifications_status_created serves the range of time.
_ANY: Final = "status IN ('requesting', 'pending', 'completed', 'cancelled', 'expired', 'failed')"
_SETTLED: Final = "status IN ('completed', 'cancelled', 'expired')"

# What a service without a row of its own has had in stock: a new row begins with it, so that its end is noticed.
_STOCK_SO_FAR: Final = "coalesce((SELECT k.free FROM country_stock k WHERE k.country = n.country AND k.operator = n.operator), 0)"

# --- Numbers used: each order of an own number has used one, but for those that took their own number again.

COUNT_NEW_USES: Final = f"""
INSERT INTO offers AS o (service_id, country, operator, provider, used, stock)
SELECT n.service_id, n.country, n.operator, 'inventory', n.uses, {_STOCK_SO_FAR}
FROM (
    SELECT v.service_id, v.country, v.operator, count(*) AS uses
    FROM verifications v
    WHERE {_ANY} AND v.created_at >= $1 AND v.created_at < $2
      AND v.provider = 'inventory' AND v.number_id IS NOT NULL AND v.reuse_of IS NULL
    GROUP BY 1, 2, 3
) n
ON CONFLICT (service_id, country, operator, provider) DO UPDATE SET used = o.used + excluded.used
"""

# From the uses themselves, less those that the next COUNT_NEW_USES will see. Sets right what retired numbers, generated
# data and very slow purchases have left askew.
RECOUNT: Final = f"""
WITH counted AS (
    SELECT u.service_id, n.country, n.operator, count(*) AS uses
    FROM number_uses u JOIN numbers n ON n.id = u.number_id
    WHERE n.retired_at IS NULL{{one}}
    GROUP BY 1, 2, 3
), recent AS (
    SELECT v.service_id, v.country, v.operator, count(*) AS uses
    FROM verifications v
    WHERE {_ANY} AND v.created_at >= $1 AND v.provider = 'inventory' AND v.number_id IS NOT NULL AND v.reuse_of IS NULL
    GROUP BY 1, 2, 3
)
INSERT INTO offers AS o (service_id, country, operator, provider, used, stock)
SELECT n.service_id, n.country, n.operator, 'inventory', greatest(coalesce(c.uses, 0) - coalesce(r.uses, 0), 0), {_STOCK_SO_FAR}
FROM (SELECT service_id, country, operator FROM counted
      UNION SELECT u.service_id, u.country, u.operator FROM offers u WHERE u.provider = 'inventory'{{one}}) n
LEFT JOIN counted c USING (service_id, country, operator) LEFT JOIN recent r USING (service_id, country, operator)
ON CONFLICT (service_id, country, operator, provider) DO UPDATE SET used = excluded.used WHERE o.used <> excluded.used
"""
NEXT_SERVICE: Final = """
SELECT coalesce((SELECT min(service_id) FROM number_uses WHERE service_id > $1), (SELECT min(service_id) FROM number_uses))
"""

# --- Stock.

# Pairs that have no number any more stay, with zero.
COUNT_NUMBERS: Final = """
WITH counted AS (
    SELECT country, operator, count(*) FILTER (WHERE retired_at IS NULL) AS total,
           count(*) FILTER (WHERE retired_at IS NULL AND NOT busy) AS free
    FROM numbers GROUP BY 1, 2
), before AS (
    SELECT country, operator, free FROM country_stock
), written AS (
    INSERT INTO country_stock AS k (country, operator, total, free)
    SELECT country, operator, total, free FROM counted
    ON CONFLICT (country, operator) DO UPDATE SET total = excluded.total, free = excluded.free
    WHERE (k.total, k.free) <> (excluded.total, excluded.free)
    RETURNING country, operator, free
), gone AS (
    UPDATE country_stock k SET total = 0, free = 0
    WHERE k.total > 0 AND NOT EXISTS (SELECT FROM counted c WHERE c.country = k.country AND c.operator = k.operator)
    RETURNING 1
)
SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM written w LEFT JOIN before b USING (country, operator)
                                      WHERE (w.free > 0) <> (coalesce(b.free, 0) > 0))
"""

# What was never used for the service, times the share of it that is free now. Numbers that are busy with this very
# service are among the used ones already, so they say nothing about the others. Written when it differs by over 2 %.
COUNT_STOCK: Final = """
WITH own AS (
    SELECT v.service_id, n.country, n.operator, count(*) AS busy
    FROM numbers n JOIN verifications v ON v.id = n.verification_id
    WHERE n.busy AND n.retired_at IS NULL
    GROUP BY 1, 2, 3
), counted AS (
    SELECT o.service_id, o.country, o.operator, o.stock AS before,
           CASE WHEN k.free > 0 AND k.total > o.used
                THEN least(k.free, ceil((k.total - o.used)::float8 * k.free
                                        / greatest(k.total - coalesce(own.busy, 0), 1)))::integer
                ELSE 0 END AS stock
    FROM offers o
    LEFT JOIN country_stock k ON k.country = o.country AND k.operator = o.operator
    LEFT JOIN own ON own.service_id = o.service_id AND own.country = o.country AND own.operator = o.operator
    WHERE o.provider = 'inventory'
), written AS (
    UPDATE offers o SET stock = c.stock, updated_at = now()
    FROM counted c
    WHERE o.service_id = c.service_id AND o.country = c.country AND o.operator = c.operator AND o.provider = 'inventory'
      AND (abs(c.stock - c.before) > c.before / 50 OR (c.stock > 0) <> (c.before > 0))
    RETURNING (c.stock > 0) <> (c.before > 0) AS turned
)
SELECT count(*) FROM written WHERE turned
"""

# --- Delivery.

# Everything before the oldest open order is settled. The index answers it from its end.
SETTLED_TO: Final = """
SELECT least((SELECT min(created_at) FROM verifications WHERE status = 'pending'),
             (SELECT min(created_at) FROM verifications WHERE status = 'requesting'))
"""
# The first one from a moment on, so that empty time costs nothing.
NEXT_SETTLED: Final = """
SELECT least((SELECT min(created_at) FROM verifications WHERE status = 'completed' AND created_at >= $1),
             (SELECT min(created_at) FROM verifications WHERE status = 'cancelled' AND created_at >= $1),
             (SELECT min(created_at) FROM verifications WHERE status = 'expired' AND created_at >= $1))
"""
# Where to stop, so that one statement reads a bounded number of orders.
_FULL_AT: Final = """
(SELECT created_at FROM verifications WHERE status = '{status}' AND created_at >= $1 ORDER BY created_at OFFSET 50000 LIMIT 1)
"""
FULL_AT: Final = f"SELECT least({', '.join(_FULL_AT.format(status=s) for s in ('completed', 'cancelled', 'expired'))})"
# A cancel within the first minute is nobody's failure; without a number there was nothing to deliver to.
ROLL_UP: Final = f"""
INSERT INTO offer_hours AS h (service_id, country, operator, provider, hour, settled, delivered, seconds)
SELECT v.service_id, v.country, v.operator, v.provider, date_trunc('hour', v.created_at), count(*),
       count(*) FILTER (WHERE v.status = 'completed'),
       coalesce((array_agg(extract(epoch FROM v.code_received_at - v.pending_at)::real)
                 FILTER (WHERE v.status = 'completed'))[1:{SAMPLES}], '{{}}')
FROM verifications v
WHERE {_SETTLED} AND v.created_at >= $1 AND v.created_at < $2 AND v.livemode AND v.pending_at IS NOT NULL
  AND (v.status <> 'cancelled' OR v.settled_at - v.pending_at > interval '60 seconds')
GROUP BY 1, 2, 3, 4, 5
ON CONFLICT (service_id, country, operator, provider, hour) DO UPDATE SET settled = h.settled + excluded.settled,
    delivered = h.delivered + excluded.delivered, seconds = (h.seconds || excluded.seconds)[1:{SAMPLES}]
RETURNING service_id, country, operator, provider
"""
LEFT_WINDOW: Final = "SELECT DISTINCT service_id, country, operator, provider FROM offer_hours WHERE hour >= $1 AND hour < $2"
OWED: Final = """
SELECT DISTINCT service_id, country, operator, provider FROM offer_hours
WHERE service_id > $1 AND service_id <= $2 AND hour >= $3
UNION SELECT service_id, country, operator, provider FROM offers
WHERE service_id > $1 AND service_id <= $2 AND sample_size > 0
"""
LAST_SERVICE: Final = "SELECT coalesce(max(id), 0) FROM services"
FORGET: Final = "DELETE FROM offer_hours WHERE hour < $1"
FIGURES: Final = f"""
WITH touched AS (
    SELECT * FROM unnest($1::integer[], $2::text[], $3::text[], $4::text[]) AS g (service_id, country, operator, provider)
), hours AS MATERIALIZED (
    SELECT h.*
    FROM touched g
    JOIN offer_hours h ON h.service_id = g.service_id AND h.country = g.country AND h.operator = g.operator
        AND h.provider = g.provider AND h.hour >= $5
), sums AS (
    SELECT t.service_id, t.country, t.operator, t.provider, coalesce(sum(h.settled), 0) AS settled,
           coalesce(sum(h.delivered), 0) AS delivered
    FROM touched t LEFT JOIN hours h USING (service_id, country, operator, provider) GROUP BY 1, 2, 3, 4
), medians AS (
    SELECT service_id, country, operator, provider, percentile_cont(0.5) WITHIN GROUP (ORDER BY second) AS median
    FROM hours CROSS JOIN unnest(seconds) AS second GROUP BY 1, 2, 3, 4
)
INSERT INTO offers AS o (service_id, country, operator, provider, sample_size, delivered, median_seconds, stock)
SELECT n.service_id, n.country, n.operator, n.provider, n.settled, n.delivered, m.median,
       CASE WHEN n.provider = 'inventory' THEN {_STOCK_SO_FAR} ELSE 0 END
FROM sums n LEFT JOIN medians m USING (service_id, country, operator, provider)
ON CONFLICT (service_id, country, operator, provider) DO UPDATE SET sample_size = excluded.sample_size,
    delivered = excluded.delivered, median_seconds = excluded.median_seconds, updated_at = now()
"""


class Progress(msgspec.Struct, kw_only=True):
    """How far the job has come; kept in `schema_state`. `recounted` is the last service whose uses were counted anew.

    `owed_after` is set after an absence: the figures of the services after this one have still to be made anew.
    """

    used_to: datetime | None = None
    rolled_to: datetime
    window_from: datetime
    recounted: int = 0
    owed_after: int | None = None


class Refreshed(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did. `busy`: another worker was at it, nothing was done. `behind`: there is more to do at once."""

    busy: bool = False
    behind: bool = False
    offers: int = 0
    turned: int = 0


async def refresh_offers(db: Database, *, now: datetime | None = None) -> Refreshed:
    """Brings stock and delivery figures up to date; to be run about once a minute, by any number of workers.

    Signals the catalogue when something is in stock that was not, or the other way round. `now` is for tests.
    """
    async with db.transaction() as connection:
        if not await connection.fetchval(TRY_LOCK, LOCK_KEY):
            return Refreshed(busy=True)
        row = await connection.fetchrow(READ_STATE, STATE)
        moment = row["now"] if now is None else now
        if row["state"] is None:
            progress = Progress(rolled_to=moment - WINDOW, window_from=_hour(moment - WINDOW))
        else:
            progress = msgspec.json.decode(row["state"], type=Progress)
        behind = await _count_uses(connection, progress, moment - IN_FLIGHT)
        touched, more = await _roll_up(connection, progress, moment)
        touched |= await _leave_window(connection, progress, _hour(moment - WINDOW))
        if more:
            touched.clear()
            progress.owed_after = 0
        elif progress.owed_after is not None:
            touched |= await _owed(connection, progress)
        for chunk in _chunks(sorted(touched)):
            await connection.execute(FIGURES, *map(list, zip(*chunk, strict=True)), progress.window_from)
        # Last, because an offer that is new in this run has no stock yet.
        turned = await connection.fetchval(COUNT_NUMBERS) + await connection.fetchval(COUNT_STOCK)
        await connection.execute(WRITE_STATE, STATE, msgspec.json.encode(progress).decode())
        if turned:
            await connection.execute("SELECT catalogue_changed()")
    return Refreshed(behind=behind or more or progress.owed_after is not None, offers=len(touched), turned=turned)


_Key = tuple[int, str, str, str]


async def _count_uses(connection: Any, progress: Progress, to: datetime) -> bool:
    """Counts the numbers that were used since the last run; answers whether more are left."""
    if progress.used_to is None:
        progress.used_to = to
        # Once in a database's life, and as long as it takes: 3 s for 5,000,000 uses.
        await connection.execute(RECOUNT.format(one=""), to, timeout=600)
        return False
    begin = progress.used_to
    if to > begin:
        progress.used_to = min(to, begin + SLICE)
        await connection.execute(COUNT_NEW_USES, begin, progress.used_to)
    # One service a run, in turn: everything is set right within hours, and no run is long.
    service = await connection.fetchval(NEXT_SERVICE, progress.recounted)
    if service is not None:
        await connection.execute(RECOUNT.format(one=" AND u.service_id = $2"), progress.used_to, service)
        progress.recounted = service
    return progress.used_to < to


async def _roll_up(connection: Any, progress: Progress, moment: datetime) -> tuple[set[_Key], bool]:
    """Adds the orders that were settled since the last run to their hours; answers whose, and whether more are left.

    An hour that leaves the window while more are left is among those that are owed.
    """
    end = moment - IN_FLIGHT
    oldest_open = await connection.fetchval(SETTLED_TO)
    if oldest_open is not None:
        end = min(end, max(oldest_open, moment - LONGEST_OPEN))
    touched: set[_Key] = set()
    for _ in range(SLICES):
        begin = await connection.fetchval(NEXT_SETTLED, progress.rolled_to)
        if begin is None or begin >= end:
            progress.rolled_to = max(progress.rolled_to, end)
            return touched, False
        full_at = await connection.fetchval(FULL_AT, begin)
        stop = min(begin + SLICE, end)
        if full_at is not None:
            stop = min(stop, max(full_at, begin + timedelta(milliseconds=1)))
        touched |= {tuple(row) for row in await connection.fetch(ROLL_UP, begin, stop)}
        progress.rolled_to = stop
    return touched, True


async def _leave_window(connection: Any, progress: Progress, window_from: datetime) -> set[_Key]:
    """Once an hour: whose figures lose their oldest hour."""
    if window_from <= progress.window_from:
        return set()
    left = await connection.fetch(LEFT_WINDOW, progress.window_from, window_from)
    await connection.execute(FORGET, window_from - KEPT)
    progress.window_from = window_from
    return {tuple(row) for row in left}


async def _owed(connection: Any, progress: Progress) -> set[_Key]:
    """The next ones whose figures were left out while the roll-up was behind."""
    begin = progress.owed_after or 0
    owed = await connection.fetch(OWED, begin, begin + SERVICES, progress.window_from)
    last = await connection.fetchval(LAST_SERVICE)
    progress.owed_after = begin + SERVICES if begin + SERVICES < last else None
    return {tuple(row) for row in owed}


def _chunks(keys: list[_Key]) -> Iterator[list[_Key]]:
    for start in range(0, len(keys), CHUNK):
        yield keys[start : start + CHUNK]


def _hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)

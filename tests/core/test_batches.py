"""Clean-ups in steps: the pace follows the machine, and no step passes again over what the ones before left behind."""

import json

from namaskah.core.batches import AIM_SECONDS, LEAST, MOST, REST_SECONDS, RESTS, Pace, in_batches

_STEP = """
WITH old AS MATERIALIZED (SELECT ctid, at FROM things WHERE at >= $2::timestamptz AND at < now() - $3::text::interval ORDER BY at LIMIT $1
    FOR UPDATE SKIP LOCKED), gone AS (DELETE FROM things WHERE ctid = ANY (ARRAY(SELECT ctid FROM old)))
SELECT count(*), max(at) FROM old
"""


def test_a_slow_machine_gets_smaller_steps_and_longer_rests():
    pace = Pace()
    before = pace.size
    assert pace.observe(AIM_SECONDS * 10) == AIM_SECONDS * 10 * RESTS
    assert pace.size == before / 2
    for _ in range(20):
        pace.observe(1.0)
    assert pace.size == LEAST


def test_a_fast_one_gets_larger_steps_and_rests_all_the_same():
    pace = Pace()
    for _ in range(20):
        assert pace.observe(0.0001) == REST_SECONDS
    assert pace.size == MOST


async def test_all_that_is_old_goes_and_the_young_stay(database, db):
    await db.execute("CREATE TABLE things (at timestamptz); GRANT ALL ON things TO namaskah_app")
    await db.execute("INSERT INTO things SELECT now() - n * interval '1 hour' FROM generate_series(1, 5000) n")
    assert await in_batches(database, _STEP, "1000 hours 30 minutes") == 4000
    assert await in_batches(database, _STEP, "1000 hours 30 minutes") == 0
    assert await db.fetchval("SELECT count(*) FROM things") == 1000


async def test_many_rows_of_one_instant_are_more_than_a_step_and_go_too(database, db):
    await db.execute("CREATE TABLE things (at timestamptz); GRANT ALL ON things TO namaskah_app")
    await db.execute("INSERT INTO things SELECT '2020-01-01' FROM generate_series(1, 3000) n")
    assert await in_batches(database, _STEP, "1 day") == 3000


async def test_later_steps_read_no_more_than_the_first(db):
    await db.execute("CREATE TABLE things (at timestamptz); CREATE INDEX things_age ON things (at)")
    await db.execute("INSERT INTO things SELECT now() - n * interval '1 second' FROM generate_series(1, 20000) n")
    await db.execute("SET enable_seqscan = off")
    # Somebody's old snapshot keeps what is dead from being cleared away, and the index full of it.
    since, pages = await db.fetchval("SELECT '1970-01-01'::timestamptz"), []
    async with db.transaction(isolation="repeatable_read"):
        for _ in range(50):
            # EXPLAIN ANALYZE does what it explains.
            plan = json.loads(await db.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {_STEP}", 100, since, "1 s"))[0]["Plan"]
            since = await db.fetchval("SELECT min(at) FROM things")
            pages.append(plan["Shared Hit Blocks"])
    assert max(pages[1:]) < 2 * pages[0] + 100

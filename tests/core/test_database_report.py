"""The look into the database, on a real one: what is unused, missing, bloated and slow is named, and literals are not shown."""

import asyncpg
import pytest

from namaskah.core.database_report import examine, without_literals
from namaskah.core.index_worth import explained, worth

_MANY = """
CREATE TABLE parents (id integer PRIMARY KEY, name text);
CREATE TABLE children (id integer PRIMARY KEY, parent_id integer NOT NULL REFERENCES parents, word text);
INSERT INTO parents SELECT n, md5(n::text) FROM generate_series(1, 20000) n;
INSERT INTO children SELECT n, n, md5(n::text) FROM generate_series(1, 20000) n;
CREATE INDEX nobody_asks ON children (word);
"""


@pytest.fixture
async def many(db):
    """A parent and its children without an index, where rows were deleted and the whole was read."""
    await db.execute("SET stats_fetch_consistency = none")
    await db.execute(_MANY)
    await db.execute("DELETE FROM children WHERE id % 2 = 0")
    await db.execute("DELETE FROM parents WHERE id > 19990 AND id % 2 = 0")
    await db.fetchval("SELECT count(*) FROM children WHERE word LIKE 'x%'")
    await db.execute("ANALYZE parents, children; SELECT pg_stat_force_next_flush()")
    await db.execute("SELECT 1")
    return db


async def test_a_foreign_key_without_an_index_is_named_with_the_parents_that_were_deleted(many):
    found = {(one.table, one.columns): one for one in (await examine(many)).keys_without_index}
    assert found["children", "parent_id"].deletes == 5
    await many.execute("CREATE INDEX served ON children (parent_id)")
    assert ("children", "parent_id") not in {(one.table, one.columns) for one in (await examine(many)).keys_without_index}


async def test_an_index_that_nobody_asks_is_unused_and_one_that_keeps_rows_unique_is_not(many):
    await many.execute(
        "CREATE INDEX asked_later ON children (length(word), parent_id); CREATE UNIQUE INDEX a_guard ON children (word, id)"
    )
    unused = {one.name for one in (await examine(many)).unused}
    assert "asked_later" in unused
    assert "a_guard" not in unused
    await many.execute("SET enable_seqscan = off")
    await many.fetchval("SELECT count(*) FROM children WHERE length(word) = 31 AND parent_id = 7")
    await many.execute("SELECT pg_stat_force_next_flush()")
    await many.execute("SELECT 1")
    assert "asked_later" not in {one.name for one in (await examine(many)).unused}


async def test_a_large_table_that_is_read_whole_is_named(many):
    found = await examine(many, large_rows=5_000, large_bytes=100_000)
    assert "children" in {one.table for one in found.read_whole}
    assert "children" not in {one.table for one in (await examine(many, large_rows=50_000)).read_whole}


async def test_dead_rows_are_bloat_until_the_table_is_rewritten(many):
    before = {one.name: one for one in (await examine(many)).table_bloat}
    assert before["children"].dead == 10_000
    assert before["children"].share > 0.4
    assert before["parents"].share < 0.15
    await many.execute("VACUUM FULL children")
    await many.execute("ANALYZE children")
    after = {one.name: one for one in (await examine(many)).table_bloat}
    assert after["children"].share < 0.15


async def test_the_bloat_of_an_index_is_estimated_and_measured_where_that_is_possible(many):
    roughly = {one.name: one for one in (await examine(many, large_bytes=100_000)).index_bloat}
    assert (roughly["nobody_asks"].exact, roughly["nobody_asks"].share > 0.3) == (False, True)
    without = await examine(many, exact=True)
    assert any("pgstattuple" in note for note in without.notes)
    await many.execute("CREATE EXTENSION pgstattuple")
    await many.execute("VACUUM children")
    exactly = {one.name: one for one in (await examine(many, exact=True)).index_bloat}
    assert (exactly["nobody_asks"].exact, exactly["nobody_asks"].share > 0.3) == (True, True)
    await many.execute("REINDEX INDEX nobody_asks")
    again = {one.name: one for one in (await examine(many, exact=True)).index_bloat}
    assert again["nobody_asks"].share < 0.1


async def test_the_slowest_statements_are_shown_and_what_they_looked_for_is_not(many):
    for secret in ("+12025550177", "+12025550178"):
        await many.fetchval(f"SELECT count(*) AS looked_for_a_number FROM parents WHERE name = '{secret}'")
    slowest = (await examine(many, statements=1000)).slowest
    [one] = [found for found in slowest if "looked_for_a_number" in found.text]
    assert one.calls == 2
    assert one.total_ms >= one.worst_ms > 0
    assert not any("+1202555" in found.text for found in slowest)


async def test_without_the_right_to_see_statements_a_note_says_so(db):
    await db.execute("DROP EXTENSION pg_stat_statements")
    found = await examine(db)
    assert found.slowest == []
    assert any("shared_preload_libraries" in note for note in found.notes)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("SELECT 1 FROM t1 WHERE a = 'it''s' AND b = $1", "SELECT ? FROM t1 WHERE a = ? AND b = $1"),
        ("ALTER ROLE r PASSWORD E'x\\n'", "ALTER ROLE r PASSWORD ?"),
        ("DO $$ BEGIN RAISE 'x'; END $$", "DO ?"),
        ("-- the customer's line\nSELECT 12.5, x_2 /* 5 'a */ FROM t", "SELECT ?, x_2 FROM t"),
        ("SELECT '-- no comment', 7", "SELECT ?, ?"),
    ],
)
def test_literals_and_comments_are_left_out(written, shown):
    assert without_literals(written) == shown


_QUERY = "SELECT * FROM children WHERE word = 'x'"


@pytest.mark.parametrize("exact", [False, True])
async def test_an_index_is_worth_what_its_query_takes_without_it(many, exact):
    one = await worth(many, "nobody_asks", _QUERY, exact=exact)
    assert (one.there, one.used, one.way) == (True, True, "dropped" if exact else "hidden")
    assert one.without is not None
    assert one.without.indexes == []
    assert one.without.pages > one.with_it.pages
    assert await many.fetchval("SELECT indisvalid FROM pg_index WHERE indexrelid = 'nobody_asks'::regclass")
    assert (await worth(many, "nobody_asks", _QUERY)).used, "it serves again at once"


async def test_hiding_an_index_keeps_nobody_waiting_and_nobody_else_sees_it(many, database_url):
    other = await asyncpg.connect(database_url)
    try:
        transaction = other.transaction()
        await transaction.start()
        # Whoever writes to the table and whoever reads it hold locks that dropping would have to wait for.
        await other.execute("INSERT INTO children VALUES (70000, 1, 'y')")
        await other.execute("SET LOCAL enable_seqscan = off")
        assert (await worth(many, "nobody_asks", _QUERY)).without is not None
        assert (await worth(many, "nobody_asks", _QUERY, exact=True)).without is None, "the exact way gives up after 100 ms"
        await transaction.rollback()
    finally:
        await other.close()


async def test_where_hiding_is_not_allowed_the_planner_is_told_to_use_no_index(many):
    await many.execute("CREATE ROLE owner_of_little; GRANT SELECT ON children TO owner_of_little; SET ROLE owner_of_little")
    try:
        one = await worth(many, "nobody_asks", _QUERY)
    finally:
        await many.execute("RESET ROLE; DROP OWNED BY owner_of_little; DROP ROLE owner_of_little")
    assert (one.way, one.used) == ("switched off", True)
    assert one.without is not None
    assert one.without.indexes == []


async def test_a_query_that_takes_too_long_without_its_index_does_not_end_the_report(many):
    one = await worth(many, "nobody_asks", "SELECT pg_sleep(0.05) FROM children WHERE word = md5('1')", times=1, most_ms=20)
    assert one.without is None
    assert one.times_faster is None


async def test_an_index_that_is_not_there_is_said_to_be_missing(many):
    one = await worth(many, "no_such_index", _QUERY)
    assert (one.there, one.used) == (False, False)


async def test_the_history_as_it_is_asked_by_hand_goes_through_its_index(db):
    from namaskah.cli.db_report import BY_HAND

    plan = await explained(db, BY_HAND, avoid_reading_whole=True)
    assert "Index Scan using idx_verifications_user_created" in "\n".join(plan)

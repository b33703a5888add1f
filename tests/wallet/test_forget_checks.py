"""Old checks of the ledger go; those that found something, and the one that the next goes on from, stay."""

from namaskah.wallet.check import check
from namaskah.wallet.forget_checks import forget_checks

_CHECK = """
INSERT INTO ledger_checks (kind, checked_to, finished_at, ok, findings)
SELECT 'incremental', at, at, $2, '[]' FROM (SELECT now() - make_interval(days => $1) AS at) x
"""


async def test_the_newest_good_check_stays_however_old_it_is(database, db):
    for days in (50, 40):
        await db.execute(_CHECK, days, True)
    assert await forget_checks(database) == 1
    assert await forget_checks(database) == 0
    report = await check(database, full=False)
    assert report.checked_from.year > 1970


async def test_what_found_something_stays_and_so_does_what_is_young(database, db):
    for days, ok in ((60, False), (50, True), (20, True), (1, True)):
        await db.execute(_CHECK, days, ok)
    assert await forget_checks(database) == 1
    assert await db.fetchval("SELECT count(*) FROM ledger_checks WHERE NOT ok") == 1
    assert await db.fetchval("SELECT count(*) FROM ledger_checks") == 3

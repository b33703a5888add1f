"""Messages that nobody waited for are kept and counted."""

from namaskah.providers.inventory import list_sources
from tests.factories import buy, customer, own_numbers, sms


async def test_a_message_for_an_unknown_or_idle_number_is_kept_and_counted_for_its_source(database, db):
    source = await own_numbers(database)
    idle = await db.fetchval("SELECT e164 FROM numbers LIMIT 1")
    assert (await sms(database, "+12025550199", source=source)).outcome == "no_verification"
    assert (await sms(database, idle, source=source)).outcome == "no_verification"
    assert [(one.id, one.unclaimed) for one in await list_sources(database)] == [(source, 2)]
    assert await db.fetchval("SELECT count(*) FROM messages WHERE text_encrypted IS NOT NULL") == 2


async def test_a_message_that_found_its_verification_is_not_counted(database):
    source = await own_numbers(database, 1)
    who = await customer(database)
    await buy(database, who)
    number = await database.fetchval("SELECT e164 FROM numbers")
    assert (await sms(database, number, source=source)).outcome == "captured"
    assert [one.unclaimed for one in await list_sources(database)] == [0]

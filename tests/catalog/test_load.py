"""The shipped catalogue gets into the database, as often as one likes, and never undoes what an operator did."""

from typing import Any

import pytest

from namaskah.catalog import load
from namaskah.catalog.load import load_catalogue
from namaskah.catalog.open_service import open_service
from namaskah.catalog.read_data import BlockedSenderRow, read_services
from namaskah.catalog.set_price import set_price
from namaskah.catalog.stop_service import stop_service
from namaskah.core.db import Database
from namaskah.providers.sandbox import SANDBOX_SERVICES

OPERATOR = {"actor_id": "user_operator", "reason": "as agreed"}


async def load_as_if_changed(db: Database) -> None:
    """As a release with other files would load."""
    await db.execute("UPDATE schema_state SET value = 'of an older release' WHERE name = 'catalogue'")
    assert await load_catalogue(db, sandbox_services=SANDBOX_SERVICES)


async def test_everything_that_ships_is_in_the_database(filled: Database) -> None:
    services = await filled.fetchval("SELECT count(*) FROM services WHERE NOT sandbox")
    assert services == len(read_services())
    assert await filled.fetchval("SELECT count(*) FROM services WHERE sandbox") == len(SANDBOX_SERVICES)
    assert await filled.fetchval("SELECT count(*) FROM countries") == 249
    assert await filled.fetchval("SELECT count(*) FROM plans") == 5
    assert await filled.fetchval("SELECT count(*) FROM blocked_senders") > 150
    row = await filled.fetchrow("SELECT * FROM services WHERE slug = 'whatsapp'")
    assert (row["name"], row["base_price_micros"], row["popularity"], row["blocked"]) == ("WhatsApp", 1_200_000, 1, False)
    assert row["keywords"] == "wa|whats app|meta"


async def test_blocked_categories_are_blocked(filled: Database) -> None:
    blocked = await filled.fetch("SELECT DISTINCT category FROM services WHERE blocked")
    assert {row["category"] for row in blocked} == {"bank", "payments", "crypto", "government", "health"}


async def test_a_database_that_is_up_to_date_costs_one_query(filled: Database) -> None:
    class Counting:
        asked = 0

        async def fetchval(self, query: str, *args: Any) -> Any:
            self.asked += 1
            return await filled.fetchval(query, *args)

    counting = Counting()
    assert not await load_catalogue(counting, sandbox_services=SANDBOX_SERVICES)  # type: ignore[arg-type]
    assert counting.asked == 1


async def test_loading_again_changes_nothing(filled: Database) -> None:
    everything = "SELECT md5(string_agg(s::text, '' ORDER BY id)) FROM services s"
    before = await filled.fetchval(everything)
    await load_as_if_changed(filled)
    assert await filled.fetchval(everything) == before


async def test_a_newer_catalogue_brings_its_names_and_prices(filled: Database) -> None:
    await filled.execute("UPDATE services SET name = 'old', base_price_micros = 1, popularity = 9 WHERE slug = 'telegram'")
    await filled.execute("UPDATE countries SET price_factor_bp = 1 WHERE code = 'us'")
    await filled.execute("UPDATE plans SET discount_bp = 1 WHERE slug = 'pro'")
    await load_as_if_changed(filled)
    row = await filled.fetchrow("SELECT name, base_price_micros, popularity FROM services WHERE slug = 'telegram'")
    assert tuple(row) == ("Telegram", 1_400_000, 2)
    assert await filled.fetchval("SELECT price_factor_bp FROM countries WHERE code = 'us'") == 10_000
    assert await filled.fetchval("SELECT discount_bp FROM plans WHERE slug = 'pro'") == 800


async def test_what_an_operator_changed_stays(filled: Database) -> None:
    await open_service(filled, service="paypal", **OPERATOR)
    await stop_service(filled, service="whatsapp", **OPERATOR)
    await set_price(filled, service="telegram", price_micros=2_000_000, **OPERATOR)
    await set_price(filled, service="google", country="us", price_micros=3_000_000, **OPERATOR)
    await load_as_if_changed(filled)
    assert await filled.fetchval("SELECT blocked FROM services WHERE slug = 'paypal'") is False
    assert await filled.fetchval("SELECT stopped_at IS NOT NULL FROM services WHERE slug = 'whatsapp'") is True
    assert await filled.fetchval("SELECT base_price_micros FROM services WHERE slug = 'telegram'") == 2_000_000
    assert await filled.fetchval("SELECT price_micros FROM prices") == 3_000_000


async def test_a_withdrawn_sender_leaves_and_an_added_one_stays(filled: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    await filled.execute("INSERT INTO blocked_senders VALUES ('*OURS*', 'bank', 'added by an operator')")
    monkeypatch.setattr(load, "read_blocked_senders", lambda: (BlockedSenderRow("*BANK*", "bank", "still"),))
    assert await load_catalogue(filled, sandbox_services=SANDBOX_SERVICES)
    rows = await filled.fetch('SELECT pattern, reason FROM blocked_senders ORDER BY pattern COLLATE "C"')
    assert [tuple(row) for row in rows] == [("*BANK*", "still"), ("*OURS*", "added by an operator")]

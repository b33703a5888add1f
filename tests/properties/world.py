"""Where the state machine lives: one database for all its examples, an event loop beside it, and a clock of its own.

Each example begins ten days after the last one, with customers, services and numbers that nobody used before, so that
what earlier examples left behind plays no part.
"""

import asyncio
import itertools
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from namaskah.accounts.principal import Principal
from namaskah.core.db import Database
from namaskah.core.ids import new_id
from namaskah.wallet.check import QUESTIONS
from tests.factories import customer
from tests.properties.model import Account, Number, Plan

# Small enough to be met within an example.
TINY = Plan(max_open=3, max_hour=5, max_day=3_000_000)
ROOMY = Plan(max_open=1000, max_hour=10_000, max_day=25_000_000_000)
# What the test mode allows whatever the plan is.
TEST_MODE = Plan(max_open=1000, max_hour=100_000, max_day=10**12)
KEY_CAP = 2_000_000
_PLAN = "INSERT INTO plans VALUES ('tiny', 'Tiny', 0, 0, $1, $2, $3, 5, 0), ('roomy', 'Roomy', 0, 0, $4, $5, $6, 5, 0)"
_SERVICE = """
INSERT INTO services (slug, name, category, base_price_micros) VALUES ($1, $1, 'other', $2)
RETURNING (SELECT price_micros(services, c, '', 0) FROM countries c WHERE c.code = 'us')
"""
_KEY = """
INSERT INTO api_keys (id, user_id, livemode, name, hint, hash, daily_spend_cap_micros)
VALUES ($1, $2, true, 'capped', '', sha256(convert_to($1, 'UTF8')), $3)
"""
_NUMBER = "INSERT INTO numbers (e164, country, source_id) VALUES ($1, 'us', 'src_properties')"
# A hold whose deadline is over a minute ago is only wrong when the sweeper had its turn: that is asked after it has.
_DEADLINES = "a hold is resolved within a minute of its deadline"


def _all_questions(*, deadlines: bool) -> str:
    parts = [
        f"SELECT '{name}' AS name, q.a::text, q.b::text FROM ({question}) AS q (a, b)"
        for name, question in QUESTIONS
        if deadlines or name != _DEADLINES
    ]
    parts.append("SELECT 'no time', '', '' WHERE clock_timestamp() IS NULL")
    return " UNION ALL ".join(parts).replace("clock_timestamp()", "$2::timestamptz")


class World:
    """The database and its clock."""

    def __init__(self, url: str, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._count = itertools.count(1)
        self.database: Database = self.do(Database.open(url, max_size=4))
        self.owner: Any = self.do(asyncpg.connect(url))
        self.archivist: Database = self.do(Database.open(url, max_size=1, role=None))
        self.began = datetime(2001, 1, 1, 20, tzinfo=UTC)
        limits = [limit for plan in (TINY, ROOMY) for limit in (plan.max_open, plan.max_hour, plan.max_day)]
        self.do(self.owner.execute(_PLAN, *limits))
        self.do(self.owner.execute("INSERT INTO number_sources VALUES ('src_properties', 'properties', '')"))

    def close(self) -> None:
        """Leaves nothing open."""
        self.do(self.owner.close())
        self.do(self.archivist.close())
        self.do(self.database.close())

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Runs it on the loop and waits."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def next_epoch(self) -> datetime:
        """The beginning of the next example, at eight in the evening: midnight is near."""
        self.began += timedelta(days=10)
        self.do(self.owner.execute("UPDATE numbers SET retired_at = now() WHERE retired_at IS NULL"))
        return self.began

    def new_accounts(self) -> tuple[Account, Account, Account]:
        """One with tight limits and a capped key, one with room, and the first one's test wallet."""
        tight: Principal = self.do(customer(self.database, balance="0", plan="tiny"))
        roomy: Principal = self.do(customer(self.database, balance="0", plan="roomy"))
        key_id = new_id("key")
        self.do(self.owner.execute(_KEY, key_id, tight.user_id, KEY_CAP))
        return (
            Account(Principal(tight.user_id, True, key_id), TINY, key_cap=KEY_CAP),
            Account(roomy, ROOMY),
            Account(Principal(tight.user_id, False), TEST_MODE),
        )

    def new_service(self, base_price: int) -> tuple[str, int]:
        """A service that nobody has bought yet, and its price."""
        slug = f"service-{next(self._count)}"
        return slug, self.do(self.owner.fetchval(_SERVICE, slug, base_price))

    def new_numbers(self, count: int) -> list[Number]:
        """Numbers of our own, the only ones that are for sale."""
        found = [Number(f"+1202{next(self._count):07}") for _ in range(count)]
        self.do(self.owner.executemany(_NUMBER, [(number.e164,) for number in found]))
        return found

    def price_of(self, service: str) -> int:
        """What a service of the catalogue costs here."""
        question = "SELECT price_micros(s, c, '', 0) FROM services s, countries c WHERE s.slug = $1 AND c.code = 'us'"
        return int(self.do(self.owner.fetchval(question, service)))

    def violations(self, now: datetime, *, deadlines: bool) -> list[Any]:
        """The answers to every question of the ledger's check about this example; there should be none."""
        return list(self.do(self.owner.fetch(_all_questions(deadlines=deadlines), self.began, now)))

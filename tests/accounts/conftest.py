"""What the tests of accounts begin with: a plan, users, and key rings as several processes have them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from namaskah.accounts.keyring import KeyRing
from namaskah.accounts.sign_up import CURRENT_TERMS_VERSION, INSERT_USER
from namaskah.accounts.users import User, user_from
from namaskah.core.db import Database
from namaskah.core.ids import new_id
from namaskah.core.signals import Signals

NewUser = Callable[..., Awaitable[User]]
NewKeyRing = Callable[..., Awaitable[tuple[KeyRing, Signals]]]

# Five keys of each kind, whatever the product's own plans allow.
PLAN = """
INSERT INTO plans (slug, name, monthly_price_micros, discount_bp, max_concurrent, max_per_hour,
                   daily_spend_micros, api_keys, min_delivery_bp)
VALUES ('free', 'Free', 0, 0, 5, 60, 50000000, 5, 0) ON CONFLICT (slug) DO UPDATE SET api_keys = 5
"""


@pytest.fixture
async def database(database: Database, db: "asyncpg.Connection[asyncpg.Record]") -> Database:
    """The product's pool on a database that has the plan new users are on."""
    await db.execute(PLAN)
    return database


@pytest.fixture
def new_user(database: Database) -> NewUser:
    """Makes a user without the cost of a password; nobody can sign in as such a user."""

    async def make(email: str | None = None) -> User:
        user_id = new_id("user")
        address = email or f"{user_id}@example.com"
        return user_from(await database.fetchrow(INSERT_USER, user_id, address, None, CURRENT_TERMS_VERSION))

    return make


class CountingDatabase:
    """The real database, and how often a key ring asked it for a key."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.looked_up = 0

    async def fetchrow(self, query: str, *args: Any) -> Any:
        self.looked_up += 1
        row = await self._database.fetchrow(query, *args)
        await self.before_answering()
        return row

    async def before_answering(self) -> None:
        """A test may make the answer late here."""

    async def execute(self, query: str, *args: Any) -> str:
        return await self._database.execute(query, *args)


@pytest.fixture
def counting(database: Database) -> CountingDatabase:
    return CountingDatabase(database)


@pytest.fixture
async def new_keyring(counting: CountingDatabase, database_url: str) -> AsyncIterator[NewKeyRing]:
    """Makes a key ring with its own signals, as each process has, on the counting database or another."""
    made: list[tuple[KeyRing, Signals]] = []

    async def make(*, signals_url: str = database_url, database: Any = counting, **sizes: int) -> tuple[KeyRing, Signals]:
        signals = Signals(signals_url)
        keyring = KeyRing(database, signals, **sizes)
        await signals.start()
        await keyring.start()
        made.append((keyring, signals))
        return keyring, signals

    yield make
    for keyring, signals in made:
        await keyring.stop()
        await signals.stop()

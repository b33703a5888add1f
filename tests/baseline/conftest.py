"""An instance for the checks: the real platform, with a user who can sign in and has a test key."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from namaskah.accounts.api_keys import create
from namaskah.accounts.sign_up import CURRENT_TERMS_VERSION
from namaskah.baseline.checks.bed import Visitor
from namaskah.core.db import Database
from namaskah.wallet.register import register
from tests.baseline.broken import Running
from tests.baseline.faults import FAULTS
from tests.postgres import Databases

VISITOR = Visitor("checks@example.com", "a few calm words")


@dataclass(frozen=True)
class Instance:
    """Where it is, and the key."""

    url: str
    key: str


async def make_key(database_url: str, *, livemode: bool = False) -> str:
    """A user who can sign in, and a key of hers."""
    db = await Database.open(database_url, max_size=1)
    try:
        user = await register(db, email=VISITOR.email, password=VISITOR.password, terms_version=CURRENT_TERMS_VERSION)
        _, secret = await create(db, user_id=user.id, livemode=livemode, name="checks")
    finally:
        await db.close()
    return secret


@pytest.fixture(scope="module")
def instance(databases: Databases) -> Iterator[Instance]:
    """One platform for all tests of a file."""
    database_url = databases.take()
    key = asyncio.run(make_key(database_url))
    with Running(database_url, FAULTS) as running:
        yield Instance(running.url, key)
    databases.give_back(database_url)

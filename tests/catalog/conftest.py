"""A database with the shipped catalogue in it."""

from collections.abc import AsyncIterator

import pytest

from namaskah.catalog.load import load_catalogue
from namaskah.core.db import Database
from namaskah.core.signals import Signals
from namaskah.providers.sandbox import SANDBOX_SERVICES


@pytest.fixture
async def filled(database: Database) -> Database:
    """The product's pool, after the start of a new installation."""
    await load_catalogue(database, sandbox_services=SANDBOX_SERVICES)
    return database


@pytest.fixture
async def signals(database_url: str) -> AsyncIterator[Signals]:
    """This process's ear; a test subscribes (makes a Catalogue) before it starts it."""
    made = Signals(database_url)
    yield made
    await made.stop()

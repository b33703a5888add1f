"""Fixtures for every test: a database of its own, the product's pool on it; and no way out of this machine.

They are real: the database is a PostgreSQL that was migrated as a user's would be (see `tests/postgres.py`).
"""

import ipaddress
import socket
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

import asyncpg
import hypothesis
import pytest

from tests.postgres import Databases, TestRun

if TYPE_CHECKING:
    from namaskah.core.db import Database

# A deadline per example fails on a busy machine, not on slow code.
hypothesis.settings.register_profile("namaskah", deadline=None)
hypothesis.settings.load_profile("namaskah")

_RUN = pytest.StashKey[TestRun]()


def pytest_configure(config: pytest.Config) -> None:
    """The main process of the run, not its workers, keeps the folder and clears up."""
    if not hasattr(config, "workerinput"):
        config.stash[_RUN] = TestRun()


def pytest_unconfigure(config: pytest.Config) -> None:
    if _RUN in config.stash:
        config.stash[_RUN].end()


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """Where fresh databases come from, for tests that need more than one."""
    with Databases() as found:
        yield found


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """The URL of a migrated database that only this test uses, as its owner."""
    url = databases.take()
    yield url
    databases.give_back(url)


@pytest.fixture
def empty_database_url(databases: Databases) -> Iterator[str]:
    """The URL of a database without any tables that only this test uses."""
    url = databases.take(empty=True)
    yield url
    databases.give_back(url)


@pytest.fixture
async def db(database_url: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """A plain connection to this test's database, as its owner: to look at what the product did."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def database(database_url: str) -> "AsyncIterator[Database]":
    """The product's own pool on this test's database, with the restricted role that it has in production."""
    from namaskah.core.db import Database

    opened = await Database.open(database_url)
    yield opened
    await opened.close()


class OutsideSocketRefused(AssertionError):
    """A test tried to reach another machine; tests talk to servers that they start themselves."""


def _is_local(host: str) -> bool:
    if host in ("localhost", ""):
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


@pytest.fixture(scope="session", autouse=True)
def no_outside_sockets() -> Iterator[None]:
    """Refuses connections and name look-ups that leave this machine."""
    connect, connect_ex, getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def check(family: int, address: Any) -> None:
        if family in (socket.AF_INET, socket.AF_INET6) and not _is_local(str(address[0])):
            raise OutsideSocketRefused(f"connection to {address}")

    def guarded_connect(self: socket.socket, address: Any) -> None:
        check(self.family, address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        check(self.family, address)
        return connect_ex(self, address)

    def guarded_getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        # An address needs no look-up; connecting to it is refused above.
        if name is not None and not _is_local(name) and not _is_address(name):
            raise OutsideSocketRefused(f"look-up of {name}")
        return getaddrinfo(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
        patch.setattr(socket, "getaddrinfo", guarded_getaddrinfo)
        yield


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True

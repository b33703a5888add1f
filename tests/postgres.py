"""Real PostgreSQL for the tests: one server for a run, one migrated template, a fresh clone for each test.

The server is ours unless NAMASKAH_TEST_DATABASE_URL names one. The first test that asks starts it, in
whichever worker; it ends with the run, also when the run is killed.
"""

import asyncio
import contextlib
import itertools
import os
import subprocess
import tempfile
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from namaskah.core.embedded import EmbeddedPostgres

# Set by the run's main process and inherited by its workers.
RUN_FOLDER = "NAMASKAH_TEST_RUN_FOLDER"
GIVEN_SERVER = "NAMASKAH_TEST_DATABASE_URL"

# Waits for its standard input to end, which happens when the run ends in whatever way, and then clears up.
_CLEAR_UP = """
cat > /dev/null
pidfile="$1/postgres/cluster/postmaster.pid"
[ -f "$pidfile" ] && kill -INT "$(head -n 1 "$pidfile")" 2> /dev/null
for _ in 1 2 3 4 5 6 7 8 9 10; do [ -f "$pidfile" ] && sleep 0.5; done
rm -rf "$1"
"""


def with_database(url: str, name: str) -> str:
    """The same server's URL for another database."""
    # Not through urlunsplit, which drops the empty host that stands for a unix socket.
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/{name}" + (f"?{parts.query}" if parts.query else "")


def roomy_memory() -> str | None:
    """A folder in memory, where a clone takes 10 ms and not 100; None when it may be too small."""
    try:
        room = os.statvfs("/dev/shm")
    except OSError:
        return None
    return "/dev/shm" if room.f_bavail * room.f_frsize > 2**31 and os.access("/dev/shm", os.W_OK) else None


def prefix_of(run_folder: Path) -> str:
    """What the names of all databases of a run begin with."""
    return f"t_{run_folder.name.rpartition('-')[2].lower()}_"


async def drop_databases(url: str, prefix: str) -> None:
    """Drops what a run leaves on a server that is not ours: its template, and clones of ended tests."""
    connection = await asyncpg.connect(url)
    try:
        for row in await connection.fetch("SELECT datname FROM pg_database WHERE starts_with(datname, $1)", prefix):
            await connection.execute(f"DROP DATABASE IF EXISTS {row['datname']} WITH (FORCE)")
    finally:
        await connection.close()


class TestRun:
    """What the main process of a run keeps: a folder for the server, and somebody who clears it up."""

    __test__ = False

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="namaskah-tests-", dir=roomy_memory()))
        os.environ[RUN_FOLDER] = str(self.folder)
        self._janitor = subprocess.Popen(
            ["/bin/sh", "-c", _CLEAR_UP, "sh", str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def end(self) -> None:
        """Clears up and returns when nothing is left."""
        if given := os.environ.get(GIVEN_SERVER):
            asyncio.run(drop_databases(given, prefix_of(self.folder)))
        assert self._janitor.stdin is not None
        self._janitor.stdin.close()
        self._janitor.wait(timeout=30)
        del os.environ[RUN_FOLDER]


class Databases:
    """Fresh migrated databases, each for one test."""

    def __init__(self) -> None:
        self._run_folder = Path(os.environ[RUN_FOLDER])
        self._prefix = prefix_of(self._run_folder)
        self._template = f"{self._prefix}template"
        self._numbers = itertools.count(1)
        self._closing = contextlib.ExitStack()

    def __enter__(self) -> "Databases":
        with contextlib.ExitStack() as stack:
            self.server_url = os.environ.get(GIVEN_SERVER) or stack.enter_context(self._own_server()).url
            self._loop = stack.enter_context(loop_in_a_thread())
            self._admin: Any = self._wait(asyncpg.connect(with_database(self.server_url, "postgres")))
            stack.callback(lambda: self._wait(self._admin.close()))
            self._wait(self._prepare_template())
            self._closing = stack.pop_all()
        return self

    def __exit__(self, *_error: object) -> None:
        self._closing.close()

    def _own_server(self) -> EmbeddedPostgres:
        # Every worker enters it: the first starts the server, the last to leave stops it.
        return EmbeddedPostgres(self._run_folder / "postgres", fast_and_unsafe=True)

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=120)

    async def _prepare_template(self) -> None:
        # One worker makes it, the others wait here until it is there.
        await self._admin.execute("SELECT pg_advisory_lock(7021)")
        try:
            if not await self._admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", self._template):
                await self._make_template()
        finally:
            await self._admin.execute("SELECT pg_advisory_unlock(7021)")

    async def _make_template(self) -> None:
        from namaskah.prepare import prepare_database

        begun = f"{self._prefix}begun"
        await self._admin.execute(f"DROP DATABASE IF EXISTS {begun} WITH (FORCE)")
        await self._admin.execute(f"CREATE DATABASE {begun} TEMPLATE template0 ENCODING 'UTF8'")
        await prepare_database(with_database(self.server_url, begun))
        await self._admin.execute(f"ALTER DATABASE {begun} RENAME TO {self._template}")

    def take(self, *, empty: bool = False) -> str:
        """A database of one's own; `empty` is one that was never migrated."""
        name = f"{self._prefix}{os.getpid()}_{next(self._numbers)}"
        template = "template0" if empty else self._template
        # With fsync off copying files is faster than logging every page.
        self._wait(self._admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY"))
        return with_database(self.server_url, name)

    def give_back(self, url: str) -> None:
        """Drops the database, also when the test left connections open."""
        name = urlsplit(url).path.strip("/")
        self._wait(self._admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))


@contextlib.contextmanager
def loop_in_a_thread() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop that runs beside the test's, so that sync tests can use databases as well."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="databases")
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

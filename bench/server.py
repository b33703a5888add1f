"""The PostgreSQL that the benchmark runs on: its own, in a temporary folder, with fsync on; and databases in it.

Also tells how much processor time its processes have used, which is steadier than a clock on a busy machine.
"""

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg

from namaskah.core.embedded import EmbeddedPostgres
from namaskah.prepare import prepare_database

# A parameter of LOADING that is not in RUNNING goes back to PostgreSQL's default at the restart.
RUNNING = {
    "shared_buffers": "1GB", "track_commit_timestamp": "on", "max_wal_size": "8GB", "checkpoint_timeout": "30min", "huge_pages": "try",
}  # fmt: skip
# While tables are filled: whatever would be lost in a crash is then simply made again.
LOADING = RUNNING | {
    "fsync": "off", "full_page_writes": "off", "wal_level": "minimal", "max_wal_senders": "0", "autovacuum": "off",
    "maintenance_work_mem": "2GB", "max_wal_size": "16GB", "max_parallel_maintenance_workers": "2",
}  # fmt: skip
_TICKS = os.sysconf("SC_CLK_TCK")


class NoRoom(Exception):
    """The disk is too small for what is asked."""


class Server:
    """One PostgreSQL and its databases. Times are seconds of processor time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._postgres = EmbeddedPostgres(folder / "postgres", settings=RUNNING)
        self._url = self._postgres.start()

    def restart(self, settings: dict[str, str]) -> None:
        """Starts it anew with other settings; everything is written out before."""
        self._postgres.stop()
        os.sync()
        self._postgres = EmbeddedPostgres(self.folder / "postgres", settings=settings)
        self._url = self._postgres.start()

    def stop(self) -> None:
        """Ends it."""
        self._postgres.stop()

    @property
    def version(self) -> str:
        """The major version of the programs."""
        return (self.folder / "postgres" / "cluster" / "PG_VERSION").read_text().strip()

    @property
    def pgbench(self) -> Path:
        """The program that measures PostgreSQL itself."""
        return self._postgres.bindir / "pgbench"

    def url(self, database: str) -> str:
        """A database's URL, over the unix socket."""
        return self._url.replace("@/namaskah?", f"@/{database}?")

    @contextlib.asynccontextmanager
    async def connect(self, database: str) -> AsyncIterator[Any]:
        """A connection as the database's owner."""
        connection = await asyncpg.connect(self.url(database), server_settings={"timezone": "UTC"}, timeout=10)
        try:
            yield connection
        finally:
            await connection.close()

    async def create(self, database: str, *, like: str = "template0") -> str:
        """A new database; from template0 it is migrated and has the catalogue, else it is a copy. Answers its URL."""
        async with self.connect("postgres") as connection:
            await connection.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
            await connection.execute(f"CREATE DATABASE {database} TEMPLATE {like} STRATEGY FILE_COPY")
        if like == "template0":
            await prepare_database(self.url(database))
        return self.url(database)

    async def drop(self, database: str) -> None:
        """Removes a database, whoever still uses it."""
        async with self.connect("postgres") as connection:
            await connection.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    async def settle(self, database: str) -> None:
        """VACUUM ANALYZE and a checkpoint, so that what is measured next does not pay for what was before."""
        async with self.connect(database) as connection:
            await connection.execute("VACUUM (ANALYZE)")
            await connection.execute("CHECKPOINT")

    def processes(self) -> list[int]:
        """The numbers of the server's processes in the system, the first one's first."""
        postmaster = self._postgres.pid
        assert postmaster is not None
        children = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _parent(entry) == postmaster]
        return [postmaster, *children]

    def processor_seconds(self) -> float:
        """What the server's processes have used so far, the ended ones included."""
        total = 0.0
        for place, pid in enumerate(self.processes()):
            with contextlib.suppress(OSError):
                fields = _stat(Path(f"/proc/{pid}"))
                total += int(fields[11]) + int(fields[12])
                if place == 0:
                    # Those that have ended are counted with the one that started them.
                    total += int(fields[13]) + int(fields[14])
        return total / _TICKS


def _stat(entry: Path) -> list[str]:
    """The fields of a process's line from its state on."""
    return (entry / "stat").read_text().rpartition(")")[2].split()


def _parent(entry: Path) -> int | None:
    with contextlib.suppress(OSError):
        return int(_stat(entry)[1])
    return None


@contextlib.contextmanager
def server() -> Iterator[Server]:
    """A fresh server that is removed at the end. NAMASKAH_BENCH_DIR chooses where its folder is made."""
    with tempfile.TemporaryDirectory(prefix="namaskah-bench-", dir=os.environ.get("NAMASKAH_BENCH_DIR")) as folder:
        started = Server(Path(folder))
        try:
            yield started
        finally:
            started.stop()


def check_room(folder: Path, needed_bytes: float) -> None:
    """Raises NoRoom before anything is written."""
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise NoRoom(
            f"About {needed_bytes / 1e9:.0f} GB are needed in {folder} and {free / 1e9:.0f} GB are free; "
            "set NAMASKAH_BENCH_DIR to a larger disk, or SCALE to less."
        )


def run(work: Any) -> Any:
    """asyncio.run with the event loop that the product uses."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)

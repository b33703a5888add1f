"""Where the virtual users play: a PostgreSQL of its own with fsync, generated customers with passwords, web processes, the
worker; and what all of these use meanwhile. An instance that runs already can take its place (`Elsewhere`).
"""

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from bench.data import BYTES_A_VERIFICATION, SOURCE_ID, SOURCE_SECRET, load
from bench.server import LOADING, RUNNING, Server, check_room, run, server
from bench.users import SANDBOX, Account, Orders, Stretch
from bench.web import Process, get, web, worker
from namaskah.accounts.passwords import hash_password

DATABASE = "load"
PASSWORD = "a long sentence for the load test"
# Services that are bought, of the 1,800 that are listed.
BOUGHT = 200
WARM_UP = 20
SLOW_MS = 50
_FILL_POOLS = "SELECT sum(number_pool_refill(id, 'us', true, 2000, clock_timestamp())) FROM services WHERE slug LIKE 'bench-%' AND popularity <= $1"
# The product's own statements alone: those of its restricted role.
_STATEMENTS = """
SELECT regexp_replace(left(s.query, 90), '\\s+', ' ', 'g') AS query, s.calls, s.total_exec_time AS total_ms, s.mean_exec_time AS mean_ms,
       s.max_exec_time AS max_ms
FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid JOIN pg_database d ON d.oid = s.dbid
WHERE d.datname = current_database() AND r.rolname = 'namaskah_app' ORDER BY s.total_exec_time DESC
"""
# Every user comes from an address of its own; slow statements are counted and need not be told one by one.
_MORE = {"FORWARDED_ALLOW_IPS": "127.0.0.1", "LOG_LEVEL": "ERROR"}
_SAMPLE = re.compile(
    r'^namaskah_db_statement_duration_seconds_(count|sum|bucket)\{(?:le="0\.05",)?statement="([^"]+)"(?:,le="0\.05")?\} (\S+)$',
    re.MULTILINE,
)


class Statement(msgspec.Struct, frozen=True):
    """A kind of statement and what it took, in milliseconds."""

    query: str
    calls: int
    total_ms: float
    mean_ms: float
    max_ms: float


class StatementTimes(msgspec.Struct):
    """How many statements of a name there were, their seconds, and how many took at most 50 ms."""

    count: float = 0.0
    seconds: float = 0.0
    quick: float = 0.0


class Usage(msgspec.Struct):
    """Processor seconds, by who used them; `machine` is all that anybody used."""

    web: float
    worker: float
    postgres: float
    machine: float

    def since(self, before: "Usage", seconds: float) -> dict[str, float]:
        """Shares of one core."""
        names = ("web", "worker", "postgres", "machine")
        return {name: round((getattr(self, name) - getattr(before, name)) / seconds, 4) for name in names}


class Stage:
    """The running platform."""

    def __init__(self, ours: Server, users: int) -> None:
        self.server = ours
        self.url = ours.url(DATABASE)
        self.web: list[Process] = []
        self.worker: Process | None = None
        self._users = users
        self.keys: list[str] = []

    def prepare(self, verifications: int) -> None:
        """Loads the data; the customers that sign in get a password, the services that are bought their numbers."""

        async def work() -> None:
            await self.server.create(DATABASE)
            loaded = await load(self.server, DATABASE, verifications=verifications)
            self.keys = loaded.keys
            hashed = await hash_password(PASSWORD)
            async with self.server.connect(DATABASE) as connection:
                await connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
                await connection.execute(
                    "UPDATE users SET password_hash = $1 WHERE id = ANY ($2)",
                    hashed,
                    [f"user_{n + 1}" for n in range(self._users)],
                )

        self.server.restart(LOADING)
        run(work())
        self.server.restart(RUNNING | {"log_min_duration_statement": str(SLOW_MS)})
        self.execute(_FILL_POOLS, 100_000 + BOUGHT)
        run(self.server.settle(DATABASE))

    @contextlib.contextmanager
    def running(self, processes: int) -> Iterator[None]:
        """Web processes and the worker, as many as asked for."""
        with web(self.url, processes=processes, more=_MORE) as self.web, worker(self.url, more=_MORE) as self.worker:
            # Connections, plans and caches of the first requests are not what is measured.
            play(self.orders(users=WARM_UP, think=0.0, seconds=3, sign_ins_a_second=10))
            yield
        self.web, self.worker = [], None

    def orders(self, *, users: int, think: float, seconds: float, sign_ins_a_second: float, stretch: float = 10.0) -> Orders:
        """Users with their own customers, on real money and numbers of our own."""
        accounts = [Account(f"user{n + 1}@example.com", PASSWORD, self.keys[n]) for n in range(min(users, self._users))]
        return Orders(
            urls=[f"http://127.0.0.1:{process.port}" for process in self.web], accounts=accounts, users=users,
            sign_ins_a_second=sign_ins_a_second, seconds=seconds, think=think, purchases_a_session=4 if think else 0,
            services=[f"bench-{n + 1}" for n in range(BOUGHT)], source_id=SOURCE_ID, source_secret=SOURCE_SECRET, own_addresses=True,
            stretch=stretch,
        )  # fmt: skip

    def statement_times(self) -> dict[str, StatementTimes]:
        """The statements of the web processes as these have seen them, by name; a histogram of their own."""
        found: dict[str, StatementTimes] = {}
        for process in self.web:
            add_statement_times(get(process.port, "/metrics").decode(), found)
        return found

    def usage(self) -> Usage:
        """What the processes have used so far."""
        own = self.worker.processor_seconds() if self.worker else 0.0
        web_seconds = sum(process.processor_seconds() for process in self.web)
        return Usage(web_seconds, own, self.server.processor_seconds(), machine_seconds())

    def execute(self, statement: str, *arguments: Any) -> Any:
        """Runs one statement as the owner; answers its rows."""

        async def work() -> Any:
            async with self.server.connect(DATABASE) as connection:
                return await connection.fetch(statement, *arguments, timeout=600)

        return run(work())

    def forget_statements(self) -> None:
        """What statements took is counted from now on."""
        self.execute("SELECT pg_stat_statements_reset()")
        self._log_begin = self._log().stat().st_size

    def statements(self) -> list[Statement]:
        """What the product's statements took since then, the dearest first."""
        return [Statement(**dict(row)) for row in self.execute(_STATEMENTS)]

    def slow_statements(self) -> list[float]:
        """The milliseconds of those that took over 50, whoever ran them."""
        with self._log().open("rb") as log:
            log.seek(self._log_begin)
            return [float(line.split(b"duration: ")[1].split()[0]) for line in log if b"duration: " in line]

    def ledger_findings(self) -> list[str]:
        """What the full check of the ledger finds; nothing, if all is well."""
        from namaskah.core.db import Database
        from namaskah.wallet.check import check

        async def work() -> list[str]:
            database = await Database.open(self.url, max_size=2)
            try:
                return [str(finding) for finding in (await check(database, full=True)).findings]
            finally:
                await database.close()

        found: list[str] = run(work())
        return found

    def _log(self) -> Path:
        return Path(self.server.folder) / "postgres" / "server.log"


class Elsewhere:
    """An instance that runs already: test mode only, on the sandbox's services, with one account."""

    def __init__(self, url: str, account: Account) -> None:
        self._url = url.rstrip("/")
        self._account = account

    def orders(self, *, users: int, think: float, seconds: float, sign_ins_a_second: float, stretch: float = 10.0) -> Orders:
        """Users who share the account. Raises ValueError when its key could move real money."""
        if not self._account.key.startswith("nmk_test_"):
            raise ValueError("an instance that runs already is only asked with a test key (nmk_test_...)")
        return Orders(
            urls=[self._url], accounts=[self._account], users=users, sign_ins_a_second=sign_ins_a_second, seconds=seconds, think=think,
            purchases_a_session=4 if think else 0, services=list(SANDBOX), stretch=stretch,
        )  # fmt: skip


def machine_seconds() -> float:
    """Processor seconds of all cores that were not idle, since the machine began."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    # Idle and waiting for the disk are the fourth and fifth.
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def add_statement_times(exposition: str, found: dict[str, StatementTimes]) -> None:
    """Adds what the text of /metrics says of statements."""
    for kind, statement, value in _SAMPLE.findall(exposition):
        times = found.setdefault(statement, StatementTimes())
        if kind == "count":
            times.count += float(value)
        elif kind == "sum":
            times.seconds += float(value)
        else:
            times.quick += float(value)


@contextlib.contextmanager
def stage(*, verifications: int, users: int = 1_000) -> Iterator[Stage]:
    """A platform with its data; nothing of it is left at the end."""
    with server() as ours:
        check_room(Path(ours.folder), (verifications + 60_000) * BYTES_A_VERIFICATION * 1.3 + 2e9)
        made = Stage(ours, users)
        made.prepare(verifications)
        yield made


def play(orders: Orders, on_stretch: Callable[[Stretch], None] = lambda _stretch: None) -> list[Stretch]:
    """Lets a generator, a process of its own, play the orders. Raises RuntimeError when it breaks off."""
    longest = orders.seconds + orders.users / orders.sign_ins_a_second + 120
    begun = time.monotonic()
    child = subprocess.Popen([sys.executable, "-m", "bench.users"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None and child.stdout is not None
    found = []
    try:
        child.stdin.write(msgspec.json.encode(orders))
        child.stdin.close()
        for line in child.stdout:
            found.append(msgspec.json.decode(line, type=Stretch))
            on_stretch(found[-1])
            if time.monotonic() - begun > longest:
                raise RuntimeError("the load generator did not end in time")
        if child.wait(20) != 0 or not found or not found[-1].last:
            raise RuntimeError(f"the load generator failed with {child.returncode}; see above")
    finally:
        child.stdout.close()
        if child.poll() is None:
            child.terminate()
            child.wait(10)
    return found

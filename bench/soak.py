"""`python -m bench.soak --minutes 30`: a constant, moderate mix for a long time. Every ten seconds it notes memory, connections,
descriptors, latency and the tables; at the end it judges by slope whether anything grows, and proves the ledger.

Writes bench/results/soak.json. The first fifth is warming up and is not judged.
"""

import argparse
import sys
import time
from itertools import combinations
from pathlib import Path
from statistics import median

import msgspec
from rich.console import Console
from rich.table import Table

from bench.figures import RESULTS
from bench.server import NoRoom
from bench.stage import Stage, play, stage
from bench.steps import Level, place, print_level, summed
from bench.users import Orders, Stretch

MOST_MINUTES = 180.0
TABLES = (
    "verifications",
    "transactions",
    "entries",
    "hold_resolutions",
    "messages",
    "events",
    "number_uses",
    "wallets",
    "sessions",
    "jobs",
)
_TABLES = """
SELECT relname AS name, pg_total_relation_size(relid) AS bytes, n_live_tup AS live, n_dead_tup AS dead
FROM pg_stat_user_tables WHERE relname = ANY ($1)
"""
_WAL = "SELECT (pg_current_wal_lsn() - '0/0'::pg_lsn)::float8 AS bytes"
_CONNECTIONS = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
# PostgreSQL's own processes remember plans and tables, each for itself, which takes the seldom used ones a while.
# What grows by less than this over the whole run does not grow: share of its median, and absolutely.
LIMITS: dict[str, tuple[float, float]] = {
    "web_mb": (0.02, 2.0), "worker_mb": (0.02, 2.0), "postgres_mb": (0.1, 10.0), "connections": (0.0, 2.0), "files": (0.02, 4.0),
    "p50_ms": (0.25, 2.0), "p99_ms": (0.5, 15.0),
}  # fmt: skip


class Moment(msgspec.Struct, kw_only=True):
    """One look: seconds since the beginning, megabytes (a process's own memory; PostgreSQL's without shared buffers)."""

    at: float
    web_mb: float
    worker_mb: float
    postgres_mb: float
    connections: float
    files: float
    p50_ms: float
    p99_ms: float
    purchases: int
    failures: int
    wal_bytes: float
    tables: dict[str, dict[str, int]]


class Verdict(msgspec.Struct, frozen=True):
    """How much a figure grew over the judged time, by its robust slope, and what it might have grown."""

    figure: str
    median: float
    growth: float
    limit: float
    an_hour: float
    holds: bool


class Soak(msgspec.Struct):
    """What is written to soak.json."""

    minutes: float
    users: int
    verdicts: list[Verdict]
    level: Level
    bytes_a_purchase: dict[str, float]
    ledger: list[str]
    moments: list[Moment]

    @property
    def holds(self) -> bool:
        """Whether nothing grew, nothing failed beyond the target and the ledger is clean."""
        return all(verdict.holds for verdict in self.verdicts) and not self.ledger and self.level.errors < 0.005


def slope(points: list[tuple[float, float]]) -> float:
    """The median of the slopes between all pairs (Theil and Sen): a few outliers do not move it. 0 for fewer than two."""
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(points, 2) if b[0] != a[0]]
    return median(slopes) if slopes else 0.0


def judged(moments: list[Moment]) -> list[Verdict]:
    """Every figure with a limit, over all but the first fifth of the time."""
    if not moments:
        return []
    kept = [moment for moment in moments if moment.at >= moments[-1].at / 5]
    seconds = kept[-1].at - kept[0].at
    found = []
    for figure, (share, least) in LIMITS.items():
        points = [(moment.at, float(getattr(moment, figure))) for moment in kept]
        middle = median(value for _, value in points)
        rise = slope(points)
        limit = max(share * middle, least)
        found.append(
            Verdict(
                figure,
                round(middle, 2),
                round(rise * seconds, 3),
                round(limit, 2),
                round(rise * 3600, 2),
                rise * seconds <= limit,
            )
        )
    return found


class _Watch:
    """Takes a look whenever the generator has told of a stretch."""

    def __init__(self, made: Stage, console: Console) -> None:
        self.moments: list[Moment] = []
        self._made = made
        self._console = console

    def look(self, stretch: Stretch) -> None:
        made = self._made
        times = sorted(one for name, took in stretch.took.items() if name not in ("sign in", "webhook") for one in took)
        tables = {
            row["name"]: {"bytes": row["bytes"], "live": row["live"], "dead": row["dead"]}
            for row in made.execute(_TABLES, list(TABLES))
        }
        assert made.worker is not None
        moment = Moment(
            at=round(stretch.at, 1), web_mb=round(sum(process.memory_bytes() for process in made.web) / 1e6, 2),
            worker_mb=round(made.worker.memory_bytes() / 1e6, 2), postgres_mb=round(_postgres_bytes(made) / 1e6, 2),
            connections=made.execute(_CONNECTIONS)[0]["n"], files=sum(process.open_files() for process in made.web) + made.worker.open_files(),
            p50_ms=round(place(times, 0.5), 2), p99_ms=round(place(times, 0.99), 2), purchases=len(stretch.took.get("buy", ())),
            failures=sum(sum(reasons.values()) for reasons in stretch.failed.values()),
            wal_bytes=made.execute(_WAL)[0]["bytes"], tables=tables,
        )  # fmt: skip
        # The last stretch is the end of the run, in which the users leave.
        if stretch.steady and not stretch.last:
            self.moments.append(moment)
        dead = sum(table["dead"] for table in tables.values())
        self._console.print(
            f"{moment.at:6.0f} s  web {moment.web_mb:.1f} MB, worker {moment.worker_mb:.1f} MB, postgres {moment.postgres_mb:.1f} MB, connections"
            f" {moment.connections:.0f}, files {moment.files:.0f}, p50 {moment.p50_ms:.1f} ms, p99 {moment.p99_ms:.1f} ms, dead rows {dead:,},"
            f" failures {moment.failures}"
        )


def _postgres_bytes(made: Stage) -> int:
    """What PostgreSQL's processes hold beside their shared memory."""
    found = 0
    for pid in made.server.processes():
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        found += next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("RssAnon")), 0)
    return found


def soak(made: Stage, *, users: int, minutes: float, console: Console) -> Soak:
    """Plays the mix on the running stage."""
    orders: Orders = made.orders(users=users, think=5.0, seconds=minutes * 60, sign_ins_a_second=min(20.0, users / 15))
    watch = _Watch(made, console)
    stretches = play(orders, watch.look)
    level = summed(stretches, users=users, think=5.0)
    first, last = watch.moments[0], watch.moments[-1]
    bought = sum(moment.purchases for moment in watch.moments[1:]) or 1
    # Whole pages that are written again after a checkpoint included, so that a long run says less than a short one.
    wal = round((last.wal_bytes - first.wal_bytes) / bought)
    grown = {name: round((last.tables[name]["bytes"] - first.tables[name]["bytes"]) / bought, 1) for name in last.tables}
    return Soak(minutes, users, judged(watch.moments), level, grown | {"wal": float(wal)}, made.ledger_findings(), watch.moments)


def print_soak(found: Soak, console: Console) -> None:
    """The verdicts for people."""
    print_level(found.level, console)
    table = Table(title=f"soak of {found.minutes:g} minutes, {found.users} users", title_justify="left", header_style="bold")
    for name in ("figure", "median", "growth", "allowed", "an hour", "holds"):
        table.add_column(name, justify="left" if name == "figure" else "right")
    for verdict in found.verdicts:
        values = (f"{value:,.2f}" for value in (verdict.median, verdict.growth, verdict.limit, verdict.an_hour))
        table.add_row(verdict.figure, *values, "[green]yes" if verdict.holds else "[red]NO")
    console.print(table)
    console.print(
        "bytes a purchase: " + ", ".join(f"{name} {size:,.0f}" for name, size in found.bytes_a_purchase.items() if size)
    )
    console.print("ledger: " + ("; ".join(found.ledger) or "clean"))


def main() -> int:
    """Runs it; 1 when something grows, fails or does not add up."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help=f"at most {MOST_MINUTES:.0f} (default 30)")
    parser.add_argument("--users", type=int, default=300, help="1 to 1,000 (default 300: about 17 purchases a second)")
    options = parser.parse_args()
    if not 0.5 <= options.minutes <= MOST_MINUTES or not 1 <= options.users <= 1_000:
        parser.error(f"--minutes must be between 0.5 and {MOST_MINUTES:.0f}, --users between 1 and 1,000")
    console = Console(width=None if sys.stdout.isatty() else 180)
    begun = time.monotonic()
    try:
        with stage(verifications=100_000, users=options.users) as made, made.running(2):
            found = soak(made, users=options.users, minutes=options.minutes, console=console)
    except NoRoom as error:
        print(error, file=sys.stderr)
        return 2
    path = RESULTS.with_name("soak.json")
    path.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    print_soak(found, console)
    console.print(
        f"{'holds' if found.holds else 'does NOT hold'}; {(time.monotonic() - begun) / 60:.1f} minutes in all; written to bench/results/{path.name}"
    )
    return 0 if found.holds else 1


if __name__ == "__main__":
    sys.exit(main())

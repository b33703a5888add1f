"""`python -m bench`: prints the table and writes bench/results/latest.json. SCALE sets the large data set's size
(default 300,000; 10,000,000 takes about half an hour and 50 GB), ROWS=start,reads the rows to measure."""

import importlib
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from bench.context import Bench
from bench.data import BYTES_A_VERIFICATION, Dataset, load
from bench.figures import RESULTS, Figure, print_table, write_json
from bench.server import LOADING, RUNNING, NoRoom, Server, check_room, run, server

ROWS = (
    "start",
    "reads",
    "balance",
    "cache",
    "tracing",
    "allocation",
    "push",
    "streams",
    "scale",
    "indexes",
    "ledger",
    "deadlines",
    "extraction",
    "growth",
)
# Those that need the large data set.
LARGE = frozenset({"scale", "indexes", "deadlines", "ledger", "growth"})
SMALL = 10_000
OPEN = 100_000


def main() -> int:
    """Measures all rows; 1 when a target is missed."""
    if len(sys.argv) > 1:
        print(f"{__doc__}\n\nIt takes no arguments. Rows: {', '.join(ROWS)}.", file=sys.stderr)
        return 0 if sys.argv[1:] in (["-h"], ["--help"]) else 2
    scale = int(os.environ.get("SCALE", "300000").replace("_", ""))
    wanted = [row for row in os.environ.get("ROWS", ",".join(ROWS)).split(",") if row]
    if unknown := set(wanted) - set(ROWS):
        print(f"unknown rows: {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}", file=sys.stderr)
        return 2
    console = Console(width=None if sys.stdout.isatty() else 200)
    started = time.monotonic()
    figures: list[Figure] = []
    try:
        with server() as ours, _progress(console) as progress:
            bench = _prepare(ours, scale if LARGE & set(wanted) else 0, progress)
            task = progress.add_task("rows", total=len(wanted))
            for row in wanted:
                progress.update(task, description=row)
                figures += _measured(row, bench)
                progress.advance(task)
            version = ours.version
    except NoRoom as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        # What a part of the rows says must not pass for the whole.
        results = RESULTS if wanted == list(ROWS) else RESULTS.with_name("some-rows.json")
        if figures:
            write_json(figures, results)
    print_table(figures, console)
    busy = os.getloadavg()[1]
    console.print(
        f"PostgreSQL {version} with fsync on, {os.cpu_count()} cores, load generators included, load average of 5 minutes {busy:.1f},"
        f" {time.monotonic() - started:.0f} seconds; written to bench/results/{results.name}"
    )
    return 0 if all(figure.holds for figure in figures) else 1


def _measured(row: str, bench: Bench) -> list[Figure]:
    """The row's figures; one that cannot be measured is a miss, and no reason to leave the others out."""
    try:
        return list(importlib.import_module(f"bench.rows.{row}").measure(bench))
    except Exception as error:
        bench.say("".join(traceback.format_exception(error)))
        return [
            Figure(row=f"{row} could not be measured: {type(error).__name__}", value=0.0, unit="", target="measured", holds=False)
        ]


def _prepare(ours: Server, scale: int, progress: Progress) -> Bench:
    """Loads the data sets into a server that may lose them, then starts it as it runs in earnest."""
    check_room(Path(ours.folder), (scale + 60_000) * BYTES_A_VERIFICATION * 1.3 + 2e9)
    ours.restart(LOADING)
    task = progress.add_task("data", total=1)
    small = _load(ours, "small", SMALL, 0, progress, task)
    large = small
    if scale:
        large = _load(ours, "large", scale, min(OPEN, scale // 2), progress, task)
    ours.restart(RUNNING)
    progress.remove_task(task)
    return Bench(server=ours, small=small, large=large, say=progress.console.print)


def _load(ours: Server, database: str, verifications: int, open_orders: int, progress: Progress, task: TaskID) -> Dataset:
    async def work() -> Dataset:
        await ours.create(database)
        return await load(
            ours, database, verifications=verifications, open_orders=open_orders, progress=_shown(progress, task, database)
        )

    loaded: Dataset = run(work())
    progress.console.print(f"{database}: {verifications:,} verifications and what belongs to them in {loaded.seconds:.0f} s")
    return loaded


def _shown(progress: Progress, task: TaskID, database: str) -> Callable[[str, int, int], None]:
    def show(what: str, done: int, total: int) -> None:
        progress.update(task, description=f"{database}: {what}", completed=done, total=total)

    return show


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, disable=not sys.stdout.isatty(), transient=True)


if __name__ == "__main__":
    sys.exit(main())

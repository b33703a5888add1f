"""`python -m bench.load`: virtual users on the real flow, in levels; prints a table for each and writes
bench/results/load.json, and load.md with the tables of docs/performance.md (load-some.* with --users, load-elsewhere.* with --url).

Without --url it starts its own PostgreSQL, two web processes and the worker, and codes come by signed webhooks; with --url
it asks an instance that runs already, in test mode only, as LOAD_EMAIL with LOAD_PASSWORD and the test key LOAD_KEY.
"""

import argparse
import os
import sys
import time

import msgspec
from rich.console import Console

from bench.figures import RESULTS
from bench.server import NoRoom
from bench.stage import Elsewhere, Stage, StatementTimes, Usage, play, stage
from bench.steps import Level, markdown, print_level, summed
from bench.users import Account, Stretch

# Users, seconds of think time.
LEVELS = ((100, 5.0), (500, 5.0), (1000, 5.0), (100, 0.0))
MOST_USERS, MOST_SECONDS = 1_000, 3_600
# argon2 takes 20 ms of a core and two at a time in each process; faster than this the ramp would measure nothing but that.
SIGN_INS_A_SECOND = 20.0
# An instance of somebody else's sees all of them come from one address.
SIGN_INS_ELSEWHERE = 5.0


class Report(msgspec.Struct):
    """What is written to load.json."""

    where: str
    processes: int
    cores: int
    load_average: float
    levels: list[Level]


def main() -> int:
    """Runs the levels; 1 when a target is missed."""
    options = _options()
    console = Console(width=None if sys.stdout.isatty() else 160)
    levels = [(options.users, options.think)] if options.users else list(LEVELS)
    try:
        found = _elsewhere(options, levels, console) if options.url else _here(options, levels, console)
    except (NoRoom, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    where = "an instance that ran already, test mode" if options.url else "its own, PostgreSQL with fsync, worker, webhooks"
    report = Report(where, options.processes, os.cpu_count() or 1, round(os.getloadavg()[1], 1), found)
    # What one level says, or another instance, must not pass for the whole.
    path = RESULTS.with_name("load-elsewhere.json" if options.url else "load-some.json" if options.users else "load.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    path.with_suffix(".md").write_text(markdown(found))
    console.print(f"{where}; {report.cores} cores, the generator included; load average of 5 minutes {report.load_average}")
    return 0 if all(level.holds for level in found) else 1


def _here(options: argparse.Namespace, levels: list[tuple[int, float]], console: Console) -> list[Level]:
    """On a platform of our own."""
    with stage(verifications=options.verifications, users=max(users for users, _ in levels)) as made:
        found = []
        with made.running(options.processes):
            for users, think in levels:
                level = measured(made, users=users, think=think, seconds=options.seconds)
                # The ledger of all that was bought up to here.
                level.ledger = made.ledger_findings()
                print_level(level, console)
                found.append(level)
    return found


class _Moment(msgspec.Struct):
    """What was used and counted up to a moment."""

    at: float
    usage: Usage
    statements: dict[str, StatementTimes]


def _moment(made: Stage) -> _Moment:
    return _Moment(time.monotonic(), made.usage(), made.statement_times())


def measured(made: Stage, *, users: int, think: float, seconds: float, sign_ins_a_second: float = SIGN_INS_A_SECOND) -> Level:
    """One level on our own platform, with what it used from the moment on in which everybody was in."""
    orders = made.orders(users=users, think=think, seconds=seconds, sign_ins_a_second=sign_ins_a_second)
    begin = _moment(made)

    def on_stretch(stretch: Stretch) -> None:
        nonlocal begin
        if not stretch.steady:
            begin = _moment(made)

    level = summed(play(orders, on_stretch), users=users, think=think)
    end = _moment(made)
    level.cores = end.usage.since(begin.usage, end.at - begin.at)
    level.machine_busy = round(max(0.0, level.cores.pop("machine") - sum(level.cores.values()) - level.generator_cores), 3)
    _add_statements(level, begin.statements, end.statements)
    return level


def _add_statements(level: Level, before: dict[str, StatementTimes], after: dict[str, StatementTimes]) -> None:
    new = {name: _less(times, before.get(name, StatementTimes())) for name, times in after.items()}
    new = {name: times for name, times in new.items() if times.count > 0}
    if not new:
        return
    count = sum(times.count for times in new.values())
    worst = max(new, key=lambda name: new[name].seconds / new[name].count)
    level.statement_worst, level.statements = worst, round(count)
    level.statement_mean_ms = round(new[worst].seconds / new[worst].count * 1000, 2)
    level.statements_slow = round(1 - sum(times.quick for times in new.values()) / count, 6)


def _less(times: StatementTimes, before: StatementTimes) -> StatementTimes:
    return StatementTimes(times.count - before.count, times.seconds - before.seconds, times.quick - before.quick)


def _elsewhere(options: argparse.Namespace, levels: list[tuple[int, float]], console: Console) -> list[Level]:
    """On an instance that runs already."""
    given = {name: os.environ.get(name, "") for name in ("LOAD_EMAIL", "LOAD_PASSWORD", "LOAD_KEY")}
    if missing := [name for name, value in given.items() if not value]:
        raise ValueError(f"with --url these must be in the environment: {', '.join(missing)}")
    place = Elsewhere(options.url, Account(given["LOAD_EMAIL"], given["LOAD_PASSWORD"], given["LOAD_KEY"]))
    found = []
    for users, think in levels:
        orders = place.orders(users=users, think=think, seconds=options.seconds, sign_ins_a_second=SIGN_INS_ELSEWHERE)
        found.append(summed(play(orders), users=users, think=think))
        print_level(found[-1], console)
    return found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    parser.add_argument(
        "--users", type=int, help=f"one level with so many users, at most {MOST_USERS:,}; else the usual four levels"
    )
    parser.add_argument("--think", type=float, default=5.0, help="seconds between the steps, with --users (default 5)")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each level, once everybody is in (default 60)")
    parser.add_argument("--processes", type=int, default=2, help="web processes of our own platform (default 2)")
    parser.add_argument("--verifications", type=int, default=100_000, help="orders that are there already (default 100,000)")
    parser.add_argument("--url", help="an instance that runs already; test mode only")
    options = parser.parse_args()
    for name, least, most in (
        ("users", 1, MOST_USERS), ("think", 0, 60), ("seconds", 1, MOST_SECONDS), ("processes", 1, 8), ("verifications", 1_000, 10_000_000),
    ):  # fmt: skip
        value = getattr(options, name)
        if value is not None and not least <= value <= most:
            parser.error(f"--{name} must be between {least:,} and {most:,}")
    return options


if __name__ == "__main__":
    sys.exit(main())

"""The table of a load run: for every step its count, error rate, average, p50, p95, p99 and maximum, and the targets."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from bench.users import BESIDE, STEPS, Stretch

AVERAGE_MS: Final = 150.0
ERROR_SHARE: Final = 0.005
STATEMENT_MS: Final = 50.0


class Step(msgspec.Struct, frozen=True):
    """One row. Times are milliseconds; `errors` is a share of all attempts, `reasons` how often what went wrong."""

    step: str
    count: int
    errors: float
    average: float
    p50: float
    p95: float
    p99: float
    max: float
    reasons: dict[str, int]


class Level(msgspec.Struct, kw_only=True):
    """One run: so many users, their time to think, and what came of it. Shares are of one core."""

    users: int
    think: float
    seconds: float
    steps: list[Step]
    average: float
    errors: float
    requests_a_second: float
    purchases_a_second: float
    generator_cores: float
    generator_lag_ms: float
    cores: dict[str, float] = msgspec.field(default_factory=dict)
    machine_busy: float = 0.0
    statement_mean_ms: float | None = None
    statement_worst: str = ""
    statements: int = 0
    statements_slow: float | None = None
    ledger: list[str] | None = None

    @property
    def holds(self) -> bool:
        """Whether the targets are met; statements count where they were measured."""
        slow = self.statement_mean_ms is not None and self.statement_mean_ms >= STATEMENT_MS
        return self.average < AVERAGE_MS and self.errors < ERROR_SHARE and not slow and not self.ledger


def place(times: list[float], share: float) -> float:
    """The value at that place of the sorted times; 0 where there are none."""
    return times[min(int(len(times) * share), len(times) - 1)] if times else 0.0


def summed(stretches: Iterable[Stretch], *, users: int, think: float) -> Level:
    """The rows over the steady stretches; signing in and the home page over the ramp as well, where most of them are."""
    stretches = list(stretches)
    steady = [stretch for stretch in stretches if stretch.steady]
    rows = []
    for name in (*STEPS, *BESIDE):
        counted = stretches if name in ("sign in", "home", "refill") else steady
        times = sorted(one for stretch in counted for one in stretch.took.get(name, ()))
        reasons: Counter[str] = Counter()
        for stretch in counted:
            reasons.update(stretch.failed.get(name, {}))
        attempts = len(times) + reasons.total()
        if attempts:
            rows.append(_step(name, times, reasons, attempts))
    waited_for = [row for row in rows if row.step in STEPS]
    count = sum(row.count for row in waited_for)
    done = sum(round(row.count * (1 - row.errors)) for row in waited_for)
    seconds = sum(stretch.seconds for stretch in steady) or 1.0
    asked = sum(len(times) for stretch in steady for times in stretch.took.values())
    return Level(
        users=users, think=think, seconds=round(seconds, 1), steps=rows,
        average=round(sum(row.average * round(row.count * (1 - row.errors)) for row in waited_for) / max(done, 1), 2),
        errors=round(sum(row.errors * row.count for row in waited_for) / max(count, 1), 5),
        requests_a_second=round(asked / seconds, 1),
        purchases_a_second=round(sum(len(stretch.took.get("buy", ())) for stretch in steady) / seconds, 1),
        generator_cores=round(sum(stretch.generator_seconds for stretch in steady) / seconds, 3),
        generator_lag_ms=round(max((stretch.lag_ms for stretch in steady), default=0.0), 1),
    )  # fmt: skip


def _step(name: str, times: list[float], reasons: Counter[str], attempts: int) -> Step:
    average = sum(times) / len(times) if times else 0.0
    shown = [
        round(value, 2)
        for value in (average, place(times, 0.5), place(times, 0.95), place(times, 0.99), times[-1] if times else 0.0)
    ]
    return Step(name, attempts, round(reasons.total() / attempts, 5), *shown, dict(reasons))


def markdown(levels: Iterable[Level]) -> str:
    """The levels as the table of docs/performance.md, milliseconds."""
    lines = ["| users | step | count | errors | average | p50 | p95 | p99 | max |", "| --- " * 9 + "|"]
    for level in levels:
        who = f"{level.users:,}" + ("" if level.think else ", no think time")
        for row in level.steps:
            times = " | ".join(f"{value:,.1f}" for value in (row.average, row.p50, row.p95, row.p99, row.max))
            lines.append(f"| {who} | {row.step} | {row.count:,} | {row.errors:.2%} | {times} |")
        lines.append(
            f"| {who} | **all steps** | {level.requests_a_second:,.0f}/s, {level.purchases_a_second:.1f} purchases/s | {level.errors:.2%} |"
            f" **{level.average:.1f}** | | | | |"
        )
    lines += [
        "",
        "| users | web | PostgreSQL | worker | generator | others on the machine | statements: slowest kind, over 50 ms |",
        "| --- " * 7 + "|",
    ]
    for level in levels:
        who = f"{level.users:,}" + ("" if level.think else ", no think time")
        cores = " | ".join(f"{level.cores.get(name, 0):.2f}" for name in ("web", "postgres", "worker"))
        statements = "" if level.statement_mean_ms is None else f"{level.statement_mean_ms:.1f} ms, {level.statements_slow:.3%}"
        lines.append(f"| {who} | {cores} | {level.generator_cores:.2f} | {level.machine_busy:.2f} | {statements} |")
    return "\n".join(lines) + "\n"


def print_level(level: Level, console: Console) -> None:
    """The table for people."""
    think = f"{level.think:g} s of think time" if level.think else "no think time"
    table = Table(title=f"{level.users:,} users, {think}, {level.seconds:.0f} s", title_justify="left", header_style="bold")
    table.add_column("step")
    for name in ("count", "errors", "average", "p50", "p95", "p99", "max"):
        table.add_column(name, justify="right")
    for row in level.steps:
        times = (f"{value:,.1f}" for value in (row.average, row.p50, row.p95, row.p99, row.max))
        reasons = " " + ", ".join(f"{reason} x{count}" for reason, count in row.reasons.items()) if row.reasons else ""
        table.add_row(row.step, f"{row.count:,}", f"{row.errors:.2%}{reasons}", *times)
    console.print(table)
    cores = ", ".join(f"{name} {value:.2f}" for name, value in level.cores.items())
    console.print(
        f"all steps: average {level.average:.1f} ms (target < {AVERAGE_MS:.0f}), errors {level.errors:.3%} (target < {ERROR_SHARE:.1%});"
        f" {level.requests_a_second:.0f} requests and {level.purchases_a_second:.1f} purchases a second"
    )
    console.print(
        f"cores used: {cores + ', ' if cores else ''}generator {level.generator_cores:.2f} (woke up at most {level.generator_lag_ms:.0f} ms late);"
        f" the machine's other work {level.machine_busy:.2f}"
    )
    if level.statement_mean_ms is not None:
        console.print(
            f"statements: slowest kind {level.statement_mean_ms:.1f} ms on average (target < {STATEMENT_MS:.0f}): {level.statement_worst};"
            f" over {STATEMENT_MS:.0f} ms: {level.statements_slow:.3%} of {level.statements:,}"
        )
    if level.ledger is not None:
        console.print("ledger: " + ("; ".join(level.ledger) or "clean"))
    console.print("[green]holds[/]" if level.holds else "[red]does NOT hold[/]")

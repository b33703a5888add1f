"""What a measurement says: a value beside its ceiling, the target, and whether it holds; as a table and as JSON."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec
from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results" / "latest.json"


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table. `ratio` is what the target speaks of; rows without a target only report, and hold.

    `ceiling` is what the value is compared with, measured in the same run; None where there is no such thing.
    """

    row: str
    value: float
    unit: str
    ceiling: float | None = None
    ratio: float | None = None
    target: str = ""
    holds: bool = True


def at_least(
    row: str, value: float, ceiling: float, unit: str, share: float, *, faster: Literal["more", "less"] = "more"
) -> Figure:
    """A figure that must reach a share of its ceiling. With faster="less" (times) the ratio is ceiling / value."""
    small, large = (value, ceiling) if faster == "more" else (ceiling, value)
    ratio = small / large if large else 0.0
    return Figure(
        row=row, value=value, ceiling=ceiling, unit=unit, ratio=ratio, target=f"ratio >= {share:.2f}", holds=ratio >= share
    )


def at_most(row: str, value: float, unit: str, limit: float, *, ceiling: float | None = None) -> Figure:
    """A figure that must stay at or under a limit; `ceiling` is only shown beside it."""
    ratio = value / ceiling if ceiling else None
    return Figure(
        row=row, value=value, ceiling=ceiling, unit=unit, ratio=ratio, target=f"<= {limit:g} {unit}", holds=value <= limit
    )


def report(row: str, value: float, unit: str, *, ceiling: float | None = None) -> Figure:
    """A figure without a target."""
    return Figure(row=row, value=value, ceiling=ceiling, unit=unit, ratio=value / ceiling if ceiling else None)


def print_table(figures: Iterable[Figure], console: Console) -> None:
    """The table for people."""
    table = Table(show_lines=False, header_style="bold")
    table.add_column("what", ratio=1)
    for name in ("value", "ceiling", "unit", "ratio"):
        table.add_column(name, justify="right" if name != "unit" else "left", no_wrap=True)
    table.add_column("target", no_wrap=True)
    table.add_column("holds", justify="center")
    for figure in figures:
        ceiling = "" if figure.ceiling is None else _number(figure.ceiling)
        ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
        holds = ("[green]yes" if figure.holds else "[red]NO") if figure.target else ""
        table.add_row(figure.row, _number(figure.value), ceiling, figure.unit, ratio, figure.target, holds)
    console.print(table)


def write_json(figures: Iterable[Figure], path: Path) -> None:
    """The list for programs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [_rounded(figure) for figure in figures]
    path.write_text(json.dumps(rows, indent=2) + "\n")


def _rounded(figure: Figure) -> dict[str, object]:
    names = ("row", "value", "ceiling", "unit", "ratio", "target", "holds")
    row = {name: getattr(figure, name) for name in names}
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()}


def _number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"

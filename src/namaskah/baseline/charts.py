"""Which charts a report has, and what each says in words to who cannot see it."""

from collections.abc import Mapping
from typing import Any

from namaskah.baseline.judge import AVERAGE_MS
from namaskah.baseline.svg import Bar, Part, bars, differences, stacks

Json = Mapping[str, Any]
Chart = tuple[str, str, str]


def all_of(report: Json) -> list[Chart]:
    """Each chart: its title, its SVG, and a note on how it is read."""
    found = [_endpoints(report), _shares(report), _ramp(report), _awaited(report)]
    if report["changes"]:
        found.append(_changes(report))
    return [chart for chart in found if chart is not None]


def _endpoints(report: Json) -> Chart:
    rows = [
        Bar(
            row["name"], row["p50_ms"], row["p95_ms"], f"{row['p50_ms']:.1f} ms, p95 {row['p95_ms']:.1f} ms",
            bad=row["average_ms"] >= AVERAGE_MS and not row["waits"],
        )
        for row in report["endpoints"]
    ]  # fmt: skip
    title = "How long an answer takes"
    said = "; ".join(f"{row.name}: half within {row.said}" for row in rows)
    note = f"The bar is the median, the mark the 95th percentile; the target for the average is {AVERAGE_MS:g} ms."
    return title, bars(title, said, rows, limit=AVERAGE_MS), note


def _shares(report: Json) -> Chart | None:
    rows = []
    for row in report["endpoints"]:
        if row["network_share"] is None or row["waits"]:
            continue
        database = min(row["database_share"] or 0.0, 1 - row["network_share"])
        parts = [
            Part("database", database),
            Part("application", 1 - row["network_share"] - database),
            Part("network", row["network_share"]),
        ]
        said = " / ".join(f"{part.share:.0%}" for part in parts)
        rows.append((row["name"], said, parts))
    title = "Where the time goes"
    words = "; ".join(f"{name}: {said}" for name, said, _ in rows)
    note = "From left to right: the database, the application, and the way there and back with what waits on it."
    return (title, stacks(title, f"Database, application and way of each: {words}", rows), note) if rows else None


def _ramp(report: Json) -> Chart:
    rows = [
        Bar(
            f"{step['connections']} connection{'s' if step['connections'] > 1 else ''}", step["per_second"], None,
            f"{step['per_second']:.0f} a second, p95 {step['p95_ms']:.1f} ms",
        )
        for step in report["ramp"]
    ]  # fmt: skip
    title = "Reads of an order a second"
    said = "; ".join(f"{row.name}: {row.said}" for row in rows)
    return title, bars(title, said, rows), "For about a second each, the measuring program and all else on this machine included."


def _awaited(report: Json) -> Chart:
    rows = [
        Bar(row["name"], row["p50_ms"] or 0.0, row["worst_ms"], _said(row), bad=row["missing"] > 0)
        for row in [*report["delivery"], *report["push"]]
    ]
    title = "Codes and events"
    said = "; ".join(f"{row.name}: {row.said}" for row in rows)
    note = "From the request to the code, or to the event in the stream; the code of test_success comes after two seconds."
    return title, bars(title, said, rows), note


def _said(row: Json) -> str:
    if row["p50_ms"] is None:
        return "none came"
    return f"{row['p50_ms']:.0f} ms, worst {row['worst_ms']:.0f} ms" + (f", {row['missing']} missing" if row["missing"] else "")


def _changes(report: Json) -> Chart:
    rows = [
        (row["name"], row["change"], row["noise"], row["verdict"], f"{row['verdict']} ({row['change']:+.0%})")
        for row in report["changes"]
    ]
    title = "What has changed"
    said = "; ".join(f"{name}: {words}" for name, _, _, _, words in rows)
    return title, differences(title, said, rows), "To the right is slower. A bar that stays in the grey band is noise."

"""A report as three files beside each other: JSON for the next run and other programs, a page with charts, and Markdown."""

import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any, Final

from namaskah.baseline import charts

Json = Mapping[str, Any]
_STYLE: Final = """
:root { color-scheme: light dark; --ground: #f6f6f2; --card: #fff; --ink: #1b2422; --soft: #56625f; --line: #dcdfd9;
  --accent: #0f6b5c; --bad: #a3261b; --good: #1d6f42; --second: #b7791f; --third: #8a97a8; --noise: #e3e6e0; }
@media (prefers-color-scheme: dark) { :root { --ground: #101614; --card: #18211e; --ink: #e8eeeb; --soft: #a3b1ac;
  --line: #2e3a36; --accent: #62d0b9; --bad: #ffb0a5; --good: #7fdca4; --second: #e0b15a; --third: #7f8ea3; --noise: #2a3531; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-inline-size: 72rem; padding: 1rem; background: var(--ground); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.2; } h2 { font-size: 1.125rem; margin-block: 0 .5rem; }
.verdict { font-size: 1.125rem; font-weight: 600; } .missed { color: var(--bad); } .held { color: var(--good); }
.cards { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); align-items: start; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 1rem; min-inline-size: 0;
  margin-block-end: 1rem; }
.cards .card { margin: 0; }
.scroll { overflow-x: auto; } .scroll:focus-visible { outline: 3px solid var(--accent); }
table { border-collapse: collapse; inline-size: 100%; font-variant-numeric: tabular-nums; font-size: .875rem; }
caption { text-align: start; font-weight: 600; padding-block-end: .5rem; }
th, td { padding: .375rem .5rem; text-align: end; border-block-end: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: start; }
svg { inline-size: 100%; block-size: auto; display: block; } svg text { font: 13px system-ui, sans-serif; fill: var(--ink); }
svg .said { fill: var(--soft); } .bar, .database { fill: var(--accent); } .application { fill: var(--second); }
.network { fill: var(--third); } .bad { fill: var(--bad); } .good { fill: var(--good); } .noise { fill: var(--noise); }
.line { stroke: var(--ink); stroke-width: 1.5; fill: none; } .limit { stroke: var(--bad); stroke-dasharray: 4 3; }
.fine { color: var(--soft); font-size: .875rem; }
dl { margin: 0; } dd + dt { margin-block-start: .5rem; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
"""
_COLUMNS: Final = (
    "endpoint", "count", "average", "p50", "p95", "p99", "errors", "in the instance", "on the way", "in the database", "x livez",
)  # fmt: skip


def write(report: Json, folder: Path) -> Path:
    """Writes the three files, named by the time of the run; answers the path of the JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    stamp = report["taken_at"].removesuffix("Z").replace(":", "")
    path = folder / f"{stamp}.json"
    for number in range(2, 100):
        if not path.exists():
            break
        path = folder / f"{stamp}-{number}.json"
    path.with_suffix(".html").write_text(page(report), "utf-8")
    path.with_suffix(".md").write_text(markdown(report), "utf-8")
    # Last, and whole: the next run looks for it.
    begun = path.with_suffix(".begun")
    begun.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    begun.rename(path)
    return path


def summary(report: Json) -> list[str]:
    """The result in a few lines of plain words."""
    missed = [row for row in report["targets"] if not row["holds"]]
    lines = ["Every target is met." if not missed else "Missed: " + ", ".join(_told(row) for row in missed) + "."]
    if report["compared_with"] is None:
        lines.append("There is no earlier report of this instance to compare with.")
        return lines
    for word in ("slower", "faster"):
        found = [f"{row['name']} ({row['change']:+.0%})" for row in report["changes"] if row["verdict"] == word]
        if found:
            lines.append(f"{word.capitalize()}: {', '.join(found)}.")
    if all(row["verdict"] == "same" for row in report["changes"]):
        lines.append("Everything is the same as before, as far as the noise of this machine lets one say.")
    return lines


def coarse(report: Json) -> str:
    """A warning where the way there takes nearly all of the time, '' else."""
    live = next((row for row in report["endpoints"] if row["name"] == "live"), None)
    if live is None or report["environment"]["same_machine"] or live["p50_ms"] < 5:
        return ""
    return "The way to the instance takes most of the time, so small changes do not show: measure from nearer to it."


def page(report: Json) -> str:
    """The report as one HTML page that needs nothing else."""
    ok = all(row["holds"] for row in report["targets"])
    said = "".join(f'<p class="verdict {"held" if ok else "missed"}">{escape(line)}</p>' for line in summary(report)[:1])
    said += "".join(f"<p>{escape(line)}</p>" for line in [*summary(report)[1:], coarse(report)] if line)
    drawn = "".join(
        f'<section class="card"><h2>{escape(title)}</h2>{svg}<p class="fine">{escape(note)}</p></section>'
        for title, svg, note in charts.all_of(report)
    )
    tables = "".join(_table(caption, head, rows) for caption, head, rows in _tables(report))
    facts = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in _facts(report))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Baseline of {escape(report['taken_at'])}</title><style>{_STYLE}</style></head><body>"
        f'<main><h1>Baseline of {escape(report["subject"])}</h1><p class="fine">{escape(report["taken_at"])}</p>{said}'
        f'<div class="cards">{drawn}</div><br>{tables}'
        f'<section class="card"><h2>Measured with</h2><dl>{facts}</dl></section></main></body></html>\n'
    )


def markdown(report: Json) -> str:
    """The report as Markdown, without charts."""
    lines = [f"# Baseline of {report['subject']}", "", report["taken_at"], "", *summary(report)]
    lines += ["", coarse(report)] if coarse(report) else []
    for caption, head, rows in _tables(report):
        lines += ["", f"## {caption}", "", _row(head), _row(["---"] * len(head)), *(_row(row) for row in rows)]
    lines += ["", "## Measured with", "", *(f"- {name}: {value}" for name, value in _facts(report)), ""]
    return "\n".join(lines)


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _table(caption: str, head: list[str], rows: list[list[str]]) -> str:
    heads = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>' + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:]) + "</tr>"
        for row in rows
    )
    # A table that is wider than a phone scrolls by itself, also by keyboard.
    return (
        f'<section class="card"><div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}">'
        f"<table><caption>{escape(caption)}</caption><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div></section>"
    )


def _tables(report: Json) -> list[tuple[str, list[str], list[list[str]]]]:
    found = [
        ("Targets", ["target", "measured", "below", "verdict"], [_target(row) for row in report["targets"]]),
        ("Endpoints (milliseconds)", list(_COLUMNS), [_endpoint(row) for row in report["endpoints"]]),
        (
            "Throughput of reads",
            ["connections", "requests", "a second", "livez a second", "p50 ms", "p95 ms", "errors"],
            [_step(step) for step in report["ramp"]],
        ),
        (
            "Codes and events (milliseconds)",
            ["what", "count", "p50", "p95", "worst", "missing"],
            [_awaited(row) for row in [*report["delivery"], *report["push"]]],
        ),
    ]
    if report["changes"]:
        caption = f"Against {report['compared_with']}"
        rows = [_changed(row) for row in report["changes"]]
        found.append((caption, ["what", "before", "now", "unit", "change", "noise", "verdict"], rows))
    return found


def _told(row: Json) -> str:
    unit = f" {row['unit']}" if row["unit"] else ""
    return f"{row['name']} is {row['value']:g}{unit}, wanted below {row['below']:g}{unit}"


def _target(row: Json) -> list[str]:
    return [
        row["name"],
        f"{row['value']:g} {row['unit']}",
        f"{row['below']:g} {row['unit']}",
        "met" if row["holds"] else "missed",
    ]


def _endpoint(row: Json) -> list[str]:
    times = [f"{row[name]:.1f}" for name in ("average_ms", "p50_ms", "p95_ms", "p99_ms")]
    shares = [_percent(row["network_share"], inverse=True), _percent(row["network_share"]), _percent(row["database_share"])]
    return [row["name"], str(row["count"]), *times, str(row["errors"]), *shares, f"{row['ratio']['value']:.2f}"]


def _percent(share: float | None, *, inverse: bool = False) -> str:
    return "not told" if share is None else f"{1 - share if inverse else share:.0%}"


def _step(step: Json) -> list[str]:
    names = ("connections", "requests", "per_second", "livez_per_second", "p50_ms", "p95_ms", "errors")
    return [f"{step[name]:g}" for name in names]


def _awaited(row: Json) -> list[str]:
    times = ["none" if row[name] is None else f"{row[name]:.1f}" for name in ("p50_ms", "p95_ms", "worst_ms")]
    return [row["name"], str(row["count"]), *times, str(row["missing"])]


def _changed(row: Json) -> list[str]:
    return [
        row["name"],
        f"{row['before']:g}",
        f"{row['now']:g}",
        row["unit"],
        f"{row['change']:+.0%}",
        f"{row['noise']:.0%}",
        row["verdict"],
    ]


def _facts(report: Json) -> list[tuple[str, str]]:
    there = report["environment"]
    return [
        ("release of the instance", f"{there['release']} (health: {there['health']})"),
        ("measured by", f"Namaskah {there['measured_by']}, Python {there['python']}, {there['system']}"),
        ("cores, load average at the end", f"{there['cores']}, {there['load_average']}"),
        ("where from", "the same machine" if there["same_machine"] else "another machine"),
        ("opening a connection", f"{there['connect_ms']:g} ms"),
        ("rate limit of the key", f"{there['requests_per_minute']} requests a minute"),
        ("requests sent", f"{report['requests']}, of which the rate limit refused {report['limited']}"),
    ]

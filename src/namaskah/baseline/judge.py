"""What a run means: the targets it must meet, and what has changed since the last run on the same instance.

Machines are noisy, so answers are judged by their ratio to `/livez` of the same moments, and only a change that is
larger than what the rounds of both runs differ among themselves is called one.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

AVERAGE_MS: Final = 150.0
ERROR_RATE: Final = 0.005
DATABASE_MS: Final = 50.0
FORMAT: Final = 1
# Below this a change is not worth a word, however steady the rounds were.
LEAST_CHANGE: Final = 0.15
_NOISE: Final = 2.0
# A code or an event is called slower or faster when it is so by this much at least.
_LEAST_MS: Final = 50.0

Verdict = Literal["slower", "faster", "same"]
Json = dict[str, Any]


def targets(report: Mapping[str, Any]) -> list[Json]:
    """Each target with what was measured and whether it holds."""
    # The bare answer is what the others are compared with, and would only flatter the average.
    asked = [row for row in report["endpoints"] if not row["waits"] and row["name"] != "live"]
    count = sum(row["count"] for row in asked)
    average = sum(row["average_ms"] * row["count"] for row in asked) / count if count else float("inf")
    slowest = max(asked, key=lambda row: row["average_ms"], default=None)
    # The many requests for the throughput must not hide that a step of the flow fails.
    ramp = [{"count": step["requests"], "errors": step["errors"]} for step in report["ramp"]]
    rate = max(_error_rate(rows) for rows in (report["endpoints"], ramp) if rows)
    found = [_target("average response time", average, AVERAGE_MS, "ms")]
    if slowest is not None:
        found.append(_target(f"average of the slowest, {slowest['name']}", slowest["average_ms"], AVERAGE_MS, "ms"))
    found.append(_target("error rate", rate * 100, ERROR_RATE * 100, "%"))
    told = [row["statement_average_ms"] for row in asked if row["statement_average_ms"] is not None]
    if told:
        found.append(_target("database time of a statement, the highest average", max(told), DATABASE_MS, "ms"))
    awaited = [*report["delivery"], *report["push"]]
    found.append(_target("codes and events that did not come", float(sum(row["missing"] for row in awaited)), 0.5, ""))
    return found


def _error_rate(rows: Sequence[Mapping[str, Any]]) -> float:
    total = sum(row["count"] for row in rows)
    return sum(row["errors"] for row in rows) / total if total else 1.0


def _target(name: str, value: float, below: float, unit: str) -> Json:
    return {"name": name, "value": round(value, 3), "below": below, "unit": unit, "holds": value < below}


def last_report(folder: Path, subject: str) -> tuple[str, Json] | None:
    """The newest report on the same instance: its file's name and its content. What cannot be read is passed over."""
    for path in sorted(folder.glob("*.json"), reverse=True):
        try:
            found = json.loads(path.read_text("utf-8"))
            if found["format"] == FORMAT and found["subject"] == subject:
                return path.name, found
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return None


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Json]:
    """What can be compared in both reports, each with a verdict."""
    old = {row["name"]: row for row in before["endpoints"]}
    found = [
        _change(row["name"], old[row["name"]]["ratio"], row["ratio"])
        for row in now["endpoints"]
        if row["name"] in old and row["name"] != "live" and row["ratio"]["value"] and old[row["name"]]["ratio"]["value"]
    ]
    steps = {step["connections"]: step for step in before["ramp"]}
    for step in now["ramp"]:
        beside = steps.get(step["connections"])
        if beside and beside["ratio"]["value"] and step["ratio"]["value"]:
            found.append(_change(f"throughput, {step['connections']} at once", beside["ratio"], step["ratio"]))
    for kind in ("delivery", "push"):
        earlier = {row["name"]: row for row in before[kind]}
        found += [_awaited(earlier[row["name"]], row) for row in now[kind] if row["name"] in earlier]
    return found


def _change(name: str, before: Mapping[str, float], now: Mapping[str, float]) -> Json:
    change = now["value"] / before["value"] - 1
    noise = max(LEAST_CHANGE, _NOISE * (before["spread"] + now["spread"]))
    return _row(name, before["value"], now["value"], "x livez", change, noise)


def _awaited(before: Mapping[str, Any], now: Mapping[str, Any]) -> Json:
    """Codes and events: their time is mostly waiting, so they are compared as they are."""
    one, two = before["p50_ms"], now["p50_ms"]
    if not one or not two:
        return _row(now["name"], one or 0.0, two or 0.0, "ms", 0.0, 1.0)
    noise = max(2 * LEAST_CHANGE, _LEAST_MS / one, *((row["p95_ms"] - row["p50_ms"]) / row["p50_ms"] for row in (before, now)))
    return _row(now["name"], one, two, "ms", two / one - 1, noise)


def _row(name: str, before: float, now: float, unit: str, change: float, noise: float) -> Json:
    return {
        "name": name, "before": round(before, 3), "now": round(now, 3), "unit": unit,
        "change": round(change, 4), "noise": round(noise, 4), "verdict": verdict(change, noise),
    }  # fmt: skip


def verdict(change: float, noise: float) -> Verdict:
    """`change` and `noise` are parts of the value before: 0.2 is a fifth more. Half as long weighs the same as twice as long."""
    if change > noise:
        return "slower"
    return "faster" if change < 0 and 1 / (1 + change) - 1 > noise else "same"

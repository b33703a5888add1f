"""One baseline: measures, judges, compares with the last one, and writes the report."""

import os
import platform
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from namaskah import __version__
from namaskah.baseline.figures import endpoint_figures, milliseconds, percentile
from namaskah.baseline.judge import FORMAT, changes, last_report, targets
from namaskah.baseline.measure import Measured, Measurement
from namaskah.baseline.probe import Answer, Probe
from namaskah.baseline.report import write
from namaskah.baseline.target import Target, Unreachable

SAMPLES = 40
OWN = "an instance of its own"


async def measure(
    target: Target, folder: Path, *, samples: int = SAMPLES, own: bool = False, say: Callable[[str], None] = lambda _: None
) -> tuple[dict[str, Any], Path]:
    """The report and where its JSON lies; `own` says that the instance was started for this run only.

    Raises Unreachable and Refused.
    """
    taken_at = datetime.now(UTC)
    async with Probe(target) as probe:
        health = await probe.get("/health", key=False)
        if health.status not in (200, 503):
            raise Unreachable(f"{target.url} answers, but /health is {health.status}: this is not Namaskah.")
        measured = await Measurement(probe, samples=samples, say=say).run()
        report = _report(measured, probe, health, taken_at, OWN if own else target.url)
    last = last_report(folder, report["subject"])
    report["compared_with"] = None if last is None else last[0]
    report["changes"] = [] if last is None else changes(last[1], report)
    return report, write(report, folder)


def holds(report: dict[str, Any]) -> bool:
    """Whether every target is met."""
    return all(row["holds"] for row in report["targets"])


def _report(measured: Measured, probe: Probe, health: Answer, taken_at: datetime, subject: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "format": FORMAT,
        "taken_at": taken_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "subject": subject,
        "environment": _environment(probe, health),
        "endpoints": [endpoint_figures(series) for series in measured.series.values()],
        "ramp": measured.ramp,
        "delivery": measured.delivery,
        "push": measured.push,
        "requests": probe.sent,
        "limited": measured.limited,
    }
    return found | {"targets": targets(found)}


def _environment(probe: Probe, health: Answer) -> dict[str, Any]:
    """Where it was measured from, and what the instance says of itself."""
    try:
        told = health.json()
        release, state = str(told["version"]), str(told["status"])
    except (ValueError, KeyError, TypeError):
        release, state = "unknown", f"status {health.status}"
    return {
        "release": release,
        "health": state,
        "measured_by": __version__,
        "python": platform.python_version(),
        "cores": os.cpu_count() or 1,
        "load_average": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": f"{sys.platform} {platform.machine()}",
        "same_machine": probe.target.is_local,
        "connect_ms": milliseconds(percentile(probe.connects, 0.5)),
        "requests_per_minute": probe.limit,
    }

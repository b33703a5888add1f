"""The files of deploy/monitoring/ as their tests read them: rules, dashboards, and the configurations as `render` writes them."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.programs import ROOT

FOLDER = ROOT / "deploy" / "monitoring"
RUNBOOKS = ROOT / "docs" / "runbooks"


def rules() -> list[dict[str, Any]]:
    """All rules, recording and alerting, with their group's interval."""
    files = sorted(FOLDER.glob("rules/*.yml"))
    return [rule for file in files for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    """The alerting rules by name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def rule_file(alert: str) -> str:
    """The name of the file in which an alert is."""
    [name] = [path.name for path in FOLDER.glob("rules/*.yml") if f"- alert: {alert}\n" in path.read_text()]
    return name


def dashboards() -> dict[str, Any]:
    """The dashboards by their file's name."""
    return {path.name: json.loads(path.read_text()) for path in sorted(FOLDER.glob("grafana/dashboards/*.json"))}


def expressions_of_dashboards() -> Iterator[tuple[str, str]]:
    """Where each question to Prometheus stands, and the question."""
    for name, dashboard in dashboards().items():
        for panel in dashboard["panels"]:
            for target in panel.get("targets", []):
                yield f"{name}: {panel['title']}", target["expr"]


def metrics_in(expression: str) -> set[str]:
    """The names of the product's metrics and of the recording rules that an expression uses."""
    return set(re.findall(r"namaskah(?::[a-z0-9_]+)+|namaskah_[a-z0-9_]+", expression))


def runbook_name(alert: str) -> str:
    """HighErrorRate is explained in high-error-rate.md."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", alert).lower() + ".md"


def example_values(**given: str) -> dict[str, str]:
    """The values of monitoring.env.example, with some of the caller's own."""
    lines = (FOLDER / "monitoring.env.example").read_text().splitlines()
    pairs = [line.partition("=") for line in lines if re.match(r"[A-Z_]+=", line)]
    return {name: value.strip('"') for name, _, value in pairs} | given


def render(folder: Path, values: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Writes the configurations into the folder, with nothing else in the environment."""
    environment = {"PATH": "/usr/bin:/bin", **values}
    return subprocess.run([FOLDER / "render", folder], env=environment, capture_output=True, text=True, check=False)

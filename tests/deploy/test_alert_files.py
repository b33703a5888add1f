"""What belongs to the alerts: they, their runbooks, routes and dashboards name nothing that is not there, and leave nobody out."""

import inspect
import json
import re
import stat
import subprocess
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import yaml
from prometheus_client import Counter, Histogram
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.utils import floatToGoString

from namaskah.core import metrics
from tests.deploy.monitoring import (
    FOLDER,
    RUNBOOKS,
    alerts,
    dashboards,
    example_values,
    expressions_of_dashboards,
    metrics_in,
    render,
    rules,
    runbook_name,
)
from tests.programs import ROOT, program

WAYS = {"email": "e-mail", "slack": "Slack", "pager": "pager", "deadman": "the dead man's switch"}
HEADINGS = ["What it means", "What customers see", "Look first", "Mend", "Escalate"]
FILES = sorted(path.name for path in RUNBOOKS.glob("*.md") if path.name != "README.md")


def product() -> dict[str, MetricWrapperBase]:
    """Every series that the platform tells, with the metric that it belongs to."""
    found: dict[str, MetricWrapperBase] = {}
    for _, metric in inspect.getmembers(metrics, lambda member: isinstance(member, MetricWrapperBase)):
        [family] = metric.describe()
        endings = (
            ["_bucket", "_sum", "_count"]
            if isinstance(metric, Histogram)
            else ["_total"]
            if isinstance(metric, Counter)
            else [""]
        )
        found |= {f"{family.name}{ending}": metric for ending in endings}
    return found


def promql_of_runbooks() -> list[tuple[str, str]]:
    """Each question of a runbook to Prometheus, with the runbook."""
    blocks = [(name, re.findall(r"```promql\n(.*?)```", (RUNBOOKS / name).read_text(), re.DOTALL)) for name in FILES]
    return [(name, line) for name, found in blocks for block in found for line in block.splitlines()]


def expressions() -> list[tuple[str, str]]:
    """Every expression in PromQL that is kept anywhere, with its place."""
    own = [(str(rule.get("alert") or rule["record"]), rule["expr"]) for rule in rules()]
    return [*own, *expressions_of_dashboards(), *promql_of_runbooks()]


def test_no_expression_asks_for_a_metric_that_is_not_told() -> None:
    known = set(product()) | {rule["record"] for rule in rules() if "record" in rule}
    assert len(known) > 80
    assert {(place, name) for place, text in expressions() for name in metrics_in(text) - known} == set()


def test_no_expression_asks_for_a_label_or_a_bucket_that_a_metric_does_not_have() -> None:
    told, wrong = product(), set()
    for place, text in expressions():
        for name, selectors in re.findall(r"(namaskah_\w+)\{([^}]*)\}", text):
            for label, value in re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"', selectors):
                metric = told[name]
                buckets = map(floatToGoString, getattr(metric, "_kwargs", {}).get("buckets", ()))
                if label not in metric._labelnames and not (label == "le" and value in buckets):
                    wrong.add((place, name, label, value))
    assert wrong == set()


def test_prometheus_understands_every_expression(tmp_path: Path) -> None:
    asked = [{"record": f"asked:{number}", "expr": text} for number, (_, text) in enumerate(expressions())]
    (tmp_path / "asked.yml").write_text(json.dumps({"groups": [{"name": "asked", "rules": asked}]}))
    ran = subprocess.run(
        [program("promtool"), "check", "rules", tmp_path / "asked.yml"], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize("name", sorted(alerts()))
def test_an_alert_says_how_bad_it_is_whom_to_tell_and_where_to_read_on(name: str) -> None:
    rule = alerts()[name]
    labels, annotations = rule["labels"], rule["annotations"]
    assert labels["severity"] in ("critical", "high", "medium", "low") or name == "Watchdog"
    assert set(labels["notify"].split(",")) <= set(WAYS)
    # Whoever is called at night hears of something critical, or of an alarm that cannot be heard otherwise.
    assert "pager" not in labels["notify"] or labels["severity"] == "critical" or name == "MonitoringFaulty"
    assert annotations["runbook_url"] == f"{{{{ $externalLabels.runbooks }}}}/{runbook_name(name)}"
    assert min(len(annotations[part]) for part in ("summary", "description")) > 10


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    assert {runbook_name(name) for name in alerts()} == set(FILES)


@pytest.mark.parametrize("name", sorted(alerts()))
def test_a_runbook_says_what_it_must(name: str) -> None:
    text, labels = (RUNBOOKS / runbook_name(name)).read_text(), alerts()[name]["labels"]
    assert text.startswith(f"# {name}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS
    if name != "Watchdog":
        assert f"**{labels['severity'].capitalize()}**" in text
    said = text.partition("## ")[0]
    assert {way for way, words in WAYS.items() if words in said.replace("business owner by e-mail", "")} == set(
        labels["notify"].split(",")
    )
    assert ("money is at stake" in said) == ("money" in labels)


def test_the_list_of_runbooks_has_every_alert_as_it_is() -> None:
    rows = re.findall(r"^\| \[(\w+)\]\(([\w-]+\.md)\) \| (\w+) \| ([^|]+) \|", (RUNBOOKS / "README.md").read_text(), re.MULTILINE)
    expected = {
        (
            name,
            runbook_name(name),
            rule["labels"]["severity"],
            ", ".join(WAYS[way] for way in rule["labels"]["notify"].split(",")),
        )
        for name, rule in alerts().items()
    }
    assert set(rows) == expected


def test_the_commands_of_a_runbook_exist() -> None:
    known = re.findall(r"^### namaskah (.+)$", (ROOT / "docs" / "cli.md").read_text(), re.MULTILINE)
    called = {
        (name, words)
        for name in FILES
        for words in re.findall(r"(?:^|`)namaskah ([a-z][a-z -]*[a-z])", (RUNBOOKS / name).read_text(), re.MULTILINE)
    }
    assert len(called) > 20
    assert {
        (name, words) for name, words in called if not any(f"{words} ".startswith(f"{command} ") for command in known)
    } == set()


async def test_what_a_runbook_asks_the_database_can_be_asked(db: "asyncpg.Connection[Any]") -> None:
    asked = {sql for name in FILES for sql in re.findall(r'psql "\$DATABASE_URL" -c "([^"]+)"', (RUNBOOKS / name).read_text())}
    assert len(asked) >= 8
    for sql in asked:
        await db.fetch(sql)


# Configurations


def test_a_value_that_is_missing_is_named(tmp_path: Path) -> None:
    values = example_values()
    del values["SLACK_CHANNEL"], values["ENVIRONMENT"]
    refused = render(tmp_path, values)
    assert refused.returncode != 0
    assert "ENVIRONMENT is not set" in refused.stderr
    assert not (tmp_path / "prometheus.yml").exists()


@pytest.mark.parametrize("value", ['a" b', "a\\b", "${HOME}", "a\nb: c"])
def test_a_value_that_would_break_out_of_its_place_is_refused(tmp_path: Path, value: str) -> None:
    refused = render(tmp_path, example_values(RUNBOOKS_URL=value))
    assert refused.returncode != 0
    assert "RUNBOOKS_URL must not hold" in refused.stderr


@pytest.fixture
def rendered(tmp_path: Path) -> Path:
    for name in ("rules", "targets"):
        (tmp_path / name).symlink_to(FOLDER / name)
    done = render(tmp_path, example_values(CONFIGURATION=str(tmp_path)))
    assert (done.returncode, done.stderr) == (0, "")
    return tmp_path


def test_prometheus_takes_what_is_rendered(rendered: Path) -> None:
    ran = subprocess.run(
        [program("promtool"), "check", "config", rendered / "prometheus.yml"], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.count("rules found") == len(list(FOLDER.glob("rules/*.yml")))


def test_alertmanager_takes_what_is_rendered(rendered: Path) -> None:
    ran = subprocess.run(
        [program("amtool"), "check-config", rendered / "alertmanager.yml"], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, "SUCCESS" in ran.stdout) == (0, True)


def test_what_is_rendered_is_its_owner_s_alone(rendered: Path) -> None:
    assert stat.S_IMODE((rendered / "alertmanager.yml").stat().st_mode) == 0o600


def test_the_example_has_every_value_that_is_asked_for_and_no_other() -> None:
    texts = [(FOLDER / name).read_text() for name in ("prometheus.yml", "alertmanager.yml")]
    asked = {name for text in texts for name in re.findall(r"^[^#\n]*?\$\{([A-Z_]+)\}", text, re.MULTILINE)}
    assert asked == set(example_values())


def test_no_secret_can_be_written_into_the_configuration() -> None:
    text = (FOLDER / "alertmanager.yml").read_text()
    assert (
        re.findall(
            r"^\s*(?:smtp_auth_password|slack_api_url|api_url|routing_key|service_key|password|token):", text, re.MULTILINE
        )
        == []
    )
    assert len(re.findall(r'_file: "\$\{SECRETS\}/\w+"', text)) == 3


EMAIL, LEAD, OWNER = "email", "email-technical-lead", "email-business-owner"


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ("alertname=HighErrorRate severity=high notify=email,slack", ["slack", LEAD, EMAIL]),
        ("alertname=SlowResponses severity=medium notify=email", [EMAIL]),
        ("alertname=DatabaseErrors severity=critical notify=email,slack,pager", ["pager", "slack", LEAD, EMAIL]),
        ("alertname=LedgerDrift severity=critical notify=email,slack,pager money=yes", ["pager", "slack", LEAD, OWNER, EMAIL]),
        ("alertname=Watchdog severity=none notify=deadman", ["deadman"]),
        ("notify=slack", ["slack"]),
        ("notify=pager", ["pager"]),
        # One that says nothing about itself still reaches somebody.
        ("alertname=SomethingNew", [EMAIL]),
    ],
)
def test_an_alert_reaches_whom_its_labels_name(rendered: Path, labels: str, receivers: list[str]) -> None:
    call = [program("amtool"), "config", "routes", "test", f"--config.file={rendered}/alertmanager.yml", *labels.split()]
    ran = subprocess.run(call, capture_output=True, text=True, check=True)
    assert ran.stdout.strip().split(",") == receivers


def test_nothing_that_the_requirements_name_is_ever_held_back() -> None:
    inhibited = yaml.safe_load((FOLDER / "alertmanager.yml").read_text())["inhibit_rules"]
    patterns = [re.search(r'alertname=~?"(.+)"', rule["target_matchers"][0]) for rule in inhibited]
    held_back = {name for name in alerts() for pattern in patterns if pattern and re.fullmatch(pattern[1], name)}
    never = {"HighErrorRate", "SlowResponses", "DatabaseErrors", "LedgerDrift", "RefundsOverAMinute", "PlatformDown", "Watchdog"}
    assert len(held_back) > 8
    assert held_back & never == set()


# Dashboards and compose


@pytest.mark.parametrize("name", sorted(dashboards()))
def test_a_dashboard_is_whole(name: str) -> None:
    dashboard = dashboards()[name]
    panels = dashboard["panels"]
    assert dashboard["uid"] == f"namaskah-{name.removesuffix('.json')}"
    assert len({panel["id"] for panel in panels}) == len(panels) > 5
    places = [panel["gridPos"] for panel in panels]
    cells = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    [source] = yaml.safe_load((FOLDER / "grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"]
    assert {panel["datasource"]["uid"] for panel in panels if panel["type"] != "row"} == {source["uid"]}
    assert [panel["title"] for panel in panels if panel["type"] != "row" and not panel["targets"]] == []


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
    return found


@pytest.mark.parametrize("service", sorted(compose()["services"]))
def test_a_service_of_the_compose_file_has_what_it_mounts(service: str) -> None:
    whole = compose()
    one = whole["services"][service]
    assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+[\d.]*", one["image"]), "a version, so that the same is started everywhere"
    for mount in one.get("volumes", []):
        source = mount.partition(":")[0]
        assert (FOLDER / source).exists() if source.startswith("./") else source in whole["volumes"], mount
    places = [mount.split(":")[1] for mount in one.get("volumes", [])]
    # Docker cannot make the place for a mount inside of another one that is read-only.
    assert [(place, other) for place in places for other in places if place.startswith(f"{other}/")] == []
    for port in one.get("ports", []):
        assert port.startswith("127.0.0.1:")
    assert set(one.get("depends_on", {})) <= set(whole["services"])


def test_the_dashboards_are_mounted_where_grafana_looks_for_them() -> None:
    [provider] = yaml.safe_load((FOLDER / "grafana/provisioning/dashboards/namaskah.yml").read_text())["providers"]
    grafana = compose()["services"]["grafana"]
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in grafana["volumes"]
    home = Path(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (str(home.parent), (FOLDER / "grafana/dashboards" / home.name).exists()) == (provider["options"]["path"], True)


def test_the_values_of_the_example_are_right_for_the_compose_file() -> None:
    values, services = example_values(), compose()["services"]
    rendered = services["configuration"]["command"][-1]
    assert f"configuration:{rendered}" in services["configuration"]["volumes"]
    for name in ("alertmanager", "prometheus"):
        assert f"--config.file={rendered}/{name}.yml" in services[name]["command"]
        assert f"configuration:{rendered}:ro" in services[name]["volumes"]
    for name in ("rules", "targets"):
        assert f"./{name}:{values['CONFIGURATION']}/{name}:ro" in services["prometheus"]["volumes"]
    assert f"./secrets:{values['SECRETS']}:ro" in services["alertmanager"]["volumes"]
    assert values["ALERTMANAGER"] == "alertmanager:9093"


def test_the_log_that_a_runbook_looks_into_is_that_of_a_unit_that_we_deliver() -> None:
    units = [unit.name.replace("@", "@1") for unit in (ROOT / "deploy/systemd").glob("*.service")]
    named = {
        name
        for runbook in (ROOT / "docs/runbooks").glob("*.md")
        for name in re.findall(r"journalctl -u '?([^\s'`]+)", runbook.read_text())
    }
    assert named
    assert [name for name in named if not any(fnmatch(unit, f"{name}*") for unit in units)] == []
    # A name without a pattern is the whole name of a unit.
    assert [name for name in named if "*" not in name and f"{name}.service" not in units] == []

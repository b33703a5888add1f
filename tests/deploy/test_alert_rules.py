"""Every alert fires when it should and not a little earlier: the real rules, worked out by promtool over given series."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.deploy.alert_cases import CASES, Case
from tests.deploy.monitoring import FOLDER, alerts, metrics_in, rule_file, rules
from tests.programs import program

GROUPS = sorted({(rule_file(case.alert), case.step) for case in CASES})


def metrics_of(case: Case) -> set[str]:
    return {series.partition("{")[0] for series in case.series}


def packed(cases: Sequence[Case]) -> list[list[Case]]:
    """Cases with different metrics do not disturb each other; each pack is played at once, which saves most of the time."""
    packs: list[list[Case]] = []
    for case in cases:
        fits = (pack for pack in packs if all(metrics_of(case).isdisjoint(metrics_of(other)) for other in pack))
        if (pack := next(fits, None)) is None:
            packs.append(pack := [])
        pack.append(case)
    return packs


def written(pack: list[Case]) -> dict[str, object]:
    """A pack of cases as promtool wants to have it."""
    asked = 'count(count by (alertname) (ALERTS{{alertname="{}", alertstate="firing"}}))'
    return {
        "name": "; ".join(f"{case.alert}: {case.says}" for case in pack),
        "interval": pack[0].step,
        "input_series": [{"series": name, "values": values} for case in pack for name, values in case.series.items()],
        "promql_expr_test": [
            {"expr": asked.format(case.alert), "eval_time": case.at, "exp_samples": [{"value": 1}] if case.fires else []}
            for case in pack
        ],
    }


def needed(cases: Sequence[Case]) -> dict[str, object]:
    """The rules of these alerts, as they stand, after those that record what they use.

    All rules, every 15 seconds, through three days would take minutes.
    """
    alerting = [rule for name, rule in alerts().items() if name in {case.alert for case in cases}]
    used = {name for rule in alerting for name in metrics_in(rule["expr"])}
    recording = [rule for rule in rules() if rule.get("record") in used]
    return {"groups": [{"name": "needed", "rules": recording + alerting}]}


def played(cases: Sequence[Case], step: str, folder: Path) -> str:
    """What promtool has against the rules; nothing when each case goes as it is written."""
    # JSON is YAML as well.
    (folder / "rules.yml").write_text(json.dumps(needed(cases)))
    tests = {"rule_files": ["rules.yml"], "evaluation_interval": step, "tests": [written(pack) for pack in packed(cases)]}
    (folder / "cases.yml").write_text(json.dumps(tests))
    ran = subprocess.run(
        [program("promtool"), "test", "rules", folder / "cases.yml"], capture_output=True, text=True, check=False
    )
    return "" if ran.returncode == 0 else ran.stdout + ran.stderr


@pytest.mark.parametrize(("file", "step"), GROUPS)
def test_every_alert_fires_when_it_should_and_only_then(file: str, step: str, tmp_path: Path) -> None:
    assert played([case for case in CASES if (rule_file(case.alert), case.step) == (file, step)], step, tmp_path) == ""


def test_a_case_that_is_not_so_is_noticed(tmp_path: Path) -> None:
    boundary = ("10 errors in 5 minutes", "5.1 % of the requests fail")
    wrong = [case._replace(fires=not case.fires) for case in CASES if case.says in boundary]
    said = played(wrong, "15s", tmp_path)
    assert said.count("FAILED") == 1
    assert said.count("exp:") == 2


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    both = {(name, fires) for name in alerts() for fires in (True, False)}
    # The watchdog is there to fire always.
    assert both - {(case.alert, case.fires) for case in CASES} == {("Watchdog", False)}


def test_the_rules_are_well_formed() -> None:
    files = sorted(FOLDER.glob("rules/*.yml"))
    ran = subprocess.run(
        [program("promtool"), "check", "rules", "--lint-fatal", *files], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize(
    ("alert", "window", "threshold", "notified"),
    [
        ("HighErrorRate", "[5m]", "> 0.05", "email,slack"),
        ("SlowResponses", "[10m]", "> 0.5", "email"),
        ("DatabaseErrors", "[5m]", "> 10", "email,slack,pager"),
    ],
)
def test_the_three_required_alerts_are_as_required(alert: str, window: str, threshold: str, notified: str) -> None:
    rule = alerts()[alert]
    assert window in rule["expr"]
    assert rule["expr"].strip().endswith(threshold)
    assert rule["labels"]["notify"] == notified
    # The time is that of the window: nobody has to wait for it twice.
    assert "for" not in rule


def test_up_is_who_answers_and_hears_the_database(tmp_path: Path) -> None:
    """Four minutes as promtool plays them: well, without the database, out of reach, and well at one of two instances."""
    recording = [rule for rule in rules() if rule.get("record") == "namaskah:up:any"]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "up", "rules": recording}]}))
    series = {
        'up{job="namaskah", instance="a"}': "1 1 0 0",
        'namaskah_db_up{job="namaskah", instance="a"}': "1 0 _ _",
        'up{job="namaskah", instance="b"}': "_ _ _ 1",
        'namaskah_db_up{job="namaskah", instance="b"}': "_ _ _ 1",
    }
    asked = [
        {"expr": "namaskah:up:any", "eval_time": f"{minute}m", "exp_samples": [{"labels": "namaskah:up:any", "value": value}]}
        for minute, value in enumerate((1, 0, 0, 1))
    ]
    played = {"name": "up", "interval": "1m", "promql_expr_test": asked}
    played["input_series"] = [{"series": name, "values": values} for name, values in series.items()]
    (tmp_path / "test.yml").write_text(json.dumps({"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [played]}))
    ended = subprocess.run(
        [program("promtool"), "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr

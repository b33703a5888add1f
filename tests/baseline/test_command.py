"""`namaskah baseline` as an operator calls it, on a real instance, on one that is slow and wrong, and on none."""

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from namaskah.accounts.key_format import new_secret
from tests.baseline.broken import Broken, Exchange, Fault
from tests.baseline.conftest import Instance
from tests.cli.conftest import environment
from tests.cli.served import free_port


@pytest.fixture(autouse=True)
def healed() -> Iterator[None]:
    yield
    Broken.everywhere = None


def baseline(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "namaskah.cli", "baseline", "--out", "reports", "--samples", "5", *arguments]
    known = {"NAMASKAH_DATA_DIR": str(folder / "data"), **settings}
    return subprocess.run(command, capture_output=True, text=True, timeout=200, cwd=folder, env=environment(**known), check=False)


def test_a_live_key_is_refused_and_not_repeated(tmp_path: Path):
    live = new_secret(livemode=True)
    refused = baseline(tmp_path, "--url", "http://127.0.0.1:9", NAMASKAH_TEST_KEY=live)
    assert refused.returncode == 2
    assert "live key" in refused.stderr
    assert live not in refused.stdout + refused.stderr


def test_an_instance_that_is_not_there_is_one_clear_line(tmp_path: Path):
    failed = baseline(tmp_path, "--url", "http://127.0.0.1:9", "--key", new_secret(livemode=False))
    assert failed.returncode == 2
    assert failed.stderr.startswith("error: http://127.0.0.1:9 cannot be reached")
    assert not (tmp_path / "reports").exists()


def test_a_key_of_another_instance_is_said(tmp_path: Path, instance: Instance):
    failed = baseline(tmp_path, "--url", instance.url, NAMASKAH_TEST_KEY=new_secret(livemode=False))
    assert failed.returncode == 2
    assert "does not know this key" in failed.stderr


def test_a_run_is_measured_and_the_next_one_compared_and_a_wrong_instance_misses_a_target(tmp_path: Path, instance: Instance):
    # The one of this machine's settings is meant when no other is named.
    port = instance.url.rpartition(":")[2]
    first = baseline(tmp_path, PORT=port, NAMASKAH_TEST_KEY=instance.key)
    reports = tmp_path / "reports"
    assert first.returncode in (0, 1), first.stderr  # a busy machine may miss a target
    [path] = reports.glob("*.json")
    report = json.loads(path.read_text())
    assert {row["name"]: (row["count"], row["errors"]) for row in report["endpoints"]} == dict.fromkeys(
        ("live", "health", "page", "services", "offers", "start", "read", "long-poll", "history", "wallet"), (5, 0)
    )
    assert [step["connections"] for step in report["ramp"]] == [1, 8, 32]
    assert [row["missing"] for row in (*report["delivery"], *report["push"])] == [0, 0, 0, 0]
    start = next(row for row in report["endpoints"] if row["name"] == "start")
    assert 0 < start["database_share"] <= 1
    assert 0 <= start["network_share"] < 1
    assert report["limited"] == 0
    assert open_orders(instance) == 0
    _is_readable(path)

    def fails(exchange: Exchange) -> None:
        if exchange.path.endswith("/wallet"):
            exchange.status = 500

    Broken.everywhere = Fault("", fails)
    second = baseline(tmp_path, "--url", f"http://127.0.0.1:{port}", "--json", NAMASKAH_TEST_KEY=instance.key)
    assert second.returncode == 1
    told = json.loads(second.stdout)
    assert told["compared_with"] == path.name
    assert {row["verdict"] for row in told["changes"]} <= {"slower", "faster", "same"}
    assert len(told["changes"]) == 16
    assert [row["name"] for row in told["targets"] if not row["holds"]].count("error rate") == 1
    everything = "".join(file.read_text() for file in reports.iterdir()) + first.stdout + first.stderr + second.stdout
    assert instance.key not in everything


@pytest.mark.slow
def test_where_no_instance_runs_one_is_started_measured_and_gone(tmp_path: Path):
    measured = baseline(tmp_path, "--json", PORT=str(free_port()), TMPDIR=str(tmp_path))
    assert measured.returncode in (0, 1), measured.stderr
    told = json.loads(measured.stdout)
    assert told["subject"] == "an instance of its own"
    assert sum(row["errors"] for row in told["endpoints"]) == 0
    assert list(tmp_path.glob("namaskah-demo-*")) == []


def open_orders(instance: Instance) -> int:
    asked = urllib.request.Request(f"{instance.url}/api/v2/account/usage", headers={"authorization": f"Bearer {instance.key}"})
    with urllib.request.urlopen(asked, timeout=20) as answer:
        return int(json.load(answer)["open_verifications"])


def _is_readable(path: Path) -> None:
    """The page has charts that say in words what they show, nothing from elsewhere, and the Markdown the same tables."""
    page = path.with_suffix(".html").read_text()
    charts = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(charts) == 4
    for chart in charts:
        root = ElementTree.fromstring(chart)
        said = {child.tag.rpartition("}")[2]: child.text for child in root}
        assert said["title"] and len(str(said["desc"])) > 40
        assert {child.get("id") for child in root[:2]} == set(str(root.get("aria-labelledby")).split())
    assert "http" not in re.sub(r'xmlns="[^"]+"|http://127\.0\.0\.1:\d+', "", page)
    assert "<script" not in page
    markdown = path.with_suffix(".md").read_text()
    assert markdown.count("\n## ") == page.count("<table") + 1

"""The programs that other tests start: they run, and where they cannot be had a test says what to install."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import programs
from tests.programs import ROOT, ProgramMissing, program

# Each with a call that ends by itself.
CALLS = {
    "prometheus": "--version",
    "promtool": "--version",
    "prometheus-alertmanager": "--version",
    "amtool": "--version",
    "haproxy": "-v",
    "nginx": "-v",
    "redis-server": "--version",
    "redis-cli": "--version",
    "msmtpd": "--version",
}


@pytest.fixture
def machine_without_apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the script on a machine that has a shell and nothing else, as far as PATH says."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "bin").mkdir()
    shutil.copy(ROOT / "scripts" / "servers", tmp_path / "scripts")
    (tmp_path / "bin" / "dirname").symlink_to(shutil.which("dirname") or "/usr/bin/dirname")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(programs, "ROOT", tmp_path)
    monkeypatch.setattr(programs, "FETCHED", tmp_path / ".venv" / "servers" / "bin")
    return tmp_path


def test_a_machine_without_apt_is_told_what_to_install(machine_without_apt: Path) -> None:
    with pytest.raises(ProgramMissing, match=r"there is no apt-get here.*: prometheus") as refused:
        program("prometheus")
    assert "apt-get install prometheus" in str(refused.value)


def test_a_program_that_nobody_knows_fails_by_its_name() -> None:
    with pytest.raises(ProgramMissing, match="no package is known for the program prometeus"):
        program("prometeus")


@pytest.mark.parametrize("name", CALLS)
def test_every_program_that_tests_use_runs(name: str) -> None:
    ran = subprocess.run([program(name), CALLS[name]], capture_output=True, text=True, check=False)
    assert (ran.returncode, bool(re.search(r"\d+\.\d+", ran.stdout + ran.stderr))) == (0, True)


def test_what_is_there_is_not_fetched_again() -> None:
    for name in CALLS:
        program(name)
    ran = subprocess.run([ROOT / "scripts" / "servers"], env={"PATH": os.environ["PATH"]}, capture_output=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, b"")

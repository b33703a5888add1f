"""Runs the real command `namaskah` in a process of its own, on a database of the test's own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Namaskah = Callable[..., subprocess.CompletedProcess[str]]


def environment(**settings: str) -> dict[str, str]:
    """Our environment without any settings of Namaskah that the developer may have, and with these."""
    ours = (
        "NAMASKAH_DATA_DIR",
        "NAMASKAH_SECRET_KEY",
        "DATABASE_URL",
        "ENVIRONMENT",
        "PORT",
        "HOST",
        "PUBLIC_URL",
    )
    inherited = {name: value for name, value in os.environ.items() if name not in ours}
    return {**inherited, "NO_COLOR": "1", "COLUMNS": "100", **settings}


@pytest.fixture
def command(tmp_path: Path) -> Namaskah:
    """Calls `namaskah` where there is no database."""

    def call(*arguments: str, stdin: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "namaskah.cli", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            cwd=tmp_path,
            env=environment(**{"NAMASKAH_DATA_DIR": str(tmp_path / "data"), **settings}),
        )

    return call


@pytest.fixture
def namaskah(command: Namaskah, database_url: str) -> Namaskah:
    """Calls `namaskah` on a database that is ready for it."""

    def call(*arguments: str, stdin: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
        known = {"DATABASE_URL": database_url, "ENVIRONMENT": "test"}
        return command(*arguments, stdin=stdin, **{**known, **settings})

    made = call("migrate")
    assert made.returncode == 0, made.stderr
    return call

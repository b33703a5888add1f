"""Guards of who may import whom: layers point down, domains know no web framework, surfaces no driver."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source import ROOT, imported, modules, package_of, shown

SURFACES = {"api", "web", "admin", "compat"}
DOMAINS = {
    "accounts", "notifications", "wallet", "catalog", "providers", "messages",
    "verifications", "rentals", "inbound", "support", "analytics", "ops",
}  # fmt: skip


def test_imports_point_down_only() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    answer = subprocess.run([lint, "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize("framework", ["fastapi", "starlette", "jinja2"])
def test_no_domain_knows_the_web_framework(framework: str) -> None:
    guilty = [path for path, tree in modules().items() if framework in imported(tree)]
    assert [shown(path) for path in guilty if package_of(path) in DOMAINS] == []


def test_no_surface_talks_to_the_database_driver() -> None:
    guilty = [path for path, tree in modules().items() if "asyncpg" in imported(tree)]
    assert [shown(path) for path in guilty if package_of(path) in SURFACES] == []


def test_nobody_uses_sqlalchemy_but_the_migrations() -> None:
    guilty = {package_of(path) for path, tree in modules().items() if {"sqlalchemy", "alembic"} & imported(tree)}
    assert guilty <= {"migrations", "core"}
    inside_core = [
        shown(path)
        for path, tree in modules().items()
        if package_of(path) == "core" and {"sqlalchemy", "alembic"} & imported(tree)
    ]
    assert inside_core in ([], ["src/namaskah/core/migrate.py"])

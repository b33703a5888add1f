"""The project's own files as the guards see them: what git tracks, and the package's modules, parsed."""

import ast
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "namaskah"


@cache
def tracked() -> list[Path]:
    """Every file that belongs to the project, new ones included."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    return [ROOT / name for name in listed if name and (ROOT / name).is_file()]


@cache
def modules() -> dict[Path, ast.Module]:
    """Every module of the package with its syntax tree."""
    return {path: ast.parse(path.read_text(), path) for path in sorted(PACKAGE.rglob("*.py"))}


def package_of(path: Path) -> str:
    """The part of the house a module belongs to: `wallet` for wallet/hold.py, `app` for app.py."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imported(tree: ast.Module) -> set[str]:
    """The top-level names of all that a module imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))

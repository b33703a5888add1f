"""Guards of how the code looks: small files, small functions, a docstring each, names that say something."""

import ast

import pytest

from tests.architecture.source import PACKAGE, ROOT, modules, shown, tracked

LINES_OF_A_FILE = 400
LINES_OF_A_FUNCTION = 50
# Where everything ends up that nobody found a name for.
EMPTY_NAMES = (
    "util",
    "utils",
    "helper",
    "helpers",
    "manager",
    "managers",
    "misc",
    "common",
    "service",
    "handler",
)


def test_there_is_something_to_guard() -> None:
    assert (PACKAGE / "core" / "__init__.py") in modules()
    assert (ROOT / "pyproject.toml") in tracked()


def test_no_file_is_longer_than_400_lines() -> None:
    lengths = {shown(path): len(path.read_text().splitlines()) for path in modules()}
    assert {name: lines for name, lines in lengths.items() if lines > LINES_OF_A_FILE} == {}


def test_no_function_is_longer_than_50_lines() -> None:
    long = {
        f"{shown(path)}:{node.lineno} {node.name}": lines
        for path, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        # The decorators belong to it: that is where a route or a command says much of what it does.
        and (lines := (node.end_lineno or 0) - min([d.lineno for d in node.decorator_list] + [node.lineno]) + 1)
        > LINES_OF_A_FUNCTION
    }
    assert long == {}


def test_every_module_begins_with_a_docstring() -> None:
    assert [shown(path) for path, tree in modules().items() if not ast.get_docstring(tree)] == []


@pytest.mark.parametrize("name", EMPTY_NAMES)
def test_no_file_has_a_name_that_says_nothing(name: str) -> None:
    parts = {shown(path): {part.split(".")[0] for part in path.relative_to(ROOT).parts} for path in tracked()}
    assert [path for path, names in parts.items() if name in names] == []

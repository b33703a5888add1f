"""Guards of the documents: nothing undocumented, nothing documented that is not there, no dead link, a tour that works."""

import importlib
import json
import pkgutil
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from prometheus_client import Counter, Gauge, Histogram

import namaskah
from namaskah.api.operations import OPERATIONS
from namaskah.cli.commands import app
from namaskah.core import metrics
from namaskah.core.errors import NamaskahError
from namaskah.core.settings import Settings
from namaskah.providers.sandbox import SANDBOX_SERVICES
from namaskah.verifications.states import RELEASED
from tests.architecture.documents import (
    anchors_of,
    blocks_of,
    documents,
    links_of,
    named_in_code,
    rows_of,
    text_of,
)
from tests.architecture.source import PACKAGE, ROOT, shown
from tests.cli.conftest import environment
from tests.cli.served import Served
from tests.requirements import require

API, CLI, CONFIGURATION = "docs/api.md", "docs/cli.md", "docs/configuration.md"
EVENT = r"(?:verification\.[a-z_]+|wallet\.updated)"


def settings() -> dict[str, str]:
    """Each setting's name in the environment, with its default as a document writes it."""

    def written(default: object) -> str:
        if default is None or default == "":
            return "none" if default is None else "empty"
        return f"`{str(default).lower() if isinstance(default, bool) else default}`"

    return {str(field.alias or name).upper(): written(field.default) for name, field in Settings.model_fields.items()}


def metric_rows() -> dict[str, tuple[str, ...]]:
    """Each metric's name with its kind, its labels and its meaning."""
    found = {}
    for metric in vars(metrics).values():
        if isinstance(metric, (Counter, Gauge, Histogram)):
            (told,) = metric.describe()
            name = told.name + ("_total" if told.type == "counter" else "")
            labels = ", ".join(f"`{label}`" for label in metric._labelnames)
            found[name] = (told.type, labels, told.documentation)
    return found


def all_errors() -> set[type[NamaskahError]]:
    """Every error that customers can meet, from every module of the package."""
    for module in pkgutil.walk_packages(namaskah.__path__, "namaskah."):
        if not module.name.startswith("namaskah.migrations") and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found, new = set[type[NamaskahError]](), [NamaskahError]
    while new:
        new = [below for error in new for below in error.__subclasses__() if below.__module__.startswith("namaskah.")]
        found |= set(new)
    return found


def event_types() -> set[str]:
    """What the SQL functions append, and what the application appends or looks for."""
    sources = [path.read_text() for kind in ("*.sql", "*.py") for path in PACKAGE.rglob(kind)]
    found = {name for text in sources for name in re.findall(rf"'({EVENT})'", text)}
    if any("'verification.' || p_status" in text for text in sources):
        found |= {f"verification.{status}" for status in RELEASED}
    return found


def commands() -> dict[str, list[str]]:
    """Each command as it is called, with its options."""

    def below(name: str, command: object) -> Iterator[tuple[str, list[str]]]:
        inner = getattr(command, "commands", None)
        if inner is None:
            options = [option for parameter in command.params for option in parameter.opts]  # type: ignore[attr-defined]
            yield name, [option for option in options if option.startswith("--") and option != "--help"]
            return
        for word, one in inner.items():
            yield from below(f"{name} {word}", one)

    return dict(below("namaskah", typer.main.get_command(app)))


def test_every_metric_is_documented_with_its_labels() -> None:
    rows = {row[0].strip("`"): tuple(row[1:]) for row in rows_of("docs/metrics.md") if named_in_code(row[0])}
    assert rows == metric_rows()


def test_every_setting_is_documented_with_its_default() -> None:
    rows = {row[0].strip("`"): row[1] for row in rows_of(CONFIGURATION) if named_in_code(row[0])}
    assert rows == settings()


def test_every_error_code_is_documented_with_its_status() -> None:
    rows = {(row[0].strip("`"), row[1]) for row in rows_of(API) if len(row) == 3 and row[1].isdigit()}
    assert rows == {(error.code, str(error.status)) for error in all_errors()}


def test_no_error_code_is_documented_twice() -> None:
    codes = [row[0] for row in rows_of(API) if len(row) == 3 and row[1].isdigit()]
    assert len(codes) == len(set(codes))


def test_every_event_type_is_documented() -> None:
    types = event_types()
    assert len(types) >= 9
    assert {name for row in rows_of(API) if re.fullmatch(EVENT, name := row[0].strip("`"))} == types


def test_the_api_describes_every_event_type() -> None:
    [stream] = [operation for operation in OPERATIONS if operation.path == "/events"]
    short = {name.removeprefix("verification") for name in event_types()}
    assert {name for name in short if f"`{name}`" not in stream.description.replace("`verification.", "`.")} == set()


def test_every_operation_is_documented() -> None:
    named = {name for row in rows_of(API) if (name := named_in_code(row[0])) and re.match(r"[A-Z]+ /", name)}
    assert named == {f"{operation.method} {operation.path}" for operation in OPERATIONS}


def test_every_service_of_the_sandbox_is_documented() -> None:
    named = {name for row in rows_of(API) if (name := row[0].strip("`")).startswith("test_")} - {"test_key_needed"}
    assert named == {case.slug for case in SANDBOX_SERVICES}


def test_every_command_is_documented() -> None:
    assert set(re.findall(r"^### (namaskah .+)$", text_of(CLI), re.MULTILINE)) == set(commands())


@pytest.mark.parametrize("command", sorted(commands()))
def test_a_command_has_an_example_and_names_its_options(command: str) -> None:
    section = text_of(CLI).partition(f"### {command}\n")[2].partition("\n##")[0]
    block = re.search(r"```bash\n(.*?)```", section, re.DOTALL)
    assert block
    assert command in block[1]
    assert [option for option in commands()[command] if option not in section] == []


def test_no_link_leads_to_a_missing_place() -> None:
    dead = []
    for path in documents():
        for link in links_of(path):
            name, _, anchor = link.partition("#")
            target = (path.parent / name).resolve() if name else path
            if not target.exists() or (anchor and anchor not in anchors_of(target)):
                dead.append(f"{shown(path)}: {link}")
    assert dead == []


def test_every_file_that_a_document_names_is_there() -> None:
    named = {
        (path, name)
        for path in documents()
        for name in re.findall(r"`([\w./-]+/[\w.-]+\.(?:py|sql|toml|lock|csv|md))`", path.read_text())
    }
    assert len(named) > 30
    folders = (ROOT, PACKAGE)
    missing = {(shown(path), name) for path, name in named if not any((f / name).exists() for f in (*folders, path.parent))}
    assert missing == set()


def test_the_map_shows_every_part_of_the_house() -> None:
    drawn = re.findall(r"^    ([a-z]+(?: \| [a-z]+)*)  ", text_of("docs/map.md"), re.MULTILINE)
    parts = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert {name for line in drawn for name in line.split(" | ")} == parts - {"__init__", "migrations"}


def test_every_decision_is_listed() -> None:
    records = {path.name for path in documents() if re.match(r"\d{4}-", path.name)}
    assert len(records) >= 13
    assert set(re.findall(r"\((\d{4}-[^)]+)\)", text_of("docs/adr/README.md"))) == records
    for name in records:
        text = text_of(f"docs/adr/{name}")
        assert text.startswith(f"# {name[:4]}: "), name
        assert [part for part in ("**Context.**", "**Decision.**", "**Consequences.**") if part not in text] == []


@pytest.fixture
def served(tmp_path: Path, database_url: str) -> Iterator[Served]:
    """The platform as `make run` starts it, on a database that is migrated already, which saves seconds."""
    instance = Served(tmp_path / "data", "--demo", DATABASE_URL=database_url)
    try:
        instance.until_ready()
        yield instance
    finally:
        instance.end()


def pasted(instance: Served, name: str, **variables: str) -> list[str]:
    """Pastes a document's marked blocks into one shell; answers what each of them printed."""
    blocks = blocks_of(name)
    assert blocks, name
    key = re.search(r"^  Test key +(\S+)$", instance.output, re.MULTILINE)
    assert key
    script = "\necho '=== end of a block'\n".join(block.script for block in blocks)
    script = script.replace("KEY=nmk_test_...\n", f"KEY={key[1]}\n").replace("http://127.0.0.1:8000", instance.url)
    ran = subprocess.run(["bash"], input=script, capture_output=True, text=True, timeout=60, env=environment(**variables))
    assert (ran.returncode, ran.stderr) == (0, "")
    printed = ran.stdout.split("=== end of a block\n")
    assert len(printed) == len(blocks)
    for block, output in zip(blocks, printed, strict=True):
        assert [words for words in block.shows if words not in output] == [], output
    return printed


@pytest.mark.slow
def test_what_a_reader_pastes_works(served: Served, database_url: str) -> None:
    require(shutil.which("curl") and shutil.which("openssl"), "curl and openssl are needed")
    pasted(served, "README.md")
    made = subprocess.run(
        [sys.executable, "-m", "namaskah.cli", "source", "create", "a source of the documents", "--json"],
        env=environment(
            DATABASE_URL=database_url, NAMASKAH_DATA_DIR=str(served.folder), ENVIRONMENT="development", PUBLIC_URL=served.url
        ),
        capture_output=True,
        text=True,
        check=True,
    )
    source = json.loads(made.stdout)
    pasted(served, "docs/operations.md", WEBHOOK=source["webhook_url"], SECRET=source["secret"], NUMBER="+12025550100")

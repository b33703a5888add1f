"""The project's documents as their guards read them: tables, links, headings, and the blocks that are run."""

import re
from pathlib import Path
from typing import NamedTuple

from tests.architecture.source import ROOT, tracked

_RUN = re.compile(r"<!-- run(?:, shows: (?P<shows>.+?))? -->\n```bash\n(?P<script>.*?)```", re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_FENCE = re.compile(r"```.*?```", re.DOTALL)


class Block(NamedTuple):
    """A block of shell that a reader pastes, and what its output must hold."""

    script: str
    shows: list[str]


def documents() -> list[Path]:
    """Every Markdown file of the project."""
    return [path for path in tracked() if path.suffix == ".md"]


def text_of(name: str) -> str:
    return (ROOT / name).read_text()


def rows_of(name: str) -> list[list[str]]:
    """The cells of every table row of a document."""
    lines = (line.strip() for line in text_of(name).splitlines())
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("| ")]


def named_in_code(cell: str) -> str | None:
    """What stands in backticks where nothing else stands in a cell."""
    found = re.fullmatch(r"`([^`]+)`", cell)
    return found and found[1]


def blocks_of(name: str) -> list[Block]:
    """The blocks that are marked to be run, in order."""
    found = _RUN.finditer(text_of(name))
    return [Block(match["script"], match["shows"].split(", ") if match["shows"] else []) for match in found]


def links_of(path: Path) -> list[str]:
    """Where a document's links lead, those to other sites left out."""
    plain = _FENCE.sub("", path.read_text())
    return [link for link in _LINK.findall(plain) if not re.match(r"[a-z]+:", link)]


def anchors_of(path: Path) -> set[str]:
    """The names under which a document's headings can be reached."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", path.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}

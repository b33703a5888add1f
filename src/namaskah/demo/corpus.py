"""The messages of the demo: every one that carries a code, from a folder of JSON lines or from our own small set."""

import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import msgspec


class Sample(msgspec.Struct, frozen=True):
    """A message and the code that a person reads in it."""

    text: str
    expected: str


class _Row(msgspec.Struct, frozen=True):
    text: str
    expected: str | None = None


class CorpusUnusable(Exception):
    """A corpus was named and cannot be read."""


_decode = msgspec.json.Decoder(_Row).decode


def read_corpus(folder: Path | None) -> list[Sample]:
    """All messages with a code in the folder's *.jsonl files; our own when there is no such folder.

    Raises CorpusUnusable for a line that is none, with its file and number.
    """
    if folder is not None and folder.is_dir():
        samples = [sample for file in sorted(folder.glob("*.jsonl")) for sample in _samples(file.name, file.read_text("utf-8"))]
        if samples:
            return samples
    own = resources.files("namaskah.demo") / "messages.jsonl"
    return list(_samples("messages.jsonl", own.read_text("utf-8")))


def _samples(name: str, content: str) -> Iterator[Sample]:
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = _decode(line)
        except msgspec.DecodeError as error:
            raise CorpusUnusable(f"{name}, line {number}: {error}") from None
        if row.expected:
            yield Sample(row.text, row.expected)


def same_code(one: str | None, other: str) -> bool:
    """Whether two codes are the same to whoever types them: case, blanks, dashes and Google's `G-` do not count."""
    return one is not None and _plain(one) == _plain(other)


def _plain(code: str) -> str:
    return re.sub(r"^G(?=\d{5})", "", re.sub(r"[^0-9A-Za-z]", "", code).upper())

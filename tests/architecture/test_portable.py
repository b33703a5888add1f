"""Guards of what is committed: it names no registry and no folder of the machine on which it was written."""

import re
from pathlib import Path

import pytest

from tests.architecture.source import ROOT, shown, tracked

LOCKS = ["requirements.lock", "requirements-dev.lock"]
# Folders of somebody's own; what every Debian has, such as /usr and /tmp, may be named.
OWN_FOLDER = re.compile(r"(?<![\w.~$}>-])/(?:home|root|Users|work|workspace)/[\w.-]+")


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_registry(name: str) -> None:
    assert "://" not in (ROOT / name).read_text()
    assert "index-url" not in (ROOT / name).read_text()


@pytest.mark.parametrize("name", LOCKS)
def test_everything_in_a_lock_is_pinned_and_hashed(name: str) -> None:
    entries = re.split(r"\n(?=\S)", (ROOT / name).read_text().strip())
    assert len(entries) > 30
    assert [entry for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []


def test_both_locks_pin_the_same_versions() -> None:
    pins = [set(re.findall(r"^\S+==\S+", (ROOT / name).read_text(), re.MULTILINE)) for name in LOCKS]
    assert pins[0] - pins[1] == set()


def own_folders(path: Path) -> list[str]:
    try:
        text = path.read_text()
    except UnicodeDecodeError:
        return []
    return OWN_FOLDER.findall(text)


def test_no_file_names_a_folder_of_this_machine() -> None:
    named = {shown(path): found for path in tracked() if (found := own_folders(path))}
    assert named == {}


def test_no_file_names_the_folder_of_this_checkout() -> None:
    texts = {shown(path): path.read_bytes() for path in tracked()}
    assert [name for name, text in texts.items() if str(ROOT).encode() + b"/" in text] == []

"""The demo is a test that anybody can run, so the suite runs it, on the project's own messages."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from namaskah.demo.corpus import CorpusUnusable, read_corpus, same_code
from namaskah.demo.tally import Tally, broken, percentile


def test_a_line_that_is_no_message_is_named_by_file_and_number(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "x", "expected": "1"}\nnonsense\n')
    with pytest.raises(CorpusUnusable, match=r"a\.jsonl, line 2"):
        read_corpus(tmp_path)


def test_a_missing_folder_means_our_own_messages(tmp_path: Path) -> None:
    assert len(read_corpus(tmp_path / "nothing")) == 40
    assert len(read_corpus(None)) == 40


def test_codes_are_compared_as_they_are_typed() -> None:
    assert same_code("412157", "G-412157")
    assert same_code("123456", "123-456")
    assert not same_code(None, "1")
    assert not same_code("12345", "123456")


def test_what_does_not_hold_is_said_in_words() -> None:
    assert "the ledger is proved" in broken(Tally(), messages=1, spent_micros=0, captured_micros=0)
    good = Tally(
        bought=9, codes_right=3, charged=5, released=4, expired=2, cancelled=2, races=1, duplicate_webhooks_ignored=1,
        replayed_purchases=1, ledger_ok=True,
    )  # fmt: skip
    assert broken(good, messages=3, spent_micros=7, captured_micros=7) == []
    assert broken(good, messages=3, spent_micros=8, captured_micros=7) == ["the wallet lost exactly what the charged ones cost"]


def test_percentiles_of_nothing_are_nothing() -> None:
    assert percentile([], 0.99) == 0
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0


def test_the_demo_plays_to_its_end_and_proves_the_ledger(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "namaskah.cli", "demo", "--json", "--corpus", str(tmp_path / "none")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert told["codes_right"] == 40
    assert (told["codes_wrong"], told["ledger_ok"], told["drift_micros"]) == (0, True, 0)
    assert told["charged"] + told["released"] == told["bought"]

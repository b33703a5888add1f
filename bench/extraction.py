"""Scores the code extractor against message sets: `CORPUS=DIR python -m bench.extraction`.
Reads every `*.jsonl` (rows with `text` and `expected`) and `ordinary-sms.tsv` of CORPUS (default
../shared/corpora/otp); exits with 1 when a bar is missed. `--show` prints what went wrong."""

import csv
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

from namaskah.messages.extract import code_of, extract

CODES_FOUND_AT_LEAST = 0.98
FALSE_ALARMS_AT_MOST = 10
MICROSECONDS_AT_MOST = 200.0


def comparable(code: str | None) -> str:
    """Return a code without separators, in capitals, without the "G-" of Google's; empty for None."""
    bare = re.sub(r"[^0-9A-Za-z]", "", code or "").upper()
    return re.sub(r"^G(?=[0-9]{5})", "", bare)


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a JSON-lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def score_set(path: Path, *, show: bool) -> tuple[int, int, int, int]:
    """Return (codes found, messages with a code, false alarms, messages without one) for one jsonl file."""
    right = with_code = false_alarms = without = 0
    for row in rows_of(path):
        got, expected = code_of(row["text"]), row["expected"]
        if expected is None:
            # In the origin-bound set null only means "not in that format": a code may still be there.
            if row.get("is_origin_bound") is False:
                continue
            without += 1
            false_alarms += got is not None
        else:
            with_code += 1
            right += comparable(got) == comparable(expected)
        if show and comparable(got) != comparable(expected):
            print(f"    expected {expected!r}, got {got!r}: {row['text']!r}")
    return right, with_code, false_alarms, without


def ordinary_messages(path: Path) -> list[str]:
    """Return the messages of the tab-separated file (label, text; a header first)."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [row[1] for row in rows if len(row) > 1][1:]


def microseconds(messages: list[str], rounds: int = 3) -> float:
    """Return the processor time of one extraction: the mean over the messages, the best of some rounds."""
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        for message in messages:
            extract(message)
        best = min(best, (time.process_time() - start) / max(1, len(messages)))
    return best * 1e6


def main() -> int:
    folder = Path(os.environ.get("CORPUS", "../shared/corpora/otp"))
    show = "--show" in sys.argv[1:]
    if not folder.is_dir():
        print(f"no such folder: {folder} (set CORPUS)", file=sys.stderr)
        return 1
    holds, timed = True, []
    for path in sorted(folder.glob("*.jsonl")):
        right, with_code, false_alarms, without = score_set(path, show=show)
        share = right / with_code if with_code else 1.0
        holds &= share >= CODES_FOUND_AT_LEAST
        name = f"{path.name:28}"
        print(f"{name} codes {right}/{with_code} ({share:.1%}), false alarms {false_alarms}/{without}")
        timed += [row["text"] for row in rows_of(path)]
    ordinary = folder / "ordinary-sms.tsv"
    if ordinary.exists():
        messages = ordinary_messages(ordinary)
        alarms = [(code, message) for message in messages if (code := code_of(message)) is not None]
        holds &= len(alarms) <= FALSE_ALARMS_AT_MOST
        print(f"{ordinary.name:28} false alarms {len(alarms)}/{len(messages)}")
        for code, message in alarms if show else []:
            print(f"    {code}: {message}")
        timed += messages
    cost = microseconds(timed)
    holds &= cost <= MICROSECONDS_AT_MOST
    print(f"{'time':28} {cost:.0f} us per message (at most {MICROSECONDS_AT_MOST:.0f})")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())

"""Finds the words of words.py, hints.py and distractors.py in a folded, lower-cased message, fast.
Word starts are looked up by their first three letters; stems that may sit inside a word are searched only when
the message contains their script."""

import re
from typing import NamedTuple

from namaskah.messages.distractors import LABELS
from namaskah.messages.hints import AIMS, NOUNS, NUMBERS, TELLS, VALIDITY, WARNINGS
from namaskah.messages.words import PROMPTS, PURPOSES, SECRETS

MOST = 80  # keywords looked at in one message; a real one has a handful

SECRET, PROMPT, PURPOSE, LABEL, NOUN, NUMBER, TELL, AIM, WARNING, VALID = range(10)

_STRONG = ((SECRET, SECRETS), (PROMPT, PROMPTS), (PURPOSE, PURPOSES), (LABEL, LABELS))
_WEAK = ((NOUN, NOUNS), (NUMBER, NUMBERS), (TELL, TELLS), (AIM, AIMS), (WARNING, WARNINGS), (VALID, VALIDITY))
# A kind and its stems by script.
_Kinds = tuple[tuple[int, dict[str, tuple[str, ...]]], ...]
_Index = dict[str, list[tuple[str, bool, int]]]

_WORD_START = re.compile(r"(?<![a-z])[a-z](?=[a-z/.\u0251])")
# First and last code point of the blocks a script's keywords are written in.
_BLOCKS = {
    "greek": (0x370, 0x3FF), "cyrillic": (0x400, 0x52F), "armenian": (0x530, 0x58F), "hebrew": (0x590, 0x5FF),
    "arabic": (0x600, 0x77F), "devanagari": (0x900, 0x97F), "bengali": (0x980, 0x9FF),
    "gurmukhi": (0xA00, 0xA7F), "gujarati": (0xA80, 0xAFF), "odia": (0xB00, 0xB7F), "tamil": (0xB80, 0xBFF),
    "telugu": (0xC00, 0xC7F), "kannada": (0xC80, 0xCFF), "malayalam": (0xD00, 0xD7F),
    "sinhala": (0xD80, 0xDFF), "thai": (0xE00, 0xE7F), "lao": (0xE80, 0xEFF), "myanmar": (0x1000, 0x109F),
    "georgian": (0x10A0, 0x10FF), "ethiopic": (0x1200, 0x139F), "khmer": (0x1780, 0x17FF),
    "mongolian": (0x1800, 0x18AF), "han": (0x3040, 0x9FFF), "hangul": (0xAC00, 0xD7AF),
}  # fmt: skip
_SCRIPT_OF_BLOCK = {block: script for script, (first, last) in _BLOCKS.items() for block in range(first >> 7, (last >> 7) + 1)}
# Armenian shares its last block of 128 with Hebrew, Georgian its first with Burmese: look for both.
_ALSO = {
    "armenian": "hebrew", "hebrew": "armenian", "cyrillic": "armenian", "georgian": "myanmar",
    "myanmar": "georgian",
}  # fmt: skip


class Word(NamedTuple):
    """A keyword found: where it stands and which kind it is."""

    start: int
    end: int
    kind: int


def _anchored(kinds: _Kinds) -> _Index:
    index: _Index = {}
    for kind, words in kinds:
        for stem in words["latin"]:
            if kind == SECRET and not stem.startswith("^"):
                continue
            whole, plain = stem.endswith("$"), stem.strip("^$")
            index.setdefault(plain[:3], []).append((plain, whole, kind))
    for key, entries in index.items():
        if len(key) == 3:
            entries += index.get(key[:2], [])
        entries.sort(key=lambda entry: -len(entry[0]))
    return index


def _loose() -> dict[str, tuple[tuple[str, int], ...]]:
    latin = [(stem, SECRET) for stem in SECRETS["latin"] if not stem.startswith("^")]
    found: dict[str, list[tuple[str, int]]] = {"latin": latin}
    for kind, words in (*_STRONG, *_WEAK):
        for script, stems in words.items():
            if script != "latin":
                found.setdefault(script, []).extend((stem.replace("$", " "), kind) for stem in stems)
    # A stem that contains another of the same kind would only be found twice.
    return {script: tuple(_shortest(pairs)) for script, pairs in found.items()}


def _shortest(pairs: list[tuple[str, int]]) -> list[tuple[str, int]]:
    return [
        (stem, kind) for stem, kind in pairs if kind == LABEL or not any(o != stem and k == kind and o in stem for o, k in pairs)
    ]


# At one word's start a strong word and a weak one may both begin: "login" is a purpose and may name the code.
_ANCHORED = (_anchored(_STRONG), _anchored(_WEAK))
_LOOSE = _loose()


def scripts_of(low: str) -> set[str]:
    """Return the names of the scripts, other than Latin, that `low` has letters of."""
    scripts = {_SCRIPT_OF_BLOCK.get(ord(letter) >> 7, "") for letter in set(low) if letter > "\u036f"}
    scripts |= {_ALSO[script] for script in scripts if script in _ALSO}
    scripts.discard("")
    return scripts


def words_in(low: str) -> list[Word]:
    """Return the keywords of `low` (folded, lower case), at most `MOST`, in the order of their start."""
    found: list[Word] = []
    for match in _WORD_START.finditer(low):
        at = match.start()
        key = low[at : at + 3]
        for index in _ANCHORED:
            for stem, whole, kind in index.get(key) or index.get(key[:2]) or ():
                if low.startswith(stem, at):
                    end = at + len(stem)
                    if whole and end < len(low) and low[end].isalpha():
                        continue
                    found.append(Word(at, end, kind))
                    break
    for script in ("latin", *scripts_of(low)) if not low.isascii() else ("latin",):
        for stem, kind in _LOOSE.get(script, ()):
            at = low.find(stem)
            while at >= 0:
                found.append(Word(at, at + len(stem), kind))
                at = low.find(stem, at + len(stem))
    found.sort()
    return found[:MOST]

"""Ids: text with a prefix, sorted by time, impossible to guess.

26 characters of Crockford's base32 in lower case: 48 bits of Unix milliseconds, then 80 random bits (the layout of a ULID).
"""

import os
import re
import time

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_VALID = re.compile(r"[a-z]{2,5}_[0-9abcdefghjkmnpqrstvwxyz]{26}")
# Two characters at a time: 13 look-ups make an id instead of 26.
_PAIRS = [a + b for a in ALPHABET for b in ALPHABET]


def new_id(prefix: str, *, at_ms: int | None = None) -> str:
    """A new id such as `ver_01kq3v...`; `at_ms` (Unix milliseconds) is for tests and generated data."""
    milliseconds = time.time_ns() // 1_000_000 if at_ms is None else at_ms
    value = (milliseconds << 80) | int.from_bytes(os.urandom(10), "big")
    pairs = _PAIRS
    return f"{prefix}_" + "".join([pairs[(value >> shift) & 1023] for shift in range(120, -1, -10)])


def is_id(text: str, prefix: str) -> bool:
    """Whether `text` has the form of an id of that prefix; it need not exist."""
    return text.startswith(prefix + "_") and _VALID.fullmatch(text) is not None


def milliseconds_of(text: str) -> int:
    """The Unix milliseconds at which the id was made. ValueError when it is none."""
    if not _VALID.fullmatch(text):
        raise ValueError("not an id")
    value = 0
    for character in text.rpartition("_")[2][:10]:
        value = value * 32 + ALPHABET.index(character)
    return value

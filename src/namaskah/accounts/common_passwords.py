"""Which passwords are among the first that anyone would try. Pure: text in, yes or no out.

Instead of a list of the commonest passwords it knows how they are made: one or two everyday words with digits
or signs around them, letters written as digits, walks over the keyboard, repetitions (also of every second
key: q1w2e3r4), and bare numbers such as dates.
"""

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Final

_WRITTEN_AS: Final = str.maketrans("@4831!0$57+", "aabeiiosstt")
_LATIN_KEYS: Final = str.maketrans("йцукенгшщзхъфывапролджэячсмитьбю", "qwertyuiop[]asdfghjkl;'zxcvbnm,.")
_ROWS: Final = ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm")
# A word with more than this around it is longer than what guessing programs try first.
_MOST_TRIMMED: Final = 5
_LONGEST_PAIR: Final = 13
_SHORTEST_NUMBER: Final = 12


def is_common(password: str, *, personal: Iterable[str] = ()) -> bool:
    """Whether it is one of the first guesses; `personal` is what is known of its owner."""
    plain = password.casefold()
    if plain.isdigit() and len(plain) < _SHORTEST_NUMBER:
        return True
    if len(set(plain)) < 4 or _is_repetition(plain) or _mostly_predictable(plain):
        return True
    if _mostly_predictable(plain[::2]) and _mostly_predictable(plain[1::2]):
        return True
    known = frozenset(text.casefold() for text in personal if len(text) > 3)
    return any(_is_made_of_words(core, known) or _is_made_of_words(core[::-1], known) for core in _cores(plain))


def _cores(plain: str) -> set[str]:
    """What is left without the digits and signs around a word, as written and with digits read as letters."""
    cores = {plain, plain.translate(_WRITTEN_AS)}
    start, end = 0, len(plain)
    while start < end and not plain[start].isalpha():
        start += 1
    while end > start and not plain[end - 1].isalpha():
        end -= 1
    if 0 < len(plain) - (end - start) <= _MOST_TRIMMED:
        cores |= {plain[start:end], plain[start:end].translate(_WRITTEN_AS)}
    return cores


def _is_made_of_words(core: str, known: frozenset[str]) -> bool:
    words = _words()
    if core in known or core in words or core.removesuffix("s") in words:
        return True
    if len(core) > _LONGEST_PAIR:
        return False
    return any(core[:cut] in words and core[cut:].strip(" -_.").removesuffix("s") in words for cut in range(1, len(core)))


def _mostly_predictable(plain: str) -> bool:
    """Whether most steps go to the same, the next or a neighbouring key: 12345678, qwertyui, 1q2w3e4r."""
    steps = len(plain) - 1
    near = _near_keys()
    predictable = sum(abs(ord(here) - ord(there)) <= 1 or (here, there) in near for here, there in pairwise(plain))
    return predictable >= 0.7 * steps


def _is_repetition(plain: str) -> bool:
    """Whether it is one short piece again and again: abcabcabc, hallohallo."""
    return (plain + plain).find(plain, 1) < len(plain)


@cache
def _words() -> frozenset[str]:
    text = files(__package__).joinpath("common_words.txt").read_text(encoding="utf-8")
    words = {word for line in text.splitlines() if not line.startswith("#") for word in line.split()}
    # Old systems kept the first eight characters, and people still type Russian words on a Latin keyboard.
    cut = {word[:8] for word in words if len(word) > 8}
    mistyped = {word.translate(_LATIN_KEYS) for word in words if not word.isascii()}
    return frozenset(words | cut | mistyped)


@cache
def _near_keys() -> frozenset[tuple[str, str]]:
    """Pairs of keys that touch each other on the keyboard that most people have."""
    near = set()
    for upper, lower in zip(_ROWS, (*_ROWS[1:], ""), strict=True):
        near |= set(pairwise(upper)) | set(zip(upper, lower, strict=False))
        near |= set(zip(upper[1:], lower, strict=False))
    return frozenset(near | {(there, here) for here, there in near})

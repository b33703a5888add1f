"""Reads the one-time code out of a message: text in, code out; pure, standard library only, never raises.
The way: fold (normalise.py), find what could be a code (candidates.py) and the words that speak of codes
(lexicon.py), then score every candidate by its shape and by the words near it (score.py)."""

import re
from dataclasses import dataclass

from namaskah.messages.candidates import blank_addresses, candidates_in
from namaskah.messages.lexicon import SECRET, Word, words_in
from namaskah.messages.normalise import fold
from namaskah.messages.score import labels_of, renamed, scores

# Below this confidence the message is said to carry no code.
THRESHOLD = 0.5

# https://wicg.github.io/sms-one-time-codes/: the last line is "@host #code", and more after a space.
_ORIGIN_BOUND = re.compile(r"@[A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})? #([^\s#@]{1,64})(?:\s.*)?")
_CAPITALS = re.compile(r"[A-Z]{4}|[A-Z]{3}-[A-Z]{3}")
_LETTERS_ONLY = re.compile(
    r"(?:\s+(?:is|es|est|ist|lautet|e|to|ar|er|este|je|is:|:|=|-)|\s*[:=])[\s:\"'\[(«*]*"
    r"([A-Z]{4,10}|[A-Z]{3,5}-[A-Z]{3,5})(?![A-Za-z0-9%'-])"
)
# Words that senders shout after "code:", never a code.
_SHOUTED = frozenset(
    {
        "NEVER", "HERE", "VALID", "BELOW", "REQUIRED", "EXPIRED", "INVALID", "STOP", "HELP", "SENT", "READY",
        "WITH", "FROM", "THIS", "THAT", "YOUR", "ONLY", "CODE", "NONE", "SECRET", "PRIVATE", "PLEASE",
        "WARNING", "CONFIDENTIAL", "ATTACHED", "CHANGED", "ACTIVE", "INCORRECT", "WRONG", "BLOCKED", "NEEDED",
        "DONT", "NUNCA", "JAMAIS", "NIEMALS", "JANGAN", "INFO", "HTTP", "HTTPS", "TEXT", "CALL", "REPLY",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Candidate:
    """A possible code and its score, 0 to 1, by shape and by the words around it."""

    text: str
    score: float


@dataclass(frozen=True, slots=True)
class Extraction:
    """What was found in a message.

    `code` is what the user must type (`123-456` becomes `123456`; letters keep their case), or None.
    `confidence`, 0 to 1, is roughly the chance that `code` is right: 0.99 for an origin-bound line or six
    digits beside "code"; 0.9 to 0.97 for other lengths or words between; 0.6 to 0.8 where only a request
    ("enter 482913 to log in") speaks for it or another number competes. A message of nothing but a code: 0.9.
    Where `code` is None it tells how near the best candidate came, always below `THRESHOLD`.
    `candidates` are all numbers and words that were weighed, best first.
    """

    code: str | None
    confidence: float
    candidates: tuple[Candidate, ...]


def extract(text: str, *, sender: str | None = None) -> Extraction:
    """Return the one-time code of `text` with its confidence; never raises, whatever the text.

    `sender` is the number or name it came from: that number in the text invites a reply, it is not a code.
    """
    bound = _origin_bound(text)
    if bound:
        return Extraction(bound, 0.99, (Candidate(bound, 0.99),))
    folded = blank_addresses(fold(text))
    low = folded.lower()  # of the same length: folding has taken the letters that grow
    found = candidates_in(folded, low)
    if sender:
        own = sender.strip().lstrip("+")
        found = [one for one in found if one.code != own]
    words = words_in(low) if found or _CAPITALS.search(folded) else []
    weighed = [Candidate(code, score) for code, score in scores(folded, low, found, words)] if found else []
    weighed.sort(key=_rank, reverse=True)
    if not weighed or weighed[0].score < THRESHOLD:
        letters = _letters_only(folded, words)
        if letters is None:
            return Extraction(None, weighed[0].score if weighed else 0.0, tuple(weighed))
        weighed.insert(0, Candidate(letters, 0.8))
    best = weighed[0]
    rival = next((one.score for one in weighed if one.text != best.text), 0.0)
    doubt = max(0.0, rival - 0.6 * best.score) / 2
    return Extraction(best.text, round(max(THRESHOLD, best.score - doubt), 3), tuple(weighed))


def code_of(text: str) -> str | None:
    """Return the one-time code of `text` alone, or None when it carries none."""
    return extract(text).code


def _rank(one: Candidate) -> float:
    """Return the score, raised for digits: of two likely codes the one without letters is rarely a name."""
    return one.score + 0.15 if one.score >= THRESHOLD and one.text.isdigit() else one.score


def _origin_bound(text: str) -> str | None:
    if "#" not in text or "@" not in text:
        return None
    tail = text[-400:].rstrip()
    cut = max(tail.rfind("\n"), tail.rfind("\r"))
    line = _ORIGIN_BOUND.fullmatch(tail[cut + 1 :])
    return line[1] if line else None


def _letters_only(text: str, words: list[Word]) -> str | None:
    """Return a code of capital letters that follows "code is" directly, where no number could be the code."""
    labels = labels_of(words)
    for word in words:
        if word.kind != SECRET or renamed(word, labels):
            continue
        end = word.end
        while end < len(text) and text[end].isalpha():  # the rest of an inflected keyword
            end += 1
        match = _LETTERS_ONLY.match(text, end)
        if not match or match[1] in _SHOUTED:
            continue
        before = text[max(0, match.start(1) - 30) : match.start(1)]
        # Where all is in capitals any word could stand here: then only one that ends its line after a colon.
        ends_line = ":" in before[-3:] and not text[match.end(1) :].split("\n")[0].strip(" .")
        if ends_line or before.upper() != before:
            return match[1]
    return None

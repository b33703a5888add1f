"""Finds what could be a code in a folded message, and throws out what is surely something else:
addresses, dates, times, amounts, phone numbers, masked cards, durations, versions, brand names with digits.
What is left gets a `shape`: how often codes look like that (six digits 1.0, nine digits 0.4)."""

import re
from typing import NamedTuple

from namaskah.messages.distractors import CURRENCY_AFTER, CURRENCY_BEFORE, UNIT_STEMS, UNIT_WORDS

MOST = 16  # candidates looked at in one message; a real one has a handful

SHAPE_OF_LENGTH = {3: 0.55, 4: 0.96, 5: 0.94, 6: 1.0, 7: 0.86, 8: 0.92, 9: 0.62, 10: 0.56}


class Found(NamedTuple):
    """A possible code: where it stands in the folded text, what the user would type, how much it looks so."""

    start: int
    end: int
    code: str
    shape: float


# Addresses are blanked before anything else: their digits and their words are never the code.
_ADDRESS = re.compile(
    r"[A-Za-z][A-Za-z0-9+]{1,9}://[!-~]+"
    r"|[A-Za-z0-9._%+*-]{1,64}@[A-Za-z0-9*-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,4}"
    r"|(?<![A-Za-z0-9.-])(?=[0-9-]{0,20}[A-Za-z])[A-Za-z0-9-]{1,40}(?:\.[A-Za-z0-9-]{1,40}){0,3}\.[A-Za-z]{2,12}/[!-~]+"
    r"|(?<![A-Za-z0-9.-])(?=[0-9-]{0,20}[A-Za-z])[A-Za-z0-9-]{1,40}(?:\.[A-Za-z0-9-]{1,40}){0,3}"
    r"\.(?:com|net|org|info|biz|app|dev|gov|edu|shop|online|site|io|co|me|tv|cc|ru|de|uk|fr|es|it|nl|pl|cz|br|in|cn|jp|kr|tr|ua|id|vn|example)"
    r"(?![A-Za-z0-9])"
)
# The last word of an Android SMS Retriever message: eleven characters of base64.
_APP_HASH = re.compile(r"(?<=\s)[A-Za-z0-9+/]{11}(?=\s*$)")

_TOKEN = re.compile(
    r"(?<![A-Za-z0-9])(?:[A-Za-z]{1,9}-)?(?=[A-Za-z]{0,9}[0-9])[A-Za-z0-9]+"
    r"(?:[-./:,'_](?=[A-Za-z]{0,5}[0-9])[A-Za-z0-9]+|-(?:[A-Z]{3,5}|[A-Z][a-z]{2})(?![A-Za-z]))*"
)
_DATE = re.compile(
    r"(?:\d{4}([-./])\d{1,2}\1\d{1,2}"
    r"|[0-3]?\d([-./])[0-3]?\d(?:\2(?:\d{4}|\d{2}))?"
    r"|\d{1,2}[-/.](?:1[89]|2[0-9])\d\d|(?:19|20)\d\d[-/.]\d{1,2}"
    r"|\d{1,2}-[A-Za-z]{3,5}(?:-\d{2,4})?|\d{4}-[A-Za-z]{3}-\d{1,2})(?:[T,-]\d{1,2}[:.]\d\d.*)?"
)
_TIME = re.compile(
    r"\d{1,2}[:.]\d{2}(?:[:.]\d{2})?(?:[,.]\d+)?(?:[hH]|[aApP][mM]|Z)?(?:-\d{1,2}[:.]\d{2}(?:[aApP][mM])?)?"
    r"|\d{1,2}[hH]\d{2}"
)
_NUMBER = re.compile(r"\d{1,3}(?:[.,']\d{2,3})+(?:[.,]\d{1,2})?|\d+[.,]\d{1,2}|0[.,]\d+")
_MASKED = re.compile(r"[xX]+-?[0-9]+|[0-9]+[xX]{2,}[0-9]*|[A-Za-z]{0,4}[0-9]*[xX]{3,}[0-9]*")
# Digits glued to a short word: 20min, 5GB, 1st, 3D; or to a name: 4shared, 1xBet, 9GAG, 98point6, user42.
_GLUED = re.compile(
    r"\d{1,4}(?:st|nd|rd|th|ST|ND|RD|TH)|\d{1,3}[A-Za-z]{1,3}|\d{1,2}[A-Z]{2,4}|\d{1,3}[A-Za-z]?[a-z]{3,}\w*"
    r"|[A-Za-z]?[a-z]{2,}\d{1,4}|[vV]\d+|\d+[a-z]|[A-Z]\d{1,2}[A-Z]?|[A-Z]?[a-z]+\d[a-z]+"
)
_PREFIX = re.compile(
    r"(?:otp|pin|tac|tan|code|kode|kod|cod|password|sms|no|is|pw|pass|passcode|token)-?(\d{4,8})",
    re.IGNORECASE,
)
# Capitals with a short number behind: a name (ACME24) as often as a code.
_NAMED = re.compile(r"[A-Z]{3,}\d{1,3}")
_MIXED = re.compile(r"(?=.*[A-Z])(?=.*[a-z])")
_NEXT_WORD = re.compile(r"(?:['’-][a-z]{0,2} ?|[ \t]{0,2})([^\W\d_]{1,14}['.\"]?[^\W\d_]?)")
_LAST_WORD = re.compile(r"([^\W\d_']{1,6}(?:[.'][^\W\d_]{1,2})?)[ .]{0,2}$")
_PHONE_PREFIX = re.compile(r"(?:\+|(?<!\d)00)[ (]{0,2}$")
# What stands before the year of a written date: "12 March ", "14 de enero de ", "Nov 5, ", "marca ".
_BEFORE_YEAR = re.compile(
    r"(?<!\d)\d{1,2}(?:st|nd|rd|th|[.,]|日)? ?(?:de |of |d')?[^\W\d_]{3,12}[.,]? ?(?:de |del )?$"
    r"|(?:jan|feb|mar|apr|may|mai|maj|jun|jul|aug|sep|okt|oct|nov|dec|dez|dic|ene|abr|ago"
    r"|янв|фев|мар|апр|мая|июн|июл|авг|сен|окт|ноя|дек)[^\W\d_]{0,6}[.,]? ?"
    r"(?:\d{1,2}(?:st|nd|rd|th)?,? )?(?:de )?$"
)

# Lengths of the groups in which a code is written with spaces.
_SPACED = ([3, 3], [4, 4], [2, 2, 2], [3, 3, 3], [2, 2], [3, 2], [2, 3])
_JOINTS = frozenset({" ", ")", ") ", " - ", ") - "})
# What parts digits that are read out one by one: "4, 8, 2", "4. 8. 2", "4... 8... 2".
_SPELLED = frozenset({", ", ". ", "... ", "; ", " . ", " , "})
# Three pairs of digits that read as a day, a month and a year.
_SPACED_DATE = re.compile(r"[0-3]\d[01]\d[0-3]\d|[0-3]\d[0-3]\d[01]\d")
_SYMBOLS = frozenset(c for c in CURRENCY_BEFORE if len(c) == 1 and not c.isalpha())
_CURRENCY_WORDS = frozenset(CURRENCY_BEFORE)


def _by_first(stems: tuple[str, ...]) -> dict[str, tuple[tuple[str, bool], ...]]:
    index: dict[str, list[tuple[str, bool]]] = {}
    for stem in stems:
        plain = stem.rstrip("$")
        # Short words are taken whole ("lei" is money, "leider" is not), as are short Cyrillic ones.
        short = len(plain.rstrip(".")) <= (4 if plain.isascii() else 3)
        whole = stem.endswith("$") or (plain < "\u0530" and short)
        index.setdefault(plain[0], []).append((plain, whole))
    return {first: tuple(entries) for first, entries in index.items()}


_UNITS = _by_first(UNIT_STEMS)
_CURRENCIES = _by_first(CURRENCY_AFTER)


def _blank(found: re.Match[str]) -> str:
    return "~" * len(found[0])


def blank_addresses(text: str) -> str:
    """Return `text` with URLs, e-mail addresses, host names and a final app hash overwritten by `~`."""
    if "." in text or "@" in text or "/" in text:
        text = _ADDRESS.sub(_blank, text)
    last = _APP_HASH.search(text, max(0, len(text) - 24))
    if last and (_MIXED.match(last[0]) or not last[0].isalnum()):
        text = text[: last.start()] + _blank(last) + text[last.end() :]
    return text


def _starts(index: dict[str, tuple[tuple[str, bool], ...]], word: str, low: str, at: int) -> bool:
    for stem, whole in index.get(word[0], ()):
        if low.startswith(stem, at):
            end = at + len(stem)
            if not whole or end >= len(low) or not low[end].isalpha():
                return True
    return False


def _is_amount(low: str, start: int, end: int, digits: int) -> bool:
    """Whether the number at `start` to `end` is money, a duration or a quantity by the word beside it."""
    after = low[end : end + 1]
    if after in _SYMBOLS or after == "%":
        return True
    before = low[start - 1] if start else " "
    if before in _SYMBOLS:
        return True
    if after == " " and (low[end + 1 : end + 2] in _SYMBOLS or low.startswith("%", end + 1)):
        return True
    word = _NEXT_WORD.match(low, end)
    if word:
        at, text = word.start(1), word[1]
        if _starts(_CURRENCIES, text, low, at):
            return True
        if digits < 6 and _starts(_UNITS, text, low, at) and (digits < 5 or len(text) > 1):
            return True
        if digits <= 3 and text.rstrip(".") in UNIT_WORDS:
            return True
    if before == " " and start > 1 and low[start - 2] in _SYMBOLS:
        return True
    last = _LAST_WORD.search(low, max(0, start - 10), start)
    return last is not None and last[1] in _CURRENCY_WORDS


def _is_glued_amount(low: str, start: int, end: int) -> bool:
    """Whether the token is a number with its currency or unit written on: `rm250`, `1250tl`, `1500mb`."""
    token = low[start:end]
    number = token.strip("abcdefghijklmnopqrstuvwxyz")
    if not number.isdigit():
        return False
    before, _, after = token.partition(number)
    if after:
        at = end - len(after)
        return not before and (_starts(_CURRENCIES, after, low, at) or _starts(_UNITS, after, low, at))
    return before in _CURRENCY_WORDS


def _is_duration(low: str, end: int) -> bool:
    word = _NEXT_WORD.match(low, end)
    return word is not None and (word[1] in UNIT_WORDS or _starts(_UNITS, word[1], low, word.start(1)))


def _is_masked(low: str, start: int, end: int) -> bool:
    """Whether stars, dots or crosses hide the rest of a longer number: `*1234`, `57****2`, `12...3456`."""
    before, after = low[max(0, start - 3) : start], low[end : end + 2]
    if before.endswith("*"):
        bold = after.startswith("*") and not low[end : end + 3].strip("*").isalnum()
        return not bold or before.endswith("***")
    if after.startswith("*") or after in ("xx", "••"):
        return True
    if before[:2] in ("..", "••", "##") and before.endswith((".", "•", "#")):
        return before[0] in "•#" or low[:start].rstrip(".")[-1:].isdigit()
    return before.endswith(("xx", "•", "x-", "x ")) and not before[:1].isalpha()


def _plain(low: str, start: int, end: int, code: str, shape: float) -> Found | None:
    if _is_masked(low, start, end) or _is_amount(low, start, end, len(code)):
        return None
    return Found(start, end, code, shape)


def _digits(low: str, start: int, end: int) -> Found | None:
    """Judge an unbroken group of digits."""
    shape = SHAPE_OF_LENGTH.get(end - start)
    if shape is None or _PHONE_PREFIX.search(low, max(0, start - 4), start):
        return None
    if end - start >= 9 and low[start] == "0":
        return None  # a phone number without its country
    year = end - start == 4 and "1970" <= low[start:end] <= "2049"
    if year and _BEFORE_YEAR.search(low, max(0, start - 24), start):
        return None
    return _plain(low, start, end, low[start:end], shape)


def _joined(low: str, start: int, end: int, parts: list[str]) -> Found | None:
    """Judge digit groups held together by dashes, spaces or commas, such as `123-456` or `1 2 3 4`."""
    lengths, code = [len(part) for part in parts], "".join(parts)
    if all(length == 1 for length in lengths):
        shape = 0.97 if 4 <= len(code) <= 10 else 0.0
    elif lengths == [3, 3]:
        shape = 1.0
    elif lengths == [2, 2, 2] and not _SPACED_DATE.fullmatch(code):
        shape = 0.9
    elif lengths == [4, 4]:
        shape = 0.8
    elif lengths in ([2, 2, 2], [2, 2], [3, 3, 3], [2, 3], [3, 2], [4, 3], [5, 5]):
        shape = 0.6
    elif lengths == [3, 4] or lengths == [2, 4]:
        shape = 0.4
    else:
        shape = 0.0
    if not shape or _PHONE_PREFIX.search(low, max(0, start - 4), start):
        return None
    return _plain(low, start, end, code, shape)


def _lettered(low: str, start: int, end: int, token: str) -> Found | None:
    """Judge a token of letters and digits."""
    prefixed = _PREFIX.fullmatch(token)
    if prefixed:
        return _digits(low, end - len(prefixed[1]), end)
    letters, _, rest = token.partition("-")
    if rest.isdigit() and letters.isalpha() and len(rest) >= 3:
        if letters == "G" and len(rest) >= 5:
            return _plain(low, start, end, rest, 1.0)
        if not letters.isupper() or len(letters) > 4:
            return _digits(low, end - len(rest), end)
    if _is_glued_amount(low, start, end):
        return None
    bare = token.replace("-", "")
    if not bare.isalnum() or not 4 <= len(bare) <= 10 or _is_masked(low, start, end):
        return None
    if any(form.fullmatch(token) for form in (_MASKED, _GLUED, _DATE, _TIME)):
        return None
    if _NAMED.fullmatch(token):
        return Found(start, end, token, 0.62)
    shape = 0.84 if bare.isupper() else 0.66 if bare.islower() else 0.6
    return Found(start, end, token, shape)


def _separated(low: str, start: int, token: str) -> list[Found]:
    """Judge digits with `.`, `,`, `:`, `/` between: mostly a date, a time, an amount; else read by part."""
    end = start + len(token)
    if _DATE.fullmatch(token) or _TIME.fullmatch(token):
        return []
    parts = re.split(r"[-./:,'_]", token)
    if "," in token and len(parts) >= 4 and all(len(part) == 1 and part.isdigit() for part in parts):
        found = _joined(low, start, end, parts)
        return [found] if found else []
    if token.replace(".", "").isdigit() and [len(part) for part in parts] in ([3, 3], [2, 2, 2]):
        # Dots part amounts and versions too: only a "code" straight beside makes it one.
        found = _joined(low, start, end, parts)
        return [found._replace(shape=0.53)] if found else []
    cut = max(token.rfind(mark) for mark in ".,/ :")
    if cut > 3 and len(token) - cut <= 3 and _is_duration(low, end):
        token = token[:cut]  # "482913,10 min": two numbers that the writer did not part
        return _judge(low, start, token)
    if _NUMBER.fullmatch(token) or len(parts) > 2:
        return []
    if "/" in token and any(len(part) == 4 and "1990" <= part <= "2049" for part in parts):
        return []  # "2024/118820": a file of that year
    result: list[Found] = []
    at = start
    for part in parts:
        if len(part) >= 4:
            result += _judge(low, at, part)
        at += len(part) + 1
    return result


def _judge(low: str, start: int, token: str) -> list[Found]:
    end = start + len(token)
    found: Found | None
    if token.isdigit():
        found = _digits(low, start, end)
    elif any(mark in token for mark in "./:,'_"):
        return _separated(low, start, token)
    elif token.replace("-", "").isdigit():
        dated = _DATE.fullmatch(token) or token.count("-") > 9
        found = None if dated else _joined(low, start, end, token.split("-"))
    else:
        found = _lettered(low, start, end, token)
    return [found] if found else []


def _is_phone(low: str, groups: list[tuple[int, str]]) -> bool:
    """Whether neighbouring groups of digits, with their starts, read together as one telephone number."""
    total = sum(sum(map(str.isdigit, group)) for _, group in groups)
    first = groups[0][1]
    if _PHONE_PREFIX.search(low, max(0, groups[0][0] - 4), groups[0][0]):
        return total >= 7
    if len(groups) == 1:
        return total >= 9 and not first.isdigit()
    if len(groups) == 2:
        return (total >= 9 and len(first) <= 5) or (first[0] == "0" and total >= 7)
    return total >= 7 and max(len(group) for _, group in groups) <= 6 and any(len(g) > 1 for _, g in groups)


def _grouped(low: str, groups: list[tuple[int, str]]) -> list[Found]:
    """Judge groups of digits that only a space parts from each other."""
    last_start, last = groups[-1]
    if len(groups) > 1 and len(last) <= 3 and _is_duration(low, last_start + len(last)):
        groups = groups[:-1]
    taken = next((size for size in range(min(len(groups), 6), 0, -1) if _is_phone(low, groups[:size])), 0)
    if taken:
        return _grouped(low, groups[taken:]) if len(groups) > taken else []
    parts = [group for _, group in groups]
    start, end = groups[0][0], groups[-1][0] + len(groups[-1][1])
    lengths = [len(part) for part in parts]
    if len(parts) > 1 and all(part.isdigit() for part in parts):
        spelled = len(parts) >= 4 and max(lengths) == 1
        if spelled or lengths in _SPACED:
            found = _joined(low, start, end, parts)
            return [found] if found else []
        if lengths[0] <= 3 and max(lengths) == 3 and lengths[1:] == [3] * (len(parts) - 1):
            return []  # "12 990": an amount with its thousands apart
    return [found for at, part in groups for found in _judge(low, at, part)]


def candidates_in(text: str, low: str) -> list[Found]:
    """Return the possible codes of `text` (folded, addresses blanked; `low` is its lower case), in order."""
    result: list[Found] = []
    groups: list[tuple[int, str]] = []
    end = 0
    for match in _TOKEN.finditer(text):
        token, start = match[0], match.start()
        digits = token.isdigit() or (token.replace("-", "").isdigit() and not _DATE.fullmatch(token))
        # Digits that only a space, or an area code's bracket, parts may be one number; "1, 2, 3" is spelled.
        gap = text[end:start]
        if groups and not (digits and (gap in _JOINTS or (gap in _SPELLED and len(token) == 1 == len(groups[-1][1])))):
            result += _grouped(low, groups)
            groups = []
        end = match.end()
        if digits:
            groups.append((start, token))
        else:
            result += _judge(low, start, token)
        if len(result) + len(groups) > MOST:
            break
    if groups:
        result += _grouped(low, groups)
    return result

"""Folds a message into one plain form before anything is searched in it.
Digits of every script become ASCII; accents, vowel points, invisible marks go, so a keyword has one spelling;
ASCII letters and digits are never altered, so a code read from the folded text is the code of the message."""

import re
import unicodedata

# A joined SMS has at most a few thousand characters; what lies behind is not looked at.
LOOKED_AT = 1600

# Accents, Hebrew points, Arabic vowel signs and hamza, zero-width and bidi marks, variation selectors.
_DROPPED = re.compile(
    "[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670"
    "\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff]+"
)
# Without its accent the Vietnamese word for code reads as "ma", a word of ten languages: it keeps a letter of its own.
_VIETNAMESE_CODE = re.compile("(?<![^\\W\\d_])([mM])a\u0303(?![^\\W\\d_])")
_FOREIGN_DIGIT = re.compile(r"(?![0-9])\d")
# Punctuation that folding would glue to a following number: "482913，5分钟" must not read as a decimal.
_BEFORE = str.maketrans({"，": ", ", "：": ": ", "；": "; ", "！": "! ", "？": "? ", "｡": "。"})
_AFTER = str.maketrans(
    "đðłøıəæœßŧħĐÐŁØƏÆŒ‐‑‒–—―−‘’ʼ´`كىيہەھ՝",
    "ddloieeosthDDLOEEO-------'''''کییههه:",
)


def fold(text: str) -> str:
    """Return `text` (its first `LOOKED_AT` characters) in the form the extractor searches; never raises."""
    text = text[:LOOKED_AT]
    if text.isascii():
        return text
    # A few letters stand for a whole phrase each (\ufdfa for 18 letters): cut again.
    text = unicodedata.normalize("NFKD", text.translate(_BEFORE))
    if "a\u0303" in text:
        text = _VIETNAMESE_CODE.sub("\\1\u0251", text)
    text = unicodedata.normalize("NFC", _DROPPED.sub("", text[: 2 * LOOKED_AT]))
    text = _FOREIGN_DIGIT.sub(lambda found: str(unicodedata.decimal(found[0])), text)
    return text.translate(_AFTER)[:LOOKED_AT]


def fold_keyword(word: str) -> str:
    """Return a keyword as it appears in a folded, lower-cased message."""
    return fold(word.lower()).lower()

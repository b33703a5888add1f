"""Weighs each possible code of a message by the words around it: "code" and its kin near by speak for it,
a label before it ("order", "tel.") against it; a request ("enter ... to log in") may stand in for "code"."""

import re

from namaskah.messages.asked import ACCOUNTS, asked_for
from namaskah.messages.candidates import Found
from namaskah.messages.distractors import DISCOUNTS
from namaskah.messages.lexicon import LABEL, PROMPT, PURPOSE, SECRET, WARNING, Word
from namaskah.messages.links import BREAK, LINK, LINK_AFTER

_SEND_TO = re.compile(
    r"(?:\b(?:text|txt|send|sms|reply|msg|envia|envie|responda|responde|repondez|envoyez|antwort|antworten|sende"
    r"|invia|rispondi|ketik|kirim|soan|gui|yazip|yaz|svara|skicka|stuur|wyslij|odpisz|trimite|odgovori|posalji)\b"
    r"|отправьте|ответьте|смс на|ارسل|ارسال|пошаљите|надішліть|回复|回覆).{0,22}"
    r"(?:\b(?:to no|to|on|at|al|a|au|an|para|no|ke|naar|til|till|na|la|gui|toi|den)"
    r"|на|الی|به|回复|回覆|yazip|yaz)[ :]{0,2}$"
)
_KEYWORD_TO = re.compile(r"\b[A-Z]{2,12}[\"'»]? (?:to|al|au|an|para|ke|na|la|til|naar|на|gui|toi) ?$")
_SENT_TO = re.compile(
    r"(?:['-]?(?:y?[ea]|g[ea]|n[oa]))? ?(?:par |pe |pr |numarasina )?"
    r"(?:bhej|gonder|yolla|yubor|jonat|पर भेज|पे भेज|로 보내|로 회신|に送信|へ送信)"
)
_HAS_DIGIT = re.compile(r"[0-9]")
# Labels that always own their number, whatever was said before.
_NEVER_FOR = (
    "ref", "tel.", "tel:", "call", "hotline", "help", "bal", "id", "contact", "txn", "amount", "total",
    "dial", "hub", "lh", "lien he", "ring", "trx", "тел.", "тел:", "сумм", "сума", "звон", "обадет", "金额",
    "金額", "电话", "電話", "客服", "致电", "致電", "拨打", "اتصل", "للاستفسار", "تماس", "تلفن", "مبلغ",
    "문의", "고객센터", "ติดต่อ",
)  # fmt: skip

# "We will never call": then what follows is no telephone number.
_DENIED = ("never ", "not ", "n't ", "nunca ", "jamais ", "nie ", "niemals ", "nooit ", "aldri ", "aldrig ", "никогда не ")

_CLOSE = 4  # characters between keyword and code that still count as side by side
_FARTHEST = 120  # characters; a keyword farther away says nothing of a number
_NEXT = 3  # characters between a label and its number when nothing but a colon or a space stands there


def scores(text: str, low: str, found: list[Found], words: list[Word]) -> list[tuple[str, float]]:
    """Return the codes of `found` that may be the message's, each with its score from 0 to 1.

    `text` is folded, `low` its lower case, `words` the keywords in it. What a label claims is left out.
    """
    labels = labels_of(words)
    secrets = [word for word in words if word.kind == SECRET and not renamed(word, labels)]
    weak = [word for word in words if word.kind not in (SECRET, LABEL) and not renamed(word, labels)]
    helpers = [word for word in weak if word.kind in (PROMPT, PURPOSE)]
    if len(found) == 1:
        bare = _bare(text, found[0], labels)
        if bare:
            return [(found[0].code, bare)]
    guarded = _guarded(secrets, weak)
    discounts = any(mark in low for mark in DISCOUNTS)
    result = []
    for one in found:
        if (discounts and not one.code.isdigit()) or _is_reply_number(text, low, one):
            continue
        if _belongs_to_label(low, one, labels, secrets, helpers):
            continue
        score = max((_near_secret(low, one, word, found, word in guarded) for word in secrets), default=0.0)
        if score < 0.6:
            score = max(score, asked_for(low, one, weak, labels, found))
        result.append((one.code, round(score * one.shape * 0.99, 3)))
    return result


def labels_of(words: list[Word]) -> list[Word]:
    """Return the labels among `words`, without those that begin in, or are part of, a secret (号码 in 认证号码)."""
    secrets = [word for word in words if word.kind == SECRET]
    return [
        word
        for word in words
        if word.kind == LABEL
        and not any(
            other.start < word.start < other.end or (other.start == word.start and other.end > word.end) for other in secrets
        )
    ]


def renamed(word: Word, labels: list[Word]) -> bool:
    """Whether a label makes another thing of the word: "promo code", "zip code", "barcode", "confirmed"."""
    return any(label.start <= word.start < label.end for label in labels)


def _bare(text: str, one: Found, labels: list[Word]) -> float:
    """Return a confidence when the message is nothing but a code, or a name and a code; else 0."""
    before, after = text[: one.start].strip(" \n\t[]()<>\"'#"), text[one.end :].strip(" \n\t[]()<>\"'.")
    google = text.startswith("G-", one.start)
    if not before and not after:
        return 0.95 if google else 0.9 if one.code.isdigit() and one.shape > 0.9 else 0.4
    if google:
        return 0.9
    # "Order 482913" is an order; in "acme order 482913" the name comes first, as it does before a code.
    if any(label.start < 3 for label in labels) or (labels and not before.isascii()):
        return 0.0
    # Where words are not parted by spaces, 24 letters are a sentence rather than a name.
    longest = 24 if max(before, default="") < "\u0e00" else 10
    if after or len(before) > longest or len(before.split()) > 2:
        return 0.0
    named = before.endswith(":") and one.shape > 0.9
    six = len(one.code) == 6 and (one.code.isdigit() or before.endswith(":"))
    return 0.6 if named or six else 0.0


def _belongs_to_label(low: str, one: Found, labels: list[Word], secrets: list[Word], helpers: list[Word]) -> bool:
    """Whether the number is that of an order, an account, a phone: a label is before it, no better word."""
    if _named_after(low, one, secrets, helpers):
        return False
    label = next((label for label in reversed(labels) if label.end <= one.start), None)
    if label is None or low.endswith(_DENIED, 0, label.start):
        return False
    between = low[label.end : one.start]
    if len(between) > 24 or "," in between or _HAS_DIGIT.search(between) or BREAK.search(between.rstrip()):
        return False
    # "confirm your account: 482913" asks; the number is not the account's.
    if low.startswith(ACCOUNTS, label.start) and any(
        word.kind == PURPOSE and 0 <= label.start - word.end <= 14 for word in helpers
    ):
        return False
    if any(label.start <= word.start and label.end < word.end <= one.start for word in secrets):
        return False
    if _speaks_of_secret(low, one, label, secrets):
        return False
    asked = any(label.end <= word.start and word.end <= one.start for word in helpers)
    return len(between) <= _NEXT or not asked


def _speaks_of_secret(low: str, one: Found, label: Word, secrets: list[Word]) -> bool:
    """Whether the label only says what a code is for: "the code to verify your phone is 482913"."""
    secret = next((word for word in reversed(secrets) if word.end <= label.start), None)
    if secret is None or low.startswith(_NEVER_FOR, label.start):
        return False
    between = low[secret.end : one.start]
    if len(between) > 90 or "," in between or _HAS_DIGIT.search(between) or BREAK.search(between.rstrip()):
        return False
    if LINK.search(low, max(label.end - 1, one.start - 14), one.start):
        return True
    return len(one.code) == 6 and low.startswith(ACCOUNTS, label.start)


def _named_after(low: str, one: Found, secrets: list[Word], helpers: list[Word]) -> bool:
    """Whether what follows names the number as the code: "482913 is your code", "482913 را وارد کنید"."""
    if any(word.kind == PROMPT and 0 <= word.start - one.end <= 6 for word in helpers):
        return True
    return bool(LINK_AFTER.match(low, one.end)) and any(
        0 <= word.start - one.end <= 32 and not BREAK.search(low, one.end, word.start) for word in secrets
    )


def _is_reply_number(text: str, low: str, one: Found) -> bool:
    """Whether the number is where to send a word to: "text STOP to 40404"."""
    if not one.code.isdigit() or len(one.code) > 6:
        return False
    if _SENT_TO.match(low, one.end):
        return True
    begin = max(0, one.start - 40)
    return bool(_SEND_TO.search(low, begin, one.start) or _KEYWORD_TO.search(text, begin, one.start))


def _guarded(secrets: list[Word], weak: list[Word]) -> set[Word]:
    """Return those of `secrets` that are only warned of: "never share your code"."""
    warnings = [word for word in weak if word.kind == WARNING]
    return {
        secret
        for secret in secrets
        if any(0 <= secret.start - word.end <= 30 or 0 <= word.start - secret.end <= 4 for word in warnings)
    }


def _near_secret(low: str, one: Found, secret: Word, found: list[Found], guarded: bool) -> float:
    """Return 0 to 1 for how surely `secret` ("code", "password") speaks of this candidate."""
    before = secret.end <= one.start
    first, last = (secret.end, one.start) if before else (one.end, secret.start)
    gap = last - first
    if gap > _FARTHEST:
        return 0.0
    score, linked = 1.0 if gap <= _CLOSE else max(0.62, 1.0 - gap / 160), False
    if before and LINK.search(low, max(first, last - 14), last):
        score, linked = max(score, 0.97 if gap < 30 else 0.88), True
    elif not before and LINK_AFTER.match(low, first):
        score, linked = max(score, 0.97 if gap < 40 else 0.85), True
    elif len(one.code) == 4 and "1990" <= one.code <= "2035" and gap > _CLOSE:
        score *= 0.6  # rather a year
    between = low[first:last]
    if BREAK.search(between.strip(" \n") if gap < 12 else between):
        stranger = before and not linked and "\n" not in between
        score *= 0.62 if gap > 28 else 0.5 if stranger else 0.85
        if before and guarded and not _stands_alone(low, one):
            score *= 0.7 if len(one.code) > 4 else 0.6
    if any(first <= other.start and other.end <= last for other in found if other is not one):
        score *= 0.8
    if gap > 12 and one.shape > 0.95 and _stands_alone(low, one):
        score = max(score, 0.65)
    if len(one.code) == 3 and gap > 12 and score < 0.97:
        score *= 0.5
    return score if before or gap > 60 else 0.9 * score + 0.1 * min(1.0, score + 0.5)


def _stands_alone(low: str, one: Found) -> bool:
    """Whether the candidate is a line or a sentence of its own."""
    before, after = low[: one.start].rstrip(" "), low[one.end :].lstrip(" .")
    return (not before or before[-1] in ".!?\n。") and (not after or after[0] == "\n")

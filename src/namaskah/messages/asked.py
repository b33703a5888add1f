"""Weighs a number that no "code" names: a request ("enter ... to log in"), a weaker noun ("your key: ..."),
a warning ("tell nobody") may stand in for it. One such word is little, two that agree are enough."""

import re
from typing import NamedTuple

from namaskah.messages.candidates import Found
from namaskah.messages.lexicon import AIM, NOUN, NUMBER, PROMPT, PURPOSE, TELL, VALID, WARNING, Word
from namaskah.messages.links import BREAK, LINK, LINK_AFTER

# Labels of what a person confirms rather than of a number that follows.
ACCOUNTS = (
    "account", "acct", "cuenta", "conta", "compte", "conto", "konto", "cont", "hesa", "akaun", "rekening",
    "tai khoan", "phone", "telefon", "telefoon", "mobile", "rufnummer", "حساب", "هاتف", "اکاؤنٹ", "חשבון",
    "טלפון", "телефон", "рахун", "аккаунт", "บัญชี", "账号", "账户", "手机", "手機", "帳號", "帳戶", "계정",
)  # fmt: skip

# "Confirm with 482913": what one does it with stands straight before the number.
_WITH = re.compile(
    r"(?:\b(?:with|using|con|com|avec|amb|mit|med|met|cu|dengan|bang|gamit ang|kwa|using"
    r"|usando|folosind|utilisant|za pomoca|pomoci|pomocu|prin|via|by)(?: (?:the|el|le|la|o|il|number|no))?"
    r"|[\s](?:с|со|з|із|с помощью|при помощи|за допомогою|използвайки|με το|με|با|باستخدام|עם) ?|用|以|で) ?$"
)
_MINUTES = re.compile(
    r"[0-9] ?(?:min|dk|dak|deq|daq|perc|phut|lepta|мин|хв|минот|λεπτ|دقي|دقا|منٹ|דק|मिन|মিনিট|ਮਿੰਟ|મિનિટ|ମିନିଟ|நிமி|నిమి|ನಿಮಿ|മിനി"
    r"|මිනි|นาที|ນາທີ|នាទី|မိနစ်|წუთ|րոպ|ደቂቃ|分|분)"
)
_FAR = 999


class _Evidence(NamedTuple):
    """How near the words of each kind stand, in characters; `_FAR` where there is none."""

    prompt: int
    adjacent: bool  # the prompt stands straight beside the number
    purpose: int
    follows: int  # of a purpose or an aim, after the number in its sentence
    purpose_unbroken: int  # the same within the number's sentence
    aim: int
    aim_unbroken: int
    tell: int
    noun: bool
    warned: bool


def asked_for(low: str, one: Found, weak: list[Word], labels: list[Word], found: list[Found]) -> float:
    """Return 0 to 1 for how surely the words of `weak`, all but "code" and its kin, speak of the number.

    `labels` are the words that own numbers; a message with one of them needs more than a single hint.
    """
    digits = len(one.code) if one.code.isdigit() else 0
    if not 4 <= digits <= 8 and not (5 <= len(one.code) <= 10 and one.code.isupper() and one.shape > 0.8):
        return 0.0
    strangers = any(not low.startswith(ACCOUNTS, label.start) for label in labels)
    claimed = any(label.start < one.start for label in labels)
    seen = _evidence(low, one, weak, claimed)
    prompted = seen.prompt <= 30
    if prompted and (seen.purpose <= 60 or seen.aim <= 40):
        return 0.8 if seen.purpose <= 60 else 0.75
    if seen.noun:
        return 0.75 if seen.warned or seen.purpose <= 60 else 0.64
    if not digits:
        return 0.62 if seen.adjacent and not strangers else 0.0
    subject = _begins_sentence(low, one.start)
    if subject and seen.follows <= (14 if digits == 6 else 8):
        return 0.6
    if (seen.tell <= 24 and seen.aim <= 40) or (seen.tell <= 3 and seen.aim <= 80):
        return 0.66
    if _WITH.search(low, max(0, one.start - 16), one.start) and min(seen.purpose, seen.aim) <= 60:
        return 0.66
    if digits == 6 and seen.purpose_unbroken <= 13 and LINK.search(low, max(0, one.start - 3), one.start):
        return 0.58
    if seen.adjacent and digits >= 5:
        return 0.62
    if sum(len(other.code) < 9 for other in found) > 1:
        return 0.2
    if prompted and (digits >= 5 or (seen.adjacent and not strangers)):
        return 0.62
    if digits == 6 and (seen.purpose <= 13 or (seen.purpose <= 60 and not strangers)):
        return 0.6
    if strangers:
        told = seen.warned and digits > 4 and not claimed and LINK.search(low, max(0, one.start - 3), one.start)
        return 0.56 if told else 0.2
    # "Confirm the transfer of 250.00: 60412": a colon that leads to the last word reaches far.
    linked = bool(LINK.search(low, max(0, one.start - 3), one.start))
    reach = (70 if not low[one.end :].strip(" .!\n") else 30) if linked else 12
    if digits in (4, 5) and seen.purpose_unbroken <= reach:
        return 0.58
    if seen.warned:
        return 0.6
    # Few ordinary messages carry a single number of just six digits: then one hint of any kind is enough.
    hinted = prompted or seen.aim_unbroken <= 60 or (subject and _told_of(low, one))
    return 0.55 if digits == 6 and hinted else 0.2


def _evidence(low: str, one: Found, weak: list[Word], claimed: bool) -> _Evidence:
    prompt = purpose = unbroken = aim = near = tell = follows = _FAR
    adjacent = noun = warned = False
    purposes = [word for word in weak if word.kind == PURPOSE]
    for word in weak:
        before = word.end <= one.start
        first, last = (word.end, one.start) if before else (one.end, word.start)
        gap = last - first
        if gap < 0 or gap > 120:
            continue
        if word.kind in (AIM, PURPOSE) and not before and gap < follows and not BREAK.search(low, first, last):
            follows = gap
        if word.kind == AIM:
            aim = min(aim, gap)
            if gap < near and not BREAK.search(low, first, last):
                near = gap
        elif word.kind == PURPOSE:
            purpose = min(purpose, gap)
            # The stem of a purpose ends some letters before its word does: "verif" + "ication ".
            if gap < unbroken and not BREAK.search(low, first, last):
                unbroken = gap
        elif word.kind == WARNING:
            warned = warned or not before
        elif word.kind == VALID:
            warned = warned or (not before and bool(_MINUTES.search(low, word.end, word.end + 40)))
        elif BREAK.search(low, first, last):
            continue
        elif word.kind == PROMPT:
            # "Enter the 6 digits 482913", but "482913 in the app to enter": verbs come last in many languages.
            prompt = min(prompt, gap if not before or gap <= 16 else _FAR)
            adjacent = adjacent or gap <= 4
        elif word.kind == TELL:
            tell = min(tell, gap)
        # A "verification number" of seven digits and more is rather a receipt's.
        elif word.kind == NOUN or (
            word.kind == NUMBER and len(one.code) <= 6 and any(abs(word.start - other.start) <= 24 for other in purposes)
        ):
            noun = noun or _named_by(low, one, word, before, claimed)
    return _Evidence(prompt, adjacent, purpose, follows, unbroken, aim, near, tell, noun, warned)


def _begins_sentence(low: str, at: int) -> bool:
    before = low[:at].rstrip(" \"'(*#")
    return not before or before[-1] in ".!?:]】>。！\n-"


def _told_of(low: str, one: Found) -> bool:
    """Whether words follow that say what the number is: "482913 is all you need"."""
    link = LINK_AFTER.match(low, one.end)
    return link is not None and low[link.end() : link.end() + 3].strip().isalpha()


def _named_by(low: str, one: Found, word: Word, before: bool, claimed: bool) -> bool:
    """Whether the sentence says that the number is the noun: "your key is 482913", "482913 is your key"."""
    if not before:
        return word.start - one.end <= 32 and bool(LINK_AFTER.match(low, one.end))
    end = word.end
    while end < one.start and low[end].isalpha():  # the rest of an inflected noun
        end += 1
    if one.start - end <= 2 and not claimed:
        return True
    return one.start - end <= 30 and bool(LINK.search(low, max(end, one.start - 14), one.start))

"""Withheld senders: what the globs match, with whole names and any case, and against fnmatch as the oracle."""

from fnmatch import fnmatchcase

from hypothesis import given
from hypothesis import strategies as st

from namaskah.catalog.read_data import read_blocked_senders
from namaskah.catalog.senders import BlockedSenders
from namaskah.core.db import Database

SHIPPED = BlockedSenders.shipped()
PATTERNS = [row.pattern for row in read_blocked_senders()]


def test_ordinary_senders_and_plain_numbers_pass() -> None:
    for sender in ("WhatsApp", "Google", "+12025550100", "12345", "", " ", "Uber", "G", "İSTANBUL", "\ud800"):
        assert not SHIPPED.is_blocked(sender)


def test_a_bank_is_withheld_in_any_case_and_with_any_prefix() -> None:
    for sender in ("MyBank", "BANKOFX", "bank", "VM-HDFCBK-S", "PayPal", " paypal "):
        assert SHIPPED.is_blocked(sender)


def test_a_question_mark_is_exactly_one_character() -> None:
    senders = BlockedSenders(["A?B*", "x*z"])
    assert senders.is_blocked("a-bc")
    assert not senders.is_blocked("ab")
    assert senders.is_blocked("xyz")
    assert not senders.is_blocked("xyzw")


def test_without_patterns_nothing_is_withheld() -> None:
    assert not BlockedSenders([]).is_blocked("BANK")


@given(st.text(alphabet="ab-", max_size=6), st.lists(st.text(alphabet="ab-*?", min_size=1, max_size=5), max_size=4))
def test_it_agrees_with_the_plain_definition(sender: str, patterns: list[str]) -> None:
    expected = any(fnmatchcase(sender, pattern) for pattern in patterns)
    assert BlockedSenders(patterns).is_blocked(sender) is expected


@given(st.from_regex(r"[A-Za-z0-9 .&+-]{1,11}", fullmatch=True))
def test_the_shipped_ones_agree_as_well(sender: str) -> None:
    bare = sender.strip().upper()
    assert SHIPPED.is_blocked(sender) is any(fnmatchcase(bare, pattern.upper()) for pattern in PATTERNS)


async def test_the_databases_own_are_read(filled: Database) -> None:
    await filled.execute("INSERT INTO blocked_senders VALUES ('ACME*', 'bank', 'added')")
    senders = await BlockedSenders.stored(filled)
    assert senders.is_blocked("acmeine")
    assert senders.is_blocked("MyBank")
    assert not senders.is_blocked("Google")


def test_what_is_remembered_is_bounded() -> None:
    senders = BlockedSenders(["*BANK*"])
    for number in range(20_000):
        senders.is_blocked(f"S{number}")
    assert len(senders._known) <= 4_096

"""What holds for every text: the extractor never raises, never dawdles, never invents a character."""

import string
import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from namaskah.messages.extract import Extraction, code_of, extract
from namaskah.messages.normalise import fold

ANY_TEXT = st.text(st.characters(), max_size=400)  # lone surrogates and NUL included
PIECES = st.lists(
    st.sampled_from(
        [
            *("code", "код", "验证码", "رمز", " is ", ": ", " ", "\n", ".", ",", "-", "#", "@a.b", "*", "+"),
            *("(", ")", "$", "482913", "7712", "12:30", "05.11.2024", "1,250.00", "G-", "A1B2C3", "ref "),
            *("call ", "x", "٧٧١٢", "％"),
        ]
    ),
    max_size=30,
).map("".join)


@settings(max_examples=300, deadline=None)
@given(st.one_of(ANY_TEXT, PIECES))
def test_no_text_raises_and_the_code_is_made_of_the_text(text: str) -> None:
    found = extract(text)
    assert isinstance(found, Extraction)
    assert 0.0 <= found.confidence <= 1.0
    if found.code is not None:
        assert set(found.code) <= set(fold(text)) | set(text)
        assert found.candidates[0].text == found.code


@settings(max_examples=100, deadline=None)
@given(PIECES, st.text(string.ascii_letters + string.digits, min_size=1, max_size=12))
def test_the_origin_bound_line_always_wins(text: str, code: str) -> None:
    assert code_of(f"{text}\n@login.example.com #{code}") == code


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 999_999).map("{:06d}".format))
def test_six_digits_beside_the_word_code_are_always_found(digits: str) -> None:
    assert code_of(f"Your verification code is {digits}.") == digits
    assert code_of(f"{digits} is your verification code.") == digits
    assert code_of(f"您的验证码是{digits}，5分钟内有效") == digits


def test_every_decimal_digit_becomes_ascii() -> None:
    digits = [chr(point) for point in range(0x110000) if unicodedata.category(chr(point)) == "Nd"]
    assert len(digits) > 600
    assert all(fold("a" + digit) == f"a{unicodedata.decimal(digit)}" for digit in digits)


def test_lower_case_keeps_every_offset_of_a_folded_text() -> None:
    assert [hex(point) for point in range(0x110000) if len(fold(chr(point)).lower()) != len(fold(chr(point)))] == []


@pytest.mark.parametrize(
    "piece",
    [
        "1", "1 ", "123 ", "12.", "a.", "a-1-", "x1", "code 1234 ", "order 1234 ", "@", "@a #", "(+", "*1",
        "ref: ", "验证码1234", "\ud800", "\0", "😀1234", "\ufdfa", "send x to 1234 ", "1:1:", "11/11/",
        "CODE IS ABCD ", "a@", "ABC-1-", "a\u0301", "jan 1, ", "http://", "A1 ", "a" * 40 + ".",
    ],
)  # fmt: skip
def test_64_kb_of_anything_takes_a_few_milliseconds(piece: str) -> None:
    text = (piece * 65536)[:65536]
    extract(text)

    def cost() -> float:
        start = time.process_time()
        extract(text)
        return time.process_time() - start

    assert min(cost() for _ in range(3)) < 0.02

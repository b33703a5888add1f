"""Amounts: text to micros and back without loss, and nothing but plain decimals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from namaskah.core.money import LIMIT_MICROS, InvalidAmount, micros_from_text, money, text_from_micros


@pytest.mark.parametrize(
    "text",
    ["", " ", "1 ", " 1", "+1", "-1", "-0", "1.", ".5", "1e3", "1E3", "1_000", "1,000", "0x1", "nan", "inf", "1.2345678", "\u0661",
     "\uff11", "1\n", "1\x00", "00000000000", "1000000000.000001", "99999999999", "1.1.1", "\u00bd"],
)  # fmt: skip
def test_what_is_no_plain_decimal_is_refused(text):
    with pytest.raises(InvalidAmount):
        micros_from_text(text)


@given(st.text(max_size=30))
def test_any_text_is_an_amount_or_a_clean_refusal(text):
    try:
        micros = micros_from_text(text)
    except InvalidAmount:
        return
    assert 0 <= micros <= LIMIT_MICROS


@given(st.integers(0, LIMIT_MICROS))
def test_every_amount_comes_back_as_it_went(micros):
    assert micros_from_text(text_from_micros(micros)) == micros


@given(st.integers(0, 10**9), st.integers(0, 10**6 - 1))
def test_all_six_decimals_count(whole, rest):
    if whole * 10**6 + rest <= LIMIT_MICROS:
        assert micros_from_text(f"{whole}.{rest:06}") == whole * 10**6 + rest


@pytest.mark.parametrize(
    ("micros", "text"),
    [(0, "0.00"), (1, "0.000001"), (10_000, "0.01"), (750_000, "0.75"), (1_000_000, "1.00"), (1_234_567, "1.234567"),
     (100_000, "0.10"), (-750_000, "-0.75"), (-1, "-0.000001"), (10**15, "1000000000.00")],
)  # fmt: skip
def test_it_is_written_with_at_least_two_decimals_and_no_needless_noughts(micros, text):
    assert text_from_micros(micros) == text
    assert (money(micros).amount, money(micros).currency) == (text, "USD")

"""Numbers as operators write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from namaskah.providers.number_fiction import COUNTRIES, fiction_number
from namaskah.providers.number_format import NumberNotUsable, ReadNumber, read_number

SOLD = frozenset({"us", "gb", "fr", "de", "se", "au", "ca", "in"})


@pytest.mark.parametrize(
    ("written", "country", "reason"),
    [
        ("", "", "not written"),
        ("+", "", "not written"),
        ("no number", "", "not written"),
        ("+1 800 FLOWERS", "", "not written"),
        ("+44 7700 900123 ext. 5", "", "not written"),
        ("+44 7700 900123\x00", "", "not written"),
        ("+44 7700 900123;+44 7700 900124", "", "not written"),
        ("7700900123", "", "must begin with"),
        ("+44 7700", "", "too short or too long"),
        ("+44 7700 900123 900123", "", "too short or too long"),
        ("+49 15123456789012", "", "not a number of E.164"),
        ("1", "us", "too short or too long for a phone number"),
        ("+9991234567", "", "dialling code"),
        ("+49 171 3920000", "gb", "not a number of country 'gb'"),
        ("07700 900123", "xx", "unknown country 'xx'"),
        ("+31 6 12345678", "", "no country that we sell"),
        ("+800 1234 5678", "", "no country that we sell"),
    ],
)
def test_what_is_no_number_of_ours_is_refused_with_a_reason(written: str, country: str, reason: str) -> None:
    with pytest.raises(NumberNotUsable, match=reason) as raised:
        read_number(written, countries=SOLD, country=country)
    assert not written.strip() or len(written) < 5 or written not in str(raised.value)


@pytest.mark.parametrize(
    ("written", "country", "expected"),
    [
        ("+447700900123", "", ReadNumber("+447700900123", "gb", "")),
        (" +44 (7700) 900-123 ", "", ReadNumber("+447700900123", "gb", "")),
        ("0044 7700.900.123", "", ReadNumber("+447700900123", "gb", "")),
        ("+44 (0)7700 900123", "", ReadNumber("+447700900123", "gb", "")),
        ("07700 900123", "gb", ReadNumber("+447700900123", "gb", "")),
        ("+44\u00a07700\u202f900123", "GB", ReadNumber("+447700900123", "gb", "")),
        ("(212) 555-0142", "us", ReadNumber("+12125550142", "us", "212")),
        ("12125550142", "us", ReadNumber("+12125550142", "us", "212")),
        ("+1 416 555 0142", "", ReadNumber("+14165550142", "ca", "416")),
        ("+1 416 555 0142", "us", ReadNumber("+14165550142", "us", "416")),
        ("06 39 98 00 01", "fr", ReadNumber("+33639980001", "fr", "")),
    ],
)
def test_spaces_marks_and_national_forms_are_understood(written: str, country: str, expected: ReadNumber) -> None:
    assert read_number(written, countries=SOLD, country=country) == expected


@given(st.sampled_from(sorted(COUNTRIES)), st.integers(min_value=0, max_value=2**64))
def test_every_number_of_fiction_can_be_put_on_sale(country: str, seed: int) -> None:
    number = fiction_number(country, seed)
    assert read_number(number, countries=SOLD) == read_number(number, countries=SOLD, country=country)


@given(st.text(max_size=30))
def test_no_text_is_worse_than_refused(text: str) -> None:
    try:
        read = read_number(text, countries=SOLD)
    except NumberNotUsable:
        return
    assert read.e164.startswith("+")
    assert read.e164[1:].isascii()
    assert read.country in SOLD

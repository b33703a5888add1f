"""Reads a phone number as operators write it and answers its E.164 form and its country.

It asks whether a number is possible, not whether it is assigned: numbering plans open new ranges before any
list of them knows.
"""

import re
from collections.abc import Collection
from typing import Final, NamedTuple

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, ValidationResult

_WRITTEN: Final = re.compile(r"\+?[0-9 ()./\-\u00a0\u202f\u2011]+")
_MARKS: Final = re.compile(r"[^0-9+]+")
_E164: Final = re.compile(r"\+[1-9][0-9]{5,14}")


class NumberNotUsable(ValueError):
    """The number cannot be added; the message says why and does not repeat the number."""


class ReadNumber(NamedTuple):
    """A number as the database keeps it; `area_code` is '' outside North America."""

    e164: str
    country: str
    area_code: str


def read_number(text: str, *, countries: Collection[str], country: str = "") -> ReadNumber:
    """The number in `text`. Without a `country` (ISO alpha-2) it must begin with + or 00, and tells its own.

    `countries` are those that we sell numbers in. Raises NumberNotUsable.
    """
    written, country = text.strip(), country.strip().lower()
    if not _WRITTEN.fullmatch(written):
        raise NumberNotUsable("not written as a phone number")
    digits = _MARKS.sub("", written)
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    if country and country not in countries:
        raise NumberNotUsable(f"unknown country {country[:20]!r}")
    if not country and not digits.startswith("+"):
        raise NumberNotUsable("without a country a number must begin with + and the dialling code")
    try:
        parsed = phonenumbers.parse(digits, country.upper() or None)
    except NumberParseException as error:
        raise NumberNotUsable(_reason(error)) from None
    # Strictly: is_possible_number would also take what can be dialled only from the same town.
    if phonenumbers.is_possible_number_with_reason(parsed) != ValidationResult.IS_POSSIBLE:
        raise NumberNotUsable("too short or too long for its country")
    e164 = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    if not _E164.fullmatch(e164):
        raise NumberNotUsable("not a number of E.164")
    return ReadNumber(e164, _country(parsed, country, countries), e164[2:5] if e164[1] == "1" else "")


def _country(parsed: PhoneNumber, country: str, countries: Collection[str]) -> str:
    """The country, checked against the dialling code if it was given, else taken from the number."""
    if country:
        if phonenumbers.country_code_for_region(country.upper()) not in (0, parsed.country_code):
            raise NumberNotUsable(f"not a number of country {country!r}")
        return country
    region = phonenumbers.region_code_for_number(parsed)
    found = (region or phonenumbers.region_code_for_country_code(parsed.country_code or 0)).lower()
    if found not in countries:
        raise NumberNotUsable("a number of no country that we sell numbers in")
    return found


def _reason(error: NumberParseException) -> str:
    if error.error_type == NumberParseException.INVALID_COUNTRY_CODE:
        return "no country has this dialling code"
    return "too short or too long for a phone number"

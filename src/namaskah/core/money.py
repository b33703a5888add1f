"""Money is an integer of micros: 1 USD = 1,000,000. Never a float.

Outside it is text with two to six decimals beside its currency: {"amount": "0.75", "currency": "USD"}.
"""

import re

import msgspec

from namaskah.core.errors import UnprocessableContent

MICROS = 1_000_000
# The largest amount that is accepted or shown, a billion: far inside a bigint, far above any real order.
LIMIT_MICROS = 1_000_000_000 * MICROS
_AMOUNT = re.compile(r"(\d{1,10})(?:\.(\d{1,6}))?")


class InvalidAmount(UnprocessableContent):
    """An amount is not a decimal number with at most six decimals."""

    code = "invalid_amount"


class Money(msgspec.Struct, frozen=True):
    """An amount as the outside sees it."""

    amount: str
    currency: str = "USD"


def micros_from_text(text: str) -> int:
    """`"0.75"` becomes 750,000. Raises InvalidAmount for signs, exponents, blanks, more decimals, or over a billion."""
    match = _AMOUNT.fullmatch(text) if text.isascii() else None
    if match is None:
        raise InvalidAmount("An amount is written as digits with at most six decimals, such as 0.75.")
    whole, decimals = match.groups(default="")
    micros = int(whole) * MICROS + int(decimals.ljust(6, "0"))
    if micros > LIMIT_MICROS:
        raise InvalidAmount("The amount is larger than a billion.")
    return micros


def text_from_micros(micros: int) -> str:
    """750,000 becomes `"0.75"`: at least two decimals, no needless zeros after them."""
    sign = "-" if micros < 0 else ""
    whole, rest = divmod(abs(micros), MICROS)
    decimals = f"{rest:06d}".rstrip("0").ljust(2, "0")
    return f"{sign}{whole}.{decimals}"


def money(micros: int) -> Money:
    """The amount as the outside sees it."""
    return Money(text_from_micros(micros))

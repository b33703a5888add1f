"""How things are said on the pages: money, numbers, times, states. Plain words, and always what happens to the money."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

import phonenumbers

from namaskah.catalog.queries import Offer
from namaskah.core.errors import NamaskahError
from namaskah.core.money import Money
from namaskah.verifications.shape import Verification

SHORT_STATES: Final = {
    "requesting": "Asking for a number",
    "pending": "Waiting for the code",
    "completed": "Code received",
    "cancelled": "Cancelled, money back",
    "expired": "No code, money back",
    "failed": "No number, money back",
}
# What a visitor can do about an error, by its code. What is not listed here gets the last line.
_ADVICE: Final = {
    "insufficient_funds": "Choose something cheaper, ask us to add money to your wallet, or try everything out in test mode.",
    "no_numbers": "Choose another country, or try again in a few minutes.",
    "provider_down": "Choose another country, or try again in a few minutes.",
    "price_above_max": "Go back to see the new price, and decide then.",
    "service_blocked": "Read what is not allowed under acceptable use, or choose another service.",
    "service_stopped": "Choose another service, or try again later.",
    "limit_reached": "Finish or cancel a verification that is open, or try again later.",
    "idempotency_running": "Wait a few seconds and look at your last verifications: pressing again cannot buy twice.",
    "idempotency_mismatch": "Go back to the home page and choose again.",
    "cancel_too_early": "Go back and press cancel again when the countdown has ended.",
    "code_already_received": "Go back: your code is there.",
    "foreign_form": "Open our page yourself and try again there.",
    "form_expired": "Go back to the home page and try again.",
    "verification_not_found": "Check the address, or look at your last verifications.",
    "page_not_found": "Check the address, or go to the home page.",
    "database_unavailable": "Try again in a few seconds.",
}
# Their details speak of codes and slugs, which are for programs.
_TITLE_SAYS_ALL: Final = frozenset({"no_numbers", "provider_down", "service_blocked", "service_stopped"})
_ADVICE_ELSE: Final = "Go back and try again. If it happens again, tell us the request's number below."


def dollars(amount: Money) -> str:
    """$0.75"""
    sign, digits = ("-", amount.amount[1:]) if amount.amount.startswith("-") else ("", amount.amount)
    return f"{sign}${digits}"


@lru_cache(maxsize=4096)
def readable_number(number: str) -> str:
    """+12025550123 as +1 202-555-0123; what is no full number (it may be masked) as it is."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return number
    if phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164) != number:
        return number
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def is_whole_number(number: str) -> bool:
    """Whether it can still be dialled: older ones are masked."""
    return number.removeprefix("+").isdigit()


def moment(at: datetime) -> str:
    """22 Nov, 12:04 UTC; the script turns it into the visitor's own time."""
    return f"{at.astimezone(UTC):%-d %b, %H:%M} UTC"


def left(seconds: float) -> str:
    """Seconds as minutes and seconds: 19:32"""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    return f"{minutes}:{rest:02}"


def delivery(offer: Offer) -> str:
    """How likely a code is, with the number of orders that it rests on."""
    if offer.delivery_rate is None:
        return "Too few orders so far to say how often a code arrives."
    took = "" if offer.median_seconds is None else f", usually in {offer.median_seconds:.0f} seconds"
    return f"{offer.delivery_rate * 100:.0f} of 100 orders got their code{took} ({offer.sample_size} orders in 7 days)."


def state(verification: Verification) -> str:
    """The state of an order in a sentence or two that say where the money is."""
    price = dollars(verification.price)
    match verification.status:
        case "requesting":
            return f"We are asking for a number. {price} is set aside; it comes back at once if there is none."
        case "pending":
            return f"{price} is set aside. It is only taken when a code arrives."
        case "completed" if verification.closed_at is None:
            return f"{price} was charged. More codes on this number are free while it is yours."
        case "completed":
            return f"{price} was charged. The number is no longer yours."
        case "cancelled":
            return f"You cancelled it. {price} is back in your wallet."
        case "expired":
            return f"No code came in time. {price} is back in your wallet."
        case _:
            return f"No number could be had. {price} is back in your wallet."


def detail(error: NamaskahError) -> str:
    """What happened, without what the title has said and without the money, which has a line of its own."""
    if error.code in _TITLE_SAYS_ALL or error.detail == error.title():
        return ""
    return error.detail.replace("Nothing was charged.", "").replace("No money moved.", "").strip()


def charged(error: NamaskahError) -> str:
    """Whether money moved, in words."""
    if error.charged == "unknown":
        return (
            "It is not known yet whether your order was placed. Look at your last verifications; pressing again cannot buy twice."
        )
    return "The price was charged, because the code had arrived." if error.charged else "Nothing was charged."


def advice(error: NamaskahError) -> str:
    """What can be done about an error."""
    return _ADVICE.get(error.code, _ADVICE_ELSE)

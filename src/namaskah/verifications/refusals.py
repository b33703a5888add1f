"""Turns what the SQL functions refuse into errors that customers understand. Nothing was charged in any of them."""

import json
from typing import Any

import asyncpg

from namaskah.catalog.errors import UnknownCountry, UnknownService
from namaskah.core.errors import NamaskahError
from namaskah.core.money import text_from_micros
from namaskah.verifications import errors

INSUFFICIENT_FUNDS, LIMIT = "NM402", "NM429"
_UNCHARGED = "Nothing was charged."


def refused(outcome: str, *, service: str, country: str, price: int | None, available: int | None) -> NamaskahError:
    """The error for an outcome of the start functions."""
    match outcome:
        case "unknown_service":
            return UnknownService(f"There is no service {service!r}. {_UNCHARGED}")
        case "unknown_country":
            return UnknownCountry(f"There is no country {country!r}: give the ISO code, such as us. {_UNCHARGED}")
        case "service_blocked":
            return errors.ServiceBlocked(f"{service!r} is closed by our acceptable use policy. {_UNCHARGED}")
        case "service_stopped":
            return errors.ServiceStopped(f"{service!r} is not sold at the moment. {_UNCHARGED}")
        case "account_disabled":
            return errors.AccountDisabled(f"This account is closed. {_UNCHARGED}")
        case "price_above_max":
            told = "" if price is None else f" of {_text(price)} USD"
            return errors.PriceAboveMax(f"The price{told} is above your max_price. {_UNCHARGED}")
        case "insufficient_funds":
            return _funds(available, price)
        case "provider_down":
            return errors.ProviderDown(f"Nobody could be reached for {service} in {country}; try again soon. {_UNCHARGED}")
        case _:
            return errors.NoNumbers(f"No number for {service} in {country} is free now. {_UNCHARGED}")


def raised(error: asyncpg.PostgresError) -> NamaskahError | None:
    """The error for an exception of the SQL functions; None when it is none of ours."""
    state = getattr(error, "sqlstate", None)
    if state not in (INSUFFICIENT_FUNDS, LIMIT):
        return None
    detail: dict[str, Any] = json.loads(getattr(error, "detail", None) or "{}")
    if state == INSUFFICIENT_FUNDS:
        return _funds(detail.get("available"), detail.get("price"))
    kind = str(error).partition("\n")[0]  # the driver adds the detail in further lines
    return errors.LimitReached(
        f"{_limit_in_words(kind, detail.get('limit', 0))} {_UNCHARGED}", retry_after=detail.get("retry_after")
    )


def _limit_in_words(kind: str, limit: int) -> str:
    match kind:
        case "too_many_open":
            return f"Your plan allows {limit} verifications at the same time."
        case "too_many_an_hour":
            return f"Your plan allows {limit} purchases an hour."
        case "daily_spend":
            return f"Your plan allows {text_from_micros(limit)} USD a day."
        case "key_spend":
            return f"This API key may spend {text_from_micros(limit)} USD a day."
        case "low_delivery_share":
            return f"Too few of your purchases received a code, so {limit} an hour are allowed until more do."
        case _:
            return "Another purchase of yours was in the way; ask again."


def _funds(available: int | None, price: int | None) -> NamaskahError:
    return errors.InsufficientFunds(f"The price is {_text(price)} USD and {_text(available)} USD are available. {_UNCHARGED}")


def _text(micros: int | None) -> str:
    return text_from_micros(micros or 0)

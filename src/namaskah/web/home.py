"""The home page: choose a service and a country, see the price, get a number; the wallet and the last orders below."""

import hashlib
import re
import secrets
from typing import Final
from urllib.parse import urlencode

import msgspec

from namaskah.core.money import micros_from_text
from namaskah.verifications.queries import history
from namaskah.verifications.shape import Verification
from namaskah.verifications.start import Purchase, StartRequest, start
from namaskah.wallet.adjust import refill_test
from namaskah.wallet.queries import Wallet, wallet
from namaskah.wallet.register import TEST_BALANCE_MICROS
from namaskah.web.choice import choose
from namaskah.web.errors import FieldMissing
from namaskah.web.guard import safe_next
from namaskah.web.render import page, redirect
from namaskah.web.session import mode_cookie
from namaskah.web.visit import Page, Visit

LAST: Final = 20
_NOTHING: Final = 0
_KEY: Final = re.compile(r"[A-Za-z0-9_-]{16,64}")
_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_COUNTRY: Final = re.compile(r"[a-z]{2}")


class _Bought(msgspec.Struct):
    id: str


class _History(msgspec.Struct):
    data: list[Verification]


_read_bought: Final = msgspec.json.Decoder(_Bought).decode
_read_history: Final = msgspec.json.Decoder(_History).decode


async def show_home(visit: Visit) -> Page:
    """GET /"""
    if visit.user is None:
        return page(visit, "welcome.html")
    money = await _current_wallet(visit)
    principal = visit.principal(livemode=money.livemode)
    body = await history(
        visit.platform.db, principal=principal, status=None, service=None, limit=LAST, cursor=None, vault=visit.platform.vault
    )
    last = _read_history(body).data
    choice = await choose(
        visit.platform, principal=principal, query=visit.query, last=last[0] if last else None, key=secrets.token_urlsafe(18)
    )
    return page(
        visit, "home.html", livemode=money.livemode, wallet=money, choice=choice, last=last, suggested=visit.chosen_mode is None,
        minutes=visit.platform.settings.verification_minutes,
        poor=choice.offer is not None and _micros(money.available.amount) < _micros(choice.offer.price.amount),
    )  # fmt: skip


async def _current_wallet(visit: Visit) -> Wallet:
    """The wallet of the chosen mode. Who has chosen none sees test mode as long as there is no real money."""
    user_id, db = visit.signed_in.id, visit.platform.db
    if visit.chosen_mode is not None:
        return await wallet(db, user_id=user_id, livemode=visit.chosen_mode)
    real = await wallet(db, user_id=user_id, livemode=True)
    if _micros(real.balance.amount) > _NOTHING:
        return real
    return await wallet(db, user_id=user_id, livemode=False)


async def get_number(visit: Visit) -> Page:
    """POST /verifications: buys, or finds what the same form has bought already, and goes on to its page."""
    request, livemode = _wish(visit.form), _mode(visit.form)
    key = visit.form.get("key", "")
    if not _KEY.fullmatch(key):
        raise FieldMissing("The form had no key of its own. Nothing was charged.")
    wished = f"{livemode}\n{request.service}\n{request.country}\n{request.operator}\n{request.max_price}"
    purchase = Purchase(
        principal=visit.principal(livemode=livemode), request=request, idempotency_key=f"page-{key}",
        fingerprint=hashlib.sha256(wished.encode()).digest(), minutes=visit.platform.settings.verification_minutes,
    )  # fmt: skip
    platform = visit.platform
    answer = await start(platform.db, purchase=purchase, providers=platform.providers, vault=platform.vault)
    address = f"/verifications/{_read_bought(answer.body).id}"
    return redirect(f"{address}?done=replayed" if answer.replayed else address)


def back_to_choice(visit: Visit) -> str:
    """The home page with what was chosen in a form that was refused."""
    chosen = {name: visit.form[name] for name in ("service", "country") if visit.form.get(name)}
    return safe_next(f"/?{urlencode(chosen)}") if chosen else "/"


async def choose_mode(visit: Visit) -> Page:
    """POST /mode"""
    return redirect("/", mode_cookie(livemode=_mode(visit.form), secure=visit.secure))


async def refill(visit: Visit) -> Page:
    """POST /test-wallet/refill"""
    await refill_test(visit.platform.db, user_id=visit.signed_in.id, to_micros=TEST_BALANCE_MICROS)
    return redirect("/")


def _wish(form: dict[str, str]) -> StartRequest:
    """What the form asks for; the price that was shown is the most that may be charged."""
    service, country = form.get("service", ""), form.get("country", "")
    if not _SLUG.fullmatch(service) or not _COUNTRY.fullmatch(country):
        raise FieldMissing("Choose a service and a country first. Nothing was charged.")
    price = form.get("price", "")
    micros_from_text(price)
    return StartRequest(service=service, country=country, operator=form.get("operator", "")[:64] or None, max_price=price)


def _mode(form: dict[str, str]) -> bool:
    if form.get("mode") not in ("live", "test"):
        raise FieldMissing("The form did not say whether real money is meant. Nothing was charged.")
    return form["mode"] == "live"


def _micros(amount: str) -> int:
    return micros_from_text(amount)

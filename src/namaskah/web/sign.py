"""Signing up, in and out. A refusal shows the form again with what was typed, but for the password."""

from typing import Final

from namaskah.accounts.errors import AccountDisabled, EmailTaken, SignInBusy, TooManySignIns, WrongCredentials
from namaskah.accounts.sessions import open_session, sign_out
from namaskah.accounts.sign_in import sign_in
from namaskah.accounts.sign_up import CURRENT_TERMS_VERSION
from namaskah.core.errors import NamaskahError, UnprocessableContent
from namaskah.wallet.register import register
from namaskah.web import session
from namaskah.web.guard import safe_next
from namaskah.web.render import page, redirect
from namaskah.web.visit import Headers, Page, Visit

_ON_FORM: Final = (UnprocessableContent, EmailTaken, WrongCredentials, TooManySignIns, SignInBusy, AccountDisabled)


async def show_sign_in(visit: Visit) -> Page:
    """GET /sign-in"""
    return redirect(safe_next(visit.query.get("next", "/"))) if visit.user else _form(visit, "sign-in.html")


async def show_sign_up(visit: Visit) -> Page:
    """GET /sign-up"""
    return redirect(safe_next(visit.query.get("next", "/"))) if visit.user else _form(visit, "sign-up.html")


async def do_sign_in(visit: Visit) -> Page:
    """POST /sign-in"""
    try:
        _, token = await sign_in(
            visit.platform.db, email=visit.form.get("email", ""), password=visit.form.get("password", ""), address=visit.address,
            user_agent=_agent(visit), session_days=visit.platform.settings.session_days,
        )  # fmt: skip
    except _ON_FORM as error:
        return _form(visit, "sign-in.html", error)
    return await _welcome(visit, token)


async def do_sign_up(visit: Visit) -> Page:
    """POST /sign-up: the account, then at once its first session."""
    accepted = visit.form.get("terms_version", "") if visit.form.get("terms") == "accepted" else ""
    try:
        user = await register(
            visit.platform.db, email=visit.form.get("email", ""), password=visit.form.get("password", ""), terms_version=accepted
        )
    except _ON_FORM as error:
        return _form(visit, "sign-up.html", error)
    days = visit.platform.settings.session_days
    return await _welcome(visit, await open_session(visit.platform.db, user_id=user.id, user_agent=_agent(visit), days=days))


async def do_sign_out(visit: Visit) -> Page:
    """POST /sign-out"""
    await sign_out(visit.platform.db, visit.token)
    return redirect("/", session.session_cookie("", secure=visit.secure, days=0))


async def show_terms(visit: Visit) -> Page:
    """GET /terms"""
    settings = visit.platform.settings
    return page(
        visit, "terms.html", version=CURRENT_TERMS_VERSION, minutes=settings.verification_minutes,
        message_days=settings.message_retention_days, number_days=settings.number_mask_days,
    )  # fmt: skip


async def _welcome(visit: Visit, token: str) -> Page:
    """Goes on to where the visitor wanted to go. A session that was open in this browser before has no use any more."""
    if visit.token:
        await sign_out(visit.platform.db, visit.token)
    cookie = session.session_cookie(token, secure=visit.secure, days=visit.platform.settings.session_days)
    return redirect(safe_next(visit.form.get("next", "/")), cookie)


def _form(visit: Visit, template: str, error: NamaskahError | None = None) -> Page:
    wanted = visit.form.get("next") or visit.query.get("next", "/")
    status = 200
    headers: Headers = ()
    if error is not None:
        status = error.status
        if status == 401:
            headers = ((b"www-authenticate", b'Form realm="namaskah"'),)
        elif error.retry_after is not None:
            headers = ((b"retry-after", b"%d" % max(1, round(error.retry_after))),)
    return page(
        visit, template, status=status, headers=headers, error=error, email=visit.form.get("email", "")[:254],
        fields={field.name: field.message for field in error.fields} if error else {}, next=safe_next(wanted),
        terms_version=CURRENT_TERMS_VERSION, request_id=visit.request_id,
    )  # fmt: skip


def _agent(visit: Visit) -> str:
    return visit.headers.get(b"user-agent", b"").decode("latin-1")

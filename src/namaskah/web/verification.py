"""The page of one verification, and its buttons. The script asks for `?part=live` and swaps that part of the page."""

from datetime import timedelta
from typing import Any, Final

import msgspec

from namaskah.core.clock import utcnow
from namaskah.core.ids import is_id
from namaskah.verifications.another_code import another_code
from namaskah.verifications.cancel import cancel
from namaskah.verifications.errors import VerificationNotFound
from namaskah.verifications.finish import finish
from namaskah.verifications.queries import read
from namaskah.verifications.report import report
from namaskah.verifications.shape import Verification
from namaskah.web import names
from namaskah.web.errors import FieldMissing, PageNotFound
from namaskah.web.render import page, redirect
from namaskah.web.visit import Page, Visit

PREFIX: Final = "/verifications/"
# A late message may still come after the end; longer than this nobody waits for one.
_LISTEN_AFTER_END: Final = timedelta(minutes=15)
_LONGEST_REASON: Final = 500
_DONE: Final = {
    "replayed": "This is the number that you have just bought. You did not buy a second one.",
    "another-code": "We asked for another code. It is free; it will appear here.",
    "finish": "Finished. Thank you.",
    "report": "Thank you. Your report helps us to sort out bad numbers; it does not change what was charged.",
}
REASONS: Final = {
    "number_refused": "The service refused the number",
    "number_used": "The number has an account there already",
    "code_refused": "The service refused the code",
    "code_wrong": "The code shown is not the one in the message",
    "other": "Something else",
}
_read: Final = msgspec.json.Decoder(Verification).decode


async def show_verification(visit: Visit) -> Page:
    """GET /verifications/{id}"""
    verification = await _find(visit, visit.path.removeprefix(PREFIX))
    template = "live.html" if visit.query.get("part") == "live" else "verification.html"
    values = _shown(verification) | await _named(visit, verification)
    done = _DONE.get(visit.query.get("done", ""), "")
    return page(visit, template, v=verification, livemode=verification.livemode, done=done, reasons=REASONS, **values)


async def press(visit: Visit) -> Page:
    """POST /verifications/{id}/{verb}: the verb's domain call, then back to the page."""
    verification_id, _, verb = visit.path.removeprefix(PREFIX).partition("/")
    if verb not in _VERBS:
        raise PageNotFound()
    if not is_id(verification_id, "ver"):
        raise VerificationNotFound()
    if visit.form.get("mode") not in ("live", "test"):
        raise FieldMissing("The form is incomplete. Nothing was done.")
    principal = visit.principal(livemode=visit.form["mode"] == "live")
    await _VERBS[verb](visit, principal=principal, verification_id=verification_id)
    address = f"{PREFIX}{verification_id}"
    return redirect(f"{address}?done={verb}" if verb in _DONE else address)


async def _cancel(visit: Visit, **whose: Any) -> None:
    platform = visit.platform
    await cancel(platform.db, vault=platform.vault, pause_seconds=platform.settings.inventory_cooldown_seconds, **whose)


async def _finish(visit: Visit, **whose: Any) -> None:
    platform = visit.platform
    await finish(platform.db, vault=platform.vault, pause_seconds=platform.settings.inventory_cooldown_seconds, **whose)


async def _another_code(visit: Visit, **whose: Any) -> None:
    platform = visit.platform
    await another_code(platform.db, providers=platform.providers, vault=platform.vault, **whose)


async def _report(visit: Visit, **whose: Any) -> None:
    kind = REASONS.get(visit.form.get("reason", ""))
    if kind is None:
        raise FieldMissing("Say what was wrong. Nothing was done.")
    more = " ".join(visit.form.get("more", "").split())
    reason = f"{kind}: {more}" if more else kind
    await report(visit.platform.db, vault=visit.platform.vault, reason=reason[:_LONGEST_REASON], **whose)


_VERBS: Final = {"cancel": _cancel, "finish": _finish, "another-code": _another_code, "report": _report}


async def _find(visit: Visit, verification_id: str) -> Verification:
    """The visitor's own verification, of whichever mode. Raises VerificationNotFound."""
    first = visit.chosen_mode is not False
    if is_id(verification_id, "ver"):
        for livemode in (first, not first):
            try:
                body = await read(
                    visit.platform.db, principal=visit.principal(livemode=livemode), verification_id=verification_id,
                    vault=visit.platform.vault,
                )  # fmt: skip
            except VerificationNotFound:
                continue
            return _read(body)
    raise VerificationNotFound()


def _shown(v: Verification) -> dict[str, Any]:
    """What the template needs beside the verification: what can be pressed now, and how long it will be so."""
    now = utcnow()
    is_open = v.closed_at is None and now < v.expires_at
    waiting = v.status in ("requesting", "pending")
    listening = v.closed_at is None or now - v.closed_at < _LISTEN_AFTER_END
    return {
        "waiting": waiting, "is_open": is_open, "listening": listening,
        "left_seconds": max(0, int((v.expires_at - now).total_seconds())),
        "cancel_in": max(0, int((v.can_cancel_at - now).total_seconds() + 0.999)),
        "stamp": f"{v.status}.{len(v.messages)}.{'open' if v.closed_at is None else 'closed'}.{v.number or ''}",
    }  # fmt: skip


async def _named(visit: Visit, v: Verification) -> dict[str, str]:
    """Service and country as people call them; what is no longer offered by its code."""
    _, services = await names.services(visit.platform, visit.signed_in.id, livemode=v.livemode)
    countries = await names.countries(visit.platform)
    return {"service_name": services.get(v.service, v.service), "country_name": countries.get(v.country, v.country)}

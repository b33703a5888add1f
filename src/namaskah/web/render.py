"""Templates become pages. Everything is escaped, and an unknown name in a template is an error, not an empty space."""

from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from namaskah.core.errors import NamaskahError
from namaskah.web import words
from namaskah.web.assets import ADDRESSES
from namaskah.web.visit import Headers, Page, Visit

_SEE_OTHER: Final = 303


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("namaskah.web"), autoescape=True, undefined=StrictUndefined, auto_reload=False,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= {
        "dollars": words.dollars, "readable": words.readable_number, "moment": words.moment, "left": words.left,
        "state": words.state, "delivery": words.delivery, "plain": "{:g}".format,
    }  # fmt: skip
    made.globals |= {"assets": ADDRESSES, "short_states": words.SHORT_STATES, "is_whole": words.is_whole_number}
    return made


_TEMPLATES: Final = _environment()


def render(template: str, **values: Any) -> str:
    """A template that knows of no visitor: everybody gets the same."""
    return _TEMPLATES.get_template(template).render({"user": None, "token": "", "livemode": True} | values)


def page(visit: Visit, template: str, *, status: int = 200, headers: Headers = (), **values: Any) -> Page:
    """A template with its values and with what every page knows of the visit."""
    frame: dict[str, Any] = {"user": visit.user, "token": visit.form_token() if visit.user else "", "livemode": True}
    text = _TEMPLATES.get_template(template).render(frame | values)
    return Page(text.encode(), status, headers)


def redirect(address: str, *headers: tuple[bytes, bytes]) -> Page:
    """Sends the browser on with a GET, so that a reload repeats nothing."""
    return Page(b"", _SEE_OTHER, ((b"location", address.encode()), *headers))


def error_page(visit: Visit, error: NamaskahError, *, back: str = "/") -> Page:
    """What happened, whether money moved, what can be done, and the request's number."""
    headers: Headers = ()
    if error.retry_after is not None:
        headers = ((b"retry-after", b"%d" % max(1, round(error.retry_after))),)
    return page(
        visit, "error.html", status=error.status, headers=headers, title=error.title(),
        detail=words.detail(error), charged=words.charged(error), advice=words.advice(error),
        request_id=visit.request_id, back=back,
    )  # fmt: skip

"""What keeps other sites away: where a form came from, its session's token, where we may send the browser on to."""

import re
from typing import Final
from urllib.parse import urlsplit

from namaskah.core.settings import Settings
from namaskah.web.errors import ForeignForm, FormExpired
from namaskah.web.session import is_form_token
from namaskah.web.visit import Visit

# Our own addresses only: no scheme, no host, no backslash, which browsers read as a slash.
_OWN_ADDRESS: Final = re.compile(r"/(?![/\\])[A-Za-z0-9_./-]*(?:\?[A-Za-z0-9_.=&%+-]*)?")
# `none` is the person: a form that the browser sends again when a closed window is opened anew.
_OWN_SITES: Final = frozenset({b"same-origin", b"none"})


def check_origin(visit: Visit) -> None:
    """Raises ForeignForm unless the browser itself says that one of our pages sent this.

    Every browser of the last years sends at least one of the two headers with a POST, and no page can forge them.
    """
    site = visit.headers.get(b"sec-fetch-site")
    origin = visit.headers.get(b"origin")
    if site is None and origin is None:
        raise ForeignForm("Your browser did not say where this form comes from, so nothing was done.")
    if (site is not None and site not in _OWN_SITES) or (
        origin is not None and origin.decode("latin-1").lower() not in _own_origins(visit)
    ):
        raise ForeignForm("It came from another site, so nothing was done.")


def check_form_token(visit: Visit) -> None:
    """Raises FormExpired unless the form was made for this very session."""
    if not is_form_token(visit.platform.vault, visit.token, visit.form.get("token", "")):
        raise FormExpired("You have signed in again since this page was opened. Nothing was done; open it anew.")


def safe_next(text: str) -> str:
    """An address of ours to go on to after signing in; the home page for anything else."""
    return text if len(text) <= 500 and _OWN_ADDRESS.fullmatch(text) else "/"


def _own_origins(visit: Visit) -> set[str]:
    """Where we are for this browser: the address it asked, and the public one, should a proxy have changed the former."""
    settings: Settings = visit.platform.settings
    host = visit.headers.get(b"host", b"").decode("latin-1").lower()
    public = urlsplit(settings.public_url)
    return {f"{visit.scope['scheme']}://{host}", f"{public.scheme}://{public.netloc}".lower()}

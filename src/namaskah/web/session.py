"""The browser's session: its cookies, whose it is, and the token that every form of it carries.

On https the cookie is named `__Host-namaskah`, which no neighbouring subdomain can plant. The chosen mode (real money
or test) has a cookie of its own that is no secret.
"""

import hmac
from typing import Final
from urllib.parse import parse_qsl

from starlette.types import Scope

from namaskah.accounts.principal import Principal
from namaskah.accounts.sessions import user_of
from namaskah.core.crypto import Vault
from namaskah.core.ids import is_id
from namaskah.platform import Platform
from namaskah.verifications.errors import VerificationNotFound
from namaskah.verifications.queries import standing

NAME: Final = "namaskah"
MODE: Final = "namaskah-mode"
_MODES: Final = {"live": True, "test": False}
_YEAR: Final = 31_536_000


def cookie_name(*, secure: bool) -> str:
    """The session cookie's name; the prefix is a promise that browsers keep on https only."""
    return f"__Host-{NAME}" if secure else NAME


def token_in(header: bytes, *, secure: bool) -> str:
    """The session's token in a Cookie header, or ''."""
    return _cookie(header, cookie_name(secure=secure))


def mode_in(header: bytes) -> bool | None:
    """Real money (True), test mode (False), or None where nothing was chosen."""
    return _MODES.get(_cookie(header, MODE))


def session_cookie(token: str, *, secure: bool, days: int) -> tuple[bytes, bytes]:
    """The Set-Cookie header of a new session; an empty token ends it."""
    age = days * 86_400 if token else 0
    return _set(cookie_name(secure=secure), token, age, secure)


def mode_cookie(*, livemode: bool, secure: bool) -> tuple[bytes, bytes]:
    """The Set-Cookie header that remembers the mode."""
    return _set(MODE, "live" if livemode else "test", _YEAR, secure)


def form_token(vault: Vault, token: str) -> str:
    """What a session's forms carry: bound to the session, worthless without it."""
    return vault.keyed_hash(f"form\n{token}").hex()


def is_form_token(vault: Vault, token: str, given: str) -> bool:
    """Compares in constant time."""
    return hmac.compare_digest(form_token(vault, token).encode(), given.encode())


async def principal_of_cookie(
    platform: Platform, cookie_header: bytes, *, secure: bool = False, verification_id: str = ""
) -> Principal | None:
    """Who a Cookie header speaks for; None where there is no session or it has ended.

    The mode is that of the verification, where one of this user's is named, because a page keeps showing its own
    verification after the visitor has changed the mode in another tab; else it is the chosen one, else real money.
    """
    token = token_in(cookie_header, secure=secure)
    user = await user_of(platform.db, token) if token else None
    if user is None:
        return None
    livemode = mode_in(cookie_header) is not False
    if is_id(verification_id, "ver"):
        for principal in (Principal(user.id, livemode), Principal(user.id, not livemode)):
            try:
                await standing(platform.db, principal=principal, verification_id=verification_id)
            except VerificationNotFound:
                continue
            return principal
    return Principal(user.id, livemode)


async def principal_of_scope(platform: Platform, scope: Scope) -> Principal | None:
    """As principal_of_cookie, for the event stream: never for a request that another site's page made."""
    headers = dict(scope["headers"])
    if headers.get(b"sec-fetch-site", b"same-origin") != b"same-origin":
        return None
    wanted = dict(parse_qsl(scope["query_string"].decode("latin-1"))).get("verification", "")
    return await principal_of_cookie(
        platform, headers.get(b"cookie", b""), secure=scope["scheme"] == "https", verification_id=wanted
    )


def _cookie(header: bytes, name: str) -> str:
    for part in header.decode("latin-1").split(";"):
        found, _, value = part.strip().partition("=")
        if found == name:
            return value
    return ""


def _set(name: str, value: str, age: int, secure: bool) -> tuple[bytes, bytes]:
    flags = "; Secure" if secure else ""
    return b"set-cookie", f"{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{flags}".encode()

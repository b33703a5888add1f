"""One request for a page: who is visiting, what was asked, what the form says; and the page that is answered.

Forms are read strictly: at most 16 kB, UTF-8, no field twice, no NUL (which PostgreSQL cannot store).
"""

import asyncio
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope

from namaskah.accounts.principal import Principal
from namaskah.accounts.users import User
from namaskah.core.observed import request_of
from namaskah.platform import Platform
from namaskah.web import session
from namaskah.web.errors import FormTooLarge, FormTooSlow, NotAForm, UnreadableForm

FORM_BYTES: Final = 16_384
FORM_SECONDS: Final = 10.0
_FORM_TYPE: Final = b"application/x-www-form-urlencoded"
Headers = tuple[tuple[bytes, bytes], ...]


class Page(NamedTuple):
    """A finished answer."""

    body: bytes = b""
    status: int = 200
    headers: Headers = ()
    content_type: bytes = b"text/html; charset=utf-8"


class ClientGone(Exception):
    """The client went away before its form was complete, so there is nobody to answer."""


class Visit:
    """A request as the pages see it. `user` is None for a visitor who is not signed in."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.record = request_of(scope)
        self.headers = self.record.headers
        self.request_id = self.record.request_id.decode()
        self.secure: bool = scope["scheme"] == "https"
        self.token = session.token_in(self.headers.get(b"cookie", b""), secure=self.secure)
        self.chosen_mode = session.mode_in(self.headers.get(b"cookie", b""))
        self.user: User | None = None
        self.form: dict[str, str] = {}
        self.platform: Platform

    @property
    def address(self) -> str:
        """Where the visitor comes from, as far as the server in front of us tells."""
        client = self.scope.get("client")
        return client[0] if client else ""

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the address; what cannot be read is left out."""
        pairs = parse_qsl(self.scope["query_string"].decode("latin-1"), errors="replace", max_num_fields=None)
        return {name: value.replace("\0", "") for name, value in pairs[:20]}

    @property
    def signed_in(self) -> User:
        """The user, on pages that need one."""
        if self.user is None:
            raise LookupError("a page that needs a user was reached without one")
        return self.user

    def principal(self, *, livemode: bool) -> Principal:
        """Who acts, with real money or with the test mode's."""
        return Principal(self.signed_in.id, livemode)

    def form_token(self) -> str:
        """What a form of this session carries, so that no other site can send one."""
        return session.form_token(self.platform.vault, self.token) if self.token else ""


async def read_form(visit: Visit, receive: Receive) -> None:
    """Reads the form's fields. Raises FormTooLarge, FormTooSlow, NotAForm, UnreadableForm, ClientGone."""
    kind = visit.headers.get(b"content-type", b"")
    body = await _body(visit, receive)
    if body and kind.partition(b";")[0].strip().lower() != _FORM_TYPE:
        raise NotAForm()
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=40)
    except ValueError:
        raise UnreadableForm() from None
    visit.form = dict(pairs)
    if len(visit.form) != len(pairs) or "\0" in "".join(name + value for name, value in pairs):
        raise UnreadableForm()


async def _body(visit: Visit, receive: Receive) -> bytes:
    declared = visit.headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared[:12]) > FORM_BYTES:
        raise FormTooLarge()
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(FORM_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > FORM_BYTES:
                    raise FormTooLarge()
                if not message.get("more_body"):
                    return b"".join(parts)
    except TimeoutError:
        raise FormTooSlow() from None

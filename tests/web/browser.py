"""A browser without JavaScript: opens pages, keeps cookies, and sends the forms that it finds on them."""

from html.parser import HTMLParser
from typing import Any

import httpx2

from namaskah.core.observed import Observed
from namaskah.web.app import WebApp

PASSWORD = "a few calm words"


class _Forms(HTMLParser):
    """The page's forms: where each goes, and what it holds."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append((given["action"], {}))
        elif tag == "input" and self.forms and given.get("type") in ("hidden", "email"):
            self.forms[-1][1][given["name"]] = given.get("value", "")


class Browser:
    """One visitor. `page` is the last answer; redirects are followed, as a browser does."""

    def __init__(self, app: WebApp, *, origin: str = "http://pages.test") -> None:
        self.origin = origin
        self.client = httpx2.AsyncClient(transport=httpx2.ASGITransport(Observed(app)), base_url=origin, timeout=20)
        self.page: httpx2.Response

    async def open(self, address: str, **more: Any) -> httpx2.Response:
        self.page = await self.client.get(address, follow_redirects=True, **more)
        return self.page

    def form(self, action: str) -> dict[str, str]:
        """What the form with this action holds on the last page."""
        read = _Forms()
        read.feed(self.page.text)
        return next(dict(fields) for address, fields in read.forms if address == action)

    async def send(self, action: str, fields: dict[str, str], *, follow: bool = True, **headers: str) -> httpx2.Response:
        """Posts fields as the browser's own form would."""
        sent = {"origin": self.origin, "sec-fetch-site": "same-origin"} | headers
        sent = {name: value for name, value in sent.items() if value}
        answer = await self.client.post(action, data=fields, headers=sent, follow_redirects=follow)
        self.page = answer
        return answer

    async def press(self, action: str, **fields: str) -> httpx2.Response:
        """Sends the form with this action of the last page, with the visitor's own fields in it."""
        return await self.send(action, self.form(action) | fields)

    async def sign_up(self, email: str = "new@example.com", password: str = PASSWORD, **fields: str) -> httpx2.Response:
        await self.open("/sign-up")
        return await self.press("/sign-up", email=email, password=password, terms="accepted", **fields)

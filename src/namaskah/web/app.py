"""The ASGI application of the pages: finds the page, asks who is visiting, keeps other sites away, and sends the answer."""

import traceback
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple
from urllib.parse import quote

import structlog
from starlette.types import Receive, Scope, Send

from namaskah.accounts.sessions import user_of
from namaskah.core import error_reports
from namaskah.core.errors import MethodNotAllowed, NamaskahError
from namaskah.platform import Platform
from namaskah.web import assets, home, sign, status, verification
from namaskah.web.errors import PageBroken, PageNotFound
from namaskah.web.guard import check_form_token, check_origin
from namaskah.web.render import error_page, redirect
from namaskah.web.visit import ClientGone, Page, Visit, read_form

Handler = Callable[[Visit], Awaitable[Page]]
_log = structlog.get_logger()
_POLICY: Final = b"default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
_ALWAYS: Final = (
    (b"content-security-policy", _POLICY),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=()"),
)
_HSTS: Final = (b"strict-transport-security", b"max-age=31536000")
_NOT_MODIFIED: Final = 304
_NO_STORE: Final = (b"cache-control", b"no-store")


class _Route(NamedTuple):
    """A page, and whether it is for people who are signed in."""

    handler: Handler
    needs_user: bool = False


_ROUTES: Final[dict[str, dict[str, _Route]]] = {
    "/": {"GET": _Route(home.show_home)},
    "/sign-in": {"GET": _Route(sign.show_sign_in), "POST": _Route(sign.do_sign_in)},
    "/sign-up": {"GET": _Route(sign.show_sign_up), "POST": _Route(sign.do_sign_up)},
    "/sign-out": {"POST": _Route(sign.do_sign_out, needs_user=True)},
    "/terms": {"GET": _Route(sign.show_terms)},
    "/mode": {"POST": _Route(home.choose_mode, needs_user=True)},
    "/test-wallet/refill": {"POST": _Route(home.refill, needs_user=True)},
    "/verifications": {"POST": _Route(home.get_number, needs_user=True)},
}
_ONE: Final = {"GET": _Route(verification.show_verification, needs_user=True)}
_PRESSED: Final = {"POST": _Route(verification.press, needs_user=True)}


class WebApp:
    """Serves every address that no other surface has. The scope carries the full path."""

    def __init__(self, get_platform: Callable[[], Platform]) -> None:
        self._get_platform = get_platform
        self._status = status.StatusPages(get_platform)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            # There is nothing else to talk here; closing before accepting is answered as 403 by the server.
            await send({"type": "websocket.close"})
            return
        visit = Visit(scope)
        visit.record.surface = "web"
        try:
            page = await self._answer(visit, receive)
        except ClientGone:
            return
        await _send(visit, send, page)

    async def _answer(self, visit: Visit, receive: Receive) -> Page:
        back = "/"
        try:
            routes = _routes_of(visit.path)
            visit.record.route = _template_of(visit.path, routes)
            if visit.path.startswith(assets.PREFIX) and visit.method in ("GET", "HEAD"):
                found = assets.asset(visit.path, accepts=visit.headers.get(b"accept-encoding", b""))
                if found is not None:
                    return found
            if visit.path in status.ADDRESSES:
                return await self._status.answer(visit)
            visit.platform = self._get_platform()
            route = routes.get("GET" if visit.method == "HEAD" else visit.method)
            if visit.method == "POST" and route is not None:
                check_origin(visit)
                await read_form(visit, receive)
                back = _back(visit)
            if visit.token:
                visit.user = await user_of(visit.platform.db, visit.token)
            return await _of_route(visit, routes, route)
        except NamaskahError as error:
            error_reports.report(error, error_code=error.code)
            return error_page(visit, error, back=back)
        except ClientGone:
            raise
        except Exception as error:  # The last guard: whatever it is, the visitor gets a clear answer.
            return error_page(visit, _unforeseen(visit, error), back=back)


async def _of_route(visit: Visit, routes: dict[str, _Route], route: _Route | None) -> Page:
    if not routes:
        raise PageNotFound()
    if route is None:
        page = error_page(visit, MethodNotAllowed())
        return page._replace(headers=((b"allow", ", ".join(routes).encode()),))
    if route.needs_user and visit.user is None:
        # Of a form nothing is done; after signing in the visitor finds the page that it was on.
        wanted = visit.path if visit.method != "POST" else _back(visit)
        return redirect(f"/sign-in?next={quote(wanted, safe='/')}")
    if visit.method == "POST" and route.needs_user:
        check_form_token(visit)
    return await route.handler(visit)


def _routes_of(path: str) -> dict[str, _Route]:
    """What can be done at an address; empty where there is none."""
    if path in _ROUTES:
        return _ROUTES[path]
    if not path.startswith(verification.PREFIX):
        return {}
    return _PRESSED if "/" in path.removeprefix(verification.PREFIX) else _ONE


def _template_of(path: str, routes: dict[str, _Route]) -> str:
    """The address as the metrics name it: without what is in it."""
    if path.startswith(assets.PREFIX):
        return assets.PREFIX + "{file}"
    if routes is _ONE or routes is _PRESSED:
        return verification.PREFIX + ("{id}" if routes is _ONE else "{id}/{action}")
    return path if routes or path in status.ADDRESSES else "unknown"


def _back(visit: Visit) -> str:
    """Where a visitor whose form was refused goes back to."""
    if visit.path.startswith(verification.PREFIX):
        return "/verifications/" + quote(visit.path.removeprefix(verification.PREFIX).partition("/")[0])
    return home.back_to_choice(visit)


def _unforeseen(visit: Visit, error: Exception) -> NamaskahError:
    """Logs what nobody foresaw, without its text, which may quote what the visitor sent."""
    error_reports.report(error)
    _log.error(
        "page_failed", request_id=visit.request_id, error=type(error).__name__,
        stack="".join(traceback.format_tb(error.__traceback__)),
    )  # fmt: skip
    moves_money = visit.method == "POST" and visit.path.startswith("/verifications")
    return PageBroken("It is in our log under the number below.", charged="unknown" if moves_money else False)


async def _send(visit: Visit, send: Send, page: Page) -> None:
    headers = [*page.headers, *_ALWAYS, (b"content-type", page.content_type)]
    if page.status != _NOT_MODIFIED:  # whose length would be that of what is not sent
        headers.append((b"content-length", b"%d" % len(page.body)))
    if not any(name == b"cache-control" for name, _ in page.headers):
        headers.append(_NO_STORE)
    if visit.secure:
        headers.append(_HSTS)
    await send({"type": "http.response.start", "status": page.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if visit.method == "HEAD" else page.body})

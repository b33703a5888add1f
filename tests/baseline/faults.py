"""For each check the fault that it must see, in the words that it must say."""

import json
from collections.abc import Callable
from typing import Any

from starlette.types import Scope

from tests.baseline.broken import Exchange, Fault


def status(number: int, *, instead_of: int | None = None) -> Callable[[Exchange], None]:
    """Answers with another status."""

    def change(exchange: Exchange) -> None:
        if instead_of is None or exchange.status == instead_of:
            exchange.status = number

    return change


def without(*names: str) -> Callable[[Exchange], object]:
    """Drops headers of the answer."""
    return lambda exchange: [exchange.headers.pop(name, None) for name in names]


def text(old: str, new: str) -> Callable[[Exchange], object]:
    """Replaces in the body."""
    return lambda exchange: exchange.change(old, new)


def member(name: str, value: Any, *, path: str = "", method: str = "GET") -> Callable[[Exchange], None]:
    """Sets a member of the JSON that is answered."""

    def change(exchange: Exchange) -> None:
        if path in exchange.path and exchange.method == method:
            exchange.json(lambda body: body.update({name: value}))

    return change


def asked_without(name: str) -> Callable[[Scope], None]:
    """Drops a header of the request."""

    def change(scope: Scope) -> None:
        scope["headers"] = [pair for pair in scope["headers"] if pair[0] != name.encode()]

    return change


def asked_from_here(scope: Scope) -> None:
    """Whatever a browser says about where a form is from, it is taken for our own."""
    given = dict(scope["headers"])
    own = {b"origin": b"http://" + given[b"host"], b"sec-fetch-site": b"same-origin"}
    scope["headers"] = list({**given, **own}.items())


def not_deleted(scope: Scope) -> None:
    """A DELETE does nothing."""
    if scope["method"] == "DELETE":
        scope["method"] = "OPTIONS"


def event_lost(kind: str) -> Callable[[Exchange], None]:
    """A stream leaves out an event, its connection stays open."""

    def change(exchange: Exchange) -> None:
        if f"event: {kind}".encode() in exchange.body:
            exchange.body = b": nothing\n\n"

    return change


def data_twice(exchange: Exchange) -> None:
    """Every row of a list is there twice."""
    if exchange.method == "GET":
        exchange.json(lambda body: body.update(data=body["data"] * 2) if "data" in body else None)


def message_member(name: str, value: object) -> Callable[[Exchange], None]:
    """Sets a member of every message."""
    return lambda exchange: exchange.json(lambda body: [one.update({name: value}) for one in body.get("messages", [])])


def sends_the_request_back(exchange: Exchange) -> None:
    exchange.body += json.dumps(exchange.asked).encode()


def shows_everything(exchange: Exchange) -> None:
    if exchange.status == 404:
        exchange.status, exchange.body = 200, b"NAMASKAH_SECRET_KEY=..."


def shows_figures(exchange: Exchange) -> None:
    exchange.status, exchange.body = 200, b"namaskah_http_requests_total 1"


NO_CODE = member("code", None, path="/verifications")

FAULTS: dict[str, Fault] = {
    "everything-is-healthy": Fault("the status is degraded", member("status", "degraded", path="/health"), patience=1),
    "the-key-moves-no-money": Fault("not of the test mode", member("livemode", True, path="/wallet")),
    "the-wallet-adds-up": Fault("is not held", member("held", {"amount": "1.23", "currency": "USD"}, path="/wallet")),
    "the-catalogue-can-be-read": Fault("no ETag", without("etag")),
    "history-has-pages": Fault("a page of two", data_twice),
    "events-are-pushed-and-replayed": Fault("no event came", event_lost("verification.cancelled"), patience=3),
    "a-waiting-read-waits": Fault("instead of 422", status(200, instead_of=422)),
    "errors-are-clear": Fault("application/json instead of", lambda exchange: exchange.headers.update({"content-type": "application/json"})),
    "answers-are-as-described": Fault("extra is not described", member("extra", 1, path="/wallet")),
    "a-code-arrives": Fault("is not charged", member("charged", False, path="/verifications")),
    "a-code-at-once": Fault("no code came", NO_CODE, patience=2),
    "a-second-code": Fault("no second code came", message_member("code", "1"), patience=2),
    "a-voice-call": Fault("not in the message's text", message_member("text", "nothing")),
    "an-upstream-that-does-not-answer": Fault("not found again", NO_CODE, patience=1),
    "a-code-that-comes-too-late": Fault("not marked as late", message_member("late", False), patience=20),
    "refusals-cost-nothing": Fault("`charged` is True", member("charged", True, method="POST")),
    "cancelling-gives-the-money-back": Fault("it is pending", member("status", "pending", path="/cancel", method="POST")),
    "a-code-beats-a-cancel": Fault("the status is 200", status(200, instead_of=409)),
    "one-end-for-each-order": Fault("the statement has", data_twice),
    "one-order-for-each-key": Fault("a second order", before=asked_without("idempotency-key")),
    "one-order-of-many-at-once": Fault("8 orders were made", before=asked_without("idempotency-key")),
    "after-the-code": Fault("no closed_at", member("closed_at", None, path="/finish", method="POST")),
    "nothing-without-a-key": Fault("instead of 401", status(200, instead_of=401)),
    "bad-keys-are-refused": Fault("instead of 401", status(200, instead_of=401)),
    "a-revoked-key-is-refused": Fault("still taken", lambda x: status(204)(x) if x.method == "DELETE" else None, not_deleted, patience=1),
    "large-bodies-are-refused": Fault("instead of 413", status(201)),
    "odd-bodies-do-no-harm": Fault("answered with 500", status(500, instead_of=400)),
    "nothing-internal-is-told": Fault("tells of our code (Traceback)", text("$", "Traceback (most recent call last)")),
    "only-known-methods": Fault("answered with 200", status(200, instead_of=405)),
    "the-rate-limit-is-told": Fault("no x-ratelimit-limit", without("x-ratelimit-limit")),
    "every-answer-is-marked": Fault("no X-Process-Time", without("x-process-time")),
    "figures-are-not-public": Fault("answered with 200", shows_figures),
    "unsigned-messages-are-refused": Fault("instead of 401", status(200)),
    "other-sites-have-no-cookies-here": Fault(
        "allows cookies", lambda exchange: exchange.headers.update({"access-control-allow-credentials": "true"})
    ),
    "pages-trust-only-themselves": Fault("no Content-Security-Policy", without("content-security-policy")),
    "files-stay-inside": Fault("answered with 200", shows_everything),
    "forms-of-other-sites-are-refused": Fault("is answered with 401", before=asked_from_here),
    "other-hosts-are-not-believed": Fault("repeats the host", sends_the_request_back),
    "sign-in-leads-nowhere-else": Fault("is kept as //evil", text('name="next" value="/"', 'name="next" value="//evil"')),
    "pages-of-customers-need-a-session": Fault("sets a cookie", lambda exchange: exchange.headers.update({"set-cookie": "a=b"})),
    "session-cookies-are-guarded": Fault(
        "is not HttpOnly",
        lambda exchange: exchange.headers.update({"set-cookie": exchange.headers.get("set-cookie", "").replace("HttpOnly; ", "")}),
    ),
    "pages-say-what-they-are": Fault("no language", text('<html lang="en"', "<html")),
    "headings-are-in-order": Fault("0 main headings", text("<(/?)h1", r"<\1h2")),
    "pages-have-landmarks": Fault("no <main>", text("<(/?)main", r"<\1div")),
    "everything-has-a-name": Fault("has no label", text(' for="email"', "")),
    "passwords-can-be-filled-in": Fault("no field is for current-password", text("current-password", "off")),
    "text-can-be-read": Fault("in light: #aaa", text("--soft: #56625f", "--soft: #aaa")),
    "reads-at-once": Fault("answers are not 200", lambda x: status(500)(x) if x.path.endswith("/wallet") else None),
    "orders-at-once": Fault("no code came", NO_CODE, patience=2),
    "streams-at-once": Fault("no event came", event_lost("verification.pending"), patience=3),
}  # fmt: skip
# Their faults need a certificate or a browser, and are in tests of their own.
ELSEWHERE = {"tls-is-up-to-date", "axe-finds-nothing"}

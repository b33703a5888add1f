"""Security checks of the API: keys, limits, bodies, methods, and what an answer must never tell."""

import asyncio
from time import perf_counter
from typing import Final

from namaskah.accounts.key_format import LIVE, TEST, checksum
from namaskah.baseline.checks.bed import API, Bed, Check, Skipped, expect, object_of, problem_of
from namaskah.baseline.probe import Answer
from namaskah.baseline.target import Unreachable

# Well formed, so that it is looked up; and nobody's, because keys are random.
_INVENTED: Final = "0" * 30
_ID: Final = "0" * 26
_TRACES: Final = ("Traceback", 'File "/', "site-packages", "asyncpg", "sqlalchemy", "postgresql://", "SELECT ", "/src/namaskah")
_ODD_PATHS: Final = (
    "/%00", "/%ff%fe", "/%2e%2e/%2e%2e/etc/passwd", "/verifications/%27%22--", "/?q=%00%ff", "/sign-in?next=%00",
    f"{API}/verifications/ver_%00", f"{API}/verifications?cursor=%ff", f"{API}/offers?service=%27;drop", "/" + "a" * 4000,
)  # fmt: skip
_METRICS: Final = ("/metrics", "/metrics/", "//metrics")


async def nothing_without_a_key(bed: Bed) -> None:
    """Every operation that the document does not call public refuses a request without a key."""
    asked = 0
    for path, methods in (await bed.document())["paths"].items():
        for method, operation in methods.items():
            if operation.get("security"):
                answer = await _ask(bed, method.upper(), path)
                problem_of(answer, 401, "api_key_missing")
                expect(answer.header("www-authenticate"), f"{method.upper()} {path}: no WWW-Authenticate")
                asked += 1
            else:
                expect(path in ("/openapi.json", "/docs"), f"{method.upper()} {path} is called public")
    expect(asked >= 15, f"only {asked} operations are described")


async def bad_keys_are_refused(bed: Bed) -> None:
    """Keys that are invented, mistyped, cut off, or sent in another way are refused."""
    invented = TEST + _INVENTED
    live = LIVE + _INVENTED
    for given in (
        f"Bearer {invented}{checksum(invented)}", f"Bearer {live}{checksum(live)}", f"Bearer {invented}000000",
        f"Bearer {bed.target.key[:-1]}", "Bearer null", f"bearer  {bed.target.key[::-1]}",
    ):  # fmt: skip
        problem_of(await bed.probe.get(f"{API}/wallet", authorization=given), 401, "invalid_api_key")
    for given in (f"Basic {bed.target.key}", bed.target.key):
        problem_of(await bed.probe.get(f"{API}/wallet", authorization=given), 401, "api_key_missing")


async def a_revoked_key_is_refused(bed: Bed) -> None:
    """A test key makes test keys only, and a key that was revoked is refused within seconds."""
    problem_of(await bed.probe.post(f"{API}/api-keys", {"name": "check", "livemode": True}), 403, "live_key_needed")
    answer = await bed.probe.post(f"{API}/api-keys", {"name": "check, to be revoked at once", "livemode": False})
    if answer.status == 409:
        raise Skipped("the account has as many keys as its plan allows: revoke one, or take another account")
    made = object_of(answer, 201)
    authorization = f"Bearer {made['secret']}"
    try:
        object_of(await bed.probe.get(f"{API}/wallet", authorization=authorization), 200)
        # Only this key, which is about to end: addresses stand in the logs of every server on the way.
        answer = await bed.probe.get(f"{API}/wallet?key={made['secret']}", key=False)
        expect(answer.status in (401, 422), f"a key in the address is answered with {answer.status}")
    finally:
        revoked = await bed.probe.ask("DELETE", f"{API}/api-keys/{made['id']}")
    expect(revoked.status == 204, f"revoking is answered with {revoked.status}")
    began = perf_counter()
    while (answer := await bed.probe.get(f"{API}/wallet", authorization=authorization)).status == 200:
        expect(perf_counter() - began < min(bed.patience, 5), "it is still taken seconds later")
        await asyncio.sleep(0.2)
    problem_of(answer, 401, "invalid_api_key")


async def large_bodies_are_refused(bed: Bed) -> None:
    """A body of two megabytes is refused without being read to its end, also when it does not say its length."""
    body = b'{"service": "' + b"a" * 2_000_000 + b'"}'
    headers = {"content-type": "application/json"}
    for given in (headers, {**headers, "content-length": "", "transfer-encoding": "chunked"}):
        content = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if "transfer-encoding" in given else body
        try:
            answer = await bed.probe.ask("POST", f"{API}/verifications", headers=given, body=content)
        except Unreachable:
            # The connection was cut while we were still sending, which is just as good.
            continue
        expect(answer.status == 413, f"the status is {answer.status} instead of 413")


async def odd_bodies_do_no_harm(bed: Bed) -> None:
    """Deep, double and nonsensical JSON is refused as a client's mistake."""
    for body in (b"[" * 30_000, b'{"a":' * 5_000, b"\xff\xfe", b"null", b"[]", b'"x"', b"1e400", b'{"service": 1}', b"\x00"):
        answer = await bed.probe.ask("POST", f"{API}/verifications", headers={"content-type": "application/json"}, body=body)
        expect(answer.status in (400, 422), f"a body of {body[:8]!r} is answered with {answer.status}")
        _tells_nothing(answer, f"a body of {body[:8]!r}")


async def nothing_internal_is_told(bed: Bed) -> None:
    """No answer tells of our code, whatever is asked: no stack trace, no path, no statement."""
    for path in _ODD_PATHS:
        answer = await bed.probe.get(path)
        expect(answer.status < 500, f"{path[:40]} is answered with {answer.status}")
        _tells_nothing(answer, path[:40])
    for given in ({"last_event_id": "x"}, {"idempotency_key": "\x7f"}, {"if_none_match": '"'}, {"cookie": "namaskah=\xff; a"}):
        answer = await bed.probe.ask("GET", f"{API}/services", headers=given)
        expect(answer.status < 500, f"a header {next(iter(given))} is answered with {answer.status}")
        _tells_nothing(answer, next(iter(given)))


async def only_known_methods(bed: Bed) -> None:
    """Methods that an address does not know are refused, and TRACE sends nothing back."""
    for method, path in (
        ("DELETE", f"{API}/verifications"), ("PUT", f"{API}/wallet"), ("PATCH", f"{API}/account"), ("TRACE", f"{API}/wallet"),
        ("POST", "/terms"), ("DELETE", "/"), ("TRACE", "/"), ("PUT", "/sign-in"),
    ):  # fmt: skip
        answer = await bed.probe.ask(method, path, headers={"x-check": "sent-back"})
        expect(answer.status in (405, 501), f"{method} {path} is answered with {answer.status}")
        expect(answer.status == 501 or answer.header("allow"), f"{method} {path}: no Allow")
        expect("sent-back" not in answer.text, f"{method} {path} sends the request back")


async def the_rate_limit_is_told(bed: Bed) -> None:
    """Every answer to a key tells the rate limit, and what is left of it goes down."""
    seen = []
    for _ in range(3):
        answer = await bed.probe.get(f"{API}/wallet")
        for name in ("ratelimit", "ratelimit-policy", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"):
            expect(answer.header(name), f"there is no {name}")
        seen.append((int(answer.header("x-ratelimit-remaining")), int(answer.header("x-ratelimit-limit"))))
    expect(all(0 <= left < limit for left, limit in seen), f"of a limit of {seen[0][1]} {seen[0][0]} are left")


async def every_answer_is_marked(bed: Bed) -> None:
    """Answers have an id of their own, tell their time, are not guessed at and not kept by caches."""
    for path in (f"{API}/wallet", f"{API}/nothing", "/", "/nothing", "/livez"):
        answer = await bed.probe.get(path)
        expect(answer.header("x-request-id"), f"{path}: no X-Request-ID")
        expect(answer.server_seconds is not None, f"{path}: no X-Process-Time")
        expect("dur=" in answer.header("server-timing"), f"{path}: no Server-Timing")
        expect(answer.header("x-content-type-options") == "nosniff", f"{path}: no X-Content-Type-Options: nosniff")
        expect(not any(digit in answer.header("server") for digit in "0123456789"), f"{path}: the server tells its version")
    answer = await bed.probe.get(f"{API}/wallet", x_request_id="<script>alert(1)</script>")
    expect("<" not in answer.header("x-request-id"), "an X-Request-ID of any form is sent back")
    expect(answer.header("cache-control") == "no-store", "a wallet may be kept by caches (Cache-Control)")


async def figures_are_not_public(bed: Bed) -> None:
    """The instance's own figures (/metrics) are not for everybody."""
    # To a neighbour on the same machine they may be shown; behind a proxy everybody would be one.
    headers = {"x_forwarded_for": "203.0.113.9", "forwarded": "for=203.0.113.9"} if bed.target.is_local else {}
    for path in _METRICS:
        answer = await bed.probe.get(path, key=False, **headers)
        expect(answer.status in (401, 403, 404), f"{path} is answered with {answer.status}")
        expect("namaskah_" not in answer.text, f"{path} shows figures")


async def unsigned_messages_are_refused(bed: Bed) -> None:
    """The webhook for incoming messages takes none without a signature."""
    message = {"message_id": "check", "to": "+12025550100", "from": "check", "text": "no code"}
    answer = await bed.probe.post(f"/inbound/sms/src_{_ID}", message, key=False)
    problem_of(answer, 401, "invalid_signature")


async def other_sites_have_no_cookies_here(bed: Bed) -> None:
    """Scripts of other sites may call the API with a key, never with a visitor's cookies, and cannot read the pages."""
    origin = "https://other.example"
    for method, path in (("GET", f"{API}/wallet"), ("OPTIONS", f"{API}/verifications"), ("GET", "/"), ("GET", "/sign-in")):
        answer = await bed.probe.ask(method, path, headers={"origin": origin, "access-control-request-method": "POST"})
        expect(not answer.header("access-control-allow-credentials"), f"{method} {path} allows cookies of other sites")
        allowed = answer.header("access-control-allow-origin")
        expect(allowed in (("*",) if path.startswith(API) else ("",)), f"{method} {path} allows the origin {allowed or 'none'}")


async def _ask(bed: Bed, method: str, path: str) -> Answer:
    headers = {"content-type": "application/json"} if method == "POST" else {}
    body = b"{}" if method == "POST" else b""
    return await bed.probe.ask(method, API + path.replace("{id}", f"ver_{_ID}"), key=False, headers=headers, body=body)


def _tells_nothing(answer: Answer, what: str) -> None:
    found = [trace for trace in _TRACES if trace in answer.text]
    expect(not found, f"{what}: the answer tells of our code ({', '.join(found)})")


CHECKS = tuple(
    Check("security", ask)
    for ask in (
        nothing_without_a_key, bad_keys_are_refused, a_revoked_key_is_refused, large_bodies_are_refused, odd_bodies_do_no_harm,
        nothing_internal_is_told, only_known_methods, the_rate_limit_is_told, every_answer_is_marked, figures_are_not_public,
        unsigned_messages_are_refused, other_sites_have_no_cookies_here,
    )
)  # fmt: skip

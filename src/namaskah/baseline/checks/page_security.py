"""Security checks of the pages: what browsers are told, where forms may come from, cookies, files, TLS."""

import asyncio
import re
import ssl
import warnings
from datetime import UTC, datetime
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import urlencode

from namaskah.baseline.checks.bed import Bed, Check, CheckFailed, Skipped, Visitor, expect
from namaskah.baseline.checks.page import read_page
from namaskah.baseline.probe import Answer, why

PAGES: Final = ("/", "/sign-in", "/sign-up", "/terms", "/no-such-page")
_FORM: Final = "application/x-www-form-urlencoded"
_DAYS_LEFT: Final = 14
_SECRETS: Final = ("BEGIN", "NAMASKAH_SECRET_KEY", "root:", "import ", "[core]", "postgresql://")
_FILES: Final = (
    "/assets/../settings.py", "/assets/../../core/settings.py", "/assets/..%2f..%2fcore%2fsettings.py",
    "/assets/%2e%2e/%2e%2e/core/settings.py", "/assets//etc/passwd", "/assets/....//....//etc/passwd", "/assets/..\\app.py",
    "/..%2f..%2f..%2fetc/passwd", "/.env", "/.env.staging", "/.git/config", "/.git/HEAD", "/.data/secret.key",
    "/.data/demo.json", "/main.py", "/pyproject.toml", "/assets/", "/src/namaskah/app.py",
)  # fmt: skip


async def pages_trust_only_themselves(bed: Bed) -> None:
    """Pages load nothing from elsewhere, run no inline script, cannot be framed, and do not tell where a visitor came from."""
    for path in PAGES:
        answer = await bed.probe.get(path, key=False)
        policy = dict(part.strip().partition(" ")[::2] for part in answer.header("content-security-policy").split(";"))
        expect(policy.get("default-src") in ("'self'", "'none'"), f"{path}: no Content-Security-Policy that begins with 'self'")
        inline = policy.get("script-src", policy["default-src"])
        expect("unsafe" not in inline, f"{path}: inline scripts are allowed")
        expect(policy.get("frame-ancestors") == "'none'", f"{path}: other sites may frame it")
        expect(policy.get("base-uri") == "'none'" and policy.get("form-action") == "'self'", f"{path}: base-uri or form-action")
        expect(answer.header("referrer-policy") in ("same-origin", "no-referrer"), f"{path}: no Referrer-Policy")
        expect(answer.header("cross-origin-opener-policy") == "same-origin", f"{path}: no Cross-Origin-Opener-Policy")
        expect("no-store" in answer.header("cache-control"), f"{path}: may be kept by caches")


async def files_stay_inside(bed: Bed) -> None:
    """No address leads to a file that is not meant to be read."""
    for path in _FILES:
        answer = await bed.probe.get(path, key=False)
        expect(answer.status in (400, 403, 404), f"{path} is answered with {answer.status}")
        found = [word for word in _SECRETS if word in answer.text]
        expect(not found, f"{path} shows a file ({', '.join(found)})")


async def forms_of_other_sites_are_refused(bed: Bed) -> None:
    """A form that another site's page sends, or that does not say where it is from, is refused."""
    body = urlencode({"email": "nobody@example.com", "password": "not the password"}).encode()
    for headers in (
        {"origin": "https://other.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"origin": bed.target.url, "sec-fetch-site": "cross-site"},
        {"origin": f"{bed.target.url}.other.example"},
        {},
    ):
        given = {"content-type": _FORM, **headers}
        answer = await bed.probe.ask("POST", "/sign-in", key=False, headers=given, body=body)
        expect(answer.status == 403, f"with {headers or 'no origin'} it is answered with {answer.status}")
        expect(not answer.header("set-cookie"), "a refused form sets a cookie")


async def other_hosts_are_not_believed(bed: Bed) -> None:
    """What a request says about its host appears in no page and in no address that we send a browser to."""
    for name in ("host", "x_forwarded_host", "x_original_url", "forwarded"):
        for path in ("/", "/sign-in", "/verifications/x"):
            value = "host=evil.example" if name == "forwarded" else "evil.example"
            answer = await bed.probe.get(path, key=False, **{name: value})
            expect("evil.example" not in answer.text, f"{path} repeats the {name} of a request")
            expect("evil.example" not in answer.header("location"), f"{path} sends a browser to the {name} of a request")


async def sign_in_leads_nowhere_else(bed: Bed) -> None:
    """After signing in nobody is sent to another site."""
    for next_page in ("//evil.example", "https://evil.example", "/\\evil.example", "/%09/evil.example", "javascript:alert(1)"):
        answer = await bed.probe.get(f"/sign-in?{urlencode({'next': next_page})}", key=False)
        fields = {field.get("name"): field.get("value") for field in read_page(answer.text).all("input")}
        expect(fields.get("next", "/") == "/", f"next={next_page} is kept as {fields.get('next')}")
    answer = await bed.probe.get("/sign-in?next=%22%3E%3Cscript%3E", key=False)
    expect("<script>" not in answer.text.partition("<body")[2], "what an address holds becomes a part of the page")


async def pages_of_customers_need_a_session(bed: Bed) -> None:
    """Without a session no page of a customer is shown, and no cookie is set before signing in."""
    for path in PAGES:
        answer = await bed.probe.get(path, key=False)
        expect(not answer.header("set-cookie"), f"{path} sets a cookie before anybody has signed in")
    for cookie in ("", "namaskah=x", "__Host-namaskah=" + "0" * 43):
        answer = await bed.probe.get(f"/verifications/ver_{'0' * 26}", key=False, cookie=cookie)
        told = f"{answer.status} to {answer.header('location')}"
        expect(answer.status == 303 and answer.header("location").startswith("/sign-in"), f"the answer is {told}")


async def session_cookies_are_guarded(bed: Bed) -> None:
    """The session's cookie is HttpOnly, SameSite, on https also Secure and bound to this host; signing out ends it."""
    if bed.visitor is None:
        raise Skipped("needs somebody who can sign in: set NAMASKAH_TEST_EMAIL and NAMASKAH_TEST_PASSWORD")
    cookie = await sign_in(bed, bed.visitor)
    home = await bed.probe.get("/", key=False, cookie=cookie)
    forms = [form for form in read_page(home.text).all("form") if form.get("action") == "/sign-out"]
    expect(home.status == 200 and forms, "the session's cookie opens no session")
    token = re.search(r'name="token" value="([0-9a-f]+)"', home.text)
    headers = {"content-type": _FORM, "origin": bed.target.url, "cookie": cookie}
    forged = await bed.probe.ask("POST", "/sign-out", key=False, headers=headers, body=b"token=0")
    expect(forged.status == 403, f"a form without its session's token is answered with {forged.status}")
    body = urlencode({"token": token[1] if token else ""}).encode()
    ended = await bed.probe.ask("POST", "/sign-out", key=False, headers=headers, body=body)
    expect(ended.status == 303, f"signing out is answered with {ended.status}")
    after = await bed.probe.get(f"/verifications/ver_{'0' * 26}", key=False, cookie=cookie)
    expect(after.status == 303, "the cookie of a session that has ended is still taken")


async def sign_in(bed: Bed, visitor: Visitor) -> str:
    """Signs in and answers the Cookie header of the session. Raises CheckFailed for a cookie without its flags."""
    body = urlencode({"email": visitor.email, "password": visitor.password, "next": "/"}).encode()
    headers = {"content-type": _FORM, "origin": bed.target.url, "sec-fetch-site": "same-origin"}
    answer = await bed.probe.ask("POST", "/sign-in", key=False, headers=headers, body=body)
    expect(answer.status == 303, f"signing in is answered with {answer.status}: are NAMASKAH_TEST_EMAIL and _PASSWORD right?")
    return _checked_cookie(bed, answer)


def _checked_cookie(bed: Bed, answer: Answer) -> str:
    found = []
    for header in answer.all("set-cookie"):
        try:
            cookies = SimpleCookie(header)
        except CookieError:
            raise CheckFailed("a cookie cannot be read") from None
        for name, cookie in cookies.items():
            secure = bed.target.scheme == "https"
            expect(cookie["httponly"], f"the cookie {name} is not HttpOnly")
            expect(cookie["samesite"].lower() in ("lax", "strict"), f"the cookie {name} has no SameSite")
            expect(cookie["path"] == "/" and not cookie["domain"], f"the cookie {name} is not for this host only")
            expect(not secure or cookie["secure"], f"the cookie {name} is not Secure")
            expect(not secure or name.startswith("__Host-"), f"the cookie {name} has no __Host- prefix")
            found.append(f"{name}={cookie.value}")
    expect(found, "signing in sets no cookie")
    return "; ".join(found)


async def tls_is_up_to_date(bed: Bed) -> None:
    """The connection is encrypted with TLS 1.2 or newer, the certificate has two weeks left, and browsers stay on https."""
    if bed.target.scheme != "https":
        raise Skipped("the instance is reached by http")
    try:
        connection = await bed.probe.open()
    except (OSError, TimeoutError) as error:
        raise CheckFailed(why(error)) from None
    try:
        spoken: ssl.SSLObject = connection.writer.get_extra_info("ssl_object")
        expect(spoken.version() in ("TLSv1.2", "TLSv1.3"), f"it speaks {spoken.version()}")
        until = str((spoken.getpeercert() or {}).get("notAfter", ""))
    finally:
        connection.close()
    left = datetime.fromtimestamp(ssl.cert_time_to_seconds(until), UTC) - datetime.now(UTC)
    expect(left.days >= _DAYS_LEFT, f"the certificate ends in {left.days} days")
    answer = await bed.probe.get("/", key=False)
    age = re.search(r"max-age=(\d+)", answer.header("strict-transport-security"))
    expect(age and int(age[1]) >= 15_552_000, "no Strict-Transport-Security of half a year")
    if await _takes_old(bed):
        raise CheckFailed("it takes TLS 1.1")


async def _takes_old(bed: Bed) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        # Nobody should speak it any more, which is just what is asked here.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    try:
        async with asyncio.timeout(5):
            _, writer = await asyncio.open_connection(bed.target.host, bed.target.port, ssl=context)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


CHECKS = tuple(
    Check("security", ask)
    for ask in (
        pages_trust_only_themselves, files_stay_inside, forms_of_other_sites_are_refused, other_hosts_are_not_believed,
        sign_in_leads_nowhere_else, pages_of_customers_need_a_session, session_cookies_are_guarded, tls_is_up_to_date,
    )
)  # fmt: skip

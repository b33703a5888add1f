"""Signing up, in and out through the pages."""

import pytest

from namaskah.accounts.sign_up import CURRENT_TERMS_VERSION
from tests.web.browser import PASSWORD, Browser


async def test_a_wrong_password_is_refused_and_says_so(member: Browser, visitor: Browser):
    await member.press("/sign-out")
    await visitor.open("/sign-in")
    answer = await visitor.press("/sign-in", email="new@example.com", password="not the password")
    assert answer.status_code == 401
    assert "The e-mail address or the password is wrong." in answer.text
    assert "Nothing was charged." in answer.text
    assert answer.headers["x-request-id"] in answer.text
    assert visitor.form("/sign-in")["email"] == "new@example.com"
    assert "not the password" not in answer.text
    assert "set-cookie" not in answer.headers


async def test_an_unknown_person_gets_the_very_same_answer(visitor: Browser):
    await visitor.open("/sign-in")
    answer = await visitor.press("/sign-in", email="nobody@example.com", password=PASSWORD)
    assert answer.status_code == 401
    assert "The e-mail address or the password is wrong." in answer.text


async def test_too_many_attempts_are_told_to_wait(visitor: Browser):
    await visitor.open("/sign-in")
    for _ in range(11):
        answer = await visitor.press("/sign-in", email="nobody@example.com", password=PASSWORD)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"password": "short"}, "A password has at least 8 characters"),
        ({"password": "password1"}, "one of the first that anyone would try"),
        ({"email": "no-address"}, "This is not an e-mail address."),
        ({"terms": ""}, "must be accepted"),
        ({"terms_version": "1999-01-01"}, "must be accepted"),
    ],
)
async def test_a_sign_up_that_cannot_be_is_refused_in_words(visitor: Browser, platform, fields, words):
    await visitor.open("/sign-up")
    asked = {"email": "new@example.com", "password": PASSWORD, "terms": "accepted"} | fields
    answer = await visitor.press("/sign-up", **asked)
    assert answer.status_code == 422
    assert words in answer.text
    assert asked["password"] not in answer.text
    assert await platform.db.fetchval("SELECT count(*) FROM users") == 0


async def test_an_address_that_has_an_account_is_not_given_another(member: Browser, app):
    again = Browser(app)
    answer = await again.sign_up("NEW@example.com")
    assert answer.status_code == 409
    assert "sign in instead" in answer.text
    await again.client.aclose()


async def test_what_a_visitor_types_is_never_markup(visitor: Browser):
    answer = await visitor.open("/sign-in")
    answer = await visitor.press("/sign-in", email='"><script>alert(1)</script>', password="x")
    assert "<script>alert" not in answer.text
    assert visitor.form("/sign-in")["email"] == '"><script>alert(1)</script>'


async def test_signing_up_signs_in_and_keeps_the_accepted_terms(visitor: Browser, platform):
    answer = await visitor.sign_up()
    assert (answer.status_code, answer.url.path) == (200, "/")
    row = await platform.db.fetchrow("SELECT terms_version, password_hash FROM users")
    assert row["terms_version"] == CURRENT_TERMS_VERSION
    assert row["password_hash"].startswith("$argon2id$")


async def test_signing_out_ends_the_session_for_good(member: Browser, platform):
    await member.open("/")
    kept = dict(member.client.cookies)
    await member.press("/sign-out")
    assert "Create an account" in member.page.text
    member.client.cookies.update(kept)
    assert "Create an account" in (await member.open("/")).text
    assert await platform.db.fetchval("SELECT count(*) FROM sessions") == 0


async def test_signing_in_goes_on_to_the_page_that_was_wanted(member: Browser):
    await member.press("/sign-out")
    await member.open("/verifications/ver_00000000000000000000000000")
    assert member.page.url.path == "/sign-in"
    answer = await member.press("/sign-in", email="new@example.com", password=PASSWORD)
    assert answer.url.path == "/verifications/ver_00000000000000000000000000"


async def test_the_sessions_cookie_is_out_of_reach_of_scripts_and_other_sites(app):
    plain, safe = Browser(app), Browser(app, origin="https://pages.test")
    for browser, email in ((plain, "a@example.com"), (safe, "b@example.com")):
        await browser.open("/sign-up")
        fields = browser.form("/sign-up") | {"email": email, "password": PASSWORD, "terms": "accepted"}
        await browser.send("/sign-up", fields, follow=False)
    assert plain.page.headers["set-cookie"].startswith("namaskah=")
    assert plain.page.headers["set-cookie"].endswith("; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax")
    assert safe.page.headers["set-cookie"].startswith("__Host-namaskah=")
    assert safe.page.headers["set-cookie"].endswith("; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax; Secure")
    assert "max-age=31536000" in safe.page.headers["strict-transport-security"]
    for browser in (plain, safe):
        assert "Last verifications" in (await browser.open("/")).text
        await browser.client.aclose()


async def test_a_cookie_planted_without_the_prefix_counts_for_nothing_on_https(member: Browser, app):
    safe = Browser(app, origin="https://pages.test")
    token = member.client.cookies["namaskah"]
    answer = await safe.open("/", headers={"cookie": f"namaskah={token}"})
    assert "Create an account" in answer.text
    await safe.client.aclose()

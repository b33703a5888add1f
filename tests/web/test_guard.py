"""Nobody else's page can act for a visitor, and we send nobody anywhere else."""

import pytest

from namaskah.web.guard import safe_next
from namaskah.web.visit import FORM_BYTES
from tests.web.browser import PASSWORD, Browser


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://elsewhere.example", "sec-fetch-site": "cross-site"},
        {"origin": "https://elsewhere.example", "sec-fetch-site": ""},
        {"origin": "null", "sec-fetch-site": ""},
        {"origin": "http://shop.pages.test", "sec-fetch-site": "same-site"},
        {"origin": "", "sec-fetch-site": "cross-site"},
        {"origin": "", "sec-fetch-site": ""},
    ],
)
async def test_a_form_from_another_site_is_refused(member: Browser, platform, headers):
    await member.open("/")
    answer = await member.send("/verifications", member.form("/verifications"), **headers)
    assert answer.status_code == 403
    assert "This form was not sent from our own pages." in answer.text
    assert "Nothing was charged." in answer.text
    assert await platform.db.fetchval("SELECT count(*) FROM verifications") == 0


async def test_signing_in_from_another_site_is_refused(member: Browser, other: Browser):
    answer = await other.send("/sign-in", {"email": "new@example.com", "password": PASSWORD}, origin="https://elsewhere.example")
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("token", [None, "", "0" * 64, "é"])
async def test_a_form_without_its_sessions_token_is_refused(member: Browser, platform, token):
    await member.open("/")
    fields = member.form("/verifications")
    assert len(fields.pop("token")) == 64
    answer = await member.send("/verifications", fields | ({} if token is None else {"token": token}))
    assert answer.status_code == 403
    assert "earlier sign-in" in answer.text
    assert await platform.db.fetchval("SELECT count(*) FROM verifications") == 0


async def test_a_token_of_another_session_is_refused(member: Browser, other: Browser):
    await member.open("/")
    await other.open("/")
    answer = await member.send("/mode", {"token": other.form("/mode")["token"], "mode": "live"})
    assert answer.status_code == 403


async def test_a_form_that_is_too_large_is_refused(member: Browser):
    await member.open("/")
    answer = await member.press("/mode", mode="test", more="x" * FORM_BYTES)
    assert answer.status_code == 413


async def test_a_form_without_a_declared_length_is_cut_off_too(member: Browser):
    async def endless():
        for _ in range(100):
            yield b"a=" + b"x" * 1000 + b"&"

    answer = await member.client.post(
        "/mode", content=endless(),
        headers={"origin": member.origin, "content-type": "application/x-www-form-urlencoded"},
    )  # fmt: skip
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "body", [b"mode=%ff", b"mode=a%00b", b"mode=live&mode=test", b"\xff\xfe", b"&".join([b"a%d=1" % n for n in range(50)])]
)
async def test_a_form_that_cannot_be_read_is_refused(member: Browser, body):
    answer = await member.client.post(
        "/mode", content=body, headers={"origin": member.origin, "content-type": "application/x-www-form-urlencoded"}
    )
    assert answer.status_code == 400


async def test_only_forms_are_read(member: Browser):
    answer = await member.client.post("/mode", json={"mode": "test"}, headers={"origin": member.origin})
    assert answer.status_code == 415


@pytest.mark.parametrize(
    "address",
    [
        "https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example", "\\\\elsewhere.example",
        "javascript:alert(1)", "/a\nb", "/a b",
         "/%2F@elsewhere.example\\", "", "verifications", "/" + "a" * 600, "/x#y", "/\t/elsewhere.example",
    ],
)  # fmt: skip
def test_an_address_elsewhere_becomes_the_home_page(address):
    assert safe_next(address) == "/"


@pytest.mark.parametrize("address", ["/", "/verifications/ver_01", "/?service=telegram&country=us"])
def test_an_address_of_ours_is_gone_on_to(address):
    assert safe_next(address) == address


async def test_signing_in_sends_nobody_elsewhere(member: Browser, other: Browser):
    await other.press("/sign-out")
    await other.open("/sign-in?next=//elsewhere.example/")
    assert other.form("/sign-in")["next"] == "/"
    fields = {"email": "new@example.com", "password": PASSWORD, "next": "https://elsewhere.example/"}
    answer = await other.send("/sign-in", fields, follow=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")

"""What every answer has: safe headers, clear errors, files that may be cached for ever."""

import re

import httpx2
import pytest

from namaskah.core.db import DatabaseGone
from namaskah.web import assets
from namaskah.web.app import WebApp
from tests.web.browser import Browser


def gone():
    raise DatabaseGone("The database does not answer. Nothing was done or charged.", retry_after=2)


async def test_without_a_database_the_page_says_so_and_the_assets_are_there():
    browser = Browser(WebApp(gone))
    page = await browser.open("/")
    assert (page.status_code, page.headers["retry-after"]) == (503, "2")
    assert "The database does not answer" in page.text
    assert page.headers["x-request-id"] in page.text
    assert (await browser.open(assets.ADDRESSES["app.css"])).status_code == 200
    await browser.client.aclose()


async def test_what_nobody_foresaw_is_a_clear_page_and_tells_no_secrets():
    def broken():
        raise RuntimeError("secret@example.com")

    browser = Browser(WebApp(broken))
    page = await browser.open("/")
    assert page.status_code == 500
    assert "Something went wrong on our side." in page.text
    assert "secret@example.com" not in page.text
    page = await browser.send("/verifications", {"service": "telegram"})
    assert "pressing again cannot buy twice" in page.text
    await browser.client.aclose()


@pytest.mark.parametrize(
    "address", ["/nothing", "/assets/app.css", "/assets/app.000000000000.js", "/assets/../app.py", "/%2e%2e/etc", "/sign-in/"]
)
async def test_an_address_without_a_page_is_a_page_that_says_so(visitor: Browser, address):
    page = await visitor.open(address)
    assert page.status_code == 404
    assert "There is no page at this address." in page.text


async def test_a_method_that_a_page_does_not_know_is_refused(visitor: Browser):
    answer = await visitor.client.put("/sign-in")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
    answer = await visitor.client.get("/sign-out")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("address", ["/", "/sign-in", "/sign-up", "/terms", "/nothing"])
async def test_every_page_carries_the_headers_that_keep_it_safe(visitor: Browser, address):
    page = await visitor.open(address)
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'self'")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "same-origin"
    assert page.headers["cache-control"] == "no-store"
    assert "strict-transport-security" not in page.headers
    # The policy allows nothing inline, so nothing may be.
    assert not re.search(r"<style|<script(?! defer src=)|\sstyle=|\son[a-z]+=|javascript:", page.text)


async def test_a_head_request_has_no_body(visitor: Browser):
    page = await visitor.client.head("/terms")
    assert (page.status_code, page.content) == (200, b"")
    assert int(page.headers["content-length"]) > 1000


async def test_files_are_named_by_their_content_and_cached_for_ever(visitor: Browser):
    page = await visitor.open("/")
    found = re.findall(r'(?:href|src)="(/assets/[^"]+)"', page.text)
    assert len(set(found)) == 3
    for address in found:
        assert re.fullmatch(r"/assets/(app|icon)\.[0-9a-f]{12}\.(css|js|svg)", address)
        answer = await visitor.open(address)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["vary"] == "accept-encoding"


async def test_files_are_packed_only_for_who_can_unpack_them(visitor: Browser):
    address = assets.ADDRESSES["app.css"]
    packed = await visitor.open(address)
    plain = await visitor.open(address, headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"])


async def test_the_script_stays_small(visitor: Browser):
    script: httpx2.Response = await visitor.open(assets.ADDRESSES["app.js"])
    assert len(script.content) <= 4096


async def test_a_page_that_is_broken_inside_is_a_clear_error_too(member: Browser, platform):
    await member.open("/")
    await platform.db.pool.close()
    page = await member.open("/")
    assert page.status_code in (500, 503)
    assert page.headers["x-request-id"] in page.text

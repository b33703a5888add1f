"""Who a cookie speaks for: the event stream of a page is opened with it."""

from namaskah.web.session import principal_of_cookie, principal_of_scope
from tests.web.browser import Browser
from tests.web.test_home import user_id


def scope(cookie: str, query: str = "", **headers: str) -> dict:
    given = [(b"cookie", cookie.encode())] + [
        (name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()
    ]
    return {"type": "http", "scheme": "http", "headers": given, "query_string": query.encode()}


def cookies(member: Browser) -> str:
    return "; ".join(f"{name}={value}" for name, value in member.client.cookies.items())


async def test_no_cookie_or_a_wrong_one_speaks_for_nobody(platform):
    for header in (b"", b"namaskah=", b"namaskah=" + b"x" * 43, b"namaskah=\xff\xff", b"other=1; namaskah", b";;;="):
        assert await principal_of_cookie(platform, header) is None


async def test_another_sites_request_speaks_for_nobody(member: Browser, platform):
    for site in ("cross-site", "same-site", "none"):
        assert await principal_of_scope(platform, scope(cookies(member), sec_fetch_site=site)) is None


async def test_a_session_that_has_ended_speaks_for_nobody(member: Browser, platform):
    kept = cookies(member)
    await member.open("/")
    await member.press("/sign-out")
    assert await principal_of_cookie(platform, kept.encode()) is None


async def test_a_disabled_user_is_nobody(member: Browser, platform):
    await platform.db.execute("UPDATE users SET disabled_at = now()")
    assert await principal_of_cookie(platform, cookies(member).encode()) is None


async def test_a_session_speaks_for_its_user_in_the_chosen_mode(member: Browser, platform):
    found = await principal_of_scope(platform, scope(cookies(member), sec_fetch_site="same-origin"))
    assert found is not None
    assert (found.user_id, found.livemode, found.key_id) == (await user_id(platform), True, None)
    await member.open("/")
    await member.send("/mode", {"token": member.form("/sign-out")["token"], "mode": "test"})
    found = await principal_of_cookie(platform, cookies(member).encode())
    assert found is not None
    assert found.livemode is False


async def test_a_stream_of_one_verification_has_its_mode(member: Browser, other: Browser, platform):
    await member.open("/?service=test_timeout&country=us")
    address = (await member.press("/verifications")).url.path
    query = f"verification={address.rpartition('/')[2]}"
    await member.press("/mode", mode="live")
    found = await principal_of_scope(platform, scope(cookies(member), query))
    assert found is not None
    assert found.livemode is False
    # Of somebody else it tells nothing: their stream is their own account's.
    theirs = await principal_of_scope(platform, scope(cookies(other), query))
    assert theirs is not None
    assert theirs.user_id != found.user_id

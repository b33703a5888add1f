"""The webhook over HTTP: sizes, methods, headers and bytes that no source sends, each with a clear 4xx that changes nothing."""

import httpx2
import pytest

from namaskah.api.inbound_sms import InboundSms
from namaskah.core.settings import Settings
from namaskah.platform import Platform
from tests.factories import buy, customer
from tests.inbound.signed import SECRET_OF_ANOTHER, rack

_EVERYTHING = """
SELECT (SELECT count(*) FROM messages), (SELECT count(*) FROM transactions), (SELECT count(*) FROM events),
       (SELECT sum(balance_micros) FROM wallets), (SELECT string_agg(status, ',') FROM verifications)
"""
LIMIT = 65_536


@pytest.fixture
async def site(database, database_url, tmp_path):
    """(the source, a client that sends to it); the source's secret is sealed with the platform's own key."""
    settings = Settings(environment="test", data_dir=tmp_path, secret_key=bytes(range(32)).hex())
    platform = await Platform.open(settings, database_url)
    source = await rack(database)
    await buy(database, await customer(database))
    transport = httpx2.ASGITransport(app=InboundSms(lambda: platform))
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        yield source, client
    await platform.close()


async def post(site, body: bytes, headers=None, *, to=None):
    source, client = site
    given = source.headers(body) if headers is None else headers
    return await client.post(f"/inbound/sms/{to or source.source_id}", content=body, headers=given)


def problem(answer, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.json()["code"]


async def test_a_good_one_is_answered_at_once_and_its_repetition_says_so(site):
    source, _client = site
    first = await post(site, source.body())
    assert (first.status_code, first.json()["duplicate"]) == (200, False)
    again = await post(site, source.body())
    assert (again.status_code, again.json()) == (200, {**first.json(), "duplicate": True})


async def test_the_largest_body_passes_and_one_byte_more_is_too_large(site):
    source, _client = site
    room = LIMIT - len(source.body(text=""))
    assert (await post(site, source.body(text="x" * room))).status_code == 200
    assert problem(await post(site, source.body(text="x" * (room + 1), message_id="m2")), 413) == "payload_too_large"


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, "invalid_signature"),
        ({"webhook-id": "w", "webhook-timestamp": "1", "webhook-signature": "v1,x"}, 401, "invalid_signature"),
        ({"webhook-id": "w", "webhook-timestamp": "9" * 300, "webhook-signature": "v1,x"}, 401, "invalid_signature"),
        ({"webhook-id": b"w\xff", "webhook-timestamp": b"\xb2", "webhook-signature": b"v1,\xff\xfe"}, 401, "invalid_signature"),
    ],
)
async def test_headers_of_all_kinds_are_refused_without_a_change(site, db, headers, status, code):
    before = await db.fetchrow(_EVERYTHING)
    assert problem(await post(site, site[0].body(), headers), status) == code
    assert await db.fetchrow(_EVERYTHING) == before


async def test_a_forged_signature_and_a_foreign_source_look_the_same(site, db):
    source, _client = site
    before = await db.fetchrow(_EVERYTHING)
    body = source.body()
    forged = await post(site, body, source.headers(body, secret=SECRET_OF_ANOTHER))
    foreign = await post(site, body, to="src_00000000000000000000000000")
    assert problem(forged, 401) == problem(foreign, 401) == "invalid_signature"
    assert await db.fetchrow(_EVERYTHING) == before


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[" * 60_000,
        b"\x00" * 100,
        b"\xff\xfe",
        b'{"message_id":"\\ud800","to":"x","from":"x","text":"x"}',
        b"null",
        b"1e999999",
    ],
)
async def test_signed_nonsense_is_a_clear_422(site, db, body):
    before = await db.fetchrow(_EVERYTHING)
    assert problem(await post(site, body), 422) == "invalid_message"
    assert await db.fetchrow(_EVERYTHING) == before


async def test_an_id_that_is_none_and_another_method_are_told_so(site):
    _source, client = site
    for path in ("/inbound/sms/x", "/inbound/sms/src_x%00", "/inbound/sms/", "/inbound/sms/src_00000000000000000000000000/y"):
        assert problem(await client.post(path, content=b"{}"), 404) == "not_found"
    answer = await client.get("/inbound/sms/src_00000000000000000000000000")
    assert problem(answer, 405) == "method_not_allowed"
    assert answer.headers["allow"] == "POST"

"""The signed webhook: what is forged, stale, foreign or malformed is refused in clear words, and changes nothing."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest

from namaskah.core.webhook_signature import WebhookSignatureInvalid
from namaskah.inbound.webhook import MessageInvalid
from namaskah.messages.record import MAX_TEXT
from namaskah.verifications.queries import read
from tests.factories import VAULT, buy, customer
from tests.inbound.signed import SECRET_OF_ANOTHER, Rack, rack
from tests.verifications.shown import shown

_EVERYTHING = """
SELECT (SELECT count(*) FROM messages), (SELECT count(*) FROM transactions), (SELECT count(*) FROM events),
       (SELECT sum(balance_micros) FROM wallets), (SELECT string_agg(status, ',') FROM verifications)
"""


@pytest.fixture
async def source(database) -> Rack:
    return await rack(database)


@pytest.fixture
async def nothing_changes(database, db, source):
    """An order waits on the number; the test must leave it, the money and the messages as they were."""
    who = await customer(database)
    await buy(database, who)
    before = await db.fetchrow(_EVERYTHING)
    yield
    assert await db.fetchrow(_EVERYTHING) == before


FORGED = {
    "signed with another secret": lambda rack, body: rack.headers(body, secret=SECRET_OF_ANOTHER),
    "signed over another body": lambda rack, body: rack.headers(body + b" "),
    "another id": lambda rack, body: rack.headers(body, webhook_id="w2"),
    "an id with a dot": lambda rack, body: rack.headers(body, webhook_id="w.1"),
    "an id that is not ASCII": lambda rack, body: rack.headers(body, webhook_id="w\u00e9"),
    "a very long id": lambda rack, body: rack.headers(body, webhook_id="w" * 300),
    "another time": lambda rack, body: rack.headers(body, webhook_timestamp=str(int(datetime.now(UTC).timestamp()) - 7)),
    "expired": lambda rack, body: rack.headers(body, age=301),
    "from the future": lambda rack, body: rack.headers(body, age=-302),
    "no time at all": lambda rack, body: rack.headers(body, webhook_timestamp=""),
    "a time that is no number": lambda rack, body: rack.headers(body, webhook_timestamp="soon"),
    "a negative time": lambda rack, body: rack.headers(body, webhook_timestamp="-1"),
    "a time with a fraction": lambda rack, body: rack.headers(body, webhook_timestamp="1.5"),
    "a time of digits that are not ASCII": lambda rack, body: rack.headers(body, webhook_timestamp="\u0661" * 10),
    "a time without an end": lambda rack, body: rack.headers(body, webhook_timestamp="9" * 5000),
    "no signature": lambda rack, body: rack.headers(body, webhook_signature=""),
    "an empty signature": lambda rack, body: rack.headers(body, webhook_signature="v1,"),
    "no version": lambda rack, body: rack.headers(body, webhook_signature=rack.headers(body)["webhook-signature"][3:]),
    "another version": lambda rack, body: rack.headers(
        body, webhook_signature=rack.headers(body)["webhook-signature"].replace("v1,", "v2,")
    ),
    "not base64": lambda rack, body: rack.headers(body, webhook_signature="v1,\u20ac"),
    "a lone surrogate": lambda rack, body: rack.headers(body, webhook_signature="v1,\udc80"),
    "a signature cut short": lambda rack, body: rack.headers(
        body, webhook_signature=rack.headers(body)["webhook-signature"][:-4]
    ),
    "zeros": lambda rack, body: rack.headers(body, webhook_signature="v1," + base64.b64encode(bytes(32)).decode()),
    "the true one behind too many others": lambda rack, body: rack.headers(
        body, webhook_signature="v1,AAAA " * 11 + rack.headers(body)["webhook-signature"]
    ),
    "no headers": lambda _rack, _body: {},
}


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("how", FORGED)
async def test_what_is_not_signed_as_it_must_be_is_refused(source, how):
    body = source.body()
    with pytest.raises(WebhookSignatureInvalid) as refusal:
        await source.send(body, FORGED[how](source, body))
    assert refusal.value.status == 401


@pytest.mark.usefixtures("nothing_changes")
async def test_a_source_cannot_speak_for_another_one(database, source):
    other = await rack(database, "other")
    with pytest.raises(WebhookSignatureInvalid):
        await other.send(to=source.source_id)


async def test_a_source_cannot_make_the_customer_of_another_ones_number_pay(database, db, source):
    who = await customer(database)
    bought = shown(await buy(database, who))
    other = await rack(database, "other")
    assert (await other.send(other.body(to=bought.number))).outcome == "no_verification"
    after = shown(await read(database, principal=who, verification_id=bought.id, vault=VAULT))
    assert (after.status, after.charged, after.messages) == ("pending", False, [])


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("source_id", ["src_00000000000000000000000000", "", "' OR 1=1 --"])
async def test_an_unknown_source_is_refused_like_a_bad_signature(source, source_id):
    with pytest.raises(WebhookSignatureInvalid):
        await source.send(to=source_id or "none")


@pytest.mark.usefixtures("nothing_changes")
async def test_a_disabled_source_is_refused(database, db, source):
    await db.execute("UPDATE number_sources SET disabled_at = now()")
    with pytest.raises(WebhookSignatureInvalid):
        await source.send()


DEEP = b'{"message_id":"m","to":"+12025550123","from":"x","text":"y","more":' + b"[" * 30_000 + b"]" * 30_000 + b"}"
MALFORMED = {
    "empty": b"",
    "not JSON": b"hello",
    "a list": b"[]",
    "null": b"null",
    "no text": b'{"message_id":"m","to":"+12025550123","from":"x"}',
    "a text that is a number": b'{"message_id":"m","to":"+12025550123","from":"x","text":1}',
    "deep JSON": DEEP,
    "bytes that are no UTF-8": b'{"message_id":"m","to":"+12025550123","from":"x","text":"\xff\xfe"}',
    "half a surrogate pair, as bytes": b'{"message_id":"m","to":"+12025550123","from":"x","text":"\xed\xa0\x80"}',
    "an empty id": b'{"message_id":"","to":"+12025550123","from":"x","text":"y"}',
    "an id of 201 characters": json.dumps({"message_id": "m" * 201, "to": "+12025550123", "from": "x", "text": "y"}).encode(),
    "an id with a NUL": b'{"message_id":"m\\u0000","to":"+12025550123","from":"x","text":"y"}',
    "no number": b'{"message_id":"m","to":"","from":"x","text":"y"}',
    "a number that is a word": b'{"message_id":"m","to":"me","from":"x","text":"y"}',
    "a number that begins with nought": b'{"message_id":"m","to":"+0123456789","from":"x","text":"y"}',
    "a number with a NUL": b'{"message_id":"m","to":"+1202555\\u00000123","from":"x","text":"y"}',
    "a number in other digits": '{"message_id":"m","to":"+١٢٠٢٥٥٥٠١٢٣","from":"x","text":"y"}'.encode(),
    "a number without an end": json.dumps({"message_id": "m", "to": "+" + "1" * 50_000, "from": "x", "text": "y"}).encode(),
    "a time without a zone": b'{"message_id":"m","to":"+12025550123","from":"x","text":"y","received_at":"2026-01-01T00:00:00"}',
    "a time that is none": b'{"message_id":"m","to":"+12025550123","from":"x","text":"y","received_at":"yesterday"}',
    "a time before all calendars": b'{"message_id":"m","to":"+12025550123","from":"x","text":"y",'
    b'"received_at":"0001-01-01T00:00:00+14:00"}',
    "a time after all calendars": b'{"message_id":"m","to":"+12025550123","from":"x","text":"y",'
    b'"received_at":"9999-12-31T23:59:59-14:00"}',
}


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("what", MALFORMED)
async def test_what_is_no_message_is_refused_though_it_is_signed(source, what):
    with pytest.raises(MessageInvalid) as refusal:
        await source.send(MALFORMED[what])
    assert refusal.value.status == 422


async def test_half_a_surrogate_pair_in_escapes_does_no_harm(database, source):
    body = b'{"message_id":"m\\ud800","to":"+12025550123","from":"\\ud800","text":"code 123456 \\udfff"}'
    try:
        accepted = await source.send(body)
    except MessageInvalid:
        return
    assert accepted.outcome == "no_verification"


async def test_a_nul_in_a_text_is_dropped_and_the_rest_arrives(database, source):
    who = await customer(database)
    bought = shown(await buy(database, who))
    assert (await source.send(source.body(text="Your\x00 code is 123456", **{"from": "Te\x00st"}))).outcome == "captured"
    after = shown(await read(database, principal=who, verification_id=bought.id, vault=VAULT))
    assert (after.messages[0].text, after.messages[0].from_, after.code) == ("Your code is 123456", "Test", "123456")


async def test_the_same_webhook_again_changes_nothing_however_it_is_signed(database, db, source):
    await buy(database, await customer(database))
    assert not (await source.send()).duplicate
    before = await db.fetchrow(_EVERYTHING)
    body = source.body()
    for headers in (source.headers(body), source.headers(body, age=250), source.headers(body, age=-250)):
        assert (await source.send(body, headers)).duplicate
    assert (await source.send(source.body(text="Your code is 999999"))).duplicate
    assert await db.fetchrow(_EVERYTHING) == before


async def test_a_secret_that_is_being_changed_may_sign_beside_the_other_one(database, source):
    body = source.body()
    headers = source.headers(body)
    headers["webhook-signature"] = "v1,AAAA " + headers["webhook-signature"]
    assert (await source.send(body, headers)).outcome == "no_verification"


async def test_a_number_may_be_written_as_people_write_it(database, source):
    await buy(database, await customer(database))
    assert (await source.send(source.body(to="1 (202) 555-0123"))).outcome == "captured"


async def test_a_message_to_a_number_that_is_not_ours_is_kept(database, db, source):
    assert (await source.send(source.body(to="+12025559999"))).outcome == "no_verification"
    assert await db.fetchval("SELECT count(*) FROM messages WHERE verification_id IS NULL AND handled_at IS NOT NULL") == 1


async def test_a_text_longer_than_any_sms_is_cut_and_its_code_still_found(database, source):
    who = await customer(database)
    bought = shown(await buy(database, who))
    await source.send(source.body(text="Your code is 123456. " + "x" * 60_000))
    after = shown(await read(database, principal=who, verification_id=bought.id, vault=VAULT))
    assert (after.code, len(after.messages[0].text)) == ("123456", MAX_TEXT)


async def test_when_the_source_says_when_it_came_that_is_shown(database, source):
    who = await customer(database)
    bought = shown(await buy(database, who))
    await source.send(source.body(received_at="2026-11-20T10:00:00+02:00"))
    after = shown(await read(database, principal=who, verification_id=bought.id, vault=VAULT))
    assert after.messages[0].received_at == datetime(2026, 11, 20, 8, tzinfo=UTC)


async def test_many_sources_do_not_make_the_memory_of_secrets_grow_without_end(database, source):
    secrets = source._secrets
    secrets._known.update({f"src_{n}": (0.0, b"") for n in range(10_001)})
    now = (datetime.now(UTC) + timedelta(hours=1)).timestamp()
    assert await secrets.of(source.source_id, now=now)
    assert len(secrets._known) == 1

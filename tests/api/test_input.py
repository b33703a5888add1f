"""Bad requests: each gets a clear 4xx that names what is wrong, and changes nothing."""

import asyncio
import json

import httpx2
import pytest

from namaskah.api import call as api_call
from namaskah.api.operations import OPERATIONS
from namaskah.core.cursor import make_cursor
from tests.api.customers import problem

BUY = {"service": "telegram", "country": "us"}
JSON = {"content-type": "application/json"}


async def nothing_bought(customer):
    return (await customer.get("/verifications")).json()["data"] == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_json"),
        (b"{", "invalid_json"),
        (b"nonsense", "invalid_json"),
        (b'{"service":"telegram","country":"us"} x', "invalid_json"),
        (b'\xef\xbb\xbf{"service":"telegram","country":"us"}', "invalid_json"),
        (b'{"service":"telegram","country":"\xff\xfe"}', "invalid_json"),
        (b'{"service":"\\ud800","country":"us"}', "invalid_json"),
        (b'{"service":"telegram","country":"us","metadata":{"a":"\\udc00"}}', "invalid_json"),
        (b'{"service":"telegram\x00","country":"us"}', "invalid_json"),
        (b'{"service":NaN,"country":"us"}', "invalid_json"),
        (b'{"service":"telegram","country":"us","metadata":{"a":NaN}}', "invalid_json"),
        (b'{"service":"telegram","country":"us","max_price":1e999}', "invalid_request"),
        (b'{"service":"telegram","country":"us","max_price":' + b"9" * 5000 + b"}", "invalid_request"),
        (b"[" * 60_000, "invalid_request"),
        (b'{"metadata":' * 5_000, "invalid_request"),
        (b"null", "invalid_request"),
        (b"[]", "invalid_request"),
        (b'"text"', "invalid_request"),
        (b"{}", "invalid_request"),
    ],
)
async def test_a_body_that_is_no_such_object_is_refused(live, body, code):
    answer = await live.client.post("/verifications", content=body, headers=JSON)
    problem(answer, 400 if code == "invalid_json" else 422, code)
    assert await nothing_bought(live)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"service": 1}, "service"),
        ({"service": ""}, "service"),
        ({"service": "a" * 65}, "service"),
        ({"service": "Telegram!"}, "service"),
        ({"country": None}, "country"),
        ({"country": "usa"}, "country"),
        ({"country": "u1"}, "country"),
        ({"capability": "fax"}, "capability"),
        ({"operator": ""}, "operator"),
        ({"area_code": "12a"}, "area_code"),
        ({"area_code": 212}, "area_code"),
        ({"max_price": 0.75}, "max_price"),
        ({"max_price": "-1"}, "max_price"),
        ({"max_price": "1e3"}, "max_price"),
        ({"max_price": "1.0000001"}, "max_price"),
        ({"max_price": "٣"}, "max_price"),
        ({"metadata": []}, "metadata"),
        ({"metadata": {"a": 1}}, "metadata[...]"),
        ({"metadata": {"a" * 41: "b"}}, "metadata"),
        ({"metadata": {"a": "b" * 501}}, "metadata[...]"),
        ({"metadata": {"a": "\0"}}, "metadata[...]"),
        ({"metadata": {str(n): "x" for n in range(21)}}, "metadata"),
        ({"unknown": 1}, "unknown"),
    ],
)
async def test_a_wrong_field_is_named(live, change, field):
    answer = problem(await live.post("/verifications", {**BUY, **change}), 422, "invalid_request")
    assert [error["name"] for error in answer["errors"]] == [field]
    assert answer["errors"][0]["message"] in answer["detail"]
    assert await nothing_bought(live)


async def test_a_missing_field_is_named(live):
    answer = problem(await live.post("/verifications", {"service": "telegram"}), 422, "invalid_request")
    assert [error["name"] for error in answer["errors"]] == ["country"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"service":"whatsapp","service":"telegram","country":"us"}',
        b'{"service":"telegram","country":"us","metadata":{"a":"1","a":"2"}}',
    ],
)
async def test_a_field_that_is_given_twice_is_refused(live, body):
    answer = await live.client.post("/verifications", content=body, headers=JSON)
    assert "twice" in problem(answer, 422, "invalid_request")["detail"]


async def test_an_escaped_backslash_before_u0000_is_no_nul(live):
    bought = await live.buys(metadata={"path": "\\u0000"})
    assert bought["metadata"] == {"path": "\\u0000"}


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx"])
async def test_a_body_must_be_sent_as_json(live, kind):
    answer = await live.client.post("/verifications", content=json.dumps(BUY), headers={"content-type": kind})
    problem(answer, 415, "unsupported_media_type")
    assert await nothing_bought(live)


async def test_json_may_name_its_charset(live):
    headers = {"content-type": "Application/JSON; charset=utf-8"}
    answer = await live.client.post("/verifications", content=json.dumps(BUY), headers=headers)
    assert answer.status_code == 201


async def test_a_body_of_the_largest_size_is_read_and_one_byte_more_is_refused(live):
    body = json.dumps(BUY).encode()
    fits = await live.client.post("/verifications", content=body + b" " * (65_536 - len(body)), headers=JSON)
    assert fits.status_code == 201
    answer = await live.client.post("/verifications", content=body + b" " * (65_537 - len(body)), headers=JSON)
    problem(answer, 413, "payload_too_large")
    assert answer.headers["connection"] == "close"


def scope_of(live, **headers):
    listed = {"authorization": f"Bearer {live.secret}", "content-type": "application/json", **headers}
    return {
        "type": "http", "method": "POST", "path": "/api/v2/verifications", "query_string": b"",
        "client": ("127.0.0.1", 1), "headers": [(name.encode(), value.encode()) for name, value in listed.items()],
    }  # fmt: skip


async def asked(app, scope, receive):
    """The status and the body of a request whose messages the test makes itself."""
    sent = []

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], json.loads(sent[1]["body"])


async def test_a_content_length_that_lies_is_not_believed(app, live):
    parts = iter([b" " * 60_000] * 3)

    async def receive():
        return {"type": "http.request", "body": next(parts), "more_body": True}

    status, body = await asked(app, scope_of(live, **{"content-length": "10"}), receive)
    assert (status, body["code"]) == (413, "payload_too_large")


async def test_a_body_that_does_not_come_is_not_waited_for_long(app, live, monkeypatch):
    monkeypatch.setattr(api_call, "BODY_SECONDS", 0.05)

    async def receive():
        await asyncio.sleep(60)

    status, body = await asked(app, scope_of(live, **{"content-length": "10"}), receive)
    assert (status, body["code"]) == (408, "request_timeout")


async def test_a_client_that_goes_while_it_sends_gets_no_answer(app, live):
    sent = []

    async def receive():
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    await app(scope_of(live, **{"content-length": "10"}), receive, send)
    assert sent == []
    assert await nothing_bought(live)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"), ("limit=101", "limit"), ("limit=ten", "limit"), ("limit=1&limit=2", "limit"),
        ("limit=%31%00", "limit"), ("status=done", "status"), ("status=", "status"), ("service=%00", "service"),
        ("unknown=1", "unknown"), ("cursor=%E4", None),
        ("&".join(f"a{n}=1" for n in range(60)), None), ("service=%ud800", "service"),
    ],
)  # fmt: skip
async def test_a_parameter_that_makes_no_sense_is_named(live, query, field):
    answer = problem(await live.get(f"/verifications?{query}"), 422, "invalid_parameter")
    assert [error["name"] for error in answer["errors"]] == ([] if field is None else [field])


async def test_parameters_where_there_are_none_are_refused(live):
    problem(await live.get("/wallet?all=1"), 422, "invalid_parameter")


CURSORS = [
    "", "a b", "\0", "é", "x" * 9000,
    "x", "AAAA", "e30", "WyJhIl0", make_cursor(["a", "b"]), make_cursor(["a", "b", "c", "d"]), make_cursor([]),
    make_cursor(["2026-01-01T00:00:00", "txn_1"]), make_cursor(["0001-01-01T00:00:00+23:59", "txn_1"]),
    make_cursor(["9999-12-31T23:59:59-23:59", "txn_1"]), "MDAwMS0wMS0wMVQwMDowMDowMCsyMzo1OXx2ZXJfMQ",
    "OTk5OS0xMi0zMVQyMzo1OTo1OS0yMzo1OXx2ZXJfMQ",
]  # fmt: skip


@pytest.mark.parametrize("cursor", CURSORS)
@pytest.mark.parametrize("path", ["/verifications", "/wallet/transactions"])
async def test_a_forged_cursor_is_refused(live, path, cursor):
    problem(await live.get(path, params={"cursor": cursor}), 422, "invalid_cursor")


@pytest.mark.parametrize("cursor", ["x", "AAAA", "e30", "WyJhIl0", make_cursor(["a", "b"]), make_cursor(["a", "b", "\0"])])
async def test_a_forged_cursor_of_offers_is_refused(live, cursor):
    problem(await live.get("/offers", params={"cursor": cursor}), 422, "invalid_cursor")


@pytest.mark.parametrize("path", ["/", "/nothing", "/verifications/", "/verifications/x/y/z", "/wallet/x", "/v1", "//wallet"])
async def test_an_unknown_address_is_a_problem_too(live, path):
    problem(await live.client.get(httpx2.URL(f"http://api.test/api/v2{path}")), 404, "unknown_address")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "TRACE", "BREW", "POST", "DELETE"])
async def test_another_method_is_refused_with_those_that_are_known(live, method):
    answer = await live.client.request(method, "/wallet")
    problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"


async def test_a_body_where_none_is_wanted_must_be_empty(live):
    bought = await live.buys()
    path = f"/verifications/{bought['id']}/cancel"
    problem(await live.post(path, {"force": True}), 422, "invalid_request")
    problem(await live.client.post(path, content=b"{", headers=JSON), 400, "invalid_json")
    assert (await live.get(f"/verifications/{bought['id']}")).json()["status"] == "pending"


@pytest.mark.parametrize("key", ["", "nmk_live_x", "Bearer", "nmk_live_" + "0" * 36, "\xff" * 45])
async def test_a_wrong_key_is_refused(anonymous, key):
    answer = await anonymous.get("/wallet", headers=[("authorization", f"Bearer {key}".encode("latin-1"))])
    problem(answer, 401, "invalid_api_key")
    assert answer.headers["www-authenticate"] == 'Bearer realm="namaskah", error="invalid_token"'


@pytest.mark.parametrize("headers", [{}, {"authorization": "Basic eDp5"}, {"cookie": "session=x"}])
async def test_without_a_key_nothing_is_shown(anonymous, headers):
    answer = await anonymous.get("/wallet", headers=headers)
    problem(answer, 401, "api_key_missing")
    assert answer.headers["www-authenticate"] == 'Bearer realm="namaskah"'


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.needs_auth], ids=lambda one: one.operation_id)
async def test_every_operation_that_needs_a_key_asks_for_it_first(anonymous, operation):
    path = operation.path.replace("{id}", "nothing")
    problem(await anonymous.request(operation.method, path, content=b"{"), 401, "api_key_missing")


async def test_a_read_that_waits_is_refused_when_its_key_is_revoked_meanwhile(live, new_customer):
    other_key = await new_customer(of=live.principal)
    bought = await live.buys()
    waiting = asyncio.create_task(other_key.get(f"/verifications/{bought['id']}?wait=20"))
    await asyncio.sleep(0.3)
    await live.client.delete(f"/api-keys/{other_key.principal.key_id}")
    await asyncio.sleep(1)
    await live.client.post(f"/verifications/{bought['id']}/cancel")
    problem(await asyncio.wait_for(waiting, 10), 401, "invalid_api_key")


async def test_a_revoked_key_is_refused_within_a_second(live):
    own = (await live.get("/api-keys")).json()["data"][0]["id"]
    assert (await live.client.delete(f"/api-keys/{own}")).status_code == 204
    await asyncio.sleep(1)
    problem(await live.get("/wallet"), 401, "invalid_api_key")

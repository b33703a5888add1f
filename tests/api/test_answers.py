"""What every answer carries: ids, times, limits, security headers; and what happens when something breaks."""

import asyncio
import json

import httpx2
import pytest

from namaskah.api import wallet
from namaskah.api.app import ApiApp
from namaskah.api.rate_limit import RateLimit
from namaskah.core.db import DatabaseGone
from tests.api.customers import SETTINGS, client_of, problem


async def test_every_answer_names_its_request_its_time_and_the_limits(live, anonymous):
    for answer in (
        await live.get("/wallet"),
        await live.get("/nothing"),
        await live.post("/verifications", {}),
        await anonymous.get("/wallet"),
        await anonymous.get("/docs"),
    ):
        assert answer.headers["x-request-id"].startswith("req_")
        assert 0 < float(answer.headers["x-process-time"]) < 5
        assert len(answer.headers["x-process-time"].partition(".")[2]) == 6
        assert answer.headers["server-timing"].startswith("app;dur=")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] in ("no-store", "private, no-cache")
        if answer.status_code != 404:
            assert answer.headers["ratelimit-policy"] == '"requests";q=100000;w=60'
            assert answer.headers["ratelimit"].startswith('"requests";r=9')
            assert int(answer.headers["x-ratelimit-remaining"]) < int(answer.headers["x-ratelimit-limit"])
            assert int(answer.headers["x-ratelimit-reset"]) >= 1


async def test_request_ids_differ_and_a_usable_one_of_the_client_is_kept(live):
    assert len({(await live.get("/wallet")).headers["x-request-id"] for _ in range(3)}) == 3
    kept = await live.get("/nothing", headers={"x-request-id": "my_trace-01"})
    assert kept.json()["request_id"] == kept.headers["x-request-id"] == "my_trace-01"
    for unusable in ("", "a b", "x" * 65, 'a"b', "a\\n"):
        answer = await live.get("/nothing", headers={"x-request-id": unusable})
        assert answer.headers["x-request-id"].startswith("req_")


async def test_head_answers_as_get_without_a_body(live):
    get, head = await live.get("/wallet"), await live.client.head("/wallet")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]
    assert (await live.client.head("/nothing")).status_code == 404


async def test_any_page_may_call_with_a_key_but_never_with_cookies(live):
    asked = await live.client.options(
        "/verifications",
        headers={"origin": "https://shop.example", "access-control-request-method": "POST"},
    )
    assert (asked.status_code, asked.content) == (204, b"")
    assert asked.headers["access-control-allow-methods"] == "POST, GET, HEAD, OPTIONS"
    assert "Idempotency-Key" in asked.headers["access-control-allow-headers"]
    answer = await live.get("/nothing", headers={"origin": "https://shop.example"})
    for one in (asked, answer):
        assert one.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in one.headers
    assert "X-Request-ID" in answer.headers["access-control-expose-headers"]
    assert "access-control-allow-origin" not in (await live.get("/wallet")).headers


@pytest.fixture
def settings():
    return SETTINGS


@pytest.mark.parametrize("settings", [SETTINGS.model_copy(update={"requests_per_minute": 5})])
async def test_too_many_requests_are_refused_per_account(new_customer, settings):
    hasty, other = await new_customer(), await new_customer()
    answers = [await hasty.get("/wallet") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == ["4", "3", "2", "1", "0", "0"]
    refused = problem(answers[-1], 429, "rate_limited")
    assert refused["charged"] is False
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 12
    assert (await other.get("/wallet")).status_code == 200


@pytest.mark.parametrize("settings", [SETTINGS.model_copy(update={"requests_per_minute": 5})])
async def test_who_guesses_keys_is_slowed_down_too(anonymous, settings):
    answers = [await anonymous.get("/wallet", headers={"authorization": "Bearer x"}) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]


def test_an_allowance_fills_up_again_evenly():
    limit = RateLimit(60)
    for _ in range(60):
        assert limit.take("a", 100.0).retry_after == 0
    assert limit.take("a", 100.0).retry_after == pytest.approx(1)
    assert limit.take("a", 101.0).retry_after == 0
    assert limit.take("a", 101.0).retry_after > 0
    assert limit.take("a", 1000.0).remaining == 59


def test_the_memory_of_accounts_is_bounded():
    limit = RateLimit(10, remembered=100)
    for n in range(1000):
        limit.take(f"user_{n}", 5.0)
    limit.take("user_999", 5.0)
    assert len(limit._full_at) <= 100
    assert limit.take("user_999", 5.0).remaining == 7


async def test_an_exception_is_a_500_that_says_nothing_of_its_text(live, monkeypatch, capsys):
    async def breaks(*_args, **_more):
        raise RuntimeError("secret +12025550123")

    monkeypatch.setattr(wallet, "wallet", breaks)
    answer = await live.get("/wallet")
    assert problem(answer, 500, "internal_error")["charged"] is False
    monkeypatch.setattr(wallet, "refill_test", breaks)
    monkeypatch.setattr("namaskah.api.verifications.start", breaks)
    bought = await live.post("/verifications", {"service": "telegram", "country": "us"})
    assert problem(bought, 500, "internal_error")["charged"] == "unknown"
    logged = "".join(capsys.readouterr())
    assert answer.headers["x-request-id"] in logged
    assert "RuntimeError" in logged
    for printed in (logged, answer.text, bought.text):
        assert "secret" not in printed and "2025550123" not in printed


async def test_without_a_database_the_answer_is_503_and_when_to_come_back(anonymous, live, monkeypatch):
    async def gone(*_args, **_more):
        raise DatabaseGone("It is away.", retry_after=2)

    monkeypatch.setattr("namaskah.core.db.Database.fetchrow", gone)
    answer = await live.get("/wallet")
    problem(answer, 503, "database_unavailable")
    assert answer.headers["retry-after"] == "2"


async def test_before_the_platform_is_open_the_answer_is_503():
    def not_yet():
        raise DatabaseGone("Not yet.", retry_after=2)

    async with client_of(ApiApp(not_yet)) as client:
        answer = await client.get("/docs")
    problem(answer, 503, "database_unavailable")
    assert answer.headers["retry-after"] == "2"


async def test_a_websocket_is_refused(app):
    sent = []

    async def send(message):
        sent.append(message)

    await app({"type": "websocket", "path": "/api/v2/events"}, None, send)
    assert sent == [{"type": "websocket.close"}]


async def test_a_hundred_requests_at_once_do_not_mix(new_customer):
    customers = [await new_customer(balance=f"{n}.00") for n in range(1, 6)]
    answers = await asyncio.gather(*(one.get("/wallet") for one in customers * 20))
    assert [json.loads(answer.content)["balance"]["amount"] for answer in answers] == [
        "1.00", "2.00", "3.00", "4.00", "5.00",
    ] * 20  # fmt: skip
    assert isinstance(answers[0], httpx2.Response)

"""What a running instance tells about itself: one trace over all its parts by OTLP and to Sentry, and its errors to a real
Sentry-compatible server; and never a number, a text, a code, an e-mail, a password or a key."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from namaskah.accounts import api_keys
from namaskah.accounts.principal import Principal
from namaskah.core.db import Database
from tests.cli.served import Served, wait_for
from tests.core.bugsink import bugsink
from tests.core.receivers import Received, receiving
from tests.factories import customer
from tests.faults.shop import Buyer, Shop, serve

TOKEN = "operators-may-look"
# What another program would send along; that it calls itself sampled must not count.
CALLER = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"
DEBUG = {"x-namaskah-debug": TOKEN, "traceparent": CALLER}
CANCEL = "POST /api/v2/verifications/{id}/cancel"
TEXT = "The canary sings: your code is 918273, says the cage"
PASSWORD = "canary-passphrase-with-feathers"
EMAIL = "yellow.canary@example.com"


@contextlib.asynccontextmanager
async def shop(served: Served) -> AsyncIterator[Shop]:
    try:
        served.until_ready()
        opened = Shop(served)
        await opened.open(buyers=1, numbers=5, balance="10")
        yield opened
        await opened.close()
    finally:
        served.end()


async def customer_of_the_test_mode(opened: Shop) -> Buyer:
    """A customer of the test mode, whose numbers an upstream sells: the sandbox."""
    db = await Database.open(opened.postgres.url, max_size=1)
    try:
        who: Principal = await customer(db, livemode=False)
        _, secret = await api_keys.create(db, user_id=who.user_id, livemode=False, name="traces")
    finally:
        await db.close()
    return Buyer(who.user_id, {"authorization": f"Bearer {secret}"})


async def order_and_cancel(opened: Shop, who: Buyer) -> tuple[str, str]:
    """As a customer does who has a stream open; answers the order's id and its number."""
    events: list[str] = []

    async def listen() -> None:
        async with opened.http.stream("GET", "/api/v2/events", headers={**who.headers, **DEBUG}, timeout=30) as stream:
            async for line in stream.aiter_lines():
                events.append(line)  # noqa: PERF401 (they are looked at while they come)

    listening = asyncio.create_task(listen())
    await asyncio.to_thread(wait_for, lambda: any(line.startswith("retry") for line in events), 10)
    wish = {"service": "test_slow", "country": "us", "metadata": {"note": TEXT}}
    made = await opened.ask(who, "POST", "/verifications", json=wish, headers=DEBUG | {"idempotency-key": "canary-918273"})
    assert made is not None and made.status_code == 201, opened.last_trouble
    cancelled = await opened.ask(who, "POST", f"/verifications/{made.json()['id']}/cancel", headers=DEBUG)
    assert cancelled is not None and cancelled.status_code == 200
    await asyncio.to_thread(wait_for, lambda: "event: verification.cancelled" in events, 10)
    listening.cancel()
    return made.json()["id"], made.json()["number"]


def chain(received: Received, name: str) -> list[str]:
    """The names from a span up to the first one of its trace."""
    spans = received.trace("ab" * 16)
    span = next(one for one in spans.values() if one["name"] == name)
    names = [span["name"]]
    while span["parent"] in spans:
        span = spans[span["parent"]]
        names.append(span["name"])
    assert span["parent"] == "cd" * 8
    return names


async def test_one_trace_goes_from_a_request_over_statements_and_upstream_to_its_job_and_its_pushes(tmp_path: Path) -> None:
    start, cancel = "POST /api/v2/verifications", CANCEL
    with receiving() as received:
        served = serve(
            tmp_path / "data", OTEL_EXPORTER_OTLP_ENDPOINT=received.url, SENTRY_DSN=received.dsn, TRACES_SAMPLE_RATE="0",
            TRACE_DEBUG_TOKEN=TOKEN, RELEASE="7.8.9", SLOW_REQUEST_SECONDS="0.000001",
        )  # fmt: skip
        async with shop(served) as opened:
            buyer = opened.buyers[0]
            who = await customer_of_the_test_mode(opened)
            order, number = await order_and_cancel(opened, who)
            # Through FastAPI, whose own integration must not put a second request around it.
            assert (await opened.http.get("/sign-in", headers=DEBUG)).status_code == 200
            # Not traced: nobody draws it, and its caller's wish does not count.
            for path in ("/wallet", "/verifications?service=telegram"):
                await opened.ask(buyer, "GET", path, headers={"traceparent": CALLER})
            wanted = {start, cancel, "job provider_cancel", "push verification.pending", "push verification.cancelled"}
            await asyncio.to_thread(received.until, lambda: wanted <= {span["name"] for span in received.spans})
            slugs = {"namaskah-sweep", "namaskah-ledger-check", "namaskah-offers-refresh"}
            await asyncio.to_thread(received.until, lambda: slugs <= {i["monitor_slug"] for i in received.of_kind("check_in")})
            await asyncio.to_thread(received.until, lambda: len(received.of_kind("transaction")) >= 4)
        assert chain(received, "verification_request") == ["verification_request", start]
        assert chain(received, "sandbox buy") == ["sandbox buy", start]
        assert chain(received, "verification_assign") == ["verification_assign", start]
        assert chain(received, "push verification.pending") == ["push verification.pending", start]
        assert chain(received, "verification_cancel") == ["verification_cancel", cancel]
        assert chain(received, "sandbox cancel") == ["sandbox cancel", "job provider_cancel", cancel]
        assert chain(received, "delete_jobs") == ["delete_jobs", "job provider_cancel", cancel]
        assert chain(received, "push verification.cancelled") == ["push verification.cancelled", cancel]
        only_that_trace(received)
        to_sentry_too(received, [start, cancel, "GET /sign-in", "job provider_cancel"])
        private = [number, number[1:], TEXT, "canary", who.headers["authorization"][7:], TOKEN, order]
        assert [canary for canary in private if canary.encode() in received.raw] == []
    # Every line that was logged on the way can be found by the trace.
    logged = [line for line in served.output.splitlines() if '"slow_request"' in line and CANCEL.partition("v2")[2] in line]
    assert len(logged) == 1 and f'"trace_id": "{"ab" * 16}"' in logged[0]


def only_that_trace(received: Received) -> None:
    assert {span["trace"] for span in received.spans} == {"ab" * 16}
    assert {span["resource"]["namaskah.role"] for span in received.spans} == {"web", "worker"}
    assert {span["resource"]["service.version"] for span in received.spans} == {"7.8.9"}
    roots = [span for span in received.spans if span["parent"] == "cd" * 8]
    assert sorted(span["name"] for span in roots) == ["GET /sign-in", "POST /api/v2/verifications", CANCEL]
    assert sorted(span["attributes"]["http.response.status_code"] for span in roots) == [200, 200, 201]
    assert all(span["attributes"]["namaskah.request_id"] for span in roots)


def to_sentry_too(received: Received, names: list[str]) -> None:
    transactions = {one["transaction"]: one for one in received.of_kind("transaction")}
    assert sorted(one["transaction"] for one in received.of_kind("transaction")) == sorted(names)
    whole = transactions["POST /api/v2/verifications"]
    assert whole["contexts"]["trace"]["trace_id"] == "ab" * 16
    assert (whole["tags"]["endpoint"], whole["tags"]["method"]) == ("/api/v2/verifications", "POST")
    assert 0 < whole["measurements"]["response_time"]["value"] < 60_000
    assert {"verification_request", "verification_assign", "sandbox buy"} <= {span["description"] for span in whole["spans"]}
    assert "request" not in whole
    assert [kind for kind in received.kinds() if kind == "event"] == []


async def broken(opened: Shop) -> list[str]:
    """Something fails for real on every surface, with canaries in hand; answers what must not be found anywhere."""
    owner = await asyncpg.connect(opened.postgres.url)
    buyer = opened.buyers[0]
    try:
        for table in ("plans", "messages", "sign_in_attempts"):
            await owner.execute(f"ALTER TABLE {table} RENAME TO {table}_away")
        wish = {"service": "telegram", "country": "us", "metadata": {"note": TEXT}}
        headers = {"idempotency-key": "canary-918273", "x-namaskah-debug": TOKEN}
        assert await opened.ask(buyer, "POST", "/verifications", json=wish, headers=headers) is None
        await opened.ask(buyer, "GET", "/verifications?service=canary", headers=headers)
        assert await opened.deliver("canary-1", "+12022000001", TEXT) is None
        form = {"email": EMAIL, "password": PASSWORD}
        page = await opened.http.post("/sign-in?next=/canary", data=form, headers={"origin": opened.served.url})
        assert page.status_code == 500, page.text
        payload = f'{{"provider": "{EMAIL}", "reference": "{TEXT}"}}'
        await owner.execute("INSERT INTO jobs (kind, payload, max_attempts) VALUES ('provider_cancel', $1::jsonb, 1)", payload)
        # Refused for a reason of their own, and reported nowhere.
        for path, status in (("/verifications/ver_0", 404), ("/nowhere", 404)):
            answer = await opened.ask(buyer, "GET", path)
            assert answer is not None and answer.status_code == status
    finally:
        await owner.close()
    return [TEXT, "canary sings", "918273", EMAIL, PASSWORD, "12022000001", buyer.headers["authorization"][7:], TOKEN]


def found(errors: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """Kinds of error, and where they were met."""
    pairs = set()
    for error in errors:
        tags = error["tags"]
        where = tags.get("endpoint") or tags.get("job") or tags.get("step") or ""
        pairs.add((error["exception"]["values"][-1]["type"], where))
    return pairs


@pytest.mark.slow
async def test_an_error_on_any_surface_reaches_a_real_server_without_what_is_private(tmp_path: Path) -> None:
    with bugsink(tmp_path) as server:
        served = serve(tmp_path / "data", SENTRY_DSN=server.dsn, TRACES_SAMPLE_RATE="1", TRACE_DEBUG_TOKEN=TOKEN, RELEASE="7.8.9")
        async with shop(served) as opened:
            private = await broken(opened)
            wanted = {
                ("UndefinedTableError", "/api/v2/verifications"), ("UndefinedTableError", "/inbound/sms/{source_id}"),
                ("UndefinedTableError", "/sign-in"), ("UnknownProvider", "provider_cancel"), ("UndefinedTableError", "_left_over"),
            }  # fmt: skip
            ends = time.monotonic() + 30
            while not wanted <= found(server.errors()):
                assert time.monotonic() < ends, found(server.errors())
                await asyncio.sleep(0.1)
        errors, everything = server.errors(), server.everything()
    assert {kind for kind, _ in found(errors)} == {"UndefinedTableError", "UnknownProvider"}
    assert [canary for canary in private if canary in everything] == []
    [by_customer] = [error for error in errors if error["tags"].get("endpoint") == "/api/v2/verifications"][:1]
    assert by_customer["tags"]["method"] == "POST"
    assert by_customer["tags"]["request_id"].startswith("req_")
    assert by_customer["tags"]["sqlstate"] == "42P01"
    assert (by_customer["environment"], by_customer["release"]) == ("test", "7.8.9")
    assert by_customer["exception"]["values"][-1]["value"] == ""
    assert any("namaskah" in frame["module"] for frame in by_customer["exception"]["values"][-1]["stacktrace"]["frames"])

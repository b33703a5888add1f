"""What is noted of requests: headers on every answer, the time without waiting, bounded labels, the log of slow ones."""

import asyncio
import json

import httpx2
import pytest
import structlog

from namaskah.core.observed import Observed, current_request, request_of
from tests.figures import Growth

REQUESTS = "namaskah_http_requests_total"
SECONDS = "namaskah_http_request_duration_seconds_sum"


def answering(app: Observed) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app, raise_app_exceptions=False), base_url="http://app.test")


async def surface(scope, receive, send):
    """A surface as ours are: it names its route, works, perhaps waits, and answers."""
    record = request_of(scope)
    record.surface, record.route = "api", "/things/{id}"
    if scope["path"] == "/slow":
        await asyncio.sleep(0.06)
    if scope["path"] == "/waits":
        await asyncio.sleep(0.06)
        record.waited += 0.06
    if scope["path"] == "/breaks":
        raise RuntimeError("in the middle")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-own", b"kept")]})
    await send({"type": "http.response.body", "body": b"done"})


async def test_a_request_without_an_answer_is_counted_as_given_up():
    given_up, answered = Growth(REQUESTS, status="499"), Growth(REQUESTS, status="200")
    with pytest.raises(RuntimeError):
        await Observed(surface)({"type": "http", "method": "GET", "path": "/breaks", "headers": []}, None, None)
    assert (given_up(), answered()) == (1, 0)
    assert current_request.get() is None


async def test_every_answer_carries_its_id_its_time_and_what_the_surface_said():
    async with answering(Observed(surface)) as client:
        answer = await client.get("/things/17")
    assert answer.headers["x-request-id"].startswith("req_")
    assert 0 < float(answer.headers["x-process-time"]) < 5
    assert answer.headers["server-timing"].startswith("app;dur=")
    assert (answer.headers["x-own"], answer.headers["x-content-type-options"]) == ("kept", "nosniff")


async def test_requests_are_counted_by_template_and_never_by_path_or_unknown_method():
    templates, invented = Growth(REQUESTS, route="/things/{id}", method="GET"), Growth(REQUESTS, method="OTHER")
    async with answering(Observed(surface)) as client:
        for number in range(5):
            await client.get(f"/things/{number}")
            await client.request(f"BREW{number}", "/things/1")
    assert (templates(), invented()) == (5, 5)


async def test_what_a_long_poll_waits_is_no_processing_time():
    seconds = Growth(SECONDS)
    async with answering(Observed(surface)) as client:
        answer = await client.get("/waits")
    assert float(answer.headers["x-process-time"]) < 0.05
    assert seconds() < 0.05


async def test_a_slow_request_is_logged_with_its_route_and_nothing_of_its_address():
    with structlog.testing.capture_logs() as logged:
        async with answering(Observed(surface, slow_seconds=0.05)) as client:
            await client.get("/things/1")
            await client.get("/slow?number=12025550123")
    (line,) = [entry for entry in logged if entry["event"] == "slow_request"]
    assert line["route"] == "/things/{id}" and line["seconds"] >= 0.05
    assert "12025550123" not in json.dumps(line)

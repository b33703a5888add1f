"""Traces: who is traced, what belongs together, and that the database remembers it without keeping it."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from namaskah.core import tracing
from namaskah.core.observed import Observed
from namaskah.core.settings import Settings
from namaskah.core.tracing import Span, begin_job, begin_request, carried, current_span, inside, parse
from namaskah.verifications.cancel import cancel
from tests.factories import VAULT, buy, customer, own_numbers

PARENT = "00-" + "ab" * 16 + "-" + "cd" * 8
SOURCE = Path(tracing.__file__).parents[1]


class Kept:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def begun(self, span: Span, parent: Span | None) -> Any:
        return None

    def ended(self, span: Span, ended_ns: int, live: Any) -> None:
        self.spans.append(span)

    def close(self) -> None:
        pass

    def named(self, name: str) -> Span:
        [found] = [span for span in self.spans if span.name == name]
        return found


def start(rate: float) -> Kept:
    kept = Kept()
    tracing.configure(Settings(environment="test", traces_sample_rate=rate, trace_debug_token=SecretStr("let-me-see")), (kept,))
    return kept


@pytest.fixture(autouse=True)
def off_again() -> Iterator[None]:
    yield
    tracing.close()


def is_traced(path: str = "/api/v2/wallet", **headers: str) -> bool:
    given = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return begin_request(path, given) is not None


def test_nothing_is_traced_without_a_sink() -> None:
    tracing.configure(Settings(environment="test", traces_sample_rate=1), ())
    assert not is_traced()
    assert not tracing.is_on()


def test_a_tenth_is_traced_and_the_caller_cannot_ask_for_more() -> None:
    start(0.1)
    drawn = sum(is_traced(traceparent=f"{PARENT}-01") for _ in range(5000))
    assert 350 < drawn < 650


@pytest.mark.parametrize("path", ["/health", "/livez", "/readyz", "/metrics", "/assets/app.css", "/api/v2/events"])
def test_what_machines_ask_for_and_what_lies_open_is_not_traced(path: str) -> None:
    start(1)
    assert not is_traced(path)


def test_only_the_right_token_has_a_request_traced() -> None:
    start(0)
    assert is_traced(x_namaskah_debug="let-me-see")
    assert is_traced("/health", x_namaskah_debug="let-me-see")
    assert not is_traced(x_namaskah_debug="let-me-sea")
    assert not is_traced(x_namaskah_debug="")
    assert not is_traced("/api/v2/events", x_namaskah_debug="let-me-see")


def test_without_a_token_set_no_header_has_a_request_traced() -> None:
    tracing.configure(Settings(environment="test", traces_sample_rate=0), (Kept(),))
    assert not is_traced(x_namaskah_debug="")


@pytest.mark.parametrize(
    "wrong",
    ["", "00-abc", PARENT, f"{PARENT}-1", f"{PARENT}-01-x", "00-" + "0" * 32 + "-" + "cd" * 8 + "-01", f"{PARENT}-01".upper()],
)
def test_a_traceparent_that_is_none_is_no_ones_parent(wrong: str) -> None:
    assert parse(wrong) == (None, None, False)


def test_a_caller_s_trace_goes_on_here() -> None:
    start(1)
    opened = begin_request("/api/v2/wallet", {b"traceparent": f"{PARENT}-00".encode()})
    assert opened is not None
    assert (opened.span.trace_id, opened.span.parent_id) == (int("ab" * 16, 16), int("cd" * 8, 16))


async def test_a_request_is_told_by_its_template_with_its_parts_inside() -> None:
    kept = start(1)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        from namaskah.core.observed import current_request

        record = current_request.get()
        assert record is not None
        record.surface, record.route = "api", "/verifications/{id}"
        with inside("sandbox buy", "client", {"namaskah.provider": "sandbox"}):
            assert tracing.outgoing_headers()["traceparent"].endswith("-01")
        await send({"type": "http.response.start", "status": 503, "headers": []})

    async def nothing(*_: Any) -> Any:
        return None

    scope = {"type": "http", "method": "GET", "path": "/api/v2/verifications/ver_secret", "headers": [], "query_string": b"to=x"}
    await Observed(app)(scope, nothing, nothing)
    whole, part = kept.named("GET /api/v2/verifications/{id}"), kept.named("sandbox buy")
    assert (part.trace_id, part.parent_id) == (whole.trace_id, whole.span_id)
    assert (whole.attributes["http.route"], whole.failed) == ("/api/v2/verifications/{id}", "503")
    assert "ver_secret" not in str(whole.attributes)
    assert current_span.get() is None
    assert tracing.outgoing_headers() == {}


def test_a_job_is_part_of_the_request_that_wrote_it_only_if_that_was_kept() -> None:
    kept = start(0)
    for traceparent in (None, f"{PARENT}-00", "nonsense"):
        with begin_job("provider_cancel", traceparent):
            pass
    with begin_job("provider_cancel", f"{PARENT}-01"):
        tracing.mark_failed(LookupError("+12025550123"))
    [job] = kept.spans
    assert (job.trace_id, job.parent_id, job.failed) == (int("ab" * 16, 16), int("cd" * 8, 16), "LookupError")


async def test_statements_are_told_by_name_and_their_events_remember_the_trace(database: Any) -> None:
    kept = start(1)
    who = await customer(database, balance="10.00")
    await own_numbers(database, 1)
    opened = begin_request("/api/v2/verifications", {})
    assert opened is not None
    with opened as span:
        bought = json.loads((await buy(database, who)).body)["id"]
        await cancel(database, principal=who, verification_id=bought, vault=VAULT)
    rows = await database.fetch("SELECT type, traceparent FROM events WHERE user_id = $1 AND object_id = $2", who.user_id, bought)
    assert {row["type"] for row in rows} == {"verification.pending", "verification.cancelled"}
    assert {row["traceparent"] for row in rows} == {span.traceparent}
    told = kept.named("verification_cancel")
    assert told.parent_id == span.span_id
    assert told.attributes == {"db.system.name": "postgresql", "db.operation.name": "verification_cancel"}


async def test_nothing_of_a_trace_stays_on_the_connection(database: Any) -> None:
    start(1)
    opened = begin_request("/x", {})
    assert opened is not None
    with opened as span:
        query, arguments = carried(span, "SELECT * FROM verification_fail($1, 'x', 'txn_x', NULL, NULL)", ("ver_none",))
        assert arguments[-1] == span.traceparent
        await database.fetchrow(query, *arguments)
    # The same connection: the last one given back goes out first.
    assert not await database.fetchval("SELECT current_setting('namaskah.traceparent', true)")
    await database.execute("INSERT INTO jobs (kind, unique_key) VALUES ('x', 'after')")
    assert await database.fetchval("SELECT traceparent FROM jobs WHERE unique_key = 'after'") is None


async def test_a_task_that_outlives_its_request_is_no_part_of_it(database: Any) -> None:
    kept = start(1)
    go_on = asyncio.Event()

    async def later() -> None:
        await go_on.wait()
        await database.fetchval("SELECT count(*) FROM users")

    opened = begin_request("/x", {})
    assert opened is not None
    with opened:
        task = asyncio.create_task(later())
        await asyncio.sleep(0)
    go_on.set()
    await task
    assert [span.name for span in kept.spans] == ["HTTP"]


def test_every_function_that_writes_events_or_jobs_for_a_request_takes_the_trace_along() -> None:
    bodies: dict[str, str] = {}
    for path in SOURCE.rglob("*.sql"):
        for part in path.read_text().split("CREATE OR REPLACE FUNCTION ")[1:]:
            bodies[re.match(r"\w+", part)[0]] = part  # type: ignore[index]
    writers = {name for name, body in bodies.items() if re.search(r"INSERT INTO (events|jobs)\b", body)}
    while more := {name for name, body in bodies.items() if any(f"{one}(" in body for one in writers)} - writers:
        writers |= more
    called = {
        found
        for path in SOURCE.rglob("*.py")
        for found in re.findall(r"SELECT [\w*, ]+ FROM (\w+)\(", path.read_text())
        if found in writers
    }
    # The sweep is nobody's request: it settles many customers' orders at once, in the worker.
    assert called - {"verification_sweep"} <= {f"verification_{name}" for name in tracing.CARRIERS}
    assert {"verification_start_own", "verification_cancel", "verification_receive"} <= called
    for name in called - {"verification_sweep"}:
        span = Span("x", "server", 1, None, {})
        span.live = []
        assert carried(span, f"SELECT * FROM {name}($1, $2)", ("a", "b"))[1][2:] == (span.traceparent,)

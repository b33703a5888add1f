"""Error reports: only what nobody foresaw, bounded, scrubbed; and nothing at all is loaded where nothing is asked for."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from namaskah.core import error_reports
from namaskah.core.errors import NotFound, Unavailable
from tests.cli.conftest import environment
from tests.core.receivers import black_hole, receiving

CANARIES = ("+12025550123", "918273", "yellow.canary@example.com", "nmk_live_cAnArY", "the canary sings", "s3cret-value")


class Kept:
    """A client that remembers."""

    def __init__(self) -> None:
        self.reports: list[tuple[BaseException, dict[str, Any]]] = []
        self.check_ins: list[tuple[str, bool]] = []

    def report(self, error: BaseException, tags: dict[str, Any]) -> None:
        self.reports.append((error, tags))

    def check_in(self, name: str, *, ok: bool, every_seconds: float, seconds: float | None) -> None:
        self.check_ins.append((name, ok))

    def close(self) -> None:
        pass


@pytest.fixture
def kept() -> Iterator[Kept]:
    client = Kept()
    error_reports.configure(client)
    yield client
    error_reports.configure(None)


@pytest.mark.parametrize("error", [NotFound(), asyncio.CancelledError(), KeyboardInterrupt()])
def test_what_is_expected_is_not_reported(kept: Kept, error: BaseException) -> None:
    error_reports.report(error)
    assert kept.reports == []


@pytest.mark.parametrize("error", [Unavailable(), ValueError("x")])
def test_what_is_our_own_trouble_is_reported(kept: Kept, error: BaseException) -> None:
    error_reports.report(error, job="x")
    assert kept.reports == [(error, {"job": "x"})]


def test_the_same_trouble_in_every_request_is_reported_a_few_times_a_minute(kept: Kept) -> None:
    for _ in range(1000):
        error_reports.report(Unavailable())
    # The minute may have ended in between.
    assert len(kept.reports) <= 10


def test_a_loop_s_sign_of_life_goes_out_once_a_minute_and_trouble_at_once(kept: Kept) -> None:
    for ok in [True] * 500 + [False] * 3:
        error_reports.check_in("_sweep", ok=ok)
    assert kept.check_ins == [("_sweep", True), ("_sweep", False)]


def test_a_report_that_fails_is_no_failure_of_whoever_reports() -> None:
    class Broken(Kept):
        def report(self, error: BaseException, tags: dict[str, Any]) -> None:
            raise RuntimeError

        def check_in(self, name: str, *, ok: bool, every_seconds: float, seconds: float | None) -> None:
            raise RuntimeError

    error_reports.configure(Broken())
    error_reports.report(ValueError())
    error_reports.check_in("x", ok=True)
    error_reports.configure(None)


def test_nothing_is_loaded_where_nothing_is_asked_for() -> None:
    program = """
import sys, asyncio, namaskah.app, namaskah.worker
from namaskah.core import error_reports, telemetry, tracing
from namaskah.core.settings import Settings
telemetry.start(Settings(environment="test", sentry_dsn="", otel_endpoint=""), role="web")
error_reports.report(ValueError()); error_reports.check_in("x", ok=True)
assert tracing.begin_request("/x", {}) is None
telemetry.stop()
# The API of OpenTelemetry is loaded by FastAPI itself, wherever it is installed.
ours = ("sentry_sdk", "opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.proto", "google.protobuf", "requests")
print(sorted(name for name in sys.modules if name.startswith(ours)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment())
    assert done.stdout.strip() == "[]"


# A process with Sentry's library, because it changes others' classes for good.
_ERRORS = """
import asyncio, gc, logging, sys, time
from pydantic import SecretStr
from namaskah.core import error_reports, telemetry, tracing
from namaskah.core.settings import Settings
canaries = sys.argv[2:]
settings = Settings(environment="staging", sentry_dsn=SecretStr(sys.argv[1]), release="1.2.3", traces_sample_rate=1)
telemetry.start(settings, role="worker")
import sentry_sdk
secret = " ".join(canaries)
def deep(local):
    body = {"text": local}
    raise ValueError(f"cannot read {local}")
try:
    try:
        deep(secret)
    except ValueError as first:
        raise LookupError(secret) from first
except LookupError as error:
    error_reports.report(error, job="provider_cancel", step=canaries[0])
logging.getLogger("library").error("failed for %s", secret, extra={"phone": secret})
sentry_sdk.add_breadcrumb(message=secret, data={"query": secret})
sentry_sdk.set_user({"email": secret})
sentry_sdk.set_extra("anything", secret)
sentry_sdk.set_context("order", {"number": secret, "inner": [{"body": secret}], "note": "for " + canaries[2]})
async def forget():
    async def fails():
        raise KeyError(secret)
    asyncio.get_running_loop().create_task(fails())
    await asyncio.sleep(0)
asyncio.run(forget())
gc.collect()
try:
    raise RuntimeError(secret)
except RuntimeError as error:
    error_reports.report(error)
with tracing.begin_request("/api/v2/wallet", {}) as span:
    span.attributes["note"] = "for " + canaries[2]
    with sentry_sdk.start_span(op="db", name="SELECT * FROM users WHERE email = '" + secret + "'") as inner:
        inner.set_data("db.params", [secret])
    with sentry_sdk.start_span(op="http.client", name="GET " + canaries[0] + " " + canaries[3]):
        pass
    tracing.end_request(span, surface="api", method="GET", route="/wallet", status=200, request_id="req_1")
error_reports.check_in("_sweep", ok=False)
error_reports.check_in("ledger_check_full", ok=True, every_seconds=86400, seconds=3)
telemetry.stop()
"""


def test_nothing_private_leaves_whatever_holds_it_and_the_rest_is_told() -> None:
    with receiving() as received:
        subprocess.run([sys.executable, "-c", _ERRORS, received.dsn, *CANARIES], check=True, env=environment(), timeout=60)
        everything = received.raw.decode()
        assert [canary for canary in CANARIES if canary in everything or json.dumps(canary)[1:-1] in everything] == []
        first, logged, forgotten, last = received.of_kind("event")
        [transaction] = received.of_kind("transaction")
        failed, done = received.of_kind("check_in")
    assert [one["type"] for one in first["exception"]["values"]] == ["ValueError", "LookupError"]
    frames = first["exception"]["values"][0]["stacktrace"]["frames"]
    assert frames[-1]["function"] == "deep"
    assert "vars" not in frames[-1]
    assert (first["environment"], first["release"], first["tags"]["role"]) == ("staging", "1.2.3", "worker")
    assert first["tags"]["job"] == "provider_cancel"
    assert logged["logentry"]["message"] == "failed for %s"
    assert forgotten["logentry"]["message"] == "Task exception was never retrieved"
    assert forgotten["exception"]["values"][0]["type"] == "KeyError"
    assert last["exception"]["values"][0]["type"] == "RuntimeError"
    assert (transaction["transaction"], transaction["tags"]["endpoint"]) == ("GET /api/v2/wallet", "/api/v2/wallet")
    assert transaction["measurements"]["response_time"]["unit"] == "millisecond"
    assert next(span["description"] for span in transaction["spans"]) == "select_users"
    assert (failed["monitor_slug"], failed["status"]) == ("namaskah-sweep", "error")
    assert (done["duration"], done["monitor_config"]["schedule"]["value"]) == (3, 1440)


_TIMED = """
import sys, time
from pydantic import SecretStr
from namaskah.core import error_reports, telemetry, tracing
from namaskah.core.settings import Settings
telemetry.start(Settings(environment="test", sentry_dsn=SecretStr(sys.argv[1]), traces_sample_rate=1), role="web")
slowest = 0
for _ in range(300):
    began = time.perf_counter()
    opened = tracing.begin_request("/x", {})
    with opened as span:
        try:
            raise ValueError("x")
        except ValueError as error:
            error_reports.report(error)
    slowest = max(slowest, time.perf_counter() - began)
began = time.perf_counter()
telemetry.stop()
print(slowest, time.perf_counter() - began)
"""


@pytest.mark.parametrize("away", ["refuses", "never answers"])
def test_a_server_that_is_away_holds_up_neither_a_request_nor_the_end(away: str) -> None:
    with black_hole() as port:
        dsn = f"http://public@127.0.0.1:{port if away == 'never answers' else 1}/1"
        began = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", _TIMED, dsn], capture_output=True, text=True, check=True, env=environment())
        took = time.perf_counter() - began
    slowest, closing = map(float, done.stdout.split())
    assert slowest < 1
    assert closing < 5
    assert took < 20

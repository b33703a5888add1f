"""From a fault to the page: a real platform breaks, real Prometheus and Alertmanager notice, and whoever must know is told."""

import asyncio
import contextlib
import os
import re
import signal
import threading
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from namaskah.core.embedded import EmbeddedPostgres
from tests.cli.served import Served
from tests.deploy.watchers import Watchers, seconds_until

pytestmark = pytest.mark.slow

OPERATIONS, LEAD, OWNER = (f"mail to {name}@example.com" for name in ("operations", "technical-lead", "business-owner"))


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A server of the test's own, which it may kill."""
    with EmbeddedPostgres(tmp_path / "postgres", fast_and_unsafe=True) as server:
        yield server


@pytest.fixture
def platform(tmp_path: Path, postgres: EmbeddedPostgres) -> Iterator[Served]:
    """The platform as `namaskah serve` runs it, with a worker and a web process."""
    served = Served(tmp_path / "data", "--demo", DATABASE_URL=postgres.url)
    try:
        served.until_ready()
        yield served
    finally:
        served.end()


@pytest.fixture
def watchers(tmp_path: Path, platform: Served) -> Iterator[Watchers]:
    folder = tmp_path / "monitoring"
    folder.mkdir()
    with Watchers(folder, platform.port).open() as opened:
        yield opened


@contextlib.contextmanager
def customer(platform: Served) -> Iterator[None]:
    """Somebody who looks at his wallet again and again, whatever comes back."""
    key = re.search(r"nmk_test_\w+", platform.output)
    assert key
    request = urllib.request.Request(f"{platform.url}/api/v2/wallet", headers={"authorization": f"Bearer {key[0]}"})
    leaves = threading.Event()

    def look() -> None:
        while not leaves.wait(0.05):
            with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=10) as answer:
                answer.read()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        leaves.set()
        thread.join()


@contextlib.asynccontextmanager
async def slow_wallets(url: str) -> AsyncIterator[None]:
    """Somebody keeps the table of the wallets to himself for a second, again and again."""
    connection = await asyncpg.connect(url)

    async def lock() -> None:
        while True:
            async with connection.transaction():
                await connection.execute("LOCK TABLE wallets IN ACCESS EXCLUSIVE MODE")
                await asyncio.sleep(1)
            await asyncio.sleep(0.01)

    locking = asyncio.create_task(lock())
    try:
        yield
    finally:
        locking.cancel()
        await asyncio.gather(locking, return_exceptions=True)
        await connection.close(timeout=5)


async def seconds_to(watchers: Watchers, alert: str, ways: set[str], since: float) -> dict[str, float]:
    """Waits until the alert has arrived by each of these ways; answers after how many seconds it did."""

    def arrived() -> bool:
        return all(watchers.receivers.first(way, alert) for way in ways)

    await asyncio.to_thread(seconds_until, arrived, 60)
    return {way: round(told.at - since, 1) for way in sorted(ways) if (told := watchers.receivers.first(way, alert))}


async def test_whoever_must_know_of_a_fault_is_told(postgres: EmbeddedPostgres, platform: Served, watchers: Watchers) -> None:
    took: dict[str, dict[str, float]] = {}
    with customer(platform):
        # Well, and watched.
        await asyncio.to_thread(seconds_until, lambda: watchers.ask("namaskah:http_requests:rate5m > 0"), 30)
        await seconds_to(watchers, "Watchdog", {"deadman"}, 0)
        assert {told.alert for told in watchers.receivers.all()} & {"SlowResponses", "HighErrorRate", "DatabaseErrors"} == set()

        began = time.monotonic()
        async with slow_wallets(postgres.url):
            took["SlowResponses"] = await seconds_to(watchers, "SlowResponses", {OPERATIONS}, began)
        # Nobody is called or disturbed for that one.
        assert {told.way for told in watchers.receivers.all() if told.alert == "SlowResponses"} == {OPERATIONS}

        began = time.monotonic()
        assert postgres.pid is not None
        os.kill(postgres.pid, signal.SIGKILL)
        everybody = {OPERATIONS, LEAD, "slack", "pager"}
        took["DatabaseErrors"] = await seconds_to(watchers, "DatabaseErrors", everybody, began)
        took["HighErrorRate"] = await seconds_to(watchers, "HighErrorRate", {OPERATIONS, LEAD, "slack"}, began)

        page = watchers.receivers.first("pager", "DatabaseErrors")
        assert page
        assert page.content["event_action"] == "trigger"
        assert page.content["links"][0]["href"] == "https://docs.example.com/runbooks/database-errors.md"
        mail = watchers.receivers.first(OPERATIONS, "DatabaseErrors")
        assert mail
        assert mail.content["Subject"] == "[FIRING] critical: DatabaseErrors (production)"
        [plain] = [part for part in mail.content.walk() if part.get_content_type() == "text/plain"]
        assert "Runbook: https://docs.example.com/runbooks/database-errors.md" in plain.get_payload(decode=True).decode()
        # What only follows from it is held back.
        await asyncio.to_thread(seconds_until, lambda: "AvailabilityBudgetBurnsFast" in watchers.held_back(), 30)

        await asyncio.to_thread(postgres.start)
        recovered = time.monotonic()
        await asyncio.to_thread(seconds_until, lambda: is_resolved(watchers, "DatabaseErrors"), 60)
        took["over again"] = {"pager": round(time.monotonic() - recovered, 1)}
    print("seconds from the fault:", took)  # noqa: T201  (what this test is read for)


def is_resolved(watchers: Watchers, alert: str) -> bool:
    """Whether the pager was told that it is over."""
    told = [told.content["event_action"] for told in watchers.receivers.all() if (told.way, told.alert) == ("pager", alert)]
    return "resolve" in told

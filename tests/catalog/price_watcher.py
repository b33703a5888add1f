"""A process of its own that tells, line by line, what it sells a service for: what tests of several processes start.

`python -m tests.catalog.price_watcher DATABASE_URL REDIS_URL USER_ID` asks for the same offers and lists for as long as
its input is open, and prints a line of JSON whenever they have changed: {"at": seconds since 1970, "offer": ..., "list": ...}.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from namaskah.catalog.lists import ServiceList
from namaskah.core import redis_store
from namaskah.core.settings import Settings
from namaskah.platform import Platform
from tests.programs import ROOT


class Watcher:
    """Such a process, as its test sees it."""

    def __init__(self, child: "subprocess.Popen[str]") -> None:
        self._child = child

    def next(self) -> dict[str, Any]:
        """What it sees once it sees something else."""
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        assert line, "the watcher has ended"
        found: dict[str, Any] = json.loads(line)
        return found

    def until(self, offer: str) -> float:
        """When, in seconds since 1970, it saw the service offered and listed at that price."""
        while (seen := self.next())["offer"] != offer or seen["list"] != offer:
            pass
        return float(seen["at"])


@contextmanager
def watcher(database_url: str, redis_url: str, user_id: str, *, hash_seed: int) -> Iterator[Watcher]:
    """One that runs; its first line has not been read yet."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.catalog.price_watcher", database_url, redis_url, user_id], cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | {"PYTHONHASHSEED": str(hash_seed)},
    )  # fmt: skip
    try:
        yield Watcher(child)
    finally:
        child.communicate(timeout=20)


async def watch(platform: Platform, user_id: str, ended: asyncio.Event) -> None:
    before = None
    while not ended.is_set():
        page = await platform.catalogue.offers(user_id, service="whatsapp", country="us")
        body, _etag = await platform.catalogue.services_json(user_id)
        listed = {item.code: item.price_from.amount for item in msgspec.json.decode(body, type=ServiceList).data}
        seen = (page.data[0].price.amount, listed["whatsapp"])
        if seen != before:
            sys.stdout.write(json.dumps({"at": time.time(), "offer": seen[0], "list": seen[1]}) + "\n")
            sys.stdout.flush()
            before = seen
        await asyncio.sleep(0.01)


async def main(database_url: str, redis_url: str, user_id: str) -> None:
    # On a busy machine fifty milliseconds may pass without anybody's fault.
    redis_store.CALL_SECONDS = 0.25  # type: ignore[misc]
    settings = Settings(_env_file=None, environment="test", secret_key=bytes(range(32)).hex(), redis_url=redis_url)
    platform = await Platform.open(settings, database_url)
    assert platform.store is not None
    async with asyncio.timeout(5):
        while platform.store.state != "ok":
            await asyncio.sleep(0.005)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(0, ended.set)
    await watch(platform, user_id, ended)
    await platform.close()


if __name__ == "__main__":
    # What the platform logs does not belong among the lines.
    import structlog

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(main(*sys.argv[1:]))

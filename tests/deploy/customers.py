"""Customers who speak plain HTTP through a balancer: they ask once, and what is not answered as it should be has failed.

Nothing here tries again, but for the event stream, which comes back as a browser's EventSource does.
"""

import asyncio
import itertools
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import msgspec

from tests.api.streams import Stream

PAUSE_SECONDS = 0.02
_PURCHASE = {"service": "telegram", "country": "us"}


@dataclass
class Tally:
    """What the customers of one balancer have seen. `bought` has the verification of each key."""

    asked: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    bought: dict[str, str] = field(default_factory=dict)
    replayed: int = 0
    reconnected: int = 0


class Customer:
    """One account that comes through one balancer in every way at once. `seen` are the event numbers of its stream."""

    def __init__(self, name: str, base: str, trust: ssl.SSLContext, secret: str, tally: Tally) -> None:
        self.seen: list[int] = []
        self._name = name
        self._base = base
        self._trust = trust
        self._headers = {"authorization": f"Bearer {secret}"}
        self._tally = tally
        self._latest = ""
        self._sated = asyncio.Event()
        self._stop = asyncio.Event()

    def client(self) -> httpx2.AsyncClient:
        """A client with connections of its own."""
        return httpx2.AsyncClient(base_url=self._base, headers=self._headers, verify=self._trust, timeout=20, trust_env=False)

    def stop_buying(self) -> None:
        """No purchase is begun from now on."""
        self._sated.set()

    def stop(self) -> None:
        """Nothing new is begun from now on; what runs is answered first."""
        self._sated.set()
        self._stop.set()

    async def run(self) -> None:
        """Returns some time after `stop`."""
        async with asyncio.TaskGroup() as group:
            for part in (self._buy, self._wait, self._read, self._read_on_new_connections, self._listen):
                group.create_task(part())

    async def _ask(self, client: httpx2.AsyncClient, kind: str, path: str, status: int = 200, **more: Any) -> Any:
        """The answer's JSON; None, and a failure noted, where there is none or another one than wanted."""
        self._tally.asked[kind] += 1
        try:
            answer = await client.request("GET" if "json" not in more else "POST", path, **more)
        except httpx2.HTTPError as error:
            self._tally.failed.append(f"{kind} {path}: {error!r}")
            return None
        self._tally.replayed += answer.headers.get("idempotency-replayed") == "true"
        if answer.status_code != status:
            self._tally.failed.append(f"{kind} {path}: {answer.status_code} {answer.text[:300]}")
            return None
        return msgspec.json.decode(answer.content)

    async def _buy(self) -> None:
        async with self.client() as client:
            for number in itertools.takewhile(lambda _: not self._sated.is_set(), itertools.count()):
                key = f"{self._name}-{number}"
                headers = {"idempotency-key": key}
                bought = await self._ask(client, "purchase", "/verifications", 201, json=_PURCHASE, headers=headers)
                if bought is not None:
                    self._tally.bought[key] = self._latest = bought["id"]
                await asyncio.sleep(5 * PAUSE_SECONDS)

    async def _wait(self) -> None:
        async with self.client() as client:
            while not self._stop.is_set():
                if self._latest:
                    await self._ask(client, "long-poll", f"/verifications/{self._latest}?wait=2")
                await asyncio.sleep(PAUSE_SECONDS)

    async def _read(self) -> None:
        async with self.client() as client:
            async for path in self._paths():
                await self._ask(client, "read", path)

    async def _read_on_new_connections(self) -> None:
        async for path in self._paths():
            async with self.client() as client:
                await self._ask(client, "read", path)

    async def _paths(self) -> AsyncIterator[str]:
        others = itertools.cycle(("/wallet", "/services", "/verifications?limit=5", "/countries"))
        while not self._stop.is_set():
            if self._latest:
                yield f"/verifications/{self._latest}"
            yield next(others)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _listen(self) -> None:
        """An EventSource: from the account's first event on, and after an interruption from where it was."""
        retry = 0.0
        async with self.client() as client:
            while not self._stop.is_set():
                await asyncio.sleep(retry)
                headers = {"last-event-id": str(self.seen[-1] if self.seen else 0)}
                self._tally.asked["stream"] += 1
                try:
                    async with client.stream("GET", "/events", headers=headers) as answer:
                        if answer.status_code != 200:
                            # Here an EventSource gives up for good.
                            self._tally.failed.append(f"stream: {answer.status_code}")
                            return
                        stream = Stream(answer)
                        await self._follow(stream)
                        retry = stream.retry[-1] / 1000
                except httpx2.RemoteProtocolError:
                    # Broken off in the middle, as by kill -9.
                    retry = 2.0
                except httpx2.HTTPError as error:
                    self._tally.failed.append(f"stream: {error!r}")
                    return
                self._tally.reconnected += not self._stop.is_set()

    async def _follow(self, stream: Stream) -> None:
        stopped = asyncio.create_task(self._stop.wait())
        try:
            while True:
                next_one = asyncio.create_task(stream.next(30))
                await asyncio.wait([stopped, next_one], return_when=asyncio.FIRST_COMPLETED)
                if not next_one.done():
                    next_one.cancel()
                    await asyncio.wait([next_one])
                    return
                event = next_one.result()
                if event is None:
                    return
                self.seen.append(event.id)
        finally:
            stopped.cancel()

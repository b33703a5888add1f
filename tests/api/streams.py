"""Reading an event stream over a real connection, as a browser's EventSource does."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2


@dataclass(frozen=True)
class Event:
    id: int
    type: str
    body: Any

    @property
    def object_id(self) -> str:
        return str(self.body["data"]["id"])


class Stream:
    """An open stream; `comments` counts its heartbeats, `retry` holds every retry hint."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self.comments = 0
        self.retry: list[int] = []
        self._lines = response.aiter_lines()

    async def next(self, timeout: float = 5) -> Event | None:
        """The next event, or None when the stream has ended."""
        async with asyncio.timeout(timeout):
            fields: dict[str, str] = {}
            async for line in self._lines:
                if not line and "data" in fields:
                    return Event(int(fields["id"]), fields["event"], json.loads(fields["data"]))
                if line.startswith(":"):
                    self.comments += 1
                elif line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                    if name == "retry":
                        self.retry.append(int(value))
            return None

    async def many(self, count: int, timeout: float = 10) -> list[Event]:
        """The next events, which must come."""
        found = []
        for _ in range(count):
            event = await self.next(timeout)
            assert event is not None, "the stream ended"
            found.append(event)
        return found


@contextlib.asynccontextmanager
async def stream(base: str, secret: str, *, after: int | None = None, query: str = "") -> AsyncIterator[Stream]:
    """A stream of the account's events; `after` is sent as Last-Event-ID."""
    headers = {"authorization": f"Bearer {secret}", "accept": "text/event-stream"}
    if after is not None:
        headers["last-event-id"] = str(after)
    async with (
        httpx2.AsyncClient(timeout=30) as client,
        client.stream("GET", f"{base}/events{query}", headers=headers) as response,
    ):
        assert response.status_code == 200
        yield Stream(response)

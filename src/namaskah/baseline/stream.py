"""Reads server-sent events as they arrive and remembers when that was."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from namaskah.baseline.probe import Answer, Probe, why
from namaskah.baseline.target import Unreachable


@dataclass(frozen=True)
class Event:
    """One event, and the moment (perf_counter) at which it was here."""

    id: int
    type: str
    body: Any
    at: float

    @property
    def object_id(self) -> str:
        """Which verification it is about, '' for another object."""
        return str(self.body["data"].get("id", ""))


class Events:
    """An open stream."""

    def __init__(self, answer: Answer, chunks: AsyncIterator[bytes]) -> None:
        self.answer = answer
        self._chunks = chunks
        self._rest = b""

    async def next(self, seconds: float) -> Event:
        """The next event. Raises Unreachable when none comes in time or the stream ends."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    block = await self._block()
                    fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line and line[0] != ":")
                    if "data" in fields:
                        return Event(int(fields["id"]), fields["event"], json.loads(fields["data"]), perf_counter())
        except TimeoutError:
            raise Unreachable(f"no event came within {seconds:g} seconds") from None

    async def about(self, verification_id: str, kind: str, seconds: float) -> Event:
        """The event of this type about this verification; others are passed over. Raises Unreachable."""
        deadline = perf_counter() + seconds
        while True:
            event = await self.next(max(deadline - perf_counter(), 0.001))
            if event.object_id == verification_id and event.type == kind:
                return event

    async def _block(self) -> str:
        while b"\n\n" not in self._rest:
            try:
                self._rest += await anext(self._chunks)
            except StopAsyncIteration:
                raise Unreachable("the stream ended") from None
            except (OSError, EOFError, ValueError) as error:
                raise Unreachable(f"the stream broke off: {why(error)}") from None
        block, self._rest = self._rest.split(b"\n\n", 1)
        return block.decode("utf-8", "replace")


@contextlib.asynccontextmanager
async def events(probe: Probe, *, after: int | None = None, query: str = "") -> AsyncIterator[Events]:
    """The account's events; `after` is the last one that was seen. Raises Unreachable."""
    headers = {} if after is None else {"last_event_id": str(after)}
    async with probe.stream(f"/api/v2/events{query}", **headers) as (answer, chunks):
        yield Events(answer, chunks)

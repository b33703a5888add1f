"""Who takes part: a customer with an API key and one open stream, and a source that sends messages by signed webhooks."""

import asyncio
import contextlib
import itertools
import json
import time
from typing import Any

import httpx2

from namaskah.core.webhook_signature import sign


class Customer:
    """Buys over HTTP and learns from the event stream what became of it."""

    def __init__(self, url: str, key: str) -> None:
        limits = httpx2.Limits(max_connections=40, max_keepalive_connections=40)
        self._client = httpx2.AsyncClient(
            base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=httpx2.Timeout(20, read=60), limits=limits
        )
        self._stream: asyncio.Task[None] | None = None
        self._waiting: dict[tuple[str, str], asyncio.Future[tuple[float, dict[str, Any]]]] = {}
        self._came: dict[tuple[str, str], tuple[float, dict[str, Any]]] = {}
        self.listening = asyncio.Event()

    async def __aenter__(self) -> "Customer":
        self._stream = asyncio.create_task(self._listen())
        await asyncio.wait_for(self.listening.wait(), 10)
        return self

    async def __aexit__(self, *_error: object) -> None:
        if self._stream is not None:
            self._stream.cancel()
            await asyncio.gather(self._stream, return_exceptions=True)
        await self._client.aclose()

    async def buy(self, service: str, key: str) -> httpx2.Response:
        """Asks for a number; the same key again is the same purchase."""
        return await self._client.post(
            "/api/v2/verifications", json={"service": service, "country": "us"}, headers={"idempotency-key": key}
        )

    async def do(self, verification_id: str, verb: str) -> httpx2.Response:
        """Cancels, finishes ... a verification."""
        return await self._client.post(f"/api/v2/verifications/{verification_id}/{verb}")

    async def read(self, verification_id: str) -> dict[str, Any]:
        """The verification as it is now."""
        answer: dict[str, Any] = (await self._client.get(f"/api/v2/verifications/{verification_id}")).json()
        return answer

    async def event(self, kind: str, verification_id: str, seconds: float) -> tuple[float, dict[str, Any]] | None:
        """When the event came (monotonic seconds) and the verification in it; None when it did not come in time."""
        place = (kind, verification_id)
        if place in self._came:
            return self._came[place]
        waiting: asyncio.Future[tuple[float, dict[str, Any]]] = asyncio.get_running_loop().create_future()
        self._waiting[place] = waiting
        try:
            async with asyncio.timeout(seconds):
                return await waiting
        except TimeoutError:
            return None
        finally:
            self._waiting.pop(place, None)

    async def _listen(self) -> None:
        last = "0"
        while True:
            with contextlib.suppress(httpx2.HTTPError):
                headers = {"last-event-id": last, "accept": "text/event-stream"}
                async with self._client.stream("GET", "/api/v2/events", headers=headers) as stream:
                    self.listening.set()
                    async for line in stream.aiter_lines():
                        if line.startswith("id:"):
                            last = line[3:].strip()
                        elif line.startswith("data:"):
                            self._take(json.loads(line[5:]))
            await asyncio.sleep(0.1)

    def _take(self, event: dict[str, Any]) -> None:
        data = event["data"]
        place = (event["type"], data.get("id", ""))
        came = (time.monotonic(), data)
        self._came.setdefault(place, came)
        waiting = self._waiting.get(place)
        if waiting is not None and not waiting.done():
            waiting.set_result(came)


class Source:
    """Delivers messages to our own numbers, as a gateway with SIM cards would."""

    def __init__(self, url: str, source_id: str, secret: bytes) -> None:
        self._path = f"/inbound/sms/{source_id}"
        self._secret = secret
        self._client = httpx2.AsyncClient(base_url=url, timeout=20)
        self._ids = itertools.count(1)

    async def close(self) -> None:
        """Ends its connections."""
        await self._client.aclose()

    def new_id(self) -> str:
        """A message id of the source's own."""
        return f"demo-{next(self._ids)}"

    async def deliver(self, number: str, text: str, message_id: str) -> httpx2.Response:
        """Sends one message, signed as Standard Webhooks wants it."""
        body = json.dumps({"message_id": message_id, "to": number, "from": "Demo", "text": text}).encode()
        moment = int(time.time())
        headers = {
            "webhook-id": message_id, "webhook-timestamp": str(moment),
            "webhook-signature": sign(self._secret, message_id, moment, body), "content-type": "application/json",
        }  # fmt: skip
        return await self._client.post(self._path, content=body, headers=headers)

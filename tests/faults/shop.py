"""A running instance with customers, money and numbers, and what it takes to be its customer and its number source."""

import itertools
import time
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import msgspec

from namaskah.accounts import api_keys
from namaskah.core.crypto import Vault
from namaskah.core.db import Database
from namaskah.core.embedded import EmbeddedPostgres
from namaskah.core.webhook_signature import secret_bytes, sign
from namaskah.providers.inventory import NewNumber, add_numbers, create_source
from tests.cli.served import Served
from tests.factories import customer

SERVICES = ("telegram", "whatsapp", "discord", "google", "facebook", "instagram")
_tried = itertools.count()


class Buyer(NamedTuple):
    """A customer with a key."""

    user_id: str
    headers: dict[str, str]


class Shop:
    """The instance, seen by those who use it."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.postgres = EmbeddedPostgres(served.folder / "postgres")
        self.vault = Vault(bytes.fromhex((served.folder / "secret.key").read_text().strip()))
        self.buyers: list[Buyer] = []
        self.source_id = ""
        self.last_trouble = ""
        self._secret = b""
        limits = httpx2.Limits(max_connections=64, max_keepalive_connections=64)
        self.http = httpx2.AsyncClient(base_url=served.url, timeout=8, limits=limits, trust_env=False)

    async def open(self, *, buyers: int, numbers: int, balance: str, plan: str = "enterprise") -> None:
        """Makes the customers, their keys and the numbers."""
        db = await Database.open(self.postgres.url, max_size=2)
        try:
            for _ in range(buyers):
                who = await customer(db, balance=balance, plan=plan)
                _, secret = await api_keys.create(db, user_id=who.user_id, livemode=True, name="faults")
                self.buyers.append(Buyer(who.user_id, {"authorization": f"Bearer {secret}"}))
            source, secret = await create_source(db, name="rack", vault=self.vault, actor_id="system")
            self.source_id, self._secret = source.id, secret_bytes(secret)
            wanted = [NewNumber(f"+1202{2_000_000 + n}", country="us") for n in range(numbers)]
            added = await add_numbers(db, source_id=source.id, numbers=wanted)
            assert added.added == numbers, added
        finally:
            await db.close()

    async def close(self) -> None:
        """Closes the connections."""
        await self.http.aclose()

    async def ask(self, buyer: Buyer, method: str, path: str, **more: Any) -> httpx2.Response | None:
        """An answer of the API; None when there was none, or one that says nothing about the outcome (5xx)."""
        headers = {**buyer.headers, **more.pop("headers", {})}
        try:
            answer = await self.http.request(method, f"/api/v2{path}", headers=headers, **more)
        except httpx2.HTTPError:
            return None
        return self._definite(answer)

    async def deliver(self, message_id: str, number: str, text: str) -> httpx2.Response | None:
        """The number source sends a message by its signed webhook."""
        body = msgspec.json.encode({"message_id": message_id, "to": number, "from": "Test", "text": text})
        stamp, attempt = int(time.time()), f"attempt-{next(_tried)}"
        headers = {
            "webhook-id": attempt,
            "webhook-timestamp": str(stamp),
            "webhook-signature": sign(self._secret, attempt, stamp, body),
        }
        try:
            answer = await self.http.post(f"/inbound/sms/{self.source_id}", content=body, headers=headers)
        except httpx2.HTTPError:
            return None
        return self._definite(answer)

    def _definite(self, answer: httpx2.Response) -> httpx2.Response | None:
        if answer.status_code < 500:
            return answer
        self.last_trouble = f"{answer.status_code} {answer.text}"
        return None


def serve(folder: Path, *arguments: str, **settings: str) -> Served:
    """An instance that forgets no committed work: fsync is on, as a user's is."""
    given = {"ENVIRONMENT": "test", "REQUESTS_PER_MINUTE": "1000000", **settings}
    return Served(folder, "--no-demo", *arguments, **given)

"""A number source for tests: it signs what it sends, rightly unless told otherwise."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from namaskah.core.db import Database
from namaskah.core.webhook_signature import secret_bytes, sign
from namaskah.inbound.accept import Accepted
from namaskah.inbound.webhook import Secrets, receive_webhook
from namaskah.providers.inventory import create_source
from tests.factories import VAULT

SECRET_OF_ANOTHER = b"another secret of thirty-two byte"
_NUMBER = "INSERT INTO numbers (e164, country, source_id) VALUES ($1, 'us', $2)"


class Rack:
    """One source and one number of it, seen from outside."""

    def __init__(self, db: Database, source_id: str, secret: str) -> None:
        self._db, self.source_id = db, source_id
        self._secrets = Secrets(db, VAULT)
        self._secret = secret_bytes(secret)
        self.number = "+12025550123"

    def body(self, **fields: Any) -> bytes:
        """A message to the number; fields replace those of a good one."""
        good = {"message_id": "m1", "to": self.number, "from": "Test", "text": "Your code is 123456"}
        return msgspec.json.encode({**good, **fields})

    def headers(self, body: bytes, *, age: int = 0, secret: bytes | None = None, **changed: str) -> dict[str, str]:
        """The three headers, signed `age` seconds ago."""
        stamp = int(datetime.now(UTC).timestamp()) - age
        good = {
            "webhook-id": "w1",
            "webhook-timestamp": str(stamp),
            "webhook-signature": sign(secret or self._secret, "w1", stamp, body),
        }
        return {**good, **{name.replace("_", "-"): value for name, value in changed.items()}}

    async def send(self, body: bytes | None = None, headers: dict[str, str] | None = None, *, to: str = "") -> Accepted:
        """Sends it, to its own address unless another source's is given."""
        given = self.body() if body is None else body
        return await receive_webhook(
            self._db, vault=VAULT, secrets=self._secrets, source_id=to or self.source_id,
            headers=self.headers(given) if headers is None else headers, body=given,
        )  # fmt: skip


async def rack(db: Database, name: str = "rack") -> Rack:
    """A new source; the first one has the number."""
    source, secret = await create_source(db, name=name, vault=VAULT, actor_id="system")
    found = Rack(db, source.id, secret)
    if name == "rack":
        await db.execute(_NUMBER, found.number, source.id)
    return found

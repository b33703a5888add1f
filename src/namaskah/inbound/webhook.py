"""Our own numbers' messages: `POST /inbound/sms/{source_id}`, signed as Standard Webhooks with the source's secret."""

import re
from collections.abc import Mapping
from datetime import datetime

import msgspec

from namaskah.core.clock import utcnow
from namaskah.core.crypto import Vault
from namaskah.core.db import Database
from namaskah.core.errors import FieldError, UnprocessableContent
from namaskah.core.webhook_signature import WebhookSignatureInvalid, verify
from namaskah.inbound.accept import Accepted, accept
from namaskah.messages.record import NewMessage
from namaskah.providers.errors import UnknownSource
from namaskah.providers.inventory import source_secret

_E164 = re.compile(r"\+[1-9][0-9]{5,14}")


class InboundMessage(msgspec.Struct, frozen=True, kw_only=True):
    """The body of the webhook. `message_id` is the source's own; the same one again changes nothing."""

    message_id: str
    to: str
    from_: str = msgspec.field(name="from")
    text: str
    received_at: datetime | None = None


class MessageInvalid(UnprocessableContent):
    """The message is not what the webhook takes."""

    code = "invalid_message"


_decode = msgspec.json.Decoder(InboundMessage).decode


class Secrets:
    """The sources' secrets, decrypted once a process; a source that is disabled is noticed after a minute."""

    def __init__(self, db: Database, vault: Vault) -> None:
        self._db, self._vault = db, vault
        self._known: dict[str, tuple[float, bytes]] = {}

    async def of(self, source_id: str, *, now: float) -> bytes:
        """The signing secret. Raises UnknownSource."""
        found = self._known.get(source_id)
        if found is None or now - found[0] > 60:
            found = (now, await source_secret(self._db, source_id=source_id, vault=self._vault))
            if len(self._known) > 10_000:
                self._known.clear()
            self._known[source_id] = found
        return found[1]


async def receive_webhook(
    db: Database,
    *,
    vault: Vault,
    secrets: Secrets,
    source_id: str,
    headers: Mapping[str, str],
    body: bytes,
    now: datetime | None = None,
) -> Accepted:
    """Checks the signature over the raw bytes, then accepts the message.

    Raises WebhookSignatureInvalid (also for an unknown source, which is nobody's business), MessageInvalid.
    """
    moment = now or utcnow()
    try:
        secret = await secrets.of(source_id, now=moment.timestamp())
    except UnknownSource:
        raise WebhookSignatureInvalid() from None
    verify(secret, headers, body, now=moment.timestamp())
    message = _parse(body)
    return await accept(
        db, vault=vault,
        message=NewMessage(
            origin=source_id, origin_message_id=message.message_id, number=_number(message.to), sender=message.from_,
            text=message.text, received_at=message.received_at or moment,
        ),
    )  # fmt: skip


def _parse(body: bytes) -> InboundMessage:
    try:
        message = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageInvalid(f"The body is not a message: {error}.") from None
    if not 1 <= len(message.message_id) <= 200 or "\x00" in message.message_id:
        raise MessageInvalid(fields=(FieldError("message_id", "must have 1 to 200 characters"),))
    if message.received_at is not None and message.received_at.tzinfo is None:
        raise MessageInvalid(fields=(FieldError("received_at", "needs a zone, such as Z"),))
    if message.received_at is not None and not 2000 <= message.received_at.year < 9000:
        # At either end of the calendar a zone leads outside of what the database can hold.
        raise MessageInvalid(fields=(FieldError("received_at", "must be a time of our days"),))
    return message


def _number(text: str) -> str:
    plain = re.sub(r"[\s()./-]", "", text)
    number = plain if plain.startswith("+") else "+" + plain
    if not _E164.fullmatch(number):
        raise MessageInvalid(fields=(FieldError("to", "must be a number in E.164, such as +12025550123"),))
    return number

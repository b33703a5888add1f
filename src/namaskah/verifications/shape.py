"""How a verification looks outside, and how its stored JSON becomes that: the texts and codes in it are opened here."""

import base64
from datetime import datetime
from typing import Any

import msgspec

from namaskah.core.crypto import CannotDecrypt, Vault
from namaskah.core.money import Money
from namaskah.messages.record import code_context, text_context
from namaskah.verifications.states import Status


class Message(msgspec.Struct):
    """One SMS, or the transcript of one call. `late` means that it came after the end, and cost nothing."""

    id: str
    from_: str = msgspec.field(name="from")
    text: str | None
    code: str | None
    received_at: datetime
    late: bool


class Verification(msgspec.Struct, kw_only=True):
    """One number for one service for some minutes. `charged` is true only when a code arrived in time."""

    id: str
    object: str = "verification"
    status: Status
    service: str
    country: str
    operator: str | None
    capability: str
    number: str | None
    price: Money
    charged: bool
    code: str | None
    messages: list[Message]
    created_at: datetime
    expires_at: datetime
    can_cancel_at: datetime
    completed_at: datetime | None
    closed_at: datetime | None
    estimated_delivery_seconds: float | None
    failure: str | None
    reuse_of: str | None
    livemode: bool
    metadata: dict[str, Any]


# As json_build_object writes it; inside a text of a customer the quotes would be escaped.
_WITHOUT_MESSAGES = '"messages" : []'
_decode = msgspec.json.Decoder(Verification).decode
_encode = msgspec.json.Encoder().encode


def opened(stored: str, vault: Vault) -> bytes:
    """The finished JSON: passed through when there are no messages, else with texts and codes decrypted.

    The verification's code is that of its last message with one. What cannot be opened (erased, or another key) is null.
    """
    if _WITHOUT_MESSAGES in stored:
        return stored.encode()
    verification = _decode(stored)
    for message in verification.messages:
        message.text = _open(vault, message.text, text_context(message.id))
        message.code = _open(vault, message.code, code_context(message.id))
        if message.code is not None and not message.late:
            verification.code = message.code
    return _encode(verification)


def _open(vault: Vault, ciphertext: str | None, context: str) -> str | None:
    if ciphertext is None:
        return None
    try:
        return vault.decrypt(base64.b64decode(ciphertext), context=context).decode()
    except (CannotDecrypt, ValueError):
        return None

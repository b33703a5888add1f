"""Signatures of webhooks as Standard Webhooks 1.0 defines them: HMAC-SHA256 over `id.timestamp.body`.

Source: standard-webhooks/spec. Any malformed header is a clean failure, never a crash.
"""

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Mapping

from namaskah.core.errors import Unauthorized

TOLERANCE_SECONDS = 300
_PREFIX = "whsec_"


class WebhookSignatureInvalid(Unauthorized):
    """The webhook's signature does not hold."""

    code = "invalid_signature"


def new_secret() -> str:
    """A new signing secret: `whsec_` and 32 random bytes in base64."""
    return _PREFIX + base64.b64encode(os.urandom(32)).decode()


def secret_bytes(text: str) -> bytes:
    """The key inside `whsec_...`. ValueError when it is not one."""
    try:
        return base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("a signing secret is whsec_ and base64") from error


def sign(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of the `webhook-signature` header, `v1,<base64>`."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()


def verify(secret: bytes, headers: Mapping[str, str], body: bytes, *, now: float) -> str:
    """The message id of a webhook that is genuine and fresh. Raises WebhookSignatureInvalid.

    `now` is Unix seconds; header names are in lower case; several signatures may stand beside each other while a
    secret is being rotated.
    """
    message_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    signatures = headers.get("webhook-signature", "")
    if not message_id or not timestamp or not signatures:
        raise WebhookSignatureInvalid("The headers webhook-id, webhook-timestamp and webhook-signature are needed.")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise WebhookSignatureInvalid("webhook-timestamp is not a number of seconds.")
    if "." in message_id or not message_id.isascii() or len(message_id) > 255:
        raise WebhookSignatureInvalid("webhook-id is not plain text without dots.")
    if abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        raise WebhookSignatureInvalid(f"webhook-timestamp is more than {TOLERANCE_SECONDS} seconds from now.")
    expected = sign(secret, message_id, int(timestamp), body).encode()
    for given in signatures.split(" ")[:10]:
        if hmac.compare_digest(given.encode("utf-8", "replace"), expected):
            return message_id
    raise WebhookSignatureInvalid("No signature matches the body and the secret.")

"""Encryption of message texts and secrets at rest, and keyed hashes for looking up what could be guessed.

AES-256-GCM with a random nonce; the context (such as a message's id) is authenticated, so that a ciphertext moved to
another row does not open. The first byte names the key, which leaves room for a second key during a rotation.
"""

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_KEY_VERSION = b"\x01"
_NONCE = 12


class CannotDecrypt(Exception):
    """The blob is damaged, belongs elsewhere, or was made with another key."""


def derive(secret: bytes, purpose: str) -> bytes:
    """A key of 32 bytes for one purpose (HKDF-SHA256, RFC 5869), so that no key serves two."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose.encode()).derive(secret)


class Vault:
    """Encrypts and decrypts with keys derived from the one secret of the settings."""

    def __init__(self, secret_key: bytes) -> None:
        if len(secret_key) < 32:
            raise ValueError("the secret key must have at least 32 bytes")
        self._aead = AESGCM(derive(secret_key, "namaskah text encryption"))
        self._hash_key = derive(secret_key, "namaskah keyed hash")

    def encrypt(self, data: bytes, *, context: str) -> bytes:
        """The ciphertext of `data`, which opens only with the same context."""
        nonce = os.urandom(_NONCE)
        return _KEY_VERSION + nonce + self._aead.encrypt(nonce, data, context.encode())

    def decrypt(self, blob: bytes, *, context: str) -> bytes:
        """The clear data. Raises CannotDecrypt."""
        if blob[:1] != _KEY_VERSION or len(blob) < 1 + _NONCE + 16:
            raise CannotDecrypt("not a ciphertext of this vault")
        try:
            return self._aead.decrypt(blob[1 : 1 + _NONCE], blob[1 + _NONCE :], context.encode())
        except InvalidTag:
            raise CannotDecrypt("the ciphertext does not belong to this context or key") from None

    def keyed_hash(self, text: str) -> bytes:
        """HMAC-SHA256: a phone number's plain hash could be found by trying all numbers, this one cannot."""
        return hmac.digest(self._hash_key, text.encode(), hashlib.sha256)

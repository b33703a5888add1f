"""What an API key looks like: `nmk_live_` or `nmk_test_`, 30 random characters, 6 of checksum.

The checksum (CRC32 of all before it, in base62) lets anyone recognise a leaked key without asking us, and
lets us turn away mistyped and invented keys without asking the database. It protects nothing: the 178 random
bits do.
"""

import hashlib
import secrets
from typing import Final
from zlib import crc32

LIVE: Final = "nmk_live_"
TEST: Final = "nmk_test_"
LENGTH: Final = len(LIVE) + 36
_CHECKED: Final = LENGTH - 6
_BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ALLOWED: Final = frozenset(_BASE62)


def new_secret(*, livemode: bool) -> str:
    """A new key. It is shown once and kept nowhere; what is stored is its digest."""
    body = (LIVE if livemode else TEST) + "".join([secrets.choice(_BASE62) for _ in range(30)])
    return body + checksum(body)


def checksum(body: str) -> str:
    """The six characters that end a key whose prefix and random part are `body` (ASCII)."""
    value = crc32(body.encode("ascii"))
    characters = []
    for _ in range(6):
        value, rest = divmod(value, 62)
        characters.append(_BASE62[rest])
    return "".join(reversed(characters))


def is_well_formed(secret: str) -> bool:
    """Whether `secret` could be one of our keys; asks nobody, so it cannot say whether it exists."""
    if len(secret) != LENGTH or not secret.startswith((LIVE, TEST)) or not _ALLOWED.issuperset(secret[len(LIVE) :]):
        return False
    return secret[_CHECKED:] == checksum(secret[:_CHECKED])


def digest_of(secret: str) -> bytes:
    """What is stored and looked up instead of the key. A plain SHA-256 is enough for 178 random bits.

    Raises UnicodeEncodeError for text that is not ASCII and so cannot be a key.
    """
    return hashlib.sha256(secret.encode("ascii")).digest()


def hint_of(secret: str) -> str:
    """The part of a key that may be shown, so that its owner knows which one it is."""
    return secret[: len(LIVE) + 4] + "…"

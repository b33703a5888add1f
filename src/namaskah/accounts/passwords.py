"""Passwords: which ones are taken, and their argon2id hashes.

Hashing uses 19 MiB and about 20 ms of a core, so it runs in two threads of its own and never on the event
loop. When too many wait, the next is turned away at once: a flood of sign-ins must not make everything else
slow.
"""

import asyncio
import secrets
import time
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Final, TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from namaskah.accounts.common_passwords import is_common
from namaskah.accounts.errors import SignInBusy, WeakPassword
from namaskah.core.errors import FieldError

SHORTEST: Final = 8
LONGEST: Final = 256
AT_ONCE: Final = 2
# At 20 ms each and two at once the last of them waits about a second.
MAX_WAITING: Final = 100
# On a machine that is busy with other things a hash takes many times as long; nobody is kept waiting for longer than this.
LONGEST_WAIT_SECONDS: Final = 5.0

# OWASP's password storage cheat sheet: argon2id, 19 MiB, two passes, one lane.
_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, hash_len=32, salt_len=16, type=Type.ID)
_THREADS: Final = ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="argon2")
_waiting = 0
# What a hash took lately, waiting for the processor included.
_seconds_each = 0.02
T = TypeVar("T")


def check_password(password: str, *, email: str = "") -> None:
    """Raises WeakPassword unless it has 8 to 256 characters and is not one of the first anyone would try.

    There are no rules about which characters must be in it, and spaces and every script are welcome.
    """
    if not _can_be_written(password):
        raise _refused("This password contains characters that cannot be stored.")
    length = len(_normal(password))
    if length < SHORTEST:
        raise _refused(f"A password has at least {SHORTEST} characters; a sentence of a few words is better still.")
    if length > LONGEST:
        raise _refused(f"A password has at most {LONGEST} characters.")
    local, _, domain = email.partition("@")
    if is_common(password, personal=(email, local, domain, domain.partition(".")[0])):
        raise _refused("This password is one of the first that anyone would try; choose another.")


async def hash_password(password: str) -> str:
    """The argon2id hash to store, with its own salt and parameters inside. Raises SignInBusy."""
    return await _in_thread(_hash, _normal(password))


async def verify_password(stored: str | None, password: str) -> bool:
    """Whether the password belongs to the stored hash. Raises SignInBusy.

    Without a stored hash it compares with one that nobody knows the password of, which takes just as long:
    the time of the answer does not tell whether the account exists.
    """
    if len(password) > LONGEST or not _can_be_written(password):
        password, stored = "", None
    return await _in_thread(_verify, stored or "", _normal(password)) and stored is not None


def is_outdated(stored: str) -> bool:
    """Whether the hash was made with other parameters than today's and is to be renewed at a sign-in."""
    return _HASHER.check_needs_rehash(stored)


def refuse_when_busy() -> None:
    """Raises SignInBusy when a password would wait too long now. Ask it before anything else is done: in a flood a refusal
    must cost next to nothing."""
    # Whoever finds a free thread is always let in, so that a machine that has become quick again is noticed.
    too_long = _waiting >= AT_ONCE and _waiting / AT_ONCE * _seconds_each > LONGEST_WAIT_SECONDS
    if _waiting >= MAX_WAITING or too_long:
        raise SignInBusy(retry_after=2)


async def _in_thread(function: Callable[..., T], *args: str) -> T:
    global _seconds_each, _waiting
    refuse_when_busy()
    _waiting += 1
    try:
        result, seconds = await asyncio.get_running_loop().run_in_executor(_THREADS, _timed, function, *args)
        _seconds_each += (seconds - _seconds_each) / 10
        return result
    finally:
        _waiting -= 1


def _timed(function: Callable[..., T], *args: str) -> tuple[T, float]:
    started = time.monotonic()
    return function(*args), time.monotonic() - started


def _hash(password: str) -> str:
    return _HASHER.hash(password)


def _verify(stored: str, password: str) -> bool:
    try:
        return _HASHER.verify(stored or _nobodys_hash(), password)
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobodys_hash() -> str:
    return _HASHER.hash(secrets.token_hex(32))


def _normal(password: str) -> str:
    """NFC: an é typed as one character and as two is the same password."""
    return unicodedata.normalize("NFC", password)


def _can_be_written(password: str) -> bool:
    try:
        password.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _refused(message: str) -> WeakPassword:
    return WeakPassword(message, fields=(FieldError("password", message),))

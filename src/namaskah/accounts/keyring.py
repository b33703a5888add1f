"""Turns an API key into who is asking, for every request of the API, without asking the database each time.

A key that was found valid is remembered by its digest. It is forgotten when the database signals that it was
revoked or that its user was disabled; while signals may be missed, it is asked for again after a second. It
never fails open: when the database cannot be asked, the request is refused as unavailable.
"""

import asyncio
from collections import OrderedDict
from datetime import datetime
from time import monotonic
from typing import Final

import structlog

from namaskah.accounts.errors import InvalidApiKey
from namaskah.accounts.key_format import LENGTH, digest_of, is_well_formed
from namaskah.accounts.principal import Principal
from namaskah.core.clock import utcnow
from namaskah.core.db import DatabaseGone, Db
from namaskah.core.signals import Signals

REMEMBERED: Final = 20_000
REFUSED_REMEMBERED: Final = 1_000
# Signals make this needless; it bounds the harm should one ever get lost without anyone noticing.
TRUSTED_SECONDS: Final = 60.0
UNHEARD_SECONDS: Final = 1.0
REFUSED_SECONDS: Final = 5.0
USED_SECONDS: Final = 60.0
_log = structlog.get_logger()

# The seconds left are counted by the database's clock, because processes' clocks differ.
FIND: Final = """
SELECT k.id, k.user_id, k.livemode, extract(epoch FROM k.expires_at - now())::float8 AS seconds_left
FROM api_keys k JOIN users u ON u.id = k.user_id
WHERE k.hash = $1 AND k.revoked_at IS NULL AND u.disabled_at IS NULL
  AND (k.expires_at IS NULL OR k.expires_at > now())
"""
# Rows that another process is writing at this moment are skipped: it notes the same minute.
NOTE_USE: Final = """
WITH used AS MATERIALIZED (
    SELECT k.id, u.at FROM api_keys k JOIN unnest($1::text[], $2::timestamptz[]) AS u (id, at) USING (id)
    WHERE k.last_used_at IS NULL OR k.last_used_at <= u.at - interval '1 minute'
    FOR NO KEY UPDATE OF k SKIP LOCKED
)
UPDATE api_keys k SET last_used_at = used.at FROM used WHERE k.id = used.id
"""


class _Known:
    """A key found valid: until when it is believed (in monotonic seconds) with signals and without them."""

    __slots__ = ("alone_until", "noted_at", "principal", "until")

    def __init__(self, principal: Principal, asked_at: float, seconds_left: float | None, noted_at: float) -> None:
        self.principal = principal
        trusted = TRUSTED_SECONDS if seconds_left is None else min(TRUSTED_SECONDS, seconds_left)
        self.until = asked_at + trusted
        self.alone_until = min(self.until, asked_at + UNHEARD_SECONDS)
        self.noted_at = noted_at


class KeyRing:
    """The keys that this process has seen lately, as digests; the keys themselves are never kept."""

    def __init__(
        self,
        db: Db,
        signals: Signals,
        *,
        remembered: int = REMEMBERED,
        refused_remembered: int = REFUSED_REMEMBERED,
    ) -> None:
        """Subscribes to the signals, so it must be made before they are started."""
        self._db = db
        self._signals = signals
        self._remembered = remembered
        self._refused_remembered = refused_remembered
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._refused: OrderedDict[bytes, float] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[Principal]] = {}
        self._used: dict[str, datetime] = {}
        self._changes = 0
        self._noting: asyncio.Task[None] | None = None
        signals.subscribe("namaskah_keys", self._forget)
        signals.on_reset(self._forget_all)

    async def start(self) -> None:
        """Begins to note when keys were last used."""
        self._noting = asyncio.create_task(self._note_every_minute())

    async def stop(self) -> None:
        """Writes what is not noted yet and ends."""
        if self._noting is not None:
            self._noting.cancel()
            await asyncio.gather(self._noting, return_exceptions=True)
        await self.note_use()

    async def identify(self, secret: str) -> Principal:
        """Who this key belongs to. Raises InvalidApiKey; Unavailable when that cannot be found out now."""
        if len(secret) != LENGTH:
            raise InvalidApiKey()
        try:
            digest = digest_of(secret)
        except UnicodeEncodeError:
            raise InvalidApiKey() from None
        known = self._known.get(digest)
        if known is not None:
            now = monotonic()
            if now < (known.until if self._signals.healthy else known.alone_until):
                if now - known.noted_at >= USED_SECONDS:
                    self._note(known, now)
                return known.principal
        elif not is_well_formed(secret) or self._was_refused(digest):
            raise InvalidApiKey()
        return await self._ask_once(digest)

    async def note_use(self) -> None:
        """Writes which keys were used, all of them in one statement."""
        used, self._used = self._used, {}
        if not used:
            return
        try:
            await self._db.execute(NOTE_USE, list(used), list(used.values()))
        except DatabaseGone:
            # A later use is noted again; nothing but a time for display is lost.
            _log.warning("key_use_not_noted", keys=len(used))

    async def _ask_once(self, digest: bytes) -> Principal:
        """However many requests come with a new key at once, the database is asked once."""
        task = self._asking.get(digest)
        if task is None:
            task = asyncio.create_task(self._ask(digest))
            self._asking[digest] = task
            task.add_done_callback(lambda done: self._asked(digest, done))
        # The one who asked first may be cancelled; the others still want the answer.
        return await asyncio.shield(task)

    def _asked(self, digest: bytes, task: "asyncio.Task[Principal]") -> None:
        del self._asking[digest]
        if not task.cancelled():
            task.exception()  # Read, so that it is not reported as lost when everyone who asked has gone.

    async def _ask(self, digest: bytes) -> Principal:
        asked_at, changes = monotonic(), self._changes
        try:
            row = await self._db.fetchrow(FIND, digest)
        except DatabaseGone as error:
            raise DatabaseGone("The key cannot be checked now; nothing was charged.", retry_after=2) from error
        if row is None:
            self._known.pop(digest, None)
            self._refused[digest] = monotonic() + REFUSED_SECONDS
            if len(self._refused) > self._refused_remembered:
                self._refused.popitem(last=False)
            raise InvalidApiKey()
        before = self._known.pop(digest, None)
        principal = Principal(row["user_id"], row["livemode"], row["id"])
        known = _Known(principal, asked_at, row["seconds_left"], before.noted_at if before else asked_at - USED_SECONDS)
        if monotonic() - known.noted_at >= USED_SECONDS:
            self._note(known, monotonic())
        # If something was revoked while the database was asked, the answer may be older, so it is not kept.
        if changes == self._changes:
            self._known[digest] = known
            if len(self._known) > self._remembered:
                self._known.popitem(last=False)
        return principal

    def _was_refused(self, digest: bytes) -> bool:
        until = self._refused.get(digest)
        if until is None:
            return False
        if monotonic() < until:
            return True
        del self._refused[digest]
        return False

    def _note(self, known: _Known, now: float) -> None:
        known.noted_at = now
        if known.principal.key_id is not None and len(self._used) < self._remembered:
            self._used[known.principal.key_id] = utcnow()

    async def _note_every_minute(self) -> None:
        while True:
            await asyncio.sleep(USED_SECONDS)
            await self.note_use()

    def _forget(self, payload: str) -> None:
        """A key was revoked (its digest in hex) or a user was disabled (the user's id)."""
        self._changes += 1
        if payload.startswith("user_"):
            theirs = [digest for digest, known in self._known.items() if known.principal.user_id == payload]
            for digest in theirs:
                del self._known[digest]
            return
        try:
            self._known.pop(bytes.fromhex(payload), None)
        except ValueError:
            _log.warning("key_signal_not_understood")

    def _forget_all(self) -> None:
        """Signals may have been missed."""
        self._changes += 1
        self._known.clear()

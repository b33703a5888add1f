"""GET /events: the account's events as server-sent events (the HTML standard's EventSource), replayed after an interruption.

A stream is one coroutine and holds nothing but its place: events wait in the hub, which bounds them. A client that does
not read is cut off; it comes back with Last-Event-ID and misses nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType
from starlette.types import Receive, Send

from namaskah.api.call import Call, ClientGone, Headers, StreamReply, invalid_header
from namaskah.core import metrics, tracing
from namaskah.core.clock import utcnow
from namaskah.core.crypto import Vault
from namaskah.core.errors import Unauthorized, Unavailable
from namaskah.core.events import EventRow, Hub, Subscription
from namaskah.verifications.shape import opened

CONTENT_TYPE: Final = b"text/event-stream; charset=utf-8"
HEARTBEAT_SECONDS: Final = 15.0
SLOW_SECONDS: Final = 30.0
_RETRY: Final = b"retry: 2000\n\n"
# no-cache and X-Accel-Buffering keep proxies from holding events back.
_HEADERS: Final[Headers] = ((b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no"))
_SEQ: Final = msgspec.json.Decoder(Annotated[int, Meta(ge=0, le=10**18 - 1)])


class ServerSentEvent(msgspec.Struct):
    """One event of the stream. `data` is JSON: id ("evt_" and the event's number), type, created_at, livemode, data."""

    id: str
    event: str
    data: str


class EventsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the stream begins, and what it is narrowed to."""

    last_event_id: (
        Annotated[
            int,
            Meta(ge=0, le=10**18 - 1, description="As the header Last-Event-ID, which stands above it."),
        ]
        | UnsetType
    ) = UNSET
    verification: (
        Annotated[
            str,
            Meta(
                pattern="^ver_[0-9a-hjkmnp-tv-z]{26}$",
                max_length=30,
                description="Only the events of this verification.",
            ),
        ]
        | UnsetType
    ) = UNSET


async def stream_events(call: Call) -> StreamReply:
    """GET /events"""
    query = call.query(EventsQuery)
    after = None if query.last_event_id is UNSET else query.last_event_id
    given = call.headers.get(b"last-event-id")
    if given is not None:
        try:
            after = _SEQ.decode(given)
        except msgspec.DecodeError:
            raise invalid_header("Last-Event-ID", "must be the id of an event of this stream") from None
    subscription = await call.platform.hub.subscribe(call.principal.user_id, call.principal.livemode, after)
    stream = EventStream(
        hub=call.platform.hub,
        subscription=subscription,
        vault=call.platform.vault,
        still_allowed=call.identify_again,
        verification=query.verification or None,
    )
    return StreamReply(stream.run, subscription.close, _HEADERS, CONTENT_TYPE)


class EventStream:
    """One client's stream. `still_allowed` raises Unauthorized once its key or session has ended."""

    __slots__ = ("_hub", "_opened_at", "_still_allowed", "_subscription", "_vault", "_verification")

    def __init__(
        self,
        *,
        hub: Hub,
        subscription: Subscription,
        vault: Vault,
        still_allowed: Callable[[], Awaitable[object]],
        verification: str | None,
    ) -> None:
        self._hub = hub
        self._subscription = subscription
        self._vault = vault
        self._still_allowed = still_allowed
        self._verification = verification
        self._opened_at = utcnow()

    async def run(self, receive: Receive, send: Send) -> None:
        """Sends until the client goes, the process ends, or the key does. Raises ClientGone for one that does not read."""
        await _send(send, _RETRY)
        checked_at = asyncio.get_running_loop().time()
        while not (self._hub.draining or self._subscription.overflowed):
            rows = await self._subscription.next(HEARTBEAT_SECONDS)
            if not await self._may_go_on(bool(rows)):
                return
            frames = b"".join([self._frame(row) for row in rows if self._wanted(row)])
            now = asyncio.get_running_loop().time()
            if now - checked_at >= HEARTBEAT_SECONDS:
                checked_at = now
                if await _is_gone(receive):
                    return
                frames = frames or b": still here\n\n"
            if frames:
                await _send(send, frames)
                self._count(rows)
        # The client waits this long before it comes back, to another process or to this one's successor.
        await _send(send, _RETRY)

    def _count(self, rows: list[EventRow]) -> None:
        """What was written, and how long after its event; what is replayed is old by its nature."""
        now = utcnow()
        traced = tracing.is_on()
        for row in rows:
            if traced and row.traceparent is not None and row.created_at >= self._opened_at and self._wanted(row):
                tracing.tell_push(row.traceparent, row.type, max((now - row.created_at).total_seconds(), 0.0))
            metrics.STREAM_EVENTS.inc()
            if row.created_at >= self._opened_at:
                metrics.STREAM_PUSH.observe(max((now - row.created_at).total_seconds(), 0.0))

    async def _may_go_on(self, has_events: bool) -> bool:
        try:
            await self._still_allowed()
        except Unauthorized:
            return False
        except Unavailable:
            # It cannot be asked now: nothing is shown to whom we do not know, but a heartbeat shows nothing.
            return not has_events
        return True

    def _wanted(self, row: EventRow) -> bool:
        return self._verification is None or row.object_id == self._verification

    def _frame(self, row: EventRow) -> bytes:
        return frame_of(row, self._subscription.key[1], self._vault)


# Streams of one account show the same events: what is decrypted and framed for one serves all of them.
@lru_cache(maxsize=128)
def frame_of(row: EventRow, livemode: bool, vault: Vault) -> bytes:
    """An event as it is sent: its number, its type, and its JSON on one line."""
    data = opened(row.data, vault) if row.type.startswith("verification.") else row.data.encode()
    return b'id: %d\nevent: %s\ndata: {"id":"evt_%d","type":"%s","created_at":"%s","livemode":%s,"data":%s}\n\n' % (
        row.seq,
        row.type.encode(),
        row.seq,
        row.type.encode(),
        row.created_at.isoformat().replace("+00:00", "Z").encode(),
        b"true" if livemode else b"false",
        data.replace(b"\n", b" "),
    )


async def _send(send: Send, body: bytes) -> None:
    try:
        async with asyncio.timeout(SLOW_SECONDS):
            await send({"type": "http.response.body", "body": body, "more_body": True})
    except TimeoutError:
        raise ClientGone from None


async def _is_gone(receive: Receive) -> bool:
    """Whether the client has gone, asked without waiting: a task that listens for it would cost memory at every stream."""
    try:
        async with asyncio.timeout(0):
            return bool((await receive())["type"] == "http.disconnect")
    except TimeoutError:
        return False

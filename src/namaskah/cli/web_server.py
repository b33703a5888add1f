"""uvicorn as we run it: no access log, bounded request heads, and an app that knows when its process is to
end."""

import asyncio
import math
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

if TYPE_CHECKING:
    import socket

    from namaskah.core.settings import Settings

# From the signal on: the time in which it still takes requests, and then the one in which it finishes them.
GRACEFUL_SECONDS: Final = 26
# Longer than the minute after which usual load balancers close an idle connection: they shall do it, not we.
KEEP_ALIVE_SECONDS: Final = 65
# Behind a load balancer that looks every half second and believes the second failure (see deploy/haproxy.cfg).
NOT_READY_SECONDS: Final = 1.0
HEAD_BYTES: Final = 65_536
HEAD_SECONDS: Final = 30.0


class BoundedHttp(HttpToolsProtocol):
    """A connection whose request heads must be small and soon complete; httptools itself takes any size.

    Once the process is to end, every answer says that its connection will not be used again.
    """

    _reads_head = True
    _head_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """A connection that sends nothing does not stay either."""
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._cut)

    def connection_lost(self, exc: Exception | None) -> None:
        """No timer outlives its connection."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Counts only what left a head unfinished, so that usual requests, one read each, cost nothing."""
        super().data_received(data)
        if self._reads_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self.send_400_response("The head of the request is too large.")
            elif self._head_timer is None:
                self._head_timer = self.loop.call_later(HEAD_SECONDS, self._cut)

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._reads_head = True

    def on_headers_complete(self) -> None:
        """A head is whole."""
        self._reads_head, self._head_bytes = False, 0
        self._stop_timer()
        super().on_headers_complete()
        if getattr(self.server_state, "draining", False):
            self.cycle.keep_alive = False

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _cut(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self.transport.close()


class _Draining(ServerState):
    """What the connections of a server share, and whether the server is about to end."""

    draining = False


class WebServer(uvicorn.Server):
    """Says when it is ready, and tells the app at once when it is asked to stop.

    For `not_ready_seconds` it then still takes requests, so that load balancers see the 503 of /readyz first. Its answers
    close their connections meanwhile: one that lay idle until the end could be closed while a request is on its way.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        on_ready: Callable[[], None],
        asked: list[int],
        not_ready_seconds: float,
    ) -> None:
        super().__init__(config)
        self.server_state = self._shared = _Draining()
        self._on_ready = on_ready
        self._asked = asked
        self._not_ready_seconds = not_ready_seconds
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: "list[socket.socket] | None" = None) -> None:
        """Starts, unless the signal to stop came while the code was being loaded."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        if self._asked:
            self.should_exit = True
        elif self.started:
            self._on_ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM: the app is not ready from now on, then uvicorn finishes what runs."""
        begin_stop = getattr(self.config.app, "begin_stop", None)
        if begin_stop is not None:
            begin_stop()
        if self._not_ready_seconds and self._loop is not None and not self._asked:
            self._asked.append(sig)
            exit_later = partial(self._loop.call_later, self._not_ready_seconds, super().handle_exit, sig, None)
            self._loop.call_soon_threadsafe(self._begin_to_drain)
            self._loop.call_soon_threadsafe(exit_later)
        else:
            super().handle_exit(sig, frame)

    def _begin_to_drain(self) -> None:
        self._shared.draining = True
        for connection in self._shared.connections:
            cycle = getattr(connection, "cycle", None)
            if cycle is not None and not cycle.response_complete:
                cycle.keep_alive = False  # of one that is being answered; one whose head has gone out ends with its body


def not_ready_seconds(settings: "Settings") -> float:
    """How long a process that was asked to end goes on taking requests, which nobody needs on a developer's machine."""
    if settings.not_ready_seconds is not None:
        return settings.not_ready_seconds
    return 0.0 if settings.environment in ("development", "test") else NOT_READY_SECONDS


def server_config(app: Any, settings: "Settings") -> uvicorn.Config:
    """The configuration of every web process."""
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=BoundedHttp,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        backlog=2048,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACEFUL_SECONDS - math.ceil(not_ready_seconds(settings)),
    )

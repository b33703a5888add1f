"""The one application: API v2, the inbound webhook, the health answers, and the web pages, on one FastAPI app.

API and webhook are handed over before FastAPI's own routing, which costs 50 us a request. The process opens its parts
when it starts; a database that is away then is waited for, and answered with 503 meanwhile.
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator
from types import FrameType
from typing import Any, Final

import structlog
from fastapi import FastAPI
from fastapi.requests import Request
from fastapi.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from namaskah import __version__
from namaskah.api.app import ApiApp
from namaskah.api.inbound_sms import PREFIX as INBOUND
from namaskah.api.inbound_sms import InboundSms
from namaskah.core import error_reports, telemetry
from namaskah.core.db import DatabaseGone
from namaskah.core.embedded import EmbeddedPostgres
from namaskah.core.exposition import CONTENT_TYPE, exposition
from namaskah.core.health import health
from namaskah.core.logs import configure
from namaskah.core.metrics_readers import allowed_networks, may_read
from namaskah.core.observed import Observed, current_request
from namaskah.core.settings import Settings, load_settings
from namaskah.core.vitals import Vitals
from namaskah.ops.minutes import Recorder
from namaskah.platform import Platform
from namaskah.prepare import prepare_database
from namaskah.web.app import WebApp
from namaskah.web.session import principal_of_scope
from namaskah.worker import Worker

# What operators and their machines ask for.
_OPERATORS: Final = frozenset({"/health", "/livez", "/readyz", "/metrics"})
_log = structlog.get_logger()


class Application(FastAPI):
    """One web process. `begin_stop` is called the moment it is asked to end: not ready any more, streams close."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(
            title="Namaskah", version=__version__, lifespan=self._lifespan, docs_url=None, redoc_url=None, openapi_url=None
        )
        self.settings = settings
        self.started_at = time.monotonic()
        self.stopping = False
        self._platform: Platform | None = None
        self._vitals: Vitals | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opened = asyncio.Event()
        self._observed = Observed(self._find_surface, slow_seconds=settings.slow_request_seconds)
        self._api = ApiApp(self.platform, principal_from_cookie=self._of_cookie)
        self._inbound = InboundSms(self.platform)
        for path, endpoint in (("/health", self._health), ("/livez", self._livez), ("/readyz", self._readyz)):
            self.add_api_route(path, endpoint, methods=["GET", "HEAD"])
        self.add_api_route("/metrics", self._metrics, methods=["GET", "HEAD"], response_class=Response)
        self._may_read_metrics = allowed_networks(settings.metrics_allow)
        self.mount("/", WebApp(self.platform))

    def platform(self) -> Platform:
        """The parts of this process. Raises DatabaseGone as long as the database has not been there."""
        if self._platform is None:
            raise DatabaseGone("The database does not answer. Nothing was done or charged.", retry_after=2)
        return self._platform

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._observed(scope, receive, send)

    async def _find_surface(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path: str = scope["path"]
            if path.startswith("/api/v2/") or path == "/api/v2":
                await self._api(scope, receive, send)
                return
            if path.startswith(INBOUND):
                await self._inbound(scope, receive, send)
                return
            if path in _OPERATORS and (record := current_request.get()) is not None:
                record.surface, record.route = "ops", path
        await super().__call__(scope, receive, send)

    def begin_stop(self) -> None:
        """Safe to call from a signal handler, and more than once."""
        self.stopping = True
        if self._loop is not None and self._platform is not None:
            self._loop.call_soon_threadsafe(self._platform.hub.drain)

    async def _of_cookie(self, scope: Scope) -> Any:
        return await principal_of_scope(self.platform(), scope)

    async def _health(self) -> JSONResponse:
        if self._platform is None:
            return JSONResponse({"status": "unavailable", "version": __version__}, 503, {"retry-after": "2"})
        store = self._platform.store
        cache = "none" if store is None else store.state
        answer = await health(self._platform.db, self.started_at, __version__, cache=cache)
        gone = answer["status"] == "unavailable"
        return JSONResponse(answer, 503 if gone else 200, {"retry-after": "2"} if gone else None)

    async def _livez(self) -> JSONResponse:
        # Touches nothing else: a database that is away is no reason to start this process anew.
        return JSONResponse({"status": "ok"})

    async def _readyz(self) -> JSONResponse:
        if self.stopping:
            return JSONResponse({"status": "stopping"}, 503)
        answer = None if self._platform is None else await health(self._platform.db, self.started_at, __version__)
        if answer is None or answer["status"] == "unavailable":
            return JSONResponse({"status": "unavailable"}, 503, {"retry-after": "2"})
        return JSONResponse({"status": "ready"})

    async def _metrics(self, request: Request) -> Response:
        """For the addresses of METRICS_ALLOW. Whoever comes through a proxy that nobody named is not the one it seems."""
        client = request.client
        through = {"x-forwarded-for", "forwarded"} & set(request.headers)
        # A client whom a named proxy has told of has no port; any other address is that of a proxy that is not named.
        if client is None or (through and (client.port or not self.settings.trusted_proxies)):
            return JSONResponse({"status": "forbidden"}, 403)
        if not may_read(client.host, self._may_read_metrics):
            return JSONResponse({"status": "forbidden"}, 403)
        return Response(await asyncio.to_thread(exposition), headers={"content-type": CONTENT_TYPE.decode()})

    @contextlib.asynccontextmanager
    async def _lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        self._loop = asyncio.get_running_loop()
        self._tell_when_stopped()
        async with contextlib.AsyncExitStack() as stack:
            url = await _database_url(self.settings, stack)
            stop = asyncio.Event()
            opening = asyncio.create_task(self._open(url, stop))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._opened.wait(), 10)
            try:
                yield
            finally:
                self.begin_stop()
                stop.set()
                await asyncio.wait([opening], timeout=25)
                if self._platform is not None and self._vitals is not None:
                    await self._vitals.stop()
                    await self._platform.close()
                telemetry.stop()

    async def _open(self, url: str, stop: asyncio.Event) -> None:
        """Waits for the database if it must, then works until the end where this process is the worker too."""
        while self._platform is None and not stop.is_set():
            try:
                if self.settings.run_worker:
                    await prepare_database(url)
                self._platform = await Platform.open(self.settings, url)
                self._vitals = Vitals("web", self._platform.db, self._platform.hub, self._platform.signals)
                self._vitals.start()
            except DatabaseGone:
                _log.warning("database_awaited")
                await asyncio.sleep(0.5)
            except Exception as error:
                # Closed for a restore, not migrated yet, broken off in the middle: whatever keeps us from opening may be
                # over in a moment, and a process that gave up would answer 503 for ever. Its text may quote a row.
                error_reports.report(error, step="open")
                _log.error("not_opened", error=type(error).__name__, sqlstate=getattr(error, "sqlstate", None))
                await asyncio.sleep(1.0)
        self._opened.set()
        if self._platform is not None:
            recorder = Recorder(self._platform.db)
            await recorder.write()  # first, so that the status page finds this process at work
            work = [recorder.keep(stop), self._platform.board.keep_warm(stop)]
            if self.settings.run_worker:
                work.append(Worker(self._platform).run(stop))
            await asyncio.gather(*work)

    def _tell_when_stopped(self) -> None:
        """Under a server that does not call begin_stop (plain uvicorn), its own signal handler is preceded by ours."""
        for number in (signal.SIGTERM, signal.SIGINT):
            before = signal.getsignal(number)
            if not callable(before) or getattr(before, "__name__", "") != "handle_exit":
                continue

            def stop(received: int, frame: FrameType | None, then: Any = before) -> None:
                self.begin_stop()
                then(received, frame)

            with contextlib.suppress(ValueError):  # not the main thread: then there are no signals here
                signal.signal(number, stop)


async def _database_url(settings: Settings, stack: contextlib.AsyncExitStack) -> str:
    """The configured database, else the embedded one, which ends with this process if it began with it."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    postgres = EmbeddedPostgres(settings.data_dir / "postgres")
    was_running = postgres.alive()
    url = await asyncio.to_thread(postgres.start)
    if not was_running:
        stack.push_async_callback(asyncio.to_thread, postgres.stop)
    return url


def create_app(settings: Settings | None = None) -> Application:
    """The application; without settings they are read from the environment."""
    if settings is None:
        settings = load_settings()
        configure(settings.log_format, level=settings.log_level)
        telemetry.start(settings, role="web")
    return Application(settings)

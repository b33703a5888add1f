"""What runs inside a web process or the worker of `namaskah serve`.

It loads its code at once, waits on standard input for the line that says where the database is, and reports
when it is ready. When that input ends, the supervisor has died: it then stops by itself, and stops the
embedded PostgreSQL too.
"""

import asyncio
import contextlib
import gc
import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from namaskah.core.settings import Settings

# After the supervisor's death nobody would kill a child that hangs.
ALONE_SECONDS: Final = 28.0


def main() -> None:
    """`child.py ROLE REPORT_FD LISTENER_FD`, started by the supervisor only; a spare has the role `any` at first."""
    role, report, listener = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _call_it(role)
    if role != "web":
        import namaskah.worker
    if role != "worker":
        import namaskah.app
        import namaskah.cli.web_server  # noqa: F401
    # Unbuffered: a thread that waits inside a buffered reader would break the interpreter's end.
    with open(0, "rb", buffering=0, closefd=False) as stdin:
        line = stdin.readline()
    if not line:
        return
    orders = json.loads(line)
    role = orders.get("role", role)
    _call_it(role)
    alone = threading.Event()
    threading.Thread(target=_watch_supervisor, args=(alone,), daemon=True).start()
    settings = _settings(orders["database_url"])
    _start_telemetry(settings, role)
    if role == "web":
        _serve_web(settings, listener, report)
    else:
        if listener >= 0:
            os.close(listener)  # held open here, it would go on taking connections that nobody answers
        import uvloop

        uvloop.run(_work(settings, orders["database_url"], report))
    if alone.is_set() and orders["embedded"] is not None:
        _stop_postgres(Path(orders["embedded"]))


def _call_it(role: str) -> None:
    """What `ps` and `top` show: namaskah-web, namaskah-worker, or namaskah-spare."""
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(f"namaskah-{'spare' if role == 'any' else role}")


def _settings(url: str) -> "Settings":
    from pydantic import SecretStr

    from namaskah.core.logs import configure
    from namaskah.core.settings import load_settings

    settings = load_settings()
    configure(settings.log_format, level=settings.log_level)
    return settings.model_copy(update={"database_url": SecretStr(url), "run_worker": False})


def _start_telemetry(settings: "Settings", role: str) -> None:
    from namaskah.core import telemetry

    telemetry.start(settings, role="web" if role == "web" else "worker")


def _watch_supervisor(alone: threading.Event) -> None:
    while os.read(0, 1024):
        pass
    alone.set()
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(ALONE_SECONDS)
    os._exit(1)


def _stop_postgres(folder: Path) -> None:
    """The supervisor would have done it; another one that uses the same folder keeps its server."""
    from namaskah.core.embedded import EmbeddedPostgres

    postgres = EmbeddedPostgres(folder)
    if postgres.alive():
        postgres.start()
        postgres.stop()


def _tell_ready(report: int) -> None:
    gc.collect()
    gc.freeze()  # what was loaded stays for good; looking through it again costs milliseconds each time
    with contextlib.suppress(BrokenPipeError):  # the supervisor has gone, which the other pipe tells too
        os.write(report, b"ready\n")
        os.close(report)


def _serve_web(settings: "Settings", listener: int, report: int) -> None:
    from namaskah.app import create_app
    from namaskah.cli.web_server import WebServer, not_ready_seconds, server_config

    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: asked.append(number))
    app: Any = create_app(settings)
    server = WebServer(
        server_config(app, settings),
        on_ready=lambda: _tell_ready(report),
        asked=asked,
        not_ready_seconds=not_ready_seconds(settings),
    )
    server.run(sockets=[socket.socket(fileno=listener)])


async def _work(settings: "Settings", url: str, report: int) -> None:
    from namaskah.core import telemetry
    from namaskah.core.errors import Unavailable
    from namaskah.core.metrics_port import MetricsPort
    from namaskah.core.metrics_readers import allowed_networks
    from namaskah.core.vitals import Vitals
    from namaskah.platform import Platform
    from namaskah.worker import Worker

    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    while not stop.is_set():
        try:
            platform = await Platform.open(settings, url)
        except Unavailable:
            # A database that is away is no reason to die: it comes back, and ending would look like a crash.
            await asyncio.sleep(0.5)
            continue
        vitals = Vitals("worker", platform.db, platform.hub, platform.signals)
        vitals.start()
        port = None
        try:
            if settings.metrics_port is not None:
                port = MetricsPort(settings.host, settings.metrics_port, allowed_networks(settings.metrics_allow))
            _tell_ready(report)
            await Worker(platform).run(stop)
        finally:
            if port is not None:
                port.close()
            await vitals.stop()
            await platform.close()
    telemetry.stop()


if __name__ == "__main__":
    main()

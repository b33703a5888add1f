"""Web processes and workers as they really run, each a process of its own, and what they use.

`python -m bench.web FD APP` is what runs inside: the product's app with two more addresses that answer from memory
("hello", the ceiling of every read), or a bare ASGI stream, both under the product's own server configuration.
"""

import asyncio
import contextlib
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.data import SECRET_KEY
from namaskah.core.processes import is_free

_TICKS = os.sysconf("SC_CLK_TCK")
_PORTS = iter(range(21_000, 30_000))


class Process:
    """A running process of ours."""

    def __init__(self, child: "subprocess.Popen[bytes]", port: int = 0) -> None:
        self._child = child
        self.port = port

    @property
    def pid(self) -> int:
        """Its number in the system."""
        return self._child.pid

    def open_files(self) -> int:
        """How many descriptors it holds: connections, files, pipes."""
        return len(list(Path(f"/proc/{self._child.pid}/fd").iterdir()))

    def processor_seconds(self) -> float:
        """What it has used so far."""
        fields = Path(f"/proc/{self._child.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def memory_bytes(self) -> int:
        """What of it lies in memory (RSS)."""
        pages = int(Path(f"/proc/{self._child.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def stop(self) -> None:
        """Asks it to end, and ends it when it does not."""
        if self._child.stdin is not None:
            self._child.stdin.close()
        self._child.terminate()
        try:
            self._child.wait(10)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


def _listener() -> socket.socket:
    """On a free port below those that the system gives to outgoing connections."""
    for port in _PORTS:
        if is_free(port):
            with contextlib.suppress(OSError):
                return socket.create_server(("127.0.0.1", port), backlog=2048)
    raise RuntimeError("no free port is left")


def _environment(url: str, more: dict[str, str] | None = None) -> dict[str, str]:
    ours = {
        "DATABASE_URL": url, "NAMASKAH_SECRET_KEY": SECRET_KEY.hex(), "ENVIRONMENT": "test", "NAMASKAH_RUN_WORKER": "false",
        # The fence against runaway clients, which a load generator is.
        "REQUESTS_PER_MINUTE": "1000000000", "LOG_LEVEL": "WARNING", "MESSAGE_RETENTION_DAYS": "90", "NUMBER_MASK_DAYS": "365",
    }  # fmt: skip
    return os.environ | ours | (more or {})


@contextlib.contextmanager
def web(url: str, *, processes: int = 1, app: str = "namaskah", more: dict[str, str] | None = None) -> Iterator[list[Process]]:
    """Web processes, each with a port of its own, ready to answer; `more` are settings beside the usual ones."""
    with contextlib.ExitStack() as stack:
        started = []
        for _ in range(processes):
            with _listener() as listener:
                port = listener.getsockname()[1]
                child = subprocess.Popen(
                    [sys.executable, "-m", "bench.web", str(listener.fileno()), app], env=_environment(url, more),
                    pass_fds=[listener.fileno()], stdin=subprocess.DEVNULL,
                )  # fmt: skip
            process = Process(child, port)
            stack.callback(process.stop)
            started.append(process)
        for process in started:
            with urllib.request.urlopen(f"http://127.0.0.1:{process.port}/livez", timeout=120):
                pass
        yield started


@contextlib.contextmanager
def worker(url: str, *, more: dict[str, str] | None = None) -> Iterator[Process]:
    """The worker as `namaskah serve` runs it; `more` are settings beside the usual ones."""
    reading, writing = os.pipe()
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "namaskah.cli.child", "worker", str(writing), "-1"], env=_environment(url, more), pass_fds=[writing],
        stdin=subprocess.PIPE,
    )  # fmt: skip
    os.close(writing)
    process = Process(child)
    try:
        assert child.stdin is not None
        child.stdin.write(json.dumps({"database_url": url, "embedded": None}).encode() + b"\n")
        child.stdin.flush()
        if os.read(reading, 16) != b"ready\n":
            raise RuntimeError("the worker did not start")
        yield process
    finally:
        os.close(reading)
        process.stop()


def get(port: int, path: str, key: str | None = None) -> bytes:
    """One answer's body."""
    wanted = urllib.request.Request(f"http://127.0.0.1:{port}{path}")
    if key is not None:
        wanted.add_header("Authorization", f"Bearer {key}")
    with urllib.request.urlopen(wanted, timeout=30) as answer:
        return bytes(answer.read())


def _app_with_hello() -> Any:
    from fastapi import FastAPI, Response
    from fastapi.routing import APIRoute

    from namaskah.app import create_app

    async def hello() -> dict[str, str]:
        return {"hello": "world"}

    large: dict[int, bytes] = {}

    async def hello_large(size: int) -> Response:
        if size not in large:
            large[size] = b"x" * size
        return Response(large[size], media_type="application/json")

    app: FastAPI = create_app()
    # In front of the pages, which take every address that is left.
    app.router.routes.insert(0, APIRoute("/hello/{size}", hello_large))
    app.router.routes.insert(0, APIRoute("/hello", hello))
    return app


async def _bare(scope: Any, receive: Any, send: Any) -> None:
    """A stream with nothing around it."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if scope["path"] == "/livez":
        await send({"type": "http.response.body", "body": b"ok"})
        return
    await send({"type": "http.response.body", "body": b": begin\n\n", "more_body": True})
    # As every stream must, it waits for news, with a limit after which it says that it is still there.
    while True:
        await asyncio.wait_for(asyncio.get_running_loop().create_future(), 3600)


def main() -> None:
    """Serves on the inherited socket until it is asked to end."""
    import uvicorn

    from namaskah.cli.web_server import server_config
    from namaskah.core.settings import load_settings

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    listener = socket.socket(fileno=int(sys.argv[1]))
    app = _bare if sys.argv[2] == "bare" else _app_with_hello()
    server = uvicorn.Server(server_config(app, load_settings()))
    # As the product's processes do once their code is loaded.
    gc.collect()
    gc.freeze()
    server.run(sockets=[listener])


def settled_memory(process: Process) -> int:
    """Its memory once it has stopped growing."""
    before = process.memory_bytes()
    for _ in range(20):
        time.sleep(0.25)
        now = process.memory_bytes()
        if now == before:
            return now
        before = now
    return before


if __name__ == "__main__":
    main()

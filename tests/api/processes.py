"""Starts and ends processes that serve the API."""

import asyncio
import contextlib
import os
import random
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

_ROOT = Path(__file__).parents[2]


def free_port() -> int:
    """Below the range from which clients take theirs, so that no other connection sits on it."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Process:
    """A server; `base` is where its API is."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process = process
        self.base = f"http://127.0.0.1:{port}/api/v2"

    @property
    def pid(self) -> int:
        return self._process.pid

    def terminate(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    async def ends_as_asked(self) -> bool:
        """Whether it ends soon, and by the SIGTERM that uvicorn raises again when it is done."""
        return await asyncio.wait_for(self._process.wait(), 15) in (0, -signal.SIGTERM)


@contextlib.asynccontextmanager
async def serving(database_url: str) -> AsyncIterator[Process]:
    """A server on this database, ready to be asked."""
    port = free_port()
    environment = {**os.environ, "TEST_DATABASE_URL_OF_PROCESS": database_url}
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.api.serve", str(port), cwd=_ROOT, env=environment)
    try:
        async with asyncio.timeout(20):
            while not await _answers(port):
                assert process.returncode is None, "the server ended before it began"
                await asyncio.sleep(0.05)
        yield Process(process, port)
    finally:
        if process.returncode is None:
            process.terminate()
            await asyncio.wait_for(process.wait(), 20)


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True

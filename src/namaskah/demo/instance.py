"""A whole platform for the demo: `namaskah serve` on a free port and an empty folder, gone when the demo ends."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2

from namaskah.core.db import Database
from namaskah.core.embedded import EmbeddedPostgres
from namaskah.core.logs import configure
from namaskah.core.settings import Settings, load_settings

# Long enough for every purchase of the demo, short enough to see one expire.
LIFETIME_SECONDS = 15
_START_SECONDS = 60


class DidNotStart(Exception):
    """The platform did not answer in time; the message holds the end of its log."""


class Instance:
    """The running platform: its address, its settings, and its database for the operator's part."""

    def __init__(self, url: str, settings: Settings, db: Database) -> None:
        self.url = url
        self.settings = settings
        self.db = db


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[Instance]:
    """Starts everything and stops it again. Raises DidNotStart."""
    with tempfile.TemporaryDirectory(prefix="namaskah-demo-") as folder:
        port = _free_port()
        environment = {
            **{name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
            "ENVIRONMENT": "development", "NAMASKAH_DATA_DIR": folder, "PORT": str(port), "LOG_LEVEL": "WARNING",
            "VERIFICATION_MINUTES": str(LIFETIME_SECONDS / 60), "INVENTORY_COOLDOWN_SECONDS": "0",
            "REQUESTS_PER_MINUTE": "1000000",
        }  # fmt: skip
        log = Path(folder) / "serve.log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "namaskah.cli", "serve", "--no-demo", "--workers", "2",
                env=environment, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        try:
            url = f"http://127.0.0.1:{port}"
            await _wait(url, process, log)
            yield await _open(url, folder, environment)
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), 35)
            except TimeoutError:
                process.kill()
                await process.wait()


async def _open(url: str, folder: str, environment: dict[str, str]) -> Instance:
    os.environ.update({name: environment[name] for name in ("ENVIRONMENT", "NAMASKAH_DATA_DIR")})
    os.environ.pop("DATABASE_URL", None)
    settings = load_settings()
    configure("pretty", level="WARNING")  # to standard error: standard output may be read by a program
    database_url = await asyncio.to_thread(EmbeddedPostgres(Path(folder) / "postgres").start)
    return Instance(url, settings, await Database.open(database_url, max_size=4))


async def _wait(url: str, process: asyncio.subprocess.Process, log: Path) -> None:
    async with httpx2.AsyncClient(timeout=2) as client:
        for _ in range(_START_SECONDS * 20):
            if process.returncode is not None:
                break
            with contextlib.suppress(httpx2.HTTPError):
                if (await client.get(f"{url}/health")).status_code == 200:
                    return
            await asyncio.sleep(0.05)
    raise DidNotStart((await asyncio.to_thread(log.read_text, "utf-8", "replace"))[-2000:])


def _free_port() -> int:
    # Below the ports that the system gives to outgoing connections, one of which could take it in between.
    for port in range(20_000 + os.getpid() % 5000, 32_000):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise DidNotStart("no free port below 32000")

"""One process that serves the API under uvicorn, for the tests that need real connections: `python -m tests.api.serve PORT`.

The database's URL comes in the environment. SIGTERM ends it as in production: streams close first.
"""

import asyncio
import os
import sys
from types import FrameType

import uvicorn
import uvloop

from namaskah.api.app import ApiApp
from namaskah.core.logs import configure
from namaskah.core.observed import Observed
from namaskah.platform import Platform
from namaskah.worker import Worker
from tests.api.customers import SETTINGS


class Server(uvicorn.Server):
    platform: Platform

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.platform.hub.drain()
        super().handle_exit(sig, frame)


async def serve(port: int, url: str) -> None:
    platform = await Platform.open(SETTINGS, url)
    app = Observed(ApiApp(lambda: platform))
    server = Server(
        uvicorn.Config(
            app, host="127.0.0.1", port=port, lifespan="off", access_log=False, log_level="warning",
            loop="uvloop", http="httptools",
        )
    )  # fmt: skip
    server.platform = platform
    stop = asyncio.Event()
    working = asyncio.create_task(Worker(platform).run(stop))
    await server.serve()
    stop.set()
    await working
    await platform.close()


if __name__ == "__main__":
    configure("json")
    uvloop.run(serve(int(sys.argv[1]), os.environ["TEST_DATABASE_URL_OF_PROCESS"]))

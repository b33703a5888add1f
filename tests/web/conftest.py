"""The pages as visitors meet them: the ASGI application on a real platform, asked over HTTP in this process."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from namaskah.core.settings import Settings
from namaskah.platform import Platform
from namaskah.web.app import WebApp
from namaskah.worker import Worker
from tests.web.browser import Browser

# The key of tests/factories.py, so that messages which the factories record can be read by the platform.
SETTINGS = Settings(_env_file=None, environment="test", secret_key=bytes(range(32)).hex())


@pytest.fixture
async def platform(database_url: str) -> AsyncIterator[Platform]:
    opened = await Platform.open(SETTINGS, database_url)
    yield opened
    await opened.close()


@pytest.fixture
def app(platform: Platform) -> WebApp:
    return WebApp(lambda: platform)


@pytest.fixture
async def visitor(app: WebApp) -> AsyncIterator[Browser]:
    """Somebody who is not signed in."""
    browser = Browser(app)
    yield browser
    await browser.client.aclose()


@pytest.fixture
async def other(app: WebApp) -> AsyncIterator[Browser]:
    """Another person, with an account."""
    browser = Browser(app)
    await browser.sign_up("other@example.com")
    yield browser
    await browser.client.aclose()


@pytest.fixture
async def member(visitor: Browser) -> Browser:
    """Somebody who has just signed up: no real money, and 100 USD of test money."""
    await visitor.sign_up()
    return visitor


@pytest.fixture
async def worker(platform: Platform) -> AsyncIterator[Worker]:
    """A worker beside the pages: it polls the sandbox and settles what is due."""
    stop = asyncio.Event()
    working = Worker(platform)
    task = asyncio.create_task(working.run(stop))
    yield working
    stop.set()
    await asyncio.wait_for(task, 15)

"""The API as its customers meet it: the ASGI application on a real platform, asked over HTTP in this process."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx2
import pytest

from namaskah.accounts.api_keys import create
from namaskah.accounts.principal import Principal
from namaskah.api.app import ApiApp
from namaskah.core.settings import Settings
from namaskah.platform import Platform
from namaskah.worker import Worker
from tests.api.customers import SETTINGS, Customer, client_of
from tests.factories import customer, own_numbers

NewCustomer = Callable[..., Awaitable[Customer]]


@pytest.fixture
def settings() -> Settings:
    return SETTINGS


@pytest.fixture
async def platform(database_url: str, settings: Settings) -> AsyncIterator[Platform]:
    opened = await Platform.open(settings, database_url)
    yield opened
    await opened.close()


@pytest.fixture
def app(platform: Platform) -> ApiApp:
    return ApiApp(lambda: platform)


@pytest.fixture
async def anonymous(app: ApiApp) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(app) as client:
        yield client


@pytest.fixture
async def new_customer(app: ApiApp, platform: Platform) -> AsyncIterator[NewCustomer]:
    """Makes customers, each with a key and a client that sends it."""
    clients: list[httpx2.AsyncClient] = []

    async def make(
        *, livemode: bool = True, of: Principal | None = None, plan: str = "enterprise", balance: str = "10.00"
    ) -> Customer:
        who = of or await customer(platform.db, livemode=livemode, plan=plan, balance=balance)
        key, secret = await create(platform.db, user_id=who.user_id, livemode=livemode, name="tests")
        client = client_of(app, secret)
        clients.append(client)
        return Customer(client, Principal(who.user_id, livemode, key.id), secret)

    yield make
    for client in clients:
        await client.aclose()


@pytest.fixture
async def live(new_customer: NewCustomer, platform: Platform) -> Customer:
    """A customer with 10 USD, and 20 numbers of our own to buy."""
    await own_numbers(platform.db, 20)
    return await new_customer()


@pytest.fixture
async def tester(new_customer: NewCustomer) -> Customer:
    """A customer of the test mode with 10 USD that are none."""
    return await new_customer(livemode=False)


@pytest.fixture
async def worker(platform: Platform) -> AsyncIterator[Worker]:
    """A worker beside the API: it polls the sandbox and settles what is due."""
    stop = asyncio.Event()
    working = Worker(platform)
    task = asyncio.create_task(working.run(stop))
    yield working
    stop.set()
    await asyncio.wait_for(task, 15)

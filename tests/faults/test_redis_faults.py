"""Requests while Redis dies, hangs and comes back: all are answered, few wait for it, and soon it is used again."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest

from namaskah.accounts.api_keys import create
from namaskah.api.app import ApiApp
from namaskah.app import Application
from namaskah.cli.doctor_checks import cache
from namaskah.core import metrics
from namaskah.core.settings import Settings
from namaskah.platform import Platform
from tests.api.customers import SETTINGS, client_of
from tests.factories import customer
from tests.redis_server import RedisServer, redis_server, silent_server


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with redis_server() as started:
        yield started


class Shop:
    """A web process's API on that Redis, and a customer who asks for another service each time: memory has none of them."""

    def __init__(self, platform: Platform, client: httpx2.AsyncClient, services: list[str]) -> None:
        self.platform = platform
        self._client = client
        self._services = itertools.cycle(services)

    async def asks(self, times: int) -> float:
        """How many of so many requests asked Redis. None failed."""
        before = _calls()
        for service in itertools.islice(self._services, times):
            # What memory has would be answered without a look at Redis.
            self.platform.catalogue._offers.forget_all()
            answer = await self._client.get("/offers", params={"service": service})
            assert answer.status_code == 200, answer.text
        return _calls() - before

    async def has_redis(self) -> None:
        """Within five seconds all requests ask Redis; on a busy machine one of them may miss a beat."""
        async with asyncio.timeout(5):
            while await self.asks(5) < 5:
                await asyncio.sleep(0.005)


def _calls() -> float:
    return sum(sample.value for sample in metrics.CACHE_SECONDS.collect()[0].samples if sample.name.endswith("_count"))


async def shop_on(database_url: str, redis_url: str) -> AsyncIterator[Shop]:
    settings = Settings(_env_file=None, **SETTINGS.model_dump(exclude={"redis_url"}), redis_url=redis_url)
    platform = await Platform.open(settings, database_url)
    who = await customer(platform.db, livemode=True, plan="free", balance="1.00")
    _key, secret = await create(platform.db, user_id=who.user_id, livemode=True, name="tests")
    rows = await platform.db.fetch("SELECT slug FROM services WHERE NOT blocked AND NOT sandbox ORDER BY slug LIMIT 50")
    async with client_of(ApiApp(lambda: platform), secret) as client:
        yield Shop(platform, client, [row["slug"] for row in rows])
    await platform.close()


@pytest.fixture
async def shop(database_url: str, server: RedisServer) -> AsyncIterator[Shop]:
    async for made in shop_on(database_url, server.url):
        await made.has_redis()
        yield made


async def test_a_killed_redis_fails_no_request_and_is_used_again(shop: Shop, server: RedisServer) -> None:
    server.kill()
    assert await shop.asks(50) <= 3
    server.start()
    await shop.has_redis()


async def test_a_hung_redis_holds_up_few_requests_and_is_used_again(shop: Shop, server: RedisServer) -> None:
    server.hang()
    started = time.monotonic()
    # One waits its fifty milliseconds, three where the machine is busy; from then on nobody does.
    assert await shop.asks(100) <= 3
    assert await shop.asks(100) == 0
    assert time.monotonic() - started < 10
    server.go_on()
    await shop.has_redis()


async def test_a_redis_that_never_says_a_word_is_never_asked(database_url: str) -> None:
    with silent_server() as url:
        async for shop in shop_on(database_url, url):
            assert await shop.asks(50) == 0


async def test_health_says_whether_it_is_there_and_is_well_without_it(database_url: str, server: RedisServer) -> None:
    settings = Settings(
        _env_file=None, environment="test", database_url=database_url, secret_key="0123456789abcdef" * 4, redis_url=server.url
    )
    app = Application(settings)
    async with app.router.lifespan_context(app), httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app)) as client:

        async def says(state: str) -> None:
            async with asyncio.timeout(10):
                while (answer := await client.get("http://test/health")).json()["cache"] != state:
                    await asyncio.sleep(0.01)
            assert answer.status_code == 200

        await says("ok")
        server.kill()
        await says("down")
        server.start()
        await says("ok")


async def test_the_doctor_says_what_is_the_matter_and_never_the_password(server: RedisServer) -> None:
    def settings(url: str | None) -> Settings:
        return Settings(_env_file=None, environment="test", redis_url=url)

    assert (await cache(None, settings(None), "")).verdict == "OK"
    assert (await cache(None, settings(server.url), "")).verdict in ("OK", "WARN")
    server.kill()
    for url in (server.url, "redis://:hunter2@127.0.0.1:1/0", "http://:hunter2@localhost"):
        finding = await cache(None, settings(url), "")
        assert finding.verdict == "WARN"
        assert finding.mends
        assert "hunter2" not in str(finding)

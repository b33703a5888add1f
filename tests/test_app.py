"""The application as a whole: it opens when the database lets it, however that began."""

import asyncio
from urllib.parse import urlsplit

import asyncpg
import pytest
from pydantic import SecretStr

from namaskah.app import Application
from namaskah.core.db import DatabaseGone
from namaskah.core.settings import Settings
from tests.postgres import with_database


@pytest.mark.parametrize("run_worker", [False, True])
async def test_a_database_that_refuses_at_first_is_opened_as_soon_as_it_allows_it(database_url, run_worker):
    settings = Settings(
        environment="test", database_url=SecretStr(database_url), secret_key=SecretStr("0123456789abcdef" * 4)
    ).model_copy(update={"run_worker": run_worker})
    app = Application(settings)
    name = urlsplit(database_url).path[1:]
    operator = await asyncpg.connect(with_database(database_url, "postgres"))
    # As during a restore; a role or a database that is made only later is refused in the same way.
    await operator.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')

    async def allow() -> None:
        await asyncio.sleep(0.5)
        with pytest.raises(DatabaseGone):
            app.platform()
        await operator.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')

    try:
        allowing = asyncio.create_task(allow())
        async with app.router.lifespan_context(app):
            await allowing
            assert await app.platform().db.fetchval("SELECT 1") == 1
    finally:
        await operator.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        await operator.close()

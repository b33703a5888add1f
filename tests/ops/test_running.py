"""A running instance measures itself: web processes and workers write their minutes, and a worker rolls them up."""

import asyncio

import httpx2
from pydantic import SecretStr

from namaskah.app import Application
from namaskah.core.settings import Settings


async def until(db, query):
    async with asyncio.timeout(15):
        while not await db.fetchval(query):
            await asyncio.sleep(0.02)


async def test_an_instance_writes_its_minutes_rolls_them_up_and_shows_them(database_url, db):
    settings = Settings(environment="test", database_url=SecretStr(database_url), secret_key=SecretStr("0123456789abcdef" * 4))
    app = Application(settings)
    client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://status.test")
    async with app.router.lifespan_context(app):
        for kind in ("web", "worker"):
            await until(db, f"SELECT count(*) FROM status_minutes WHERE kind = '{kind}' AND NOT missed")
        await until(db, "SELECT count(*) FROM jobs WHERE kind = 'status_roll_up'")
        await db.execute("UPDATE jobs SET due_at = now() WHERE kind = 'status_roll_up'")
        await until(db, "SELECT count(*) FROM schema_state WHERE name = 'status'")
        app.platform().board._tried_at -= 60
        app.platform().board._read_at -= 60
        answer = (await client.get("/status.json")).json()
        before = await db.fetchval("SELECT sum(ok) FROM status_minutes")
        assert (await client.get("/sign-in")).status_code == 200
    await client.aclose()
    assert [(part["id"], part["state"]) for part in answer["components"]] == [
        ("api", "operational"), ("processing", "operational"), ("payments", "not_offered")
    ]  # fmt: skip
    assert answer["state"] == "operational"
    assert await db.fetchval("SELECT sum(ok) FROM status_minutes") >= before + 1, "what was answered last is written at the end"

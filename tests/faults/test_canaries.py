"""Canaries: a number, a text, a code, an e-mail, a password, keys and secrets go through every flow of a running instance
whose logs are at DEBUG, and none of them may be found in any log, also not when things go wrong on the way."""

import asyncio
import os
import re
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from namaskah.core.db import Database
from namaskah.wallet.adjust import credit
from tests.cli.served import wait_for
from tests.faults.shop import Shop, serve

PASSWORD = "canary-passphrase-with-feathers"
EMAIL = "yellow.canary@example.com"
TEXT = "The canary sings: your code is 918273, says the cage"


async def sign_up(shop: Shop) -> list[str]:
    """Through the web page, as a person does; answers the session's tokens."""
    same = {"origin": shop.served.url}
    version = re.search(r'name="terms_version" value="([^"]+)"', (await shop.http.get("/sign-up")).text)
    assert version is not None
    fields = {"email": EMAIL, "password": PASSWORD, "terms": "accepted", "terms_version": version.group(1)}
    made = await shop.http.post("/sign-up", data=fields, headers=same)
    assert made.status_code == 303, made.text
    for password in (PASSWORD + "!", PASSWORD):
        await shop.http.post("/sign-in", data={**fields, "password": password}, headers=same)
    await shop.http.post("/sign-up", data=fields, headers=same)
    return [value for value in shop.http.cookies.values() if len(value) > 16]


async def every_flow(shop: Shop) -> str:
    """Purchases, codes, refusals, nonsense; answers the number."""
    buyer = shop.buyers[0]
    order = (await shop.ask(buyer, "POST", "/verifications", json={"service": "telegram", "country": "us"})).json()
    number = order["number"]
    assert (await shop.deliver("canary-1", number, TEXT)).status_code == 200
    await shop.deliver("canary-1", number, TEXT)
    await shop.deliver("canary-2", "+1202" + "x", TEXT)
    secret, shop._secret = shop._secret, b"x" * 32
    assert (await shop.deliver("canary-3", number, TEXT)).status_code == 401
    shop._secret = secret
    read = (await shop.ask(buyer, "GET", f"/verifications/{order['id']}?wait=1")).json()
    assert read["code"] == "918273"
    for verb in ("cancel", "another-code", "finish", "reuse", "report"):
        await shop.ask(buyer, "POST", f"/verifications/{order['id']}/{verb}", json={"reason": TEXT} if verb == "report" else None)
    await shop.ask(buyer, "POST", "/verifications", json={"service": "telegram", "country": "us", "metadata": {"note": TEXT}})
    await shop.ask(buyer, "POST", "/verifications", content=TEXT.encode(), headers={"content-type": "application/json"})
    await shop.ask(buyer, "GET", f"/verifications?service={number}&cursor={TEXT}")
    made = await shop.ask(buyer, "POST", "/api-keys", json={"name": "canary", "livemode": False})
    await shop.ask(buyer._replace(headers={"authorization": "Bearer " + EMAIL}), "GET", "/wallet")
    return number + "\n" + "\n".join(re.findall(r"nmk_(?:live|test)_\w+", made.text))


async def in_trouble(shop: Shop) -> None:
    """PostgreSQL dies in the middle of purchases and messages: errors are logged then."""
    pid = shop.postgres.pid
    assert pid is not None
    buyer = shop.buyers[0]
    wishes = [shop.ask(buyer, "POST", "/verifications", json={"service": "whatsapp", "country": "us"}) for _ in range(20)]
    texts = [shop.deliver(f"canary-late-{n}", "+12022000001", TEXT) for n in range(20)]
    os.kill(pid, signal.SIGKILL)
    await asyncio.gather(*wishes, *texts)
    await asyncio.to_thread(wait_for, lambda: shop.served.status("/readyz") == 200, 30)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


async def test_no_log_ever_holds_what_is_private(folder: Path) -> None:
    served = serve(folder, "--workers", "2", LOG_LEVEL="DEBUG")
    try:
        served.until_ready()
        shop = Shop(served)
        await shop.open(buyers=1, numbers=60, balance="100")
        private: list[Any] = [*await sign_up(shop), *(await every_flow(shop)).split("\n")]
        await in_trouble(shop)
        db = await Database.open(shop.postgres.url)
        await credit(db, user_id=shop.buyers[0].user_id, amount_micros=1, reason=TEXT, actor_id="system")
        email = await db.fetchval("SELECT email FROM users WHERE id = $1", shop.buyers[0].user_id)
        await db.close()
        await shop.close()
        served.stop()
    finally:
        served.end()
    private += [email, EMAIL, PASSWORD, TEXT, "canary sings", "918273", shop.buyers[0].headers["authorization"][7:]]
    private += ["whsec_", (folder / "secret.key").read_text().strip(), (folder / "postgres" / "password").read_text().strip()]
    private += [private_number.lstrip("+") for private_number in private if private_number.startswith("+")]
    logs = served.output + "".join(log.read_text() for log in (folder / "postgres").glob("server.log*"))
    assert "PostgreSQL has ended" in logs, "the logs that were searched are not those of the instance"
    assert [canary for canary in private if canary in logs] == []
    assert msgspec.json.encode(EMAIL).decode().strip('"') not in logs

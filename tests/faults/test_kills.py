"""kill -9 of a web process, a worker and PostgreSQL, again and again in the middle of business.

Whatever was acknowledged is there, once; what was in doubt happened once or not at all; every order is settled within a
minute; the first success comes within five seconds. NAMASKAH_FAULT_ORDERS and NAMASKAH_FAULT_KILLS change how much of it.
"""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.cli.conftest import environment
from tests.faults.load import History, Load
from tests.faults.shop import Shop, serve

# With -m "not slow" it is left out.
pytestmark = pytest.mark.slow
ORDERS = int(os.environ.get("NAMASKAH_FAULT_ORDERS", "5000"))
KILLS = int(os.environ.get("NAMASKAH_FAULT_KILLS", "20"))
PARTS = ("web", "postgres", "worker", "web", "backend")
_FATES = """
SELECT v.id, v.user_id, v.status, v.charged, v.price_micros, k.key, v.expires_at, v.settled_at, r.kind,
       (SELECT count(*) FROM messages m WHERE m.verification_id = v.id) AS messages
FROM verifications v LEFT JOIN hold_resolutions r ON r.hold_id = v.hold_id
LEFT JOIN idempotency_keys k ON k.verification_id = v.id
"""
_OPEN = "SELECT count(*) FROM verifications WHERE status IN ('requesting', 'pending')"
_UNHANDLED = "SELECT count(*) FROM messages WHERE handled_at IS NULL"
_LATEST = "SELECT max(extract(epoch FROM settled_at - expires_at))::float8 FROM verifications WHERE status = 'expired'"
_GAPS = """
SELECT count(*) FROM wallets w, LATERAL (SELECT count(*) AS n, coalesce(max(seq), 0) AS last FROM events e
WHERE e.user_id = w.user_id AND e.livemode = w.livemode) e WHERE e.n <> w.event_seq OR e.last <> w.event_seq
"""
_STUCK = """
SELECT count(*) FROM numbers n JOIN verifications v ON v.id = n.verification_id WHERE n.busy AND v.closed_at IS NOT NULL
"""


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    """Two web processes and two workers on one data folder, under two supervisors."""
    first = serve(tmp_path / "data", "--workers", "2", VERIFICATION_MINUTES="1")
    second = None
    try:
        first.until_ready()
        second = serve(tmp_path / "data", "--role", "worker", VERIFICATION_MINUTES="1")
        second.until_ready()
        opened = Shop(first)
        await opened.open(buyers=6, numbers=ORDERS + 500, balance="20000")
        yield opened
        await opened.close()
    finally:
        if second is not None:
            second.end()
        first.end()


def kill(shop: Shop, part: str) -> bool:
    """Kills one such process the hard way; False when there is none just now."""
    if part == "postgres":
        pids = [pid] if (pid := shop.postgres.pid) is not None else []
    elif part == "backend":
        pids = shop.served.processes(r"^postgres: .*namaskah .*\[local\]")
    else:
        pids = shop.served.processes(rf"namaskah\.cli\.child {part} ")
    if not pids:
        return False
    os.kill(random.choice(pids), signal.SIGKILL)
    return True


async def kill_all_the_time(shop: Shop, load: Load, kills: list[tuple[float, str]]) -> None:
    """Spreads the kills over the load, so that each comes into the middle of it."""
    try:
        while len(kills) < KILLS:
            load.allowed = ORDERS * (len(kills) + 2) // (KILLS + 1)
            part = PARTS[len(kills) % len(PARTS)]
            due = ORDERS * (len(kills) + 1) / (KILLS + 1)
            if load.done >= due and kill(shop, part):
                kills.append((time.monotonic(), part))
                # Whoever was killed first gets up before the next one falls.
                await asyncio.sleep(1.5)
            await asyncio.sleep(0.02)
    finally:
        load.allowed = ORDERS


async def until(question: str, connection: Any, seconds: float) -> float:
    """Waits until the answer is nought; answers how many seconds that took."""
    began = time.monotonic()
    while await connection.fetchval(question):
        assert time.monotonic() - began < seconds, question
        await asyncio.sleep(0.25)
    return time.monotonic() - began


def check_each_promise(history: History, fates: dict[str, Any]) -> None:
    """Everything that somebody was told, against what is in the database."""
    for order in history.orders:
        fate = fates[f"order-{order.place}"]
        assert (fate["id"], fate["user_id"]) == (order.id, order.buyer.user_id)
        paid, released = ("completed", True, "capture"), ("cancelled", False, "release")
        outcome = (fate["status"], fate["charged"], fate["kind"])
        match order.plan:
            case "code" | "code_twice":
                assert outcome == paid, order
                assert fate["messages"] == (2 if order.plan == "code_twice" else 1)
            case "cancel":
                assert order.cancelled
                assert outcome == released, order
            case "race":
                assert outcome == (released if order.cancelled else paid), order
                assert fate["messages"] == 1
            case "expire":
                assert outcome == ("expired", False, "release"), order


def ledger_check(shop: Shop) -> dict[str, Any]:
    """What `namaskah ledger check --json` says of it, full."""
    done = subprocess.run(
        [sys.executable, "-m", "namaskah.cli", "ledger", "check", "--json"],
        env=environment(NAMASKAH_DATA_DIR=str(shop.served.folder), ENVIRONMENT="test"),
        capture_output=True, text=True, timeout=60, cwd=shop.served.folder.parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


async def test_nothing_acknowledged_is_lost_or_doubled_whoever_is_killed(shop: Shop, capsys: Any) -> None:
    load = Load(shop, orders=ORDERS, customers=24, expire_until=15, seed=ORDERS)
    kills: list[tuple[float, str]] = []
    began = time.monotonic()
    killing = asyncio.create_task(kill_all_the_time(shop, load, kills))
    await load.run()
    took = time.monotonic() - began
    await killing
    history = load.history
    assert history.surprises == []

    connection = await asyncpg.connect(shop.postgres.url)
    settled = await until(_OPEN, connection, 120)
    await until(_UNHANDLED, connection, 10)
    rows = await connection.fetch(_FATES)
    latest = await connection.fetchval(_LATEST)
    gaps, stuck = await connection.fetchval(_GAPS), await connection.fetchval(_STUCK)
    messages = await connection.fetchval("SELECT count(*) FROM messages")
    spent = await connection.fetchval("SELECT sum(20000 * 1000000::bigint - balance_micros) FROM wallets WHERE livemode")
    await connection.close()

    assert len(rows) == len(history.orders) == ORDERS
    check_each_promise(history, {row["key"]: row for row in rows})
    assert spent == sum(row["price_micros"] for row in rows if row["charged"])
    assert messages == sum({"code": 1, "code_twice": 2, "race": 1}.get(order.plan, 0) for order in history.orders)
    assert (gaps, stuck) == (0, 0)
    report = ledger_check(shop)
    assert (report["ok"], report["drift_micros"]) == (True, 0)
    assert latest is None or latest < 60

    first = [(min((ended - at for start, ended in history.successes if start >= at), default=99.0), part) for at, part in kills]
    slowest = {part: round(max(seconds for seconds, of in first if of == part), 2) for part in dict.fromkeys(p for _, p in kills)}
    with capsys.disabled():
        sys.stdout.write(
            f"\n{len(kills)} kills {dict(Counter(part for _, part in kills))} in {ORDERS} orders and {took:.0f} s: "
            f"{history.unknown} outcomes in doubt, each asked again; seconds to the first success at the most: "
            f"{slowest}, on average {sum(seconds for seconds, _ in first) / max(len(first), 1):.2f}; "
            f"latest refund {latest or 0:.2f} s after its deadline; all settled {settled:.0f} s after the load; "
            f"{dict(Counter(row['status'] for row in rows))}; drift {report['drift_micros']}\n"
        )
    assert len(kills) == KILLS
    assert max(slowest.values()) < 5

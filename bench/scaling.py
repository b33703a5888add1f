"""`python -m bench.scaling`: what each step costs the web process and PostgreSQL (processor time, and the wait that is left
with nobody else there), and how far one to four web processes come without think time. Writes bench/results/scaling.json,
which docs/scaling.md quotes and bench/capacity.py predicts from.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import msgspec
from rich.console import Console
from rich.table import Table

from bench.client import request, run_load
from bench.data import SOURCE_ID, SOURCE_SECRET
from bench.figures import RESULTS
from bench.load import SIGN_INS_A_SECOND, measured
from bench.server import NoRoom, run
from bench.stage import BOUGHT, DATABASE, PASSWORD, Stage, stage
from bench.steps import Level, print_level
from bench.users import expect
from bench.wire import Wire
from namaskah.accounts.passwords import hash_password
from namaskah.core.webhook_signature import secret_bytes, sign

PROCESSES = (1, 2, 3, 4)
WEBHOOKS = 3_000
# Every session of the flow buys four times.
PURCHASES_A_SESSION = 4
_SIZE = "SELECT pg_database_size(current_database()) AS bytes, pg_current_wal_lsn() - '0/0'::pg_lsn AS wal"


class Cost(msgspec.Struct, kw_only=True):
    """What one request of a step costs, in milliseconds: processor time, and the rest of a quick answer's time (disk, wake-ups)."""

    step: str
    web_ms: float
    postgres_ms: float
    wait_ms: float
    a_session: float


class Scale(msgspec.Struct):
    """What is written to scaling.json. Bytes are those of one purchase with its code."""

    costs: list[Cost]
    argon_ms: float
    levels: dict[str, Level]
    disk_bytes: float
    wal_bytes: float
    web_mb: float
    worker_mb: float
    machine_busy: float


def costs(made: Stage, seconds: float, say: Callable[[str], None]) -> list[Cost]:
    """Each step by itself; one web process, so that its processor time is that of the step alone."""
    found = []
    with made.running(1):
        keys = made.keys
        port = made.web[0].port
        orders = made.execute("SELECT id, user_id FROM verifications WHERE status = 'completed' ORDER BY id DESC LIMIT 2000")
        asked: dict[str, tuple[list[bytes], float]] = {
            "sign in": (_sign_ins(), 1),
            "home": (_homes(made), 1),
            "offers": (
                [request("GET", f"/api/v2/offers?service=bench-{n + 1}", key=keys[n]) for n in range(BOUGHT)],
                PURCHASES_A_SESSION,
            ),
            "buy": (_buys(keys), PURCHASES_A_SESSION),
            "read": (
                [
                    request("GET", f"/api/v2/verifications/{row['id']}?wait=30", key=keys[int(row["user_id"][5:]) - 1])
                    for row in orders
                ],
                PURCHASES_A_SESSION,
            ),
            "history": ([request("GET", "/api/v2/verifications?limit=20", key=key) for key in keys[:200]], PURCHASES_A_SESSION),
        }
        for step, (requests, a_session) in asked.items():
            found.append(_cost(made, port, step, requests, a_session, seconds))
            say(
                f"{step}: web {found[-1].web_ms:.3f} ms, PostgreSQL {found[-1].postgres_ms:.3f} ms, wait {found[-1].wait_ms:.2f} ms"
            )
        found.append(_webhook_cost(made))
        say(f"webhook: web {found[-1].web_ms:.3f} ms, PostgreSQL {found[-1].postgres_ms:.3f} ms, wait {found[-1].wait_ms:.2f} ms")
    return found


def _cost(made: Stage, port: int, step: str, requests: list[bytes], a_session: float, seconds: float) -> Cost:
    # Two at a time keep the process busy without a queue whose upkeep would be measured too.
    run_load([port], requests, connections=2, seconds=1)
    before = made.usage()
    load = run_load([port], requests, connections=2, seconds=seconds, warm_up=0.0)
    after = made.usage()
    count = sum(load.statuses.values())
    if set(load.statuses) - {"200", "201", "303"}:
        raise RuntimeError(f"{step} was refused: {load.statuses}")
    web_ms, postgres_ms = (after.web - before.web) / count * 1000, (after.postgres - before.postgres) / count * 1000
    alone = run_load([port], requests, connections=1, seconds=seconds / 2, warm_up=0.1)
    # The quickest tenth, because on a busy machine the median would count the wait for a core as the disk's.
    return _rounded(step, web_ms, postgres_ms, alone.p10_ms, a_session)


def _rounded(step: str, web_ms: float, postgres_ms: float, quiet_ms: float, a_session: float) -> Cost:
    wait = max(0.0, quiet_ms - web_ms - postgres_ms)
    return Cost(
        step=step, web_ms=round(web_ms, 4), postgres_ms=round(postgres_ms, 4), wait_ms=round(wait, 3), a_session=a_session
    )


def _sign_ins() -> list[bytes]:
    """Each from an address of its own."""
    found = []
    for number in range(500):
        body = urlencode({"email": f"user{number + 1}@example.com", "password": PASSWORD, "next": "/"}).encode()
        headers = {"Sec-Fetch-Site": "same-origin", "X-Forwarded-For": f"10.9.{number >> 8}.{number & 255}"}
        found.append(request("POST", "/sign-in", body=body, headers=headers, content="application/x-www-form-urlencoded"))
    return found


def _homes(made: Stage) -> list[bytes]:
    """The home page of some sessions."""

    async def work() -> list[str]:
        cookies = []
        for number in range(50):
            wire = Wire(f"http://127.0.0.1:{made.web[0].port}")
            answer = await wire.post_form(
                "/sign-in", {"email": f"user{number + 1}@example.com", "password": PASSWORD, "next": "/"}
            )
            cookies.append("; ".join(f"{name}={value}" for name, value in expect(answer, 303).cookies.items()))
            wire.close()
        return cookies

    return [request("GET", "/", headers={"Cookie": cookie}) for cookie in run(work())]


def _buys(keys: list[str]) -> list[bytes]:
    return [
        request(
            "POST",
            "/api/v2/verifications",
            key=key,
            body=json.dumps({"service": f"bench-{n % BOUGHT + 1}", "country": "us"}).encode(),
        )
        for n, key in enumerate(keys)
    ]


def _webhook_cost(made: Stage) -> Cost:
    """Messages for numbers that wait, each once; the numbers were bought by the step before."""
    numbers = [
        row["number"]
        for row in made.execute("SELECT number FROM verifications WHERE status = 'pending' ORDER BY id DESC LIMIT $1", WEBHOOKS)
    ]
    secret = secret_bytes(SOURCE_SECRET)
    url = f"http://127.0.0.1:{made.web[0].port}"
    alone: list[float] = []

    async def send(wire: Wire, place: int) -> None:
        message_id = f"cost-{place}"
        body = json.dumps(
            {"message_id": message_id, "to": numbers[place], "from": "Service", "text": f"{place:06d} is your code."}
        ).encode()
        now = int(time.time())
        headers = {
            "webhook_id": message_id,
            "webhook_timestamp": str(now),
            "webhook_signature": sign(secret, message_id, now, body),
        }
        expect(await wire.post_json(f"/inbound/sms/{SOURCE_ID}", body, **headers), 200)

    async def work() -> None:
        wires = [Wire(url), Wire(url)]
        half = len(numbers) // 2
        await asyncio.gather(*(_in_turn(send, wire, range(start, half, 2)) for start, wire in enumerate(wires)))
        used.append(made.usage())
        for place in range(half, min(half + 300, len(numbers))):
            begun = time.perf_counter()
            await send(wires[0], place)
            alone.append((time.perf_counter() - begun) * 1000)
        for wire in wires:
            wire.close()

    used = [made.usage()]
    run(work())
    count = len(numbers) // 2
    web_ms, postgres_ms = (used[1].web - used[0].web) / count * 1000, (used[1].postgres - used[0].postgres) / count * 1000
    return _rounded("webhook", web_ms, postgres_ms, sorted(alone)[len(alone) // 10], PURCHASES_A_SESSION)


async def _in_turn(send: Callable[[Wire, int], Any], wire: Wire, places: range) -> None:
    for place in places:
        await send(wire, place)


def _argon_ms() -> float:
    """Processor time of one password."""
    before = time.process_time()
    for _ in range(10):
        run(hash_password(PASSWORD))
    return (time.process_time() - before) * 100


def scaled(made: Stage, *, users: int, seconds: float, console: Console) -> tuple[dict[str, Level], float, float, float]:
    """One to four processes without think time; disk and WAL bytes of a purchase, megabytes of a process."""
    levels: dict[str, Level] = {}
    bought, web_mb = 0.0, 0.0
    before = made.execute(_SIZE)[0]
    for processes in PROCESSES:
        run(made.server.settle(DATABASE))
        with made.running(processes):
            level = measured(made, users=users, think=0.0, seconds=seconds, sign_ins_a_second=SIGN_INS_A_SECOND)
            web_mb = sum(process.memory_bytes() for process in made.web) / processes / 1e6
        bought += sum(row.count for row in level.steps if row.step == "buy")
        levels[str(processes)] = level
        console.print(f"[bold]{processes} web process{'es' if processes > 1 else ''}[/]")
        print_level(level, console)
    after = made.execute(_SIZE)[0]
    return levels, (after["bytes"] - before["bytes"]) / bought, float(after["wal"] - before["wal"]) / bought, web_mb


def main() -> int:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(prog="python -m bench.scaling", description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0, help="of each level, 1 to 300 (default 15)")
    parser.add_argument("--users", type=int, default=100, help="1 to 1,000 without think time (default 100)")
    options = parser.parse_args()
    if not 1 <= options.seconds <= 300 or not 1 <= options.users <= 1_000:
        parser.error("--seconds must be between 1 and 300, --users between 1 and 1,000")
    console = Console(width=None if sys.stdout.isatty() else 160)
    try:
        with stage(verifications=100_000) as made:
            each = costs(made, min(options.seconds, 4.0), console.print)
            levels, disk, wal, web_mb = scaled(made, users=options.users, seconds=options.seconds, console=console)
            with made.running(1):
                assert made.worker is not None
                worker_mb = made.worker.memory_bytes() / 1e6
    except NoRoom as error:
        print(error, file=sys.stderr)
        return 2
    busy = max(level.machine_busy for level in levels.values())
    found = Scale(each, round(_argon_ms(), 2), levels, round(disk), round(wal), round(web_mb, 1), round(worker_mb, 1), busy)
    path = RESULTS.with_name("scaling.json")
    path.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
    _print(found, console)
    return 0


def _print(found: Scale, console: Console) -> None:
    table = Table(title="what a request costs, in milliseconds", title_justify="left", header_style="bold")
    for name in ("step", "web", "PostgreSQL", "wait", "in a session"):
        table.add_column(name, justify="left" if name == "step" else "right")
    for cost in found.costs:
        table.add_row(cost.step, f"{cost.web_ms:.3f}", f"{cost.postgres_ms:.3f}", f"{cost.wait_ms:.2f}", f"{cost.a_session:g}")
    console.print(table)
    table = Table(title="without think time", title_justify="left", header_style="bold")
    for name in (
        "processes",
        "purchases/s",
        "requests/s",
        "average ms",
        "web",
        "PostgreSQL",
        "worker",
        "generator",
        "other work",
    ):
        table.add_column(name, justify="right")
    for processes, level in found.levels.items():
        used = [level.cores[name] for name in ("web", "postgres", "worker")]
        values = (f"{value:.2f}" for value in (*used, level.generator_cores, level.machine_busy))
        table.add_row(
            processes, f"{level.purchases_a_second:.0f}", f"{level.requests_a_second:.0f}", f"{level.average:.1f}", *values
        )
    console.print(table)
    console.print(
        f"a purchase with its code: {found.disk_bytes:,.0f} bytes on disk, {found.wal_bytes:,.0f} bytes of WAL; a web process {found.web_mb:.0f} MB,"
        f" the worker {found.worker_mb:.0f} MB; a password {found.argon_ms:.1f} ms"
    )


if __name__ == "__main__":
    sys.exit(main())

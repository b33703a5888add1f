"""Customers buy and read while months of messages, events and orders age out: how long they wait, and what is left behind.

Customers come at an even rate, as they do, and not as fast as they are answered: who waits is then seen. What ages works
for five seconds and pauses for five, so that the waits beside it are compared with those of the same minutes.
"""

import http.client
import json
import os
import random
import subprocess
import sys
import threading
import time
from typing import Any

from bench.context import BOUGHT_SERVICES, Bench
from bench.figures import Figure, report
from bench.rows.ledger import _check
from bench.server import run
from bench.web import web

CUSTOMERS, PAUSE_SECONDS = 4, 0.04
SETTLE_SECONDS = 3.0
PATIENCE_SECONDS = 3600
LIMIT_MS = 50.0
_TABLES = ("messages", "events", "verifications", "transactions", "entries", "hold_resolutions")
_SIZES = """
SELECT c.relname AS name, pg_table_size(c.oid) AS bytes, pg_indexes_size(c.oid) AS index_bytes, s.n_dead_tup AS dead, s.n_live_tup AS live
FROM pg_class c JOIN pg_stat_user_tables s ON s.relid = c.oid WHERE c.relname = ANY ($1)
"""
# As many again as there were: they must find the room that the deleted ones left.
_REFILL = """
INSERT INTO events SELECT user_id, livemode, seq + (1 + n) * 100000000::bigint, type, object_id, data, now()
FROM events, generate_series(0, ceil($1 / greatest((SELECT count(*) FROM events), 1)::float8)::integer) n LIMIT $1
"""


class Waits:
    """Customers; of each request when it began (by the clock that all processes share) and how many milliseconds it took."""

    def __init__(self, ports: list[int], keys: list[str]) -> None:
        self._ports, self._keys = ports, keys
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.asked: dict[str, list[tuple[float, float]]] = {"start": [], "read": []}
        self.failed = 0
        self._threads = [threading.Thread(target=self._buy, args=(number,)) for number in range(CUSTOMERS)]

    def __enter__(self) -> "Waits":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _buy(self, number: int) -> None:
        chance = random.Random(number)
        connection = http.client.HTTPConnection("127.0.0.1", self._ports[number % len(self._ports)], timeout=30)
        path, due = "", time.monotonic() + number * PAUSE_SECONDS / CUSTOMERS
        while not self._stop.wait(max(due - time.monotonic(), 0)):
            headers = {"Authorization": f"Bearer {self._keys[number]}"}
            body = json.dumps({"service": f"bench-{chance.randint(1, BOUGHT_SERVICES)}", "country": "us"})
            started = time.monotonic()
            if path:
                connection.request("GET", path, headers=headers)
            else:
                connection.request("POST", "/api/v2/verifications", body, headers | {"Content-Type": "application/json"})
            answer = connection.getresponse()
            read = json.loads(answer.read())
            with self._lock:
                self.asked["read" if path else "start"].append((started, (time.monotonic() - started) * 1000))
                self.failed += answer.status not in (200, 201)
            path = "" if path else f"/api/v2/verifications/{read.get('id', '')}"
            # Whoever was kept waiting asks the next time at once: the rate stays what it is.
            due = max(due + PAUSE_SECONDS, time.monotonic())
        connection.close()

    def parted(self, what: str, worked: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
        """The times, from short to long, of what was asked while it worked, and of the rest."""
        beside: list[float] = []
        alone: list[float] = []
        # The first seconds are those of a cold start.
        since = min(began for began, _ in worked)
        for began, milliseconds in self.asked[what]:
            if began >= since:
                (beside if any(start <= began <= end for start, end in worked) else alone).append(milliseconds)
        return sorted(beside), sorted(alone)


def measure(bench: Bench) -> list[Figure]:
    """Ages the large data set; nothing is measured on it after this."""
    bench.fill_pools("large")
    bench.execute("large", "VACUUM (ANALYZE)")
    bench.execute("large", "CHECKPOINT")
    before = _sizes(bench)
    figures: list[Figure] = []
    with web(bench.server.url("large"), processes=2, more={"LOG_LEVEL": "ERROR"}) as processes:
        ports = [process.port for process in processes]
        for what in ("retention", "archive"):
            with Waits(ports, bench.small.keys) as waits:
                time.sleep(SETTLE_SECONDS)
                answer = _age(bench, what)
                time.sleep(SETTLE_SECONDS)
            figures += _told(what, waits, answer["worked"])
            for one in answer["done"]:
                work = f"{one['rows'] or 0:,} in {one['steps']:,} steps of together {one['seconds']:.0f} s"
                row = f"{one['what']}: {work}: median step | longest"
                figures.append(report(row, one["median_ms"], "ms", ceiling=one["longest_ms"]))
    figures += _left_behind(bench, before)
    checked = run(_check(bench, full=True))
    figures.append(Figure(
        row=f"ledger check after it, {len(checked.findings)} findings", value=checked.seconds, unit="s", target="no findings", holds=checked.ok
    ))  # fmt: skip
    return figures


def _age(bench: Bench, what: str) -> dict[str, Any]:
    finished = subprocess.run(
        [sys.executable, "-m", "bench.ageing", what, bench.server.url("large")],
        capture_output=True, text=True, timeout=PATIENCE_SECONDS, env=os.environ,
    )  # fmt: skip
    if finished.returncode != 0:
        raise RuntimeError(f"ageing failed: {finished.stderr.strip()[-800:]}")
    return dict(json.loads(finished.stdout.splitlines()[-1]))


def _told(what: str, waits: Waits, worked: list[tuple[float, float]]) -> list[Figure]:
    """The waits beside the work, and in its pauses as their ceiling."""
    if waits.failed:
        raise RuntimeError(f"{waits.failed} requests were refused while {what} worked")
    rate = f"{CUSTOMERS / PAUSE_SECONDS:.0f} requests a second"
    figures = []
    for kind in ("start", "read"):
        beside, alone = waits.parted(kind, worked)
        # Alone as many requests wait long as the machine makes wait; what the work adds must not be a wait of its own.
        added = _at(beside, 0.99) - _at(alone, 0.99)
        row = f"{kind} while {what} works, {rate}: p99 | in its pauses"
        figures.append(Figure(
            row=row, value=_at(beside, 0.99), ceiling=_at(alone, 0.99), unit="ms", ratio=_at(beside, 0.99) / _at(alone, 0.99),
            target=f"<= {LIMIT_MS:.0f} ms more", holds=added <= LIMIT_MS,
        ))  # fmt: skip
        figures.append(
            report(f"the same: median, of {len(beside):,} | of {len(alone):,}", _at(beside, 0.5), "ms", ceiling=_at(alone, 0.5))
        )
        figures.append(report("the same: longest", beside[-1], "ms", ceiling=alone[-1]))
        over, over_alone = (sum(one > LIMIT_MS for one in times) / len(times) for times in (beside, alone))
        figures.append(report(f"the same: share over {LIMIT_MS:.0f} ms", over * 100, "%", ceiling=over_alone * 100))
    return figures


def _at(times: list[float], share: float) -> float:
    return times[min(int(len(times) * share), len(times) - 1)]


def _left_behind(bench: Bench, before: dict[str, Any]) -> list[Figure]:
    """What autovacuum has not come to yet is vacuumed, then as many events as went come again."""
    aged = _sizes(bench)
    figures = [
        report(f"{name}: size after | before, {aged[name]['dead']:,} dead rows not yet vacuumed", aged[name]["bytes"] / 1e6, "MB",
               ceiling=before[name]["bytes"] / 1e6) for name in _TABLES
    ]  # fmt: skip
    bench.execute("large", "VACUUM (ANALYZE) messages, events, verifications, transactions, entries, hold_resolutions")
    settled = _sizes(bench)
    gone = before["events"]["live"] - settled["events"]["live"]
    run(_refill(bench, gone))
    again = _sizes(bench)
    # An index that was built at once is fuller than one that has grown, so that the first is allowed half as much again.
    measures: list[tuple[str, str, float]] = [("events and", "bytes", 1.1), ("the indexes of events", "index_bytes", 1.5)]
    for what, size, most in measures:
        now, then = again["events"][size] / 1e6, before["events"][size] / 1e6
        row = f"{what} after {gone:,} came in the place of those that aged out | before"
        figures.append(
            Figure(
                row=row,
                value=now,
                ceiling=then,
                unit="MB",
                ratio=now / then,
                target=f"ratio <= {most:.2f}",
                holds=now <= then * most,
            )
        )
    return figures


async def _refill(bench: Bench, count: int) -> None:
    async with bench.server.connect("large") as connection:
        await connection.execute(_REFILL, max(count, 0), timeout=1800)


def _sizes(bench: Bench) -> dict[str, Any]:
    return {row["name"]: dict(row) for row in bench.execute("large", _SIZES, list(_TABLES))}

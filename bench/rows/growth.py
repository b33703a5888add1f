"""Customers buy and read while months of messages, events and orders age out: how long they wait, and what is left behind.

Customers come at an even rate, as they do, and not as fast as they are answered: who waits is then seen.
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
from bench.figures import Figure, at_most, report
from bench.rows.ledger import _check
from bench.server import run
from bench.web import web

CUSTOMERS, PAUSE_SECONDS = 4, 0.04
QUIET_SECONDS = 20.0
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
    """Customers, and how long each of their requests took, in milliseconds."""

    def __init__(self, ports: list[int], keys: list[str]) -> None:
        self._ports, self._keys = ports, keys
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.milliseconds: dict[str, list[float]] = {"start": [], "read": []}
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
        path, due = "", time.perf_counter() + number * PAUSE_SECONDS / CUSTOMERS
        while not self._stop.wait(max(due - time.perf_counter(), 0)):
            headers = {"Authorization": f"Bearer {self._keys[number]}"}
            body = json.dumps({"service": f"bench-{chance.randint(1, BOUGHT_SERVICES)}", "country": "us"})
            started = time.perf_counter()
            if path:
                connection.request("GET", path, headers=headers)
            else:
                connection.request("POST", "/api/v2/verifications", body, headers | {"Content-Type": "application/json"})
            answer = connection.getresponse()
            read = json.loads(answer.read())
            with self._lock:
                self.milliseconds["read" if path else "start"].append((time.perf_counter() - started) * 1000)
                self.failed += answer.status not in (200, 201)
            path = "" if path else f"/api/v2/verifications/{read.get('id', '')}"
            # Whoever was kept waiting asks the next time at once: the rate stays what it is.
            due = max(due + PAUSE_SECONDS, time.perf_counter())
        connection.close()

    def at(self, what: str, share: float) -> float:
        """The time that this share of the requests did not exceed."""
        times = sorted(self.milliseconds[what])
        return times[min(int(len(times) * share), len(times) - 1)]

    def over(self) -> float:
        """The share of all requests that waited longer than the limit."""
        times = [one for kind in self.milliseconds.values() for one in kind]
        return sum(one > LIMIT_MS for one in times) / len(times)


def measure(bench: Bench) -> list[Figure]:
    """Ages the large data set; nothing is measured on it after this."""
    bench.fill_pools("large")
    bench.execute("large", "VACUUM (ANALYZE)")
    bench.execute("large", "CHECKPOINT")
    before = _sizes(bench)
    figures: list[Figure] = []
    with web(bench.server.url("large"), processes=2) as processes:
        ports = [process.port for process in processes]
        with Waits(ports, bench.small.keys) as quiet:
            time.sleep(QUIET_SECONDS)
        figures += _told("nothing ages", quiet, None)
        for what in ("retention", "archive"):
            with Waits(ports, bench.small.keys) as waits:
                done = _age(bench, what)
            figures += _told(f"while {what} works", waits, quiet)
            for one in done:
                speed = f"{one['rows'] or 0:,} in {one['seconds']:.0f} s, {one['steps']:,} steps"
                figures.append(
                    report(f"{one['what']}: {speed}: median step | longest", one["median_ms"], "ms", ceiling=one["longest_ms"])
                )
    figures += _left_behind(bench, before)
    answer = run(_check(bench, full=True))
    figures.append(Figure(
        row=f"ledger check after it, {len(answer.findings)} findings", value=answer.seconds, unit="s", target="no findings", holds=answer.ok
    ))  # fmt: skip
    return figures


def _age(bench: Bench, what: str) -> list[dict[str, Any]]:
    finished = subprocess.run(
        [sys.executable, "-m", "bench.ageing", what, bench.server.url("large")],
        capture_output=True, text=True, timeout=PATIENCE_SECONDS, env=os.environ,
    )  # fmt: skip
    if finished.returncode != 0:
        raise RuntimeError(f"ageing failed: {finished.stderr.strip()[-800:]}")
    return list(json.loads(finished.stdout.splitlines()[-1]))


def _told(when: str, waits: Waits, quiet: Waits | None) -> list[Figure]:
    if waits.failed:
        raise RuntimeError(f"{waits.failed} requests were refused {when}")
    rate = f"{CUSTOMERS / PAUSE_SECONDS:.0f} requests a second"
    found = []
    for what in ("start", "read"):
        calm = None if quiet is None else quiet.at(what, 0.99)
        worst = None if quiet is None else quiet.at(what, 1.0)
        row = f"{what}, {when}, {rate}: p99"
        found.append(
            report(row, waits.at(what, 0.99), "ms")
            if quiet is None
            else at_most(f"{row} | nothing ages", waits.at(what, 0.99), "ms", LIMIT_MS, ceiling=calm)
        )
        found.append(
            report(
                f"{what}, {when}: longest" + ("" if quiet is None else " | nothing ages"),
                waits.at(what, 1.0),
                "ms",
                ceiling=worst,
            )
        )
    over, calm_over = waits.over(), quiet.over() if quiet is not None else None
    allowed = 0.001 + (calm_over or 0.0) * 1.5
    found.append(Figure(
        row=f"share of requests over {LIMIT_MS:.0f} ms, {when}", value=over, ceiling=calm_over, unit="", target=f"<= {allowed:.4f}" if quiet else "",
        holds=quiet is None or over <= allowed,
    ))  # fmt: skip
    return found


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

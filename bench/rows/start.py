"""Start a verification over HTTP, beside pgbench running the same statement with as many clients on the same data."""

import json
from statistics import median

from bench.client import Load, request, run_load
from bench.context import BOUGHT_SERVICES, CONNECTIONS, ROUNDS, Bench
from bench.figures import Figure, at_least, report
from bench.pgbench import Rate, run_pgbench, start_script
from bench.web import Process, web

PROCESSES = 2
SECONDS = 4.0


def measure(bench: Bench) -> list[Figure]:
    """The share of PostgreSQL's own rate, and what a start costs in processor time."""
    url = bench.copy_of_small("starts")
    bench.fill_pools("starts")
    script = start_script(services=BOUGHT_SERVICES)
    requests = start_requests(bench.small.keys)
    loads: list[Load] = []
    rates: list[Rate] = []
    web_us: list[float] = []
    with web(url, processes=PROCESSES) as processes:
        ports = [process.port for process in processes]
        # Warms caches and connections, and gives the statistics something to see.
        run_pgbench(bench.server, "starts", script, clients=CONNECTIONS, seconds=2)
        run_load(ports, requests, connections=CONNECTIONS, seconds=1.5)
        bench.execute("starts", "VACUUM (ANALYZE)")
        for _ in range(ROUNDS):
            rates.append(run_pgbench(bench.server, "starts", script, clients=CONNECTIONS, seconds=SECONDS))
            before = _used(processes)
            loads.append(run_load(ports, requests, connections=CONNECTIONS, seconds=SECONDS, warm_up=0.3))
            web_us.append((_used(processes) - before) / sum(loads[-1].statuses.values()) * 1e6)
    bench.execute("postgres", "DROP DATABASE starts WITH (FORCE)")
    for load in loads:
        if set(load.statuses) != {"201"}:
            raise RuntimeError(f"starts were refused: {load.statuses}")
    rate, tps = median(load.rate for load in loads), median(one.tps for one in rates)
    return [
        at_least(
            f"start a verification over HTTP: key, limits, hold, own number, event ({PROCESSES} processes, {CONNECTIONS} connections)"
            f" | pgbench -M prepared, {CONNECTIONS} clients, the same statement",
            rate, tps, "a second", 0.40,
        ),
        report(
            "processor time of a start: the web processes | PostgreSQL", median(web_us), "us", ceiling=median(one.server_us for one in rates)
        ),
        report("p99 of a start over HTTP", median(load.p99_ms for load in loads), "ms"),
        report("processor time of the load generator, per request", median(load.client_us for load in loads), "us"),
    ]  # fmt: skip


def start_requests(keys: list[str]) -> list[bytes]:
    """Requests of all customers, for services as popular as pgbench's."""
    import random

    chance = random.Random(11)
    weights = [(rank + 1) ** -1.05 for rank in range(BOUGHT_SERVICES)]
    services = chance.choices(range(1, BOUGHT_SERVICES + 1), weights, k=4000)
    return [
        request(
            "POST", "/api/v2/verifications", key=chance.choice(keys),
            body=json.dumps({"service": f"bench-{service}", "country": "us"}).encode(),
        )
        for service in services
    ]  # fmt: skip


def _used(processes: list[Process]) -> float:
    return sum(process.processor_seconds() for process in processes)

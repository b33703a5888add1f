"""Read a verification by id, and list the services, each beside an endpoint of the same app that answers from memory."""

from statistics import median

from bench.client import Load, request, run_load
from bench.context import CONNECTIONS, ROUNDS, Bench
from bench.figures import Figure, at_least, report
from bench.web import Process, get, web

SECONDS = 2.0


def measure(bench: Bench) -> list[Figure]:
    """Two rows and what they cost."""
    rows = bench.execute("small", "SELECT id, user_id FROM verifications WHERE status = 'completed' ORDER BY id DESC LIMIT 2000")
    reads = [
        request("GET", f"/api/v2/verifications/{row['id']}", key=bench.small.keys[int(row["user_id"][5:]) - 1]) for row in rows
    ]
    lists = [request("GET", "/api/v2/services", key=key) for key in bench.small.keys[:200]]
    with web(bench.server.url("small")) as [process]:
        size = len(get(process.port, "/api/v2/services", bench.small.keys[0]))
        hello, large = [request("GET", "/hello")], [request("GET", f"/hello/{size}")]
        for warmed in (reads, hello, lists, large):
            run_load([process.port], warmed, connections=CONNECTIONS, seconds=1)
        read, plain, us, plain_us = _beside(process, reads, hello)
        listed, memory, listed_us, memory_us = _beside(process, lists, large)
    return [
        at_least(
            f"read a verification with its code by id (1 process, {CONNECTIONS} connections) | hello of the same FastAPI app",
            read, plain, "a second", 0.50,
        ),
        report("processor time of a read in the web process | hello", us, "us", ceiling=plain_us),
        at_least(
            f"list 1,800 services with the customer's prices ({size // 1000} kB, 1 process, {CONNECTIONS} connections)"
            " | the same hello, same size, from memory",
            listed, memory, "a second", 0.75,
        ),
        report("processor time of a list in the web process | hello of that size", listed_us, "us", ceiling=memory_us),
    ]  # fmt: skip


def _beside(process: Process, ours: list[bytes], ceiling: list[bytes]) -> tuple[float, float, float, float]:
    rates: dict[int, list[float]] = {0: [], 1: []}
    costs: dict[int, list[float]] = {0: [], 1: []}
    for _ in range(ROUNDS):
        for place, requests in enumerate((ours, ceiling)):
            before = process.processor_seconds()
            load: Load = run_load([process.port], requests, connections=CONNECTIONS, seconds=SECONDS, warm_up=0.2)
            # The warm-up is in the time as well, so the count is scaled to it.
            asked = load.rate * (SECONDS + 0.2)
            costs[place].append((process.processor_seconds() - before) / asked * 1e6)
            rates[place].append(load.rate)
            if set(load.statuses) != {"200"}:
                raise RuntimeError(f"reads were refused: {load.statuses}")
    return median(rates[0]), median(rates[1]), median(costs[0]), median(costs[1])

"""What HAProxy and nginx cost: the same read straight from three processes, and through each with its configuration of deploy/.

Without TLS, which a connection pays once; with the limits of one address out of the way, because the load has one address.
"""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from bench.client import Load, request, run_load
from bench.context import CONNECTIONS, ROUNDS, Bench
from bench.figures import Figure, report
from bench.web import web
from tests.deploy.balanced import Balancer, certificate

SECONDS = 1.5
_READ = "SELECT id, user_id FROM verifications WHERE status = 'completed' ORDER BY id DESC LIMIT 2000"


def measure(bench: Bench) -> list[Figure]:
    """One connection's latency and the rate of many, straight and through each."""
    rows = bench.execute("small", _READ)
    reads = [
        request("GET", f"/api/v2/verifications/{row['id']}", key=bench.small.keys[int(row["user_id"][5:]) - 1]) for row in rows
    ]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="namaskah-bench-")))
        certificate(folder)
        ports = [process.port for process in stack.enter_context(web(bench.server.url("small"), processes=3))]
        ways = {"straight": ports}
        for name in ("haproxy", "nginx"):
            ways[name] = [stack.enter_context(Balancer(name, folder / name, ports, _plain(name, folder)).running()).https]
        for way in ways.values():
            run_load(way, reads, connections=CONNECTIONS, seconds=1)
        alone: dict[str, list[Load]] = {name: [] for name in ways}
        many: dict[str, list[Load]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, way in ways.items():
                alone[name].append(_load(way, reads, 1))
                many[name].append(_load(way, reads, CONNECTIONS))
    straight_p50, straight_p99 = _of(alone["straight"], "p50_ms"), _of(alone["straight"], "p99_ms")
    figures = []
    for name in ("haproxy", "nginx"):
        figures += [
            report(f"read by id through {name}, one connection: p50 | straight from the process", _of(alone[name], "p50_ms"), "ms", ceiling=straight_p50),
            report(f"the same: p99 ({name})", _of(alone[name], "p99_ms"), "ms", ceiling=straight_p99),
            report(
                f"reads through {name}, 3 processes, {CONNECTIONS} connections | straight from the processes",
                _of(many[name], "rate"), "a second", ceiling=_of(many["straight"], "rate"),
            ),
        ]  # fmt: skip
    return figures


def _plain(name: str, folder: Path) -> tuple[tuple[str, str], ...]:
    if name == "haproxy":
        return (f" ssl crt {folder}/certs/ alpn h2,http/1.1", ""), (
            "sc0_http_req_rate gt 12000",
            "sc0_http_req_rate gt 2000000000",
        )
    return (" ssl http2 default_server", " default_server"), ("rate=200r/s", "rate=100000000r/s")


def _load(way: list[int], reads: list[bytes], connections: int) -> Load:
    load = run_load(way, reads, connections=connections, seconds=SECONDS, warm_up=0.2)
    if set(load.statuses) != {"200"}:
        raise RuntimeError(f"reads were refused: {load.statuses}")
    return load


def _of(loads: list[Load], name: str) -> float:
    return median(getattr(load, name) for load in loads)

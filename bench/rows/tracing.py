"""What tracing costs: starts and reads of three processes of the same code, in turn: off, traces by OTLP at 0.1, Sentry at 0.1.

Both servers answer at once and keep nothing, in this process. Off is the code with its hooks; what those cost is measured by
themselves, because before and after cannot run side by side.
"""

import contextlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import median
from time import perf_counter

from bench.client import request, run_load
from bench.context import CONNECTIONS, Bench
from bench.figures import Figure, at_least, at_most, report
from bench.rows.start import start_requests
from bench.web import Process, web

SECONDS = 0.8
ROUNDS = 10
# Of a throughput without, and of a read's processor time.
SHARE = 0.95
HOOKS_US = 2.0
# All traced costs ten times what a tenth does, which can be told from a machine's moods.
VARIANTS = ("off", "OTLP at 0.1", "Sentry at 0.1", "OTLP at 1.0", "a Sentry that never answers")


def measure(bench: Bench) -> list[Figure]:
    """The share of the throughput that is left, for reads and starts, and what a request costs."""
    rows = bench.execute("small", "SELECT id, user_id FROM verifications WHERE status = 'completed' ORDER BY id DESC LIMIT 2000")
    keys = bench.small.keys
    reads = [request("GET", f"/api/v2/verifications/{row['id']}", key=keys[int(row["user_id"][5:]) - 1]) for row in rows]
    url = bench.copy_of_small("traced")
    bench.fill_pools("traced")
    figures: list[Figure] = []
    # Takes connections and never answers.
    hole = socket.create_server(("127.0.0.1", 0), backlog=512)
    with hole, _server() as port, contextlib.ExitStack() as stack:
        settings: tuple[dict[str, str], ...] = (
            {},
            {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"},
            {"SENTRY_DSN": f"http://key@127.0.0.1:{port}/1"},
            {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}", "TRACES_SAMPLE_RATE": "1"},
            {"SENTRY_DSN": f"http://key@127.0.0.1:{hole.getsockname()[1]}/1"},
        )
        processes = [stack.enter_context(web(url, more=more))[0] for more in settings]
        for what, requests in (("reads by id", reads), ("starts", start_requests(keys))):
            figures += _beside(processes, what, requests)
    bench.execute("postgres", "DROP DATABASE traced WITH (FORCE)")
    return [*figures, at_most("the hooks of a request with one statement, tracing off", _hooks_us(), "us", HOOKS_US)]


def _beside(processes: list[Process], what: str, requests: list[bytes]) -> list[Figure]:
    rates: list[list[float]] = [[] for _ in processes]
    costs: list[list[float]] = [[] for _ in processes]
    slowest: list[list[float]] = [[] for _ in processes]
    for process in processes:
        run_load([process.port], requests, connections=CONNECTIONS, seconds=1)
    for turn in range(ROUNDS):
        # Each round begins with another one: whoever comes first on a machine that has rested is faster.
        for place in [(turn + step) % len(processes) for step in range(len(processes))]:
            process = processes[place]
            before = process.processor_seconds()
            load = run_load([process.port], requests, connections=CONNECTIONS, seconds=SECONDS, warm_up=0.2)
            costs[place].append((process.processor_seconds() - before) / (load.rate * (SECONDS + 0.2)) * 1e6)
            rates[place].append(load.rate)
            slowest[place].append(load.p99_ms)
            if set(load.statuses) - {"200", "201"}:
                raise RuntimeError(f"{what} were refused: {load.statuses}")
    figures = [report(f"processor time of {what}: {VARIANTS[0]}", median(costs[0]), "us")]
    whole = median((traced - off) / off for traced, off in zip(costs[3], costs[0], strict=True))
    figures.append(
        report(f"{what}: what a traced one costs in processor time, of one that is not (at 0.1 a tenth of it)", whole, "ratio")
    )
    for place in (1, 2):
        # Round by round, so that a change of the machine's mood meets both.
        share = median(one / off for one, off in zip(rates[place], rates[0], strict=True))
        figures += [
            at_least(
                f"{what}, {VARIANTS[place]} (1 process, {CONNECTIONS} connections, {ROUNDS} rounds in turn) | {VARIANTS[0]}",
                median(rates[0]) * share, median(rates[0]), "a second", SHARE,
            ),
            report(f"processor time of {what}: {VARIANTS[place]} | {VARIANTS[0]}", median(costs[place]), "us", ceiling=median(costs[0])),
        ]  # fmt: skip
    figures.append(report(f"p99 of {what}: {VARIANTS[4]} | {VARIANTS[0]}", median(slowest[4]), "ms", ceiling=median(slowest[0])))
    return figures


def _hooks_us() -> float:
    """A request asks twice whether it is traced, and each statement twice."""
    from namaskah.core import tracing

    headers: dict[bytes, bytes] = {}
    best = 1e9
    for _ in range(20):
        began = perf_counter()
        for _ in range(10_000):
            tracing.begin_request("/api/v2/verifications", headers)
            tracing.current_span.get()
            tracing.current_span.get()
        best = min(best, perf_counter() - began)
    return best / 10_000 * 1e6


@contextlib.contextmanager
def _server() -> Iterator[int]:
    class Taker(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            if self.headers.get("transfer-encoding") == "chunked":
                while size := int(self.rfile.readline(), 16):
                    self.rfile.read(size + 2)
                self.rfile.readline()
            self.rfile.read(int(self.headers.get("content-length", "0")))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

"""What an open stream takes of a web process's memory, with authentication and middleware, beside a bare ASGI stream."""

from bench.client import request
from bench.context import Bench
from bench.figures import Figure, at_most, report
from bench.streams import Streams
from bench.web import settled_memory, web

WARM_UP = 200
STREAMS = 2_000
KILOBYTE = 1_000


def measure(bench: Bench) -> list[Figure]:
    """The growth of RSS over so many streams, after some that fill the caches."""
    url = bench.server.url("small")
    ours = _kilobytes_each(bench, url, "namaskah")
    bare = _kilobytes_each(bench, url, "bare")
    return [
        at_most(
            f"memory of an open stream over a bare ASGI stream's, with authentication and middleware ({STREAMS:,} streams)",
            max(ours - bare, 0.0), "kB", 20.0,
        ),
        report("memory of an open stream | of a bare ASGI stream", ours, "kB", ceiling=bare),
    ]  # fmt: skip


def _kilobytes_each(bench: Bench, url: str, app: str) -> float:
    with web(url, app=app) as [process]:
        streams = Streams(lambda _number, _frame, _moment: None)
        keys = bench.small.keys
        for number in range(WARM_UP + STREAMS):
            if number == WARM_UP:
                before = settled_memory(process)
            # Customers often have several streams open; here each has two or three.
            streams.open(number, process.port, request("GET", "/api/v2/events", key=keys[number % len(keys)]))
        after = settled_memory(process)
        streams.close()
    return (after - before) / STREAMS / KILOBYTE

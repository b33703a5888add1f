"""A small HTTP/1.1 client that asks as fast as it is answered: keep-alive, no pipelining, plain sockets and epoll.

It runs as a process of its own (`python -m bench.client`, the orders as JSON on standard input), and says what it costs.
"""

import base64
import json
import resource
import select
import socket
import subprocess
import sys
import time
from collections import Counter
from typing import Any

import msgspec


class Load(msgspec.Struct, frozen=True):
    """What came of it. `statuses` counts the answers, `client_us` is what a request cost this client itself."""

    rate: float
    p50_ms: float
    p99_ms: float
    statuses: dict[str, int]
    client_us: float
    bytes_each: float
    p10_ms: float = 0.0


def request(
    method: str,
    path: str,
    *,
    key: str | None = None,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    content: str = "application/json",
) -> bytes:
    """A finished request; `content` is the type of its body."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Accept: */*"]
    if key is not None:
        lines.append(f"Authorization: Bearer {key}")
    if body:
        lines += [f"Content-Type: {content}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def run_load(ports: list[int], requests: list[bytes], *, connections: int, seconds: float, warm_up: float = 0.5) -> Load:
    """Sends the requests in turn over the connections, which are spread evenly over the ports."""
    orders = {
        "ports": ports, "connections": connections, "seconds": seconds, "warm_up": warm_up,
        "requests": [base64.b64encode(one).decode() for one in requests],
    }  # fmt: skip
    finished = subprocess.run(
        [sys.executable, "-m", "bench.client"],
        input=json.dumps(orders),
        capture_output=True,
        text=True,
        timeout=seconds + warm_up + 60,
    )
    if finished.returncode != 0:
        raise RuntimeError(f"the load generator failed: {finished.stderr.strip()[-500:]}")
    return msgspec.json.decode(finished.stdout, type=Load)


class _Client:
    """All connections of one run."""

    def __init__(self, orders: dict[str, Any]) -> None:
        self._requests = [base64.b64decode(one) for one in orders["requests"]]
        self._next = 0
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        # By connection: what is still missing of the answer (0: nothing was received yet), and when it was asked.
        self._missing: dict[int, int] = {}
        self._asked: dict[int, float] = {}
        self._beginning: dict[int, bytes] = {}
        self.statuses: Counter[str] = Counter()
        self.seconds: list[float] = []
        self.received = 0
        for number in range(orders["connections"]):
            connected = socket.create_connection(("127.0.0.1", orders["ports"][number % len(orders["ports"])]), timeout=10)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets[connected.fileno()] = connected
            self._poll.register(connected.fileno(), select.EPOLLIN)

    def run(self, seconds: float) -> float:
        """Asks for so long, then waits for the last answers; returns the seconds until they were there."""
        self.statuses.clear()
        self.seconds.clear()
        self.received = 0
        started = time.perf_counter()
        until = started + seconds
        for number in self._sockets:
            self._ask(number)
        waiting = len(self._sockets)
        while waiting:
            ready = self._poll.poll(20)
            if not ready:
                raise RuntimeError("no answer within 20 seconds")
            for number, _event in ready:
                if not self._answered(number):
                    continue
                if time.perf_counter() < until:
                    self._ask(number)
                else:
                    waiting -= 1
        return time.perf_counter() - started

    def _ask(self, number: int) -> None:
        wanted = self._requests[self._next]
        self._next = (self._next + 1) % len(self._requests)
        self._missing[number] = 0
        self._asked[number] = time.perf_counter()
        self._sockets[number].sendall(wanted)

    def _answered(self, number: int) -> bool:
        """Takes what has come; whether the answer is whole."""
        data = self._sockets[number].recv(262_144)
        if not data:
            raise RuntimeError("the server closed the connection")
        self.received += len(data)
        missing = self._missing[number]
        if missing:
            missing -= len(data)
        else:
            data = self._beginning.pop(number, b"") + data
            head = data.find(b"\r\n\r\n")
            if head < 0:
                self._beginning[number] = data
                return False
            # Of Content-Length, which nginx writes with capitals.
            at = data.find(b"ength: ", 0, head)
            length = int(data[at + 7 : data.index(b"\r", at)]) if at >= 0 else 0
            self.statuses[data[9:12].decode()] += 1
            missing = head + 4 + length - len(data)
        self._missing[number] = missing
        if missing:
            return False
        self.seconds.append(time.perf_counter() - self._asked[number])
        return True


def main() -> None:
    """Reads the orders, runs, and writes the result."""
    orders = json.load(sys.stdin)
    client = _Client(orders)
    client.run(orders["warm_up"])
    before = resource.getrusage(resource.RUSAGE_SELF)
    took = client.run(orders["seconds"])
    after = resource.getrusage(resource.RUSAGE_SELF)
    count = len(client.seconds)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    times = sorted(client.seconds)
    result = Load(
        rate=count / took, p50_ms=times[count // 2] * 1000, p99_ms=times[int(count * 0.99)] * 1000, statuses=dict(client.statuses),
        client_us=used / count * 1e6, bytes_each=client.received / count, p10_ms=times[count // 10] * 1000,
    )  # fmt: skip
    sys.stdout.write(msgspec.json.encode(result).decode())


if __name__ == "__main__":
    main()

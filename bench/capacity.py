"""`python -m bench.capacity`: predicts average and p99 of every step for any number of users by a small queueing simulation
with the costs that bench/scaling.py measured, and compares it with what bench/load.py measured.

The model: users think, then ask; a request needs its web process (one at a time in each), a connection, and processor
time on one of the cores, which take turns among all that wait in slices as the kernel does; the rest of a request (disk,
wake-ups) is a plain delay. Signing in has its argon2 beside the web process, two at a time in each. Work of others on the
machine takes its share of the cores.
"""

import argparse
import heapq
import json
import random
import sys
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.table import Table

from bench.figures import RESULTS
from bench.load import Report
from bench.scaling import PURCHASES_A_SESSION, Cost, Scale
from bench.steps import place
from bench.users import STEPS, THINK_SPREAD

# How long the kernel lets one run while others wait, in seconds.
SLICE: Final = 0.003
ARGON_AT_ONCE: Final = 2
CONNECTIONS_A_PROCESS: Final = 12
GENERATOR_MS: Final = 0.12
MOST_USERS: Final = 100_000
# Fuller than this a machine leaves no idle time from which one could tell how much more its other work would take.
FULL: Final = 0.95
# The steps of one user for ever, each with the seconds before it.
Flow = Callable[[], Iterator[tuple[str, float]]]


class Machine(msgspec.Struct, frozen=True):
    """What serves: cores, web processes, and the share of one core that others use."""

    cores: int = 2
    processes: int = 2
    others: float = 0.0


class Predicted(msgspec.Struct, frozen=True):
    """Milliseconds by step, and the share of all cores that was used."""

    average: float
    p99: float
    steps: dict[str, tuple[float, float]]
    busy: float
    requests_a_second: float


class Clock:
    """Events in the order of their time, in seconds. Processes are generators that yield what they wait for."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        """Calls so much later."""
        self._count += 1
        heapq.heappush(self._due, (self.now + seconds, self._count, call))

    def run(self, until: float) -> None:
        """Until that moment, or until nothing is left to happen."""
        while self._due and self._due[0][0] <= until:
            self.now, _, call = heapq.heappop(self._due)
            call()


class Cores:
    """So many cores; all that want one take turns in slices."""

    def __init__(self, clock: Clock, count: int, quantum: float = SLICE) -> None:
        self._clock = clock
        self._free = count
        self._quantum = quantum
        self._waiting: deque[tuple[float, Callable[[], None]]] = deque()
        self.used = 0.0

    def work(self, seconds: float, then: Callable[[], None]) -> None:
        """Needs that much processor time."""
        if seconds <= 0:
            then()
            return
        self._waiting.append((seconds, then))
        self._next()

    def _next(self) -> None:
        while self._free and self._waiting:
            seconds, then = self._waiting.popleft()
            self._free -= 1
            part = min(seconds, self._quantum)
            self.used += part
            self._clock.after(part, lambda left=seconds - part, then=then: self._ended(left, then))  # type: ignore[misc]

    def _ended(self, left: float, then: Callable[[], None]) -> None:
        self._free += 1
        if left > 1e-12:
            self._waiting.append((left, then))
            self._next()
        else:
            self._next()
            then()


class Places:
    """So many may be inside at once; the others queue in their order."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: deque[Callable[[], None]] = deque()

    def enter(self, then: Callable[[], None]) -> None:
        """Goes on when there is a place."""
        if self._free:
            self._free -= 1
            then()
        else:
            self._waiting.append(then)

    def leave(self) -> None:
        """Gives the place to who has waited longest."""
        if self._waiting:
            self._waiting.popleft()()
        else:
            self._free += 1


class _Process:
    """One web process: its event loop, its connections, its password threads."""

    def __init__(self) -> None:
        self.loop = Places(1)
        self.connections = Places(CONNECTIONS_A_PROCESS)
        self.argon = Places(ARGON_AT_ONCE)


class Model:
    """The closed system of users and the platform."""

    def __init__(
        self,
        costs: list[Cost],
        argon_ms: float,
        machine: Machine,
        *,
        users: int,
        think: float,
        seed: int = 1,
        flow: Flow | None = None,
        generator_ms: float = GENERATOR_MS,
    ) -> None:
        self.clock = Clock()
        self.cores = Cores(self.clock, machine.cores)
        self.took: dict[str, list[float]] = {}
        self._costs = {cost.step: cost for cost in costs}
        self._argon = argon_ms / 1000
        self._think = think
        self._chance = random.Random(seed)
        self._processes = [_Process() for _ in range(machine.processes)]
        self._measuring = False
        self._generator = generator_ms / 1000
        self._flow = flow or self._user
        for number in range(users):
            process = self._processes[number % machine.processes]
            self._go_on(self._flow(), process, self._chance.random() * max(think, 0.01) * 4)
        if machine.others > 0:
            self._others(machine.others)

    def run(self, warm_up: float, seconds: float) -> None:
        """Plays; what happens while warming up does not count."""
        self.clock.run(warm_up)
        self._measuring, self.cores.used = True, 0.0
        self.clock.run(warm_up + seconds)

    def _user(self) -> Iterator[tuple[str, float]]:
        """What a user does, as (step, seconds of thinking before it)."""
        first = True
        while True:
            # Users are met in the middle of their sessions.
            start = self._chance.randrange(PURCHASES_A_SESSION) if first else 0
            if not first and self._think:
                yield from (("sign in", 0.0), ("home", 0.0))
            first = False
            for _ in range(start, PURCHASES_A_SESSION):
                yield "offers", self._pause()
                yield "buy", self._pause()
                # The message comes one to three seconds later; its code is waited for.
                yield "code", self._chance.uniform(1, 3) if self._think else 0.0
                yield "history", self._pause()

    def _pause(self) -> float:
        return self._think * self._chance.uniform(1 - THINK_SPREAD, 1 + THINK_SPREAD)

    def _go_on(self, user: Iterator[tuple[str, float]], process: _Process, delay: float = 0.0) -> None:
        step, pause = next(user)
        self.clock.after(delay + pause, lambda: self._ask(user, process, step))

    def _ask(self, user: Iterator[tuple[str, float]], process: _Process, step: str) -> None:
        asked = self.clock.now

        def answered() -> None:
            if self._measuring:
                self.took.setdefault(step, []).append(self.clock.now - asked)
            self._go_on(user, process)

        if step == "code":
            # The source's request, and then the customer's who waits: the read begins when the message is in.
            entry = self._chance.choice(self._processes)
            self._request(entry, "webhook", lambda: self._request(process, "read", answered))
        elif step == "sign in":

            def hashed() -> None:
                process.argon.leave()
                self._request(process, step, answered)

            process.argon.enter(lambda: self.cores.work(self._argon, hashed))
        else:
            self._request(process, step, answered)

    def _request(self, process: _Process, step: str, then: Callable[[], None]) -> None:
        """Half of the web process's part, PostgreSQL's and the wait on a connection, the other half."""
        cost, varied = self._costs[step], self._varied
        web = cost.web_ms / 1000 - (self._argon if step == "sign in" else 0.0)
        self.cores.work(varied(self._generator / 2), lambda: on_loop(max(web, 0.0) / 2, connect))

        def on_loop(seconds: float, go_on: Callable[[], None]) -> None:
            def done() -> None:
                process.loop.leave()
                go_on()

            process.loop.enter(lambda: self.cores.work(varied(seconds), done))

        def connect() -> None:
            process.connections.enter(lambda: self.cores.work(varied(cost.postgres_ms / 1000), wait))

        def wait() -> None:
            self.clock.after(varied(cost.wait_ms / 1000), give_back)

        def give_back() -> None:
            process.connections.leave()
            on_loop(max(web, 0.0) / 2, then)

    def _varied(self, mean: float) -> float:
        """Around its mean as measured services do: a gamma variate whose spread is half of it."""
        return self._chance.gammavariate(4.0, mean / 4.0) if mean > 0 else 0.0

    def _others(self, share: float) -> None:
        """Other work: pieces of 20 ms, so many that they take their share of one core."""
        piece = 0.02

        def come() -> None:
            self.cores.work(self._varied(piece), lambda: None)
            self.clock.after(self._chance.expovariate(share / piece), come)

        come()


def predict(scale: Scale, machine: Machine, *, users: int, think: float, seconds: float = 60.0, seed: int = 1) -> Predicted:
    """What so many users would see."""
    model = Model(scale.costs, scale.argon_ms, machine, users=users, think=think, seed=seed)
    warm_up = max(4 * think, 2.0)
    model.run(warm_up, seconds)
    steps = {name: sorted(value * 1000 for value in times) for name, times in model.took.items()}
    everything = sorted(value for times in steps.values() for value in times)
    return Predicted(
        average=round(sum(everything) / max(len(everything), 1), 2), p99=round(place(everything, 0.99), 2),
        steps={name: (round(sum(times) / len(times), 2), round(place(times, 0.99), 2)) for name, times in steps.items()},
        busy=round(model.cores.used / seconds / machine.cores, 3), requests_a_second=round(len(everything) / seconds, 1),
    )  # fmt: skip


class Compared(msgspec.Struct, frozen=True):
    """A measured level beside its prediction; errors are shares of what was measured."""

    users: int
    think: float
    measured_average: float
    predicted_average: float
    average_error: float
    measured_p99: float
    predicted_p99: float
    p99_error: float
    measured_busy: float
    predicted_busy: float


def compared(report: Report, scale: Scale) -> list[Compared]:
    """Every level of a load run that has its processors' use."""
    found = []
    for level in report.levels:
        if not level.cores:
            continue
        # What the worker does and what others did on this machine meanwhile takes cores from the requests.
        others = level.machine_busy + level.cores["worker"]
        predicted = predict(scale, Machine(report.cores, report.processes, others), users=level.users, think=level.think)
        rows = [row for row in level.steps if row.step in STEPS]
        # The highest of the steps' p99, because the whole's cannot be had from rows.
        measured_p99 = max(row.p99 for row in rows)
        predicted_p99 = max(p99 for _, p99 in predicted.steps.values())
        busy = (sum(level.cores.values()) + level.generator_cores + level.machine_busy) / report.cores
        found.append(
            Compared(
                level.users, level.think, level.average, predicted.average, round(predicted.average / level.average - 1, 3),
                measured_p99, predicted_p99, round(predicted_p99 / measured_p99 - 1, 3), round(busy, 3), predicted.busy,
            )
        )  # fmt: skip
    return found


def most_users(scale: Scale, machine: Machine, *, think: float = 5.0, average_ms: float = 150.0) -> int:
    """The most users, to about three percent, with whom the average of all steps stays under its target."""
    good, bad = 0, 64
    while bad < MOST_USERS and _fits(scale, machine, bad, think, average_ms):
        good, bad = bad, bad * 2
    while bad - good > max(16, good // 32):
        middle = (good + bad) // 2
        good, bad = (middle, bad) if _fits(scale, machine, middle, think, average_ms) else (good, middle)
    return good


def _fits(scale: Scale, machine: Machine, users: int, think: float, average_ms: float) -> bool:
    return predict(scale, machine, users=users, think=think, seconds=20).average < average_ms


def benchmark_check(figures: list[dict[str, Any]]) -> tuple[float, float]:
    """What the table of `make bench` measured for purchases (two processes, 32 connections, no think time), and what the
    model predicts from the processor times of the same table: purchases a second. Raises StopIteration without the rows."""
    rate = next(row["value"] for row in figures if row["row"].startswith("start a verification over HTTP"))
    used = next(row for row in figures if row["row"].startswith("processor time of a start"))
    client = next(row["value"] for row in figures if row["row"].startswith("processor time of the load generator"))
    cost = Cost(step="buy", web_ms=used["value"] / 1000, postgres_ms=used["ceiling"] / 1000, wait_ms=0.5, a_session=1)

    def purchases() -> Iterator[tuple[str, float]]:
        while True:
            yield "buy", 0.0

    model = Model([cost], 0.0, Machine(2, 2), users=32, think=0.0, flow=purchases, generator_ms=client / 1000)
    model.run(2.0, 20.0)
    return float(rate), len(model.took["buy"]) / 20.0


def main() -> int:
    """Prints the comparison with the last load run, and how far machines of some sizes reach."""
    parser = argparse.ArgumentParser(prog="python -m bench.capacity", description=__doc__)
    parser.add_argument("--cores", type=int, nargs="*", default=[2, 4, 8], help="machines to ask about (default 2 4 8)")
    options = parser.parse_args()
    files = [RESULTS.with_name(name) for name in ("scaling.json", "load.json")]
    if missing := [file.name for file in files if not file.exists()]:
        print(f"{', '.join(missing)} not found: run python -m bench.scaling and python -m bench.load first", file=sys.stderr)
        return 2
    scale = msgspec.json.decode(files[0].read_bytes(), type=Scale)
    report = msgspec.json.decode(files[1].read_bytes(), type=Report)
    console = Console(width=None if sys.stdout.isatty() else 160)
    table = Table(title="predicted beside measured", title_justify="left", header_style="bold")
    for name in ("users", "think", "average ms", "predicted", "error", "p99 ms", "predicted", "error", "cores busy", "predicted"):
        table.add_column(name, justify="right")
    for row in compared(report, scale):
        errors = ("full", "full") if row.measured_busy > FULL else (f"{row.average_error:+.0%}", f"{row.p99_error:+.0%}")
        table.add_row(
            f"{row.users:,}", f"{row.think:g}", f"{row.measured_average:.1f}", f"{row.predicted_average:.1f}", errors[0],
            f"{row.measured_p99:.0f}", f"{row.predicted_p99:.0f}", errors[1], f"{row.measured_busy:.0%}", f"{row.predicted_busy:.0%}",
        )  # fmt: skip
    console.print(table)
    console.print("full: other work had taken all that was left of the cores, so nothing can be said of the error")
    rate, predicted = benchmark_check(json.loads(RESULTS.read_text()))
    console.print(
        f"purchases of make bench: {rate:,.0f} a second measured, {predicted:,.0f} predicted ({predicted / rate - 1:+.0%})"
    )
    table = Table(title="users with 5 s of think time, average under 150 ms", title_justify="left", header_style="bold")
    for name in ("cores", "web processes", "users", "purchases/s"):
        table.add_column(name, justify="right")
    for cores in options.cores:
        users = most_users(scale, Machine(cores, cores))
        bought = predict(scale, Machine(cores, cores), users=users, think=5.0, seconds=20).requests_a_second / 4.5
        table.add_row(str(cores), str(cores), f"{users:,}", f"{bought:.0f}")
    console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())

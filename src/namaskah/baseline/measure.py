"""The measurement itself: the real flow in rounds beside `/livez`, a small ramp, codes arriving, and events being pushed.

It is bounded in requests and seconds, moves test money only, and closes the orders that it has made.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from statistics import median
from time import perf_counter
from typing import Any, Final

from namaskah.baseline.figures import Sample, Series, latency_figures, milliseconds, percentile, sample_of, spread_of
from namaskah.baseline.probe import Answer, Probe
from namaskah.baseline.stream import events
from namaskah.baseline.target import Refused, Unreachable

API: Final = "/api/v2"
ROUNDS: Final = 5
CONNECTIONS: Final = (1, 8, 32)
# Of a turn; with few samples it is shorter.
RAMP_SECONDS: Final = 0.4
RAMP_TURNS: Final = 3
# At most so many requests in a turn, however fast the instance is; never more than a part of its rate limit.
RAMP_REQUESTS: Final = 200
DEADLINE_SECONDS: Final = 120.0
_CODE_SECONDS: Final = 15.0
_AT_ONCE: Final = 5
# The parts of a minute's rate limit that the flow and the whole ramp may use.
_FLOW_SHARE: Final = 0.3
_RAMP_SHARE: Final = 0.3


@dataclass
class Measured:
    """What a run has gathered; `limited` counts answers that our own rate limit refused."""

    series: dict[str, Series] = field(default_factory=dict)
    ramp: list[dict[str, Any]] = field(default_factory=list)
    delivery: list[dict[str, Any]] = field(default_factory=list)
    push: list[dict[str, Any]] = field(default_factory=list)
    limited: int = 0


class Measurement:
    """One run. `samples` is the number of requests to each endpoint that are wished for."""

    def __init__(self, probe: Probe, *, samples: int, say: Callable[[str], None]) -> None:
        self._probe = probe
        self._samples = samples
        self._say = say
        self._turn_seconds = min(RAMP_SECONDS, samples / 100)
        self._open: list[str] = []
        self._last_order = ""
        self.found = Measured()

    async def run(self) -> Measured:
        """Measures. Raises Unreachable when the instance goes away, Refused when the key cannot be used."""
        await self._begin()
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                per_round = self._per_round()
                for number in range(ROUNDS):
                    self._say(f"the flow, round {number + 1} of {ROUNDS}")
                    await self._round(per_round)
                self._say("throughput with " + ", ".join(map(str, CONNECTIONS)) + " connections")
                await self._measure_ramp()
                self._say("codes and events")
                await self._measure_delivery()
                await self._measure_push()
        except TimeoutError:
            raise Unreachable(f"The measurement was broken off after {DEADLINE_SECONDS:.0f} seconds.") from None
        finally:
            await self._close_orders()
        return self.found

    async def _begin(self) -> None:
        """Looks whose key it is, and fills the test wallet."""
        answer = await self._probe.post(f"{API}/wallet/test-refill")
        if answer.status == 401:
            raise Refused("The instance does not know this key: it was mistyped, revoked, or belongs to another instance.")
        if answer.status != 200 or _field(answer, "livemode") is not False:
            raise Refused(f"The test wallet could not be filled (status {answer.status}).")

    def _per_round(self) -> int:
        """As many samples in a round as were asked for, fewer where the rate limit is low."""
        allowed = (self._probe.limit or 6_000) * _FLOW_SHARE / (10 * ROUNDS)
        return max(1, min(self._samples // ROUNDS, int(allowed)))

    async def _round(self, count: int) -> None:
        ids: list[str] = []
        await self._repeat("live", "GET", "/livez", count, lambda: self._probe.get("/livez", key=False))
        await self._repeat("health", "GET", "/health", count, lambda: self._probe.get("/health", key=False))
        await self._repeat("page", "GET", "/", count, lambda: self._probe.get("/", key=False))
        await self._repeat("services", "GET", f"{API}/services", count)
        await self._repeat("offers", "GET", f"{API}/offers?service=test_success", count)

        async def start() -> Answer:
            answer = await self._start("test_instant")
            if answer.status == 201:
                ids.append(str(_field(answer, "id")))
            return answer

        await self._repeat("start", "POST", f"{API}/verifications", count, start, status=201)
        if not ids:
            return
        self._last_order = ids[-1]
        await self._repeat("read", "GET", f"{API}/verifications/{{id}}", count, self._each("", ids))
        await self._repeat(
            "long-poll", "GET", f"{API}/verifications/{{id}}?wait=30", count, self._each("?wait=30", ids), waits=True
        )
        await self._repeat("history", "GET", f"{API}/verifications?limit=20", count)
        await self._repeat("wallet", "GET", f"{API}/wallet", count)
        await self._close_orders()

    def _each(self, query: str, ids: list[str]) -> Callable[[], Awaitable[Answer]]:
        turn = iter(range(1_000_000))
        return lambda: self._probe.get(f"{API}/verifications/{ids[next(turn) % len(ids)]}{query}")

    async def _repeat(
        self, name: str, method: str, path: str, count: int, ask: Callable[[], Awaitable[Answer]] | None = None,
        *, status: int = 200, waits: bool = False,
    ) -> None:  # fmt: skip
        """One round of one endpoint, one request after the other, with a bare answer between them to compare with."""
        part: list[Sample] = []
        beside: list[float] = []
        for _ in range(count):
            beside.append((await self._probe.get("/livez", key=False)).seconds)
            answer = await (ask() if ask is not None else self._probe.get(path))
            if answer.status == 429:
                self.found.limited += 1
                await asyncio.sleep(min(float(answer.header("retry-after") or 1), 5.0))
                continue
            part.append(sample_of(answer, ok=answer.status == status))
        series = self.found.series.setdefault(name, Series(name, method, path, waits))
        series.rounds.append(part)
        series.beside.append(beside)

    async def _start(self, service: str) -> Answer:
        answer = await self._probe.post(f"{API}/verifications", {"service": service, "country": "us"})
        if answer.status == 201:
            self._open.append(str(_field(answer, "id")))
        return answer

    async def _close_orders(self) -> None:
        """Gives back what was bought: finished where the code has come, cancelled else."""
        while self._open:
            order = self._open.pop()
            with contextlib.suppress(Unreachable):
                if (await self._probe.post(f"{API}/verifications/{order}/finish")).status == 409:
                    await self._probe.post(f"{API}/verifications/{order}/cancel")

    async def _measure_ramp(self) -> None:
        """Each number of connections several times in turn with the bare answer, so that the noise is known too."""
        turns = len(CONNECTIONS) * RAMP_TURNS
        allowed = int(min(RAMP_REQUESTS, (self._probe.limit or 6_000) * _RAMP_SHARE / turns))
        read = f"{API}/verifications/{self._last_order}" if self._last_order else f"{API}/wallet"
        for connections in CONNECTIONS:
            rates: list[float] = []
            bare: list[float] = []
            samples: list[Sample] = []
            for _ in range(RAMP_TURNS):
                bare.append(_rate(*await self._turn("/livez", connections, RAMP_REQUESTS, key=False)))
                found, seconds = await self._turn(read, connections, max(allowed, 1), key=True)
                samples += found
                rates.append(_rate(found, seconds))
            times = [sample.seconds for sample in samples]
            self.found.ramp.append(
                {
                    "connections": connections, "requests": len(samples),
                    "errors": sum(not sample.ok for sample in samples),
                    "per_second": round(median(rates), 1), "livez_per_second": round(median(bare), 1),
                    # How many bare answers were given in the time of one read.
                    "ratio": asdict(spread_of([one / two for one, two in zip(bare, rates, strict=True) if two])),
                    "p50_ms": milliseconds(percentile(times, 0.5)), "p95_ms": milliseconds(percentile(times, 0.95)),
                }
            )  # fmt: skip

    async def _turn(self, path: str, connections: int, requests: int, *, key: bool) -> tuple[list[Sample], float]:
        """So many connections ask without a pause, until the time or the number of requests is over."""
        samples: list[Sample] = []
        began = perf_counter()
        left = requests

        async def ask() -> None:
            nonlocal left
            while left > 0 and perf_counter() - began < self._turn_seconds:
                left -= 1
                answer = await self._probe.get(path, key=key)
                if answer.status == 429:
                    self.found.limited += 1
                    return
                samples.append(sample_of(answer, ok=answer.status == 200))

        await asyncio.gather(*(ask() for _ in range(connections)))
        return samples, perf_counter() - began

    async def _measure_delivery(self) -> None:
        """From the moment an order is sent to the moment its code is read, by long-poll."""
        for service, promised in (("test_instant", 0.0), ("test_success", 2.0)):
            found = await asyncio.gather(*(self._code(service) for _ in range(_AT_ONCE)))
            seconds = [took for took in found if took is not None]
            figures = latency_figures(service, seconds, _AT_ONCE)
            self.found.delivery.append({**figures, "promised_ms": promised * 1000})

    async def _code(self, service: str) -> float | None:
        began = perf_counter()
        answer = await self._start(service)
        while answer.status in (200, 201) and perf_counter() - began < _CODE_SECONDS:
            if _field(answer, "code"):
                return perf_counter() - began
            answer = await self._probe.get(f"{API}/verifications/{_field(answer, 'id')}?wait=10")
        return None

    async def _measure_push(self) -> None:
        """From the moment a request is sent to the moment its event is in an open stream."""
        taken: dict[str, list[float]] = {"verification.pending": [], "verification.cancelled": []}
        async with events(self._probe) as stream:
            for _ in range(_AT_ONCE * 2):
                with contextlib.suppress(Unreachable):
                    began = perf_counter()
                    answer = await self._start("test_timeout")
                    order = str(_field(answer, "id"))
                    taken["verification.pending"].append((await stream.about(order, "verification.pending", 5)).at - began)
                    began = perf_counter()
                    await self._probe.post(f"{API}/verifications/{order}/cancel")
                    taken["verification.cancelled"].append((await stream.about(order, "verification.cancelled", 5)).at - began)
        self.found.push = [latency_figures(kind, seconds, _AT_ONCE * 2) for kind, seconds in taken.items()]


def _rate(samples: list[Sample], seconds: float) -> float:
    return len(samples) / seconds if seconds else 0.0


def _field(answer: Answer, name: str) -> Any:
    """A member of the answer's JSON object; None where there is none."""
    with contextlib.suppress(ValueError):
        body = answer.json()
        if isinstance(body, dict):
            return body.get(name)
    return None

"""Samples become figures: counts, averages, percentiles, and where the time of an answer went."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean, median
from typing import Any

from namaskah.baseline.probe import Answer


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of all do not exceed; 0 of nothing."""
    return sorted(values)[max(math.ceil(len(values) * share) - 1, 0)] if values else 0.0


@dataclass(frozen=True)
class Sample:
    """One request, in seconds; `ok` says that it was answered as it should be."""

    seconds: float
    ok: bool
    server: float | None = None
    # What its statements took together, and how many they were.
    database: tuple[float, int] | None = None


def sample_of(answer: Answer, *, ok: bool) -> Sample:
    """What is kept of an answer."""
    return Sample(answer.seconds, ok, answer.server_seconds, answer.database)


@dataclass
class Series:
    """What was measured of one endpoint, in rounds, each beside the bare answer of the same moment."""

    name: str
    method: str
    path: str
    # The time of the answer contains a wait that was asked for, so that no target is set for it.
    waits: bool = False
    rounds: list[list[Sample]] = field(default_factory=list)
    # Seconds of the bare answers between them, round by round.
    beside: list[list[float]] = field(default_factory=list)

    @property
    def samples(self) -> list[Sample]:
        """Those of all rounds."""
        return [sample for part in self.rounds for sample in part]


def milliseconds(seconds: float) -> float:
    """As a report shows it."""
    return round(seconds * 1000, 3)


def _share(part: Iterable[float | None], of: Sequence[float]) -> float | None:
    """How much of the whole the part is, 0 to 1; None where it was not told for all."""
    known = [value for value in part if value is not None]
    whole = math.fsum(of)
    return round(min(math.fsum(known) / whole, 1.0), 4) if len(known) == len(of) and whole else None


def endpoint_figures(series: Series) -> dict[str, Any]:
    """The figures of an endpoint. Times are milliseconds; `ratio` compares it with the bare answers beside it."""
    samples = series.samples
    wall = [sample.seconds for sample in samples]
    server = _share((sample.server for sample in samples), wall)
    told = [sample.database for sample in samples if sample.database is not None]
    database = _share((spent for spent, _ in told), wall)
    statements = sum(number for _, number in told)
    wrong = sum(not sample.ok for sample in samples)
    return {
        "name": series.name,
        "method": series.method,
        "path": series.path,
        "waits": series.waits,
        "count": len(samples),
        "errors": wrong,
        "error_rate": round(wrong / len(samples), 5) if samples else 0.0,
        "average_ms": milliseconds(fmean(wall)) if wall else 0.0,
        "p50_ms": milliseconds(percentile(wall, 0.5)),
        "p95_ms": milliseconds(percentile(wall, 0.95)),
        "p99_ms": milliseconds(percentile(wall, 0.99)),
        "server_average_ms": None if server is None else round(server * milliseconds(fmean(wall)), 3),
        "network_share": None if server is None else round(1 - server, 4),
        "database_share": database,
        "statement_average_ms": milliseconds(math.fsum(spent for spent, _ in told) / statements) if told else None,
        "ratio": asdict(ratio_of(series)),
    }


@dataclass(frozen=True)
class Ratio:
    """How many times as long as the bare answer, and how far the rounds of one run lie apart (a part of it)."""

    value: float
    spread: float


def ratio_of(series: Series) -> Ratio:
    """The median of the rounds' ratios: what slows the machine for a while slows both sides of it.

    Of a round the faster quarter counts, because what else a machine does can only make an answer slower.
    """
    quarters = [
        (percentile([sample.seconds for sample in ours], 0.25), percentile(beside, 0.25))
        for ours, beside in zip(series.rounds, series.beside, strict=True)
    ]
    return spread_of([ours / beside for ours, beside in quarters if ours and beside])


def spread_of(values: Sequence[float]) -> Ratio:
    """The median of what rounds gave, and the distance of its quartiles as a part of it."""
    if not values:
        return Ratio(0.0, 0.0)
    middle = median(values)
    ordered = sorted(values)
    cut = len(ordered) // 4
    distance = ordered[-1 - cut] - ordered[cut]
    return Ratio(round(middle, 4), round(distance / middle, 4) if middle else 0.0)


def latency_figures(name: str, seconds: Sequence[float], wanted: int) -> dict[str, Any]:
    """Figures of something that is awaited rather than answered; `wanted` is how many there should have been."""
    return {
        "name": name,
        "count": len(seconds),
        "missing": wanted - len(seconds),
        "average_ms": milliseconds(fmean(seconds)) if seconds else None,
        "p50_ms": milliseconds(percentile(seconds, 0.5)) if seconds else None,
        "p95_ms": milliseconds(percentile(seconds, 0.95)) if seconds else None,
        "worst_ms": milliseconds(max(seconds)) if seconds else None,
    }

"""The soak's judgement: a leak is found through noise, and noise alone is no leak."""

import random

import pytest

from bench.soak import LIMITS, Moment, judged, slope


def moments(*, minutes: float = 30, **growth_a_minute: float) -> list[Moment]:
    """A steady platform with some noise, and what is said to grow."""
    chance = random.Random(3)
    steady = {
        "web_mb": 250.0,
        "worker_mb": 70.0,
        "postgres_mb": 90.0,
        "connections": 20.0,
        "files": 330.0,
        "p50_ms": 4.0,
        "p99_ms": 30.0,
    }
    found = []
    for place in range(round(minutes * 6)):
        noise = {name: value * chance.uniform(0.99, 1.01) for name, value in steady.items()}
        # A checkpoint now and then, which the slope must not see.
        noise["p99_ms"] *= 8 if place % 17 == 3 else 1
        values = {name: value + growth_a_minute.get(name, 0.0) * place / 6 for name, value in noise.items()}
        found.append(Moment(at=place * 10.0, purchases=170, failures=0, wal_bytes=0.0, tables={}, **values))
    return found


@pytest.mark.parametrize(
    ("figure", "a_minute"),
    [
        ("web_mb", 0.5),
        ("worker_mb", 0.2),
        ("postgres_mb", 0.5),
        ("connections", 0.2),
        ("files", 1.0),
        ("p50_ms", 0.2),
        ("p99_ms", 2.0),
    ],
)
def test_what_grows_is_found(figure: str, a_minute: float) -> None:
    verdicts = {verdict.figure: verdict for verdict in judged(moments(**{figure: a_minute}))}
    assert not verdicts[figure].holds
    assert verdicts[figure].an_hour == pytest.approx(a_minute * 60, rel=0.1)
    assert all(verdict.holds for name, verdict in verdicts.items() if name != figure)


def test_noise_is_no_growth() -> None:
    verdicts = judged(moments())
    assert {verdict.figure for verdict in verdicts} == set(LIMITS)
    assert all(verdict.holds for verdict in verdicts)


def test_warming_up_is_not_judged() -> None:
    run = moments()
    for place in range(30):
        run[place].web_mb -= (30 - place) * 3
    assert all(verdict.holds for verdict in judged(run))


def test_falling_memory_is_welcome() -> None:
    assert all(verdict.holds for verdict in judged(moments(web_mb=-1.0)))


def test_too_few_points_have_no_slope() -> None:
    assert slope([]) == 0.0 and slope([(1.0, 5.0)]) == 0.0 and slope([(1.0, 5.0), (1.0, 9.0)]) == 0.0
    assert judged([]) == []

"""The simulation agrees with what queueing theory knows exactly, before anybody believes it about the platform."""

import json
import math
import random

import pytest

from bench.capacity import Clock, Cores, Machine, Model, Places, benchmark_check, compared, most_users, predict
from bench.figures import RESULTS
from bench.load import Report
from bench.scaling import Cost, Scale
from bench.steps import Level, Step

COSTS = [
    Cost(step="sign in", web_ms=22.0, postgres_ms=1.0, wait_ms=1.0, a_session=1),
    Cost(step="home", web_ms=4.0, postgres_ms=2.0, wait_ms=1.0, a_session=1),
    *(
        Cost(step=step, web_ms=1.0, postgres_ms=1.5, wait_ms=1.0, a_session=4)
        for step in ("offers", "buy", "read", "webhook", "history")
    ),
]
SCALE = Scale(COSTS, 20.0, {}, 0, 0, 0, 0, 0)
# The same platform on cores of a tenth of the speed, which a tenth of the users fill.
_SLOW = [
    Cost(step=one.step, web_ms=one.web_ms * 10, postgres_ms=one.postgres_ms * 10, wait_ms=one.wait_ms, a_session=one.a_session)
    for one in COSTS
]
SLOW = Scale(_SLOW, 200.0, {}, 0, 0, 0, 0, 0)


def erlang_c(servers: int, load: float) -> float:
    """The chance to wait in M/M/c."""
    last = load**servers / math.factorial(servers) * servers / (servers - load)
    return last / (sum(load**n / math.factorial(n) for n in range(servers)) + last)


@pytest.mark.parametrize(("cores", "load"), [(1, 0.5), (1, 0.7), (2, 1.4), (4, 3.0)])
def test_cores_without_slices_are_m_m_c(cores: int, load: float) -> None:
    clock, chance = Clock(), random.Random(11)
    served = Cores(clock, cores, quantum=math.inf)
    took: list[float] = []

    def come() -> None:
        asked = clock.now
        served.work(chance.expovariate(1.0), lambda: took.append(clock.now - asked))
        clock.after(chance.expovariate(load), come)

    come()
    clock.run(60_000)
    theory = 1.0 + erlang_c(cores, load) / (cores - load)
    assert sum(took) / len(took) == pytest.approx(theory, rel=0.08)
    assert served.used / 60_000 == pytest.approx(load, rel=0.03)


def test_taking_turns_spares_short_work_from_waiting_for_long() -> None:
    def short_one(quantum: float) -> float:
        clock, ended = Clock(), []
        cores = Cores(clock, 1, quantum)
        cores.work(1.0, lambda: None)
        cores.work(0.001, lambda: ended.append(clock.now))
        clock.run(10)
        return ended[0]

    assert short_one(math.inf) == pytest.approx(1.001)
    assert short_one(0.003) == pytest.approx(0.004)


def test_places_are_taken_in_order_and_given_back() -> None:
    places, inside = Places(1), []
    for name in "abc":
        places.enter(lambda name=name: inside.append(name))  # type: ignore[misc]
    assert inside == ["a"]
    places.leave()
    places.leave()
    places.leave()
    assert inside == ["a", "b", "c"]
    places.enter(lambda: inside.append("d"))
    assert inside[-1] == "d"


def test_users_obey_littles_law() -> None:
    users, think, seconds = 200, 5.0, 120.0
    model = Model(COSTS, 20.0, Machine(cores=2, processes=2), users=users, think=think)
    model.run(40, seconds)
    answered = sum(len(times) for times in model.took.values())
    # A session has four rounds: three pauses and the message's two seconds each, and the answers' times.
    pauses = 4 * (3 * think + 2.0) / (4 * 4 + 2)
    response = sum(map(sum, model.took.values())) / answered
    assert answered / seconds == pytest.approx(users / (pauses + response), rel=0.05)


def test_quiet_users_see_the_costs_alone() -> None:
    found = predict(SCALE, Machine(cores=2, processes=2), users=2, think=5.0, seconds=600)
    average, _ = found.steps["buy"]
    assert average == pytest.approx(1.0 + 1.5 + 1.0, rel=0.15)
    assert found.steps["code"][0] == pytest.approx(7.0, rel=0.15)
    assert found.steps["sign in"][0] == pytest.approx(24.0, rel=0.15)


def test_more_users_wait_longer_and_other_work_makes_it_worse() -> None:
    few = predict(SLOW, Machine(), users=20, think=5.0, seconds=60)
    many = predict(SLOW, Machine(), users=300, think=5.0, seconds=60)
    disturbed = predict(SLOW, Machine(others=1.5), users=20, think=5.0, seconds=60)
    assert few.average < many.average and few.average < disturbed.average
    assert many.busy > 0.95 and few.busy < 0.5


def test_twice_the_cores_serve_about_twice_the_users() -> None:
    small, large = most_users(SLOW, Machine(2, 2)), most_users(SLOW, Machine(4, 4))
    assert 1.6 < large / small < 2.8


def test_the_comparison_says_by_how_much_it_is_wrong() -> None:
    predicted = predict(SCALE, Machine(2, 2, 0.01), users=100, think=5.0)
    step = Step("buy", 100, 0.0, 1.0, 1.0, 1.0, max(p99 for _, p99 in predicted.steps.values()) * 2, 1.0, {})
    level = Level(
        users=100, think=5.0, seconds=60, steps=[step], average=predicted.average * 2, errors=0, requests_a_second=1, purchases_a_second=1,
        generator_cores=0.1, generator_lag_ms=1, cores={"web": 0.1, "worker": 0.01, "postgres": 0.1},
    )  # fmt: skip
    without = Level(
        users=1,
        think=5,
        seconds=1,
        steps=[],
        average=1,
        errors=0,
        requests_a_second=1,
        purchases_a_second=1,
        generator_cores=0,
        generator_lag_ms=0,
    )
    [row] = compared(Report("here", 2, 2, 0.0, [level, without]), SCALE)
    assert row.average_error == pytest.approx(-0.5, abs=0.01) and row.p99_error == pytest.approx(-0.5, abs=0.01)
    assert row.measured_busy == pytest.approx(0.155)


def test_from_the_processor_times_of_the_benchmark_follows_its_throughput() -> None:
    # Two quite different measurements of one idle machine: what a purchase costs, and how many there were.
    measured, predicted = benchmark_check(json.loads(RESULTS.read_text()))
    assert predicted == pytest.approx(measured, rel=0.15)

"""Figures in words and states: never rounded up, no alarm from chance, nothing said of too few."""

from typing import Any

import pytest

from namaskah.ops.minutes import BOUNDS
from namaskah.ops.status_report import day_state, delivery_state, milliseconds, percentage, rate_of, state_said, worst
from tests.ops.build import incident


@pytest.mark.parametrize(
    ("available", "minutes", "shown"),
    [
        (0, 0, None),
        (1440, 1440, 100.0),
        (1439.999, 1440, 99.99),
        (90 * 1440 - 0.5, 90 * 1440, 99.99),
        (0, 5, 0.0),
        (1440 - 1e-9, 1440, 100.0),
    ],
)
def test_a_hundred_percent_is_said_only_of_what_was_never_away(available, minutes, shown):
    assert percentage(available, minutes) == shown


@pytest.mark.parametrize(
    ("minutes", "available", "degraded", "down", "maintenance", "state"),
    [
        (0, 0, 0, 0, 0, "unknown"), (0, 0, 0, 0, 60, "maintenance"), (1440, 1440, 0, 0, 0, "operational"),
        (1440, 1439, 0, 1, 0, "degraded"), (1440, 1438, 3, 0, 0, "degraded"), (1440, 1439.5, 2, 0, 0, "operational"),
        (1440, 1410, 0, 30, 0, "down"), (60, 59, 0, 0, 0, "degraded"),
    ],
)  # fmt: skip
def test_a_day_is_shown_by_its_outages(minutes, available, degraded, down, maintenance, state):
    assert day_state(minutes=minutes, available=available, degraded=degraded, down=down, maintenance=maintenance) == state


@pytest.mark.parametrize(
    ("delivered", "settled", "usual", "state"),
    [
        (0, 19, (800, 1000), "unknown"), (80, 100, (800, 1000), "operational"), (64, 100, (800, 1000), "operational"),
        (60, 100, (800, 1000), "degraded"), (13, 20, (800, 1000), "operational"), (10, 100, (800, 1000), "down"),
        (45, 100, (0, 0), "operational"), (30, 100, (0, 0), "degraded"), (5, 100, (3, 4), "down"), (20, 20, (1000, 1000), "operational"),
    ],
)  # fmt: skip
def test_codes_are_compared_with_what_is_usual_and_chance_is_no_alarm(delivered, settled, usual, state):
    found = delivery_state(delivered=delivered, settled=settled, usual_delivered=usual[0], usual_settled=usual[1])
    assert found == state


def test_of_too_few_orders_nothing_is_said():
    assert rate_of(19, 19) is None
    assert rate_of(15, 20) == 75


def test_of_too_few_requests_no_duration_is_said():
    assert milliseconds([], 0.5) is None
    assert milliseconds([19] + [0] * len(BOUNDS), 0.5) is None


@pytest.mark.parametrize(
    ("classes", "share", "shown"),
    [
        ({0: 100}, 0.5, 5),
        ({0: 50, 9: 50}, 0.95, 5000),
        ({0: 50, 4: 50}, 0.95, 235),
        ({1: 10, 2: 10}, 0.5, 25),
        ({0: 1000}, 0.001, 1),
    ],
)
def test_a_duration_lies_inside_its_class(classes, share, shown):
    durations = [classes.get(place, 0) for place in range(len(BOUNDS) + 1)]
    assert milliseconds(durations, share) == shown


def test_what_is_not_known_makes_nothing_worse():
    assert worst(["unknown", "not_offered", "operational"]) == "operational"
    assert worst(["unknown", "not_offered"]) == "unknown"
    assert worst(["operational", "maintenance", "degraded", "down"]) == "down"


@pytest.mark.parametrize(
    ("component", "impact", "state"),
    [("delivery:messaging", "minor", "degraded"), ("delivery:messaging", "none", "operational"), ("delivery:messaging", "critical", "down"),
     ("delivery:social", "critical", "unknown"), ("api", "critical", "unknown")],
)  # fmt: skip
def test_operators_speak_of_what_they_name(component: str, impact: Any, state: str):
    assert state_said(component, [incident(impact=impact)], []) == state


def test_delivery_as_a_whole_means_every_group():
    assert state_said("delivery:social", [incident(components=["delivery"])], []) == "degraded"


def test_maintenance_is_said_while_it_runs():
    running = [incident(kind="maintenance", components=["api"], stage="in_progress")]
    assert state_said("api", [], running) == "maintenance"

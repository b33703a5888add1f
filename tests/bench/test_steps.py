"""What the rows of a load table say, and when its targets are missed."""

from io import StringIO

import pytest
from rich.console import Console

from bench.steps import Level, markdown, place, print_level, summed
from bench.users import Stretch


def stretch(took: dict[str, list[float]], failed: dict[str, dict[str, int]] | None = None, *, steady: bool = True) -> Stretch:
    return Stretch(
        at=10, steady=steady, last=False, users=2, seconds=10, took=took, failed=failed or {}, generator_seconds=1, lag_ms=3
    )


def level(**took: float) -> Level:
    return summed([stretch({name: [value] * 1000 for name, value in took.items()})], users=2, think=5)


@pytest.mark.parametrize(("failures", "holds"), [(6, False), (5, False), (4, True)])
def test_half_a_percent_of_errors_is_too_many(failures: int, holds: bool) -> None:
    found = summed([stretch({"buy": [1.0] * (1000 - failures)}, {"buy": {"503": failures}})], users=2, think=5)
    assert found.errors == failures / 1000
    assert found.holds is holds
    assert found.steps[0].reasons == {"503": failures}


@pytest.mark.parametrize(("milliseconds", "holds"), [(150.0, False), (149.9, True)])
def test_the_average_over_all_steps_must_stay_under_150_ms(milliseconds: float, holds: bool) -> None:
    assert level(offers=milliseconds, buy=milliseconds).holds is holds


def test_slow_statements_and_a_broken_ledger_miss_the_target_too() -> None:
    found = level(buy=1.0)
    found.statement_mean_ms = 50.0
    assert not found.holds
    found.statement_mean_ms = 49.0
    assert found.holds
    found.ledger = ["a wallet equals its entries: user_1 is off by 5"]
    assert not found.holds


def test_what_nobody_waits_for_does_not_count_for_the_average() -> None:
    assert level(buy=10.0, webhook=1000.0).average == 10.0


def test_the_ramp_counts_for_signing_in_alone() -> None:
    ramp = stretch({"sign in": [100.0], "buy": [900.0]}, steady=False)
    found = summed([ramp, stretch({"sign in": [50.0], "buy": [10.0]})], users=2, think=5)
    rows = {row.step: row for row in found.steps}
    assert (rows["sign in"].count, rows["sign in"].average) == (2, 75.0)
    assert (rows["buy"].count, rows["buy"].max) == (1, 10.0)
    assert found.seconds == 10


def test_a_run_in_which_everything_failed_has_rows_and_no_times() -> None:
    found = summed([stretch({}, {"sign in": {"ConnectionRefusedError": 3}})], users=2, think=5)
    assert (found.errors, found.steps[0].count, found.steps[0].p99) == (1.0, 3, 0.0)
    shown = Console(file=StringIO(), width=200)
    print_level(found, shown)
    assert "ConnectionRefusedError x3" in shown.file.getvalue()  # type: ignore[attr-defined]


def test_places_in_sorted_times() -> None:
    assert place([], 0.99) == 0.0
    assert place([float(n) for n in range(1, 101)], 0.99) == 100.0
    assert place([float(n) for n in range(1, 101)], 0.5) == 51.0


def test_the_table_for_the_documents_has_every_step_and_the_same_number_of_cells() -> None:
    found = level(offers=1.0, buy=2.0)
    found.cores = {"web": 0.5, "postgres": 0.25, "worker": 0.01}
    lines = markdown([found]).splitlines()
    assert [line.split("|")[2].strip() for line in lines[2:5]] == ["offers", "buy", "**all steps**"]
    assert {line.count("|") for line in lines[:5]} == {10} and {line.count("|") for line in lines[6:]} == {8}
    assert "| 0.50 | 0.25 | 0.01 |" in lines[8]

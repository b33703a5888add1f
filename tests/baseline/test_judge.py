"""What a run means: targets, and what may be called a change on a noisy machine."""

import json

import pytest

from namaskah.baseline.judge import FORMAT, changes, last_report, targets, verdict

ENDPOINT = {
    "name": "read", "waits": False, "count": 100, "errors": 0, "average_ms": 10.0, "statement_average_ms": 1.0,
    "ratio": {"value": 2.0, "spread": 0.05},
}  # fmt: skip
AWAITED = {"name": "test_instant", "p50_ms": 100.0, "p95_ms": 110.0, "missing": 0}
STEP = {"connections": 8, "requests": 100, "errors": 0, "ratio": {"value": 1.5, "spread": 0.1}}


def report(*, ramp=(STEP,), awaited=AWAITED, **endpoint):
    return {"endpoints": [ENDPOINT | endpoint], "ramp": list(ramp), "delivery": [awaited], "push": []}


def missed(found):
    return [row["name"] for row in targets(found) if not row["holds"]]


@pytest.mark.parametrize(
    ("found", "name"),
    [
        (report(average_ms=150.0), "average response time"),
        (report(errors=1, ramp=[]), "error rate"),
        (report(ramp=[STEP | {"errors": 1}]), "error rate"),
        (report(statement_average_ms=50.0), "database time of a statement, the highest average"),
        (report(awaited=AWAITED | {"missing": 1}), "codes and events that did not come"),
        (report(count=0, ramp=[]), "error rate"),
    ],
)
def test_a_missed_target_is_named(found, name):
    assert name in missed(found)


def test_the_slowest_endpoint_is_judged_by_itself():
    both = report()
    both["endpoints"].append(ENDPOINT | {"name": "start", "average_ms": 160.0})
    assert missed(both) == ["average of the slowest, start"]


def test_the_bare_answer_does_not_flatter_the_average():
    both = report(average_ms=160.0)
    both["endpoints"].append(ENDPOINT | {"name": "live", "average_ms": 0.1, "count": 10_000})
    assert "average response time" in missed(both)


def test_a_waiting_read_may_wait():
    both = report()
    both["endpoints"].append(ENDPOINT | {"name": "long-poll", "average_ms": 2_000.0, "waits": True})
    assert missed(both) == []


@pytest.mark.parametrize(
    ("change", "noise", "word"),
    [(0.3, 0.2, "slower"), (-0.3, 0.2, "faster"), (0.2, 0.2, "same"), (-0.16, 0.2, "same"), (0.0, 0.15, "same")],
)
def test_only_what_exceeds_the_noise_is_a_change(change, noise, word):
    assert verdict(change, noise) == word


@pytest.mark.parametrize(
    ("value", "spread", "word"), [(2.8, 0.05, "slower"), (1.4, 0.05, "faster"), (2.2, 0.05, "same"), (2.8, 0.5, "same")]
)
def test_an_answer_is_judged_by_its_ratio_and_the_spread_of_both_runs(value, spread, word):
    [first, *_] = changes(report(), report(ratio={"value": value, "spread": spread}))
    assert (first["name"], first["verdict"]) == ("read", word)


def test_a_code_that_comes_much_later_is_slower_and_a_little_later_is_not():
    for now, word in ((170.0, "slower"), (130.0, "same")):
        found = changes(report(), report(awaited=AWAITED | {"p50_ms": now, "p95_ms": now + 5}))
        assert found[-1]["verdict"] == word


def test_fewer_reads_a_second_are_slower():
    found = changes(report(), report(ramp=[STEP | {"ratio": {"value": 3.0, "spread": 0.1}}]))
    assert next(row for row in found if row["name"] == "throughput, 8 at once")["verdict"] == "slower"


def test_the_last_report_is_the_newest_of_the_same_instance(tmp_path):
    assert last_report(tmp_path, "here") is None
    for name, content in {
        "2026-01-01T000000.json": {"format": FORMAT, "subject": "here", "n": 1},
        "2026-01-02T000000.json": {"format": FORMAT, "subject": "here", "n": 2},
        "2026-01-03T000000.json": {"format": FORMAT, "subject": "elsewhere"},
        "2026-01-04T000000.json": {"format": FORMAT + 1, "subject": "here"},
        "2026-01-05T000000.json": ["nonsense"],
    }.items():
        (tmp_path / name).write_text(json.dumps(content))
    (tmp_path / "2026-01-06T000000.json").write_text("{broken")
    found = last_report(tmp_path, "here")
    assert found is not None
    assert (found[0], found[1]["n"]) == ("2026-01-02T000000.json", 2)

"""Samples become figures."""

from namaskah.baseline.figures import Sample, Series, endpoint_figures, latency_figures, percentile, spread_of
from namaskah.baseline.probe import Answer


def test_percentiles_of_nothing_are_nothing():
    assert percentile([], 0.5) == 0
    assert [percentile([4.0, 1.0, 3.0, 2.0], share) for share in (0.25, 0.5, 0.95, 1.0)] == [1.0, 2.0, 4.0, 4.0]


def test_the_spread_leaves_out_what_lies_far_away():
    assert spread_of([1.0, 1.0, 1.1, 1.1, 90.0]).spread < 0.1
    assert spread_of([]).value == 0


def test_an_endpoint_tells_where_its_time_went():
    samples = [Sample(0.010, True, 0.008, (0.004, 2)), Sample(0.030, False, 0.016, (0.006, 3))]
    figures = endpoint_figures(Series("read", "GET", "/x", rounds=[samples], beside=[[0.005, 0.005]]))
    assert (figures["count"], figures["errors"], figures["error_rate"], figures["average_ms"]) == (2, 1, 0.5, 20.0)
    assert (figures["network_share"], figures["database_share"], figures["statement_average_ms"]) == (0.4, 0.25, 2.0)
    assert figures["ratio"]["value"] == 2.0


def test_what_the_instance_does_not_tell_is_not_invented():
    figures = endpoint_figures(Series("read", "GET", "/x", rounds=[[Sample(0.01, True)]], beside=[[0.005]]))
    assert (figures["network_share"], figures["database_share"], figures["statement_average_ms"]) == (None, None, None)


def test_what_did_not_come_is_counted():
    assert latency_figures("code", [], 5)["missing"] == 5
    assert latency_figures("code", [0.1, 0.2], 2)["worst_ms"] == 200.0


def test_the_server_timing_of_an_answer_is_read():
    told = Answer(200, (("server-timing", 'app;dur=12.5, db;dur=4.250;desc="3"'), ("x-process-time", "0.0125")), b"", 0.02)
    assert (told.server_seconds, told.database) == (0.0125, (0.00425, 3))
    odd = Answer(200, (("server-timing", "db;dur=soon, app"), ("x-process-time", "")), b"", 0.02)
    assert (odd.server_seconds, odd.database) == (None, None)

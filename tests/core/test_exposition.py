"""/metrics of several processes: nothing is lost when one dies, many dead ones are put together, series stay few."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from namaskah.core.metrics_folder import make_folder, remove_folder
from namaskah.core.metrics_readers import allowed_networks, may_read
from tests.figures import value_of

# A process that counts, observes and sets a gauge; it ends when it is told to, so that files of the living exist too.
COUNTS = """
import sys
from namaskah.core import metrics
metrics.SIGN_UPS.inc(2)
metrics.STREAM_PUSH.observe(0.004)
metrics.HTTP_REQUESTS.labels("api", "GET", "/wallet", "200").inc()
metrics.STREAMS_OPEN.set(5)
metrics.JOBS_WAITING.labels("k").set(len(sys.argv))
print("counted", flush=True)
sys.stdin.read()
"""
SHOWS = """
import sys
from namaskah.core.exposition import exposition
sys.stdout.write(exposition().decode())
"""


@pytest.fixture
def folder(monkeypatch):
    made = make_folder()
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(made))
    yield made
    remove_folder(made)


def counting() -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", COUNTS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "counted\n"
    return process


def shown() -> str:
    return subprocess.run([sys.executable, "-c", SHOWS], check=True, capture_output=True, text=True).stdout


def test_only_named_addresses_may_read():
    allowed = allowed_networks("127.0.0.1, ::1,10.0.0.0/8")
    assert all(may_read(address, allowed) for address in ("127.0.0.1", "::1", "10.9.8.7", "::ffff:10.1.2.3"))
    assert not any(may_read(address, allowed) for address in ("192.0.2.1", "testclient", "", "2001:db8::1"))
    with pytest.raises(ValueError, match="nowhere"):
        allowed_networks("nowhere")


def test_counts_of_a_killed_process_stay_and_its_gauges_go(folder):
    processes = [counting(), counting()]
    assert value_of("namaskah_streams_open", shown()) == 10
    processes[0].kill()
    processes[0].communicate(timeout=10)
    text = shown()
    assert value_of("namaskah_sign_ups_total", text) == 4
    assert value_of("namaskah_stream_push_seconds_count", text) == 2
    assert value_of("namaskah_streams_open", text) == 5
    processes[1].communicate("", timeout=10)


def test_many_ended_processes_are_put_together_without_losing_or_doubling_a_count(folder, monkeypatch):
    monkeypatch.setattr("namaskah.core.exposition._MOST_LEFT", 2)
    for _ in range(3):
        counting().communicate("", timeout=10)
    from namaskah.core.exposition import exposition

    texts = [exposition().decode() for _ in range(3)]
    assert {value_of("namaskah_sign_ups_total", text) for text in texts} == {6.0}
    assert {value_of("namaskah_stream_push_seconds_bucket", text, le="0.005") for text in texts} == {3.0}
    assert {value_of("namaskah_http_requests_total", text, route="/wallet") for text in texts} == {3.0}
    # And what was read last stays: nobody alive tells it.
    assert {value_of("namaskah_jobs_waiting", text, kind="k") for text in texts} == {1.0}
    ended = {file.name for file in folder.glob("*.db")} - {file.name for file in folder.glob(f"*_{os.getpid()}.db")}
    assert sorted(ended) == ["counter_0.db", "gauge_mostrecent_0.db", "histogram_0.db"]
    counting().communicate("", timeout=10)
    assert value_of("namaskah_sign_ups_total", exposition().decode()) == 8


def test_a_folder_that_a_killed_instance_left_is_removed(tmp_path):
    gone = subprocess.Popen(["true"])
    gone.wait()
    left = make_folder()
    renamed = left.with_name(f"namaskah-metrics-{gone.pid}-left")
    left.rename(renamed)
    (renamed / "counter_1.db").write_bytes(b"x")
    mine = make_folder()
    assert not renamed.exists()
    assert mine.exists()
    remove_folder(mine)
    assert not Path(mine).exists()

"""`namaskah serve` with real processes: a fast start, the death of each part, an end that leaves nothing."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Namaskah
from tests.cli.served import Served, wait_for
from tests.requirements import require


@pytest.fixture(scope="module")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder for instances that are started and stopped: made by the first, opened by the others."""
    return tmp_path_factory.mktemp("stopped") / "data"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An instance with two web processes and a worker; tests may kill parts of it, never stop it."""
    instance = Served(tmp_path_factory.mktemp("served") / "data", "--workers", "2")
    try:
        instance.until_ready()
        yield instance
    finally:
        instance.end()


def killed(instance: Served, wanted: str) -> int:
    """Kills one process of an instance the hard way; answers which."""
    pid = instance.processes(wanted)[0]
    os.kill(pid, signal.SIGKILL)
    return pid


def test_a_taken_port_is_one_clear_line(command: Namaskah) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        failed = command("serve", "--port", str(taken.getsockname()[1]))
    assert failed.returncode == 1
    assert re.fullmatch(r"error: Cannot listen on 127\.0\.0\.1 port \d+: .* --port\.\n", failed.stderr)


def test_a_demo_user_is_refused_in_production(command: Namaskah) -> None:
    refused = command("serve", "--demo", ENVIRONMENT="production")
    assert refused.returncode == 2
    assert "ENVIRONMENT=development" in refused.stderr


def test_the_second_start_is_fast_and_tells_the_same_and_each_stop_leaves_nothing(data_folder: Path) -> None:
    told, seconds = [], 0.0
    for number in (signal.SIGINT, signal.SIGTERM):
        instance = Served(data_folder)
        try:
            # Other tests may keep both cores busy: then what counts is the time that it really had one.
            seconds = min(instance.until_healthy(), instance.busy_seconds())
            instance.until_ready()
            assert len(instance.processes()) >= 5  # the supervisor, two children, PostgreSQL's
            began = time.monotonic()
            assert instance.stop(number) == 0, instance.output
            assert time.monotonic() - began < 15
            assert instance.processes() == []
        finally:
            instance.end()
        assert not (data_folder / "postgres/cluster/postmaster.pid").exists()
        told.append(re.findall(r"^  (?:Sign in|Password|Test key) +(\S+)$", instance.output, re.MULTILINE))
    assert len(told[0]) == 3
    assert told[0] == told[1]
    assert seconds < 3, seconds
    for name in ("demo.json", "secret.key"):
        assert (data_folder / name).stat().st_mode & 0o777 == 0o600


def test_the_line_that_is_printed_buys_a_number_when_pasted(served: Served) -> None:
    require(shutil.which("curl"), "curl is not installed")
    buy, look = re.findall(r"^  (?:sleep 2; )?(curl .*)$", served.output, re.MULTILINE)
    bought = json.loads(subprocess.run(shlex.split(buy), capture_output=True, check=True).stdout)
    assert bought["status"] == "pending"
    assert bought["livemode"] is False

    def code() -> str | None:
        answer = subprocess.run(shlex.split(look), capture_output=True, check=True).stdout
        seen: str | None = json.loads(answer)["data"][0]["code"]
        return seen

    wait_for(code, 10)


def test_health_tells_what_a_monitor_asks(served: Served) -> None:
    health = served.get("/health")
    assert health["status"] == "ok"
    assert health["database"]["ok"] is True
    assert health["worker_last_seen"] < 60
    assert {served.status(path) for path in ("/livez", "/readyz")} == {200}


def test_a_killed_process_is_replaced_and_the_others_serve_on(served: Served) -> None:
    for role, others in (("web", 1), ("worker", 0)):
        dead = killed(served, f"child {role} ")
        if others:
            assert served.status("/livez") == 200  # with the same socket
        wait_for(lambda role=role, dead=dead: set(served.processes(f"child {role} ")) - {dead}, 5)
        wait_for(lambda role=role, others=others: len(served.processes(f"child {role} ")) == others + 1, 5)
    assert "was ended by SIGKILL; starting another one." in served.output


def test_after_the_death_of_all_web_processes_it_serves_again_within_two_seconds(served: Served) -> None:
    seconds = []
    for _ in range(3):  # the best of three, because other tests may keep both cores busy
        wait_for(lambda: served.processes("child spare "), 15)
        for pid in served.processes("child web "):
            os.kill(pid, signal.SIGKILL)
        seconds.append(wait_for(lambda: served.status("/readyz") == 200, 15))
        wait_for(lambda: len(served.processes("child web ")) == 2, 5)
    assert min(seconds) < 2, seconds


def test_a_killed_postgres_is_started_again_and_everything_reconnects(served: Served) -> None:
    postgres = int((served.folder / "postgres/cluster/postmaster.pid").read_text().split()[0])
    os.kill(postgres, signal.SIGKILL)
    wait_for(lambda: served.status("/readyz") != 200, 5)
    assert served.status("/livez") == 200
    wait_for(lambda: served.status("/readyz") == 200, 15)
    assert len(served.processes(r"cli\.child (web|worker) ")) == 3
    assert "starting it again" in served.output


def test_nothing_outlives_a_killed_supervisor(data_folder: Path) -> None:
    instance = Served(data_folder)
    try:
        instance.until_ready()
        instance.process.kill()
        instance.process.wait()
        wait_for(lambda: instance.processes() == [], 20)
    finally:
        instance.end()


def test_a_terminal_that_interrupts_the_whole_group_stops_it_in_order(data_folder: Path) -> None:
    """What Ctrl-C does: the signal goes to every process of the terminal's foreground group."""
    import sys

    from tests.cli.conftest import environment

    settings = {"NAMASKAH_DATA_DIR": str(data_folder), "ENVIRONMENT": "development"}
    process = subprocess.Popen(
        [sys.executable, "-m", "namaskah.cli", "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(**settings),
        start_new_session=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "Ctrl-C stops" in line:
            break
    os.killpg(process.pid, signal.SIGINT)
    rest = process.stdout.read()
    process.stdout.close()
    assert process.wait(timeout=30) == 0
    assert "Traceback" not in rest


def test_a_database_that_never_was_there_is_waited_for(command: Namaskah, tmp_path: Path) -> None:
    instance = Served(tmp_path / "data", DATABASE_URL="postgresql://127.0.0.1:1/none")
    try:
        wait_for(lambda: "waiting for it" in instance.output, 10)
        assert instance.stop() == 0
        assert instance.processes() == []
    finally:
        instance.end()


def test_a_database_that_refuses_us_is_said_and_ends_the_start(namaskah: Namaskah, database_url: str) -> None:
    refused = database_url.replace("/t_", "/no_such_t_")
    failed = namaskah("serve", "--port", "0", DATABASE_URL=refused)
    assert failed.returncode == 1
    assert "does not exist" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_a_request_head_without_end_is_cut(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        answer = b""
        try:
            for _ in range(50):
                connection.sendall(b"X-Filler: " + b"x" * 4000 + b"\r\n")
                time.sleep(0.002)
            while chunk := connection.recv(4096):
                answer += chunk
        except ConnectionError:
            pass  # it was closed while we were still sending, which is just as good
    assert b" 200 " not in answer
    assert served.status("/livez") == 200

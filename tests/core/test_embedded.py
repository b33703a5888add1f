"""The embedded PostgreSQL on real data folders: made, crashed, shared, too new, too deep, and stopped."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from namaskah.core import embedded, postgres_binaries
from namaskah.core.embedded import EmbeddedPostgres, EmbeddedPostgresError
from namaskah.core.postgres_binaries import RunAs, major_of
from namaskah.core.processes import wait_until
from tests.requirements import require


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that was started and stopped once, for tests that need no first start of their own."""
    folder = tmp_path_factory.mktemp("made") / "data"
    with EmbeddedPostgres(folder, fast_and_unsafe=True):
        pass
    return folder


async def ask(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def test_without_any_binaries_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_binaries, "candidates", lambda: iter([tmp_path]))
    with pytest.raises(EmbeddedPostgresError, match=r"PostgreSQL 15 or newer is needed.*apt-get install postgresql;"):
        EmbeddedPostgres(tmp_path / "data").start()


def test_a_folder_of_another_major_version_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster" / "PG_VERSION").write_text("14\n")
    with pytest.raises(EmbeddedPostgresError) as refused:
        EmbeddedPostgres(tmp_path).start()
    assert "was written by PostgreSQL 14" in str(refused.value)
    assert "apt-get install postgresql-14" in str(refused.value)
    assert "There is: /" in str(refused.value)


def test_a_folder_is_opened_by_its_own_version_though_another_is_preferred(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_version = {major_of(bindir): bindir for bindir in postgres_binaries.candidates()}
    require(len(by_version) >= 2, "two major versions of PostgreSQL are needed")
    for own in by_version.values():
        others_first = sorted(by_version.values(), key=lambda bindir, own=own: bindir == own)
        monkeypatch.setattr(postgres_binaries, "candidates", lambda own=own: iter([own]))
        folder = tmp_path / own.parent.name
        with EmbeddedPostgres(folder, fast_and_unsafe=True):
            pass
        monkeypatch.setattr(postgres_binaries, "candidates", lambda order=others_first: iter(order))
        with EmbeddedPostgres(folder, fast_and_unsafe=True) as again:
            assert again.bindir == own


def test_a_wrong_setting_is_reported_in_postgresqls_words(made: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match="no_such_setting"):
        EmbeddedPostgres(made, settings={"no_such_setting": "1"}).start()
    assert not EmbeddedPostgres(made).alive()


def test_a_first_start_that_was_cut_off_begins_anew(tmp_path: Path) -> None:
    begun = tmp_path / "cluster.begun"
    begun.mkdir()
    (begun / "PG_VERSION").write_text("15\n")
    with EmbeddedPostgres(tmp_path, fast_and_unsafe=True) as server:
        assert server.alive()
    assert not begun.exists()


async def test_the_first_start_makes_a_database_of_utf8_in_utc(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "data", fast_and_unsafe=True) as server:
        assert await ask(server.url, "SELECT current_database()::text") == "namaskah"
        assert await ask(server.url, "SHOW server_encoding") == "UTF8"
        assert await ask(server.url, "SHOW timezone") == "UTC"
        assert await ask(server.url, "SHOW jit") == "off"
        assert await ask(server.url, "SELECT lower('ÄΣЖ') || ('a' < 'B')") == "äσжfalse"


async def test_tcp_asks_for_the_password(made: Path) -> None:
    with EmbeddedPostgres(made, fast_and_unsafe=True) as server:
        assert await ask(server.tcp_url, "SELECT 1") == 1
        password = (made / "password").read_text().strip()
        with pytest.raises(asyncpg.InvalidPasswordError):
            await ask(server.tcp_url.replace(password, "wrong"), "SELECT 1")


def test_nobody_else_may_read_the_folder_the_socket_or_the_password(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "data", fast_and_unsafe=True) as server:
        for path in (server.data_dir, server.data_dir / "socket", server.data_dir / "password"):
            assert path.stat().st_mode & 0o077 == 0, path


async def test_a_second_start_keeps_data_and_url(made: Path) -> None:
    with EmbeddedPostgres(made, fast_and_unsafe=True) as first:
        await ask(first.url, "CREATE TABLE kept AS SELECT 7 AS n")
        url = first.url
    with EmbeddedPostgres(made, fast_and_unsafe=True) as second:
        assert second.url == url
        assert await ask(second.url, "SELECT n FROM kept") == 7


def test_a_second_start_is_quick(made: Path) -> None:
    def seconds() -> float:
        begun = time.perf_counter()
        with EmbeddedPostgres(made, fast_and_unsafe=True):
            return time.perf_counter() - begun

    # The best of three, because other programs may keep the machine busy.
    assert min(seconds() for _ in range(3)) < 0.3


def kill_9(server: EmbeddedPostgres) -> None:
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    assert wait_until(lambda: not EmbeddedPostgres(server.data_dir).alive(), 5)


async def test_it_starts_again_after_kill_9(made: Path) -> None:
    with EmbeddedPostgres(made) as server:
        await ask(server.url, "CREATE TABLE survived AS SELECT 1 AS n")
        for _ in range(3):
            kill_9(server)
            assert await ask(server.start(), "SELECT n FROM survived") == 1


async def test_it_starts_again_though_the_killed_server_is_still_a_zombie(made: Path) -> None:
    with EmbeddedPostgres(made, fast_and_unsafe=True) as parent:
        kill_9(parent)
        # Another object does not know the child: to PostgreSQL the zombie's process id looks alive.
        with EmbeddedPostgres(made, fast_and_unsafe=True) as other:
            assert await ask(other.url, "SELECT 1") == 1


def test_a_pid_that_now_belongs_to_another_program_does_not_stop_the_start(made: Path) -> None:
    # What a container finds after its host was switched off: the same small numbers, other programs.
    (made / "cluster" / "postmaster.pid").write_text(f"{os.getpid()}\n{made / 'cluster'}\n1\n20000\n\n\n\nready\n")
    server = EmbeddedPostgres(made, fast_and_unsafe=True)
    assert not server.alive()
    with subprocess.Popen(["/bin/sleep", "60"]) as stranger:
        text = (made / "cluster" / "postmaster.pid").read_text()
        (made / "cluster" / "postmaster.pid").write_text(text.replace(str(os.getpid()), str(stranger.pid)))
        try:
            server.start()
            assert server.pid not in (None, stranger.pid)
        finally:
            server.stop()
            stranger.kill()


async def test_a_taken_port_is_given_up_for_another(made: Path) -> None:
    with EmbeddedPostgres(made, fast_and_unsafe=True) as server:
        port = int((made / "port").read_text())
        assert urlsplit(server.tcp_url).port == port
    with socket.create_server(("127.0.0.1", port)), EmbeddedPostgres(made, fast_and_unsafe=True) as server:
        assert urlsplit(server.tcp_url).port != port
        assert await ask(server.tcp_url, "SELECT 1") == 1


_OTHER_PROCESS = """
import sys
from pathlib import Path
from namaskah.core.embedded import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1]), fast_and_unsafe=True) as server:
    print(server.pid, flush=True)
    sys.stdin.read()
"""


def other_process(folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", _OTHER_PROCESS, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def first_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_two_that_start_at_once_share_one_server_and_the_last_stops_it(tmp_path: Path) -> None:
    with other_process(tmp_path) as one, other_process(tmp_path) as two:
        pids = {first_line(one), first_line(two)}
        assert len(pids) == 1
        one.communicate()
        assert EmbeddedPostgres(tmp_path).alive()
        two.communicate()
        assert not EmbeddedPostgres(tmp_path).alive()


def test_a_server_left_by_a_killed_program_is_taken_over_and_stopped(made: Path) -> None:
    with other_process(made) as killed:
        pid = int(first_line(killed))
        killed.kill()
    with EmbeddedPostgres(made, fast_and_unsafe=True) as server:
        assert server.pid == pid
    assert not server.alive()


async def test_a_path_too_long_for_a_socket_works(tmp_path: Path) -> None:
    deep = tmp_path / ("long " * 20).strip() / ("name, 'and' %s" * 3)
    with EmbeddedPostgres(deep, fast_and_unsafe=True) as server:
        assert len(str(server.data_dir)) > embedded.SOCKET_PATH_BYTES
        assert await ask(server.url, "SELECT 1") == 1
        outside = Path(parse_qs(urlsplit(server.url).query)["host"][0])
        assert not outside.is_relative_to(server.data_dir)
    assert not outside.exists()


def test_a_socket_folder_that_somebody_else_made_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as everybodys:
        monkeypatch.setattr(tempfile, "tempdir", everybodys)
        server = EmbeddedPostgres(tmp_path / "a, b", fast_and_unsafe=True)
        with server:
            [folder] = Path(everybodys).glob("namaskah-*")
        folder.mkdir()
        folder.chmod(0o777)
        with pytest.raises(EmbeddedPostgresError, match="mode 0700"):
            server.start()


async def test_a_deep_folder_for_temporary_files_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("x" * 100)))
    with EmbeddedPostgres(tmp_path / ("y" * 100), fast_and_unsafe=True) as server:
        assert await ask(server.url, "SELECT 1") == 1


async def test_stop_is_clean_though_somebody_is_connected(made: Path) -> None:
    server = EmbeddedPostgres(made, fast_and_unsafe=True)
    connection = await asyncpg.connect(server.start())
    server.stop()
    assert not server.alive()
    assert not (made / "cluster" / "postmaster.pid").exists()
    assert "database system is shut down" in server.log.read_text()
    connection.terminate()
    server.stop()


def test_a_large_log_begins_anew(made: Path) -> None:
    (made / "server.log").write_bytes(b"x" * (embedded.LOG_BYTES + 1))
    with EmbeddedPostgres(made, fast_and_unsafe=True) as server:
        assert server.log.stat().st_size < 100_000
    assert (made / "server.log.1").stat().st_size > embedded.LOG_BYTES


async def test_a_duplicate_leaves_no_personal_data_in_the_log(made: Path) -> None:
    with EmbeddedPostgres(made, fast_and_unsafe=True) as server:
        await ask(server.url, "CREATE TABLE people (email text PRIMARY KEY)")
        insert = "INSERT INTO people VALUES ('canary@example.org')"
        await ask(server.url, insert)
        with pytest.raises(asyncpg.UniqueViolationError):
            await ask(server.url, insert)
        assert "duplicate key" in server.log.read_text()
        assert "canary" not in server.log.read_text()


@pytest.mark.parametrize("way", ["namespace", "nobody"])
async def test_root_is_served_by_somebody_whom_postgresql_accepts(
    way: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    require(os.geteuid() == 0, "only root has to become somebody else")
    if way == "nobody":
        # As in a container that forbids user namespaces. The folder must be one that `nobody` may enter.
        monkeypatch.setattr(postgres_binaries, "UNSHARE", ("no-such-program",))
    folder = Path("/var/tmp") / f"namaskah-{os.getpid()}-{way}"
    try:
        for _ in range(2):
            with EmbeddedPostgres(folder, fast_and_unsafe=True) as server:
                assert await ask(server.url, "SELECT 1") == 1
                assert (Path(f"/proc/{server.pid}").stat().st_uid == 0) == (way == "namespace")
    finally:
        shutil.rmtree(folder)


def test_an_ordinary_user_runs_it_plainly() -> None:
    nobody = RunAs(switch_to=pwd.getpwnam("nobody")) if os.geteuid() == 0 else RunAs()
    folder = Path("/var/tmp") / f"namaskah-{os.getpid()}-plain"
    # The launcher needs nothing but Python's own library, so `nobody` need not be able to read this checkout.
    package = Path(embedded.__file__).parents[1]
    (folder / "namaskah").mkdir(parents=True)
    shutil.copy(package / "__init__.py", folder / "namaskah")
    shutil.copytree(package / "core", folder / "namaskah" / "core")
    for path in [folder, *folder.rglob("*")]:
        nobody.own(path)

    def run(python: str, program: str) -> str:
        command = [python, "-c", program, str(folder / "data")]
        with nobody.popen(command, cwd=folder, stdin=subprocess.DEVNULL, output=subprocess.PIPE) as process:
            return process.communicate()[0].decode().strip()

    try:
        version = "import sys; print(sys.version_info >= (3, 11))"
        pythons = [python for python in (sys.executable, "/usr/bin/python3") if run(python, version) == "True"]
        require(pythons, "no Python 3.11 that an ordinary user may run")
        assert run(pythons[0], _OTHER_PROCESS).isdigit()
    finally:
        shutil.rmtree(folder)

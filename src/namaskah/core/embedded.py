"""The PostgreSQL that runs beside us when no DATABASE_URL is given: made, started and stopped here.

It is an ordinary server on an ordinary data folder, so what works here works on a big one. Nothing has to be
installed or configured by hand, also as root; `postgres_binaries` knows where its programs come from.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import IO
from urllib.parse import quote

from namaskah.core.postgres_binaries import EmbeddedPostgresError, RunAs, choose_user, find_bindir
from namaskah.core.processes import is_free, wait_until, works_in

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError"]

DATABASE = USER = "namaskah"
START_SECONDS = 120.0  # recovery after a crash may have gigabytes to replay
REMAINS_SECONDS = 15.0  # the other processes of a killed server end by themselves within a few
STOP_SECONDS = 20.0
LOG_BYTES = 10_000_000
# The kernel keeps 108 bytes for the path of a unix socket, one of them for the closing zero.
SOCKET_PATH_BYTES = 107
# From 32768 on ports are given to outgoing connections, and a server there finds its port taken at random.
PORTS = range(20_000, 32_768)
# Servers that run on when we leave: Python would warn about a child that is forgotten while it runs.
_left_to_others: list[subprocess.Popen[bytes] | None] = []


class EmbeddedPostgres:
    """One data folder and the server on it.

    Several processes may use the same folder: the first starts the server, the others attach to it, and the
    last one to call `stop` stops it. `fast_and_unsafe` gives up surviving a power cut, for tests. `settings`
    are PostgreSQL's own and win over ours.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        fast_and_unsafe: bool = False,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.data_dir = data_dir.absolute()
        self._fast = fast_and_unsafe
        self._settings = dict(settings)
        self._cluster = self.data_dir / "cluster"
        self._bindir: Path | None = None
        self._run_as = RunAs()
        self._child: subprocess.Popen[bytes] | None = None
        self._in_use: IO[str] | None = None

    def __enter__(self) -> EmbeddedPostgres:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    # What is there

    @property
    def bindir(self) -> Path:
        """The folder with this data folder's `postgres`, `psql`, `pgbench`. Raises EmbeddedPostgresError."""
        if self._bindir is None:
            self._bindir = self._find_bindir()
        return self._bindir

    @property
    def log(self) -> Path:
        """The server's log; the one before it is beside it once it has grown over 10 MB."""
        return self.data_dir / "server.log"

    @property
    def pid(self) -> int | None:
        """The server's process id, whoever started it; None when it does not run."""
        if self._child is not None:
            self._child.poll()  # clears away its zombie
        lines = self._pidfile()
        number = int(lines[0]) if lines and lines[0].isdigit() else 0
        return number if number and works_in(number, self._cluster) else None

    @property
    def url(self) -> str:
        """The DATABASE_URL of the running server: its unix socket, which only its owner can reach."""
        lines = self._running_pidfile()
        return f"postgresql://{USER}@/{DATABASE}?host={quote(lines[4], safe='/')}&port={lines[3]}"

    @property
    def tcp_url(self) -> str:
        """The same over 127.0.0.1 and with the password, for programs that know no unix sockets."""
        password = (self.data_dir / "password").read_text().strip()
        port = self._running_pidfile()[3]
        return f"postgresql://{USER}:{password}@127.0.0.1:{port}/{DATABASE}?sslmode=disable"

    def alive(self) -> bool:
        """Whether the server's process runs."""
        return self.pid is not None

    def _pidfile(self) -> list[str]:
        # Its lines: pid, data folder, start time, port, socket folder, address, shared memory, state.
        try:
            return [line.strip() for line in (self._cluster / "postmaster.pid").read_text().splitlines()]
        except FileNotFoundError:
            return []

    def _running_pidfile(self) -> list[str]:
        lines = self._pidfile()
        if len(lines) < 5:
            raise EmbeddedPostgresError(f"No PostgreSQL runs on {self.data_dir}; start it first.")
        return lines

    def _find_bindir(self) -> Path:
        version = self._cluster / "PG_VERSION"
        if not version.exists():
            return find_bindir(None)
        needed = int(version.read_text().strip())
        try:
            return find_bindir(needed)
        except EmbeddedPostgresError as error:
            raise EmbeddedPostgresError(
                f"The data folder {self.data_dir} was written by PostgreSQL {needed}, and only that major "
                f"version can open it. {error} To begin with an empty database instead, move the folder away."
            ) from None

    # Start

    def start(self) -> str:
        """Starts the server, or attaches to the one that runs on this folder, and returns its DATABASE_URL.

        Returns when it takes connections. The first start makes the data folder and the database.
        Raises EmbeddedPostgresError.
        """
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._turn():
            if self._in_use is None:
                self._in_use = (self.data_dir / "in-use.lock").open("a")
                fcntl.flock(self._in_use, fcntl.LOCK_SH)
            try:
                if not (self.alive() and self._becomes_ready()):
                    self._reap()
                    self._run_as = choose_user(self.data_dir)
                    self._initialise()
                    self._launch()
            except BaseException:
                self._in_use.close()
                self._in_use = None
                raise
        return self.url

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """One process at a time starts or stops the server of this folder."""
        with (self.data_dir / "turn.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _initialise(self) -> None:
        """Makes the database files, under another name until they are whole."""
        if self._cluster.exists():
            return
        begun = self.data_dir / "cluster.begun"
        shutil.rmtree(begun, ignore_errors=True)
        password = self.data_dir / "password"
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(24) + "\n")
        self._run_as.own(password)
        # Byte order sorts fastest and never changes under an index; the ctype knows letters of every script.
        options = ["--encoding=UTF8", "--locale=C", "--lc-ctype=C.UTF-8", f"--username={USER}"]
        options += ["--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={password}"]
        options += ["--no-sync"] if self._fast else []
        self._run("initdb", "-D", str(begun), *options)
        # Single-user mode needs no client program and opens no port.
        self._run("postgres", "--single", "-D", str(begun), "postgres", stdin=f"CREATE DATABASE {DATABASE};\n")
        begun.rename(self._cluster)

    def _run(self, program: str, *arguments: str, stdin: str = "") -> None:
        command = [str(self.bindir / program), *arguments]
        pipe = subprocess.PIPE
        with self._run_as.popen(command, cwd=self.data_dir, stdin=pipe, output=pipe) as process:
            output = process.communicate(stdin.encode())[0].decode(errors="replace").strip()
        if process.returncode != 0 or "ERROR:" in output:
            raise EmbeddedPostgresError(f"{program} failed on {self.data_dir}: {output}")

    def _launch(self) -> None:
        """Starts the server, again and again while the remains of a killed one still hold the folder."""
        deadline = time.monotonic() + REMAINS_SECONDS
        port = self._port()
        while True:
            command = [str(self.bindir / "postgres"), "-D", str(self._cluster)]
            for name, value in self._server_settings(port).items():
                command += ["-c", f"{name}={value}"]
            written = self._rotate_log()
            with self.log.open("ab") as log:
                self._child = self._run_as.popen(command, cwd=self.data_dir, stdin=subprocess.DEVNULL, output=log)
            if self._becomes_ready():
                return
            reason = self.log.read_bytes()[written:].decode(errors="replace").strip()
            if "Address already in use" in reason:
                port = self._port(other_than=port)
            elif 'lock file "' in reason and "already exists" in reason:
                self._set_aside_stale_locks(self._socket_dir(port))
            elif "is still in use" not in reason:
                raise EmbeddedPostgresError(f"PostgreSQL did not start on {self.data_dir}: {reason}")
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(
                    f"PostgreSQL did not start on {self.data_dir} within {REMAINS_SECONDS:.0f} s: {reason}"
                )
            time.sleep(0.05)

    def _becomes_ready(self) -> bool:
        """Waits until the server takes connections; False when it has ended instead."""
        child = self._child if self._child is not None and self._child.poll() is None else None

        def ready() -> bool:
            lines = self._pidfile()
            return lines[7:8] == ["ready"] and (child is None or lines[0] == str(child.pid))

        def ended() -> bool:
            return child.poll() is not None if child else not self.alive()

        if not wait_until(lambda: ready() or ended(), START_SECONDS):
            raise EmbeddedPostgresError(
                f"PostgreSQL on {self.data_dir} was not ready within {START_SECONDS:.0f} s; see {self.log}."
            )
        return not ended()

    def _set_aside_stale_locks(self, socket_dir: Path) -> None:
        """A dead server's id may be a zombie's or, after a restart of the container, another program's.

        PostgreSQL then believes that it still runs. Its processes all work inside the data folder: when no
        process does, the files are stale for certain; while one does, or may, they stay where they are.
        """
        pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        if not any(works_in(pid, self._cluster) for pid in pids):
            for lock in (self._cluster / "postmaster.pid", *socket_dir.glob(".s.PGSQL.*.lock")):
                lock.unlink(missing_ok=True)

    # How it runs

    def _server_settings(self, port: int) -> dict[str, str]:
        memory_mb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
        settings = {
            "port": str(port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self._socket_dir(port)),
            "unix_socket_permissions": "0700",
            "timezone": "UTC",
            "log_timezone": "UTC",
            # Details and statements of errors quote e-mail addresses and numbers, and no log may hold those.
            "log_error_verbosity": "terse",
            "log_min_error_statement": "panic",
            "log_checkpoints": "off",
            "jit": "off",  # compiling costs more than any of our statements takes
            "max_connections": "200",
            "shared_buffers": f"{min(max(memory_mb // 8, 64), 1024)}MB",
            "effective_cache_size": f"{max(memory_mb // 2, 128)}MB",
            "work_mem": "16MB",
            "maintenance_work_mem": f"{min(max(memory_mb // 16, 64), 512)}MB",
            "random_page_cost": "1.1",
            "max_wal_size": "4GB",
            "checkpoint_timeout": "15min",
        }
        if tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) >= (5, 8):
            # After a crash every file is synced before anything else: one by one that took 1 to 4 s of the 5 until the first
            # success, at once 0.1 s. Older kernels would not report a write that failed.
            settings["recovery_init_sync_method"] = "syncfs"
        prefix = self.bindir.parent
        if any((prefix / lib / "pg_stat_statements.so").exists() for lib in ("lib", "lib/postgresql")):
            settings["shared_preload_libraries"] = "pg_stat_statements"
        if self._fast:
            settings |= {"fsync": "off", "full_page_writes": "off", "max_wal_size": "512MB"}
            settings["shared_buffers"] = "128MB"
        return settings | self._settings

    def _port(self, other_than: int | None = None) -> int:
        """A free port, the same as last time if possible: programs that run on keep their DATABASE_URL."""
        remembered = self.data_dir / "port"
        if other_than is None and remembered.exists() and is_free(int(remembered.read_text())):
            return int(remembered.read_text())
        while True:
            port = secrets.choice(PORTS)
            if port != other_than and is_free(port):
                remembered.write_text(f"{port}\n")
                return port

    def _socket_dir(self, port: int) -> Path:
        """A folder that only the server's owner may enter, with a path short enough for the kernel."""
        name = f"namaskah-{hashlib.sha256(os.fsencode(self.data_dir)).hexdigest()[:16]}"
        folders = (self.data_dir / "socket", Path(tempfile.gettempdir()) / name, Path("/tmp") / name)
        # A comma or a quote would be read as part of PostgreSQL's list of folders.
        folder = next(
            folder
            for folder in folders
            if len(os.fsencode(folder / f".s.PGSQL.{port}")) <= SOCKET_PATH_BYTES and not set(',"') & set(str(folder))
        )
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            self._run_as.own(folder)
        # Where everybody may write, somebody else could have made it before us, to listen in our place.
        found = folder.lstat()
        if found.st_uid != self._run_as.uid or found.st_mode & 0o077 or folder.is_symlink():
            raise EmbeddedPostgresError(f"{folder} must be a folder of the server's own, mode 0700; remove it.")
        return folder

    def _rotate_log(self) -> int:
        """Begins a new log when the old one is large; returns how many bytes there are in it."""
        size = self.log.stat().st_size if self.log.exists() else 0
        if size <= LOG_BYTES:
            return size
        self.log.replace(self.data_dir / "server.log.1")
        return 0

    # Stop

    def stop(self) -> None:
        """Stops the server cleanly, unless another process still uses it or it was not started here.

        Open connections are closed and their transactions rolled back. Raises EmbeddedPostgresError when the
        server does not end.
        """
        if self._in_use is None:
            return
        with self._turn(), self._in_use as in_use:
            self._in_use = None
            try:
                fcntl.flock(in_use, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                _left_to_others.append(self._child)
                return
            self._shut_down()

    def _shut_down(self) -> None:
        pid = self.pid
        if pid is None:
            return
        socket_dir = Path(self._running_pidfile()[4])
        # The first lets it write everything out, the second leaves recovery to the next start.
        for number in (signal.SIGINT, signal.SIGQUIT):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            if wait_until(lambda: not works_in(pid, self._cluster), STOP_SECONDS):
                self._reap()
                with contextlib.suppress(OSError):
                    socket_dir.rmdir()  # it may lie outside the data folder, where nothing should be left
                return
        raise EmbeddedPostgresError(f"PostgreSQL (process {pid}) on {self.data_dir} does not end.")

    def _reap(self) -> None:
        # A process leaves its folder a moment before it is gone.
        if self._child is not None:
            self._child.wait(STOP_SECONDS)

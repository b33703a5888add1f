"""Keeps an instance alive: PostgreSQL, web processes and the worker. It starts, watches, restarts and stops
them.

It stays light, so it never imports what they do; it talks to each through two pipes (see `child.py`). One
thread, one loop, woken by signals and pipes.
"""

import contextlib
import os
import resource
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from namaskah.cli.connect import embedded_folder
from namaskah.cli.output import DONE, FAILED, CommandFailed, complain
from namaskah.cli.processes import Child, Preparation, Process, Spare
from namaskah.core.embedded import EmbeddedPostgres, EmbeddedPostgresError
from namaskah.core.metrics_folder import FOLDER_VARIABLE, make_folder, remove_folder

if TYPE_CHECKING:
    from namaskah.core.settings import Settings

# Web processes give their requests 25 seconds; what has not ended then is killed, so that 30 are never
# exceeded.
STOP_SECONDS: Final = 28.0
LOOK_SECONDS: Final = 0.25
# A child that dies so often before it ever was ready will not become ready by trying again.
HOPELESS: Final = 4


@dataclass(frozen=True)
class Ready:
    """What is told when everything runs: how long it took, and the demo user if there is one."""

    seconds: float
    demo: dict[str, str] | None


class Supervisor:
    """One running instance. `run` returns when it was asked to stop, or when it cannot start."""

    def __init__(
        self,
        settings: "Settings",
        *,
        listener: socket.socket | None,
        web_processes: int,
        with_worker: bool,
        with_demo: bool,
        on_ready: Callable[[Ready], None],
    ) -> None:
        self._began = time.monotonic()
        self._settings = settings
        self._listener = listener
        self._with_demo = with_demo
        self._on_ready = on_ready
        self._postgres = None if settings.database_url else EmbeddedPostgres(embedded_folder(settings))
        self._postgres_retry_at = 0.0
        self._url = settings.database_url.get_secret_value() if settings.database_url else ""
        self._selector = selectors.DefaultSelector()
        self._children = [Child(role) for role in ["web"] * web_processes + ["worker"] * with_worker]
        self._spare = Spare(listener, self._selector)
        self._signals_seen = 0
        self._ending = False
        self._was_ready = False

    def run(self) -> int:
        """Starts everything, watches it until a signal comes, and leaves nothing running."""
        _raise_file_limit()
        folder = make_folder()
        os.environ[FOLDER_VARIABLE] = str(folder)
        with self._signals():
            try:
                for child in self._children:
                    if child.role == "web":
                        child.fill(self._new(child))  # they load their code while the database is made ready
                demo = self._prepare()
                if not self._stopping:
                    self._begin()
                return self._watch(demo)
            except EmbeddedPostgresError as error:
                raise CommandFailed(str(error)) from None
            finally:
                self._stop()
                remove_folder(folder)

    @property
    def _folder(self) -> Path | None:
        return None if self._postgres is None else self._postgres.data_dir

    @property
    def _stopping(self) -> bool:
        return self._signals_seen > 0

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Signals only count; a byte in a socket wakes the loop. The second one interrupts whatever goes
        on."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)

        def asked(_number: int, _frame: Any) -> None:
            self._signals_seen += 1
            if self._signals_seen > 1 and not self._ending:
                raise KeyboardInterrupt

        handlers = {signal.SIGINT: asked, signal.SIGTERM: asked, signal.SIGHUP: asked}
        handlers[signal.SIGCHLD] = lambda _number, _frame: None
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        woken_before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        self._selector.register(ours, selectors.EVENT_READ, lambda: _drain(ours))
        try:
            yield
        finally:
            self._selector.unregister(ours)
            signal.set_wakeup_fd(woken_before)
            for number, handler in before.items():
                signal.signal(number, handler)
            ours.close()
            theirs.close()

    # Start

    def _prepare(self) -> dict[str, str] | None:
        """Starts PostgreSQL, brings the schema up to date, makes the demo user. Raises CommandFailed."""
        if self._postgres is not None:
            self._url = self._postgres.start()
        preparation = Preparation(self._url, with_demo=self._with_demo, selector=self._selector)
        try:
            while not self._stopping and not preparation.has_ended():
                self._look(LOOK_SECONDS)
            if self._stopping:
                return None
            return preparation.result()
        finally:
            preparation.end()

    def _new(self, child: Child) -> Process:
        return Process(child.role, self._listener if child.role == "web" else None, self._selector)

    def _begin(self) -> None:
        """Lets the web processes work. The worker starts only now: loading it would have delayed them."""
        for child in self._children:
            if child.role != "web":
                child.fill(self._new(child))
            child.begin(self._url, self._folder)

    # Watch

    def _watch(self, demo: dict[str, str] | None) -> int:
        while not self._stopping:
            self._look(LOOK_SECONDS)
            if self._postgres is not None:
                self._keep_postgres(self._postgres)
            self._replace_the_dead()
            if self._was_ready:
                self._spare.keep()
            elif any(child.early_deaths >= HOPELESS for child in self._children):
                complain("error: a process ends before it is ready, again and again; its log is above.")
                return FAILED
            if not self._was_ready and all(child.ready for child in self._children):
                self._was_ready = True
                self._on_ready(Ready(time.monotonic() - self._began, demo))
                sys.stdout.flush()
        return DONE

    def _look(self, seconds: float) -> None:
        """Sleeps until something happens, at most so long, and takes note of it."""
        for key, _events in self._selector.select(seconds):
            key.data()

    def _replace_the_dead(self) -> None:
        for child in self._children:
            if obituary := child.obituary():
                complain(obituary)
            if child.is_due():
                child.fill(self._spare.take() or self._new(child))
                child.begin(self._url, self._folder)

    def _keep_postgres(self, postgres: EmbeddedPostgres) -> None:
        """Starts PostgreSQL again when it has died; the processes reconnect by themselves."""
        if postgres.alive() or time.monotonic() < self._postgres_retry_at:
            return
        complain("PostgreSQL has ended; starting it again.")
        try:
            url = postgres.start()
        except EmbeddedPostgresError as error:
            complain(f"PostgreSQL does not start again, next try in 5 s: {error}")
            self._postgres_retry_at = time.monotonic() + 5
            return
        if url != self._url:
            # Another program took its port meanwhile: only then must the processes learn a new address.
            self._url = url
            for child in self._children:
                child.ask_to_end()

    # Stop

    def _stop(self) -> None:
        """Children first, PostgreSQL last. Whoever does not end in time, or when asked twice, is killed."""
        if self._listener is not None:
            self._listener.close()
        try:
            self._spare.clear_away()
            for child in self._children:
                child.ask_to_end()
            deadline = time.monotonic() + STOP_SECONDS
            while any(child.runs for child in self._children) and time.monotonic() < deadline:
                self._look(0.05)
        except KeyboardInterrupt:
            complain("Stopping at once.")
        finally:
            self._ending = True  # from here on nothing waits for anybody's requests, and nothing may be left out
            self._spare.clear_away()
            for child in self._children:
                child.clear_away()
            if self._postgres is not None:
                self._postgres.stop()


def _drain(woken: socket.socket) -> None:
    with contextlib.suppress(BlockingIOError):
        woken.recv(4096)


def _raise_file_limit() -> None:
    """Every open stream is a file; the usual soft limit of 1,024 is far below what the kernel allows us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard if hard != resource.RLIM_INFINITY else 65_536
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

"""The processes that the supervisor starts, seen from its side of the pipes.

Its pipe to a child's standard input carries one line, the orders, and then stays open: when the supervisor
dies in whatever way, the pipe ends and the child goes too. The pipe back says when the child is ready.
"""

import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from namaskah.cli.output import CommandFailed

# -P: a file of that name in the current folder must not be taken for one of our modules.
_PYTHON: Final = [sys.executable, "-P", "-m"]
# A child that was ready for so long is replaced at once when it dies.
SETTLED_SECONDS: Final = 1.0
LONGEST_PAUSE: Final = 10.0
# The next spare process leaves the processor to the one that has just begun to work.
SPARE_SECONDS: Final = 1.0


class Process:
    """One of our processes: it loads its code, waits for `begin`, works, and may die at any time."""

    def __init__(self, role: str, listener: socket.socket | None, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self.ready_at: float | None = None
        self._report, theirs = os.pipe()
        socket_fd = -1 if listener is None else listener.fileno()
        try:
            self._popen = subprocess.Popen(
                [*_PYTHON, "namaskah.cli.child", role, str(theirs), str(socket_fd)],
                stdin=subprocess.PIPE,
                pass_fds=[theirs, *([] if socket_fd < 0 else [socket_fd])],
                process_group=0,  # Ctrl-C reaches only the supervisor, which stops the others in order
            )
        finally:
            os.close(theirs)
        selector.register(self._report, selectors.EVENT_READ, self._hear)

    def begin(self, role: str, url: str, embedded: Path | None) -> None:
        """Tells it what to do and where the database is, from which moment on it works."""
        orders = {"role": role, "database_url": url, "embedded": None if embedded is None else str(embedded)}
        assert self._popen.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has died already, which will be noticed
            self._popen.stdin.write(json.dumps(orders).encode() + b"\n")
            self._popen.stdin.flush()

    def _hear(self) -> None:
        if os.read(self._report, 100):
            self.ready_at = time.monotonic()
        else:
            self._stop_hearing()

    def _stop_hearing(self) -> None:
        if self._report >= 0:
            self._selector.unregister(self._report)
            os.close(self._report)
            self._report = -1

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._popen.poll()

    def ask_to_end(self) -> None:
        """Lets it finish what it does."""
        self._popen.send_signal(signal.SIGTERM)

    def clear_away(self) -> None:
        """Ends it now if it still runs, and closes our ends of its pipes."""
        self._popen.kill()
        self._popen.wait()
        self._stop_hearing()
        assert self._popen.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._popen.stdin.close()


class Child:
    """A place for a web process or the worker: filled, and filled again after a pause that grows."""

    def __init__(self, role: str) -> None:
        self.role = role
        self.early_deaths = 0
        self._process: Process | None = None
        self._restart_at = 0.0

    @property
    def ready(self) -> bool:
        """Whether its process does its work."""
        return self._process is not None and self._process.ready_at is not None

    @property
    def runs(self) -> bool:
        """Whether there is a process."""
        return self._process is not None and self._process.exit_code() is None

    def fill(self, process: Process) -> None:
        """Puts a process into the place."""
        self._process = process

    def begin(self, url: str, embedded: Path | None) -> None:
        """Lets the process work."""
        if self._process is not None:
            self._process.begin(self.role, url, embedded)

    def obituary(self) -> str | None:
        """What the log says when the process has ended; None while it runs. Decides when it is replaced."""
        code = None if self._process is None else self._process.exit_code()
        if self._process is None or code is None:
            return None
        ready_at = self._process.ready_at
        settled = ready_at is not None and time.monotonic() - ready_at >= SETTLED_SECONDS
        self.early_deaths = 0 if settled else self.early_deaths + 1
        pause = 0.0 if self.early_deaths <= 1 else min(0.25 * 2 ** (self.early_deaths - 2), LONGEST_PAUSE)
        self._restart_at = time.monotonic() + pause
        self.clear_away()
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return f"The {self.role} process {how}; starting another one."

    def is_due(self) -> bool:
        """Whether it is empty and the pause is over."""
        return self._process is None and time.monotonic() >= self._restart_at

    def ask_to_end(self) -> None:
        """Lets the process finish what it does."""
        if self._process is not None:
            self._process.ask_to_end()

    def clear_away(self) -> None:
        """Ends the process now if it still runs."""
        if self._process is not None:
            self._process.clear_away()
            self._process = None


class Spare:
    """A process that has loaded its code and waits to take the place of one that dies: loading takes a second."""

    def __init__(self, listener: socket.socket | None, selector: selectors.BaseSelector) -> None:
        self._listener = listener
        self._selector = selector
        self._process: Process | None = None
        self._start_at = 0.0

    def keep(self) -> None:
        """Starts it when there is none, some time after the last was taken or died."""
        if self._process is None:
            if time.monotonic() >= self._start_at:
                self._process = Process("any", self._listener, self._selector)
        elif self._process.exit_code() is not None:
            self.clear_away()

    def take(self) -> Process | None:
        """The waiting process, which the caller owns now; None when there is none."""
        process, self._process = self._process, None
        self._start_at = time.monotonic() + SPARE_SECONDS
        if process is not None and process.exit_code() is not None:
            process.clear_away()
            return None
        return process

    def clear_away(self) -> None:
        """Ends it."""
        process = self.take()
        if process is not None:
            process.clear_away()


class Preparation:
    """A short-lived process that makes the database ready, so that its memory goes back when it is done."""

    def __init__(self, url: str, *, with_demo: bool, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._said = b""
        self._process = subprocess.Popen(
            [*_PYTHON, "namaskah.cli.prepare"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps({"database_url": url, "demo": with_demo}).encode() + b"\n")
            self._process.stdin.flush()
        self._stdout = self._process.stdout
        self._hears = True
        selector.register(self._stdout, selectors.EVENT_READ, self._hear)

    def _hear(self) -> None:
        chunk = os.read(self._stdout.fileno(), 65_536)
        self._said += chunk
        if not chunk:
            self._stop_hearing()

    def _stop_hearing(self) -> None:
        if self._hears:
            self._hears = False
            self._selector.unregister(self._stdout)

    def has_ended(self) -> bool:
        """Whether it has said all it will say."""
        return not self._hears

    def result(self) -> dict[str, str] | None:
        """The demo user that there is. Raises CommandFailed when the database could not be made ready."""
        if self._process.wait() != 0:
            raise CommandFailed("The database could not be made ready; nothing was started.")
        demo: dict[str, str] | None = json.loads(self._said)["demo"]
        return demo

    def end(self) -> None:
        """Ends it, whatever it is doing: all its steps can be done again."""
        self._stop_hearing()
        if self._process.poll() is None:
            self._process.terminate()
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        self._stdout.close()

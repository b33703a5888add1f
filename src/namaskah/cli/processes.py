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


class Child:
    """A web process or the worker: started, watched, and started again after a pause that grows."""

    def __init__(self, role: str, listener: socket.socket | None, selector: selectors.BaseSelector) -> None:
        self.role = role
        self.ready = False
        self.early_deaths = 0
        self._listener = listener
        self._selector = selector
        self._process: subprocess.Popen[bytes] | None = None
        self._report = -1
        self._ready_at = 0.0
        self._restart_at: float | None = None
        self._code = 0

    def start(self) -> None:
        """Starts the process; it loads its code and then waits for `begin`."""
        self._report, theirs = os.pipe()
        listener = -1 if self._listener is None else self._listener.fileno()
        try:
            self._process = subprocess.Popen(
                [*_PYTHON, "namaskah.cli.child", self.role, str(theirs), str(listener)],
                stdin=subprocess.PIPE,
                pass_fds=[theirs, *([] if listener < 0 else [listener])],
                process_group=0,  # Ctrl-C reaches only the supervisor, which stops the others in order
            )
        finally:
            os.close(theirs)
        self.ready, self._restart_at = False, None
        self._selector.register(self._report, selectors.EVENT_READ, self._hear)

    def begin(self, url: str, embedded: Path | None) -> None:
        """Tells it where the database is, from which moment on it works."""
        orders = {"database_url": url, "embedded": None if embedded is None else str(embedded)}
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # it has died already, which will be noticed
                self._process.stdin.write(json.dumps(orders).encode() + b"\n")
                self._process.stdin.flush()

    def _hear(self) -> None:
        if os.read(self._report, 100):
            self.ready, self._ready_at = True, time.monotonic()
        else:
            self._stop_hearing()

    def _stop_hearing(self) -> None:
        if self._report >= 0:
            self._selector.unregister(self._report)
            os.close(self._report)
            self._report = -1

    def runs(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def ended_unasked(self) -> bool:
        """Whether it has ended since the last call; decides when it is started again."""
        if self._process is None or self._process.poll() is None:
            return False
        self._code = self._process.returncode
        settled = self.ready and time.monotonic() - self._ready_at >= SETTLED_SECONDS
        self.early_deaths = 0 if settled else self.early_deaths + 1
        pause = 0.0 if self.early_deaths <= 1 else min(0.25 * 2 ** (self.early_deaths - 2), LONGEST_PAUSE)
        self._restart_at = time.monotonic() + pause
        self._forget()
        return True

    def obituary(self) -> str:
        """What the log says of its end."""
        code = self._code
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return f"The {self.role} process {how}; starting another one."

    def restart_is_due(self) -> bool:
        """Whether it is dead and the pause is over."""
        return self._process is None and self._restart_at is not None and time.monotonic() >= self._restart_at

    def ask_to_end(self) -> None:
        """Lets it finish what it does."""
        if self.runs() and self._process is not None:
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it now if it still runs, and clears up after it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._restart_at = None
        self._forget()

    def _forget(self) -> None:
        self._stop_hearing()
        self.ready = False
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        self._process = None


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

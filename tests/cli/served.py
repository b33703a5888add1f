"""A running instance for tests: `namaskah serve` as a user starts it, seen from outside."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.cli.conftest import environment


def free_port() -> int:
    """A port that nobody listens on, below those that outgoing connections take."""
    for port in range(21_000 + os.getpid() % 5_000, 32_000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise AssertionError("no free port")


def wait_for(condition: Callable[[], Any], seconds: float) -> float:
    """Waits until the condition holds, at most so long; answers how many seconds it took."""
    began = time.monotonic()
    while not condition():
        waited = time.monotonic() - began
        assert waited < seconds, f"not within {seconds} s: {condition}"
        time.sleep(0.02)
    return time.monotonic() - began


class Served:
    """One `namaskah serve` on a data folder."""

    def __init__(self, folder: Path, *arguments: str, **settings: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.output = ""
        self.began = time.monotonic()
        known = {"NAMASKAH_DATA_DIR": str(folder), "ENVIRONMENT": "development", **settings}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "namaskah.cli", "serve", "--port", str(self.port), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder.parent,
            env=environment(**known),
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout:
            for line in self.process.stdout:
                self.output += line

    def until_healthy(self, seconds: float = 30) -> float:
        """Waits for a 200 on /health; answers how many seconds after the start it came."""
        wait_for(lambda: self.status("/health") == 200 or self.process.poll() is not None, seconds)
        assert self.process.poll() is None, self.output
        return time.monotonic() - self.began

    def until_ready(self) -> None:
        """Waits until it has said what to do next."""
        wait_for(lambda: "Ctrl-C stops" in self.output or self.process.poll() is not None, 60)
        assert self.process.poll() is None, self.output

    def status(self, path: str) -> int:
        """The status that a GET is answered with; 0 when nobody answers."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=2) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            return 0

    def get(self, path: str) -> Any:
        """The JSON that a GET is answered with."""
        with urllib.request.urlopen(self.url + path, timeout=5) as answer:
            return json.load(answer)

    def processes(self, wanted: str = "") -> list[int]:
        """What was started for the data folder on this machine and has `wanted` in its command line."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                # PostgreSQL writes over its environment, and works in the data folder instead.
                ours = f"NAMASKAH_DATA_DIR={self.folder}\0".encode() in (entry / "environ").read_bytes()
                ours = ours or (entry / "cwd").readlink().is_relative_to(self.folder)
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                name = (entry / "comm").read_text().strip()
            except OSError:
                continue
            # A spare was started for any role; its name tells which one it has taken since.
            command = command.replace("cli.child any ", f"cli.child {name.removeprefix('namaskah-')} ")
            if ours and re.search(wanted, command):
                found.append(int(entry.name))
        return found

    def busy_seconds(self) -> float:
        """How long the supervisor and its web process have had a processor: the start, were the machine idle."""
        ticks = 0
        for pid in (self.process.pid, *self.processes("cli.child web ")):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def stop(self, number: int = signal.SIGINT) -> int:
        """Asks it to end and waits until it has; answers its exit code."""
        self.process.send_signal(number)
        code = self.process.wait(timeout=40)
        self._reader.join(timeout=5)
        return code

    def end(self) -> None:
        """Whatever the test did: nothing stays."""
        if self.process.poll() is None:
            self.stop()
        self._reader.join(timeout=5)
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)

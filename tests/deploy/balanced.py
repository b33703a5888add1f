"""A site as customers meet it: web processes and a worker on one database, HAProxy and nginx in front, with TLS.

The balancers run the configurations of deploy/ as they are, but for addresses, certificates and the machine's own folders.
"""

import contextlib
import csv
import datetime
import ipaddress
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.api.processes import free_port
from tests.programs import ROOT, program

DEPLOY = ROOT / "deploy"
_PYTHON = [sys.executable, "-P", "-m", "namaskah.cli.child"]
# What is the machine's own in each configuration, and of no use to a test without root.
_MACHINES_OWN = (
    "    log /dev/log local0\n",
    "    user haproxy\n",
    "    group haproxy\n",
    "    chroot /var/lib/haproxy\n",
)
# For that long nginx asks no process that did not answer before (fail_timeout); it tells nobody.
LEFT_ALONE_SECONDS = 1.1
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def environment(url: str) -> dict[str, str]:
    """The settings of the site's processes: staging, so that an end takes its time as in production."""
    ours = {
        "DATABASE_URL": url, "NAMASKAH_SECRET_KEY": bytes(range(32)).hex(), "ENVIRONMENT": "staging", "LOG_LEVEL": "ERROR",
        "FORWARDED_ALLOW_IPS": "127.0.0.1", "REQUESTS_PER_MINUTE": "1000000",
    }  # fmt: skip
    # Without compiled modules every start would take seconds.
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | ours


class Child:
    """A web process or the worker, as `namaskah serve` starts it, but with a port of its own that is closed when it ends."""

    def __init__(self, url: str, role: str = "web", port: int = 0) -> None:
        self._url, self._role, self.port = url, role, port
        reading, writing = os.pipe()
        passed = [writing]
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, writing)
            if role == "web":
                # Bound and not listening yet: it may load its code while its predecessor still serves the same port.
                bound = stack.enter_context(socket.socket())
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                bound.bind(("127.0.0.1", port))
                passed.append(bound.fileno())
            self._popen = subprocess.Popen(
                [*_PYTHON, role, str(writing), str(passed[1]) if role == "web" else "-1"],
                env=environment(url), pass_fds=passed, stdin=subprocess.PIPE,
            )  # fmt: skip
        self._report = reading

    def successor(self) -> "Child":
        """Another one for the same port, which loads its code and waits."""
        return Child(self._url, self._role, self.port)

    def begin(self) -> None:
        """Lets it work; returns when it does."""
        assert self._popen.stdin is not None
        self._popen.stdin.write(json.dumps({"database_url": self._url, "embedded": None}).encode() + b"\n")
        self._popen.stdin.flush()
        assert os.read(self._report, 16) == b"ready\n", "the process ended before it was ready"

    def end(self, number: int = signal.SIGTERM) -> int:
        """Sends the signal and waits for the end; answers the exit code. Doing it again is no error."""
        assert self._popen.stdin is not None
        self._popen.send_signal(number)
        code = self._popen.wait(30)
        if not self._popen.stdin.closed:
            self._popen.stdin.close()
            os.close(self._report)
        return code


class Balancer:
    """A running balancer: `https` and `http` are its ports."""

    def __init__(self, name: str, folder: Path, backends: list[int], changes: tuple[tuple[str, str], ...] = ()) -> None:
        """`changes` are (old, new) in the configuration, for what would take too long as it is."""
        self.name, self.folder = name, folder
        self.https, self.http = free_port(), free_port()
        folder.mkdir()
        self.config = folder / f"{name}.cfg"
        text = self._haproxy(backends) if name == "haproxy" else self._nginx(backends)
        for old, new in changes:
            text = _replaced(text, old, new)
        self.config.write_text(text)
        (folder / "output").touch()

    def _haproxy(self, backends: list[int]) -> str:
        text = (DEPLOY / "haproxy.cfg").read_text()
        for line in _MACHINES_OWN:
            text = _replaced(text, line, "")
        text = _replaced(text, "stats socket /run/haproxy/admin.sock", f"stats socket {self.folder}/socket")
        text = _replaced(text, "crt /etc/haproxy/certs/", f"crt {self.folder.parent}/certs/")
        text = _replaced(text, "bind :80\n", f"bind 127.0.0.1:{self.http}\n")
        text = _replaced(text, "bind :443 ", f"bind 127.0.0.1:{self.https} ")
        return _with_backends(text, backends)

    def _nginx(self, backends: list[int]) -> str:
        text = (DEPLOY / "nginx.conf").read_text()
        # Of a process that root starts the workers would be somebody who cannot read a test's folders.
        text = _replaced(text, "user www-data;\n", "user root;\n" if os.geteuid() == 0 else "")
        folders = "".join(f"    {kind}_temp_path {self.folder}/{kind};\n" for kind in _TEMPORARY)
        text = _replaced(text, "http {\n", f"http {{\n{folders}")
        text = _replaced(text, "pid /run/nginx.pid;", f"pid {self.folder}/pid;")
        text = _replaced(text, "/var/log/nginx/", f"{self.folder}/", 2)
        text = _replaced(text, "listen 80 ", f"listen 127.0.0.1:{self.http} ")
        text = _replaced(text, "listen 443 ", f"listen 127.0.0.1:{self.https} ")
        text = _replaced(text, "/etc/letsencrypt/live/example.com/fullchain.pem", f"{self.folder.parent}/certs/site.pem")
        text = _replaced(text, "/etc/letsencrypt/live/example.com/privkey.pem", f"{self.folder.parent}/certs/site.pem")
        return _with_backends(text, backends)

    def _command(self, *more: str) -> list[str]:
        if self.name == "haproxy":
            return [str(program("haproxy")), *more, "-f", str(self.config)]
        return [str(program("nginx")), *more, "-p", str(self.folder), "-c", str(self.config)]

    def check(self) -> subprocess.CompletedProcess[str]:
        """What the program itself says about the configuration."""
        return subprocess.run(
            self._command("-c" if self.name == "haproxy" else "-t"), capture_output=True, text=True, check=False
        )

    @contextlib.contextmanager
    def running(self) -> Iterator["Balancer"]:
        """Starts it, and ends it."""
        more = ["-q"] if self.name == "haproxy" else ["-g", "daemon off;"]
        with (self.folder / "output").open("wb") as output:
            popen = subprocess.Popen(self._command(*more), stdout=output, stderr=output)
        try:
            _until_open(self.https, popen)
            yield self
        finally:
            popen.terminate()
            popen.wait(20)

    def repeated(self) -> int:
        """How often it sent a request, or tried to, to one more process."""
        if self.name == "nginx":
            return sum(line.count(", 127.0.0.1:") for line in (self.folder / "access.log").read_text().splitlines())
        return sum(int(row["wretr"] or 0) for row in self._statistics() if row["svname"] == "BACKEND")

    def until_known(self, processes: int) -> None:
        """Returns when it counts on so many processes, which must have begun to work."""
        if self.name == "nginx":
            time.sleep(LEFT_ALONE_SECONDS)
            return
        deadline = time.monotonic() + 15
        while (
            sum(row["pxname"] == "api" and row["svname"] != "BACKEND" and row["status"] == "UP" for row in self._statistics())
            < processes
        ):
            assert time.monotonic() < deadline, "it does not see the processes"
            time.sleep(0.02)

    def _statistics(self) -> list[dict[str, str]]:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.connect(str(self.folder / "socket"))
            asking.sendall(b"show stat\n")
            return list(csv.DictReader(asking.makefile().read().removeprefix("# ").splitlines()))


def certificate(folder: Path) -> ssl.SSLContext:
    """Makes certs/site.pem, signed by itself, for this machine; answers a context for clients that trust it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "certs").mkdir()
    pem = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )  # fmt: skip
    (folder / "certs" / "site.pem").write_bytes(pem + private)
    return ssl.create_default_context(cadata=pem.decode())


class Site:
    """The processes behind the balancers: `web` by their place, and the worker."""

    def __init__(self, url: str, *, web: int, worker: bool = False) -> None:
        self.web = [Child(url, "web", free_port()) for _ in range(web)]
        self._successors: dict[int, Child] = {}
        self._workers = [Child(url, "worker") for _ in range(worker)]

    def __enter__(self) -> "Site":
        with contextlib.ExitStack() as stack:
            stack.callback(self._end)
            for child in [*self.web, *self._workers]:
                child.begin()
            self._closing = stack.pop_all()
        return self

    def __exit__(self, *_error: object) -> None:
        self._closing.close()

    def _end(self) -> None:
        for child in [*self.web, *self._workers, *self._successors.values()]:
            child.end(signal.SIGKILL)

    def prepare(self, place: int) -> None:
        """Lets the successor of a process load its code."""
        self._successors[place] = self.web[place].successor()

    def replace(self, place: int, number: int) -> int:
        """Ends a process by a signal, lets its successor begin, and answers the exit code."""
        gone, came = self.web[place], self._successors.pop(place)
        self.web[place] = came
        code = gone.end(number)
        came.begin()
        return code


def _replaced(text: str, old: str, new: str, *counts: int) -> str:
    assert text.count(old) in (counts or (1,)), f"{old!r} stands {text.count(old)} times in the configuration"
    return text.replace(old, new)


def _with_backends(text: str, backends: list[int]) -> str:
    for given, port in zip((8001, 8002, 8003), backends, strict=True):
        text = _replaced(text, f"127.0.0.1:{given}", f"127.0.0.1:{port}", 2, 3)
    return text


def _until_open(port: int, popen: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 15
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        assert popen.poll() is None, "the balancer ended before it began"
        assert time.monotonic() < deadline, "the balancer does not listen"
        time.sleep(0.02)

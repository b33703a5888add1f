"""Real Prometheus and Alertmanager over a running platform, and those who are told: a mailbox, Slack, a pager, a dead man's switch.

The rules and configurations are those of deploy/monitoring/. Only their clocks are made to go faster, by `hastened`: what
an alert asks, whom it reaches and by which route stays as it is.
"""

import contextlib
import email
import json
import os
import re
import socket
import stat
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from tests.deploy.monitoring import FOLDER, example_values, render
from tests.programs import program

WINDOW = "6s"


def hastened(text: str) -> str:
    """The same rules or configuration with seconds in place of minutes: windows, pauses, and how often somebody looks."""
    text = re.sub(r"\[\d+[mhd]\]", f"[{WINDOW}]", text)
    text = re.sub(r"offset \d+[mhd]", f"offset {WINDOW}", text)
    text = re.sub(r"\bfor: \d+[mhd]", "for: 0s", text)
    text = re.sub(r"\b(scrape_interval|scrape_timeout|evaluation_interval|interval|group_wait): \d+[smhd]", r"\1: 1s", text)
    return re.sub(r"\b(group_interval): \d+[mhd]", r"\1: 2s", text)


class Told(NamedTuple):
    """Something that arrived: by which way, about which alert, when (time.monotonic), and the whole of it."""

    way: str
    alert: str
    at: float
    content: Any


def free_ports(count: int) -> list[int]:
    """Ports below those that outgoing connections take; all are held until the last is found."""
    with contextlib.ExitStack() as stack:
        found: list[int] = []
        for port in range(15_000 + os.getpid() * 7 % 5_000, 32_000):
            probe = stack.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                found.append(port)
            if len(found) == count:
                return found
    raise AssertionError("no free ports")


class Receivers:
    """Slack, the pager and the dead man's switch, each at its path of one HTTP server; and a mailbox behind a real SMTP server."""

    def __init__(self, folder: Path, port: int, smtp_port: int) -> None:
        self.port, self.smtp_port = port, smtp_port
        self._posted: list[Told] = []
        self._seen: dict[Path, float] = {}
        self._mails = folder / "mails"
        self._mails.mkdir()
        self._keep = folder / "keep-mail"
        # Called with the recipients; a mail is whole when it has its last name.
        self._keep.write_text('#!/bin/sh\n{ echo "X-To: $*"; cat; } > "$0.$$" && mv "$0.$$" "${0%/*}/mails/$$.eml"\n')
        self._keep.chmod(stat.S_IRWXU)

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        told = self

        class Receiver(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                told.posted(self.path.strip("/"), body)
                self.send_response(202)
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_arguments: object) -> None:
                """Says nothing on standard error."""

        server = ThreadingHTTPServer(("127.0.0.1", self.port), Receiver)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            with running("msmtpd", "--interface=127.0.0.1", f"--port={self.smtp_port}", f"--command={self._keep}"):
                yield
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def posted(self, way: str, body: Any) -> None:
        name = re.search(r"\b(?:[A-Z][a-z]+)+\b", alert_text(way, body))
        self._posted.append(Told(way, name[0] if name else "", time.monotonic(), body))

    def all(self) -> list[Told]:
        """Everything that has arrived so far."""
        mails = []
        for path in self._mails.iterdir():
            arrived = self._seen.setdefault(path, time.monotonic())
            mail = email.message_from_bytes(path.read_bytes())
            name = re.search(r"\w+(?= \()", str(mail["Subject"]))
            mails.append(Told(f"mail to {mail['X-To']}", name[0] if name else "", arrived, mail))
        return self._posted + mails

    def first(self, way: str, alert: str) -> Told | None:
        """The first news of an alert by this way, if there was any."""
        found = [told for told in self.all() if (told.way, told.alert) == (way, alert)]
        return min(found, key=lambda told: told.at, default=None)


def alert_text(way: str, body: Any) -> str:
    """The part of a message that names its alert."""
    if way == "slack":
        return str(body["attachments"][0]["title"]).partition(": ")[2]
    if way == "pager":
        return str(body["payload"]["summary"])
    return str(body["commonLabels"]["alertname"])


@contextlib.contextmanager
def running(name: str, *arguments: str, log: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """One of the programs, until the end of the block."""
    with contextlib.ExitStack() as stack:
        output: Any = stack.enter_context(log.open("wb")) if log else subprocess.DEVNULL
        process = subprocess.Popen([program(name), *arguments], stdout=output, stderr=subprocess.STDOUT)
        try:
            yield process
            assert process.poll() is None, f"{name} ended: {log.read_text()[-2000:] if log else ''}"
        finally:
            process.terminate()
            process.wait(timeout=20)


class Watchers:
    """Prometheus and Alertmanager; `receivers` are those whom they tell."""

    def __init__(self, folder: Path, platform_port: int) -> None:
        self._folder = folder
        self._platform_port = platform_port
        self.prometheus, self.alertmanager, posts, smtp = free_ports(4)
        self.receivers = Receivers(folder, posts, smtp)

    @contextlib.contextmanager
    def open(self) -> Iterator["Watchers"]:
        self._write_configuration()
        alertmanager = (
            f"--config.file={self._folder}/alertmanager.yml",
            f"--storage.path={self._folder}/alertmanager",
            f"--web.listen-address=127.0.0.1:{self.alertmanager}",
            "--cluster.listen-address=",
        )
        prometheus = (
            f"--config.file={self._folder}/prometheus.yml",
            f"--storage.tsdb.path={self._folder}/prometheus",
            f"--web.listen-address=127.0.0.1:{self.prometheus}",
            # The first alert may come before Alertmanager was found; the next try would be a minute later.
            "--rules.alert.resend-delay=1s",
        )
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.receivers.open())
            stack.enter_context(running("prometheus-alertmanager", *alertmanager, log=self._folder / "alertmanager.log"))
            stack.enter_context(running("prometheus", *prometheus, log=self._folder / "prometheus.log"))
            yield self

    def _write_configuration(self) -> None:
        secrets = self._folder / "secrets"
        for folder in (secrets, self._folder / "rules", self._folder / "targets"):
            folder.mkdir()
        (secrets / "slack_url").write_text(f"http://127.0.0.1:{self.receivers.port}/slack\n")
        (secrets / "pager_key").write_text("a-routing-key\n")
        (secrets / "smtp_password").write_text("a-password\n")
        values = example_values(
            CONFIGURATION=str(self._folder),
            SECRETS=str(secrets),
            SMTP_HOST=f"127.0.0.1:{self.receivers.smtp_port}",
            SMTP_USER="",
            SMTP_TLS="false",
            PAGER_URL=f"http://127.0.0.1:{self.receivers.port}/pager",
            DEADMAN_URL=f"http://127.0.0.1:{self.receivers.port}/deadman",
            PROMETHEUS=f"127.0.0.1:{self.prometheus}",
            ALERTMANAGER=f"127.0.0.1:{self.alertmanager}",
        )
        rendered = render(self._folder, values)
        assert rendered.returncode == 0, rendered.stderr
        for path in (self._folder / "prometheus.yml", self._folder / "alertmanager.yml"):
            path.write_text(hastened(path.read_text()))
        for path in FOLDER.glob("rules/*.yml"):
            (self._folder / "rules" / path.name).write_text(hastened(path.read_text()))
        targets = (FOLDER / "targets" / "namaskah.yml").read_text()
        (self._folder / "targets" / "namaskah.yml").write_text(
            targets.replace("host.docker.internal:8000", f"127.0.0.1:{self._platform_port}")
        )

    def ask(self, expression: str) -> list[Any]:
        """What Prometheus answers to an expression; nothing as long as it does not answer."""
        answer = answer_of(f"http://127.0.0.1:{self.prometheus}/api/v1/query?query={quote(expression)}")
        return list(answer["data"]["result"]) if answer else []

    def held_back(self) -> set[str]:
        """The names of the alerts that fire and of which nobody is told, because another one says it already."""
        found = answer_of(f"http://127.0.0.1:{self.alertmanager}/api/v2/alerts?active=false&inhibited=true")
        return {alert["labels"]["alertname"] for alert in found or [] if alert["status"]["inhibitedBy"]}


def answer_of(url: str) -> Any:
    """The JSON behind an address; None as long as nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return json.load(answer)
    except OSError:
        return None


def seconds_until(condition: Callable[[], object], seconds: float) -> float:
    """Waits until the condition holds; answers how long it took. Fails after so many seconds."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"not within {seconds} s: {condition}"
        time.sleep(0.05)
    return time.monotonic() - began

"""What HAProxy and nginx let through, hold back and say themselves, with the configurations of deploy/ in front of a real process."""

import asyncio
import contextlib
import http.client
import http.server
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from namaskah.accounts import api_keys
from namaskah.core.db import Database
from tests.api.processes import free_port
from tests.deploy.balanced import Balancer, Site, certificate
from tests.factories import customer
from tests.postgres import Databases

NAMES = ["haproxy", "nginx"]
# As it is, a test of it would take ten seconds.
_IMPATIENT = {
    "haproxy": (("timeout http-request 10s", "timeout http-request 1s"),),
    "nginx": (("client_header_timeout 10s", "client_header_timeout 1s"), ("client_body_timeout 10s", "client_body_timeout 1s")),
}
_STRICT = {
    "haproxy": (("sc0_http_req_rate gt 12000", "sc0_http_req_rate gt 5"),),
    "nginx": (("rate=200r/s", "rate=1r/s"), ("burst=6000", "burst=5")),
}


@dataclass
class Front:
    """A balancer in front of a process; `key` is a customer's."""

    balancer: Balancer
    trust: ssl.SSLContext
    key: str

    def ask(self, method: str, path: str, *, source: str = "127.0.0.1", body: bytes | None = None, **headers: str) -> Any:
        """The answer, with its body in `text`; `source` is the client's address."""
        connection = http.client.HTTPSConnection(
            "localhost", self.balancer.https, timeout=20, context=self.trust, source_address=(source, 0)
        )
        with contextlib.closing(connection):
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer: Any = connection.getresponse()
            answer.text = answer.read()
            return answer

    @contextlib.contextmanager
    def connected(self) -> Iterator[ssl.SSLSocket]:
        """A connection to write to as one likes."""
        with (
            socket.create_connection(("localhost", self.balancer.https), timeout=10) as plain,
            self.trust.wrap_socket(plain, server_hostname="localhost") as secure,
        ):
            yield secure


@pytest.fixture(scope="module")
def fronts(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Front]]:
    """Both balancers in front of one process."""
    folder = tmp_path_factory.mktemp("balance")
    url = databases.take()
    trust, key = certificate(folder), asyncio.run(a_key(url))
    with contextlib.ExitStack() as stack:
        site = stack.enter_context(Site(url, web=1))
        found = {name: Balancer(name, folder / name, [site.web[0].port] * 3, _IMPATIENT[name]) for name in NAMES}
        yield {name: Front(stack.enter_context(balancer.running()), trust, key) for name, balancer in found.items()}
    databases.give_back(url)


async def a_key(url: str) -> str:
    database = await Database.open(url)
    who = await customer(database, balance="10.00")
    _, secret = await api_keys.create(database, user_id=who.user_id, livemode=True, name="balance")
    await database.close()
    return secret


@pytest.fixture(params=NAMES)
def front(request: pytest.FixtureRequest, fronts: dict[str, Front]) -> Front:
    return fronts[request.param]


@pytest.fixture(params=NAMES)
def alone(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Front]:
    """A balancer behind which nobody is, and which has little patience with one address."""
    trust = certificate(tmp_path)
    balancer = Balancer(request.param, tmp_path / request.param, [free_port() for _ in range(3)], _STRICT[request.param])
    with balancer.running():
        yield Front(balancer, trust, "")


def problem(answer: Any, status: int, code: str) -> Any:
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    body = msgspec.json.decode(answer.text)
    assert (body["status"], body["code"], body["type"]) == (status, code, f"/api/v2/docs#error-{code}")
    return body


@pytest.mark.parametrize("name", NAMES)
def test_the_program_itself_finds_no_fault_in_the_configuration(name: str, tmp_path: Path) -> None:
    certificate(tmp_path)
    checked = Balancer(name, tmp_path / name, [free_port() for _ in range(3)]).check()
    assert checked.returncode == 0, checked.stderr
    warnings = [line for line in checked.stderr.splitlines() if re.search(r"\[(WARNING|ALERT|warn|emerg)\]", line)]
    # The machine's own log is left out here.
    assert [line for line in warnings if "it has no log address" not in line] == []


def test_http_2_and_modern_tls_are_spoken(front: Front) -> None:
    asked = [
        shutil.which("curl") or "curl", "--silent", "--http2", "--cacert", str(front.balancer.folder.parent / "certs/site.pem"),
        "--write-out", "%{http_version} %{http_code}", "--output", "/dev/null", f"https://localhost:{front.balancer.https}/health",
    ]  # fmt: skip
    assert subprocess.run(asked, capture_output=True, text=True, check=False).stdout == "2 200"
    with front.connected() as secure:
        assert secure.version() == "TLSv1.3"


def test_https_is_promised_once_for_everything(front: Front) -> None:
    for path in ("/", "/api/v2/wallet", "/metrics"):
        assert front.ask("GET", path).headers.get_all("strict-transport-security") == ["max-age=31536000"]


def test_without_tls_pages_are_sent_on_and_programs_are_told_off(front: Front) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", front.balancer.http, timeout=20)
    with contextlib.closing(connection):
        connection.request("GET", "/sign-in?next=/", headers={"host": "sms.example"})
        sent_on = connection.getresponse()
        sent_on.read()
        assert (sent_on.status, sent_on.headers["location"]) == (308, "https://sms.example/sign-in?next=/")
        connection.request("GET", "/api/v2/wallet")
        answer: Any = connection.getresponse()
        answer.text = answer.read()
    assert problem(answer, 403, "forbidden")["charged"] is False


def test_a_forged_address_does_not_reach_the_limits(front: Front) -> None:
    origin = f"https://localhost:{front.balancer.https}"
    # An address of its own for each balancer: they share the database that counts.
    cheat, other = ("127.0.1.5", "127.0.1.6") if front.balancer.name == "haproxy" else ("127.0.2.5", "127.0.2.6")

    def sign_in(number: int, source: str) -> int:
        forged = {"X_Forwarded_For": f"192.0.2.{number}", "Forwarded": f"for=192.0.2.{number}", "X_Real_IP": f"192.0.2.{number}"}
        form = f"email=nobody{number}@example.com&password=wrong-password-{number}".encode()
        kind = "application/x-www-form-urlencoded"
        return int(front.ask("POST", "/sign-in", source=source, body=form, Origin=origin, Content_Type=kind, **forged).status)

    statuses = [sign_in(number, cheat) for number in range(11)]
    assert statuses[10] == 429, statuses
    assert 429 not in [*statuses[:10], sign_in(11, other)]


class Told(http.server.BaseHTTPRequestHandler):
    """A process that answers with the headers that reached it."""

    def do_GET(self) -> None:
        body = "".join(f"{name.lower()}: {value}\n" for name, value in self.headers.items()).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """What is asked is in the answers."""


@contextlib.contextmanager
def answering(kind: type[http.server.BaseHTTPRequestHandler]) -> Iterator[int]:
    """A process of this kind; its port."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind) as process:
        threading.Thread(target=process.serve_forever, kwargs={"poll_interval": 0.05}).start()
        try:
            yield process.server_port
        finally:
            process.shutdown()


@pytest.mark.parametrize("name", NAMES)
def test_nothing_that_a_client_says_of_its_own_address_reaches_a_process(name: str, tmp_path: Path) -> None:
    forged = "X-Forwarded-For Forwarded X-Forwarded-Proto X-Forwarded-Host x-forwarded-port X-FORWARDED-PREFIX X-Real-IP Proxy"
    with answering(Told) as port:
        trust = certificate(tmp_path)
        with Balancer(name, tmp_path / name, [port] * 3).running() as balancer:
            front = Front(balancer, trust, "")
            seen = front.ask("GET", "/", **dict.fromkeys(forged.replace("-", "_").split(), "192.0.2.66")).text.decode()
    assert "192.0.2.66" not in seen
    assert "x-forwarded-for: 127.0.0.1\n" in seen
    assert "x-forwarded-proto: https\n" in seen


class Unready(Told):
    """A process whose database is away."""

    def do_GET(self) -> None:
        if self.path != "/readyz":
            super().do_GET()
            return
        self.send_response(503)
        self.send_header("content-length", "0")
        self.end_headers()


def test_the_status_page_is_shown_while_no_process_has_a_database(tmp_path: Path) -> None:
    with answering(Unready) as port:
        trust = certificate(tmp_path)
        with Balancer("haproxy", tmp_path / "haproxy", [port] * 3).running() as balancer:
            front = Front(balancer, trust, "")
            deadline = time.monotonic() + 10
            while front.ask("GET", "/").status != 503:
                assert time.monotonic() < deadline, "it does not see that nobody is ready"
            assert problem(front.ask("GET", "/api/v2/wallet"), 503, "unavailable")["charged"] is False
            pages = ["/status", "/status.json", "/status.rss", "/assets/app.css", "/health"]
            assert [front.ask("GET", path).status for path in pages] == [200] * 5


@pytest.mark.parametrize("path", ["/metrics", "/%6Detrics", "//metrics", "/metrics/", "/metrics?x=1", "/readyz", "/livez"])
def test_what_is_ours_alone_is_not_shown(front: Front, path: str) -> None:
    assert front.ask("GET", path).status == 404
    assert front.ask("GET", "/health").status == 200


def test_an_id_of_ours_is_given_unless_the_clients_own_can_do_no_harm(front: Front) -> None:
    assert front.ask("GET", "/api/v2/wallet", X_Request_ID="mine_1").headers["x-request-id"] == "mine_1"
    given = front.ask("GET", "/api/v2/wallet", X_Request_ID='"},{"').headers["x-request-id"]
    assert re.fullmatch(r"req_[0-9a-f-]{32,36}", given)


def test_a_body_that_is_too_large_is_refused_before_a_process_sees_it(front: Front) -> None:
    head = "POST /api/v2/verifications HTTP/1.1\r\nHost: localhost\r\nContent-Length: 65537\r\n\r\n"
    with front.connected() as secure:
        # The answer does not wait for the rest, and a client that went on sending would meet a closed door.
        secure.sendall(head.encode() + b"x" * 20_000)
        answer: Any = http.client.HTTPResponse(secure)
        answer.begin()
        answer.text = answer.read()
    assert problem(answer, 413, "payload_too_large")["charged"] is False
    assert "x-process-time" not in answer.headers


def test_headers_that_are_too_large_are_refused_before_a_process_sees_them(front: Front) -> None:
    answer = front.ask("GET", "/api/v2/wallet", X_Long="x" * 13_000)
    assert problem(answer, 431, "invalid_header")["charged"] is False


@pytest.mark.parametrize(
    "sent",
    [b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: ", b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\na"],
)
def test_who_dawdles_is_cut_off(front: Front, sent: bytes) -> None:
    with front.connected() as slow:
        began = time.monotonic()
        slow.sendall(sent)
        answer = b""
        # Nobody who gave up waiting would know the difference between an answer and an end.
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while more := slow.recv(4096):
                answer += more
        assert 0.9 < time.monotonic() - began < 8
    assert b" 200 " not in answer


def test_lists_are_compressed_and_pages_with_secrets_are_not(front: Front) -> None:
    services = front.ask("GET", "/api/v2/services", Accept_Encoding="gzip", Authorization=f"Bearer {front.key}")
    assert (services.status, services.headers["content-encoding"]) == (200, "gzip")
    for path in ("/sign-in", "/api/v2/wallet"):
        answer = front.ask("GET", path, Accept_Encoding="gzip", Authorization=f"Bearer {front.key}")
        assert (answer.status, answer.headers["content-encoding"]) == (200, None)


def test_files_named_by_their_content_may_be_kept_for_ever(front: Front) -> None:
    page = front.ask("GET", "/sign-in").text.decode()
    addresses = set(re.findall(r'"(/assets/[^"]+)"', page))
    assert len(addresses) >= 2
    for address in addresses:
        assert re.search(r"\.[0-9a-f]{12}\.", address)
        answer = front.ask("GET", address, Accept_Encoding="gzip")
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert (answer.headers["content-encoding"], answer.headers["vary"].lower()) == ("gzip", "accept-encoding")


def test_where_nobody_answers_programs_and_people_are_told_what_that_means_for_their_money(alone: Front) -> None:
    sure = alone.balancer.name == "haproxy"
    # HAProxy knows that nobody is there. nginx cannot tell: of a purchase it says that it does not know.
    status, code, charged = (503, "unavailable", False) if sure else (502, "internal_error", "unknown")
    deadline = time.monotonic() + 10
    while (bought := alone_post(alone)).status != status and time.monotonic() < deadline:
        time.sleep(0.1)
    assert problem(bought, status, code)["charged"] == charged
    assert int(bought.headers["retry-after"]) > 0
    page = alone.ask("GET", "/")
    assert (page.status, page.headers["content-type"]) == (status, "text/html")
    assert b"<h1>" in page.text


def alone_post(front: Front) -> Any:
    return front.ask("POST", "/api/v2/verifications", body=b"{}", Content_Type="application/json")


def test_an_address_that_asks_too_often_is_slowed_down(alone: Front) -> None:
    answers = [alone.ask("GET", "/api/v2/wallet") for _ in range(8)]
    body = problem(answers[-1], 429, "rate_limited")
    assert body["charged"] is False
    assert answers[-1].headers["retry-after"] == "10"
    assert answers[0].status != 429

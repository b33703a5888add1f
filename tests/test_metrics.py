"""/metrics of a whole instance: who may read it, that nothing is lost when a process is killed, that series stay few."""

import contextlib
import os
import signal
import socket
import urllib.request
from pathlib import Path

import httpx2
import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from namaskah.app import Application
from namaskah.core import metrics
from namaskah.core.metrics_port import MetricsPort
from namaskah.core.metrics_readers import allowed_networks
from namaskah.core.settings import Settings
from tests.cli.served import Served, wait_for
from tests.figures import value_of


def settings(url: str, **more: str) -> Settings:
    known = {"environment": "test", "database_url": SecretStr(url), "secret_key": SecretStr("0123456789abcdef" * 4)}
    return Settings(_env_file=None, **known, **more).model_copy(update={"run_worker": False})


def client_at(app: Application, address: str) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app, client=(address, 1)), base_url="http://app.test")


@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("192.0.2.7", {}, 403),
        ("127.0.0.1", {"x-forwarded-for": "127.0.0.1"}, 403),
        ("127.0.0.1", {"forwarded": "for=127.0.0.1"}, 403),
        ("127.0.0.1", {}, 200),
        ("10.1.2.3", {}, 200),
    ],
)
async def test_only_allowed_addresses_read_the_metrics_and_none_through_an_unnamed_proxy(database_url, address, headers, status):
    app = Application(settings(database_url, metrics_allow="127.0.0.1,10.0.0.0/8"))
    async with client_at(app, address) as client:
        answer = await client.get("/metrics", headers=headers)
    assert answer.status_code == status
    assert ("namaskah_build_info" in answer.text) == (status == 200)


@pytest.mark.parametrize(
    ("proxy", "client", "status"),
    [
        ("127.0.0.1", "127.0.0.1", 403),
        ("127.0.0.1", "10.1.2.3", 403),
        ("192.0.2.1", "198.51.100.7", 403),
        ("192.0.2.1", "127.0.0.1", 200),
        ("192.0.2.1", "10.1.2.3", 200),
    ],
)
async def test_where_a_proxy_is_named_the_address_of_another_one_opens_nothing(database_url, proxy, client, status):
    app = Application(settings(database_url, metrics_allow="127.0.0.1,10.0.0.0/8", trusted_proxies="192.0.2.1"))
    behind = ProxyHeadersMiddleware(app, trusted_hosts=app.settings.trusted_proxies)
    transport = httpx2.ASGITransport(app=behind, client=(proxy, 54321))
    async with httpx2.AsyncClient(transport=transport, base_url="http://app.test") as asking:
        assert (await asking.get("/metrics", headers={"x-forwarded-for": client})).status_code == status


async def test_no_request_however_odd_makes_a_series_of_its_own(database_url):
    app = Application(settings(database_url))
    async with app.router.lifespan_context(app), client_at(app, "127.0.0.1") as client:
        await odd_requests(client, 1)
        before = series("namaskah_http")
        for number in range(2, 12):
            await odd_requests(client, number)
        # A sign-in may meet its limit on the way, which is a status that was not there before.
        assert series("namaskah_http") - before < 10


async def odd_requests(client: httpx2.AsyncClient, number: int) -> None:
    for path in (f"/api/v2/nothing{number}", f"/api/v2/verifications/ver_{number}", f"/page{number}", f"/static/{number}.css"):
        await client.get(path)
    await client.request(f"BREW{number}", f"/api/v2/{number}")
    await client.post(f"/inbound/sms/src_{number}", content=b"{}")
    await client.post(
        "/sign-in", data={"email": f"{number}@example.com", "password": "x" * 9}, headers={"origin": "http://app.test"}
    )
    await client.get("/api/v2/wallet", headers={"authorization": f"Bearer nmk_live_{number}"})


def series(names: str) -> int:
    return sum(len(family.samples) for family in REGISTRY.collect() if family.name.startswith(names))


def test_every_metric_is_named_by_prometheus_conventions():
    for name, metric in vars(metrics).items():
        if name.isupper() and hasattr(metric, "describe"):
            (described,) = metric.describe()
            assert described.name.startswith("namaskah_"), name
            assert described.documentation.endswith("."), name
            if described.type == "histogram":
                assert described.name.endswith("_seconds"), name


def test_a_killed_process_loses_no_count(tmp_path: Path):
    """Two web processes and a worker; one web process is killed; the figures only grow."""
    served = Served(tmp_path / "data", "--workers", "2", "--no-demo")
    try:
        served.until_ready()
        for _ in range(20):
            served.get("/health")
        before = metrics_of(served)
        assert value_of("namaskah_http_requests_total", before, route="/health") >= 20
        assert sum(not line.startswith("#") for line in before.splitlines()) < 3_000
        assert value_of("namaskah_processes", before, role="web") == 2
        assert value_of("namaskah_processes", before, role="worker") == 1
        os.kill(web_process(served), signal.SIGKILL)
        wait_for(lambda: value_of("namaskah_processes", metrics_of(served), role="web") == 2, 30)
        after = metrics_of(served)
        assert value_of("namaskah_http_requests_total", after, route="/health") >= value_of(
            "namaskah_http_requests_total", before, route="/health"
        )
        assert value_of("namaskah_process_resident_memory_bytes", after, role="web") > 2e7
        wait_for(lambda: value_of("namaskah_worker_last_seen_timestamp_seconds", metrics_of(served)) > 1e9, 30)
    finally:
        served.stop()
    assert not list(Path("/dev/shm").glob(f"namaskah-metrics-{served.process.pid}-*"))


def metrics_of(served: Served) -> str:
    try:
        with urllib.request.urlopen(served.url + "/metrics", timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def web_process(served: Served) -> int:
    children = Path(f"/proc/{served.process.pid}/task/{served.process.pid}/children").read_text().split()
    return next(int(pid) for pid in children if Path(f"/proc/{pid}/comm").read_text().strip() == "namaskah-web")


async def test_a_worker_alone_answers_on_its_own_port(tmp_path: Path):
    port = MetricsPort("127.0.0.1", 0, allowed_networks("127.0.0.1"))
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port.port}") as client:
            assert "namaskah_build_info" in (await client.get("/metrics")).text
            assert (await client.get("/other")).status_code == 404
    finally:
        port.close()
    refusing = MetricsPort("127.0.0.1", 0, allowed_networks("10.0.0.0/8"))
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{refusing.port}") as client:
            assert (await client.get("/metrics")).status_code == 403
    finally:
        refusing.close()


@pytest.mark.parametrize("silent", ["127.0.0.1", "127.0.0.9"])
async def test_who_says_nothing_at_a_worker_s_port_keeps_nobody_from_the_figures(silent):
    port = MetricsPort("127.0.0.1", 0, allowed_networks("127.0.0.1"))
    try:
        with contextlib.ExitStack() as stack:
            for _ in range(3):
                stack.enter_context(socket.create_connection(("127.0.0.1", port.port), source_address=(silent, 0)))
            async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port.port}", timeout=5) as client:
                assert (await client.get("/metrics")).status_code == 200
    finally:
        port.close()

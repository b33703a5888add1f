"""A customer with a key, and how the tests reach the API."""

from dataclasses import dataclass
from typing import Any

import httpx2
import msgspec

from namaskah.accounts.principal import Principal
from namaskah.api.app import ApiApp
from namaskah.core.observed import Observed
from namaskah.core.settings import Settings

# The key of tests/factories.py, so that messages which the factories record can be read by the platform.
SETTINGS = Settings(
    _env_file=None,
    environment="test",
    secret_key=bytes(range(32)).hex(),
    requests_per_minute=100_000,
)


@dataclass(frozen=True)
class Customer:
    client: httpx2.AsyncClient
    principal: Principal
    secret: str

    async def get(self, path: str, **more: Any) -> httpx2.Response:
        return await self.client.get(path, **more)

    async def post(self, path: str, json: Any = None, **more: Any) -> httpx2.Response:
        return await self.client.post(path, json=json, **more)

    async def buys(self, service: str = "telegram", **wishes: Any) -> Any:
        """The verification that was bought."""
        answer = await self.post("/verifications", {"service": service, "country": "us", **wishes})
        assert answer.status_code == 201, answer.text
        return answer.json()


def client_of(app: ApiApp, secret: str | None = None) -> httpx2.AsyncClient:
    """A client of the application in this process; with a key it sends it."""
    headers = {} if secret is None else {"authorization": f"Bearer {secret}"}
    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=Observed(app)), base_url="http://api.test/api/v2", headers=headers
    )


def problem(answer: httpx2.Response, status: int, code: str) -> Any:
    """The problem, checked to be one: RFC 9457 with our members, and the header that names the request."""
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["type"] == f"/api/v2/docs#error-{code}"
    assert body["request_id"] == answer.headers["x-request-id"]
    assert body["title"] and body["detail"]
    return body


def shaped(answer: httpx2.Response, shape: type[Any]) -> Any:
    """The body, checked to be of the documented shape."""
    return msgspec.json.decode(answer.content, type=shape)

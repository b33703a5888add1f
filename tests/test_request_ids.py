"""The id that an answer names is the one in its header: it is what a customer quotes and support looks for."""

import httpx2
import pytest

from namaskah.app import Application
from tests.api.customers import SETTINGS


@pytest.mark.parametrize("path", ["/inbound/sms/none", "/inbound/sms/src_00000000000000000000000000", "/api/v2/nothing"])
async def test_the_body_and_the_header_name_the_same_request(path):
    transport = httpx2.ASGITransport(app=Application(SETTINGS))
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.post(path, content=b"{}")
    assert answer.status_code >= 400
    assert answer.headers.get_list("x-request-id") == [answer.json()["request_id"]]

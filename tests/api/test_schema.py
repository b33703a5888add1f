"""schemathesis reads the OpenAPI document and tries to break the API: with every check that it has, and never a 5xx."""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from tests.api.processes import serving
from tests.api.schemathesis_hooks import OWN_KEY

pytestmark = pytest.mark.slow
_ROOT = Path(__file__).parents[2]


async def attacked(base, customer, *arguments):
    """What schemathesis printed, after it passed. It runs as its users run it."""
    command = [
        str(Path(sys.executable).with_name("st")), "run", f"{base}/openapi.json", "--checks", "all", "--no-color",
        "-H", f"Authorization: Bearer {customer.secret}", *arguments,
    ]  # fmt: skip
    environment = {
        **os.environ,
        "SCHEMATHESIS_HOOKS": "tests.api.schemathesis_hooks",
        OWN_KEY: customer.principal.key_id,
    }
    process = await asyncio.create_subprocess_exec(
        *command, cwd=_ROOT, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        printed, _ = await asyncio.wait_for(process.communicate(), 240)
    finally:
        if process.returncode is None:
            process.kill()
    text = printed.decode()
    assert process.returncode == 0, text[-20_000:]
    return text


async def test_everything_but_the_stream_withstands_every_check(database_url, new_customer):
    tester = await new_customer(livemode=False, balance="100000.00")
    async with serving(database_url) as server:
        text = await attacked(server.base, tester, "--exclude-operation-id", "streamEvents", "--max-examples", "15")
    generated = re.search(r"(\d+) generated, (\d+) passed", text)
    assert generated is not None, text
    assert int(generated[1]) == int(generated[2]) >= 500


async def test_the_stream_withstands_every_check(database_url, new_customer):
    # A stream that is accepted does not end, and is listened to for seconds: so these are few, but for the refused ones.
    tester = await new_customer(livemode=False)
    async with serving(database_url) as server:
        only = ("--include-operation-id", "streamEvents")
        await attacked(server.base, tester, *only, "--phases", "examples")
        await attacked(server.base, tester, *only, "--phases", "coverage,fuzzing", "--mode", "negative", "--max-examples", "15")

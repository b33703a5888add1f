"""Logs: nothing private comes through, in whatever field, shape or library it is written."""

import json
import subprocess
import sys

import pytest

from namaskah.core.logs import remove_personal_data

PRIVATE = [
    "+12025550123", "12025550123", "+1 (202) 555-0123", "someone@example.com", "nmk_live_aB3dE6", "nmk_test_zZ9",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
]  # fmt: skip


def scrubbed(**fields: object) -> dict[str, object]:
    return dict(remove_personal_data(None, "info", dict(fields)))


@pytest.mark.parametrize("private", PRIVATE)
def test_what_looks_private_is_cut_out_wherever_it_stands(private):
    event = scrubbed(event=f"bought {private} now", detail=[f"a {private}", {"deep": (private,)}], exception=f"Error: {private}")
    assert private not in json.dumps(event)
    assert "bought" in str(event["event"])


@pytest.mark.parametrize(
    "name", ["number", "text", "code", "email", "password", "key", "token", "sender", "body", "authorization"]
)
def test_fields_that_name_something_private_are_never_written(name):
    assert scrubbed(event="x", **{name: "anything"})[name] == "[removed]"
    assert scrubbed(event="x", detail={name: "anything"})["detail"] == {name: "[removed]"}


def test_objects_are_looked_through_as_they_would_be_written():
    class Shown:
        def __repr__(self) -> str:
            return "<Number +12025550123>"

    assert "5550123" not in str(scrubbed(event="x", thing=Shown(), error=ValueError("+12025550123")))


def test_figures_times_and_ids_stay():
    made = scrubbed(event="x", level="info", timestamp="2026-11-22T12:00:00", verification_id="ver_01234567890123456789012345",
                    seconds=1.5, count=123456789012, ok=True, nothing=None)  # fmt: skip
    assert (made["seconds"], made["count"], made["ok"], made["nothing"]) == (1.5, 123456789012, True, None)
    assert made["verification_id"] == "ver_01234567890123456789012345"
    assert made["timestamp"] == "2026-11-22T12:00:00"


_PROGRAM = """
import asyncio, gc, logging, sys, structlog
from namaskah.core.logs import configure
configure(sys.argv[1], level="DEBUG")
structlog.get_logger().debug("bought", number="+12025550123", note="for someone@example.com")
logging.getLogger("library").warning("GET /x?to=+12025550123 by %s", "someone@example.com")
try:
    raise ValueError("the text to +12025550123 was nmk_live_aB3dE6")
except ValueError:
    structlog.get_logger().exception("broken")
    logging.getLogger("library").exception("broken too")

async def forgotten():
    async def fails():
        raise LookupError("your word is marmalade")
    asyncio.get_running_loop().create_task(fails())
    await asyncio.sleep(0)

asyncio.run(forgotten())
gc.collect()
"""


@pytest.mark.parametrize("style", ["json", "pretty"])
def test_a_whole_process_writes_nothing_private_libraries_and_tracebacks_included(style):
    done = subprocess.run([sys.executable, "-c", _PROGRAM, style], capture_output=True, text=True, check=True)
    for private in ("5550123", "someone@example.com", "nmk_live_aB3dE6", "marmalade"):
        assert private not in done.stderr + done.stdout
    for kept in ("bought", "GET /x", "broken", "broken too", "ValueError", "LookupError"):
        assert kept in done.stderr
    if style == "json":
        assert all("level" in json.loads(line) for line in done.stderr.strip().splitlines())

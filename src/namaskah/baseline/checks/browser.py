"""Chromium without a window, spoken to through two pipes (the DevTools protocol), which needs no library."""

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from namaskah.baseline.target import Refused

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_PATIENCE_SECONDS: Final = 30.0
# The browser reads our commands from 3 and answers on 4, whatever the pipes' numbers are here.
_LAUNCH: Final = """
import os, sys
ours, theirs = int(sys.argv[1]), int(sys.argv[2])
one, two = os.dup(ours), os.dup(theirs)
while one < 5 or two < 5:
    one, two = os.dup(one), os.dup(two)
os.dup2(one, 3); os.dup2(two, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
_AXE: Final = """
axe.run(document, {resultTypes: ['violations']}).then(found => JSON.stringify(found.violations.map(
  one => one.id + ': ' + one.help + ' (' + one.nodes.map(node => node.target.join(' ')).slice(0, 3).join(', ') + ')')))
"""


def find_chromium(given: str = "") -> str:
    """The browser's program. Raises Refused when there is none."""
    for name in [given] if given else _NAMES:
        found = shutil.which(name)
        if found:
            return found
    raise Refused(f"There is no {given or 'Chromium'} on this machine; leave --browser out, or name its program.")


def find_axe(given: str = "") -> str | None:
    """The file of axe-core: the one that is given, else one that npm has installed here."""
    if given and not Path(given).is_file():
        raise Refused(f"There is no axe-core at {given}.")
    path = Path(given or "node_modules/axe-core/axe.min.js")
    return str(path) if path.is_file() else None


class Chromium:
    """One browser. Use it as a context manager; its profile is gone afterwards."""

    def __init__(self, program: str) -> None:
        self._program = program
        self._profile = tempfile.TemporaryDirectory(prefix="namaskah-browser-", ignore_cleanup_errors=True)
        self._number = 0
        self._events: set[str] = set()

    async def __aenter__(self) -> "Chromium":
        read_theirs, self._write = os.pipe()
        read_ours, write_theirs = os.pipe()
        arguments = [
            self._program, "--headless=new", "--remote-debugging-pipe", f"--user-data-dir={self._profile.name}",
            "--no-first-run", "--disable-gpu", "--disable-extensions", "--disable-background-networking",
        ]  # fmt: skip
        # As root it refuses its own sandbox; it only opens the pages of the instance under test.
        arguments += ["--no-sandbox"] if os.geteuid() == 0 else []
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _LAUNCH, str(read_theirs), str(write_theirs), *arguments,
            pass_fds=(read_theirs, write_theirs), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        os.close(read_theirs)
        os.close(write_theirs)
        self._answers = asyncio.StreamReader(limit=64 * 1024 * 1024)
        protocol = asyncio.StreamReaderProtocol(self._answers)
        self._transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(read_ours, "rb"))
        target = await self.say("Target.createTarget", {"url": "about:blank"})
        attached = await self.say("Target.attachToTarget", {"targetId": target["targetId"], "flatten": True})
        self._session = attached["sessionId"]
        await self.say("Page.enable", inside=True)
        await self.say("Page.setBypassCSP", {"enabled": True}, inside=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        os.close(self._write)
        self._transport.close()
        if self._process.returncode is None:
            self._process.terminate()
        await self._process.wait()
        await asyncio.to_thread(self._profile.cleanup)

    async def open(self, url: str, *, width: int, height: int = 900, cookie: str = "") -> None:
        """Opens a page and waits until it has loaded."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        await self.say("Emulation.setDeviceMetricsOverride", size, inside=True)
        await self.say("Network.setExtraHTTPHeaders", {"headers": {"cookie": cookie} if cookie else {}}, inside=True)
        self._events.clear()
        await self.say("Page.navigate", {"url": url}, inside=True)
        while "Page.loadEventFired" not in self._events:
            await self._next()

    async def axe(self, url: str, axe: str, *, width: int, cookie: str = "") -> list[str]:
        """What axe-core finds on a page."""
        await self.open(url, width=width, cookie=cookie)
        await self.run(await asyncio.to_thread(Path(axe).read_text, "utf-8"))
        found = json.loads(await self.run(_AXE))
        return [str(one) for one in found]

    async def run(self, script: str) -> Any:
        """Runs a script in the page and answers its value."""
        given = {"expression": script, "awaitPromise": True, "returnByValue": True}
        return (await self.say("Runtime.evaluate", given, inside=True))["result"].get("value")

    async def say(self, method: str, parameters: Mapping[str, Any] | None = None, *, inside: bool = False) -> dict[str, Any]:
        """Sends a command and answers its result. Raises Refused when the browser does not do it."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": dict(parameters or {})}
        if inside:
            message["sessionId"] = self._session
        await asyncio.to_thread(self._put, json.dumps(message).encode() + b"\0")
        while (answer := await self._next()).get("id") != self._number:
            pass
        if "error" in answer:
            raise Refused(f"the browser refuses {method}: {answer['error'].get('message')}")
        return dict(answer["result"])

    async def _next(self) -> dict[str, Any]:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                message = dict(json.loads((await self._answers.readuntil(b"\0"))[:-1]))
        except (TimeoutError, asyncio.IncompleteReadError):
            raise Refused("the browser does not answer") from None
        self._events.add(message.get("method", ""))
        return message

    def _put(self, message: bytes) -> None:
        while message:
            message = message[os.write(self._write, message) :]

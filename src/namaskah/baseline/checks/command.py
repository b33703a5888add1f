"""The program behind `comprehensive_testing.py`: where the instance is, which checks are made, and what is said about them."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from dotenv import dotenv_values

from namaskah.baseline.checks.bed import Bed, Visitor
from namaskah.baseline.checks.browser import find_axe, find_chromium
from namaskah.baseline.checks.catalogue import AREAS, CHECKS, Result, chosen, run
from namaskah.baseline.checks.results import as_json, as_junit, summary, table
from namaskah.baseline.target import Refused, Target, Unreachable, target_of

PASSED: Final = 0
FAILED: Final = 1
NOT_DONE: Final = 2
# Where an instance is looked for on this machine when its settings do not say: staging as docs/operations.md starts it.
_PORTS: Final = {"staging": 8001}
_EPILOG: Final = """
The key, and who can sign in, come from the environment or from the file of settings:
NAMASKAH_TEST_KEY (nmk_test_...), NAMASKAH_TEST_EMAIL, NAMASKAH_TEST_PASSWORD. The address comes from --url, else
PUBLIC_URL, else the PORT on this machine. Live keys are refused; nothing but test money is moved.
Exit code: 0 all passed, 1 something failed, 2 the instance cannot be reached or the call makes no sense.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the checks that the arguments ask for; answers the exit code."""
    given = _parser().parse_args(arguments)
    if given.list:
        for check in CHECKS:
            print(f"{check.area:<14} {check.slug:<38} {check.title}")
        return PASSED
    try:
        settings = _settings(given.env, given.env_file)
        bed = _bed(given, settings)
        checks = chosen(given.area, given.only)
        if not checks:
            raise Refused("No check has such a name; --list shows them all.")
        results = asyncio.run(run(bed, checks, told=_Teller(quiet=given.json or not sys.stderr.isatty())))
    except (Refused, Unreachable) as error:
        print(f"error: {error}", file=sys.stderr)
        return NOT_DONE
    except KeyboardInterrupt:
        return 130
    if given.junit:
        given.junit.write_bytes(as_junit(results))
    _print(results, bed.target, as_one_object=given.json)
    return FAILED if any(result.outcome == "failed" for result in results) else PASSED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="comprehensive_testing.py",
        description="Checks a running instance in test mode: integration, security, accessibility and a small load.",
        epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--env", default="staging", help="reads .env.NAME (default: staging)")
    parser.add_argument("--env-file", type=Path, help="another file of settings")
    parser.add_argument("--url", help="the instance, such as https://staging.example.com")
    parser.add_argument("--key", help="a test key; better in NAMASKAH_TEST_KEY, where nobody sees it")
    parser.add_argument("--area", action="append", default=[], choices=AREAS, help="only this area; may be given again")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="only checks with this in their name")
    parser.add_argument("--browser", nargs="?", const="", metavar="PROGRAM", help="also axe-core in Chromium")
    parser.add_argument("--axe", default="", metavar="FILE", help="axe.min.js (default: that of node_modules)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write a JUnit report")
    parser.add_argument("--list", action="store_true", help="only say which checks there are")
    return parser


def _settings(name: str, file: Path | None) -> Mapping[str, str]:
    """The file's settings below those of the environment. Raises Refused for a file of `--env-file` that is not there."""
    path = file or Path(f".env.{name}")
    if file is not None and not file.is_file():
        raise Refused(f"There is no file {file}.")
    known = {key: value for key, value in dotenv_values(path).items() if value} if path.is_file() else {}
    wanted = ("PUBLIC_URL", "PORT", "NAMASKAH_TEST_KEY", "NAMASKAH_TEST_EMAIL", "NAMASKAH_TEST_PASSWORD", "NAMASKAH_DATA_DIR")
    return {**known, **{key: os.environ[key] for key in wanted if os.environ.get(key)}}


def _bed(given: argparse.Namespace, settings: Mapping[str, str]) -> Bed:
    # Nobody who says `--env production` shall look at whatever runs on this machine.
    known = "PORT" in settings or Path(f".env.{given.env}").is_file() or given.env_file is not None
    here = f"http://127.0.0.1:{settings.get('PORT') or _PORTS.get(given.env, 8000)}"
    url = given.url or settings.get("PUBLIC_URL") or (here if known else "")
    if not url:
        raise Refused(f"There is no file .env.{given.env} in this folder: say with --url which instance is meant.")
    demo = _demo(settings) if url.startswith(("http://127.", "http://localhost")) else {}
    key = given.key or settings.get("NAMASKAH_TEST_KEY") or demo.get("test_key", "")
    email = settings.get("NAMASKAH_TEST_EMAIL") or demo.get("email", "")
    password = settings.get("NAMASKAH_TEST_PASSWORD") or demo.get("password", "")
    return Bed(
        target_of(url, key),
        visitor=Visitor(email, password) if email and password else None,
        browser=None if given.browser is None else find_chromium(given.browser),
        axe=find_axe(given.axe),
    )


def _demo(settings: Mapping[str, str]) -> dict[str, str]:
    """Development's demo user, where the instance's data folder is on this machine."""
    path = Path(settings.get("NAMASKAH_DATA_DIR") or ".data") / "demo.json"
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError):
        return {}


class _Teller:
    """Shows on a terminal that something happens."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._count = 0

    def __call__(self, result: Result) -> None:
        self._count += 1
        if not self._quiet:
            print(f"\r\x1b[K{self._count} {result.check.title}", end="", file=sys.stderr, flush=True)


def _print(results: Sequence[Result], target: Target, *, as_one_object: bool) -> None:
    if as_one_object:
        print(json.dumps(as_json(results, url=target.url), ensure_ascii=False))
        return
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)
    print(target.url)
    for line in table(results, colour=colour):
        print(line)
    print(f"\n{summary(results)}")

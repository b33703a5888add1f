"""`namaskah doctor`: runs every check of `doctor_checks.py` and prints what it found and what mends it."""

from typing import TYPE_CHECKING

from namaskah.cli import doctor_checks as checks
from namaskah.cli.connect import reachable_url
from namaskah.cli.doctor_checks import Finding
from namaskah.cli.output import CommandFailed, mark, print_json, say

if TYPE_CHECKING:
    from namaskah.core.settings import Settings

_COLOURS = {"OK": "green", "WARN": "yellow", "FAIL": "red"}


def examine(settings: "Settings") -> list[Finding]:
    """All findings, those that need no database first."""
    import asyncio

    findings = [check(settings) for check in checks.OF_THE_MACHINE]
    try:
        with reachable_url(settings) as url:
            findings += asyncio.run(_examine_database(settings, url))
    except CommandFailed as error:
        findings.append(Finding("database", "FAIL", str(error), "See `namaskah serve --help`."))
    return [found if found.verdict != "OK" else found._replace(mends="") for found in findings]


async def _examine_database(settings: "Settings", url: str) -> list[Finding]:
    import asyncpg

    from namaskah.core.db import CONNECTION_LOST

    no_answer: tuple[type[BaseException], ...] = (*CONNECTION_LOST, TimeoutError, asyncpg.PostgresError)
    try:
        connection = await asyncpg.connect(url, timeout=5)
    except no_answer as error:
        said = str(error) or type(error).__name__
        mends = "Start PostgreSQL, or correct DATABASE_URL: host, port, user, password."
        return [Finding("database", "FAIL", f"cannot connect: {said}", mends)]
    findings = []
    try:
        for name, check in checks.OF_THE_DATABASE.items():
            try:
                findings.append(await check(connection, settings, url))
            except (asyncpg.PostgresError, OSError) as error:
                # One that cannot be made says nothing about the others: without a schema most of them fail.
                findings.append(Finding(name, "FAIL", f"cannot be checked: {error}", "See the failures above."))
    finally:
        await connection.close()
    return findings


def print_findings(findings: list[Finding], *, as_json: bool) -> None:
    """One line a check, then a line that mends it; or one JSON object."""
    if as_json:
        failed = any(finding.verdict == "FAIL" for finding in findings)
        print_json({"ok": not failed, "checks": [finding._asdict() for finding in findings]})
        return
    for finding in findings:
        say(f"{mark(f'{finding.verdict:<4}', _COLOURS[finding.verdict])}  {finding.name:<12} {finding.detail}")
        if finding.verdict != "OK":
            say(f"{'':<19} {finding.mends}")

"""`namaskah baseline`: which instance is measured and with which key; the rest is in `namaskah.baseline`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from namaskah.cli.output import DONE, FAILED, WRONGLY_CALLED, CommandFailed, complain, example, mark, print_json, say

if TYPE_CHECKING:
    from namaskah.baseline.target import Target

FOLDER = Path("baseline-reports")
KEY = "NAMASKAH_TEST_KEY"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    epilog = example(
        "namaskah baseline",
        "NAMASKAH_TEST_KEY=nmk_test_... namaskah baseline --url https://sms.example.com",
        "namaskah baseline --json --samples 100 --out reports",
    )
    app.command("baseline", epilog=epilog)(baseline)


def baseline(
    url: Annotated[str | None, typer.Option(help="The instance.  [default: the one that runs here, else one of its own]")] = None,
    key: Annotated[
        str, typer.Option(envvar=KEY, show_default=False, help="A test key of it. Better in the environment than here.")
    ] = "",
    out: Annotated[Path, typer.Option(help="The folder of the reports, old and new.")] = FOLDER,
    samples: Annotated[int, typer.Option(min=5, max=200, help="Requests to each endpoint.")] = 40,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as one JSON object.")] = False,
) -> None:
    """Measures an instance in test mode, judges it, and says what has changed since the last time.

    Takes about ten seconds and a tenth of a minute's rate limit or so. The exit code is 1 when a target is missed and 2 when
    the instance cannot be reached or the key cannot be used.
    """
    import asyncio

    from namaskah.baseline.run import holds
    from namaskah.baseline.target import Refused, Unreachable

    try:
        report, path = asyncio.run(_measured(url, key, out, samples))
    except (Refused, Unreachable) as error:
        raise CommandFailed(str(error), exit_code=WRONGLY_CALLED) from None
    except OSError as error:
        raise CommandFailed(f"The report cannot be written to {out}: {error.strerror or error}.") from None
    if as_json:
        print_json(report)
    else:
        _tell(report, path)
    raise typer.Exit(DONE if holds(report) else FAILED)


async def _measured(url: str | None, key: str, out: Path, samples: int) -> tuple[dict[str, Any], Path]:
    from namaskah.baseline.run import measure
    from namaskah.baseline.target import target_of

    if url is not None:
        return await measure(target_of(url, key), out, samples=samples, say=_progress)
    target = await _running_here(key)
    if target is not None:
        return await measure(target, out, samples=samples, say=_progress)
    return await _measure_own(out, samples)


async def _running_here(key: str) -> "Target | None":
    """The instance of this machine's settings, if one answers; its demo user's key where none was given."""
    import asyncio

    from namaskah.baseline.target import target_of
    from namaskah.cli.connect import read_settings

    settings = read_settings()
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", settings.port)
    except OSError:
        return None
    writer.close()
    demo = settings.data_dir / "demo.json"
    if not key and demo.exists():
        key = json.loads(demo.read_text()).get("test_key", "")
    return target_of(f"http://127.0.0.1:{settings.port}", key)


async def _measure_own(out: Path, samples: int) -> tuple[dict[str, Any], Path]:
    """Starts a whole platform in an empty folder, with a user of its own, and measures that."""
    from namaskah.accounts.api_keys import create
    from namaskah.accounts.sign_up import CURRENT_TERMS_VERSION
    from namaskah.baseline.run import measure
    from namaskah.baseline.target import Unreachable, target_of
    from namaskah.demo.instance import DidNotStart, running
    from namaskah.wallet.register import register as register_user

    complain("No instance runs here: starting one of its own.")
    try:
        async with running() as instance:
            try:
                user = await register_user(
                    instance.db, email="baseline@namaskah.test", password="only for this run", terms_version=CURRENT_TERMS_VERSION
                )
                _, secret = await create(instance.db, user_id=user.id, livemode=False, name="baseline")
            finally:
                await instance.db.close()
            return await measure(target_of(instance.url, secret), out, samples=samples, own=True, say=_progress)
    except DidNotStart as error:
        raise Unreachable(f"An instance of its own could not be started: {error}") from None


def _progress(text: str) -> None:
    complain(f"  {text} ...")


def _tell(report: dict[str, Any], path: Path) -> None:
    from namaskah.baseline.report import coarse, summary

    say(f"{mark('Baseline', 'green')} of {report['subject']}, release {report['environment']['release']}\n")
    say(f"  {'endpoint':<11}{'count':>6}{'average':>10}{'p50':>9}{'p95':>9}{'p99':>9}{'errors':>8}{'x livez':>9}")
    for row in report["endpoints"]:
        times = f"{row['average_ms']:>7.1f} ms{row['p50_ms']:>9.1f}{row['p95_ms']:>9.1f}{row['p99_ms']:>9.1f}"
        say(f"  {row['name']:<11}{row['count']:>6}{times}{row['errors']:>8}{row['ratio']['value']:>9.2f}")
    for step in report["ramp"]:
        say(f"  {step['connections']:>2} connections: {step['per_second']:.0f} reads a second, p95 {step['p95_ms']:.1f} ms")
    for row in [*report["delivery"], *report["push"]]:
        took = "nothing came" if row["p50_ms"] is None else f"{row['p50_ms']:.0f} ms, worst {row['worst_ms']:.0f} ms"
        say(f"  {row['name']}: {took}")
    say()
    for line in [*summary(report), coarse(report)]:
        if line:
            say(line)
    say(f"\n{path.with_suffix('.html')}")

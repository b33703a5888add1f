"""`namaskah status`: what operators say on the public status page, and its copy for a host that outlives ours."""

import os
import secrets
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from namaskah.cli.connect import Instance, operator, with_database
from namaskah.cli.output import WRONGLY_CALLED, CommandFailed, example, mark, print_json, say

if TYPE_CHECKING:
    from namaskah.ops.incidents import Impact, Stage
    from namaskah.ops.status_report import Incident, Report

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Title = Annotated[str, typer.Argument(metavar="TITLE", help="What is wrong, in a few words that customers understand.")]
Which = Annotated[str, typer.Argument(metavar="INCIDENT", help="Its id, as `namaskah status show` prints it.")]
Message = Annotated[str, typer.Option(help="What customers read. It is published at once and never changed.")]
Affected = Annotated[
    list[str], typer.Option("--component", help="api, processing, payments, delivery or delivery:<group>; may be given again.")
]
BeforeTheEnd = Literal["investigating", "identified", "monitoring"]
ImpactName = Literal["none", "minor", "major", "critical"]
Worth = Annotated[ImpactName, typer.Option(help="How bad it is: minor and major show trouble, critical an outage.")]
_COLOURS = {"operational": "green", "degraded": "yellow", "down": "red", "maintenance": "cyan"}

status = typer.Typer(no_args_is_help=True, help="The public status page.")


def register(app: typer.Typer) -> None:
    """Adds the group."""
    app.add_typer(status, name="status")


@status.command("show", epilog=example("namaskah status show", "namaskah status show --json"))
def show(as_json: AsJson = False) -> None:
    """Says what the page says now, with the ids of what is open."""
    report = with_database(_report)
    if as_json:
        import msgspec

        print_json(msgspec.to_builtins(report))
        return
    say(f"{_coloured(report.state, report.summary)}  measured {report.measured_at:%Y-%m-%d %H:%M:%S} UTC")
    for part in report.components:
        uptime = "" if part.uptime_90d is None else f"  {part.uptime_90d:g} % in 90 days, {part.uptime_24h or 0:g} % in 24 hours"
        say(f"  {part.name:32}{_coloured(part.state, part.state)}{uptime}")
    for group in report.delivery:
        rate = "" if group.rate is None else f"  {group.rate} of 100"
        say(f"  Codes for {group.name:22}{_coloured(group.state, group.state)}{rate}")
    for one in (*report.incidents, *report.maintenance):
        say(f"{one.id}  {one.stage}  {one.title}  ({_from_to(one)}; {', '.join(one.components)})")


@status.command(
    "open", epilog=example("namaskah status open 'Codes arrive late' --impact minor --component delivery --message 'We look.'")
)
def open_incident(
    title: Title, message: Message, component: Affected, impact: Worth = "minor",
    stage: Annotated[BeforeTheEnd, typer.Option(help="How far you are.")] = "investigating",
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Opens an incident and prints its id."""

    async def work(instance: Instance) -> str:
        from namaskah.ops.incidents import open_incident

        return await open_incident(
            instance.db, title=title, body=message, impact=impact, components=component, actor_id=operator(), stage=stage
        )

    _say(with_database(work), stage, as_json)


@status.command(
    "update", epilog=example("namaskah status update inc_01m81... --stage identified --message 'A queue is full; we empty it.'")
)
def update(
    incident: Which, message: Message,
    stage: Annotated[BeforeTheEnd | None, typer.Option(help="How far you are now; without it, as before.")] = None,
    impact: Annotated[ImpactName | None, typer.Option(help="When it turned out better or worse than said.")] = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Adds an update to an incident, or to announced maintenance."""
    _tell(incident, message, stage, impact, as_json)


@status.command("resolve", epilog=example("namaskah status resolve inc_01m81... --message 'Codes arrive as usual again.'"))
def resolve(incident: Which, message: Message, as_json: AsJson = False) -> None:
    """Ends an incident; ends maintenance early, or calls it off."""
    _tell(incident, message, "resolved", None, as_json)


@status.command(
    "schedule",
    epilog=example(
        "namaskah status schedule 'New disks' --from 2026-12-01T02:00Z --until 2026-12-01T02:30Z "
        "--component api --message 'A pause.'"
    ),
)
def schedule(
    title: Title, message: Message, component: Affected,
    begin: Annotated[str, typer.Option("--from", help="When it begins, with its zone: 2026-12-01T02:00Z.")],
    until: Annotated[str, typer.Option("--until", help="When it ends.")],
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Announces maintenance before it begins; its minutes then count neither as up nor as down."""

    async def work(instance: Instance) -> str:
        from namaskah.ops.incidents import schedule_maintenance

        return await schedule_maintenance(
            instance.db, title=title, body=message, starts_at=_moment(begin), ends_at=_moment(until), components=component,
            actor_id=operator(),
        )  # fmt: skip

    _say(with_database(work), "scheduled", as_json)


@status.command("export", epilog=example("namaskah status export /var/lib/namaskah/status --url https://status.example.com/"))
def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Made when it is not there.")],
    url: Annotated[str, typer.Option(help="Where the copy will be; without it the feed names the live page.")] = "",
    old_after: Annotated[int, typer.Option(min=2, max=1440, help="After how many minutes the copy says that it is old.")] = 15,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Writes index.html, status.json and status.rss for another host.

    When the database does not answer, the files of before stay as they are, and tell their age by themselves.
    """

    async def work(instance: Instance) -> dict[str, bytes]:
        from namaskah.core.clock import utcnow
        from namaskah.web.status import copy_files

        live = f"{instance.settings.public_url.rstrip('/')}/status"
        report = await _report(instance)
        return copy_files(report, url=url or live, live_url=live, old_after_minutes=old_after, made_at=utcnow())

    files = with_database(work)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            _replace(folder / name, content)
    except OSError as error:
        raise CommandFailed(f"The copy cannot be written: {error}") from None
    if as_json:
        print_json({"folder": str(folder), "files": {name: len(content) for name, content in files.items()}})
    else:
        say(f"{folder}: {', '.join(files)}")


async def _report(instance: Instance) -> "Report":
    from namaskah.ops.status import read_report

    return await read_report(instance.db)


def _tell(incident: str, message: str, stage: str | None, impact: str | None, as_json: bool) -> None:
    async def work(instance: Instance) -> str:
        from namaskah.ops.incidents import update_incident

        return await update_incident(
            instance.db, incident_id=incident, body=message, actor_id=operator(), stage=cast("Stage | None", stage),
            impact=cast("Impact | None", impact),
        )  # fmt: skip

    _say(incident, with_database(work), as_json)


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise CommandFailed(f"{text!r} is no time, such as 2026-12-01T02:00Z.", exit_code=WRONGLY_CALLED) from None


def _replace(path: Path, content: bytes) -> None:
    """Whoever reads or copies the file finds the old one or the new one, never a part."""
    begun = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with begun.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        begun.replace(path)
    finally:
        begun.unlink(missing_ok=True)


def _say(incident: str, stage: str, as_json: bool) -> None:
    if as_json:
        print_json({"incident": incident, "stage": stage})
    else:
        say(f"{incident} is {stage}.")


def _coloured(state: str, text: str) -> str:
    return mark(text, _COLOURS[state]) if state in _COLOURS else text


def _from_to(one: "Incident") -> str:
    begin = f"{one.starts_at:%Y-%m-%d %H:%M}"
    return f"since {begin} UTC" if one.ends_at is None else f"{begin} to {one.ends_at:%Y-%m-%d %H:%M} UTC"

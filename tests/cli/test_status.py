"""`namaskah status` from the outside: an incident's life, the copy for another host, and who did what."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

from tests.cli.conftest import Namaskah


def test_what_makes_no_sense_is_refused(namaskah: Namaskah) -> None:
    assert namaskah("status", "open", "t", "--message", "m").returncode == 2, "it must say what is affected"
    wrong = namaskah("status", "open", "t", "--message", "m", "--component", "nothing")
    assert wrong.returncode == 1
    assert "delivery:messaging" in wrong.stderr
    unknown = namaskah("status", "resolve", "inc_nothing", "--message", "m")
    assert (unknown.returncode, "error: There is no such incident." in unknown.stderr) == (1, True)
    when = ("--from", "tomorrow", "--until", "2100-01-01T00:00Z", "--component", "api", "--message", "m")
    assert namaskah("status", "schedule", "t", *when).returncode == 2
    when = ("--from", "2000-01-01T00:00Z", "--until", "2100-01-01T00:00Z", "--component", "api", "--message", "m")
    past = namaskah("status", "schedule", "t", *when)
    assert (past.returncode, "begins in the future" in past.stderr) == (1, True)


async def test_an_incident_from_its_opening_to_its_end(namaskah: Namaskah, db: Any) -> None:
    about = ("--impact", "major", "--component", "api", "--component", "delivery:messaging", "--message", "We look.", "--json")
    opened = await asyncio.to_thread(namaskah, "status", "open", "Codes are late", *about)
    assert opened.returncode == 0, opened.stderr
    incident = json.loads(opened.stdout)["incident"]
    for step in (
        ("update", incident, "--stage", "identified", "--impact", "minor", "--message", "A queue is full."),
        ("resolve", incident, "--message", "All codes arrive."),
    ):
        done = await asyncio.to_thread(namaskah, "status", *step)
        assert done.returncode == 0, done.stderr
    assert done.stdout == f"{incident} is resolved.\n"
    shown = json.loads((await asyncio.to_thread(namaskah, "status", "show", "--json")).stdout)
    [one] = shown["history"]
    assert [update["stage"] for update in one["updates"]] == ["resolved", "identified", "investigating"]
    actors = await db.fetch("SELECT actor_id, action FROM audit_log WHERE target = $1 ORDER BY id", incident)
    assert [row["action"] for row in actors] == ["status.open", "status.update", "status.update"]
    assert all(row["actor_id"].startswith("cli:") for row in actors)


def test_maintenance_is_announced_and_shown(namaskah: Namaskah) -> None:
    begin = datetime.now(UTC) + timedelta(days=1)
    when = ("--from", begin.isoformat(), "--until", (begin + timedelta(hours=1)).isoformat())
    announced = namaskah("status", "schedule", "New disks", *when, "--component", "api", "--message", "A pause.")
    assert announced.returncode == 0, announced.stderr
    shown = namaskah("status", "show")
    assert "Nothing has been measured yet." in shown.stdout
    assert "scheduled  New disks" in shown.stdout
    assert "Payments                        not_offered" in shown.stdout


def test_the_copy_is_whole_files_that_a_failure_leaves_alone(namaskah: Namaskah, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "copy"
    given = ("--url", "https://status.example.com/", "--old-after", "20", "--json")
    made = namaskah("status", "export", str(folder), *given, PUBLIC_URL="https://sms.example.com")
    assert made.returncode == 0, made.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["index.html", "status.json", "status.rss"]
    page = (folder / "index.html").read_text()
    assert "https://sms.example.com/status" in page
    assert 'data-old-after="20"' in page
    assert json.loads((folder / "status.json").read_text())["page"]["url"] == "https://status.example.com/"
    assert Xml.parse(folder / "status.rss").getroot().tag == "rss"
    assert json.loads(made.stdout)["files"]["index.html"] == len(page.encode())
    gone = namaskah("status", "export", str(folder), DATABASE_URL="postgresql://127.0.0.1:1/none")
    assert gone.returncode == 1
    assert "The database does not answer." in gone.stderr
    assert (folder / "index.html").read_text() == page
    again = namaskah("status", "export", str(folder))
    assert again.returncode == 0
    assert sorted(path.name for path in folder.iterdir()) == ["index.html", "status.json", "status.rss"]


def test_a_folder_that_cannot_be_written_is_one_clear_line(namaskah: Namaskah, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    failed = namaskah("status", "export", str(tmp_path / "file" / "copy"))
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1].startswith("error: The copy cannot be written:")
    assert "Traceback" not in failed.stderr

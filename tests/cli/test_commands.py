"""Each command from the outside: what it prints, what it did, and with which exit code it ends."""

import json
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from namaskah import __version__
from namaskah.core.settings import Settings
from tests.cli.conftest import Namaskah, environment

ROOT = Path(__file__).parents[2]


@pytest.fixture
def customer(namaskah: Namaskah) -> dict[str, Any]:
    """A user that was made by the command."""
    made = namaskah("user", "create", "ana@example.com", "--json")
    assert made.returncode == 0, made.stderr
    answer: dict[str, Any] = json.loads(made.stdout)
    return answer


def test_without_a_database_a_command_says_how_to_make_one(command: Namaskah) -> None:
    failed = command("wallet", "credit", "ana@example.com", "25", "--reason", "cash")
    assert failed.returncode == 1
    assert failed.stderr.startswith("error: There is no database in ")
    assert "namaskah serve" in failed.stderr


def test_a_database_that_is_gone_is_one_clear_line(command: Namaskah) -> None:
    failed = command("ledger", "check", DATABASE_URL="postgresql://127.0.0.1:1/none", ENVIRONMENT="test")
    assert failed.returncode == 1
    assert failed.stderr.splitlines() == ["error: The database does not answer. No money moved."]


def test_a_database_of_another_release_is_not_touched(command: Namaskah, empty_database_url: str) -> None:
    failed = command("ledger", "check", DATABASE_URL=empty_database_url, ENVIRONMENT="test")
    assert failed.returncode == 1
    assert "namaskah migrate" in failed.stderr


def test_unsafe_settings_are_refused_without_showing_them(command: Namaskah) -> None:
    failed = command("doctor", NAMASKAH_SECRET_KEY="sekrit")
    assert failed.returncode == 2
    assert "NAMASKAH_SECRET_KEY" in failed.stderr
    assert "sekrit" not in failed.stderr


def test_a_wrong_call_exits_with_two(command: Namaskah) -> None:
    assert command("wallet", "credit", "ana@example.com").returncode == 2
    assert command("no-such-command").returncode == 2


def test_every_command_shows_an_example(command: Namaskah) -> None:
    from namaskah.cli.commands import app

    commands = list(app.registered_commands)
    for group in app.registered_groups:
        assert group.typer_instance is not None
        commands += group.typer_instance.registered_commands
    assert len(commands) >= 20
    for registered in commands:
        assert registered.epilog, registered.name
        assert f"namaskah {registered.name}" in registered.epilog or f" {registered.name} " in registered.epilog
    shown = command("wallet", "credit", "--help")
    assert "For example" in shown.stdout
    assert "\x1b[" not in shown.stdout


def busy_seconds() -> float:
    """How long the processes that have ended so far had a processor."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_the_version_and_the_extractor_start_at_once(command: Namaskah) -> None:
    best = {}
    for arguments in (["--version"], ["extract"]):
        seconds = []
        for _ in range(5):
            # Not by the clock on the wall: other tests may keep all processors busy meanwhile.
            before = busy_seconds()
            assert command(*arguments).returncode == 0
            seconds.append(busy_seconds() - before)
        best[arguments[0]] = min(seconds)
    assert command("--version").stdout == f"namaskah {__version__}\n"
    assert max(best.values()) < 0.2, best


def test_extract_names_bad_lines_and_does_the_others(command: Namaskah) -> None:
    lines = [
        '{"text": "Your code is 482913", "id": 7}',
        "not json",
        '{"text": 5}',
        "",
        '{"text": "See you at noon"}',
    ]
    done = command("extract", stdin="\n".join(lines))
    first, second = map(json.loads, done.stdout.splitlines())
    assert first["code"] == "482913"
    assert first["id"] == 7
    assert 0.5 < first["confidence"] <= 1
    assert second["code"] is None
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["line 2", "line 3"]
    assert done.returncode == 1


def test_extract_answers_each_line_before_the_next_one_comes() -> None:
    import subprocess
    import sys

    with subprocess.Popen(
        [sys.executable, "-m", "namaskah.cli", "extract"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for code in ("482913", "117788"):
            process.stdin.write(json.dumps({"text": f"Your code is {code}"}) + "\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["code"] == code
        process.stdin.close()
    assert process.returncode == 0


def test_migrate_a_second_time_changes_nothing(command: Namaskah, empty_database_url: str) -> None:
    answers = [
        json.loads(command("migrate", "--json", DATABASE_URL=empty_database_url, ENVIRONMENT="test").stdout) for _ in range(2)
    ]
    assert answers == [{"changed": True}, {"changed": False}]


def test_what_is_logged_stays_out_of_what_programs_read(namaskah: Namaskah) -> None:
    made = namaskah("user", "create", "slow@example.com", "--json", SLOW_STATEMENT_SECONDS="0.000001")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["email"] == "slow@example.com"
    assert "slow_statement" in made.stderr


def test_serve_is_told_of_a_slow_preparation_in_json_alone(database_url: str, tmp_path: Path) -> None:
    orders = json.dumps({"database_url": database_url, "demo": True}) + "\n"
    settings = environment(SLOW_STATEMENT_SECONDS="0.000001", NAMASKAH_DATA_DIR=str(tmp_path), ENVIRONMENT="development")
    ended = subprocess.run(
        [sys.executable, "-m", "namaskah.cli.prepare"], input=orders, capture_output=True, text=True, timeout=60, env=settings
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["demo"]["email"] == "demo@namaskah.test"
    assert "slow_statement" in ended.stderr


def test_a_weak_password_makes_no_user(namaskah: Namaskah) -> None:
    failed = namaskah("user", "create", "ana@example.com", "--password-stdin", stdin="password1\n")
    assert failed.returncode == 1
    assert failed.stderr.startswith("error: ")
    assert len(failed.stderr.splitlines()) == 1
    again = namaskah("user", "create", "ana@example.com", "--password-stdin", "--json", stdin="a-long-enough-one\n")
    assert json.loads(again.stdout)["password"] is None


def test_money_by_hand(namaskah: Namaskah, customer: dict[str, Any]) -> None:
    refused = namaskah("wallet", "debit", customer["id"], "5", "--reason", "too early")
    assert refused.returncode == 1
    assert refused.stderr.count("No money moved.") == 1
    credited = namaskah("wallet", "credit", "ANA@example.com", "25", "--reason", "cash", "--json")
    assert json.loads(credited.stdout)["balance"] == "25.00"
    debited = namaskah("wallet", "debit", customer["id"], "0.75", "--reason", "mistake", "--json")
    assert json.loads(debited.stdout)["available"] == "24.25"
    checked = namaskah("ledger", "check", "--json")
    assert checked.returncode == 0
    report = json.loads(checked.stdout)
    assert (report["ok"], report["drift_micros"], report["findings"]) == (True, 0, [])


async def test_a_ledger_that_does_not_add_up_exits_with_one(namaskah: Namaskah, customer: dict[str, Any], db: Any) -> None:
    await db.execute("UPDATE wallets SET balance_micros = balance_micros + 5 WHERE NOT livemode")
    checked = namaskah("ledger", "check", "--json")
    assert checked.returncode == 1
    assert json.loads(checked.stdout)["drift_micros"] >= 5


def test_keys_and_disabling(namaskah: Namaskah, customer: dict[str, Any]) -> None:
    made = namaskah("api-key", "create", customer["email"], "--name", "ci", "--test", "--reason", "x", "--json")
    key = json.loads(made.stdout)
    assert key["key"].startswith("nmk_test_")
    assert namaskah("api-key", "revoke", customer["email"], key["id"], "--reason", "leaked").returncode == 0
    assert namaskah("user", "disable", customer["email"], "--reason", "stolen card").returncode == 0
    refused = namaskah("api-key", "create", customer["email"], "--name", "ci", "--reason", "x")
    assert refused.returncode == 1
    assert "disabled" in refused.stderr


async def test_what_is_sold(namaskah: Namaskah, customer: dict[str, Any], db: Any) -> None:
    calls = [
        ("price", "set", "telegram", "us", "0.75", "--reason", "cheaper"),
        ("plan", "set", customer["email"], "pro", "--reason", "contract"),
        ("service", "stop", "telegram", "--reason", "no codes"),
        ("service", "start", "telegram", "--reason", "codes again"),
        ("service", "open", "paypal", "--reason", "approved"),
    ]
    for call in calls:
        done = namaskah(*call)
        assert done.returncode == 0, (call, done.stderr)
    row = await db.fetchrow(
        "SELECT (SELECT price_micros FROM prices), (SELECT plan FROM users),"
        " (SELECT stopped_at FROM services WHERE slug = 'telegram'),"
        " (SELECT blocked FROM services WHERE slug = 'paypal'), (SELECT count(*) FROM audit_log)"
    )
    assert tuple(row)[:4] == (750_000, "pro", None, False)
    assert row[4] >= len(calls)
    assert namaskah("service", "stop", "no-such-service", "--reason", "x").returncode == 1


def test_numbers_from_standard_input_and_a_file(namaskah: Namaskah, tmp_path: Path) -> None:
    source = json.loads(namaskah("source", "create", "rack", "--json").stdout)
    assert source["secret"].startswith("whsec_")
    assert source["webhook_url"].endswith(f"/inbound/sms/{source['id']}")
    mixed = namaskah("numbers", "add", source["id"], "--json", stdin="# first\n+12025550100\n\nnonsense\n")
    assert mixed.returncode == 1
    answer = json.loads(mixed.stdout)
    assert (answer["added"], [row["number"] for row in answer["rejected"]]) == (1, ["nonsense"])
    file = tmp_path / "numbers.csv"
    file.write_text("+12025550100\n+12025550101,us,tmobile\n")
    again = namaskah("numbers", "add", source["id"], "--file", str(file))
    assert again.returncode == 0
    assert again.stdout == "1 added, 1 there already, 0 rejected\n"
    assert namaskah("numbers", "add", "src_none", "+12025550102").returncode == 1


def test_the_openapi_document_needs_no_database(command: Namaskah) -> None:
    document = json.loads(command("openapi").stdout)
    assert document["openapi"].startswith("3.1")
    assert "/verifications" in " ".join(document["paths"])


def test_the_doctor_finds_what_is_wrong_and_says_what_mends_it(namaskah: Namaskah, tmp_path: Path) -> None:
    healthy = namaskah("doctor", "--json")
    assert healthy.returncode == 0, healthy.stdout
    checks = {check["name"]: check for check in json.loads(healthy.stdout)["checks"]}
    assert {checks[name]["verdict"] for name in ("schema", "role", "clock", "indexes", "ledger")} == {"OK"}
    assert checks["worker"]["verdict"] == "WARN"
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "secret.key").write_text("11" * 32)
    (tmp_path / "data" / "secret.key").chmod(0o644)
    ill = namaskah("doctor")
    assert ill.returncode == 1
    assert re.search(r"^FAIL  secret files .*\n +chmod 600 ", ill.stdout, re.MULTILINE)


async def test_the_doctor_sees_a_ledger_that_can_be_rewritten(namaskah: Namaskah, db: Any) -> None:
    await db.execute("GRANT UPDATE ON entries TO namaskah_app; DROP INDEX idx_payment_logs_reference")
    checks = {c["name"]: c for c in json.loads(namaskah("doctor", "--json").stdout)["checks"]}
    assert (checks["role"]["verdict"], checks["indexes"]["verdict"]) == ("FAIL", "FAIL")
    assert "entries" in checks["role"]["detail"]
    assert "idx_payment_logs_reference" in checks["indexes"]["detail"]


def test_every_setting_is_documented() -> None:
    documented = set(re.findall(r"^#? ?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    names = {str(field.alias or name).upper() for name, field in Settings.model_fields.items()}
    assert names - documented == set()

"""`namaskah db report` from the outside."""

import json

from tests.cli.conftest import Namaskah


def test_an_empty_database_is_said_to_need_migrating(command: Namaskah, empty_database_url: str) -> None:
    failed = command("db", "report", DATABASE_URL=empty_database_url, ENVIRONMENT="test")
    assert failed.returncode == 1
    assert "namaskah migrate" in failed.stderr


def test_the_report_has_every_part_for_people_and_for_programs(namaskah: Namaskah) -> None:
    shown = namaskah("db", "report")
    assert shown.returncode == 0, shown.stderr
    for part in (
        "Tables",
        "Unused indexes",
        "Foreign keys without",
        "read whole",
        "Bloat of",
        "Slowest statements",
        "named indexes",
    ):
        assert part in shown.stdout
    assert (
        "EXPLAIN ANALYZE SELECT * FROM verifications WHERE user_id = 'user_123' ORDER BY created_at DESC LIMIT 10;"
        in shown.stdout
    )
    assert "Index Scan using idx_verifications_user_created" in shown.stdout
    report = json.loads(namaskah("db", "report", "--json", "--exact").stdout)
    assert {one["index"] for one in report["named_indexes"] if one["there"]} == {
        "idx_verifications_user_created", "idx_transactions_user_type", "idx_users_email_verified",
        "idx_verifications_status_created", "idx_payment_logs_reference",
    }  # fmt: skip
    assert {one["way"] for one in report["named_indexes"]} == {"dropped"}
    assert len(report["slowest"]) == 10
    assert {"events", "verifications"} <= {one["name"] for one in report["tables"]}
    doctor = json.loads(namaskah("doctor", "--json").stdout)
    assert {one["verdict"] for one in doctor["checks"] if one["name"] == "indexes"} == {"OK"}, "all are there again"

"""pgbench as the ceiling: a statement run by PostgreSQL's own client, prepared, with as many clients as we like."""

import re
import subprocess
import time
from pathlib import Path

import msgspec

from bench.server import Server

# Ids as long and as ordered as real ones, made where no Python runs: Unix microseconds and 48 random bits in hex.
_ID = "'{prefix}_0' || lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000000)::bigint), 13, '0') || lpad(to_hex(:id::bigint), 12, '0')"


class Rate(msgspec.Struct, frozen=True):
    """Transactions a second, and what one costs the server's processors, in microseconds."""

    tps: float
    server_us: float


def start_script(*, services: int, country: str = "us", users: int = 1000, first_service: int = 1) -> str:
    """Buys a number as POST /verifications does, for a service that is popular more often than for one that is not."""
    verification, transaction = _ID.format(prefix="ver"), _ID.format(prefix="txn")
    chosen = f"random_zipfian(1, {services}, 1.05)" if services > 1 else "1"
    return (
        f"\\set s {chosen} + {first_service - 1}\n\\set u random(1, {users})\n\\set id random(0, 281474976710655)\n"
        f"SELECT * FROM verification_start_own({verification}, {transaction}, 'user_' || :u::text, true, 'key_' || :u::text,"
        f" 'bench-' || :s::text, '{country}', '', '', 'sms', NULL, '{{}}', NULL, '', 20, NULL, NULL);\n"
    )


def run_pgbench(server: Server, database: str, script: str, *, clients: int, seconds: float) -> Rate:
    """Runs a script for some seconds. Raises RuntimeError when a statement fails."""
    path = Path(server.folder) / "script.sql"
    path.write_text(script)
    before = server.processor_seconds()
    finished = subprocess.run(
        [server.pgbench, "-n", "-M", "prepared", "-c", str(clients), "-j", "2", "-T", str(max(1, round(seconds))), "-f", path, server.url(database)],
        capture_output=True, text=True, timeout=seconds + 60,
    )  # fmt: skip
    time.sleep(0.1)  # the last of its connections is counted when the server has cleared it away
    used = server.processor_seconds() - before
    done = re.search(r"actually processed: (\d+)", finished.stdout)
    rate = re.search(r"^tps = ([0-9.]+)", finished.stdout, re.MULTILINE)
    if finished.returncode != 0 or done is None or rate is None or "ERROR" in finished.stderr:
        raise RuntimeError(f"pgbench failed: {finished.stderr.strip()[:500]}")
    return Rate(float(rate[1]), used / max(int(done[1]), 1) * 1e6)

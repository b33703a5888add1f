"""How long the proof of the ledger takes on the large data set, which many were buying from just before."""

from bench.context import Bench
from bench.figures import Figure
from bench.server import run
from namaskah.core.db import Database
from namaskah.wallet.check import CheckReport, check


def measure(bench: Bench) -> list[Figure]:
    """Without a target for the time, but a finding is a miss."""
    found = []
    for full in (True, False):
        answer = run(_check(bench, full=full))
        how = "full" if full else "incremental"
        found.append(
            Figure(
                row=f"ledger check, {how}, {bench.large.verifications:,} verifications, {len(answer.findings)} findings",
                value=answer.seconds, unit="s", target="no findings", holds=answer.ok,
            )
        )  # fmt: skip
    return found


async def _check(bench: Bench, *, full: bool) -> CheckReport:
    database = await Database.open(bench.server.url("large"), max_size=2)
    try:
        return await check(database, full=full)
    finally:
        await database.close()

"""The five indexes: what the query that each serves costs with it and without it; and the history's statement as written."""

from bench.context import Bench
from bench.figures import Figure
from bench.server import run
from namaskah.cli.db_report import NAMED
from namaskah.core.index_worth import worth

TIMES = 5


def measure(bench: Bench) -> list[Figure]:
    """The index is dropped inside a transaction that is rolled back."""
    return list(run(_all(bench)))


async def _all(bench: Bench) -> list[Figure]:
    found = []
    async with bench.server.connect("large") as connection:
        for name, query in NAMED.items():
            one = await worth(connection, name, query, exact=True, times=TIMES, most_ms=600_000)
            assert one.without is not None and one.times_faster is not None
            found.append(
                Figure(
                    row=f"{name} serves: {query} ({one.with_it.pages:,} | {one.without.pages:,} pages) | without it",
                    value=one.with_it.milliseconds, ceiling=one.without.milliseconds, unit="ms", ratio=one.times_faster,
                    target="ratio >= 2.00 and used", holds=one.times_faster >= 2 and one.used,
                )
            )  # fmt: skip
    return found

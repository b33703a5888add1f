"""Allocation of an own number when 95 % of the country's 100,000 were already used for the service, and 100 buyers at once."""

from bench.context import CONNECTIONS, ROUNDS, Bench, medians
from bench.figures import Figure, at_least, report
from bench.pgbench import run_pgbench, start_script

NUMBERS = 100_000
SECONDS = 2.0
_NUMBERS = """
INSERT INTO numbers (e164, country, source_id) SELECT '+316' || lpad(n::text, 8, '0'), 'nl', $1 FROM generate_series(1, $2::integer) n
"""
# Every twentieth number was never used for the service, spread evenly.
_USED = """
INSERT INTO number_uses (service_id, number_id, verification_id)
SELECT s.id, n.id, 'ver_' || n.id FROM services s, numbers n
WHERE s.slug = 'bench-1' AND n.country = 'nl' AND n.id % 20 <> 0
"""
_FREE_AGAIN = "UPDATE numbers SET busy = false WHERE country = 'nl' AND busy"


def measure(bench: Bench) -> list[Figure]:
    """bench-1 has used 95 %, bench-2 nothing; both are bought in the same rounds."""
    bench.copy_of_small("allocation")
    source = bench.execute("allocation", "SELECT id FROM number_sources LIMIT 1")[0]["id"]
    bench.execute("allocation", _NUMBERS, source, NUMBERS)
    bench.execute("allocation", _USED)
    bench.execute("allocation", "VACUUM (ANALYZE)")

    def bought(service: int, clients: int, seconds: float) -> float:
        script = start_script(services=1, first_service=service, country="nl")
        rate = run_pgbench(bench.server, "allocation", script, clients=clients, seconds=seconds).tps
        # Else the second one would find the first one's numbers busy.
        bench.execute("allocation", _FREE_AGAIN)
        bench.execute("allocation", "VACUUM numbers, number_pool")
        return rate

    bought(3, CONNECTIONS, 2)
    # Five thousand are left to be sold in all rounds together; so they are short, and begin with what must be searched.
    used, unused = medians(ROUNDS, lambda: bought(1, CONNECTIONS, 1), lambda: bought(2, CONNECTIONS, 1))
    crowd = bought(4, 100, SECONDS)
    bench.execute("postgres", "DROP DATABASE allocation WITH (FORCE)")
    return [
        at_least(
            f"start when 95 % of the country's {NUMBERS:,} numbers were used for the service (pgbench, {CONNECTIONS} clients) | none used",
            used, unused, "a second", 0.80,
        ),
        report(f"start by 100 buyers of one service at once (pgbench) | {CONNECTIONS} buyers", crowd, "a second", ceiling=unused),
    ]  # fmt: skip

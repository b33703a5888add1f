"""A page of the history and a start, with the large data set beside the small one."""

from bench.context import BOUGHT_SERVICES, CONNECTIONS, ROUNDS, Bench, medians
from bench.data_rows import MEASURED
from bench.figures import Figure, at_least
from bench.pgbench import run_pgbench, start_script
from namaskah.verifications import queries

SECONDS = 2.0
LIMIT = 20


def measure(bench: Bench) -> list[Figure]:
    """Both by pgbench, because HTTP would hide a difference behind its own cost."""
    name = f"with {bench.large.verifications:,} verifications | with {bench.small.verifications:,}"
    bench.copy_of_small("small_starts")
    for database in ("small_starts", "large"):
        bench.fill_pools(database)
    bench.execute("large", "VACUUM (ANALYZE) number_pool, number_pool_cursors")
    history, start = history_script(), start_script(services=BOUGHT_SERVICES)

    def rate(database: str, script: str) -> float:
        return run_pgbench(bench.server, database, script, clients=CONNECTIONS, seconds=SECONDS).tps

    for database in ("small_starts", "large"):
        rate(database, history)
        rate(database, start)
    pages, pages_small = medians(ROUNDS, lambda: rate("large", history), lambda: rate("small_starts", history))
    starts, starts_small = medians(ROUNDS, lambda: rate("large", start), lambda: rate("small_starts", start))
    bench.execute("postgres", "DROP DATABASE small_starts WITH (FORCE)")
    return [
        at_least(f"history page of {LIMIT} {name} (pgbench, {CONNECTIONS} clients)", pages, pages_small, "a second", 0.80),
        at_least(f"start {name} (pgbench, {CONNECTIONS} clients)", starts, starts_small, "a second", 0.80),
    ]


def history_script() -> str:
    """The statement of GET /verifications, for customers in turn."""
    statement = f"{queries._HISTORY}{queries._ORDER}{LIMIT + 1}".replace("$1", "'user_' || :u::text").replace("$2", "true")
    return f"\\set u random(1, {MEASURED})\n{' '.join(statement.split())};\n"

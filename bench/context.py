"""What every row of the table works with: the server, the two data sets, and how long to measure."""

from collections.abc import Callable
from statistics import median
from typing import Any

import msgspec

from bench.data import Dataset
from bench.server import Server, run

# The services whose numbers the rows buy, of all that are listed; their pools are filled before.
BOUGHT_SERVICES = 200
CONNECTIONS = 32
ROUNDS = 3
_FILL_POOLS = "SELECT sum(number_pool_refill(id, $1, true, 2000, clock_timestamp())) FROM services WHERE slug LIKE 'bench-%' AND popularity <= $2"


class Bench(msgspec.Struct, kw_only=True):
    """One run. `small` and `large` are databases; rows that write work on copies of `small`."""

    server: Server
    small: Dataset
    large: Dataset
    say: Callable[[str], None]

    def copy_of_small(self, name: str) -> str:
        """A fresh copy, settled; answers its URL."""

        async def copy() -> str:
            url = await self.server.create(name, like="small")
            await self.server.settle(name)
            return url

        return str(run(copy()))

    def execute(self, database: str, statement: str, *arguments: Any) -> Any:
        """Runs one statement as the owner; answers its rows."""

        async def execute() -> Any:
            async with self.server.connect(database) as connection:
                return await connection.fetch(statement, *arguments, timeout=600)

        return run(execute())

    def fill_pools(self, database: str, country: str = "us", services: int = BOUGHT_SERVICES) -> None:
        """Puts numbers on sale for the services that are bought, as their first buyers would."""
        self.execute(database, _FILL_POOLS, country, 100_000 + services)


def medians(rounds: int, *measures: Callable[[], float]) -> list[float]:
    """The median of each over some rounds, taken in turn, so that a change of the machine's mood meets all of them."""
    found: list[list[float]] = [[] for _ in measures]
    for _ in range(rounds):
        for place, measure in enumerate(measures):
            found[place].append(measure())
    return [median(values) for values in found]

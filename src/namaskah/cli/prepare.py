"""What `namaskah serve` has to do before its processes work: schema, catalogue, and in development a demo
user.

A process of its own, so that what it loads (Alembic above all) does not stay in the supervisor's memory.
"""

import asyncio
import json
import sys

from namaskah.cli.connect import read_settings, warn_on_stderr
from namaskah.cli.output import FAILED, complain, explanation


async def _prepare(url: str, *, demo: bool) -> dict[str, str] | None:
    from namaskah.core.crypto import Vault
    from namaskah.core.db import DatabaseGone
    from namaskah.prepare import prepare_database

    told = False
    while True:
        try:
            await prepare_database(url, vault=Vault(read_settings().key_bytes))
            break
        except DatabaseGone:
            if not told:
                complain("The database does not answer; waiting for it.")
            told = True
            await asyncio.sleep(1)
    if not demo:
        return None
    from namaskah.cli.demo_account import demo_account

    return await demo_account(read_settings(), url)


def main() -> int:
    """Reads its orders from standard input, writes what it did to standard output; answers the exit code."""
    import asyncpg

    from namaskah.core.key_check import WrongSecretKey

    orders = json.loads(sys.stdin.buffer.readline())
    try:
        warn_on_stderr(read_settings())
        demo = asyncio.run(_prepare(orders["database_url"], demo=orders["demo"]))
    except WrongSecretKey as error:
        complain(f"error: {error}")
        return FAILED
    except asyncpg.PostgresError as error:
        complain(f"error: the database refuses us: {error}")
        return FAILED
    except Exception as error:
        line = explanation(error)
        if line is None:
            raise
        complain(f"error: {line}")
        return FAILED
    sys.stdout.write(json.dumps({"demo": demo}))
    return 0


if __name__ == "__main__":
    sys.exit(main())

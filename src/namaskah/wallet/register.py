"""A person signs up: the user and both wallets, of real money and of the test mode's, in one transaction."""

from namaskah.accounts.sign_up import insert, prepare
from namaskah.accounts.users import User
from namaskah.core import metrics
from namaskah.core.db import Database
from namaskah.core.ids import new_id

# What the test mode's wallet begins with and is refilled to: 100 USD that are none.
TEST_BALANCE_MICROS = 100_000_000
_OPEN = "INSERT INTO wallets (user_id, livemode) VALUES ($1, true), ($1, false)"
_FILL = (
    "SELECT ledger_adjust($1, $2, false, 'promotion', $3, 'test money to begin with', 'system', 5::smallint, clock_timestamp())"
)


async def register(database: Database, *, email: str, password: str, terms_version: str) -> User:
    """The new user. Raises what sign_up raises (EmailTaken, TermsNotAccepted, ...); nothing is half done then."""
    # Hashing the password takes 20 ms, which must not keep a transaction open.
    new_user = await prepare(email=email, password=password, terms_version=terms_version)
    async with database.transaction() as connection:
        user = await insert(connection, new_user)
        await connection.execute(_OPEN, user.id)
        await connection.fetchval(_FILL, new_id("txn"), user.id, TEST_BALANCE_MICROS)
    metrics.SIGN_UPS.inc()
    return user

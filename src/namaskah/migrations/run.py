"""How a revision runs SQL: as it is written, several statements at once, without SQLAlchemy reading colons in it."""

from alembic import op


def run(sql: str) -> None:
    """Runs the statements inside the revision's own transaction, or prints them when a script is being made."""
    if op.get_context().as_sql:
        op.execute(sql.replace(":", r"\:"))
        return
    # The first statement through SQLAlchemy opens its transaction; the rest then goes to asyncpg directly, because
    # only the simple protocol takes several statements in one text.
    op.execute("SELECT 1")
    connection = op.get_bind().connection.dbapi_connection
    assert connection is not None
    connection.run_async(lambda raw: raw.execute(sql))

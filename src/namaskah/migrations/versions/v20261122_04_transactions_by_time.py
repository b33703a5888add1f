"""The newest transactions, for the check of the ledger each minute: a BRIN index, which costs an insert next to nothing."""

from alembic import op

revision = "20261122_04"
down_revision = "20261122_03"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # A build that was interrupted leaves an invalid index of that name behind: drop it and build again.
        op.execute(
            "DO $$ BEGIN IF EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
            " WHERE c.relname = 'transactions_created' AND NOT i.indisvalid) THEN DROP INDEX transactions_created; END IF; END $$"
        )
        op.execute(
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS transactions_created ON transactions USING brin (created_at)"
            " WITH (pages_per_range = 32, autosummarize = on)"
        )


def downgrade() -> None:
    raise RuntimeError("indexes are dropped by a new migration, not by going back")

"""The five indexes of R11, built without blocking writes; the tables are analysed after."""

from alembic import op

revision = "20261122_03"
down_revision = "20261122_02"

INDEXES = {
    "idx_verifications_user_created": "verifications (user_id, created_at DESC)",
    "idx_verifications_status_created": "verifications (status, created_at DESC)",
    "idx_transactions_user_type": "transactions (user_id, type, created_at DESC)",
    "idx_users_email_verified": "users (email, email_verified)",
    "idx_payment_logs_reference": "payment_logs (reference)",
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for name, target in INDEXES.items():
            # A build that was interrupted leaves an invalid index of that name behind: drop it and build again.
            op.execute(
                f"DO $$ BEGIN IF EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
                f" WHERE c.relname = '{name}' AND NOT i.indisvalid) THEN DROP INDEX {name}; END IF; END $$"
            )
            op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {target}")
        op.execute("ANALYZE verifications, transactions, users, payment_logs")


def downgrade() -> None:
    raise RuntimeError("indexes are dropped by a new migration, not by going back")

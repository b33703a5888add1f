"""What lets the large tables age out in small steps: indexes on time, an early vacuum, and an archive for old orders."""

from alembic import op

from namaskah.migrations.run import run

revision = "20261122_07"
down_revision = "20261122_06"

INDEXES = {
    # B-trees, so that the oldest rows are found in order: a BRIN index stops telling old from new pages once freed room is
    # used again (docs/adr/0016).
    "events_age": "events (created_at)",
    "idempotency_keys_age": "idempotency_keys (created_at)",
    "provider_orders_age": "provider_orders (asked_at) WHERE state = 'closed'",
    "jobs_dead": "jobs (dead_at) WHERE dead_at IS NOT NULL",
    "ledger_checks_newest": "ledger_checks (checked_to) WHERE ok",
    # Without it each line of the ledger that is archived would have all payments looked through.
    "payment_logs_transaction": "payment_logs (transaction_id) WHERE transaction_id IS NOT NULL",
}
REPLACED = ("events_created", "idempotency_keys_created")
# By default a fifth of a table may be dead before it is vacuumed: millions of rows, and as much room, of these.
VACUUMED_EARLY = ("verifications", "messages", "events", "idempotency_keys", "provider_orders")
ARCHIVE = """
-- One row for an order and its ledger lines, written by the database's owner alone. From it both lines and all four
-- entries can be written down again: the hold (available to held), and the capture (held to revenue) or release.
CREATE TABLE IF NOT EXISTS archived_orders (
    verification_id  text COLLATE "C" PRIMARY KEY,
    user_id          text COLLATE "C" NOT NULL,
    livemode         boolean NOT NULL,
    carried_by       text COLLATE "C",
    status           text COLLATE "C" NOT NULL CHECK (status IN ('completed', 'cancelled', 'expired', 'failed')),
    service          text COLLATE "C" NOT NULL,
    country          text COLLATE "C" NOT NULL,
    operator         text NOT NULL,
    provider         text NOT NULL,
    number_id        bigint,
    reuse_of         text COLLATE "C",
    api_key_id       text COLLATE "C",
    price_micros     bigint NOT NULL CHECK (price_micros > 0),
    messages         integer NOT NULL,
    created_at       timestamptz NOT NULL,
    pending_at       timestamptz,
    expires_at       timestamptz NOT NULL,
    code_received_at timestamptz,
    settled_at       timestamptz NOT NULL,
    failure          text,
    report_reason    text,
    hold_id          text COLLATE "C" NOT NULL,
    hold_balance_after_micros   bigint NOT NULL,
    hold_available_after_micros bigint NOT NULL,
    hold_deadline_at timestamptz NOT NULL,
    hold_actor_id    text COLLATE "C" NOT NULL,
    end_id           text COLLATE "C" NOT NULL,
    end_balance_after_micros    bigint NOT NULL,
    end_available_after_micros  bigint NOT NULL,
    end_reason       text NOT NULL,
    end_actor_id     text COLLATE "C" NOT NULL,
    ended_at         timestamptz NOT NULL,
    archived_at      timestamptz NOT NULL,
    CONSTRAINT captured_means_a_code_and_is_carried
        CHECK ((status = 'completed') = (code_received_at IS NOT NULL) AND (status <> 'completed' OR carried_by IS NOT NULL))
);

CREATE OR REPLACE FUNCTION archive_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' OR NOT pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE') THEN
        RAISE EXCEPTION 'the archive is append-only, and only its owner appends: % on % is refused', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'NM001';
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER append_only BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON archived_orders
    FOR EACH STATEMENT EXECUTE FUNCTION archive_is_append_only();

-- The first guard opens for nothing but the archive's own deletion, inside its transaction.
CREATE OR REPLACE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('namaskah.archiving', true) = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'the ledger is append-only: % on % is refused; book a reversing transaction instead', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'NM001';
END $$;
-- The second does not trust the first: whoever deletes, only what the archive holds, with the same amount, can go.
CREATE OR REPLACE FUNCTION ledger_keeps_what_is_not_archived() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    lost text;
BEGIN
    IF TG_TABLE_NAME = 'transactions' THEN
        SELECT g.id INTO lost FROM gone g LEFT JOIN archived_orders a ON a.verification_id = g.verification_id
        WHERE CASE g.type WHEN 'hold' THEN g.id = a.hold_id AND g.amount_micros = -a.price_micros
                  WHEN 'capture' THEN g.id = a.end_id AND a.status = 'completed' AND g.amount_micros = 0
                  WHEN 'release' THEN g.id = a.end_id AND a.status <> 'completed' AND g.amount_micros = a.price_micros
              END IS NOT TRUE LIMIT 1;
    ELSIF TG_TABLE_NAME = 'entries' THEN
        SELECT g.transaction_id INTO lost FROM gone g LEFT JOIN transactions t ON t.id = g.transaction_id
        LEFT JOIN archived_orders a ON a.verification_id = t.verification_id
        WHERE (t.id IN (a.hold_id, a.end_id) AND abs(g.amount_micros) = a.price_micros) IS NOT TRUE LIMIT 1;
    ELSE
        SELECT g.hold_id INTO lost FROM gone g LEFT JOIN transactions t ON t.id = g.hold_id
        LEFT JOIN archived_orders a ON a.verification_id = t.verification_id
        WHERE (g.hold_id = a.hold_id AND g.transaction_id = a.end_id) IS NOT TRUE LIMIT 1;
    END IF;
    IF lost IS NOT NULL THEN
        RAISE EXCEPTION 'the ledger is append-only: % of % is not archived', lost, TG_TABLE_NAME USING ERRCODE = 'NM001';
    END IF;
    RETURN NULL;
END $$;
"""
_GUARD = """
CREATE OR REPLACE TRIGGER only_what_is_archived AFTER DELETE ON {} REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_keeps_what_is_not_archived()
"""


def upgrade() -> None:
    run(ARCHIVE)
    for table in ("transactions", "entries", "hold_resolutions"):
        run(_GUARD.format(table))
    for table in VACUUMED_EARLY:
        run(f"ALTER TABLE {table} SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000)")
    with op.get_context().autocommit_block():
        for name, target in INDEXES.items():
            # A build that was interrupted leaves an invalid index of that name behind: drop it and build again.
            op.execute(
                f"DO $$ BEGIN IF EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
                f" WHERE c.relname = '{name}' AND NOT i.indisvalid) THEN DROP INDEX {name}; END IF; END $$"
            )
            op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {target}")
        for name in REPLACED:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


def downgrade() -> None:
    raise RuntimeError("a release rolls back by code; its schema stays and serves the older one too")

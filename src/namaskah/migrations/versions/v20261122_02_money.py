"""The tables of the main job: wallet and ledger, numbers, verifications, messages, events, jobs."""

from namaskah.migrations.run import run

revision = "20261122_02"
down_revision = "20261122_01"

WALLET = """
-- A user has one wallet of real money and one of the test mode's. The row is a running sum of its entries.
CREATE TABLE wallets (
    user_id          text COLLATE "C" NOT NULL REFERENCES users,
    livemode         boolean NOT NULL,
    currency         text NOT NULL DEFAULT 'USD' CHECK (currency = 'USD'),
    balance_micros   bigint NOT NULL DEFAULT 0 CHECK (balance_micros >= 0),
    held_micros      bigint NOT NULL DEFAULT 0 CHECK (held_micros >= 0),
    open_count       integer NOT NULL DEFAULT 0 CHECK (open_count >= 0),
    hour_started_at  timestamptz NOT NULL DEFAULT '-infinity',
    hour_count       integer NOT NULL DEFAULT 0,
    day_started_on   date NOT NULL DEFAULT '-infinity',
    day_spent_micros bigint NOT NULL DEFAULT 0,
    judged_count     integer NOT NULL DEFAULT 0,
    judged_codes     integer NOT NULL DEFAULT 0,
    event_seq        bigint NOT NULL DEFAULT 0,
    created_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, livemode),
    CONSTRAINT never_over_held CHECK (held_micros <= balance_micros)
) WITH (fillfactor = 50);

CREATE TABLE ledger_accounts (
    id   smallint PRIMARY KEY,
    name text NOT NULL UNIQUE
);
INSERT INTO ledger_accounts VALUES (1, 'available'), (2, 'held'), (3, 'revenue'), (4, 'funding'), (5, 'promotions');

-- One row a movement: the customer's statement. amount_micros is what it did to the available money.
CREATE TABLE transactions (
    id                     text COLLATE "C" PRIMARY KEY,
    user_id                text COLLATE "C" NOT NULL,
    livemode               boolean NOT NULL,
    type                   text NOT NULL
        CHECK (type IN ('credit', 'debit', 'hold', 'capture', 'release', 'top_up', 'promotion', 'reversal')),
    currency               text NOT NULL DEFAULT 'USD',
    amount_micros          bigint NOT NULL,
    balance_after_micros   bigint NOT NULL CHECK (balance_after_micros >= 0),
    available_after_micros bigint NOT NULL CHECK (available_after_micros >= 0),
    verification_id        text COLLATE "C",
    hold_deadline_at       timestamptz CHECK ((type = 'hold') = (hold_deadline_at IS NOT NULL)),
    reason                 text NOT NULL DEFAULT '',
    actor_id               text COLLATE "C" NOT NULL,
    created_at             timestamptz NOT NULL,
    FOREIGN KEY (user_id, livemode) REFERENCES wallets
);

CREATE TABLE entries (
    transaction_id text COLLATE "C" NOT NULL REFERENCES transactions,
    account        smallint NOT NULL CHECK (account BETWEEN 1 AND 5),
    amount_micros  bigint NOT NULL CHECK (amount_micros <> 0),
    PRIMARY KEY (transaction_id, account)
);

-- The primary key is the whole race between code, cancel and expiry: a hold is resolved once.
CREATE TABLE hold_resolutions (
    hold_id        text COLLATE "C" PRIMARY KEY REFERENCES transactions,
    kind           text NOT NULL CHECK (kind IN ('capture', 'release')),
    transaction_id text COLLATE "C" NOT NULL UNIQUE REFERENCES transactions
);

CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: % on % is refused; book a reversing transaction instead', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'NM001';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON transactions
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON entries
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON hold_resolutions
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();

-- All entries of a transaction come in one INSERT, so that the statement's own rows can be checked without looking at the
-- table.
CREATE FUNCTION entries_sum_to_zero() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM added GROUP BY transaction_id HAVING sum(amount_micros) <> 0) THEN
        RAISE EXCEPTION 'the entries of a transaction must sum to zero' USING ERRCODE = 'NM002';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER sum_to_zero AFTER INSERT ON entries REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION entries_sum_to_zero();

CREATE TABLE payment_logs (
    id            text COLLATE "C" PRIMARY KEY,
    user_id       text COLLATE "C" REFERENCES users,
    provider      text NOT NULL,
    reference     text NOT NULL,
    status        text NOT NULL,
    amount_micros bigint NOT NULL,
    currency      text NOT NULL,
    transaction_id text COLLATE "C" REFERENCES transactions,
    created_at    timestamptz NOT NULL DEFAULT now()
);
-- No payment is credited twice, however often its webhook comes.
CREATE UNIQUE INDEX payment_logs_credited_once ON payment_logs (provider, reference) WHERE transaction_id IS NOT NULL;

-- How far the incremental check of the ledger has come.
CREATE TABLE ledger_checks (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text NOT NULL CHECK (kind IN ('full', 'incremental')),
    checked_to  timestamptz NOT NULL,
    finished_at timestamptz NOT NULL DEFAULT now(),
    ok          boolean NOT NULL,
    findings    jsonb NOT NULL
);
"""

NUMBERS = """
CREATE TABLE number_sources (
    id          text COLLATE "C" PRIMARY KEY,
    name        text NOT NULL UNIQUE,
    secret_encrypted bytea NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    disabled_at timestamptz
);

-- busy has no index, so that taking and freeing a number stays a HOT update.
CREATE TABLE numbers (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    e164            text COLLATE "C" NOT NULL UNIQUE CHECK (e164 ~ '^\\+[1-9][0-9]{5,14}$'),
    country         text COLLATE "C" NOT NULL REFERENCES countries,
    operator        text NOT NULL DEFAULT '',
    area_code       text NOT NULL DEFAULT '',
    source_id       text COLLATE "C" NOT NULL REFERENCES number_sources,
    voice           boolean NOT NULL DEFAULT false,
    busy            boolean NOT NULL DEFAULT false,
    verification_id text COLLATE "C",
    free_at         timestamptz NOT NULL DEFAULT '-infinity',
    retired_at      timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70);
CREATE INDEX numbers_country ON numbers (country, id);
CREATE INDEX numbers_operator ON numbers (country, operator, area_code);

-- The numbers now on sale for a service: about 1,500 rows each, refilled in chunks by a cursor, taken from a random slot on.
CREATE TABLE number_pool (
    service_id integer NOT NULL,
    country    text COLLATE "C" NOT NULL,
    slot       integer NOT NULL,
    number_id  bigint NOT NULL,
    PRIMARY KEY (service_id, country, slot, number_id)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);

CREATE TABLE number_pool_cursors (
    service_id integer NOT NULL,
    country    text COLLATE "C" NOT NULL,
    number_id  bigint NOT NULL DEFAULT 0,
    rescanned_at timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (service_id, country)
);

-- Never the same number twice for the same service, unless its last user asks for it again.
CREATE TABLE number_uses (
    service_id      integer NOT NULL,
    number_id       bigint NOT NULL,
    verification_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (service_id, number_id)
);
"""

VERIFICATIONS = """
CREATE TABLE verifications (
    id                text COLLATE "C" PRIMARY KEY,
    user_id           text COLLATE "C" NOT NULL,
    livemode          boolean NOT NULL,
    status            text COLLATE "C" NOT NULL
        CHECK (status IN ('requesting', 'pending', 'completed', 'cancelled', 'expired', 'failed')),
    service_id        integer NOT NULL REFERENCES services,
    service           text COLLATE "C" NOT NULL,
    country           text COLLATE "C" NOT NULL,
    operator          text NOT NULL DEFAULT '',
    area_code         text NOT NULL DEFAULT '',
    capability        text NOT NULL DEFAULT 'sms' CHECK (capability IN ('sms', 'voice')),
    provider          text NOT NULL,
    number_id         bigint,
    number            text,
    price_micros      bigint NOT NULL CHECK (price_micros > 0),
    charged           boolean NOT NULL DEFAULT false,
    hold_id           text COLLATE "C" NOT NULL,
    api_key_id        text COLLATE "C",
    message_count     integer NOT NULL DEFAULT 0,
    estimated_delivery_seconds real,
    created_at        timestamptz NOT NULL,
    pending_at        timestamptz,
    can_cancel_at     timestamptz NOT NULL,
    expires_at        timestamptz NOT NULL,
    code_received_at  timestamptz,
    settled_at        timestamptz,
    closed_at         timestamptz,
    sweep_at          timestamptz,
    failure           text,
    reported_at       timestamptz,
    report_reason     text,
    reuse_of          text COLLATE "C",
    metadata          jsonb NOT NULL DEFAULT '{}',
    FOREIGN KEY (user_id, livemode) REFERENCES wallets,
    CONSTRAINT charged_means_a_code CHECK (charged = (status = 'completed') AND charged = (code_received_at IS NOT NULL)),
    CONSTRAINT pending_has_a_number CHECK (status NOT IN ('pending', 'completed') OR number IS NOT NULL)
) WITH (fillfactor = 80);
-- What the sweeper must look at next: an open order to release, or a completed one whose number becomes free.
CREATE INDEX verifications_sweep ON verifications (sweep_at) WHERE sweep_at IS NOT NULL;

-- An order at an upstream: asked, and by which reference it is known there. Rows of our own numbers do not exist here.
CREATE TABLE provider_orders (
    verification_id text COLLATE "C" PRIMARY KEY REFERENCES verifications,
    provider        text NOT NULL,
    reference       text,
    state           text NOT NULL CHECK (state IN ('asking', 'unknown', 'open', 'closed')),
    asked_at        timestamptz NOT NULL,
    poll_at         timestamptz,
    poll_until      timestamptz,
    polls           integer NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX provider_orders_reference ON provider_orders (provider, reference) WHERE reference IS NOT NULL;
CREATE INDEX provider_orders_poll ON provider_orders (provider, poll_at) WHERE poll_at IS NOT NULL;
CREATE INDEX provider_orders_unsettled ON provider_orders (asked_at) WHERE state IN ('asking', 'unknown');

CREATE TABLE idempotency_keys (
    user_id         text COLLATE "C" NOT NULL,
    livemode        boolean NOT NULL,
    key             text COLLATE "C" NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    fingerprint     bytea NOT NULL,
    verification_id text COLLATE "C",
    status          smallint,
    body            text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, livemode, key)
) WITH (fillfactor = 80);
CREATE INDEX idempotency_keys_created ON idempotency_keys USING brin (created_at);

-- Texts and codes are encrypted by the application; erased means set to NULL, the row itself stays as the proof.
CREATE TABLE messages (
    id                text COLLATE "C" PRIMARY KEY,
    origin            text COLLATE "C" NOT NULL,
    origin_message_id text COLLATE "C" NOT NULL,
    reference         text COLLATE "C",
    number            text COLLATE "C" NOT NULL,
    sender            text NOT NULL,
    text_encrypted    bytea,
    code_encrypted    bytea,
    has_code          boolean NOT NULL,
    confidence        real NOT NULL,
    withheld          boolean NOT NULL DEFAULT false,
    late              boolean NOT NULL DEFAULT false,
    verification_id   text COLLATE "C",
    received_at       timestamptz NOT NULL,
    created_at        timestamptz NOT NULL,
    handled_at        timestamptz,
    erased_at         timestamptz
);
CREATE UNIQUE INDEX messages_once ON messages (origin, origin_message_id);
CREATE INDEX messages_verification ON messages (verification_id) WHERE verification_id IS NOT NULL;
CREATE INDEX messages_unhandled ON messages (created_at) WHERE handled_at IS NULL;
-- What nobody waited for is counted for each source.
CREATE INDEX messages_unclaimed ON messages (origin) WHERE verification_id IS NULL AND handled_at IS NOT NULL;
CREATE INDEX messages_unerased ON messages (created_at) WHERE erased_at IS NULL;

-- Numbered per wallet under the wallet's row lock, so the order is the order of the commits and has no gaps.
CREATE TABLE events (
    user_id    text COLLATE "C" NOT NULL,
    livemode   boolean NOT NULL,
    seq        bigint NOT NULL,
    type       text NOT NULL,
    object_id  text COLLATE "C",
    data       text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, livemode, seq)
);
CREATE INDEX events_created ON events USING brin (created_at);
"""

WORK = """
CREATE TABLE jobs (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind         text NOT NULL,
    unique_key   text UNIQUE,
    payload      jsonb NOT NULL DEFAULT '{}',
    due_at       timestamptz NOT NULL DEFAULT now(),
    attempts     integer NOT NULL DEFAULT 0,
    max_attempts integer NOT NULL DEFAULT 20,
    locked_until timestamptz,
    last_error   text,
    dead_at      timestamptz
);
CREATE INDEX jobs_due ON jobs (due_at) WHERE dead_at IS NULL;

CREATE TABLE workers (
    id           text PRIMARY KEY,
    started_at   timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    version      text NOT NULL
);

-- One row a name: what `namaskah migrate` remembers (the digest of the functions it installed), and how far a job has come.
CREATE TABLE schema_state (
    name  text PRIMARY KEY,
    value text NOT NULL
);
"""


def upgrade() -> None:
    for sql in (WALLET, NUMBERS, VERIFICATIONS, WORK):
        run(sql)


def downgrade() -> None:
    raise RuntimeError("money is never migrated away: releases roll back by code, data by point-in-time recovery")

"""The first tables: plans, users, sessions, keys, the audit log, and the catalogue.

Ids are text with a prefix, compared byte by byte (COLLATE "C"); amounts are integer micros (1 USD = 1,000,000).
"""

from namaskah.migrations.run import run

revision = "20261122_01"
down_revision = None

ACCOUNTS = """
CREATE TABLE plans (
    slug               text PRIMARY KEY,
    name               text NOT NULL,
    monthly_price_micros bigint NOT NULL CHECK (monthly_price_micros >= 0),
    discount_bp        integer NOT NULL CHECK (discount_bp BETWEEN 0 AND 9000),
    max_concurrent     integer NOT NULL CHECK (max_concurrent > 0),
    max_per_hour       integer NOT NULL CHECK (max_per_hour > 0),
    daily_spend_micros bigint NOT NULL CHECK (daily_spend_micros > 0),
    api_keys           integer NOT NULL CHECK (api_keys >= 0),
    min_delivery_bp    integer NOT NULL CHECK (min_delivery_bp BETWEEN 0 AND 10000)
);

CREATE TABLE users (
    id              text COLLATE "C" PRIMARY KEY,
    kind            text NOT NULL DEFAULT 'person' CHECK (kind IN ('person', 'organisation')),
    email           text NOT NULL CHECK (length(email) <= 254),
    email_verified  boolean NOT NULL DEFAULT false,
    password_hash   text,
    plan            text NOT NULL DEFAULT 'free' REFERENCES plans,
    terms_version   text NOT NULL,
    terms_accepted_at timestamptz NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    disabled_at     timestamptz,
    disabled_reason text
);
-- Uniqueness sits on lower(email), so that idx_users_email_verified is free to serve its own query.
CREATE UNIQUE INDEX users_email_key ON users (lower(email));

-- The session's id is the SHA-256 of the cookie's token: a stolen table opens no account.
CREATE TABLE sessions (
    token_hash   bytea PRIMARY KEY CHECK (length(token_hash) = 32),
    user_id      text COLLATE "C" NOT NULL REFERENCES users,
    created_at   timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    user_agent   text NOT NULL DEFAULT ''
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE api_keys (
    id                     text COLLATE "C" PRIMARY KEY,
    user_id                text COLLATE "C" NOT NULL REFERENCES users,
    livemode               boolean NOT NULL,
    name                   text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    hint                   text NOT NULL,
    hash                   bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
    daily_spend_cap_micros bigint CHECK (daily_spend_cap_micros > 0),
    created_at             timestamptz NOT NULL DEFAULT now(),
    last_used_at           timestamptz,
    expires_at             timestamptz,
    revoked_at             timestamptz
);
CREATE INDEX api_keys_user ON api_keys (user_id);

-- What a key with a cap has spent on a day (UTC). Keys without a cap have no rows here.
CREATE TABLE api_key_spend (
    key_id       text COLLATE "C" NOT NULL REFERENCES api_keys,
    day          date NOT NULL,
    spent_micros bigint NOT NULL CHECK (spent_micros >= 0),
    PRIMARY KEY (key_id, day)
) WITH (fillfactor = 50);

-- Failed sign-ins per account and per address, in windows; the hash hides which account or address it is.
CREATE TABLE sign_in_attempts (
    subject_hash bytea NOT NULL,
    window_start timestamptz NOT NULL,
    failures     integer NOT NULL CHECK (failures > 0),
    PRIMARY KEY (subject_hash, window_start)
);

CREATE TABLE audit_log (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    actor_id   text COLLATE "C" NOT NULL,
    action     text NOT NULL,
    target     text NOT NULL,
    reason     text NOT NULL CHECK (reason <> ''),
    detail     jsonb NOT NULL DEFAULT '{}'
);
"""

CATALOGUE = """
CREATE TABLE services (
    id                integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug              text COLLATE "C" NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    name              text NOT NULL,
    category          text NOT NULL,
    blocked           boolean NOT NULL DEFAULT false,
    stopped_at        timestamptz,
    base_price_micros bigint NOT NULL CHECK (base_price_micros > 0),
    popularity        integer NOT NULL DEFAULT 100000,
    keywords          text NOT NULL DEFAULT '',
    sandbox           boolean NOT NULL DEFAULT false,
    -- When an operator opened a blocked service, and set its base price: loading a newer catalogue leaves both alone.
    opened_at         timestamptz,
    base_price_set_at timestamptz
);

CREATE TABLE countries (
    code            text COLLATE "C" PRIMARY KEY CHECK (code ~ '^[a-z]{2}$'),
    name            text NOT NULL,
    dial            text NOT NULL,
    price_factor_bp integer NOT NULL CHECK (price_factor_bp > 0)
);

-- A price that an operator has set by hand; operator '' means any. Without a row the service's base price times the
-- country's factor holds.
CREATE TABLE prices (
    service_id   integer NOT NULL REFERENCES services,
    country      text COLLATE "C" NOT NULL REFERENCES countries,
    operator     text NOT NULL DEFAULT '',
    price_micros bigint NOT NULL CHECK (price_micros > 0),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (service_id, country, operator)
);

-- Our own numbers that are in service, as last counted, and how many of them were free.
CREATE TABLE country_stock (
    country  text COLLATE "C" NOT NULL REFERENCES countries,
    operator text NOT NULL DEFAULT '',
    total    integer NOT NULL CHECK (total >= 0),
    free     integer NOT NULL CHECK (free BETWEEN 0 AND total),
    PRIMARY KEY (country, operator)
);

-- What can be bought now, kept by a job: stock as last counted, delivery as really happened in the last 7 days.
-- A service that was never bought has no rows for our own numbers: all that are free (country_stock) are its stock.
CREATE TABLE offers (
    service_id     integer NOT NULL REFERENCES services,
    country        text COLLATE "C" NOT NULL REFERENCES countries,
    operator       text NOT NULL DEFAULT '',
    provider       text NOT NULL,
    stock          integer NOT NULL DEFAULT 0 CHECK (stock >= 0),
    sample_size    integer NOT NULL DEFAULT 0 CHECK (sample_size >= 0),
    delivered      integer NOT NULL DEFAULT 0 CHECK (delivered BETWEEN 0 AND sample_size),
    median_seconds real,
    used           integer NOT NULL DEFAULT 0 CHECK (used >= 0),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (service_id, country, operator, provider)
);

-- Hourly roll-up of settled verifications, from which the offers' figures are made.
CREATE TABLE offer_hours (
    service_id integer NOT NULL,
    country    text COLLATE "C" NOT NULL,
    operator   text NOT NULL,
    provider   text NOT NULL,
    hour       timestamptz NOT NULL,
    settled    integer NOT NULL,
    delivered  integer NOT NULL,
    seconds    real[] NOT NULL,
    PRIMARY KEY (service_id, country, operator, provider, hour)
);
CREATE INDEX offer_hours_hour ON offer_hours (hour);

CREATE TABLE blocked_senders (
    pattern  text PRIMARY KEY,
    category text NOT NULL,
    reason   text NOT NULL
);
"""


def upgrade() -> None:
    for sql in (ACCOUNTS, CATALOGUE):
        run(sql)


def downgrade() -> None:
    raise RuntimeError("money is never migrated away: releases roll back by code, data by point-in-time recovery")

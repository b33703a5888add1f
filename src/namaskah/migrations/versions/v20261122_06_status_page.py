"""What the public status page is made of: measurements and incidents."""

from namaskah.migrations.run import run

revision = "20261122_06"
down_revision = "20261122_05"

MEASUREMENTS = """
-- What each process did in a minute. A minute without a row is a minute in which nobody could write one: an outage.
-- missed: the row was written later, because the database was away in its own minute.
CREATE TABLE status_minutes (
    minute    timestamptz NOT NULL,
    instance  text COLLATE "C" NOT NULL,
    kind      text NOT NULL CHECK (kind IN ('web', 'worker')),
    ok        integer NOT NULL DEFAULT 0 CHECK (ok >= 0),
    failed    integer NOT NULL DEFAULT 0 CHECK (failed >= 0),
    durations integer[] NOT NULL DEFAULT '{}',
    missed    boolean NOT NULL DEFAULT false,
    PRIMARY KEY (minute, kind, instance)
) WITH (fillfactor = 50);

-- available is the sum of what share of each minute's requests was answered; down and degraded count minutes.
CREATE TABLE status_hours (
    component   text NOT NULL,
    hour        timestamptz NOT NULL,
    minutes     smallint NOT NULL CHECK (minutes BETWEEN 0 AND 60),
    maintenance smallint NOT NULL CHECK (maintenance BETWEEN 0 AND 60 - minutes),
    available   double precision NOT NULL,
    degraded    smallint NOT NULL,
    down        smallint NOT NULL,
    ok          bigint NOT NULL,
    failed      bigint NOT NULL,
    durations   bigint[] NOT NULL,
    PRIMARY KEY (hour, component)
) WITH (fillfactor = 50);

CREATE TABLE status_days (
    component   text NOT NULL,
    day         date NOT NULL,
    minutes     smallint NOT NULL CHECK (minutes BETWEEN 0 AND 1440),
    maintenance smallint NOT NULL CHECK (maintenance BETWEEN 0 AND 1440 - minutes),
    available   double precision NOT NULL,
    degraded    smallint NOT NULL,
    down        smallint NOT NULL,
    ok          bigint NOT NULL,
    failed      bigint NOT NULL,
    durations   bigint[] NOT NULL,
    PRIMARY KEY (day, component)
) WITH (fillfactor = 50);

-- How many orders got their code, by group of services and country; country '' is all of them. Nothing says who sold us
-- the numbers, so that nothing public can.
CREATE TABLE status_delivery_days (
    category       text NOT NULL,
    country        text COLLATE "C" NOT NULL,
    day            date NOT NULL,
    settled        integer NOT NULL CHECK (settled > 0),
    delivered      integer NOT NULL CHECK (delivered BETWEEN 0 AND settled),
    median_seconds real,
    PRIMARY KEY (day, category, country)
) WITH (fillfactor = 50);

-- The last 24 hours, beside what was usual in the four weeks before.
CREATE TABLE status_delivery_now (
    category        text NOT NULL,
    country         text COLLATE "C" NOT NULL,
    settled         integer NOT NULL,
    delivered       integer NOT NULL,
    median_seconds  real,
    usual_settled   bigint NOT NULL,
    usual_delivered bigint NOT NULL,
    PRIMARY KEY (category, country)
) WITH (fillfactor = 50);
"""

INCIDENTS = """
-- A maintenance has its window from the beginning; an incident ends when it is resolved.
CREATE TABLE status_incidents (
    id         text COLLATE "C" PRIMARY KEY,
    kind       text NOT NULL CHECK (kind IN ('incident', 'maintenance')),
    title      text NOT NULL CHECK (length(title) BETWEEN 1 AND 120),
    impact     text NOT NULL CHECK (impact IN ('none', 'minor', 'major', 'critical')),
    stage      text NOT NULL CHECK (stage IN ('investigating', 'identified', 'monitoring', 'resolved', 'scheduled', 'completed')),
    components text[] NOT NULL,
    starts_at  timestamptz NOT NULL,
    ends_at    timestamptz,
    ended_at   timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT a_maintenance_has_a_window CHECK ((kind = 'maintenance') = (ends_at IS NOT NULL)),
    CONSTRAINT ends_after_it_began CHECK (ends_at > starts_at),
    CONSTRAINT stages_of_its_kind CHECK ((kind = 'maintenance') = (stage IN ('scheduled', 'completed'))),
    CONSTRAINT ended_when_over CHECK ((ended_at IS NOT NULL) = (stage IN ('resolved', 'completed')))
);
CREATE INDEX status_incidents_created ON status_incidents (created_at);

CREATE TABLE status_incident_updates (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incident_id text COLLATE "C" NOT NULL REFERENCES status_incidents,
    stage       text NOT NULL,
    body        text NOT NULL CHECK (length(body) BETWEEN 1 AND 2000),
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX status_incident_updates_incident ON status_incident_updates (incident_id, id);
"""


def upgrade() -> None:
    for sql in (MEASUREMENTS, INCIDENTS):
        run(sql)


def downgrade() -> None:
    raise RuntimeError("a release rolls back by code; its schema stays and serves the older one too")

"""Where a trace goes on: jobs and events remember the request that wrote them, if it was traced.

The column fills itself from a setting that lives as long as the statement, so that no function had to change. The default
is set in a second step: rows that are there already are not rewritten.
"""

from namaskah.migrations.run import run

revision = "20261122_05"
down_revision = "20261122_04"

TRACEPARENT = """
ALTER TABLE events ADD COLUMN IF NOT EXISTS traceparent text;
ALTER TABLE events ALTER COLUMN traceparent SET DEFAULT nullif(current_setting('namaskah.traceparent', true), '');
ALTER TABLE jobs ADD COLUMN IF NOT EXISTS traceparent text;
ALTER TABLE jobs ALTER COLUMN traceparent SET DEFAULT nullif(current_setting('namaskah.traceparent', true), '');
"""


def upgrade() -> None:
    run(TRACEPARENT)


def downgrade() -> None:
    raise RuntimeError("a release rolls back by code; its schema stays and serves the older one too")

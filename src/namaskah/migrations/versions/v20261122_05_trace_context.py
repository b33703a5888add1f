"""Where a trace goes on: jobs and events remember the request that wrote them."""

revision = "20261122_05"
down_revision = "20261122_04"


def upgrade() -> None:
    pass


def downgrade() -> None:
    raise RuntimeError("a release rolls back by code; its schema stays and serves the older one too")

"""What lets the large tables age out in small batches."""

revision = "20261122_07"
down_revision = "20261122_06"


def upgrade() -> None:
    pass


def downgrade() -> None:
    raise RuntimeError("a release rolls back by code; its schema stays and serves the older one too")

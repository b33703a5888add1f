"""What the public status page is made of: measurements and incidents."""

revision = "20261122_06"
down_revision = "20261122_05"


def upgrade() -> None:
    pass


def downgrade() -> None:
    raise RuntimeError("a release rolls back by code; its schema stays and serves the older one too")

"""The time of this process. Deadlines are judged by the database's clock; this one is for display and signatures."""

from datetime import UTC, datetime


def utcnow() -> datetime:
    """Now, aware of its zone, which is UTC."""
    return datetime.now(UTC)

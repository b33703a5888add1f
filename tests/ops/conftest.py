"""Measurements as the processes would have written them, on a clock of the test's own."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

# A Wednesday, ten and a half hours after midnight in UTC.
NOW = datetime(2026, 11, 25, 10, 30, 20, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
_ROW = """
INSERT INTO status_minutes (minute, instance, kind, ok, failed, durations, missed) VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
_ORDERS = """
INSERT INTO offer_hours (service_id, country, operator, provider, hour, settled, delivered, seconds)
SELECT id, $2, '', $3, date_trunc('hour', $4::timestamptz, 'UTC'), $5, $6, $7 FROM services WHERE slug = $1
"""


class Past:
    """Writes down what has happened."""

    def __init__(self, db: Any) -> None:
        self.db = db

    async def minutes(
        self, begin: datetime, end: datetime, *, kinds: Iterable[str] = ("web", "worker"), instance: str = "one", ok: int = 10,
        failed: int = 0, missed: bool = False, durations: list[int] | None = None,
    ) -> None:  # fmt: skip
        """Every minute from `begin` to before `end`."""
        count = int((end - begin) / MINUTE)
        for kind in kinds:
            asked = kind == "web"
            rows = [
                (begin + n * MINUTE, instance, kind, ok * asked, failed * asked, durations if asked and durations else [], missed)
                for n in range(count)
            ]
            await self.db.executemany(_ROW, rows)

    async def orders(
        self, service: str, at: datetime, *, settled: int, delivered: int, country: str = "us", provider: str = "inventory",
        seconds: Iterable[float] = (),
    ) -> None:  # fmt: skip
        """Orders that were made in that hour and have ended."""
        await self.db.execute(_ORDERS, service, country, provider, at, settled, delivered, list(seconds))


@pytest.fixture
def past(db: Any) -> Past:
    return Past(db)

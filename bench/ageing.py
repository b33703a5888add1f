"""`python -m bench.ageing retention|archive URL`: works off what is due, as the worker and the operator's command do, and
says as JSON what it did, in how many steps, and how long the longest took.

It works for five seconds and pauses for five, in turn, and says when it worked: whoever measures others' waits compares
the two, so that a change of the machine's mood meets both alike.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from namaskah.core.batches import Pace
from namaskah.core.db import Database
from namaskah.verifications.archive import archive_orders
from namaskah.verifications.retention import erase_messages, forget_events, mask_numbers

MESSAGE_DAYS, MASK_DAYS, ARCHIVE_DAYS = 7, 30, 60
TURN_SECONDS = 5.0
_steps: list[float] = []
# When it worked, by the clock that all processes share.
_worked: list[tuple[float, float]] = []


class _Watched(Pace):
    """Writes down how long each step took, and pauses when its turn is over."""

    def observe(self, seconds: float) -> float:
        _steps.append(seconds)
        rest, now = super().observe(seconds), time.monotonic()
        if not _worked or now - _worked[-1][1] > TURN_SECONDS * 0.9:
            _worked.append((now - seconds, now))
        _worked[-1] = (_worked[-1][0], now)
        return rest + TURN_SECONDS if now - _worked[-1][0] > TURN_SECONDS else rest


async def _run(what: str, url: str) -> list[dict[str, Any]]:
    database = await Database.open(url, max_size=2, **({"role": None} if what == "archive" else {}))
    work: dict[str, Callable[[], Awaitable[Any]]] = {
        "messages erased": lambda: erase_messages(database, days=MESSAGE_DAYS),
        "events deleted": lambda: forget_events(database, days=MESSAGE_DAYS),
        "numbers masked": lambda: mask_numbers(database, days=MASK_DAYS),
    }
    if what == "archive":
        before = datetime.now(UTC) - timedelta(days=ARCHIVE_DAYS)
        work = {"orders archived": lambda: archive_orders(database, before=before, reason="benchmark", actor_id="cli:bench")}
    done = []
    try:
        for name, act in work.items():
            _steps.clear()
            answer = await act()
            rows = getattr(answer, "orders", answer)
            done.append({
                "what": name, "rows": rows, "seconds": sum(_steps), "steps": len(_steps),
                "median_ms": sorted(_steps)[len(_steps) // 2] * 1000 if _steps else 0.0, "longest_ms": max(_steps, default=0.0) * 1000,
            })  # fmt: skip
    finally:
        await database.close()
    return done


def main() -> None:
    """The steps are watched by putting a pace of our own in the place of the product's."""
    for module in ("namaskah.core.batches", "namaskah.verifications.archive"):
        sys.modules[module].Pace = _Watched  # type: ignore[attr-defined]
    print(json.dumps({"done": asyncio.run(_run(sys.argv[1], sys.argv[2])), "worked": _worked}))


if __name__ == "__main__":
    main()

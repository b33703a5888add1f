"""What the demo counts, and what must hold at its end."""

import msgspec

# A reader of messages may miss this share of the codes.
MISSES_ALLOWED = 0.02


class Tally(msgspec.Struct):
    """Counts of verifications, webhooks or purchases; two times in milliseconds; the ledger's drift in micros."""

    bought: int = 0
    codes_right: int = 0
    codes_wrong: int = 0
    charged: int = 0
    released: int = 0
    expired: int = 0
    cancelled: int = 0
    races: int = 0
    duplicate_webhooks_ignored: int = 0
    replayed_purchases: int = 0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    ledger_ok: bool = False
    drift_micros: int = 0


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of the others do not exceed; 0 for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def broken(tally: Tally, *, messages: int, spent_micros: int, captured_micros: int) -> list[str]:
    """In words, everything that had to hold and does not."""
    checks = {
        "every verification is either charged or released": tally.charged + tally.released == tally.bought,
        "every message was answered": tally.codes_right + tally.codes_wrong == messages,
        "at most 2 % of the codes are missed": tally.codes_wrong <= messages * MISSES_ALLOWED,
        "some expired, some were cancelled, some raced": min(tally.expired, tally.cancelled, tally.races) > 0,
        "what was released was cancelled or had expired": tally.released == tally.expired + tally.cancelled,
        "the wallet lost exactly what the charged ones cost": spent_micros == captured_micros,
        "duplicates and replays were met": min(tally.duplicate_webhooks_ignored, tally.replayed_purchases) > 0,
        "the ledger is proved": tally.ledger_ok and tally.drift_micros == 0,
    }
    return [words for words, holds in checks.items() if not holds]

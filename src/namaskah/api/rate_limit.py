"""How many requests an account may make: a bucket of tokens in memory, per account and process.

It is a fence against runaway loops, not a count for billing, so each process may keep its own.
"""

from typing import Final, NamedTuple

REMEMBERED: Final = 10_000
_MINUTE: Final = 60.0


class Allowance(NamedTuple):
    """What is left after a request. `full_in` and `retry_after` are seconds; the latter is 0 when it was allowed."""

    remaining: int
    full_in: int
    retry_after: float


class RateLimit:
    """A burst of `per_minute` requests, refilled evenly over a minute."""

    def __init__(self, per_minute: int, *, remembered: int = REMEMBERED) -> None:
        self.per_minute = per_minute
        self._rate = per_minute / _MINUTE
        self._remembered = remembered
        # Per account the moment, in monotonic seconds, at which its bucket is full again: one float says it all.
        self._full_at: dict[str, float] = {}
        self._policy = (
            (b"ratelimit-policy", b'"requests";q=%d;w=60' % per_minute),
            (b"x-ratelimit-limit", b"%d" % per_minute),
        )

    def take(self, who: str, now: float) -> Allowance:
        """Takes one token for `who`; `now` is in monotonic seconds."""
        full_at = self._full_at.get(who, now)
        missing = (full_at - now) * self._rate if full_at > now else 0.0
        if missing + 1 > self.per_minute:
            return Allowance(0, int(full_at - now) + 1, (missing + 1 - self.per_minute) / self._rate)
        if len(self._full_at) >= self._remembered and who not in self._full_at:
            self._forget(now)
        missing += 1
        self._full_at[who] = now + missing / self._rate
        return Allowance(int(self.per_minute - missing), int(missing / self._rate) + 1, 0.0)

    def headers(self, allowance: Allowance) -> tuple[tuple[bytes, bytes], ...]:
        """What an answer says of it: RateLimit as the IETF drafts it, X-RateLimit-* as most clients know it.

        Both say in how many seconds the whole allowance is there again.
        """
        remaining, full_in, _ = allowance
        return (
            *self._policy,
            (b"ratelimit", b'"requests";r=%d;t=%d' % (remaining, full_in)),
            (b"x-ratelimit-remaining", b"%d" % remaining),
            (b"x-ratelimit-reset", b"%d" % full_in),
        )

    def _forget(self, now: float) -> None:
        """Drops the full buckets; when none is full, those that are nearest to it."""
        kept = sorted((full_at, who) for who, full_at in self._full_at.items() if full_at > now)
        self._full_at = {who: full_at for full_at, who in kept[-self._remembered // 2 :]}

"""Which senders' messages are withheld: globs over the whole sender name, compiled once."""

import re
from collections.abc import Iterable
from fnmatch import translate
from typing import Final

from namaskah.catalog.read_data import read_blocked_senders
from namaskah.core.db import Db

# Few senders send most messages, so an answer is remembered; whoever makes up new ones must not fill the memory.
_REMEMBERED: Final = 4_096

PATTERNS: Final = "SELECT pattern FROM blocked_senders"


class BlockedSenders:
    """Tells whether a sender is withheld. `*` stands for any characters, `?` for one; case does not matter."""

    def __init__(self, patterns: Iterable[str]) -> None:
        whole: set[str] = set()
        starts: set[str] = set()
        inside: set[str] = set()
        other: list[str] = []
        for pattern in map(str.casefold, patterns):
            literal = pattern.strip("*")
            if not literal or "*" in literal or "?" in literal:
                other.append(pattern)
            elif pattern == literal:
                whole.add(pattern)
            elif pattern == literal + "*":
                starts.add(literal)
            elif pattern.startswith("*") and pattern.endswith("*"):
                inside.add(literal)
            else:
                other.append(pattern)
        self._whole = frozenset(whole)
        self._starts = tuple(starts)
        self._inside = tuple(inside)
        # Without a pattern, (?!) matches nothing.
        self._other = re.compile("|".join(map(translate, other)) or "(?!)")
        self._known: dict[str, bool] = {}

    @classmethod
    def shipped(cls) -> "BlockedSenders":
        """Those of the catalogue that ships with this release."""
        return cls(row.pattern for row in read_blocked_senders())

    @classmethod
    async def stored(cls, db: Db) -> "BlockedSenders":
        """Those of the database."""
        return cls([row["pattern"] for row in await db.fetch(PATTERNS)])

    def is_blocked(self, sender: str) -> bool:
        """Whether messages of this sender are withheld."""
        known = self._known.get(sender)
        if known is None:
            known = self._look(sender.strip().casefold())
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            if len(sender) <= 64:
                self._known[sender] = known
        return known

    def _look(self, sender: str) -> bool:
        return (
            sender in self._whole
            or sender.startswith(self._starts)
            or any(literal in sender for literal in self._inside)
            or self._other.match(sender) is not None
        )

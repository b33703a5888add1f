"""A database whose process dies at a chosen statement: before it is sent, or after it was done and nobody heard the answer."""

from collections.abc import Sequence
from typing import Any, Literal

from namaskah.core.db import Database

When = Literal["before", "after"]


class Died(BaseException):
    """The process is gone. No handler of the product may catch it, as none runs in a process that was killed."""


class CrashingDatabase:
    """Counts the statements that pass through it and dies at the one that was chosen."""

    def __init__(self, database: Database, statement: int, when: When) -> None:
        self._database = database
        self._left = statement
        self._when = when
        self.died = False

    async def _run(self, method: str, query: str, args: Sequence[Any]) -> Any:
        self._left -= 1
        if self._left == 0 and self._when == "before":
            self._die()
        answer = await getattr(self._database, method)(query, *args)
        if self._left == 0:
            self._die()
        return answer

    def _die(self) -> None:
        self.died = True
        raise Died

    async def fetch(self, query: str, *args: Any) -> Any:
        """As the Database's."""
        return await self._run("fetch", query, args)

    async def fetchrow(self, query: str, *args: Any) -> Any:
        """As the Database's."""
        return await self._run("fetchrow", query, args)

    async def fetchval(self, query: str, *args: Any) -> Any:
        """As the Database's."""
        return await self._run("fetchval", query, args)

    async def execute(self, query: str, *args: Any) -> Any:
        """As the Database's."""
        return await self._run("execute", query, args)

    def announce(self, user_id: str, livemode: bool) -> None:
        """Whom it wakes is no matter of money."""

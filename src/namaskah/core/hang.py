"""Notices that the database hangs, which no error tells: it takes statements and answers nothing.

Whoever waits for it is then told so, instead of waiting for a time limit that must be long enough for honest work. A
statement that is slow while others are answered is left alone.
"""

import asyncio
import contextlib
from time import perf_counter
from typing import Any, Final

import asyncpg
import structlog

from namaskah.core.db import Database
from namaskah.core.signals import Signals
from namaskah.core.statements import GONE, Statements

HANGS_AFTER_SECONDS: Final = 2.0
_LOOK_SECONDS: Final = 0.25
_PROBE_SECONDS: Final = 1.0
_log = structlog.get_logger()


class HangWatch:
    """Looks after one process's pool until it is stopped."""

    def __init__(self, db: Database, signals: Signals) -> None:
        self._db = db
        self._signals = signals
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to look."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Looks no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        silent_since: float | None = None
        while True:
            began = perf_counter()
            await asyncio.sleep(_LOOK_SECONDS)
            now = perf_counter()
            starved = now - began > 2 * _LOOK_SECONDS  # it is we who were late, and answers may lie in our sockets
            if starved or self._signals.healthy or not self._db.pool.unanswered or Statements.answered_at > began:
                silent_since = None
                continue
            silent_since = began if silent_since is None else silent_since
            if now - silent_since >= HANGS_AFTER_SECONDS - _LOOK_SECONDS:
                await self._cut_until_it_answers()
                silent_since = None

    async def _cut_until_it_answers(self) -> None:
        """Ends every wait, and lets none begin before the database has answered us."""
        _log.error("database_hangs", waiting=self._db.pool.unanswered + self._db.pool.waiting)
        self._db.pool.shut()
        try:
            while True:
                if await self._answers():
                    break
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            self._db.pool.open_again()
        _log.warning("database_answers_again")

    async def _answers(self) -> bool:
        connection: Any = None
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                connection = await self._db.pool.connect_anew()
                await connection.fetchval("SELECT 1")
            return True
        except GONE:
            return False
        except asyncpg.PostgresError:
            # It refuses us, for whatever reason: that is an answer.
            return True
        finally:
            if connection is not None:
                with contextlib.suppress(*GONE):
                    connection.terminate()

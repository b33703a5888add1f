"""An operator takes a service off sale for a while, and puts it back. Orders that are open run to their end."""

from typing import Final

from namaskah.accounts.errors import ReasonMissing
from namaskah.catalog.errors import UnknownService
from namaskah.core.db import Db

SET_STOPPED: Final = """
WITH before AS (
    SELECT id FROM services WHERE slug = $1 FOR UPDATE
), changed AS (
    UPDATE services s SET stopped_at = CASE WHEN $2 THEN now() END FROM before
    WHERE s.id = before.id AND (s.stopped_at IS NOT NULL) <> $2
    RETURNING s.id
), noted AS (
    INSERT INTO audit_log (actor_id, action, target, reason)
    SELECT $3, CASE WHEN $2 THEN 'service.stop' ELSE 'service.start' END, $1, $4 FROM changed
)
SELECT id FROM before
"""


async def stop_service(db: Db, *, service: str, actor_id: str, reason: str) -> None:
    """Nobody can order it from now on. Stopping it twice is no error. Raises UnknownService, ReasonMissing."""
    await _set_stopped(db, service, True, actor_id, reason)


async def start_service(db: Db, *, service: str, actor_id: str, reason: str) -> None:
    """Puts a stopped service back on sale; one that is blocked stays so. Raises UnknownService, ReasonMissing."""
    await _set_stopped(db, service, False, actor_id, reason)


async def _set_stopped(db: Db, service: str, stopped: bool, actor_id: str, reason: str) -> None:
    if not reason.strip():
        raise ReasonMissing()
    if await db.fetchrow(SET_STOPPED, service, stopped, actor_id, reason.strip()) is None:
        raise UnknownService(f"There is no service {service!r}.")

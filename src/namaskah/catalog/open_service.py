"""An operator opens a service whose category is blocked (banks, payments, ...), and answers for it in the audit log."""

from typing import Final

from namaskah.accounts.errors import ReasonMissing
from namaskah.catalog.errors import UnknownService
from namaskah.core.db import Db

# opened_at keeps the next catalogue from blocking it again.
OPEN: Final = """
WITH before AS (
    SELECT id FROM services WHERE slug = $1 FOR UPDATE
), changed AS (
    UPDATE services s SET blocked = false, opened_at = now() FROM before WHERE s.id = before.id AND s.blocked
    RETURNING s.id, s.category
), noted AS (
    INSERT INTO audit_log (actor_id, action, target, reason, detail)
    SELECT $2, 'service.open', $1, $3, jsonb_build_object('category', category) FROM changed
)
SELECT id FROM before
"""


async def open_service(db: Db, *, service: str, actor_id: str, reason: str) -> None:
    """Lets customers order a blocked service; an open one stays as it is. Raises UnknownService, ReasonMissing."""
    if not reason.strip():
        raise ReasonMissing()
    if await db.fetchrow(OPEN, service, actor_id, reason.strip()) is None:
        raise UnknownService(f"There is no service {service!r}.")

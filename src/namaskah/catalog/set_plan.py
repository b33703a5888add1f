"""An operator puts a customer on another plan: its discount and limits hold from the next order on."""

from typing import Final

from namaskah.accounts.errors import ReasonMissing, UnknownUser
from namaskah.catalog.errors import UnknownPlan
from namaskah.core.db import Db

# The payload is the user's id: every process forgets this customer's plan and nothing else.
SET_PLAN: Final = """
WITH before AS (
    SELECT id, plan FROM users WHERE id = $1 FOR UPDATE
), wanted AS (
    SELECT slug FROM plans WHERE slug = $2
), changed AS (
    UPDATE users u SET plan = wanted.slug FROM before, wanted WHERE u.id = before.id AND before.plan <> wanted.slug
    RETURNING u.id, before.plan AS was
), noted AS (
    INSERT INTO audit_log (actor_id, action, target, reason, detail)
    SELECT $3, 'plan.set', id, $4, jsonb_build_object('plan', $2::text, 'was', was) FROM changed
)
SELECT EXISTS (SELECT FROM before) AS user_known, EXISTS (SELECT FROM wanted) AS plan_known,
       (SELECT pg_notify('namaskah_catalog', id) FROM changed)
"""


async def set_plan(db: Db, *, user_id: str, plan: str, actor_id: str, reason: str) -> None:
    """Puts the user on the plan (its slug); being on it already is no error and leaves no trace.

    Raises UnknownUser, UnknownPlan, ReasonMissing.
    """
    if not reason.strip():
        raise ReasonMissing()
    row = await db.fetchrow(SET_PLAN, user_id, plan, actor_id, reason.strip())
    if not row["user_known"]:
        raise UnknownUser()
    if not row["plan_known"]:
        raise UnknownPlan(f"There is no plan {plan!r}.")

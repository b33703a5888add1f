"""What operators say on the status page: incidents in four stages, and maintenance announced before it begins.

    incident       investigating -> identified -> monitoring -> resolved (any of the first three may be left out or come again)
    maintenance    scheduled -> completed, by itself at the end of its window or earlier by hand

Each word is kept with its time, and each act is in the audit log. What was said is never changed.
"""

import re
from datetime import datetime
from typing import Any, Final, Literal

from namaskah.core.db import Db
from namaskah.core.ids import is_id, new_id
from namaskah.ops.errors import IncidentInvalid, IncidentOver, UnknownIncident

Stage = Literal["investigating", "identified", "monitoring", "resolved"]
Impact = Literal["none", "minor", "major", "critical"]
STAGES: Final = ("investigating", "identified", "monitoring", "resolved")
IMPACTS: Final = ("none", "minor", "major", "critical")
# What can be affected; `delivery:<group>` names one group of services.
COMPONENTS: Final = ("api", "processing", "payments", "delivery")
TITLE_LENGTH: Final = 120
_NO_TEXT: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
BODY_LENGTH: Final = 2_000


# The words go to the audit log too, as the reason of the act.
OPEN: Final = """
WITH made AS (
    INSERT INTO status_incidents (id, kind, title, impact, stage, components, starts_at, ends_at)
    VALUES ($1, $2, $3, $4, $5, $6, coalesce($7, now()), $8)
    RETURNING id
), said AS (
    INSERT INTO status_incident_updates (incident_id, stage, body) SELECT id, $5, $9 FROM made
)
INSERT INTO audit_log (actor_id, action, target, reason, detail)
SELECT $10, 'status.open', id, $9, jsonb_build_object('kind', $2::text, 'impact', $4::text, 'components', $6::text[]) FROM made
"""
# FOR UPDATE: of two operators who end it at once, the second learns that it is over.
SAY: Final = """
WITH found AS (
    SELECT id, kind, ended_at IS NOT NULL OR coalesce(ends_at <= now(), false) AS over,
           CASE WHEN kind = 'maintenance' THEN CASE WHEN $2 = 'resolved' THEN 'completed' ELSE 'scheduled' END
                ELSE coalesce($2, stage) END AS next_stage
    FROM status_incidents WHERE id = $1 FOR UPDATE
), changed AS (
    UPDATE status_incidents i SET stage = next_stage, impact = coalesce($3, impact),
        ended_at = CASE WHEN next_stage IN ('resolved', 'completed') THEN now() END
    FROM found WHERE i.id = found.id AND NOT over
    RETURNING i.id, i.stage
), said AS (
    INSERT INTO status_incident_updates (incident_id, stage, body) SELECT id, stage, $4 FROM changed
), noted AS (
    INSERT INTO audit_log (actor_id, action, target, reason, detail)
    SELECT $5, 'status.update', id, $4, jsonb_build_object('stage', stage, 'impact', $3::text) FROM changed
)
SELECT over, next_stage FROM found
"""
NOW: Final = "SELECT now()"
GROUPS: Final = "SELECT DISTINCT category FROM services WHERE NOT sandbox ORDER BY 1"


async def open_incident(
    db: Db, *, title: str, body: str, impact: Impact, components: list[str], actor_id: str, stage: Stage = "investigating"
) -> str:
    """Something is wrong: answers the incident's id. Raises IncidentInvalid."""
    if impact not in IMPACTS or stage not in STAGES[:3]:
        raise IncidentInvalid(f"Impact is one of {', '.join(IMPACTS)}; a new incident's stage one of {', '.join(STAGES[:3])}.")
    return await _open(
        db, kind="incident", title=title, body=body, impact=impact, stage=stage, components=components, actor_id=actor_id
    )


async def schedule_maintenance(
    db: Db, *, title: str, body: str, starts_at: datetime, ends_at: datetime, components: list[str], actor_id: str
) -> str:
    """Announces maintenance: its minutes count neither as up nor as down. Answers its id.

    Raises IncidentInvalid, also when it should begin in the past: an outage cannot be renamed after it happened.
    """
    if starts_at.tzinfo is None or ends_at.tzinfo is None:
        raise IncidentInvalid("Times need their zone, such as 2026-12-01T02:00Z.")
    if starts_at < await db.fetchval(NOW) or ends_at <= starts_at:
        raise IncidentInvalid("Maintenance begins in the future and ends after it began.")
    return await _open(
        db, kind="maintenance", title=title, body=body, impact="none", stage="scheduled", components=components,
        actor_id=actor_id, starts_at=starts_at, ends_at=ends_at,
    )  # fmt: skip


async def update_incident(
    db: Db, *, incident_id: str, body: str, actor_id: str, stage: Stage | None = None, impact: Impact | None = None
) -> str:
    """Says something new; answers the stage that holds then. `resolved` ends it, also maintenance, whether it began or not.

    Raises UnknownIncident, IncidentOver, IncidentInvalid.
    """
    if (stage is not None and stage not in STAGES) or (impact is not None and impact not in IMPACTS):
        raise IncidentInvalid(f"Stages are {', '.join(STAGES)}; impacts are {', '.join(IMPACTS)}.")
    said = _clean(body, BODY_LENGTH, "A text")
    row = await db.fetchrow(SAY, incident_id, stage, impact, said, actor_id) if is_id(incident_id, "inc") else None
    if row is None:
        raise UnknownIncident()
    if row["over"]:
        raise IncidentOver()
    return str(row["next_stage"])


async def resolve_incident(db: Db, *, incident_id: str, body: str, actor_id: str) -> str:
    """It is over. Raises UnknownIncident, IncidentOver, IncidentInvalid."""
    return await update_incident(db, incident_id=incident_id, body=body, actor_id=actor_id, stage="resolved")


async def _open(db: Db, *, components: list[str], title: str, body: str, actor_id: str, **rest: Any) -> str:
    known = {*COMPONENTS, *(f"delivery:{row['category']}" for row in await db.fetch(GROUPS))}
    wrong = sorted(set(components) - known)
    if wrong or not components:
        raise IncidentInvalid(f"Say what is affected: {', '.join(COMPONENTS)}, or delivery:<group> such as delivery:messaging.")
    incident_id = new_id("inc")
    await db.execute(
        OPEN, incident_id, rest["kind"], _clean(title, TITLE_LENGTH, "A title"), rest["impact"], rest["stage"],
        sorted(set(components)), rest.get("starts_at"), rest.get("ends_at"), _clean(body, BODY_LENGTH, "A text"), actor_id,
    )  # fmt: skip
    return incident_id


def _clean(text: str, length: int, what: str) -> str:
    """The text without spaces around it; characters that no XML may hold would break the feed for everybody."""
    text = text.replace("\r\n", "\n").strip()
    if not 1 <= len(text) <= length:
        raise IncidentInvalid(f"{what} has 1 to {length:,} characters.")
    if _NO_TEXT.search(text) or (length == TITLE_LENGTH and "\n" in text):
        raise IncidentInvalid(f"{what} must not hold control characters.")
    return text

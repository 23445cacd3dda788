"""Starting a drill."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from escalation import seeking, store
from escalation.carry import Means
from escalation.drills import DRILL
from escalation.standing import Urgency
from escalation.store import Filed
from helpline import audit
from helpline.messages import Country, Language


async def start(
    conn: AsyncConnection,
    means: Means,
    *,
    urgency: Urgency,
    language: Language,
    country: Country,
    staff_id: str,
    now: datetime,
) -> Filed | None:
    """Call whoever a clinician of this language would get; None where a drill is under way already."""
    if await store.find_open(conn, DRILL, lock=True) is not None:
        return None
    opened = await seeking.open_escalation(
        conn,
        means,
        conversation_id=DRILL,
        urgency=urgency,
        language=language,
        country=country,
        region="",
        reason=DRILL,
        now=now,
    )
    if not opened.new:
        return None
    await audit.append(
        conn,
        at=now,
        actor=f"staff:{staff_id}",
        action="drill_started",
        subject=f"escalation:{opened.filed.id}",
        details={"urgency": urgency.value, "language": language.value},
    )
    return opened.filed

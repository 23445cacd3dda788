"""Asking a colleague to be woken in one's quiet hours, and what she says to that.

Nobody stands in before she has agreed, and either of the two ends it at any time. Whoever is concerned is told where
they are reached by messages; whatever changes, everybody who waits just then is looked at anew.
"""

from __future__ import annotations

import re
import secrets
from datetime import date, datetime, timedelta

from babel.dates import format_date
from sqlalchemy.ext.asyncio import AsyncConnection

from escalation import store
from escalation.carry import Means, put_notice, ways_to
from escalation.on_duty import Present, staff_now
from escalation.reach import store as reach_store
from escalation.reach.store import QuietSpell
from escalation.rota.roster import Window
from escalation.standing import Urgency
from helpline import audit
from helpline.messages import Channel, Choice, Language, OutboundMessage
from helpline.phrases import Phrases

_LOCALES = {Language.NB: "nb", Language.NN: "nn", Language.SV: "sv", Language.EN: "en_GB"}
_MONDAY = date(2026, 11, 23)
_TAP = re.compile(r"standin:(?P<said>yes|no):(?P<id>[0-9]{1,18})")


async def ask(
    conn: AsyncConnection,
    means: Means,
    staff_id: str,
    window: Window,
    urgencies: frozenset[Urgency],
    stand_in_id: str,
    now: datetime,
) -> int:
    """Write down quiet hours and ask the colleague; until she agrees, nothing changes."""
    made = await reach_store.add_quiet_hours(conn, staff_id, window, urgencies, stand_in_id, now)
    await _note(conn, staff_id, "quiet_hours_asked", staff_id, stand_in_id, now)
    present = await staff_now(conn, now, channels=means.channels)
    language = present.language_of(stand_in_id)
    choices = (
        Choice(f"standin:yes:{made}", means.phrases.say("reach.stand_in.yes", language), digit="1"),
        Choice(f"standin:no:{made}", means.phrases.say("reach.stand_in.no", language), digit="2"),
    )
    await _tell(conn, means, present, stand_in_id, "reach.stand_in.asked", staff_id, window, now, choices=choices)
    return made


async def agree(conn: AsyncConnection, means: Means, id_: int, by: str, now: datetime) -> bool:
    """The stand-in says yes; False where it is not hers to say, or said already."""
    spell = await reach_store.find_quiet_hours(conn, id_, lock=True)
    if spell is None or not await reach_store.agree_to_quiet_hours(conn, id_, by, now):
        return False
    await _note(conn, by, "quiet_hours_agreed", spell.staff_id, by, now)
    await store.make_due(conn, now)
    present = await staff_now(conn, now, channels=means.channels)
    await _tell(conn, means, present, spell.staff_id, "reach.stand_in.agreed", by, spell.window, now)
    return True


async def end(conn: AsyncConnection, means: Means, id_: int, by: str, now: datetime) -> bool:
    """Whoever rests, or whoever stands in, ends it, and the other is told; False where it is neither's."""
    spell = await reach_store.remove_quiet_hours(conn, id_, by)
    if spell is None:
        return False
    await _note(conn, by, "quiet_hours_ended", spell.staff_id, spell.stand_in_id, now)
    await store.make_due(conn, now)
    present = await staff_now(conn, now, channels=means.channels)
    if by == spell.staff_id:
        await _tell(conn, means, present, spell.stand_in_id, "reach.stand_in.not_needed", by, spell.window, now)
    else:
        await _tell(conn, means, present, spell.staff_id, "reach.stand_in.ended", by, spell.window, now)
    return True


async def hear(
    conn: AsyncConnection, means: Means, *, staff_id: str, token: str, now: datetime
) -> OutboundMessage | None:
    """Take a tapped button as an answer to whoever asked, where it is one; what to say to that."""
    found = _TAP.fullmatch(token)
    if found is None:
        return None
    said_yes, id_ = found["said"] == "yes", int(found["id"])
    done = await (agree if said_yes else end)(conn, means, id_, staff_id, now)
    present = await staff_now(conn, now, channels=means.channels)
    key = "reach.stand_in.old" if not done else "reach.stand_in.you_do" if said_yes else "reach.stand_in.you_do_not"
    return OutboundMessage(means.phrases.say(key, present.language_of(staff_id)))


async def standing_in(conn: AsyncConnection, staff_id: str) -> list[QuietSpell]:
    """The quiet hours in which somebody is to be woken for others, agreed to or not."""
    return [spell for spell in await reach_store.all_quiet_hours(conn) if spell.stand_in_id == staff_id]


async def resting(conn: AsyncConnection, staff_id: str) -> list[QuietSpell]:
    """Somebody's own quiet hours."""
    return [spell for spell in await reach_store.all_quiet_hours(conn) if spell.staff_id == staff_id]


async def _note(conn: AsyncConnection, by: str, action: str, staff_id: str, stand_in_id: str, now: datetime) -> None:
    await audit.append(
        conn,
        at=now,
        actor=f"staff:{by}",
        action=action,
        subject=f"staff:{staff_id}",
        details={"stand_in": stand_in_id},
    )


async def _tell(
    conn: AsyncConnection,
    means: Means,
    present: Present,
    staff_id: str,
    key: str,
    about: str,
    window: Window,
    now: datetime,
    *,
    choices: tuple[Choice, ...] = (),
) -> None:
    """Say it where they are reached by messages; who is reached by none finds it on the desk."""
    # A message, and no call: this can wait until they look.
    ways = await ways_to(conn, means.vault, present, staff_id)
    address = next((address for reach, address in ways if reach.channel != Channel.CALL), None)
    if address is None:
        return
    language = present.language_of(staff_id)
    text = means.phrases.say(
        key, language, name=present.name_of(about), hours=say_hours(means.phrases, window, language)
    )
    message = OutboundMessage(text, choices if address.channel is Channel.TELEGRAM else ())
    noted = f"standin:{staff_id}:{secrets.token_hex(6)}"
    await put_notice(conn, means.vault, staff_id, address, message, key=noted, now=now)


def say_hours(phrases: Phrases, window: Window, language: Language) -> str:
    """Quiet hours as people say them: "22:00–07:00 hver dag", "22:00–07:00 mandag–fredag"."""
    every_day = phrases.say("reach.every_day", language)
    named = every_day if len(window.days) == 7 else ", ".join(_runs(sorted(window.days), language))
    return f"{window.start:%H:%M}–{window.end:%H:%M} {named}"


def _runs(days: list[int], language: Language) -> list[str]:
    runs: list[list[int]] = []
    for day in days:
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return [
        f"{say_weekday(run[0], language)}–{say_weekday(run[-1], language)}"
        if len(run) > 2
        else ", ".join(say_weekday(day, language) for day in run)
        for run in runs
    ]


def say_weekday(day: int, language: Language) -> str:
    """A day of the week, Monday being 0."""
    return format_date(_MONDAY + timedelta(days=day), "EEEE", locale=_LOCALES[language])

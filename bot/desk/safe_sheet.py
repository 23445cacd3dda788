"""How somebody may be reached safely, as the desk shows it, takes it in, and warns where it is about to be broken."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from bot.reaching import PRESENT_FOR
from helpline.messages import Language
from helpline.phrases import Phrases, say_date, say_list, say_time
from routing.referrals.referral import AROUND_THE_CLOCK, DAYTIME, MaySay, SafeContact, Way

_CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)
USUAL: Final = timedelta(days=30)  # for which rules are proposed to hold
FURTHEST: Final = timedelta(days=366)


@dataclass(frozen=True)
class SafeForm:
    """The rules as they stand in the form's fields."""

    begins: str = ""
    ends: str = ""
    always: bool = False
    write: bool = True
    call: bool = False
    may_say: str = MaySay.NOTHING.value
    until: str = ""
    wrong: str = ""


def form_of(safe: SafeContact | None, now: datetime, zone: ZoneInfo) -> SafeForm:
    """The form for the rules that hold; for none, an empty one that begins with the careful choice."""
    far = (now + USUAL).astimezone(zone).date().isoformat()
    if safe is None:
        return SafeForm(until=far)
    always = safe.hours is not None and safe.hours[0] == safe.hours[1]
    hours = safe.hours if safe.hours is not None and not always else None
    return SafeForm(
        begins=f"{hours[0]:%H:%M}" if hours else "",
        ends=f"{hours[1]:%H:%M}" if hours else "",
        always=always,
        write=Way.WRITE in safe.ways,
        call=Way.CALL in safe.ways,
        may_say=safe.may_say.value,
        until=_last_day(safe.until, zone).isoformat() if safe.until is not None and safe.holds(now) else far,
    )


def typed_in(form: Mapping[str, Any]) -> SafeForm:
    """What stood in the fields."""
    return SafeForm(
        begins=str(form.get("safe_from", "")).strip(),
        ends=str(form.get("safe_to", "")).strip(),
        always=form.get("safe_always") == "yes",
        write=form.get("safe_write") == "yes",
        call=form.get("safe_call") == "yes",
        may_say=str(form.get("safe_say", "")),
        until=str(form.get("safe_until", "")).strip(),
    )


def rules_in(typed: SafeForm, now: datetime, zone: ZoneInfo) -> SafeContact | str:
    """The rules, or the phrase that says what is wrong with them."""
    hours: tuple[time, time] | None = None
    if typed.always:
        hours = AROUND_THE_CLOCK
    elif typed.begins or typed.ends:
        if not (_CLOCK.fullmatch(typed.begins) and _CLOCK.fullmatch(typed.ends)):
            return "desk.safe.no.hours"
        hours = time.fromisoformat(typed.begins), time.fromisoformat(typed.ends)
        if hours[0] == hours[1]:
            return "desk.safe.no.same"
    if typed.may_say not in {each.value for each in MaySay}:
        return "desk.safe.no.say"
    try:
        last = date.fromisoformat(typed.until)
    except ValueError:
        return "desk.safe.no.until"
    today = now.astimezone(zone).date()
    if not today <= last <= today + FURTHEST:
        return "desk.safe.no.until"
    ways = tuple(way for way, wanted in ((Way.WRITE, typed.write), (Way.CALL, typed.call)) if wanted)
    # Through the whole of the last day.
    until = datetime.combine(last + timedelta(days=1), time(), zone)
    return SafeContact(hours=hours, ways=ways, may_say=MaySay(typed.may_say), until=until)


def _last_day(until: datetime, zone: ZoneInfo) -> date:
    """The end is the midnight after it."""
    return (until - timedelta(minutes=1)).astimezone(zone).date()


class SafeSheet:
    """Says rules in words."""

    def __init__(self, phrases: Phrases, language: Language, zone: ZoneInfo, now: datetime) -> None:
        self._phrases = phrases
        self._language = language
        self._zone = zone
        self._now = now

    def _say(self, key: str, **values: object) -> str:
        return self._phrases.say(key, self._language, **values)

    def rules(self, safe: SafeContact) -> list[str]:
        """The rules, a line each."""
        ways = [self._say(f"desk.safe.way.{way.value}") for way in safe.ways]
        begins, ends = safe.hours or DAYTIME
        if safe.hours is not None and begins == ends:
            when = self._say("desk.safe.always")
        else:
            when = self._say("desk.safe.hours", begins=f"{begins:%H:%M}", ends=f"{ends:%H:%M}")
        lines = [
            self._say("desk.safe.ways", ways=say_list(ways, self._language)) if ways else self._say("desk.safe.never"),
            *([when] if ways else []),
            self._say(f"desk.safe.say.{safe.may_say.value}"),
        ]
        if safe.until is not None:
            last = _last_day(safe.until, self._zone)
            key = "desk.safe.until" if safe.holds(self._now) else "desk.safe.over"
            lines.append(self._say(key, day=say_date(last, self._language)))
        return lines

    def warning(self, safe: SafeContact | None, way: Way, heard_at: datetime | None = None) -> str:
        """Why not to begin to write or call now, and what becomes of it; nothing where the rules allow it.

        `heard_at` is when she last wrote: what is said while she is there begins nothing. Rules whose time is over hold
        nothing back any more, so whoever is about to write is told so.
        """
        there = heard_at is not None and self._now - heard_at <= PRESENT_FOR
        if safe is None or (there and (way is Way.WRITE or way in safe.ways)):
            return ""
        at = safe.next_safe(self._now, self._zone, way)
        quiet = way is Way.WRITE and safe.may_say is MaySay.NOTHING
        if at is not None and at <= self._now and not quiet:
            return ""
        if not safe.holds(self._now):
            return self._say("desk.safe.expired")
        if at is None:
            return self._say(f"desk.safe.not.{way.value}")
        if at <= self._now:
            return self._say("desk.safe.only_message")
        when = say_time(at, now=self._now, zone=self._zone, language=self._language)
        return self._say(f"desk.safe.not_now.{way.value}", at=when)

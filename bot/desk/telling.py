"""What pages of articles and drafts tell in the reader's words: who, when, which field, what happened, what changed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.desk.door import DeskDoor, names_of
from helpline.messages import Language
from helpline.phrases import Phrases, say_date, say_time
from helpline.sessions import staff_of
from helpline.web import LANGUAGE
from knowledge.diff import FieldDiff
from knowledge.drafts import LINE, Event
from knowledge.store import SHIPPED

_VARIANT = re.compile(r"variants[.\[]([0-9]+)\]?")
_TONGUES: Final = frozenset(language.value for language in Language)
_PARTS: Final = frozenset({"title", "short"})
_ZONES: Final = {"Europe/Oslo": "zone.oslo", "Europe/Stockholm": "zone.stockholm"}


@dataclass(frozen=True)
class Happened:
    """One line of who did what when."""

    at: str
    who: str
    what: str
    reason: str


@dataclass(frozen=True)
class Difference:
    """One field that differs."""

    field: str
    name: str
    parts: tuple[tuple[str, str], ...]


class Telling:
    """The words of one reader."""

    def __init__(
        self, phrases: Phrases, language: Language, zone: str, names: Mapping[str, str], now: datetime
    ) -> None:
        self._phrases = phrases
        self._language = language
        self.zone = ZoneInfo(zone)
        self._names = names
        self._now = now

    def say(self, key: str, **values: object) -> str:
        """A phrase."""
        return self._phrases.say(key, self._language, **values)

    def who(self, actor: str | None) -> str:
        """Somebody's name, as storage and trail name them: "staff:asha", "line", what came with the program."""
        if actor is None:
            return "–"
        if actor in {SHIPPED, LINE, "operator"}:
            return self.say("desk.trail.line")
        staff_id = actor.removeprefix("staff:")
        return self._names.get(staff_id, staff_id)

    def moment(self, at: datetime | None) -> str:
        """An instant where the reader is: the time alone where it is today."""
        if at is None:
            return "–"
        local = at.astimezone(self.zone)
        clock = say_time(at, now=at, zone=self.zone, language=self._language)
        if local.date() == self._now.astimezone(self.zone).date():
            return clock
        return f"{say_date(local.date(), self._language)} {clock}"

    def full_moment(self, at: datetime | None) -> str:
        """An instant with its day and the place whose clock it is."""
        if at is None:
            return "–"
        clock = say_time(at, now=at, zone=self.zone, language=self._language)
        return f"{say_date(at.astimezone(self.zone).date(), self._language)} {clock} ({self.zone_name})"

    @property
    def zone_name(self) -> str:
        """The place whose clock the reader goes by."""
        key = _ZONES.get(self.zone.key)
        return self.say(key) if key is not None else self.zone.key

    def day(self, day: date | None) -> str:
        """A day."""
        return say_date(day, self._language) if day is not None else "–"

    def field(self, field: str) -> str:
        """What a field is called: "Translations: English, short answer"."""
        if not field:
            return self.say("desk.field.whole")
        key = re.split(r"[.\[]", field, maxsplit=1)[0]
        if not self._phrases.has(f"desk.field.{key}"):
            return field
        variant = _VARIANT.match(field)
        name = self.say(f"desk.field.{key}")
        inner = [
            self.say(f"language.{part}") if part in _TONGUES else self.say(f"desk.part.{part}")
            for part in field.split(".")[1:]
            if part in _TONGUES or part in _PARTS
        ]
        if variant:
            # The file counts variants from nought; people do not.
            number = int(variant[1]) + (1 if "[" in field else 0)
            name = self.say("desk.field.variant", number=number)
        return f"{name}: {', '.join(inner)}" if inner else name

    def differences(self, found: Sequence[FieldDiff]) -> list[Difference]:
        """What two wordings of an article differ in."""
        return [
            Difference(one.field, self.field(one.field), tuple((str(kind), text) for kind, text in one.parts))
            for one in found
        ]

    def happened(self, event: Event) -> Happened:
        """What somebody did."""
        key = f"desk.event.{event.what}"
        values = {
            "revision": event.details.get("revision") or "",
            "time": self._moment_of(event.details.get("publish_at")),
        }
        what = self.say(key, **values) if self._phrases.has(key) else event.what.replace("_", " ")
        why = event.details.get("why")
        reason = str(event.details.get("reason") or "")
        if not reason and isinstance(why, str) and self._phrases.has(why):
            reason = self._plainly(why)
        return Happened(self.moment(event.at), self.who(event.actor), what, reason)

    def note(self, note: str) -> str:
        """Why a draft was sent back, or the phrase that says why it could not be published."""
        return self._plainly(note) if self._phrases.has(note) else note

    def _plainly(self, key: str) -> str:
        try:
            return self.say(key)
        except (KeyError, IndexError):
            return ""

    def _moment_of(self, value: Any) -> str:
        try:
            return self.full_moment(datetime.fromisoformat(str(value)))
        except ValueError:
            return ""


async def telling(door: DeskDoor, request: web.Request, conn: AsyncConnection) -> Telling:
    """The words of whoever asks."""
    zone = staff_of(request).zone
    return Telling(door.house.phrases, request[LANGUAGE], zone, await names_of(conn), door.house.clock.now())

"""The rosters, for coordinators: written as a form, seen two weeks ahead before they are saved, every version kept.

The form lives in the page: a button that adds or moves a row sends all of it and gets all of it back, so nothing typed
is lost and nothing is stored before it is saved. What is saved has been seen: the page carries a mark of what the
preview showed, and whatever was changed after it is shown once more first.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.desk.account import ZONES
from bot.desk.door import DeskDoor
from bot.desk.rota_calendar import Day, days_of, pieces_of
from bot.desk.rota_sheet import (
    DAYS,
    MOST_ROWS,
    Sheet,
    TooMuch,
    Written,
    Wrong,
    changed,
    instant_of,
    is_zone,
    read_form,
    sheet_of,
    write,
)
from bot.desk.rota_telling import HERE, RotaTelling, frame, roster_address, rota_telling, said_wrong, zone_called
from escalation import on_duty
from escalation.on_duty import Unfit
from escalation.rota import rostering, version_store
from escalation.rota import store as rota_store
from escalation.rota.local_time import is_local, understand_typed
from escalation.rota.plan import NEXT_STEP, Plan, Version
from escalation.rota.roster import ROTATION, Every, Remark, Schedule, Shift, read_schedule, read_zone, remarks
from escalation.rota.rostering import FallbackUnfit, NeedsFallback
from escalation.rota.version_store import Version as Saved
from helpline import audit
from helpline.accounts import Role, Staff
from helpline.content import node_of
from helpline.messages import Language
from helpline.phrases import say_list
from helpline.web import KILOBYTE, LANGUAGE, Access, Refused, Route, see_other

ROSTERS: Final = HERE + "/rosters"
_ROSTER: Final = ROSTERS + "/{name:[^/]{1,120}}"
_BODY: Final = 512 * KILOBYTE
_AHEAD: Final = timedelta(days=14)
_LATEST: Final = timedelta(days=731)  # no version begins later than this
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_NEW: Final = "new"
_TOLD: Final = frozenset({"saved", "ended", "ends", "end_back"})
_NOT_CONTENT: Final = frozenset({"csrf", "do", "checked", "seen", "fallback"})
# The field of a new row that the keyboard is put on.
_FIRST_FIELD: Final = {
    "rotations": "name",
    "rules": "target",
    "layers": "target",
    "hours": "start",
    "priority_shifts": "person",
    "shifts": "person",
    "overrides": "add",
    "temporary": "start",
}


@dataclass(frozen=True)
class Typed:
    """Everything on the page of a roster, as it was typed."""

    name: str
    zone: str
    sheet: Sheet
    languages: tuple[str, ...] = ()  # somebody on call must speak each of them
    fallback: str = ""  # who stands in where nobody is on call: a staff id, or the next step of the ladder
    valid_from: str = ""
    valid_from_meant: str = ""
    seen: int = 0  # the newest version when the page was opened
    checked: str = ""  # the mark of what the preview has shown


@dataclass(frozen=True)
class Preview:
    """What the roster would do."""

    days: Sequence[Day]
    holes: Sequence[str]  # in words
    holes_without: bool  # nobody has said what happens in them
    remarks: Sequence[str]
    refused: Sequence[str]
    since: str


class RosterDesk:
    """The routes of the roster editor."""

    def __init__(self, door: DeskDoor) -> None:
        self._door = door
        self._house = door.house

    def routes(self) -> list[Route]:
        """The addresses, for coordinators."""
        staff = Access.STAFF
        return [
            Route("GET", ROSTERS, self.list, staff),
            Route("GET", ROSTERS + "/" + _NEW, self.show_new, staff),
            Route("POST", ROSTERS + "/" + _NEW, self.edit, staff, _BODY),
            Route("GET", _ROSTER, self.show, staff),
            Route("POST", _ROSTER, self.edit, staff, _BODY),
            Route("GET", _ROSTER + "/versions", self.versions, staff),
            Route("GET", _ROSTER + "/versions/{id:[0-9]{1,15}}", self.version, staff),
        ]

    def _coordinator(self, request: web.Request) -> Staff:
        return self._door.member(request, Role.COORDINATOR)

    # --- reading ------------------------------------------------------------------------------------------------------

    async def list(self, request: web.Request) -> web.StreamResponse:
        """Every roster: who is on call by it now, who saved it, and whether it has holes."""
        self._coordinator(request)
        now = self._house.clock.now()
        async with self._house.db.read() as conn:
            tell = await rota_telling(self._door, request, conn)
            present = {each.roster: each for each in await on_duty.who_is_on_call(conn, now)}
            rows = []
            for name in await version_store.names(conn):
                held = await version_store.version_at(conn, name, now)
                rows.append((name, held, present.get(name)))
        return self._door.pages.page(
            "desk/rota_rosters.html",
            request[LANGUAGE],
            rows=[
                {
                    "name": name,
                    "address": roster_address(name),
                    "on_call": tell.people(duty.people) if duty is not None else tell.say("desk.rota.not_yet"),
                    "empty": duty is None or not duty.people,
                    "calendar": f"{HERE}?{urlencode({'roster': name})}",
                    "ended": tell.say(
                        "desk.rota.ended.at",
                        time=tell.at(held.valid_from, ZoneInfo(held.zone)),
                        name=tell.who(held.saved_by),
                    )
                    if held is not None and held.ended
                    else "",
                    "zone": zone_called(self._door, request, held.zone) if held is not None else "",
                    "starter": held is not None and held.starter,
                    "saved": tell.say(
                        "desk.rota.saved_by", name=tell.who(held.saved_by), time=tell.moment(held.saved_at)
                    )
                    if held is not None
                    else "",
                }
                for name, held, duty in rows
            ],
            notice=self._door.say(request, "desk.rota.told.removed") if request.query.get("told") == "removed" else "",
            tell=tell,
            **await frame(self._door, request, ROSTERS),
        )

    async def show_new(self, request: web.Request) -> web.StreamResponse:
        """An empty form."""
        self._coordinator(request)
        return await self._page(request, Typed("", self._house.settings.zone.key, Sheet()), new=True)

    async def show(self, request: web.Request) -> web.StreamResponse:
        """The roster as a form; as another version, where one is named, was."""
        self._coordinator(request)
        name, now = request.match_info["name"], self._house.clock.now()
        asked = request.query.get("version", "")
        async with self._house.db.read() as conn:
            known = await version_store.versions_of(conn, name)
            if not known:
                raise Refused(404, "error.not_found")
            if asked.isdecimal() and len(asked) < 16:
                base = await version_store.find_version(conn, name, int(asked))
                if base is None:
                    raise Refused(404, "error.not_found")
            else:
                base = await version_store.version_at(conn, name, now) or known[0]
            if base.ended:  # to be started again, it is shown as it was
                base = next((each for each in await version_store.ended_by(conn, base)), base)
        notice, told = "", request.query.get("told", "")
        if told in _TOLD:
            notice = self._door.say(request, f"desk.rota.told.{told}")
        elif asked:
            notice = self._door.say(request, "desk.rota.told.older")
        zone, schedule = _read(base)
        typed = Typed(name, zone.key, sheet_of(schedule, zone), base.languages, base.fallback, seen=known[0].id)
        return await self._page(request, typed, notice=notice)

    async def versions(self, request: web.Request) -> web.StreamResponse:
        """Who saved what when."""
        self._coordinator(request)
        name, now = request.match_info["name"], self._house.clock.now()
        async with self._house.db.read() as conn:
            tell = await rota_telling(self._door, request, conn)
            known = await version_store.versions_of(conn, name)
            held = await version_store.version_at(conn, name, now)
        if not known:
            raise Refused(404, "error.not_found")
        return self._door.pages.page(
            "desk/rota_versions.html",
            request[LANGUAGE],
            roster=name,
            address=roster_address(name),
            rows=[
                {
                    "version": each,
                    "from": tell.full_moment(each.valid_from),
                    "saved": tell.full_moment(each.saved_at),
                    "who": tell.who(each.saved_by),
                    "state": _state_of(each, known, held, now),
                    "ended": each.ended,
                }
                for each in known
            ],
            tell=tell,
            **await frame(self._door, request, ROSTERS),
        )

    async def version(self, request: web.Request) -> web.StreamResponse:
        """One version: what it did or will do in its first two weeks."""
        self._coordinator(request)
        name, now = request.match_info["name"], self._house.clock.now()
        async with self._house.db.read() as conn:
            tell = await rota_telling(self._door, request, conn)
            found = await version_store.find_version(conn, name, int(request.match_info["id"]))
            held = await version_store.version_at(conn, name, now)
        if found is None:
            raise Refused(404, "error.not_found")
        zone, schedule = _read(found)
        as_held = Version(found.valid_from, zone, schedule, (), found.fallback or None)
        return self._door.pages.page(
            "desk/rota_version.html",
            request[LANGUAGE],
            roster=name,
            address=roster_address(name),
            version=found,
            held=found == held,
            begins=tell.full_moment(found.valid_from),
            saved=tell.say("desk.rota.saved_by", name=tell.who(found.saved_by), time=tell.full_moment(found.saved_at)),
            days=_two_weeks(as_held, found.valid_from, now),
            spoken=say_list([tell.say(f"language.{each}") for each in found.languages], request[LANGUAGE]),
            fallback=_say_fallback(tell, found.fallback),
            zone_name=zone_called(self._door, request, zone.key),
            tell=tell,
            **await frame(self._door, request, ROSTERS),
        )

    # --- writing ------------------------------------------------------------------------------------------------------

    async def edit(self, request: web.Request) -> web.StreamResponse:
        """A button of the form: a row comes, goes or moves; the roster is looked at; it is saved."""
        staff = self._coordinator(request)
        form = await self._door.form(request)
        new = "name" not in request.match_info
        now, order = self._house.clock.now(), str(form.get("do", "check"))
        try:
            typed = _typed(form, "" if new else request.match_info["name"])
        except TooMuch as error:
            raise Refused(413, "error.too_large") from error
        async with self._house.db.read() as conn:
            known = await version_store.versions_of(conn, typed.name, limit=1)
        if not new and not known:
            raise Refused(404, "error.not_found")
        what = order.partition(".")[0]
        if what in {"add", "drop", "up", "down"}:
            after = replace(typed, sheet=changed(typed.sheet, order))
            return await self._page(request, after, new=new, focus=_focus(order, after.sheet))
        typed = replace(typed, sheet=changed(typed.sheet, ""))
        wrong: dict[str, Wrong] = {}
        if new and not _NAME.fullmatch(typed.name):
            wrong["name"] = Wrong("desk.rota.no.roster_name")
        if not is_zone(typed.zone):
            wrong["zone"] = Wrong("desk.rota.no.zone")
            return await self._page(request, typed, new=new, wrong=wrong, status=422)
        zone = ZoneInfo(typed.zone)
        written = write(typed.sheet, zone)
        begins = _begins(typed, zone, now)
        # The second click of two, or the page loaded anew: it is saved already, and nobody was in between.
        theirs = [each for each in known if each.id != typed.seen and each.saved_by == staff.id]
        if order == "save" and any(_says(each, typed, written, begins, now) for each in theirs):
            return see_other(f"{roster_address(typed.name)}?told=saved")
        if new and known:
            wrong["name"] = Wrong("desk.rota.no.roster_taken")
        wrong |= written.wrong
        if isinstance(begins, Wrong):
            wrong["valid_from"] = begins
        if wrong or written.schedule is None or isinstance(begins, Wrong):
            return await self._page(request, typed, new=new, wrong=wrong, status=422)
        mark = _mark(form)
        async with self._house.db.read() as conn:
            tell = await rota_telling(self._door, request, conn)
            preview = await self._look(conn, tell, typed, written, written.schedule, zone, begins, now)
        shown = replace(typed, checked=mark)
        if order != "save" or typed.checked != mark:
            told = "desk.rota.told.changed" if order == "save" else ""
            return await self._page(request, shown, new=new, preview=preview, notice=told and tell.say(told))
        if preview.refused:
            return await self._page(request, shown, new=new, preview=preview, status=422)
        return await self._save(request, staff, shown, written, preview, begins, new=new)

    async def _save(
        self,
        request: web.Request,
        staff: Staff,
        typed: Typed,
        written: Written,
        preview: Preview,
        begins: datetime,
        *,
        new: bool,
    ) -> web.StreamResponse:
        now = self._house.clock.now()
        try:
            async with self._house.db.write() as conn:
                # Whoever saves the same roster waits here; looking for the newest only then, they find what we saved.
                await rota_store.lock_roster(conn, typed.name)
                newest = next(iter(await version_store.versions_of(conn, typed.name, limit=1)), None)
                if newest is None or newest.id == typed.seen:
                    await rostering.save_with_fallback(
                        conn,
                        name=typed.name,
                        zone=typed.zone,
                        definition=written.definition,
                        languages=typed.languages,
                        fallback=typed.fallback or None,
                        valid_from=begins,
                        now=now,
                        saved_by=staff.id,
                        channels=self._channels,
                    )
                    await audit.append(
                        conn,
                        at=now,
                        actor=f"staff:{staff.id}",
                        action="roster_saved",
                        subject=f"roster:{rostering.reference(typed.name)}",
                        details={"valid_from": begins},
                    )
                    return see_other(f"{roster_address(typed.name)}?told=saved")
                tell = await rota_telling(self._door, request, conn)
        except (NeedsFallback, FallbackUnfit) as error:
            phrase = "fallback" if isinstance(error, NeedsFallback) else "fallback_unfit"
            wrong = {"fallback": Wrong(f"desk.rota.no.{phrase}")}
            return await self._page(request, typed, new=new, preview=preview, wrong=wrong, status=422)
        said = tell.say("desk.rota.told.collision", name=tell.who(newest.saved_by), time=tell.moment(newest.saved_at))
        return await self._page(
            request, replace(typed, seen=newest.id), preview=preview, collision=said, theirs=newest, status=409
        )

    async def _look(
        self,
        conn: AsyncConnection,
        tell: RotaTelling,
        typed: Typed,
        written: Written,
        schedule: Schedule,
        zone: ZoneInfo,
        begins: datetime,
        now: datetime,
    ) -> Preview:
        since = max(begins, now)
        found = remarks(schedule, zone)
        people = schedule.people() | ({typed.fallback} - {"", NEXT_STEP})
        unfit = await on_duty.who_may_not_hold_shifts(conn, frozenset(people), now, channels=self._channels)
        holes = await rostering.draft_holes(
            conn,
            name=typed.name,
            zone=zone.key,
            definition=written.definition,
            languages=typed.languages,
            fallback=typed.fallback or None,
            valid_from=begins,
            now=now,
            channels=self._channels,
        )
        away = [Shift(each.staff_id, each.span) for each in await rota_store.granted(conn, since, since + _AHEAD)]
        shown = replace(schedule, away=tuple(away))
        return Preview(
            days=_two_weeks(Version(since, zone, shown, (), typed.fallback or None), since, now),
            holes=[tell.hole(each, zone) for each in holes],
            holes_without=bool(holes) and not typed.fallback,
            remarks=[_say_remark(tell, each, zone) for each in found if not each.refused],
            refused=[
                *(_say_remark(tell, each, zone) for each in found if each.refused),
                *(_say_unfit(tell, each) for each in unfit),
            ],
            since=tell.at(since, zone),
        )

    @property
    def _channels(self) -> frozenset[str]:
        return frozenset({"desk", *(channel.value for channel in self._house.channels)})

    # --- the page -----------------------------------------------------------------------------------------------------

    async def _page(
        self,
        request: web.Request,
        typed: Typed,
        *,
        new: bool = False,
        wrong: Mapping[str, Wrong] | None = None,
        preview: Preview | None = None,
        notice: str = "",
        collision: str = "",
        theirs: Saved | None = None,
        focus: str = "",
        status: int = 200,
    ) -> web.Response:
        now = self._house.clock.now()
        async with self._house.db.read() as conn:
            tell = await rota_telling(self._door, request, conn)
            held = None if new else await version_store.version_at(conn, typed.name, now)
            known = [] if new else await version_store.versions_of(conn, typed.name)
        zone = ZoneInfo(typed.zone) if is_zone(typed.zone) else self._house.settings.zone
        to_come = [each for each in known if each.valid_from > now and _counts(each, known)]
        later = sorted(each.valid_from for each in to_come if not each.ended)
        ends = sorted(each.valid_from for each in to_come if each.ended)
        people = tell.choices()
        zones = [each for each in dict.fromkeys((*ZONES, typed.zone)) if each]
        return self._door.pages.page(
            "desk/rota_roster.html",
            request[LANGUAGE],
            status=status,
            new=new,
            typed=typed,
            sheet=typed.sheet,
            address=ROSTERS + "/" + _NEW if new else roster_address(typed.name),
            people=people,
            everybody={id_ for id_, _ in people},
            targets=[
                (ROTATION + each.key, each.name or tell.say("desk.rota.rotation.number", number=number))
                for number, each in enumerate(typed.sheet.rotations, 1)
            ],
            rotation_values={ROTATION + each.key for each in typed.sheet.rotations},
            day_names=[(day, tell.say(f"desk.rota.day.{day}")) for day in DAYS],
            units=[(each.value, tell.say(f"desk.rota.unit.{each.value}")) for each in Every],
            zones=[(each, zone_called(self._door, request, each)) for each in zones],
            zone_name=zone_called(self._door, request, zone.key),
            past=_past(typed.sheet, zone, now),
            most_rows=MOST_ROWS,
            wrong=said_wrong(tell, wrong or {}, zone),
            preview=preview,
            notice=notice,
            collision=collision,
            theirs=f"{roster_address(typed.name, 'versions')}/{theirs.id}" if theirs is not None else "",
            spoken=[(each.value, tell.say(f"language.{each.value}")) for each in Language],
            next_step=NEXT_STEP,
            shipped=held is not None and held.starter,
            ended=held is not None and held.ended,
            later=[tell.at(each, zone) for each in later],
            ends=[tell.at(each, zone) for each in ends],
            focus=focus,
            tell=tell,
            status_bad=status >= 400,
            **await frame(self._door, request, ROSTERS),
        )


def _typed(form: Any, name: str) -> Typed:
    def text(field: str) -> str:
        return str(form.get(field, "")).strip()[:200]

    seen = text("seen")
    return Typed(
        name=name or text("name"),
        zone=text("zone"),
        sheet=read_form(form.items()),
        languages=tuple(each.value for each in Language if each.value in form.getall("languages", [])),
        valid_from=text("valid_from"),
        valid_from_meant=text("valid_from_meant"),
        fallback=text("fallback"),
        seen=int(seen) if seen.isdecimal() and len(seen) < 16 else 0,
        checked=text("checked"),
    )


def _mark(form: Any) -> str:
    """A mark of all that makes the roster, by which a change after the preview is noticed."""
    hashed = hashlib.sha256()
    # People of a rotation share one name and stand in their order; an empty field is as good as none.
    for name, value in sorted(form.items(), key=lambda item: str(item[0])):
        if name not in _NOT_CONTENT and isinstance(value, str) and value.strip():
            hashed.update(f"{name}={value.strip()}\0".encode())
    return hashed.hexdigest()


def _begins(typed: Typed, zone: ZoneInfo, now: datetime) -> datetime | Wrong:
    """From when the version is to hold: at once, or from a typed time on."""
    if not typed.valid_from:
        return now
    begins = instant_of(typed.valid_from, typed.valid_from_meant, zone)
    if isinstance(begins, Wrong):
        return begins
    # What was on call is not written anew, so a time that has passed means at once.
    return Wrong("desk.rota.no.too_late") if begins > now + _LATEST else max(begins, now)


def _says(saved: Saved, typed: Typed, written: Written, begins: datetime | Wrong, now: datetime) -> bool:
    """Whether this version is what the form would save."""
    same_time = saved.valid_from <= now if not typed.valid_from else saved.valid_from == begins
    told = (saved.zone, saved.definition, saved.languages, saved.fallback)
    return same_time and told == (typed.zone, written.definition, typed.languages, typed.fallback)


def _read(version: Saved) -> tuple[ZoneInfo, Schedule]:
    zone = read_zone(node_of(version.zone, file="roster"))
    return zone, read_schedule(node_of(version.definition, file="roster"), zone)


def _two_weeks(version: Version, since: datetime, now: datetime) -> list[Day]:
    zone = version.zone
    first = since.astimezone(zone).date()
    pieces = pieces_of(Plan("", (version,)).timeline(since, since + _AHEAD))
    end = (since + _AHEAD).astimezone(zone).date() + timedelta(days=1)
    days = days_of(pieces, zone, first, end, now=now, me="", looked_at=first)
    return [day for day in days if day.stretches]


def _state_of(version: Saved, known: Sequence[Saved], held: Saved | None, now: datetime) -> str:
    if held is not None and version.id == held.id:
        return "holds"
    if version.valid_from <= now:
        return "over"
    return "later" if _counts(version, known) else "replaced"


def _counts(version: Saved, known: Sequence[Saved]) -> bool:
    """Whether a version that lies ahead is still to come: an end takes what was saved before it for later."""
    since = [each for each in known if each.id > version.id]
    ended = any(each.ended and each.valid_from < version.valid_from for each in since)
    return not ended and all(each.valid_from != version.valid_from for each in since)


def _past(sheet: Sheet, zone: ZoneInfo, now: datetime) -> dict[str, set[int]]:
    """Which overrides and temporary rosters are over, and need not stand in the way."""

    def over(typed: str) -> bool:
        try:
            found = understand_typed(typed, zone) if is_local(typed) else None
        except (ValueError, OverflowError):
            return False
        return found is not None and (found.instant or found.offered[-1]) <= now

    return {
        name: {number for number, row in enumerate(getattr(sheet, name)) if over(row.end)}
        for name in ("overrides", "temporary")
    }


def _focus(order: str, sheet: Sheet) -> str:
    """The control on which somebody goes on after a button."""
    what, *way = order.split(".")
    rows: Any = sheet
    for step in way[: -1 if what != "add" else None]:
        rows = rows[int(step)] if step.isdecimal() and int(step) < len(rows) else getattr(rows, step, ())
    if not isinstance(rows, tuple):
        return ""
    if what == "add":
        field = _FIRST_FIELD.get(way[-1], "")
        number = len(rows) - 1 if field else len(rows)
        return ".".join([*way, str(number), *([field] if field else [])])
    if what == "drop":
        return ".".join(["add", *way[:-1]])
    number = int(way[-1]) + (1 if what == "down" else -1) if way[-1].isdecimal() else 0
    return ".".join([what, *way[:-1], str(min(max(number, 0), len(rows) - 1))])


def _say_remark(tell: RotaTelling, remark: Remark, zone: ZoneInfo) -> str:
    name = remark.name if tell.who(remark.name) == remark.name else tell.who(remark.name)
    time = tell.at(remark.at, zone) if remark.at is not None else ""
    return tell.say(f"desk.rota.remark.{remark.kind.value}", name=name, time=time)


def _say_fallback(tell: RotaTelling, fallback: str) -> str:
    if not fallback:
        return tell.say("desk.rota.fallback.none")
    return tell.say("desk.rota.fallback.next_step") if fallback == NEXT_STEP else tell.who(fallback)


def _say_unfit(tell: RotaTelling, unfit: Unfit) -> str:
    if unfit.name is None:
        return tell.say("desk.rota.unfit.unknown", name=unfit.staff_id)
    return tell.say("desk.rota.unfit.mute", name=unfit.name)

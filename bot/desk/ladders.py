"""The ladders on the desk, for coordinators: who is called, in which order, how long each is waited for.

A change moves nobody who waits already: each escalation keeps the steps it was opened with. What is typed can be
looked at before it is saved: whom each step would call now, and what the clinician would be promised. Every version
stays, and an older one can be brought back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.desk.door import DeskDoor
from bot.desk.ladder_sheet import DEADLINES, MOST_STEPS, Sheet, Wrong, definition_of, rearranged, sheet_from, sheet_of
from bot.desk.ladder_sheet import targets_in as named_in
from bot.desk.telling import Telling, telling
from escalation import store as escalations
from escalation.on_duty import Present, gather, staff_now
from escalation.policy import CHANNELS, Policy, read_policy
from escalation.rota import version_store
from escalation.standing import FOR_EVER, Ladder, Staffing, Step, Urgency, is_group
from escalation.store import LadderVersion
from helpline import audit
from helpline.accounts import Role, Staff
from helpline.content import node_of
from helpline.messages import Language
from helpline.web import KILOBYTE, LANGUAGE, Access, Refused, Route, see_other

HERE: Final = "/desk/ladders"
_BODY: Final = 256 * KILOBYTE
_ROLES: Final = (Role.ADVISOR, Role.COORDINATOR)  # those that a ladder may call
_CALLED: Final = frozenset(_ROLES)
_SHOWN: Final = 50  # versions
_TOLD: Final = frozenset({"saved"})


@dataclass(frozen=True)
class Previewed:
    """What the ladder of one urgency would come to now."""

    steps: tuple[tuple[str, ...], ...]  # for each step the names of those it would call; nobody: it is skipped at once
    promise: int | None  # minutes until she hears whatever happens; None where nobody would be called, or for ever
    remarks: tuple[str, ...]


class LadderDesk:
    """The routes of the ladders."""

    def __init__(self, door: DeskDoor) -> None:
        self._door = door
        self._house = door.house

    def routes(self) -> list[Route]:
        """The addresses of the ladders."""
        staff = Access.STAFF
        return [
            Route("GET", HERE, self.show, staff),
            Route("POST", HERE, self.change, staff, _BODY),
        ]

    async def show(self, request: web.Request) -> web.StreamResponse:
        """The ladders as they are, or an older version to be brought back."""
        self._door.member(request, Role.COORDINATOR)
        wanted = request.query.get("version", "")
        async with self._house.db.read() as conn:
            history = await escalations.ladder_history(conn, limit=1)
            older = (
                await escalations.ladder_version(conn, int(wanted)) if wanted.isdecimal() and len(wanted) < 10 else None
            )
        if wanted and older is None:
            raise Refused(404, "error.not_found")
        if not history:
            raise escalations.NoLadder("No ladder has been saved.")
        shown = older or history[0]
        told = request.query.get("told", "")
        notice = self._door.say(request, f"ladders.told.{told}") if told in _TOLD else ""
        if older is not None and older.id != history[0].id:
            notice = self._door.say(request, "ladders.older")
        return await self._page(request, sheet_of(shown.definition), seen=history[0].id, notice=notice)

    async def change(self, request: web.Request) -> web.StreamResponse:
        """Add, move or take away a step, look at what was typed, or save it."""
        staff = self._door.member(request, Role.COORDINATOR)
        form = await self._door.form(request)
        sheet, act = sheet_from(form), str(form.get("act", ""))
        typed_seen = str(form.get("seen", ""))
        seen = int(typed_seen) if typed_seen.isdecimal() and len(typed_seen) < 10 else 0
        if (moved := rearranged(sheet, act)) is not None:
            return await self._page(request, moved, seen=seen, opened=act.partition(":")[2].partition(":")[0])
        definition, wrong = definition_of(sheet)
        async with self._house.db.read() as conn:
            wrong.update(await self._strangers(conn, sheet))
        if wrong:
            notice = self._door.say(request, "desk.form.wrong")
            return await self._page(request, sheet, seen=seen, wrong=wrong, alert=notice, status=422)
        if act != "save":
            return await self._page(request, sheet, seen=seen, notice=self._door.say(request, "ladders.looked_at"))
        newest, gone = await self._save(sheet, definition, staff, seen)
        if gone:
            notice = self._door.say(request, "desk.form.wrong")
            return await self._page(request, sheet, seen=seen, wrong=gone, alert=notice, status=422)
        if newest is not None:
            return await self._page(request, sheet, seen=newest.id, collision=newest, status=409)
        return see_other(f"{HERE}?told=saved")

    async def _strangers(self, conn: AsyncConnection, sheet: Sheet) -> dict[str, Wrong]:
        """Targets that do not exist, which a form of ours never holds unless somebody left or a roster ended."""
        known = {target for target, _ in await self._choices(conn, Language.EN, ())}
        return {
            f"{name}.target": Wrong("ladders.wrong.stranger", {"target": target})
            for name, targets in self._named(sheet)
            for target in targets
            if target not in known
        }

    @staticmethod
    def _named(sheet: Sheet) -> list[tuple[str, tuple[str, ...]]]:
        steps = [
            (f"{urgency.value}.{number}", step.targets)
            for urgency, ladder in sheet.ladders.items()
            for number, step in enumerate(ladder.steps)
        ]
        return [("last", sheet.last_resort), *steps]

    async def _save(
        self, sheet: Sheet, definition: Mapping[str, Any], staff: Staff, seen: int
    ) -> tuple[LadderVersion | None, dict[str, Wrong]]:
        """Save it upon the version that was seen; the newer one where somebody was faster, and what has gone since."""
        now = self._house.clock.now()
        async with self._house.db.write() as conn:
            newest = (await escalations.ladder_history(conn, limit=1, lock=True))[0]
            if newest.id != seen:
                return newest, {}
            if newest.definition == definition:
                return None, {}  # pressed twice
            # Whoever ends a roster locks the ladders too, so it is asked once more under the lock.
            if gone := await self._strangers(conn, sheet):
                return None, gone
            actor = f"staff:{staff.id}"
            await escalations.save_ladders(conn, definition=definition, now=now, saved_by=actor)
            await audit.append(
                conn, at=now, actor=actor, action="ladders_saved", subject="ladders", details={"upon": newest.id}
            )
        return None, {}

    # --- the page -----------------------------------------------------------------------------------------------------

    async def _page(
        self,
        request: web.Request,
        sheet: Sheet,
        *,
        seen: int,
        wrong: Mapping[str, Wrong] | None = None,
        notice: str = "",
        alert: str = "",
        opened: str = "",
        collision: LadderVersion | None = None,
        status: int = 200,
    ) -> web.Response:
        language = request[LANGUAGE]
        async with self._house.db.read() as conn:
            history = await escalations.ladder_history(conn, limit=_SHOWN)
            choices = await self._choices(conn, language, named_in(sheet))
            previews = {} if wrong else await self._previews(conn, request, sheet)
            tell = await telling(self._door, request, conn)
        faults = {name: self._door.say(request, each.phrase, **each.values) for name, each in (wrong or {}).items()}
        return self._door.pages.page(
            "desk/ladders.html",
            language,
            status=status,
            sheet=sheet,
            urgencies=list(Urgency),
            deadlines=DEADLINES,
            channels=CHANNELS,
            groups=[(target, words) for target, words in choices if is_group(target)],
            people=[(target, words) for target, words in choices if not is_group(target)],
            previews=previews,
            wrong=faults,
            notice=notice,
            alert=self._collided(request, collision, tell) if collision else alert,
            opened=opened,
            seen=seen,
            most_steps=MOST_STEPS,
            history=[self._version(each, tell) for each in history],
            **await self._door.frame(request),
        )

    def _collided(self, request: web.Request, newest: LadderVersion, tell: Telling) -> str:
        who, when = tell.who(newest.saved_by), tell.moment(newest.saved_at)
        return self._door.say(request, "ladders.collision", name=who, time=when)

    @staticmethod
    def _version(version: LadderVersion, tell: Telling) -> dict[str, Any]:
        by = version.saved_by if version.saved_by.startswith("staff:") else "operator"
        return {"id": version.id, "at": tell.full_moment(version.saved_at), "who": tell.who(by)}

    async def _choices(self, conn: AsyncConnection, language: Language, also: Any) -> list[tuple[str, str]]:
        """Everything that a step may call, and what it is called; what a sheet names beside that stands last."""
        say = self._house.phrases.say
        present = await staff_now(conn, self._house.clock.now())
        rosters = await version_store.lasting(conn, self._house.clock.now())
        found = [(f"roster:{name}", say("ladders.roster", language, name=name)) for name in rosters]
        found += [
            (f"role:{role.value}", say("ladders.role", language, role=say(f"desk.role.{role.value}", language)))
            for role in _ROLES
        ]
        found += [(member.id, member.name) for member in present.staff.values() if member.roles & _CALLED]
        known = {target for target, _ in found}
        return found + [(target, target) for target in dict.fromkeys(also) if target not in known]

    async def _previews(self, conn: AsyncConnection, request: web.Request, sheet: Sheet) -> dict[Urgency, Previewed]:
        definition, wrong = definition_of(sheet)
        if wrong:
            return {}
        policy = read_policy(node_of(definition, file="ladders"))
        present = await gather(conn, policy, self._house.clock.now(), channels=self._door.room.means.channels)
        return {urgency: self._preview(request, policy, urgency, present) for urgency in Urgency}

    def _preview(self, request: web.Request, policy: Policy, urgency: Urgency, present: Present) -> Previewed:
        ladder, staffing = policy.ladders[urgency], present.staffing[urgency]
        steps = tuple(_called(step, staffing) for step in ladder.steps)
        remarks = [self._door.say(request, phrase, **values) for phrase, values in _remarks(policy, urgency, staffing)]
        return Previewed(
            steps=tuple(tuple(present.name_of(person) for person in people) for people in steps),
            promise=_promised(ladder, steps),
            remarks=tuple(remarks),
        )


def _called(step: Step, staffing: Staffing) -> tuple[str, ...]:
    """Those whom a step would call now, whatever language is spoken."""
    people = dict.fromkeys(person for target in step.targets for person in staffing.behind(target))
    return tuple(
        person
        for person in people
        if staffing.reachable(person)
        and (step.speciality is None or step.speciality in staffing.specialities.get(person, ()))
    )


def _promised(ladder: Ladder, steps: tuple[tuple[str, ...], ...]) -> int | None:
    if ladder.repeat == FOR_EVER or not any(steps):
        return None
    first = next(number for number, people in enumerate(steps) if people)
    return round(ladder.time_left(0, first) / timedelta(minutes=1))


def _remarks(policy: Policy, urgency: Urgency, staffing: Staffing) -> list[tuple[str, dict[str, object]]]:
    """What a coordinator should think about before saving."""
    ladder = policy.ladders[urgency]
    said: list[tuple[str, dict[str, object]]] = []
    if not any(_called(step, staffing) for step in ladder.steps):
        said.append(("ladders.remark.nobody", {}))
    if not any(staffing.reachable(person) for target in ladder.last_resort for person in staffing.behind(target)):
        said.append(("ladders.remark.last_resort", {}))
    if ladder.repeat == FOR_EVER:
        said.append(("ladders.remark.for_ever", {}))
    longest = max(step.wait for step in ladder.steps)
    for channel, after in policy.personal[urgency].items():
        if after > longest:
            said.append((f"ladders.remark.slow.{channel}", {}))
    return said

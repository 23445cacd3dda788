"""What a coordinator sees first: who is on call, where the rota has holes, who waits, how well the promise is kept.

No word of any conversation stands here. A coordinator may move a case up the ladder, or let it start over on the
ladders as they are now; reading one is for the advisor who takes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.desk.door import DeskDoor, names_of
from bot.desk.telling import Telling, telling
from escalation import advisors, looking_back, practice, shift_store
from escalation import store as escalations
from escalation.advisors import Outcome
from escalation.closing import CaseOutcome
from escalation.drills import DRILL
from escalation.figures import ReplyTimes, night_of, reply_times, wakings
from escalation.looking_back import DrillHeld
from escalation.on_duty import Present, staff_now
from escalation.reach import trials as reach_tests
from escalation.reach.trials import Untested
from escalation.rota import coverage
from escalation.rota import store as rota_store
from escalation.rota import watch as rota_watch
from escalation.rota.coverage import Hole
from escalation.rota.local_time import say_instant
from escalation.rota.plan import Plan
from escalation.rota.store import KnownHole
from escalation.shift_store import Closed
from escalation.standing import State, Urgency
from escalation.store import Filed
from helpline import accounts
from helpline.accounts import Role, Staff
from helpline.daytime import NIGHT_BEGINS, NIGHT_ENDS
from helpline.messages import Language
from helpline.phrases import say_date, say_list
from helpline.web import LANGUAGE, Access, Refused, Route, see_other

HERE: Final = "/desk/overview"
PERIODS: Final = (7, 30, 90)  # days that the figures may reach back
NIGHTS: Final = 14
_AHEAD: Final = timedelta(days=2)  # how far the next change of shift is looked for
_HOLES: Final = 8
_CASE: Final = HERE + "/{case:[0-9a-f]{16}}"
_TOLD: Final = frozenset(
    {"moved", "reapplied", "not_moved", "drill", "drill_runs", "talked", "not_waiting", "hole", "no_hole"}
)


@dataclass(frozen=True)
class OnCallNow:
    """One roster: who has it now and who comes next."""

    roster: str
    people: tuple[str, ...]
    until: str
    following: tuple[str, ...]
    has_next: bool
    by_fallback: bool


@dataclass(frozen=True)
class Night:
    """How often somebody was woken in each of the last nights, the latest last."""

    name: str
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.counts)


class CoordinatorDesk:
    """The routes of the overview."""

    def __init__(self, door: DeskDoor) -> None:
        self._door = door
        self._house = door.house
        door.counts[HERE] = self._count

    def routes(self) -> list[Route]:
        """The addresses of the overview."""
        staff = Access.STAFF
        return [
            Route("GET", HERE, self.show, staff),
            Route("POST", HERE + "/drill", self.drill, staff),
            Route("POST", HERE + "/talked", self.talked, staff),
            Route("POST", HERE + "/hole", self.hole, staff),
            Route("POST", _CASE + "/{act:move|reapply}", self.move, staff),
            Route("GET", HERE + "/{rest:drill|talked|hole|[0-9a-f]{16}/(?:move|reapply)}", self.back, staff),
        ]

    async def _count(self, conn: AsyncConnection, staff: Staff, now: datetime) -> int:
        """How many wait past their promise, or with nobody left to ask."""
        return sum(_pressing(filed, now) for filed in await escalations.list_open(conn))

    async def back(self, request: web.Request) -> web.StreamResponse:
        """A form's address, loaded anew, is the overview."""
        return see_other(HERE)

    # --- the page -----------------------------------------------------------------------------------------------------

    async def show(self, request: web.Request) -> web.StreamResponse:
        """Everything at a glance."""
        self._door.member(request, Role.COORDINATOR)
        language, now = request[LANGUAGE], self._house.clock.now()
        days = next((each for each in PERIODS if str(each) == request.query.get("days")), PERIODS[1])
        async with self._house.db.read() as conn:
            present = await staff_now(conn, now, channels=self._door.room.means.channels)
            ahead = await rota_store.plans(conn, now, now + timedelta(days=coverage.DAYS))
            plans = [plan for plan in ahead if not plan.is_over(now)]
            filed = await escalations.list_open(conn)
            waits = await looking_back.waits_since(conn, now - timedelta(days=days))
            paged = await looking_back.pages_since(conn, now - timedelta(days=NIGHTS + 1))
            drills = await looking_back.drills_held(conn, limit=10)
            debriefs = await shift_store.open_debriefs(conn)
            known_holes = await rota_store.known_holes(conn)
            ended = await shift_store.closings_between(conn, now - timedelta(days=days), now)
            untested = await reach_tests.who_is_untested(conn, now, channels=self._door.room.means.channels)
            names = await names_of(conn)
            zones = {each.id: ZoneInfo(each.zone) for each in await accounts.list_staff(conn, active_only=False)}
            tell = await telling(self._door, request, conn)
        told = request.query.get("told", "")
        holes = [hole for hole in coverage.holes(plans, now, speaks=present.speaks) if not hole.foreseen]
        return self._door.pages.page(
            "desk/overview.html",
            language,
            notice=self._door.say(request, f"overview.told.{told}") if told in _TOLD else "",
            on_call=[self._on_call(plan, present, tell, now) for plan in plans],
            holes=[self._hole(request, hole, known_holes, names, tell) for hole in holes[:_HOLES]],
            more_holes=max(0, len(holes) - _HOLES),
            untested=[self._untested(request, each, tell) for each in untested],
            outcomes=self._outcomes(request, ended),
            knowledge_missing=sum(each.closing.knowledge_missing is True for each in ended),
            ended=len(ended),
            cases=[self._case(request, each, names, tell, now) for each in filed if each.reason != DRILL],
            days=days,
            periods=PERIODS,
            figures=[self._figure(request, each) for each in reply_times(waits, now)],
            nights=self._nights(paged, zones, names, now),
            evenings=self._evenings(now, language),
            drills=[self._drill(request, each, names, tell) for each in drills],
            drill_runs=any(each.reason == DRILL for each in filed),
            debriefs=[
                {
                    "case": each.escalation_id,
                    "staff": each.staff_id,
                    "name": names.get(each.staff_id, each.staff_id),
                    "by": names.get(each.flagged_by, each.flagged_by) if each.flagged_by != each.staff_id else "",
                    "code": each.code,
                    "at": tell.moment(each.flagged_at),
                }
                for each in debriefs
            ],
            urgencies=list(Urgency),
            all_languages=list(Language),
            night=(f"{NIGHT_BEGINS:%H:%M}", f"{NIGHT_ENDS:%H:%M}"),
            **await self._door.frame(request),
        )

    def _on_call(self, plan: Plan, present: Present, tell: Telling, now: datetime) -> OnCallNow:
        people, by_fallback = plan.on_call(now)
        change = plan.next_change(now, _AHEAD)
        following = plan.on_call(change)[0] if change is not None else ()
        return OnCallNow(
            roster=plan.name,
            people=tuple(present.name_of(person) for person in people),
            until=tell.moment(change) if change is not None else "",
            following=tuple(present.name_of(person) for person in following),
            has_next=change is not None,
            by_fallback=by_fallback,
        )

    def _hole(
        self,
        request: web.Request,
        hole: Hole,
        known: Sequence[KnownHole],
        names: Mapping[str, str],
        tell: Telling,
    ) -> dict[str, str]:
        spoken = self._door.say(request, f"language.{hole.language}") if hole.language else ""
        words = self._door.say(
            request,
            "overview.hole.language" if hole.language else "overview.hole",
            roster=hole.roster,
            spoken=spoken,
            since=tell.full_moment(hole.span.start),
            until=tell.full_moment(hole.span.end),
        )
        by = next((each.accepted_by for each in known if each.accepted_by and each.is_of(hole)), None)
        seen = self._door.say(request, "overview.hole.seen", name=names.get(by, by)) if by else ""
        return {"words": words, "which": _which(hole), "seen": seen}

    def _untested(self, request: web.Request, untested: Untested, tell: Telling) -> str:
        if untested.begins is None:
            when = self._door.say(request, "overview.untested.now")
        else:
            when = self._door.say(request, "overview.untested.from", time=tell.full_moment(untested.begins))
        named = [self._door.say(request, f"ladders.channel.{channel}") for channel in untested.channels]
        how = "no_way" if not named else "silent" if untested.silent else "never"
        ways = say_list(named, request[LANGUAGE]) if named else ""
        return self._door.say(request, f"overview.untested.{how}", name=untested.name, when=when, ways=ways)

    def _outcomes(self, request: web.Request, ended: Sequence[Closed]) -> list[tuple[str, int]]:
        counts = Counter(each.closing.outcome for each in ended)
        return [
            (self._door.say(request, f"overview.outcome.{outcome.value}"), counts[outcome])
            for outcome in CaseOutcome
            if counts[outcome]
        ]

    def _case(
        self, request: web.Request, filed: Filed, names: Mapping[str, str], tell: Telling, now: datetime
    ) -> dict[str, Any]:
        case = self._door.wording(request).case(filed, names)
        it = filed.escalation
        asked = tuple(names.get(person, person) for person in it.asked_now)
        return {
            "it": case,
            "waits": it.state in (State.SEEKING, State.LAST_RESORT),
            "pressing": _pressing(filed, now),
            "asked": ", ".join(asked) if it.owner is None else "",
            "opened": tell.moment(it.opened_at),
        }

    def _figure(self, request: web.Request, times: ReplyTimes) -> dict[str, Any]:
        language = self._door.say(request, f"language.{times.language}") if times.language else ""
        return {
            "urgency": self._door.say(request, f"desk.urgency.{times.urgency.value}"),
            "language": language or self._door.say(request, "overview.all_languages"),
            "whole": not times.language,
            "asked": times.asked,
            "replied": times.replied,
            "median": self._minutes(request, times.median),
            "p90": self._minutes(request, times.p90),
            "kept": self._share(request, times),
        }

    def _minutes(self, request: web.Request, wait: timedelta | None) -> str:
        if wait is None:
            return "–"
        seconds = round(wait.total_seconds())
        if seconds < 60:
            return self._door.say(request, "overview.seconds", seconds=seconds)
        if seconds < 3600:
            return self._door.say(request, "overview.minutes", minutes=round(seconds / 60))
        return self._door.say(request, "overview.hours", hours=seconds // 3600, minutes=round(seconds % 3600 / 60))

    def _share(self, request: web.Request, times: ReplyTimes) -> str:
        if times.share_kept is None:
            return "–"
        # Rounded down: 199 of 200 is not all.
        percent = int(times.share_kept * 100)
        return self._door.say(request, "overview.share", percent=percent, kept=times.kept, settled=times.settled)

    def _evenings(self, now: datetime, language: Language) -> list[tuple[str, str]]:
        """The nights that are shown: day of the month, and the whole date for whoever asks."""
        return [(str(each.day), say_date(each, language)) for each in self._shown_nights(now)]

    def _shown_nights(self, now: datetime) -> list[date]:
        local = now.astimezone(self._house.settings.zone)
        latest = night_of(now, self._house.settings.zone) or local.date() - timedelta(days=1)
        return [latest - timedelta(days=back) for back in reversed(range(NIGHTS))]

    def _nights(
        self,
        paged: Sequence[tuple[str, datetime]],
        zones: Mapping[str, ZoneInfo],
        names: Mapping[str, str],
        now: datetime,
    ) -> list[Night]:
        shown = self._shown_nights(now)
        found: Mapping[str, Counter[date]] = wakings(paged, zones, self._house.settings.zone)
        nights = [
            Night(names.get(staff_id, staff_id), tuple(counts[night] for night in shown))
            for staff_id, counts in found.items()
        ]
        return sorted((each for each in nights if each.total), key=lambda each: (-each.total, each.name))

    def _drill(self, request: web.Request, held: DrillHeld, names: Mapping[str, str], tell: Telling) -> dict[str, str]:
        if held.taken_at is not None and held.taken_by is not None:
            name = names.get(held.taken_by, held.taken_by)
            took = self._minutes(request, held.taken_at - held.opened_at)
            came = self._door.say(request, "overview.drill.taken", name=name, after=took)
        elif held.ended_at is not None:
            came = self._door.say(request, "overview.drill.nobody")
        else:
            came = self._door.say(request, "overview.drill.running")
        return {
            "at": tell.full_moment(held.opened_at),
            "urgency": self._door.say(request, f"desk.urgency.{held.urgency.value}"),
            "came": came,
            "paged": self._door.say(request, "overview.drill.paged", count=held.paged),
        }

    # --- doing --------------------------------------------------------------------------------------------------------

    async def drill(self, request: web.Request) -> web.StreamResponse:
        """Start a drill."""
        staff = self._door.member(request, Role.COORDINATOR)
        form = await self._door.form(request)
        try:
            urgency, language = Urgency(str(form.get("urgency", ""))), Language(str(form.get("language", "")))
        except ValueError as error:
            raise Refused(400, "error.bad_request") from error
        async with self._house.db.write() as conn:
            begun = await practice.start(
                conn,
                self._door.room.means,
                urgency=urgency,
                language=language,
                country=self._house.country,
                staff_id=staff.id,
                now=self._house.clock.now(),
            )
        return see_other(f"{HERE}?told={'drill' if begun is not None else 'drill_runs'}#drills")

    async def talked(self, request: web.Request) -> web.StreamResponse:
        """Note that somebody was talked with after a hard conversation."""
        staff = self._door.member(request, Role.COORDINATOR)
        form = await self._door.form(request)
        async with self._house.db.write() as conn:
            done = await shift_store.talked_through(
                conn,
                str(form.get("case", ""))[:32],
                str(form.get("staff", ""))[:64],
                staff.id,
                self._house.clock.now(),
            )
        return see_other(f"{HERE}?told={'talked' if done else 'not_waiting'}#debriefs")

    async def hole(self, request: web.Request) -> web.StreamResponse:
        """Note that a coordinator knows of a hole and has a plan: nobody is told of it a second time."""
        staff = self._door.member(request, Role.COORDINATOR)
        form = await self._door.form(request)
        now, which = self._house.clock.now(), str(form.get("which", ""))
        async with self._house.db.write() as conn:
            present = await staff_now(conn, now, channels=self._door.room.means.channels)
            plans = await rota_store.plans(conn, now, now + timedelta(days=coverage.DAYS))
            found = coverage.holes(plans, now, speaks=present.speaks)
            hole = next((each for each in found if _which(each) == which and not each.foreseen), None)
            if hole is not None:
                await rota_watch.accept_hole(conn, hole, staff.id, now)
        return see_other(f"{HERE}?told={'hole' if hole is not None else 'no_hole'}#duty-head")

    async def move(self, request: web.Request) -> web.StreamResponse:
        """Do not wait for the step to run out, or start over on the ladders as they are now."""
        staff = self._door.member(request, Role.COORDINATOR)
        await self._door.form(request)
        case_id, up = request.match_info["case"], request.match_info["act"] == "move"
        act = advisors.move_up if up else advisors.reapply
        async with self._house.db.write() as conn:
            done = await act(conn, self._door.room.means, case_id, staff.id, self._house.clock.now())
            if done.filed is not None:
                self._house.tell_page(conn, done.filed.conversation_id)
        if done.outcome is Outcome.UNKNOWN:
            raise Refused(404, "error.not_found")
        moved = done.outcome is Outcome.MOVED_ON
        return see_other(f"{HERE}?told={('moved' if up else 'reapplied') if moved else 'not_moved'}#open")


def _which(hole: Hole) -> str:
    """A hole as a form names it, by its end: its beginning moves with the clock once it has begun."""
    return f"{hole.roster}|{hole.language or ''}|{say_instant(hole.span.end)}"


def _pressing(filed: Filed, now: datetime) -> bool:
    it = filed.escalation
    if it.state is State.LAST_RESORT:
        return True
    return it.state is State.SEEKING and (it.promise_at is None or it.promise_at <= now)

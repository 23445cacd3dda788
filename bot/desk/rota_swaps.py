"""Shifts that pass from one advisor to another: offered, asked for, swapped, answered, taken back.

Whoever offers has said yes; the roster changes when the other says yes too. Coordinators see all that waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from aiohttp import web

from bot.desk.door import DeskDoor
from bot.desk.rota_telling import HERE, MEMBERS, RotaTelling, frame, rota_telling
from escalation.rota import store as rota_store
from escalation.rota import swaps
from escalation.rota import words as rota_words
from escalation.rota.exchange import CannotExchange, Exchange, Kind, Objection, State
from escalation.rota.swaps import Ahead
from helpline.accounts import Role
from helpline.messages import Language
from helpline.web import LANGUAGE, Access, Refused, Route, see_other

SWAPS: Final = HERE + "/swaps"
_TOLD: Final = frozenset({"offered", "accepted", "declined", "withdrawn", "overtaken", "passed"})
_BEHIND: Final = timedelta(days=30)
_MOST: Final = 120  # shifts of colleagues that are listed


@dataclass(frozen=True)
class Typed:
    """What was chosen on the page."""

    what: str = ""
    shift: str = ""
    taker: str = ""
    back: str = ""


class SwapDesk:
    """The routes of swaps."""

    def __init__(self, door: DeskDoor) -> None:
        self._door = door
        self._house = door.house

    def routes(self) -> list[Route]:
        """The addresses, for advisors and coordinators."""
        staff = Access.STAFF
        return [
            Route("GET", SWAPS, self.show, staff),
            Route("POST", SWAPS + "/offer", self.offer, staff),
            Route("GET", SWAPS + "/offer", self.back, staff),
            Route("POST", SWAPS + "/{id:[0-9a-f]{4,40}}/{action:accept|decline|withdraw}", self.answer, staff),
            Route("GET", SWAPS + "/{id:[0-9a-f]{4,40}}/{action:accept|decline|withdraw}", self.back, staff),
        ]

    async def back(self, request: web.Request) -> web.StreamResponse:
        """A form's address, loaded anew, is the list."""
        self._door.member(request, *MEMBERS)
        return see_other(SWAPS)

    async def show(self, request: web.Request) -> web.StreamResponse:
        """What waits for an answer, one's own shifts, and those of colleagues."""
        told = request.query.get("told", "")
        typed = Typed(shift=request.query.get("shift", ""))
        return await self._page(request, typed=typed, notice=f"desk.rota.swap.told.{told}" if told in _TOLD else "")

    async def offer(self, request: web.Request) -> web.StreamResponse:
        """Give a shift away, swap it, or ask for a colleague's."""
        staff = self._door.member(request, *MEMBERS)
        form = await self._door.form(request)
        typed = Typed(*(str(form.get(name, "")).strip()[:60] for name in ("do", "shift", "taker", "back")))
        now, means = self._house.clock.now(), self._door.room.means
        try:
            async with self._house.db.write() as conn:
                ahead = {each.id: each for each in await swaps.shifts_ahead(conn, now)}
                shift = _known(ahead, typed.shift)
                whose: Mapping[str, Any] = {"roster": shift.roster, "holder": shift.person, "span": shift.span}
                if typed.what == "take":
                    await swaps.ask_to_take(conn, means, **whose, taker=staff.id, now=now)
                elif shift.person != staff.id:
                    raise CannotExchange(Objection.NOT_THEIRS)
                elif typed.what == "swap":
                    other = _known(ahead, typed.back)
                    if other.roster != shift.roster:
                        raise CannotExchange(Objection.UNKNOWN)
                    await swaps.offer_swap(conn, means, **whose, taker=other.person, back=other.span, now=now)
                else:
                    await swaps.give_away(conn, means, **whose, taker=typed.taker or None, now=now)
        except CannotExchange as error:
            return await self._page(request, wrong=error.objection, typed=typed, status=422)
        return see_other(f"{SWAPS}?told=offered")

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Say yes or no, or take one's own offer back."""
        staff = self._door.member(request, *MEMBERS)
        await self._door.form(request)
        now, means = self._house.clock.now(), self._door.room.means
        exchange_id, answer = request.match_info["id"], request.match_info["action"]
        act = {"accept": swaps.accept, "decline": swaps.decline, "withdraw": swaps.withdraw}[answer]
        try:
            async with self._house.db.write() as conn:
                done = await act(conn, means, exchange_id, staff.id, now)
        except CannotExchange as error:
            if error.objection in {Objection.UNKNOWN, Objection.NOT_FOR_YOU}:
                raise Refused(404, "error.not_found") from error
            return await self._page(request, wrong=error.objection, status=409)
        # An offer to everybody that one person does not want stays open for the others.
        told = "passed" if done.state is State.OPEN else done.state.value
        return see_other(f"{SWAPS}?told={told}")

    # --- the page -----------------------------------------------------------------------------------------------------

    async def _page(
        self,
        request: web.Request,
        *,
        notice: str = "",
        wrong: Objection | None = None,
        typed: Typed | None = None,
        status: int = 200,
    ) -> web.Response:
        staff = self._door.member(request, *MEMBERS)
        now = self._house.clock.now()
        async with self._house.db.read() as conn:
            tell = await rota_telling(self._door, request, conn)
            zones = {
                each.name: (each.version_at(now) or each.versions[0]).zone
                for each in await rota_store.plans(conn, now, now + swaps.AHEAD)
                if each.versions
            }
            ahead = await swaps.shifts_ahead(conn, now)
            offers = await swaps.open_for(conn, staff.id)
            past = [
                each
                for each in await rota_store.exchanges_of(conn, staff.id, since=now - _BEHIND)
                if each.state is not State.OPEN
            ]
            everything = await rota_store.open_exchanges(conn) if Role.COORDINATOR in staff.roles else []
        teller = _Teller(tell, zones, request[LANGUAGE], several=len(zones) > 1)
        theirs = [each for each in ahead if each.person != staff.id]
        return self._door.pages.page(
            "desk/rota_swaps.html",
            request[LANGUAGE],
            status=status,
            to_answer=[teller.row(each) for each in offers.to_answer],
            waiting=[teller.row(each) for each in offers.waiting],
            mine=[(each.id, teller.shift(each)) for each in ahead if each.person == staff.id],
            theirs=[(each.id, teller.named(each)) for each in theirs[:_MOST]],
            past=[{**teller.row(each), "state": tell.say(f"desk.rota.swap.state.{each.state.value}")} for each in past],
            all_open=[teller.row(each) for each in everything],
            colleagues=tell.choices(but=staff.id),
            typed=typed or Typed(),
            wrong=tell.say(f"rota.cannot.{wrong.value}") if wrong is not None else "",
            notice=tell.say(notice) if notice else "",
            address=SWAPS,
            **await frame(self._door, request, SWAPS),
        )


class _Teller:
    """Shifts and offers in the reader's words."""

    def __init__(self, tell: RotaTelling, zones: Mapping[str, ZoneInfo], language: Language, *, several: bool) -> None:
        self._tell = tell
        self._zones = zones
        self._language = language
        self._several = several

    def row(self, made: Exchange) -> Mapping[str, Any]:
        """An offer in a sentence, and what can be done with it."""
        tell = self._tell
        said = {
            "holder": tell.person(made.holder),
            "taker": tell.person(made.taker) if made.taker is not None else tell.say("desk.rota.swap.anybody"),
            "shift": self._span(made.roster, made.span),
            "back": self._span(made.roster, made.back) if made.back is not None else "",
        }
        everybody = made.kind is Kind.GIVE and made.taker is None
        return {
            "id": made.id,
            "words": tell.say(f"desk.rota.swap.kind.{made.kind.value}", **said),
            "made": tell.say("desk.rota.swap.made", name=tell.person(made.made_by), time=tell.moment(made.made_at)),
            "may_decline": not everybody,
        }

    def shift(self, each: Ahead) -> str:
        """When it is, short enough for a list on a phone, and by which roster where there are several."""
        zone = self._zones.get(each.roster, self._tell.zone)
        said = rota_words.say_span(each.span, zone, self._language)
        return f"{said} ({each.roster})" if self._several else said

    def named(self, each: Ahead) -> str:
        """Whose it is and when."""
        return f"{self._tell.person(each.person)}: {self.shift(each)}"

    def _span(self, roster: str, span: Any) -> str:
        zone = self._zones.get(roster, self._tell.zone)
        said = self._tell.span(span.start, span.end, zone)
        return f"{said} ({roster})" if self._several else said


def _known(ahead: Mapping[str, Ahead], shift: str) -> Ahead:
    found = ahead.get(shift)
    if found is None:
        raise CannotExchange(Objection.UNKNOWN)
    return found

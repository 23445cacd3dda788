"""The referrals at `/desk/referrals`: which are open, and of which nobody has told for too long what came of them.

An advisor sees those of own cases. A coordinator sees every row, since somebody must ask where nobody told, and no way
from it into a conversation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.answers import Form
from bot.beside import Beside, Card, Reader
from bot.desk.door import DeskDoor
from bot.desk.referral_sheet import ReferralSheet, Shown, capacity_in, outcome_in, region_name, taps
from bot.desk.telling import telling
from bot.library import TOPIC as LIBRARY
from escalation import store as escalations
from escalation.advisors import may_read
from helpline.accounts import Role, Staff
from helpline.messages import Country, Language
from helpline.storage import wake
from helpline.web import LANGUAGE, Access, Refused, Route, see_other
from routing import capacity_store
from routing.referrals import referral as referrals
from routing.referrals import store as referral_store
from routing.referrals.referral import ANOTHER_IS_NEEDED, Outcome, Referral
from routing.referrals.store import KEPT_OPEN, NoSuchReferral

HERE: Final = "/desk/referrals"
_SIZE: Final = 25
_COUNTED: Final = 100
_TOLD: Final = {"outcome": "desk.referral.told.outcome", "room": "desk.room.told", "number": "desk.room.no.number"}


@dataclass(frozen=True)
class Own:
    """What somebody may see of the referrals: all of them, or those of own cases."""

    made_by: str | None
    conversations: Sequence[str] = ()

    def holds(self, referral: Referral) -> bool:
        """Whether this one is among them."""
        return (
            self.made_by is None
            or referral.made_by == self.made_by
            or (referral.conversation_id is not None and referral.conversation_id in self.conversations)
        )


class ReferralDesk:
    """The routes of the list."""

    def __init__(self, door: DeskDoor) -> None:
        self._door = door
        self._house = door.house
        self._beside = Beside(door.house)
        door.counts[HERE] = self._count

    def routes(self) -> list[Route]:
        """The addresses of the list; a form's, loaded anew, is the list."""
        staff = Access.STAFF
        return [
            Route("GET", HERE, self.show, staff),
            Route("GET", HERE + "/{act:outcome|room}", self.back, staff),
            Route("POST", HERE + "/outcome", self.outcome, staff),
            Route("POST", HERE + "/room", self.room, staff),
        ]

    def _member(self, request: web.Request) -> Staff:
        return self._door.member(request, Role.ADVISOR, Role.COORDINATOR)

    async def _own(self, conn: AsyncConnection, staff: Staff, now: datetime) -> Own:
        if Role.COORDINATOR in staff.roles:
            return Own(None)
        return Own(f"staff:{staff.id}", await escalations.conversations_of(conn, staff.id, since=now - KEPT_OPEN))

    async def _count(self, conn: AsyncConnection, staff: Staff, now: datetime) -> int:
        """For a coordinator, of how many nobody told too long; for an advisor, of how many of their own it is due."""
        if Role.COORDINATOR in staff.roles:
            return len(await referral_store.without_outcome(conn, now))
        own = await self._own(conn, staff, now)
        found, _ = await referral_store.listed(
            conn, now, made_by=own.made_by, conversations=own.conversations, only_open=True, limit=_COUNTED
        )
        return sum(referrals.due(each, now) for each in found)

    # --- the list -----------------------------------------------------------------------------------------------------

    async def back(self, request: web.Request) -> web.StreamResponse:
        """A form's address, loaded anew, is the list."""
        return see_other(HERE)

    async def show(self, request: web.Request) -> web.StreamResponse:
        """The rows, what presses most first."""
        staff = self._member(request)
        language, now, query = request[LANGUAGE], self._house.clock.now(), request.query
        asked = query.get("page", "1")
        page = max(1, int(asked)) if asked.isascii() and asked.isdecimal() and len(asked) < 6 else 1
        show = query.get("show", "")
        outcome = next((each for each in Outcome if each.value == show), None)
        async with self._house.db.read() as conn:
            own = await self._own(conn, staff, now)
            services, regions = await referral_store.told_of(conn, made_by=own.made_by, conversations=own.conversations)
            service_id = query.get("service", "") if query.get("service", "") in services else ""
            region = next((each for each in regions if _code(*each) == query.get("region", "")), None)
            found, total = await referral_store.listed(
                conn,
                now,
                made_by=own.made_by,
                conversations=own.conversations,
                service_id=service_id,
                region=region,
                outcome=outcome,
                only_open=show == "open",
                limit=_SIZE,
                offset=(page - 1) * _SIZE,
            )
            rooms = await capacity_store.newest(conn)
            cases = await self._cases(conn, staff, found, now)
            tell = await telling(self._door, request, conn)
            said_no = await referral_store.find(conn, query.get("next", ""))
            if said_no is not None and not own.holds(said_no):
                said_no = None
            tried = await self._tried(conn, said_no) if said_no is not None else frozenset()
        sheet = ReferralSheet(self._house, language, tell, rooms)
        shown = [
            (_group(each, now), sheet.shown(each, now, case=cases.get(each.conversation_id or "", "")))
            for each in found
        ]
        chosen = {
            "service": service_id,
            "region": _code(*region) if region is not None else "",
            "show": show if outcome is not None or show == "open" else "",
        }
        kept = {key: value for key, value in chosen.items() if value}
        told = query.get("told", "")
        directory = self._house.library.directory
        return self._door.pages.page(
            "desk/referrals.html",
            language,
            notice=self._door.say(request, _TOLD[told]) if told in _TOLD else "",
            groups=_grouped(shown),
            services=[
                (each, service.called(language) if (service := directory.find(each)) is not None else each)
                for each in services
            ],
            regions=[(_code(*each), region_name(self._house, *each)) for each in regions],
            shows=[
                ("open", self._door.say(request, "desk.referrals.open")),
                *((each.value, tell.say(f"desk.referral.outcome.{each.value}")) for each in Outcome),
            ],
            chosen=chosen,
            back=urlencode({**kept, "page": page}) if page > 1 else urlencode(kept),
            page=page,
            pages=max(1, -(-total // _SIZE)),
            address=f"{HERE}?{urlencode(kept)}&" if kept else f"{HERE}?",
            everybody=own.made_by is None,
            next_best=self._next(said_no, tried, language, now) if said_no is not None else None,
            **taps(tell),
            **await self._door.frame(request),
        )

    async def _cases(
        self, conn: AsyncConnection, staff: Staff, found: Sequence[Referral], now: datetime
    ) -> dict[str, str]:
        """Where the case of a conversation is, for the advisor who may read it."""
        if Role.ADVISOR not in staff.roles:
            return {}
        addresses = {}
        for conversation_id in {each.conversation_id for each in found if each.conversation_id is not None}:
            for filed in await escalations.list_of(conn, conversation_id):
                if may_read(filed, staff.id, now):
                    addresses[conversation_id] = f"/desk/{filed.id}"
                    break
        return addresses

    async def _tried(self, conn: AsyncConnection, said_no: Referral) -> frozenset[str]:
        """The services that were tried for the same patient."""
        tried = [said_no]
        if said_no.conversation_id is not None:
            tried += await referral_store.of_conversation(conn, said_no.conversation_id)
        return frozenset(each.service_id for each in tried)

    def _next(self, said_no: Referral, tried: frozenset[str], language: Language, now: datetime) -> Card | None:
        """Where to try next after this one."""
        if said_no.outcome not in ANOTHER_IS_NEEDED or said_no.revoked:
            return None
        reader = Reader(language, said_no.country, Form.WIDE)
        return self._beside.next_best(said_no.facts, tried, reader, language, now)

    # --- telling ------------------------------------------------------------------------------------------------------

    async def _found(self, conn: AsyncConnection, staff: Staff, referral_id: str, now: datetime) -> Referral:
        """One that this member of staff may see; for everybody else it is not there."""
        found = await referral_store.find(conn, referral_id)
        if found is None or not (await self._own(conn, staff, now)).holds(found):
            raise Refused(404, "error.not_found")
        return found

    async def outcome(self, request: web.Request) -> web.StreamResponse:
        """Write down what came of one; where it was no, the next one is shown above the list."""
        staff = self._member(request)
        form = await self._door.form(request)
        now = self._house.clock.now()
        referral_id, _, word = str(form.get("outcome", "")).partition(":")
        said = outcome_in(word)
        if said is None:
            raise Refused(400, "error.bad_request")
        async with self._house.db.write() as conn:
            found = await self._found(conn, staff, referral_id, now)
            safe = None
            if found.conversation_id is not None:
                safe = await referral_store.safe_contact_of(conn, self._house.vault, found.conversation_id)
            try:
                await referral_store.record_outcome(
                    conn, found.id, said[0], refused_for=said[1], by=f"staff:{staff.id}", now=now, safe=safe
                )
            except NoSuchReferral as error:
                raise Refused(404, "error.not_found") from error
            wake(conn, LIBRARY)
        asked = {"next": found.id} if said[0] in ANOTHER_IS_NEEDED else {}
        return self._again(form, {"told": "outcome", **asked}, "" if asked else found.id)

    async def room(self, request: web.Request) -> web.StreamResponse:
        """What a service told of its room."""
        staff = self._member(request)
        form = await self._door.form(request)
        now = self._house.clock.now()
        referral_id, _, said = str(form.get("room", "")).partition(":")
        async with self._house.db.write() as conn:
            found = await self._found(conn, staff, referral_id, now)
            told = capacity_in(found.service_id, said, str(form.get(f"free_{referral_id}", "")), now)
            if told is not None:
                await capacity_store.tell(conn, told, actor=f"staff:{staff.id}", now=now)
                wake(conn, LIBRARY)
        return self._again(form, {"told": "room" if told is not None else "number"}, found.id)

    def _again(self, form: Any, told: dict[str, str], at: str) -> web.StreamResponse:
        """The list as it was filtered, with what was done."""
        kept = _kept(str(form.get("back", "")))
        fragment = f"#referral-{at}" if at else "#next"
        return see_other(f"{HERE}?{urlencode({**kept, **told})}{fragment}")


def _kept(written: str) -> dict[str, str]:
    """The filters that a form carries, as far as they are filters."""
    query = dict(parse_qsl(written[:400]))
    return {key: query[key] for key in ("service", "region", "show", "page") if key in query}


def _code(country: Country, region: str) -> str:
    return f"{country.value}.{region}"


def _group(referral: Referral, now: datetime) -> str:
    if not referral.open:
        return "settled"
    return "overdue" if referrals.overdue(referral, now) else "due" if referrals.due(referral, now) else "open"


def _grouped(shown: Sequence[tuple[str, Shown]]) -> list[tuple[str, list[Shown]]]:
    groups: dict[str, list[Shown]] = {}
    for group, each in shown:
        groups.setdefault(group, []).append(each)
    return list(groups.items())

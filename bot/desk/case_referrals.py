"""Referrals from the case they are for: made of a service found beside it, with slip, outcome and what to try next; and
how the clinician may be reached safely.

Every form here belongs to the reply's own, so that what was written in the box comes back whichever button was pressed.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.beside import Wanted
from bot.desk import safe_sheet
from bot.desk.case import typed_in
from bot.desk.case_room import CASE, FORM_ID, LONGEST_FORM, CaseRoom, Open, Referring, Typed, is_theirs
from bot.desk.door import DeskDoor
from bot.desk.referral_sheet import capacity_in, outcome_in
from bot.dialogue import State, state_from_json
from bot.library import TOPIC as LIBRARY
from escalation.store import Filed
from helpline.accounts import Staff
from helpline.phrases import ZONES
from helpline.sessions import csrf_holds, staff_of
from helpline.storage import wake
from helpline.vault import Forgotten
from helpline.web import Access, Refused, Route, see_other, wants_page
from routing import capacity_store
from routing.matching.match import AgeGroup
from routing.referrals import referral as referrals
from routing.referrals import store as referral_store
from routing.referrals.referral import Basis, Facts, Referral, Via
from routing.referrals.store import NoSuchReferral
from routing.services import Answer, Sex

_ABOUT: Final = {"woman": (Sex.FEMALE, AgeGroup.ADULT), "man": (Sex.MALE, AgeGroup.ADULT)}
_HEARD: Final = {"other": (Sex.OTHER, None), "child": (None, AgeGroup.MINOR), "family": (None, AgeGroup.ADULT)}


class CaseReferrals:
    """The routes of a case's referrals."""

    def __init__(self, door: DeskDoor, room: CaseRoom) -> None:
        self._door = door
        self._house = door.house
        self._room = room

    def routes(self) -> list[Route]:
        """The addresses; loaded anew, each is the case."""
        staff = Access.STAFF
        return [
            Route("POST", CASE + "/refer", self.refer, staff, LONGEST_FORM),
            Route("POST", CASE + "/referral", self.make, staff, LONGEST_FORM),
            Route("POST", CASE + "/outcome", self.outcome, staff, LONGEST_FORM),
            Route("POST", CASE + "/revoke", self.revoke, staff, LONGEST_FORM),
            Route("POST", CASE + "/room", self.room, staff, LONGEST_FORM),
            Route("POST", CASE + "/safe", self.safe, staff, LONGEST_FORM),
        ]

    # --- the way in and out -------------------------------------------------------------------------------------------

    async def _opened(self, request: web.Request, *, theirs: bool = False) -> tuple[Open, Staff, Any, Typed | None]:
        """The case, who asks, the form; and where the form is of an old session, the page that says so."""
        opened = await self._room.open_mine(request)
        staff = staff_of(request)
        if theirs and not is_theirs(opened, staff):
            raise Refused(404, "error.not_found")
        form = await request.post()
        if csrf_holds(request, form):
            return opened, staff, form, None
        stale = replace(typed_in(form), notice=self._door.say(request, "desk.told.press_again"), status=403)
        return opened, staff, form, stale

    async def _page(self, request: web.Request, opened: Open, typed: Typed) -> web.StreamResponse:
        """The case with what was typed; its parts alone for a page that is open."""
        if wants_page(request):
            return await self._room.page(request, opened, typed)
        parts = await self._room.parts(request, opened, typed)
        return web.json_response({"parts": parts, "message": typed.notice}, status=typed.status)

    async def _done(self, request: web.Request, opened: Open, typed: Typed, told: str, key: str) -> web.StreamResponse:
        """What was asked for is done: the case anew, or its parts; an unsent reply stays in the box."""
        if wants_page(request) and not typed.draft.strip():
            where = "safe" if told == "safe" else "referrals"
            return see_other(f"/desk/{request.match_info['case']}?told={told}#{where}")
        return await self._page(request, opened, replace(typed, notice=self._door.say(request, key)))

    # --- making one ---------------------------------------------------------------------------------------------------

    async def refer(self, request: web.Request) -> web.StreamResponse:
        """Begin a referral to the service of a card."""
        opened, _, form, stale = await self._opened(request, theirs=True)
        if stale is not None:
            return await self._page(request, opened, stale)
        typed, claim = typed_in(form), str(form.get("refer", ""))
        if not claim:
            return await self._page(request, opened, typed)
        wanted = self._room.beside.wanted(claim)
        if wanted is None:
            return await self._gone(request, opened, typed)
        return await self._page(request, opened, replace(typed, referring=_begun(opened, wanted, claim)))

    async def _gone(self, request: web.Request, opened: Open, typed: Typed) -> web.StreamResponse:
        return await self._page(
            request, opened, replace(typed, notice=self._door.say(request, "desk.case.gone"), status=409)
        )

    async def make(self, request: web.Request) -> web.StreamResponse:
        """Write the referral down, with the patient's consent or as advice about nobody."""
        opened, staff, form, stale = await self._opened(request, theirs=True)
        if stale is not None:
            return await self._page(request, opened, stale)
        typed, claim = typed_in(form), str(form.get("referral", ""))
        wanted = self._room.beside.wanted(claim)
        if wanted is None:
            return await self._gone(request, opened, typed)
        told = _told(form, replace(_begun(opened, wanted, claim), introduction=False))
        if told.basis not in {each.value for each in Basis}:
            wrong = self._door.say(request, "desk.referral.no.basis")
            return await self._page(request, opened, replace(typed, referring=replace(told, wrong=wrong), status=422))
        async with self._house.db.write() as conn:
            filed = await self._room.locked(conn, request, staff)
            await self._write(conn, filed, staff, wanted, told)
        return await self._done(request, opened, typed, "referred", "desk.referral.told.made")

    async def _write(
        self, conn: AsyncConnection, filed: Filed, staff: Staff, wanted: Wanted, told: Referring
    ) -> Referral:
        now = self._house.clock.now()
        safe = await referral_store.safe_contact_of(conn, self._house.vault, filed.conversation_id)
        needs = self._house.library.directory.needs
        tonight = wanted.need in needs and needs[wanted.need].urgent
        facts = Facts(
            country=wanted.country,
            region=wanted.region,
            needs=(wanted.need,) if wanted.need else (),
            sex=next((each for each in Sex if each.value == told.sex), None),
            age_group=next((each for each in AgeGroup if each.value == told.age), None),
            with_children=told.children,
        )
        return await referral_store.make(
            conn,
            key=f"desk:{filed.id}:{told.form_id}",
            service=wanted.service,
            facts=facts,
            basis=Basis(told.basis),
            via=Via.DESK,
            made_by=f"staff:{staff.id}",
            conversation_id=filed.conversation_id,
            now=now,
            ask_at=referrals.ask_first(now, tonight=tonight, country=filed.country, safe=safe) if told.ask else None,
            introduction=told.introduction and told.introduces,
        )

    # --- what came of it ----------------------------------------------------------------------------------------------

    async def _mine(self, conn: AsyncConnection, request: web.Request, staff: Staff, referral_id: str) -> Referral:
        """One referral of this case while it is being changed; for everybody else it is not there."""
        filed = await self._room.locked(conn, request, staff)
        found = await referral_store.find(conn, referral_id)
        if found is None or found.conversation_id != filed.conversation_id:
            raise Refused(404, "error.not_found")
        return found

    async def outcome(self, request: web.Request) -> web.StreamResponse:
        """Write down what came of it; the page shows the next service where this one said no."""
        opened, staff, form, stale = await self._opened(request)
        if stale is not None:
            return await self._page(request, opened, stale)
        referral_id, _, word = str(form.get("outcome", "")).partition(":")
        said = outcome_in(word)
        if said is None:
            raise Refused(400, "error.bad_request")
        async with self._house.db.write() as conn:
            await self._mine(conn, request, staff, referral_id)
            safe = await referral_store.safe_contact_of(conn, self._house.vault, opened.filed.conversation_id)
            try:
                await referral_store.record_outcome(
                    conn,
                    referral_id,
                    said[0],
                    refused_for=said[1],
                    by=f"staff:{staff.id}",
                    now=self._house.clock.now(),
                    safe=safe,
                )
            except NoSuchReferral as error:
                raise Refused(404, "error.not_found") from error
            wake(conn, LIBRARY)
        return await self._done(request, opened, typed_in(form), "outcome", "desk.referral.told.outcome")

    async def revoke(self, request: web.Request) -> web.StreamResponse:
        """The patient took the consent back."""
        opened, staff, form, stale = await self._opened(request)
        if stale is not None:
            return await self._page(request, opened, stale)
        async with self._house.db.write() as conn:
            found = await self._mine(conn, request, staff, str(form.get("revoke", "")))
            await referral_store.revoke(conn, found.id, by=f"staff:{staff.id}", now=self._house.clock.now())
        return await self._done(request, opened, typed_in(form), "revoked", "desk.referral.told.revoked")

    async def room(self, request: web.Request) -> web.StreamResponse:
        """What a service told of its room when it was called."""
        opened, staff, form, stale = await self._opened(request)
        if stale is not None:
            return await self._page(request, opened, stale)
        referral_id, _, said = str(form.get("room", "")).partition(":")
        now = self._house.clock.now()
        async with self._house.db.write() as conn:
            found = await self._mine(conn, request, staff, referral_id)
            told = capacity_in(found.service_id, said, str(form.get(f"free_{referral_id}", "")), now)
            if told is not None:
                await capacity_store.tell(conn, told, actor=f"staff:{staff.id}", now=now)
                wake(conn, LIBRARY)
        if told is None:
            wrong = replace(typed_in(form), notice=self._door.say(request, "desk.room.no.number"), status=422)
            return await self._page(request, opened, wrong)
        return await self._done(request, opened, typed_in(form), "room", "desk.room.told")

    # --- safe contact -------------------------------------------------------------------------------------------------

    async def safe(self, request: web.Request) -> web.StreamResponse:
        """Keep how she may be reached."""
        opened, staff, form, stale = await self._opened(request)
        if stale is not None:
            return await self._page(request, opened, stale)
        now, zone = self._house.clock.now(), ZONES[opened.filed.country]
        written = safe_sheet.typed_in(form)
        typed = typed_in(form)
        rules = safe_sheet.rules_in(written, now, zone)
        if isinstance(rules, str):
            wrong = replace(written, wrong=self._door.say(request, rules))
            return await self._page(request, opened, replace(typed, safe=wrong, status=422))
        try:
            async with self._house.db.write() as conn:
                filed = await self._room.locked(conn, request, staff)
                await referral_store.set_safe_contact(
                    conn, self._house.vault, filed.conversation_id, rules, by=f"staff:{staff.id}", now=now
                )
        except Forgotten as error:
            raise Refused(404, "error.not_found") from error
        return await self._done(request, opened, typed, "safe", "desk.safe.told")


def _begun(opened: Open, wanted: Wanted, claim: str) -> Referring:
    """A referral with what she told of the patient already, as a beginning."""
    assert opened.conversation is not None
    kept = opened.conversation.state
    state: State | None = state_from_json(kept) if kept is not None else None
    who = state.referral.who if state is not None and state.referral is not None else ""
    sex, age = {**_ABOUT, **_HEARD}.get(who, (None, None))
    told_age = age.value if age is not None else state.age if state is not None else ""
    if state is not None and state.age == AgeGroup.MINOR:
        told_age = state.age  # said since, and what matters most
    takes = wanted.service.introduction
    return Referring(
        claim=claim,
        form_id=secrets.token_hex(16),
        title=wanted.service.called(opened.filed.language),
        introduces=takes is not Answer.NO,
        introduction_unsure=takes is Answer.ASK,
        sex=sex.value if sex is not None else "",
        age=told_age if told_age in {each.value for each in AgeGroup} else "",
        children=who == "family",
    )


def _told(form: Mapping[str, Any], begun: Referring) -> Referring:
    """The form's fields as they stand."""
    form_id = str(form.get("refer_id", ""))
    return replace(
        begun,
        form_id=form_id if FORM_ID.fullmatch(form_id) else begun.form_id,
        sex=str(form.get("refer_sex", "")),
        age=str(form.get("refer_age", "")),
        children=form.get("refer_children") == "yes",
        basis=str(form.get("refer_basis", "")),
        introduction=form.get("refer_introduction") == "yes",
        ask=form.get("refer_ask") == "yes",
    )

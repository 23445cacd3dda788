"""The coordinators' room for providers: who is certified and until when, what is late, and each provider's folder.

A certification is given or taken back by two coordinators; where something is missing, the page says what. A provider's
own people are invited here and see nothing but their own folder (`bot/desk/provider_own.py`).
"""

from __future__ import annotations

import csv
import io
import secrets
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.desk.keys import field_of
from bot.desk.provider_profile import ProfileForm
from bot.desk.provider_sheet import shown
from bot.desk.provider_telling import ProviderRoom, findings_of
from bot.desk.telling import Telling, telling
from bot.library import TOPIC as LIBRARY
from bot.office import INVITATION
from helpline import accounts, audit, staffing
from helpline.accounts import AlreadyTaken, Role, Staff
from helpline.messages import Country, Language
from helpline.staffing import BadEmail, Invitation
from helpline.storage import wake
from helpline.web import KILOBYTE, LANGUAGE, Access, Refused, Route, see_other
from routing.certification import decision_store, provider_store, store, visit_store
from routing.certification.provider_store import AlreadyProposed, CertificationError, ChangedMeanwhile, SamePerson
from routing.certification.standing import (
    REGION,
    ActionState,
    DecisionKind,
    Facts,
    RowAnswer,
    lacks_to_check,
    nobody_offers,
)
from routing.certification.store import Folder
from routing.organisations import Organisation
from routing.places import Place

HERE: Final = "/desk/providers"
ONE: Final = HERE + "/of/{organisation:[a-z0-9-]{1,140}}"
FORM_LIMIT: Final = 256 * KILOBYTE
_TOLD: Final = frozenset(
    {"begun", "accepted", "returned", "added", "changed", "noted", "checked", "proposed", "confirmed", "turned_down"}
    | {"invited", "left", "meanwhile", "closed"}
)
_HISTORY: Final = 200
_FARTHEST: Final = timedelta(days=3 * 366)  # how far ahead a date of the plan may lie


class ProvidersDesk:
    """The routes of the room."""

    def __init__(self, room: ProviderRoom) -> None:
        self._room = room
        self._door = room.door
        self._house = room.house
        self._form = ProfileForm(room)
        room.door.counts[HERE] = self._count

    async def _count(self, conn: AsyncConnection, staff: Staff, now: datetime) -> int:
        return await store.waiting(conn, self._room.today())

    def routes(self) -> list[Route]:
        """The addresses, for coordinators."""
        staff = Access.STAFF
        return [
            Route("GET", HERE, self.show, staff),
            Route("POST", HERE, self.begin, staff),
            Route("GET", HERE + "/gaps", self.gaps, staff),
            Route("GET", HERE + "/gaps.csv", self.gaps_file, staff),
            Route("GET", ONE, self.show_one, staff),
            Route("GET", ONE + "/profile", self.profile, staff),
            Route("POST", ONE + "/profile", self.save_profile, staff, FORM_LIMIT),
            Route("POST", ONE + "/profile/judge", self.judge, staff),
            Route("GET", ONE + "/profiles/{number:[0-9]{1,9}}", self.past_profile, staff),
            Route("GET", ONE + "/history", self.history, staff),
            Route("POST", ONE + "/actions", self.add_action, staff),
            Route("POST", ONE + "/actions/{item:[0-9]{1,15}}", self.move_action, staff),
            Route("POST", ONE + "/trainings", self.add_training, staff),
            Route("POST", ONE + "/checks", self.add_check, staff),
            Route("POST", ONE + "/decide", self.propose, staff),
            Route("POST", ONE + "/decide/{decision:[0-9]{1,15}}", self.settle, staff),
            Route("POST", ONE + "/invite", self.invite, staff),
            Route("POST", ONE + "/invite/{staff:[a-z0-9._-]{1,40}}", self.new_link, staff),
            Route("POST", ONE + "/leave", self.leave, staff),
            Route(
                "GET",
                ONE + "/{rest:(?:profile/judge|actions|trainings|checks|decide|invite|leave)(?:/.*)?}",
                self.back,
                staff,
            ),
        ]

    def _coordinator(self, request: web.Request) -> Staff:
        return self._door.member(request, Role.COORDINATOR)

    def _address(self, request: web.Request) -> str:
        return f"{HERE}/of/{request.match_info['organisation']}"

    async def _folder(self, request: web.Request) -> Folder:
        async with self._house.db.read() as conn:
            found = await store.folder(conn, self._house.vault, request.match_info["organisation"])
        if found is None:
            raise Refused(404, "error.not_found")
        return found

    async def _tell(self, request: web.Request) -> Telling:
        async with self._house.db.read() as conn:
            return await telling(self._door, request, conn)

    async def back(self, request: web.Request) -> web.StreamResponse:
        """A form's address, loaded anew, is the folder."""
        self._coordinator(request)
        return see_other(self._address(request))

    # --- everybody ----------------------------------------------------------------------------------------------------

    async def show(self, request: web.Request) -> web.StreamResponse:
        """Every provider, what is late and what is soon."""
        self._coordinator(request)
        return await self._list(request)

    async def _list(self, request: web.Request, wrong: str = "", *, status: int = 200) -> web.Response:
        async with self._house.db.read() as conn:
            known = await provider_store.providers(conn)
            facts = await store.facts_of_all(conn)
            tell = await telling(self._door, request, conn)
        today = self._room.today()
        rows: list[dict[str, Any]] = []
        due: list[tuple[date, dict[str, Any]]] = []
        for provider in known:
            found = self._room.programme.standing(facts.get(provider.organisation_id, Facts()), today)
            address = f"{HERE}/of/{provider.organisation_id}"
            rows.append(
                {
                    "provider": provider,
                    "address": address,
                    "stands": self._room.stands(request, tell, found),
                    "late": len(found.overdue),
                    "to_look_at": found.to_look_at,
                    "waiting": len(self._room.waiting(provider, facts.get(provider.organisation_id, Facts()))),
                }
            )
            dues = self._room.dues(request, tell, found)
            days = [each.on for each in (*found.overdue, *found.soon)]
            due += [
                (day, {"provider": provider, "address": address, "due": each})
                for day, each in zip(days, dues, strict=True)
            ]
        due.sort(key=lambda each: each[0])
        begun = {each.organisation_id for each in known}
        return self._door.pages.page(
            "desk/providers.html",
            request[LANGUAGE],
            status=status,
            rows=rows,
            late=[each for _, each in due if each["due"].late],
            soon=[each for _, each in due if not each["due"].late],
            certified=sum(row["stands"]["certified"] for row in rows),
            organisations=[
                (each.id, f"{each.name} ({each.country.value})")
                for each in self._organisations()
                if each.id not in begun
            ],
            wrong=wrong,
            notice=self._notice(request),
            source=self._room.programme.book.source,
            **await self._door.frame(request),
        )

    def _organisations(self) -> list[Organisation]:
        """The organisations of the directory, by name."""
        directory = self._house.library.directory
        found = {each.id: each for each in directory.organisations}
        for service in directory.services:
            organisation = directory.organisation_of(service)
            found.setdefault(organisation.id, organisation)
        return sorted(found.values(), key=lambda each: (each.name.casefold(), each.id))

    def _notice(self, request: web.Request) -> str:
        told = request.query.get("told", "")
        return self._room.say(request, f"providers.told.{told}") if told in _TOLD else ""

    async def begin(self, request: web.Request) -> web.StreamResponse:
        """Open a folder for an organisation of the directory."""
        staff = self._coordinator(request)
        form = await self._door.form(request)
        wanted = field_of(form, "organisation")
        organisation = next((each for each in self._organisations() if each.id == wanted), None)
        if organisation is None:
            return await self._list(request, self._room.say(request, "providers.wrong.organisation"), status=422)
        async with self._house.db.write() as conn:
            await provider_store.begin(
                conn,
                self._house.vault,
                organisation_id=organisation.id,
                country=organisation.country,
                name=organisation.name,
                actor=f"staff:{staff.id}",
                now=self._house.clock.now(),
            )
        return see_other(f"{HERE}/of/{organisation.id}?told=begun")

    # --- one folder ---------------------------------------------------------------------------------------------------

    async def show_one(self, request: web.Request) -> web.StreamResponse:
        """A provider's folder."""
        self._coordinator(request)
        return await self._one(request)

    async def _one(
        self,
        request: web.Request,
        wrong: Mapping[str, str] | None = None,
        typed: Mapping[str, Any] | None = None,
        *,
        status: int = 200,
    ) -> web.Response:
        folder = await self._folder(request)
        async with self._house.db.read() as conn:
            tell = await telling(self._door, request, conn)
            invited = await accounts.open_invitations(conn, now=self._house.clock.now())
        found = self._room.programme.standing(folder.facts, self._room.today())
        facts, book = folder.facts, self._room.programme.book
        unmet = [key for key, (verdict, _) in findings_of(folder).items() if verdict == "not_met"]
        return self._door.pages.page(
            "desk/provider.html",
            request[LANGUAGE],
            status=status,
            folder=folder,
            provider=folder.provider,
            address=self._address(request),
            tell=tell,
            stands=self._room.stands(request, tell, found),
            dues=self._room.dues(request, tell, found, folder.actions),
            draft=facts.draft,
            profile=facts.profile,
            kept_draft=next((each for each in folder.profiles if each.profile is facts.draft), None),
            rows_offered=len(facts.profile.offered) if facts.profile is not None else 0,
            requirements=[
                (each.key, f"{each.number}. {each.requirement_sv[:70]}")
                for each in book.by_key.values()
                if each.key in unmet
            ]
            + [
                (each.key, f"{each.number}. {each.requirement_sv[:70]}")
                for each in book.by_key.values()
                if each.key not in unmet
            ],
            by_key=book.by_key,
            late_items={due.action_id for due in found.overdue},
            proposed=next((each for each in folder.decisions if each.decision is facts.proposed), None),
            may_grant=not found.certified,
            waiting=self._room.waiting(folder.provider, facts),
            members=[
                (each, tell.who(each), tell.moment(invited[each]) if each in invited else "") for each in folder.members
            ],
            action_states=[state.value for state in ActionState],
            wrong=wrong or {},
            typed=typed or {},
            form_id=secrets.token_hex(16),
            today=self._room.today().isoformat(),
            notice=self._notice(request),
            **await self._door.frame(request),
        )

    async def _refuse(self, request: web.Request, about: str, said: str, form: Any, status: int = 422) -> web.Response:
        """The folder again, with what is wrong and what was typed."""
        typed = {name: field_of(form, name) for name in form if name != "csrf"}
        return await self._one(request, {about: said}, typed, status=status)

    def _done(self, request: web.Request, told: str, anchor: str = "") -> web.Response:
        return see_other(f"{self._address(request)}?told={told}{anchor}")

    async def history(self, request: web.Request) -> web.StreamResponse:
        """Everything that was done to a folder, the newest first."""
        self._coordinator(request)
        folder = await self._folder(request)
        subject = f"provider:{folder.provider.organisation_id}"
        async with self._house.db.read() as conn:
            entries = await audit.entries(conn, subject=subject, limit=_HISTORY)
            tell = await telling(self._door, request, conn)
        return self._door.pages.page(
            "desk/provider_history.html",
            request[LANGUAGE],
            provider=folder.provider,
            address=self._address(request),
            entries=[self._room.happened(request, tell, each) for each in entries],
            **await self._door.frame(request),
        )

    # --- the activity profile -----------------------------------------------------------------------------------------

    async def profile(self, request: web.Request) -> web.StreamResponse:
        """The activity profile as a form."""
        self._coordinator(request)
        address = self._address(request)
        return await self._form.show(request, await self._folder(request), f"{address}/profile", address)

    async def past_profile(self, request: web.Request) -> web.StreamResponse:
        """A profile as it was accepted; the latest and every earlier one."""
        self._coordinator(request)
        folder, number = await self._folder(request), int(request.match_info["number"])
        kept = next((each for each in folder.profiles if each.profile.number == number and each.accepted_by), None)
        if kept is None:
            raise Refused(404, "error.not_found")
        places, catalogue = self._form.places(folder), self._room.programme.catalogue
        rows = {key: shown(row, kept.profile.answers.get(key), places) for key, row in catalogue.rows.items()}
        return self._door.pages.page(
            "desk/provider_past.html",
            request[LANGUAGE],
            provider=folder.provider,
            address=self._address(request),
            kept=kept,
            catalogue=catalogue,
            rows={key: each for key, each in rows.items() if kept.profile.answers.get(key, RowAnswer()).offered},
            where=places.names(kept.profile.areas),
            tell=await self._tell(request),
            **await self._door.frame(request),
        )

    async def save_profile(self, request: web.Request) -> web.StreamResponse:
        """Keep what is on the form."""
        staff = self._coordinator(request)
        form = await self._door.form(request)
        address, folder = self._address(request), await self._folder(request)
        return await self._form.save(request, form, folder, staff, f"{address}/profile", address)

    async def judge(self, request: web.Request) -> web.StreamResponse:
        """Accept a draft, or give it back."""
        staff = self._coordinator(request)
        form = await self._door.form(request)
        trouble = await self._form.judge(request, form, await self._folder(request), staff)
        if trouble:
            return await self._refuse(request, "judge", trouble, form)
        await self._ring()
        return self._done(request, "accepted" if form.get("do") == "accept" else "returned")

    async def _ring(self) -> None:
        """What is offered as certified may have changed."""
        async with self._house.db.write() as conn:
            wake(conn, LIBRARY)

    # --- the action plan, trainings, checks ---------------------------------------------------------------------------

    async def add_action(self, request: web.Request) -> web.StreamResponse:
        """Put an item into the plan."""
        staff = self._coordinator(request)
        form = await self._door.form(request)
        what, owner = self._room.clean(request, form, "what"), field_of(form, "owner").strip()[:160]
        due_on, requirement = self._room.day(form, "due_on"), field_of(form, "requirement")
        today = self._room.today()
        if not what or not owner:
            return await self._refuse(request, "action", self._room.say(request, "providers.wrong.action"), form)
        if due_on is None or not today <= due_on <= today + _FARTHEST:
            return await self._refuse(request, "action", self._room.say(request, "providers.wrong.ahead"), form)
        if requirement and requirement not in self._room.programme.book.by_key:
            raise Refused(400, "error.bad_request")
        await self._write(
            request,
            lambda conn, now: visit_store.add_action(
                conn,
                self._house.vault,
                request.match_info["organisation"],
                requirement=requirement,
                what=what,
                owner=owner,
                due_on=due_on,
                actor=f"staff:{staff.id}",
                now=now,
                form_key=self._room.form_key(form),
            ),
        )
        return self._done(request, "added", "#plan")

    async def _write(self, request: web.Request, work: Any) -> Any:
        """One change of the folder; what is not there (any more) is not there."""
        try:
            async with self._house.db.write() as conn:
                return await work(conn, self._house.clock.now())
        except CertificationError as error:
            raise Refused(404, "error.not_found") from error

    async def move_action(self, request: web.Request) -> web.StreamResponse:
        """Say how far an item has come, or give it another day."""
        staff = self._coordinator(request)
        form = await self._door.form(request)
        try:
            state = ActionState(field_of(form, "state"))
        except ValueError as error:
            raise Refused(400, "error.bad_request") from error
        due_on, today = self._room.day(form, "due_on"), self._room.today()
        if due_on is None or due_on > today + _FARTHEST:
            return await self._refuse(request, "action", self._room.say(request, "providers.wrong.day"), form)
        await self._write(
            request,
            lambda conn, now: visit_store.move_action(
                conn,
                request.match_info["organisation"],
                int(request.match_info["item"]),
                state,
                actor=f"staff:{staff.id}",
                now=now,
                on=today,
                due_on=due_on,
            ),
        )
        return self._done(request, "changed", "#plan")

    async def add_training(self, request: web.Request) -> web.StreamResponse:
        """Note a training that was attended."""
        staff = self._coordinator(request)
        form = await self._door.form(request)
        which, on = self._room.clean(request, form, "which", 300), self._room.day(form, "on")
        if not which or on is None or on > self._room.today():
            return await self._refuse(request, "training", self._room.say(request, "providers.wrong.training"), form)
        await self._write(
            request,
            lambda conn, now: decision_store.add_training(
                conn,
                self._house.vault,
                request.match_info["organisation"],
                on=on,
                which=which,
                actor=f"staff:{staff.id}",
                now=now,
                form_key=self._room.form_key(form),
            ),
        )
        return self._done(request, "noted", "#trainings")

    async def add_check(self, request: web.Request) -> web.StreamResponse:
        """Write the yearly check down; said to be in order only where a training was attended and nothing is late."""
        staff = self._coordinator(request)
        form = await self._door.form(request)
        holds = {part: form.get(part) == "yes" for part in ("values", "requirements", "cases")}
        note, today = self._room.clean(request, form, "note"), self._room.today()
        folder = await self._folder(request)
        if not self._room.programme.standing(folder.facts, today).certified:
            return await self._refuse(request, "check", self._room.say(request, "providers.wrong.not_certified"), form)
        lacks = lacks_to_check(folder.facts, today)
        if all(holds.values()) and lacks:
            said = " ".join([self._room.say(request, "providers.wrong.check"), *self._room.lacks(request, lacks)])
            return await self._refuse(request, "check", said, form)
        if not all(holds.values()) and not note:
            return await self._refuse(request, "check", self._room.say(request, "providers.wrong.check_note"), form)
        await self._write(
            request,
            lambda conn, now: decision_store.add_check(
                conn,
                self._house.vault,
                folder.provider.organisation_id,
                on=today,
                values_hold=holds["values"],
                requirements_hold=holds["requirements"],
                cases_hold=holds["cases"],
                note=note,
                actor=f"staff:{staff.id}",
                now=now,
                form_key=self._room.form_key(form),
            ),
        )
        await self._ring()
        return self._done(request, "checked", "#checks")

    # --- decisions ----------------------------------------------------------------------------------------------------

    async def propose(self, request: web.Request) -> web.StreamResponse:
        """Propose to certify, or to take a certification back; a colleague settles it."""
        staff = self._coordinator(request)
        form = await self._door.form(request)
        try:
            kind = DecisionKind(field_of(form, "kind"))
        except ValueError as error:
            raise Refused(400, "error.bad_request") from error
        folder, why = await self._folder(request), self._room.clean(request, form, "why")
        seen = field_of(form, "profile")
        trouble = self._hindrance(request, folder, kind)
        if not trouble and kind is DecisionKind.WITHDRAW and not why:
            trouble = self._room.say(request, "providers.wrong.why")
        if trouble:
            return await self._refuse(request, "decide", trouble, form)
        try:
            async with self._house.db.write() as conn:
                await decision_store.propose(
                    conn,
                    self._house.vault,
                    folder.provider.organisation_id,
                    kind,
                    why=why,
                    actor=f"staff:{staff.id}",
                    now=self._house.clock.now(),
                    # What she decides on is what stood on her page, not what was accepted since.
                    upon=int(seen) if kind is DecisionKind.GRANT and seen.isdecimal() and len(seen) < 9 else None,
                )
        except ChangedMeanwhile:
            return await self._refuse(request, "decide", self._room.say(request, "providers.told.meanwhile"), form, 409)
        except AlreadyProposed:
            proposed = [each for each in (await self._folder(request)).decisions if each.settled_by is None]
            again = [(each.proposed_by, each.decision.kind) for each in proposed] == [(f"staff:{staff.id}", kind)]
            return self._done(request, "proposed" if again else "meanwhile", "#decide")
        except CertificationError as error:
            raise Refused(404, "error.not_found") from error
        return self._done(request, "proposed", "#decide")

    def _hindrance(self, request: web.Request, folder: Folder, kind: DecisionKind) -> str:
        """Why this cannot be decided now, in sentences; nothing where it can."""
        found = self._room.programme.standing(folder.facts, self._room.today())
        if kind is DecisionKind.WITHDRAW:
            return "" if found.certified else self._room.say(request, "providers.wrong.not_certified")
        if found.certified and not self._room.waiting(folder.provider, folder.facts):
            return self._room.say(request, "providers.wrong.certified")
        if found.missing:
            missing = self._room.lacks(request, found.missing)
            lead = "providers.widen.missing" if found.certified else "providers.wrong.missing"
            return " ".join([self._room.say(request, lead), *missing])
        return ""

    async def settle(self, request: web.Request) -> web.StreamResponse:
        """Confirm or turn down what a colleague proposed."""
        staff = self._coordinator(request)
        form = await self._door.form(request)
        confirm = form.get("do") == "confirm"
        folder = await self._folder(request)
        decision_id = int(request.match_info["decision"])
        kept = next((each for each in folder.decisions if each.decision.id == decision_id), None)
        if kept is None:
            raise Refused(404, "error.not_found")
        if confirm and kept.decision is folder.facts.proposed:
            trouble = self._hindrance(request, folder, kept.decision.kind)
            if trouble:
                return await self._refuse(request, "decide", trouble, form)
        try:
            async with self._house.db.write() as conn:
                await decision_store.settle(
                    conn,
                    folder.provider.organisation_id,
                    decision_id,
                    confirm=confirm,
                    actor=f"staff:{staff.id}",
                    now=self._house.clock.now(),
                    on=self._room.today(),
                )
                wake(conn, LIBRARY)
        except SamePerson:
            return await self._refuse(request, "decide", self._room.say(request, "providers.wrong.same"), form, 409)
        except CertificationError:
            return self._done(request, "meanwhile", "#decide")
        return self._done(request, "confirmed" if confirm else "turned_down", "#decide")

    async def leave(self, request: web.Request) -> web.StreamResponse:
        """Close the folder of a provider that is certified no more; its sign-ins end with it."""
        staff = self._coordinator(request)
        await self._door.form(request)
        folder, now = await self._folder(request), self._house.clock.now()
        if self._room.programme.standing(folder.facts, self._room.today()).certified:
            said = self._room.say(request, "providers.wrong.leave")
            return await self._one(request, {"leave": said}, status=422)
        async with self._house.db.write() as conn:
            for staff_id in folder.members:
                await staffing.let_go(conn, staff_id, actor=f"staff:{staff.id}", now=now)
            await provider_store.leave(conn, folder.provider.organisation_id, actor=f"staff:{staff.id}", now=now)
        return see_other(f"{HERE}?told=left")

    # --- the provider's own people ------------------------------------------------------------------------------------

    async def invite(self, request: web.Request) -> web.StreamResponse:
        """Make a sign-in that sees this folder, and show its link once."""
        staff = self._coordinator(request)
        form = await self._door.form(request)
        folder, now = await self._folder(request), self._house.clock.now()
        name = " ".join(field_of(form, "name").split())[: staffing.LONGEST_NAME]
        try:
            async with self._house.db.write() as conn:
                invitation = await staffing.invite(
                    conn,
                    self._house.vault,
                    email=field_of(form, "email").strip(),
                    roles=[Role.PROVIDER],
                    name=name,
                    languages=[Language.SV if folder.provider.country is Country.SE else Language.NB],
                    zone=self._house.settings.zone.key,
                    actor=f"staff:{staff.id}",
                    now=now,
                )
                await provider_store.add_member(
                    conn, folder.provider.organisation_id, invitation.staff.id, actor=f"staff:{staff.id}", now=now
                )
        except BadEmail:
            return await self._refuse(request, "invite", self._room.say(request, "desk.email.wrong"), form)
        except AlreadyTaken:
            return await self._refuse(request, "invite", self._room.say(request, "desk.email.taken"), form)
        except CertificationError as error:
            raise Refused(404, "error.not_found") from error
        return await self._invited(request, folder, invitation)

    async def new_link(self, request: web.Request) -> web.StreamResponse:
        """Another link for somebody of this provider's who lost theirs; earlier ones and earlier ways in are void."""
        staff = self._coordinator(request)
        await self._door.form(request)
        folder, member = await self._folder(request), request.match_info["staff"]
        if member not in folder.members or folder.provider.left_at is not None:
            raise Refused(404, "error.not_found")
        actor, now = f"staff:{staff.id}", self._house.clock.now()
        async with self._house.db.write() as conn:
            if not (await accounts.get_staff(conn, member)).active:
                invitation = await staffing.take_back(conn, self._house.vault, member, actor=actor, now=now)
            else:
                invitation = await staffing.new_link(conn, member, actor=actor, now=now)
        return await self._invited(request, folder, invitation)

    async def _invited(self, request: web.Request, folder: Folder, invitation: Invitation) -> web.Response:
        public = self._house.settings.public_url or f"{request.scheme}://{request.host}"
        return self._door.pages.page(
            "desk/provider_invited.html",
            request[LANGUAGE],
            provider=folder.provider,
            address=self._address(request),
            member=invitation.staff,
            link=f"{public.rstrip('/')}{INVITATION}/{invitation.token}",
            until=(await self._tell(request)).full_moment(invitation.until),
            **await self._door.frame(request),
        )

    # --- what nobody offers -------------------------------------------------------------------------------------------

    async def gaps(self, request: web.Request) -> web.StreamResponse:
        """The rows of the catalogue that no certified provider offers, by län or fylke."""
        self._coordinator(request)
        country, found = await self._gaps(request)
        catalogue = self._room.programme.catalogue
        regions = sorted(self._house.library.gazetteer.places(country, REGION[country]), key=lambda place: place.name)
        wanted = request.query.get("region", "")
        chosen = next((each for each in regions if each.code == wanted), None)
        areas = []
        for area in catalogue.areas:
            rows = [
                {
                    "row": row,
                    "everywhere": len(found[row.key]) == len(regions),
                    "names": ", ".join(place.name for place in found[row.key]),
                    "count": len(found[row.key]),
                }
                for row in area.rows
                if row.key in found and (chosen is None or chosen in found[row.key])
            ]
            areas.append({"area": area, "rows": rows})
        return self._door.pages.page(
            "desk/provider_gaps.html",
            request[LANGUAGE],
            areas=areas,
            country=country,
            countries=[(each.value, self._room.say(request, f"country.{each.value}")) for each in Country],
            regions=[(each.code, each.name) for each in regions],
            region=chosen,
            total=sum(len(places) for places in found.values()),
            of=len(catalogue.rows) * len(regions),
            **await self._door.frame(request),
        )

    async def gaps_file(self, request: web.Request) -> web.StreamResponse:
        """The same as a file: a line for each row and region with nobody."""
        self._coordinator(request)
        country, found = await self._gaps(request)
        catalogue = self._room.programme.catalogue
        lines = io.StringIO()
        writer = csv.writer(lines, lineterminator="\r\n")
        writer.writerow(["row", "sv", "en", "country", "level", "code", "name"])
        for row in catalogue.rows.values():
            for place in found.get(row.key, ()):
                writer.writerow([row.key, row.sv, row.en, country.value, place.level.value, place.code, place.name])
        name = f"gaps-{country.value.lower()}-{self._room.today().isoformat()}.csv"
        return web.Response(
            text="\ufeff" + lines.getvalue(),  # without the mark, spreadsheets take å for something else
            content_type="text/csv",
            charset="utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    async def _gaps(self, request: web.Request) -> tuple[Country, Mapping[str, tuple[Place, ...]]]:
        try:
            country = Country(request.query.get("country", self._house.country.value))
        except ValueError as error:
            raise Refused(400, "error.bad_request") from error
        async with self._house.db.read() as conn:
            gazetteer = self._house.library.gazetteer
            certified = await store.certified_providers(conn, self._room.today(), gazetteer)
        offerings = [
            {row: where.whole for row, where in each.held.scope.items()}
            for each in certified
            if each.provider.country is country
        ]
        return country, nobody_offers(self._room.programme.catalogue, country, gazetteer, offerings)

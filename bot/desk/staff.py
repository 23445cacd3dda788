"""The people who work here, for administrators: inviting them, their roles, letting them go, and a new way in.

A link is shown once, to whoever made it, to be handed over: nothing here sends e-mail. No page of this room shows a
conversation, and nobody changes their own roles here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from bot.desk.account import ZONES
from bot.desk.door import DeskDoor
from bot.desk.keys import field_of
from bot.desk.telling import Telling
from bot.office import INVITATION
from helpline import accounts, audit, credentials, staff_sessions, staffing
from helpline.accounts import (
    AT_THE_LINE,
    AccountError,
    AlreadyTaken,
    ContactChannel,
    NoSuchStaff,
    NotOneOfUs,
    Role,
    Staff,
)
from helpline.credentials import Ways
from helpline.messages import Language
from helpline.sessions import staff_of
from helpline.staffing import BadEmail, Invitation, NoRole
from helpline.web import LANGUAGE, Access, Refused, Route, see_other

STAFF = "/desk/staff"
_MEMBER = STAFF + "/{id:[a-z0-9._-]+}"
_TOLD = frozenset({"roles", "withdrawn", "let_go", "signed_out"})
_LATEST = 20  # entries of the trail that a member's page shows


class StaffDesk:
    """The routes of the staff room."""

    def __init__(self, door: DeskDoor) -> None:
        self._door = door
        self._house = door.house

    def routes(self) -> list[Route]:
        """The addresses, for administrators."""
        staff = Access.STAFF
        return [
            Route("GET", STAFF, self.show, staff),
            Route("GET", STAFF + "/new", self.show_new, staff),
            Route("POST", STAFF + "/new", self.invite, staff),
            Route("GET", _MEMBER, self.show_member, staff),
            Route("POST", _MEMBER + "/roles", self.change_roles, staff),
            Route("POST", _MEMBER + "/link", self.new_link, staff),
            Route("POST", _MEMBER + "/withdraw", self.withdraw, staff),
            Route("POST", _MEMBER + "/let-go", self.let_go, staff),
            Route("POST", _MEMBER + "/take-back", self.take_back, staff),
            Route("POST", _MEMBER + "/sign-out", self.sign_out, staff),
            Route("GET", _MEMBER + "/{action:roles|link|withdraw|let-go|take-back|sign-out}", self.back, staff),
        ]

    def _administrator(self, request: web.Request) -> Staff:
        return self._door.member(request, Role.ADMINISTRATOR)

    async def _page(self, request: web.Request, template: str, *, status: int = 200, **values: Any) -> web.Response:
        now, zone = self._house.clock.now(), staff_of(request).zone
        return self._door.pages.page(
            template,
            request[LANGUAGE],
            status=status,
            tell=Telling(self._house.phrases, request[LANGUAGE], zone, {}, now),
            all_roles=[role for role in Role if role in AT_THE_LINE],
            **values,
            **await self._door.frame(request),
        )

    # --- everybody ----------------------------------------------------------------------------------------------------

    async def show(self, request: web.Request) -> web.StreamResponse:
        """Who works here, and who did."""
        self._administrator(request)
        async with self._house.db.read() as conn:
            everybody = await accounts.list_staff(conn, active_only=False)
            ways = await credentials.ways_of_everybody(conn)
            invited = await accounts.open_invitations(conn, now=self._house.clock.now())
        return await self._page(
            request,
            "desk/staff.html",
            working=[each for each in everybody if each.active],
            left=[each for each in everybody if not each.active],
            ways={each.id: ways.get(each.id, Ways()) for each in everybody},
            invited=invited,
        )

    async def show_new(self, request: web.Request) -> web.StreamResponse:
        """A form to invite somebody with."""
        self._administrator(request)
        return await self._form(request, {}, {})

    async def _form(
        self,
        request: web.Request,
        typed: Mapping[str, Any],
        wrong: Mapping[str, str],
        *,
        status: int = 200,
        known: Staff | None = None,
    ) -> web.Response:
        default = {"email": "", "name": "", "roles": [], "spoken": [], "zone": self._house.settings.zone.key}
        return await self._page(
            request,
            "desk/staff_new.html",
            status=status,
            typed={**default, **typed},
            wrong=wrong,
            zones=ZONES,
            known=known,
            longest_name=staffing.LONGEST_NAME,
        )

    async def invite(self, request: web.Request) -> web.StreamResponse:
        """Take somebody on, and show their link."""
        actor = self._administrator(request)
        form = await self._door.form(request)
        typed: dict[str, Any] = {
            "email": field_of(form, "email").strip(),
            "name": " ".join(field_of(form, "name").split())[: staffing.LONGEST_NAME],
            "roles": _roles_in(form),
            "spoken": [each.value for each in Language if each.value in form.getall("spoken", [])],
            "zone": field_of(form, "zone").strip(),
        }
        say = self._door.say
        known = None
        try:
            async with self._house.db.write() as conn:
                invitation = await staffing.invite(
                    conn,
                    self._house.vault,
                    email=typed["email"],
                    roles=typed["roles"],
                    name=typed["name"],
                    languages=[Language(each) for each in typed["spoken"]],
                    zone=typed["zone"] if typed["zone"] in ZONES else self._house.settings.zone.key,
                    actor=f"staff:{actor.id}",
                    now=self._house.clock.now(),
                )
        except BadEmail:
            wrong = {"email": say(request, "desk.email.wrong")}
        except NoRole:
            wrong = {"role": say(request, "desk.role.none")}
        except AlreadyTaken:
            wrong = {"email": say(request, "desk.email.taken")}
            async with self._house.db.read() as conn:
                known = await accounts.find_staff_by_email(conn, self._house.vault, typed["email"])
        else:
            return await self._link(request, invitation)
        return await self._form(request, typed, wrong, status=422, known=known)

    # --- one of them --------------------------------------------------------------------------------------------------

    async def show_member(self, request: web.Request) -> web.StreamResponse:
        """One member of staff: roles, ways in, and what was lately done with the account."""
        self._administrator(request)
        told = request.query.get("told", "")
        return await self._member_page(request, notice=f"desk.staff.told.{told}" if told in _TOLD else "")

    async def back(self, request: web.Request) -> web.StreamResponse:
        """A form's address, loaded anew, is the member's page."""
        self._administrator(request)
        return see_other(f"{STAFF}/{request.match_info['id']}")

    async def _member_page(
        self, request: web.Request, *, notice: str = "", wrong: Mapping[str, str] | None = None, status: int = 200
    ) -> web.Response:
        asking, now = staff_of(request), self._house.clock.now()
        async with self._house.db.read() as conn:
            member = await accounts.find_staff(conn, request.match_info["id"])
            if member is None:
                raise Refused(404, "error.not_found")
            email = await accounts.email_of(conn, self._house.vault, member.id)
            ways = await credentials.ways_of(conn, member.id)
            until = (await accounts.open_invitations(conn, now=now)).get(member.id)
            signed_in = await staff_sessions.list_of(conn, member.id, now=now)
            contacts = await accounts.contacts(conn, self._house.vault, member.id)
            done = await audit.entries(conn, subject=f"staff:{member.id}", limit=_LATEST)
            names = {each.id: each.name for each in await accounts.list_staff(conn, active_only=False)}
        return await self._page(
            request,
            "desk/staff_member.html",
            status=status,
            member=member,
            email=email or "",
            ways=ways,
            until=until,
            signed_in=signed_in,
            called=sorted({each.channel.value for each in contacts if each.channel is not ContactChannel.DESK}),
            done=[
                (entry.at, self._who(request, entry.actor, names), self._what(request, entry.action)) for entry in done
            ],
            oneself=member.id == asking.id,
            notice=self._door.say(request, notice) if notice else "",
            wrong=wrong or {},
        )

    def _who(self, request: web.Request, actor: str, names: Mapping[str, str]) -> str:
        if actor.startswith("staff:"):
            return names.get(actor.removeprefix("staff:"), actor)
        return self._door.say(request, "desk.trail.line")

    def _what(self, request: web.Request, action: str) -> str:
        key = f"desk.act.{action}"
        return self._door.say(request, key) if self._house.phrases.has(key) else action.replace("_", " ")

    async def change_roles(self, request: web.Request) -> web.StreamResponse:
        """Give somebody these roles and no others."""
        actor = self._administrator(request)
        form = await self._door.form(request)
        roles = _roles_in(form)
        try:
            async with self._house.db.write() as conn:
                await staffing.change_roles(
                    conn, self._id(request), roles, actor=f"staff:{actor.id}", now=self._house.clock.now()
                )
        except NoRole:
            return await self._member_page(
                request, wrong={"role": self._door.say(request, "desk.role.none")}, status=422
            )
        except AccountError as error:
            return await self._refused(request, error)
        return self._to_member(request, "roles")

    async def new_link(self, request: web.Request) -> web.StreamResponse:
        """A new link; earlier ones are void."""
        actor = self._administrator(request)
        await self._door.form(request)
        try:
            async with self._house.db.write() as conn:
                invitation = await staffing.new_link(
                    conn, self._id(request), actor=f"staff:{actor.id}", now=self._house.clock.now()
                )
        except AccountError as error:
            return await self._refused(request, error)
        return await self._link(request, invitation)

    async def withdraw(self, request: web.Request) -> web.StreamResponse:
        """Make the open link void."""
        actor = self._administrator(request)
        await self._door.form(request)
        async with self._house.db.write() as conn:
            await staffing.withdraw_link(
                conn, self._id(request), actor=f"staff:{actor.id}", now=self._house.clock.now()
            )
        return self._to_member(request, "withdrawn")

    async def let_go(self, request: web.Request) -> web.StreamResponse:
        """End somebody's work here."""
        actor = self._administrator(request)
        await self._door.form(request)
        try:
            async with self._house.db.write() as conn:
                await staffing.let_go(conn, self._id(request), actor=f"staff:{actor.id}", now=self._house.clock.now())
        except AccountError as error:
            return await self._refused(request, error)
        return self._to_member(request, "let_go")

    async def take_back(self, request: web.Request) -> web.StreamResponse:
        """Take somebody back, and show their link."""
        actor = self._administrator(request)
        await self._door.form(request)
        try:
            async with self._house.db.write() as conn:
                invitation = await staffing.take_back(
                    conn,
                    self._house.vault,
                    self._id(request),
                    actor=f"staff:{actor.id}",
                    now=self._house.clock.now(),
                )
        except AccountError as error:
            return await self._refused(request, error)
        return await self._link(request, invitation)

    async def sign_out(self, request: web.Request) -> web.StreamResponse:
        """Sign somebody out everywhere."""
        actor = self._administrator(request)
        await self._door.form(request)
        async with self._house.db.write() as conn:
            await staffing.sign_out(conn, self._id(request), actor=f"staff:{actor.id}", now=self._house.clock.now())
        return self._to_member(request, "signed_out")

    def _id(self, request: web.Request) -> str:
        return request.match_info["id"]

    def _to_member(self, request: web.Request, told: str) -> web.Response:
        return see_other(f"{STAFF}/{self._id(request)}?told={told}")

    async def _refused(self, request: web.Request, error: AccountError) -> web.Response:
        if isinstance(error, NoSuchStaff):
            raise Refused(404, "error.not_found") from error
        oneself = self._id(request) == staff_of(request).id
        notice = "desk.staff.told.oneself" if oneself else "desk.staff.told.left"
        if isinstance(error, NotOneOfUs):
            notice = "desk.staff.told.provider"
        return await self._member_page(request, notice=notice, status=409)

    async def _link(self, request: web.Request, invitation: Invitation) -> web.Response:
        public = self._house.settings.public_url or f"{request.scheme}://{request.host}"
        return await self._page(
            request,
            "desk/staff_link.html",
            member=invitation.staff,
            link=f"{public.rstrip('/')}{INVITATION}/{invitation.token}",
            until=invitation.until,
        )


def _roles_in(form: Any) -> list[Role]:
    """The roles that were ticked, of those that are given here; a provider's sign-in comes with its certification."""
    return [role for role in Role if role in AT_THE_LINE and role.value in form.getall("role", [])]

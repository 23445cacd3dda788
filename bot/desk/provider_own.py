"""What a provider sees: its own certification, its own profile and plan, and nothing else of the desk.

Whose certification it is follows from the sign-in alone; no address names an organisation, so none can be guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aiohttp import web

from bot.desk.provider_profile import ProfileForm
from bot.desk.provider_telling import ProviderRoom, findings_of
from bot.desk.providers import FORM_LIMIT
from bot.desk.telling import Telling
from helpline.accounts import Role, Staff
from helpline.sessions import staff_of
from helpline.web import LANGUAGE, Access, Refused, Route, see_other
from routing.certification import provider_store, store, visit_store
from routing.certification.provider_store import CertificationError
from routing.certification.standing import ActionState
from routing.certification.store import Folder

OWN: Final = "/desk/provider"
_TOLD: Final = frozenset({"sent", "said_done"})


class OwnDesk:
    """The routes of a provider's own page."""

    def __init__(self, room: ProviderRoom) -> None:
        self._room = room
        self._house = room.house
        self._form = ProfileForm(room)

    def routes(self) -> list[Route]:
        """The addresses, for providers alone."""
        staff = Access.STAFF
        return [
            Route("GET", OWN, self.show, staff),
            Route("GET", OWN + "/profile", self.profile, staff),
            Route("POST", OWN + "/profile", self.save_profile, staff, FORM_LIMIT),
            Route("POST", OWN + "/send", self.send, staff),
            Route("POST", OWN + "/actions/{item:[0-9]{1,15}}", self.said_done, staff),
            Route("GET", OWN + "/{rest:(?:send|actions/[0-9]{1,15})}", self.back, staff),
        ]

    def _provider(self, request: web.Request) -> Staff:
        return self._room.door.member(request, Role.PROVIDER)

    async def _folder(self, staff: Staff) -> Folder | None:
        async with self._house.db.read() as conn:
            organisation_id = await provider_store.organisation_of(conn, staff.id)
            if organisation_id is None:
                return None
            found = await store.folder(conn, self._house.vault, organisation_id)
        return found if found is not None and found.provider.left_at is None else None

    async def _own(self, request: web.Request) -> tuple[Staff, Folder]:
        staff = self._provider(request)
        folder = await self._folder(staff)
        if folder is None:
            raise Refused(404, "error.not_found")
        return staff, folder

    async def back(self, request: web.Request) -> web.StreamResponse:
        """A form's address, loaded anew, is the page."""
        self._provider(request)
        return see_other(OWN)

    async def show(self, request: web.Request) -> web.StreamResponse:
        """How far we have come, what is missing, and what is asked of us."""
        staff = self._provider(request)
        told = request.query.get("told", "")
        notice = self._room.say(request, f"providers.told.{told}") if told in _TOLD else ""
        return await self._page(request, staff, notice=notice)

    async def _page(
        self, request: web.Request, staff: Staff, *, notice: str = "", wrong: str = "", status: int = 200
    ) -> web.Response:
        folder = await self._folder(staff)
        # Of those who work at the line, a provider learns no names.
        names: Mapping[str, str] = {}
        tell = Telling(self._house.phrases, request[LANGUAGE], staff_of(request).zone, names, self._house.clock.now())
        found = self._room.programme.standing(folder.facts, self._room.today()) if folder is not None else None
        facts = folder.facts if folder is not None else None
        return self._room.door.pages.page(
            "desk/provider_own.html",
            request[LANGUAGE],
            status=status,
            folder=folder,
            stands=self._room.stands(request, tell, found) if found is not None else None,
            dues=self._room.dues(request, tell, found, folder.actions)
            if folder is not None and found is not None
            else [],
            draft=facts.draft if facts is not None else None,
            profile=facts.profile if facts is not None else None,
            kept_draft=next((each for each in folder.profiles if each.profile is facts.draft), None)
            if folder is not None and facts is not None
            else None,
            waiting=self._room.waiting(folder.provider, folder.facts) if folder is not None else [],
            findings=findings_of(folder) if folder is not None else {},
            by_key=self._room.programme.book.by_key,
            late_items={due.action_id for due in found.overdue} if found is not None else set(),
            tell=tell,
            notice=notice,
            wrong=wrong,
            **await self._room.door.frame(request),
        )

    async def profile(self, request: web.Request) -> web.StreamResponse:
        """The activity profile as a form."""
        _, folder = await self._own(request)
        return await self._form.show(request, folder, f"{OWN}/profile", OWN)

    async def save_profile(self, request: web.Request) -> web.StreamResponse:
        """Keep what is on the form, as a draft."""
        form = await self._room.door.form(request)
        staff, folder = await self._own(request)
        return await self._form.save(request, form, folder, staff, f"{OWN}/profile", OWN)

    async def send(self, request: web.Request) -> web.StreamResponse:
        """Hand the draft in."""
        form = await self._room.door.form(request)
        staff, folder = await self._own(request)
        trouble = await self._form.send(request, form, folder, staff)
        if trouble:
            return await self._page(request, staff, wrong=trouble, status=422)
        return see_other(f"{OWN}?told=sent")

    async def said_done(self, request: web.Request) -> web.StreamResponse:
        """Say that an item of the plan is done; a coordinator looks."""
        await self._room.door.form(request)
        staff, folder = await self._own(request)
        item = int(request.match_info["item"])
        kept = next((each for each in folder.actions if each.action.id == item), None)
        if kept is None:
            raise Refused(404, "error.not_found")
        if kept.action.state is ActionState.OPEN:
            try:
                async with self._house.db.write() as conn:
                    await visit_store.move_action(
                        conn,
                        folder.provider.organisation_id,
                        item,
                        ActionState.SAID_DONE,
                        actor=f"staff:{staff.id}",
                        now=self._house.clock.now(),
                        on=self._room.today(),
                        was=ActionState.OPEN,
                    )
            except CertificationError as error:
                raise Refused(404, "error.not_found") from error
        return see_other(f"{OWN}?told=said_done#plan")

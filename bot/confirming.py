"""The page behind a one-time link, where a service says that its entry is right, or what should be corrected.

No account is needed: the link is the key, and it opens one entry once. Looking changes nothing, however often a mail
program or a messenger looks for a preview. What is said to be right is written at once; what is corrected becomes a
proposal that a coordinator looks at; room told here is known at once. Where a hidden place lies is neither shown nor
taken in, and of other services there is no word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import confirm_sheet
from bot.confirm_sheet import ANSWERS, Told, Wrong
from bot.desk.directory_telling import Said, ServiceTelling
from bot.desk.telling import Telling
from bot.house import House
from bot.render import Pages
from bot.webchat import LANGUAGES
from helpline.messages import Country, Language
from helpline.phrases import ZONES
from helpline.rate_limit import RateLimit
from helpline.web import LANGUAGE, Access, Refused, Route, client_address, from_our_own_page, see_other
from routing import capacity_store, store
from routing.capacity import Capacity, Teller
from routing.certification.catalogue import Catalogue
from routing.services import Confidence, Service, Sex
from routing.upkeep import confirming_store, proposal_store
from routing.upkeep.confirming_store import ExpiredLink, LinkError, UsedLink
from routing.upkeep.service_form import as_plain

HERE: Final = "/confirm"
_TOKEN: Final = HERE + "/{token:[A-Za-z0-9_-]{16,80}}"
_THANKS: Final = frozenset({"right", "proposed"})
# What the service itself should look at. Not who at the line keeps the entry, nor where we read it.
_HEADINGS: Final = ("what", "reach", "who", "when", "where")


class ConfirmPages:
    """The public pages of confirming."""

    def __init__(self, house: House, pages: Pages) -> None:
        self._house = house
        self._pages = pages
        self._catalogue = Catalogue.load(house.content)
        self._looks = RateLimit(house.clock, per_minute=30, burst=30)  # of each address
        self._tries = RateLimit(house.clock, per_minute=6, burst=10)

    def routes(self) -> list[Route]:
        """The addresses; whoever has no link finds nothing there."""
        public = Access.PUBLIC
        return [
            Route("GET", HERE + "/thanks", self.thanks, public),
            Route("GET", _TOKEN, self.show, public),
            Route("POST", _TOKEN, self.take, public),
        ]

    async def thanks(self, request: web.Request) -> web.StreamResponse:
        """After it was told: what happens with it now."""
        told = request.query.get("told", "")
        if told not in _THANKS:
            raise Refused(404, "error.not_found")
        return self._over(request, f"confirm.thanks.{told}", 200, title="confirm.thanks")

    async def show(self, request: web.Request) -> web.StreamResponse:
        """The entry; nothing is changed by looking."""
        self._spend(self._looks, request)
        async with self._house.db.read() as conn:
            try:
                link = await confirming_store.find(conn, request.match_info["token"], now=self._house.clock.now())
            except LinkError as error:
                return self._closed(request, error)
            service = await self._service(conn, link.service_id)
        if service is None:
            return self._closed(request, ExpiredLink())
        return self._page(request, service, confirm_sheet.shape_of(service))

    async def take(self, request: web.Request) -> web.StreamResponse:
        """What they say of the entry. The link is used up with it."""
        self._spend(self._tries, request)
        if not from_our_own_page(request):
            raise Refused(404, "error.not_found")
        form = await request.post()
        try:
            return await self._take(request, form)
        except store.ChangedMeanwhile:
            # Somebody saved the entry between our reading and writing; nothing of ours was, the link too is unused.
            return await self._take(request, {**form, "seen": ""})

    async def _take(self, request: web.Request, form: Mapping[str, Any]) -> web.StreamResponse:
        token, now = request.match_info["token"], self._house.clock.now()
        async with self._house.db.write() as conn:
            try:
                link = await confirming_store.find(conn, token, now=now)
            except LinkError as error:
                return self._closed(request, error)
            service = await self._service(conn, link.service_id)
            if service is None:
                return self._closed(request, ExpiredLink())
            typed = confirm_sheet.typed_in(form, service)
            if str(form.get("seen", "")) != str(service.revision):
                # What they looked at is not what stands there now: they look again, and what they typed is kept.
                return self._page(request, service, typed, moved=True, status=409)
            told = confirm_sheet.read(
                form,
                service,
                mask=lambda words: self._house.masker.mask(words, request[LANGUAGE]).text,
                hours_word=self._house.phrases.say("confirm.hours.new", _own(service)),
            )
            if isinstance(told, Wrong):
                return self._page(request, service, typed, wrong=told.fields, status=422)
            try:
                await confirming_store.use(conn, token, now=now)
            except LinkError as error:
                return self._closed(request, error)
            await self._write(conn, service, told, asked_by=link.made_by)
        lang = f"&lang={request.query['lang']}" if request.query.get("lang") in set(Language) else ""
        return see_other(f"{HERE}/thanks?told={'right' if told.right else 'proposed'}{lang}")

    async def _write(self, conn: AsyncConnection, service: Service, told: Told, *, asked_by: str) -> None:
        now, who = self._house.clock.now(), f"service:{service.id}"
        if told.room is not None:
            room = Capacity(service.id, told.room, told.free, None, "", now, Teller.SERVICE)
            await capacity_store.tell(conn, room, actor=who, now=now)
        if told.right:
            today = now.astimezone(ZONES[service.country]).date()
            confirmed = replace(service, confidence=Confidence.CONFIRMED, confirmed_on=today)
            await proposal_store.submit(conn, confirmed, by=who, now=now)
        else:
            await proposal_store.propose(
                conn,
                told.corrected or service,
                base_revision=service.revision,
                made_by=who,
                now=now,
                note=told.words,
                asked_by=asked_by,
            )

    async def _service(self, conn: AsyncConnection, service_id: str) -> Service | None:
        """The entry as it stands in the database at this moment; None where it is led to by nobody any more."""
        library = self._house.library
        service = await store.find_service(conn, service_id, library.directory, library.gazetteer)
        return service if service is not None and confirming_store.may_confirm(service) else None

    # --- pages --------------------------------------------------------------------------------------------------------

    def _page(
        self,
        request: web.Request,
        service: Service,
        typed: Mapping[str, str],
        *,
        wrong: Mapping[str, str] | None = None,
        moved: bool = False,
        status: int = 200,
    ) -> web.Response:
        language, house = request[LANGUAGE], self._house
        telling = ServiceTelling(
            Telling(house.phrases, language, str(ZONES[service.country]), {}, house.clock.now()),
            language,
            house.library.gazetteer,
            house.library.directory.needs,
            self._catalogue,
        )
        plain = as_plain(service)
        if service.hides_place:
            plain.pop("locations", None)  # they have no address; that there are several is nobody's business either
        sections = {name: said for name, said in telling.sections(plain, service.country) if name in _HEADINGS}
        return self._pages.page(
            "confirm.html",
            language,
            status=status,
            service=service,
            called=service.called(language),
            sections=[(heading, _shown(sections[heading])) for heading in _HEADINGS if heading in sections],
            typed=typed,
            wrong={name: house.phrases.say(phrase, language) for name, phrase in (wrong or {}).items()},
            moved=moved,
            answers=("yes", "no", "ask"),
            asked=[*(f"sex.{sex}" for sex in Sex), *ANSWERS],
            languages=LANGUAGES,
            lang=request.query.get("lang", ""),
            address=request.path,
        )

    def _closed(self, request: web.Request, error: LinkError) -> web.Response:
        """Why the link opens nothing, and what to do."""
        kind = "used" if isinstance(error, UsedLink) else "expired" if isinstance(error, ExpiredLink) else "unknown"
        return self._over(request, f"confirm.{kind}", 404 if kind == "unknown" else 410, title=f"confirm.{kind}.title")

    def _over(self, request: web.Request, phrase: str, status: int, *, title: str) -> web.Response:
        say = self._house.phrases.say
        return self._pages.page(
            "confirm_over.html",
            request[LANGUAGE],
            status=status,
            title=say(title, request[LANGUAGE]),
            said=say(phrase, request[LANGUAGE]),
        )

    def _spend(self, limit: RateLimit, request: web.Request) -> None:
        caller = client_address(request, trusted_proxies=self._house.settings.trusted_proxies)
        if limit.spend(caller):
            raise Refused(429, "error.too_many", headers={"Retry-After": "10"})


def _own(service: Service) -> Language:
    return Language.SV if service.country is Country.SE else Language.NB


def _shown(said: list[Said]) -> list[Said]:
    return [each for each in said if each.lines]

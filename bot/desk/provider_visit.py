"""A visit against the minimum requirements: question, answer, met or not, recommendation, for each of the 25.

A visit may be written down in several sittings; it counts when it is closed, and is then never changed.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from aiohttp import web

from bot.desk.keys import field_of
from bot.desk.provider_telling import ProviderRoom
from bot.desk.providers import FORM_LIMIT, HERE, ONE
from bot.desk.telling import telling
from helpline.accounts import Role
from helpline.web import LANGUAGE, Access, Refused, Route, see_other
from routing.certification import store, visit_store
from routing.certification.provider_store import CertificationError, ChangedMeanwhile
from routing.certification.standing import Verdict
from routing.certification.store import Folder
from routing.certification.visit_store import KeptVisit

_VISITS: Final = ONE + "/visits"
_VISIT: Final = _VISITS + "/{visit:[0-9]{1,15}}"


@dataclass(frozen=True)
class Written:
    """A visit as its form holds it."""

    on: str = ""
    visitors: str = field(default="", repr=False)
    verdicts: Mapping[str, str] = field(default_factory=dict)
    answers: Mapping[str, str] = field(default_factory=dict, repr=False)
    recommendations: Mapping[str, str] = field(default_factory=dict, repr=False)


class VisitDesk:
    """The routes of visits, for coordinators."""

    def __init__(self, room: ProviderRoom) -> None:
        self._room = room
        self._house = room.house

    def routes(self) -> list[Route]:
        """The addresses."""
        staff = Access.STAFF
        return [
            Route("GET", _VISITS + "/new", self.show_new, staff),
            Route("POST", _VISITS + "/new", self.save, staff, FORM_LIMIT),
            Route("GET", _VISIT, self.show, staff),
            Route("POST", _VISIT, self.save, staff, FORM_LIMIT),
        ]

    async def _folder(self, request: web.Request) -> Folder:
        self._room.door.member(request, Role.COORDINATOR)
        async with self._house.db.read() as conn:
            found = await store.folder(conn, self._house.vault, request.match_info["organisation"])
        if found is None:
            raise Refused(404, "error.not_found")
        return found

    def _kept(self, request: web.Request, folder: Folder) -> KeptVisit | None:
        wanted = request.match_info.get("visit")
        if wanted is None:
            return None
        found = next((each for each in folder.visits if each.visit.id == int(wanted)), None)
        if found is None:
            raise Refused(404, "error.not_found")
        return found

    async def show_new(self, request: web.Request) -> web.StreamResponse:
        """An empty form for a visit."""
        folder = await self._folder(request)
        return await self._page(request, folder, None, Written(on=self._room.today().isoformat()))

    async def show(self, request: web.Request) -> web.StreamResponse:
        """A visit: to be written further, or as it was closed."""
        folder = await self._folder(request)
        kept = self._kept(request, folder)
        assert kept is not None
        told = "providers.told.saved" if request.query.get("told") == "saved" else ""
        return await self._page(request, folder, kept, _written(kept), notice=told)

    async def save(self, request: web.Request) -> web.StreamResponse:
        """Keep what is on the form, and close the visit where that is asked for."""
        staff = self._room.door.member(request, Role.COORDINATOR)
        form = await self._room.door.form(request)
        folder = await self._folder(request)
        kept = self._kept(request, folder)
        book, close = self._room.programme.book, form.get("do") == "close"
        typed = Written(
            on=field_of(form, "on")[:20],
            visitors=field_of(form, "visitors").strip()[:300],
            verdicts={key: field_of(form, f"{key}.verdict") for key in book.by_key},
            answers={key: self._room.clean(request, form, f"{key}.answer") for key in book.by_key},
            recommendations={key: self._room.clean(request, form, f"{key}.recommendation") for key in book.by_key},
        )
        on = self._room.day(form, "on")
        verdicts = {key: _verdict(said) for key, said in typed.verdicts.items()}
        wrong = self._wrong(request, on, typed, verdicts, close=close)
        if wrong:
            return await self._page(request, folder, kept, typed, wrong=wrong, status=422)
        assert on is not None
        version = field_of(form, "version")
        try:
            async with self._house.db.write() as conn:
                visit_id = await visit_store.save_visit(
                    conn,
                    self._house.vault,
                    folder.provider.organisation_id,
                    visit_id=kept.visit.id if kept is not None else None,
                    version=int(version) if version.isdecimal() and len(version) < 9 else 0,
                    on=on,
                    visitors=typed.visitors,
                    verdicts=verdicts,
                    answers={key: words for key, words in typed.answers.items() if words},
                    recommendations={key: words for key, words in typed.recommendations.items() if words},
                    actor=f"staff:{staff.id}",
                    now=self._house.clock.now(),
                    close=close,
                    form_key=self._room.form_key(form),
                )
        except ChangedMeanwhile:
            fresh = await self._folder(request)
            said = {"visit": self._room.say(request, "providers.told.meanwhile")}
            return await self._page(request, fresh, self._kept(request, fresh), typed, wrong=said, status=409)
        except CertificationError as error:
            raise Refused(404, "error.not_found") from error
        address = f"{HERE}/of/{folder.provider.organisation_id}"
        if close:
            return see_other(f"{address}?told=closed")
        return see_other(f"{address}/visits/{visit_id}?told=saved")

    def _wrong(
        self,
        request: web.Request,
        on: date | None,
        typed: Written,
        verdicts: Mapping[str, Verdict],
        *,
        close: bool,
    ) -> dict[str, str]:
        """What keeps the visit from being written down, by field."""
        wrong = {}
        if on is None or on > self._room.today():
            wrong["on"] = self._room.say(request, "providers.wrong.visited")
        if close and not typed.visitors:
            wrong["visitors"] = self._room.say(request, "providers.wrong.visitors")
        if close and all(verdict is Verdict.OPEN for verdict in verdicts.values()):
            wrong["visit"] = self._room.say(request, "providers.wrong.nothing")
        return wrong

    async def _page(
        self,
        request: web.Request,
        folder: Folder,
        kept: KeptVisit | None,
        written: Written,
        *,
        wrong: Mapping[str, str] | None = None,
        notice: str = "",
        status: int = 200,
    ) -> web.Response:
        async with self._house.db.read() as conn:
            tell = await telling(self._room.door, request, conn)
        looked_at = sum(_verdict(each) is not Verdict.OPEN for each in written.verdicts.values())
        return self._room.door.pages.page(
            "desk/provider_visit.html",
            request[LANGUAGE],
            status=status,
            provider=folder.provider,
            address=f"{HERE}/of/{folder.provider.organisation_id}",
            action=request.path,
            kept=kept,
            closed=kept is not None and kept.visit.closed,
            version=kept.version if kept is not None else 0,
            form_id=secrets.token_hex(16),
            written=written,
            phases=self._room.programme.book.phases,
            verdicts=[each.value for each in Verdict],
            looked_at=looked_at,
            of=len(self._room.programme.book.by_key),
            wrong=wrong or {},
            notice=self._room.say(request, notice) if notice else "",
            english=request[LANGUAGE].value != "sv",
            tell=tell,
            today=self._room.today().isoformat(),
            **await self._room.door.frame(request),
        )


def _verdict(said: str) -> Verdict:
    return Verdict(said) if said in {each.value for each in Verdict} else Verdict.OPEN


def _written(kept: KeptVisit) -> Written:
    return Written(
        on=kept.visit.on.isoformat(),
        visitors=kept.visitors,
        verdicts={key: verdict.value for key, verdict in kept.visit.verdicts.items()},
        answers=kept.answers,
        recommendations=kept.recommendations,
    )

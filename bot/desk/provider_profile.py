"""The activity profile as a form: every row of the catalogue, one area of it a page.

Coordinators fill in any provider's, a provider its own. Each saving keeps what could be read; a field that could not
stands there as it was typed, with a sentence beside it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aiohttp import web

from bot.desk.provider_sheet import Places, RowFields, read, rest_is_no, shown, typed
from bot.desk.provider_telling import ProviderRoom
from helpline.accounts import Staff
from helpline.web import LANGUAGE, Refused, see_other
from routing.certification import profile_store, store
from routing.certification.catalogue import CatalogueArea
from routing.certification.provider_store import CertificationError, ChangedMeanwhile
from routing.certification.standing import Profile, RowAnswer, lacks_to_send
from routing.certification.store import Folder


class ProfileForm:
    """The form, wherever it is shown."""

    def __init__(self, room: ProviderRoom) -> None:
        self._room = room
        self._house = room.house

    def places(self, folder: Folder) -> Places:
        return Places(folder.provider.country, self._house.library.gazetteer)

    def _area(self, request: web.Request) -> CatalogueArea:
        areas = self._room.programme.catalogue.areas
        wanted = request.query.get("area", areas[0].key)
        found = next((area for area in areas if area.key == wanted), None)
        if found is None:
            raise Refused(404, "error.not_found")
        return found

    async def show(self, request: web.Request, folder: Folder, address: str, back: str) -> web.Response:
        """One area of the catalogue."""
        area, places = self._area(request), self.places(folder)
        profile = _newest(folder)
        rows = {row.key: shown(row, profile.answers.get(row.key) if profile else None, places) for row in area.rows}
        told = "providers.told.saved" if request.query.get("told") == "saved" else ""
        return await self._page(request, folder, area, rows, address, back, notice=told)

    async def save(
        self, request: web.Request, form: Any, folder: Folder, staff: Staff, address: str, back: str
    ) -> web.Response:
        """Keep what can be read; where something cannot, the form again as it was typed."""
        area, places = self._area(request), self.places(folder)
        targets = tuple(self._room.programme.catalogue.targets)
        fields = {row.key: typed(row, form, targets) for row in area.rows}
        closed = [table.key for table in area.tables if form.get(f"rest.{table.key}") == "no"]
        fields = rest_is_no(area, fields, closed)
        answers: dict[str, RowAnswer] = {}
        for key, each in fields.items():
            answer = read(each, places)
            if isinstance(answer, RowAnswer):
                cleaned = self._house.masker.mask(answer.comment, request[LANGUAGE]).text if answer.comment else ""
                answers[key] = replace(answer, comment=cleaned)
                fields[key] = shown(each.row, answers[key], places)
            else:
                fields[key] = replace(each, wrong=answer[0], names=answer[1])
        profile = _newest(folder)
        areas, unknown = self._areas(form, places)
        version = str(form.get("version", ""))
        wrong = {}
        if unknown:
            wrong["where"] = self._room.say(request, "providers.wrong.place", about=", ".join(unknown))
        try:
            async with self._house.db.write() as conn:
                await profile_store.save_profile(
                    conn,
                    self._house.vault,
                    folder.provider.organisation_id,
                    answers=answers,
                    areas=areas if not unknown else (profile.areas if profile is not None else ()),
                    version=int(version) if version.isdecimal() and len(version) < 9 else -1,
                    actor=f"staff:{staff.id}",
                    now=self._house.clock.now(),
                )
        except ChangedMeanwhile:
            # Shown as typed, upon the version that there is now: saving once more is meant.
            return await self._again(
                request, folder, area, fields, address, back, "providers.told.meanwhile", form, wrong, 409
            )
        except CertificationError as error:
            raise Refused(404, "error.not_found") from error
        if wrong or any(each.wrong for each in fields.values()):
            return await self._again(
                request, folder, area, fields, address, back, "providers.told.partly", form, wrong, 422
            )
        areas_of = [each.key for each in self._room.programme.catalogue.areas]
        following = areas_of.index(area.key) + 1
        if form.get("do") == "next":
            return see_other(f"{address}?area={areas_of[following]}" if following < len(areas_of) else back)
        return see_other(f"{address}?area={area.key}&told=saved")

    async def _again(
        self,
        request: web.Request,
        before: Folder,
        area: CatalogueArea,
        rows: dict[str, RowFields],
        address: str,
        back: str,
        trouble: str,
        form: Any,
        wrong: dict[str, str],
        status: int,
    ) -> web.Response:
        async with self._house.db.read() as conn:
            folder = await store.folder(conn, self._house.vault, before.provider.organisation_id)
        if folder is None:
            raise Refused(404, "error.not_found")
        return await self._page(
            request, folder, area, rows, address, back, trouble=trouble, form=form, wrong=wrong, status=status
        )

    def _areas(self, form: Any, places: Places) -> tuple[tuple[Any, ...], tuple[str, ...]]:
        """Where the whole profile works: what was ticked, and what was typed."""
        ticked = {str(each) for each in form.getall("region", [])}
        nation = places.gazetteer.nation(places.country)
        found = [nation.key] if "everywhere" in ticked else []
        found += [place.key for place in places.regions if place.code in ticked]
        more, unknown = places.read(str(form.get("where", "")))
        return tuple(dict.fromkeys([*found, *more])), unknown

    async def _page(
        self,
        request: web.Request,
        folder: Folder,
        area: CatalogueArea,
        rows: dict[str, RowFields],
        address: str,
        back: str,
        *,
        notice: str = "",
        trouble: str = "",
        form: Any = None,
        wrong: dict[str, str] | None = None,
        status: int = 200,
    ) -> web.Response:
        catalogue, places = self._room.programme.catalogue, self.places(folder)
        profile, draft = _newest(folder), folder.facts.draft
        chosen = set(profile.areas) if profile is not None else set()
        listed = [key for key in chosen if key not in {place.key for place in places.regions}]
        nation = places.gazetteer.nation(places.country)
        open_rows = profile.unanswered(catalogue) if profile is not None else tuple(catalogue.rows.values())
        language = request[LANGUAGE]
        return self._room.door.pages.page(
            "desk/provider_profile.html",
            language,
            status=status,
            folder=folder,
            provider=folder.provider,
            area=area,
            tabs=[
                (
                    f"{address}?area={each.key}",
                    f"{each.sv} ({sum(row.area == each.key for row in open_rows)})"
                    if any(row.area == each.key for row in open_rows)
                    else each.sv,
                )
                for each in catalogue.areas
            ],
            here_tab=f"{address}?area={area.key}",
            action=f"{address}?area={area.key}",
            back=back,
            rows=rows,
            said={
                key: self._room.say(request, each.wrong, about=each.names) for key, each in rows.items() if each.wrong
            },
            catalogue=catalogue,
            left=len(open_rows),
            of=len(catalogue.rows),
            regions=places.regions,
            region_ticked=[str(each) for each in form.getall("region", [])]
            if form is not None
            else [code for level, code in chosen if level is not nation.level],
            everywhere="everywhere" in form.getall("region", []) if form is not None else nation.key in chosen,
            where=str(form.get("where", ""))
            if form is not None
            else places.names(sorted(key for key in listed if key != nation.key)),
            version=draft.version if draft is not None else 0,
            notice=self._room.say(request, notice) if notice else "",
            trouble=self._room.say(request, trouble) if trouble else "",
            wrong=wrong or {},
            english=language.value != "sv",
            last=area is catalogue.areas[-1],
            **await self._room.door.frame(request),
        )

    async def send(self, request: web.Request, form: Any, folder: Folder, staff: Staff) -> str:
        """The provider says that it is ready; the sentence that says why not, or nothing."""
        draft = folder.facts.draft
        lacks = lacks_to_send(draft, self._room.programme.catalogue)
        if draft is None or lacks:
            return " ".join(self._room.lacks(request, lacks))
        try:
            async with self._house.db.write() as conn:
                await profile_store.send_profile(
                    conn,
                    folder.provider.organisation_id,
                    version=draft.version,
                    actor=f"staff:{staff.id}",
                    now=self._house.clock.now(),
                )
        except CertificationError:
            return self._room.say(request, "providers.told.changed")
        return ""

    async def judge(self, request: web.Request, form: Any, folder: Folder, staff: Staff) -> str:
        """A coordinator accepts a draft or gives it back; the sentence that says why not, or nothing."""
        draft, accept = folder.facts.draft, form.get("do") == "accept"
        version = str(form.get("version", ""))
        if draft is None or version != str(draft.version):
            return self._room.say(request, "providers.told.changed")
        why = self._room.clean(request, form, "why")
        if accept and (lacks := lacks_to_send(draft, self._room.programme.catalogue)):
            return " ".join(self._room.lacks(request, lacks))
        if not accept and not why:
            return self._room.say(request, "providers.wrong.why")
        organisation_id, now = folder.provider.organisation_id, self._house.clock.now()
        try:
            async with self._house.db.write() as conn:
                if accept:
                    await profile_store.accept_profile(
                        conn,
                        organisation_id,
                        version=draft.version,
                        actor=f"staff:{staff.id}",
                        now=now,
                        on=self._room.today(),
                    )
                else:
                    await profile_store.return_profile(
                        conn,
                        self._house.vault,
                        organisation_id,
                        version=draft.version,
                        why=why,
                        actor=f"staff:{staff.id}",
                        now=now,
                    )
        except CertificationError:
            return self._room.say(request, "providers.told.changed")
        return ""


def _newest(folder: Folder) -> Profile | None:
    """What the form begins with: the draft, else the profile that holds."""
    return folder.facts.draft or folder.facts.profile

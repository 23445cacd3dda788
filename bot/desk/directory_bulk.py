"""Bringing in many services from a file: read, shown as what would come of it, and taken only when that was seen.

Between looking and taking the file lies in the page and nowhere else. Each service goes the one way that every change
goes (`proposal_store.submit`), so what a second person has to look at waits for one. A file of ours is YAML as
`varde export` writes it; others' files are HSDS, as JSON or as a zipped package.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from aiohttp.web import FileField
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.desk.confirming import HERE as CONFIRMING
from bot.desk.confirming import tabs
from bot.desk.directory_room import DirectoryRoom
from bot.desk.directory_telling import Changed
from bot.desk.door import DeskDoor
from helpline.accounts import Role
from helpline.content import ContentError, read_yaml
from helpline.messages import Country
from helpline.web import KILOBYTE, LANGUAGE, Access, Route, see_other
from routing import store
from routing.hsds import package, reading
from routing.hsds.loss import LossReport
from routing.upkeep import bulk, confirming_store, proposal_store
from routing.upkeep.bulk import Plan, Read, Refusal, Row, What
from routing.upkeep.proposal_store import Proposed
from routing.upkeep.service_form import as_plain

HERE: Final = CONFIRMING + "/import"
LARGEST: Final = 1500 * KILOBYTE  # of a file; larger ones are for the command line
_BODY: Final = 2300 * KILOBYTE
_UNPACKED: Final = 8_000 * KILOBYTE  # of an archive: a small one may hold what fills the memory
_SHOWN: Final = 200  # rows of each sort
_YAML: Final = (".yaml", ".yml")


@dataclass(frozen=True)
class File:
    """A file as it lies in the page."""

    name: str
    content: bytes

    @property
    def packed(self) -> str:
        """As text for the page."""
        return base64.b64encode(self.content).decode()


@dataclass(frozen=True)
class Shown:
    """One row of the plan as the page shows it."""

    row: Row
    changed: Sequence[Changed]
    because: str
    wrong: str


class BulkDesk:
    """The routes, for coordinators."""

    def __init__(self, door: DeskDoor, room: DirectoryRoom) -> None:
        self._door = door
        self._house = door.house
        self._room = room

    def routes(self) -> list[Route]:
        """The addresses."""
        return [
            Route("GET", HERE, self.show, Access.STAFF),
            Route("POST", HERE, self.take, Access.STAFF, _BODY),
        ]

    async def show(self, request: web.Request) -> web.StreamResponse:
        """Where a file is chosen; and what came of the last one."""
        self._door.member(request, Role.COORDINATOR)
        told = {name: request.query.get(name, "") for name in ("saved", "proposed")}
        counts = {
            name: int(count) for name, count in told.items() if count.isascii() and count.isdigit() and len(count) < 9
        }
        notice = self._door.say(request, "bulk.told", **counts) if len(counts) == len(told) else ""
        return await self._page(request, notice=notice)

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Look at a file, or bring in what was looked at."""
        staff = self._door.member(request, Role.COORDINATOR)
        form = await self._door.form(request)
        file = await _file(form)
        if file is None:
            return await self._page(request, wrong=self._door.say(request, "bulk.wrong.none"), status=422)
        if len(file.content) > LARGEST:
            return await self._page(request, wrong=self._door.say(request, "bulk.wrong.large"), status=422)
        country = Country.SE if form.get("country") == "SE" else Country.NO
        try:
            rows, losses = await asyncio.to_thread(self._read, file, country)
        except ContentError as error:
            wrong = self._door.say(request, "bulk.wrong.file", why=error.sentence)
            if error.line is not None:
                wrong = self._door.say(request, "bulk.wrong.line", line=error.line, why=error.sentence)
            return await self._page(request, wrong=wrong, status=422)
        if form.get("do") == "take":
            try:
                async with self._house.db.write() as conn:
                    plan = await self._plan(conn, rows)
                    if plan.seen == form.get("seen"):
                        done = await self._bring(conn, plan, by=f"staff:{staff.id}")
                        return see_other(f"{HERE}?saved={done[0]}&proposed={done[1]}")
            except store.ChangedMeanwhile:
                pass  # nothing was brought in; what stands there now is shown
            return await self._look(request, file, country, rows, losses, moved=True)
        return await self._look(request, file, country, rows, losses)

    async def _bring(self, conn: AsyncConnection, plan: Plan, *, by: str) -> tuple[int, int]:
        """Bring in everything that changes something; how many hold at once, and how many wait."""
        now, saved, proposed = self._house.clock.now(), 0, 0
        for row in plan.brings:
            if row.service is not None:
                result = await proposal_store.submit(conn, row.service, by=by, now=now)
                proposed += isinstance(result, Proposed)
                saved += not isinstance(result, Proposed)
        return saved, proposed

    async def _plan(self, conn: AsyncConnection, rows: Sequence[Read]) -> Plan:
        library = self._house.library
        present = {service.id: service for service in library.directory.services}
        for row in rows:
            # As it stands in the database at this moment, and also what is shown to nobody.
            found = await store.find_service(conn, row.id, library.directory, library.gazetteer) if row.id else None
            if found is not None:
                present[found.id] = found
        return bulk.plan(rows, present, apart=await confirming_store.apart(conn))

    def _read(self, file: File, country: Country) -> tuple[tuple[Read, ...], LossReport]:
        """The rows of a file; `ContentError` where it is none of those that we read."""
        library, losses = self._house.library, LossReport()
        needs = library.directory.needs
        if file.name.endswith(_YAML):
            try:
                text = file.content.decode("utf-8-sig")
            except UnicodeDecodeError as error:
                raise ContentError("The file must be saved as UTF-8.") from error
            return bulk.read_rows(read_yaml(text, file=file.name), library.gazetteer, needs), losses
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / ("upload.zip" if file.content[:2] == b"PK" else "upload.json")
            path.write_bytes(file.content)
            read = package.read_files(path, losses, largest=_UNPACKED)
        brought = reading.read(
            read.services, read.organizations, gazetteer=library.gazetteer, needs=needs, country=country, losses=losses
        )
        rows = tuple(
            Read(None, one.id, one, refused=Refusal.SAYS_LESS if one.id in brought.public else None)
            for one in brought.services
        )
        if not rows and not losses:
            raise ContentError("There is no service in the file.")
        return rows, losses

    # --- pages --------------------------------------------------------------------------------------------------------

    async def _look(
        self,
        request: web.Request,
        file: File,
        country: Country,
        rows: Sequence[Read],
        losses: LossReport,
        *,
        moved: bool = False,
    ) -> web.Response:
        async with self._house.db.read() as conn:
            plan = await self._plan(conn, rows)
            tell = await self._room.tell(request, conn)
        say = self._door.say

        def shown(row: Row) -> Shown:
            wrong = say(request, "bulk.refused.unread", why=row.wrong)
            if row.refused is not None:
                wrong = say(request, f"bulk.refused.{row.refused.value}", number=row.number)
            changed: Sequence[Changed] = ()
            if row.what is What.CHANGED and row.service is not None:
                changed = tell.differences(row.before, as_plain(row.service), row.service.country)
            return Shown(row, changed, tell.because(row.because) if row.because else "", wrong)

        parts = [
            (what.value, len(plan.of(what)), [shown(row) for row in plan.of(what)[:_SHOWN]])
            for what in (What.REFUSED, What.ADDED, What.CHANGED, What.SAME)
            if plan.of(what)
        ]
        counts = {what.value: len(plan.of(what)) for what in What}
        return await self._page(
            request,
            file=file,
            country=country,
            plan=plan,
            parts=parts,
            counts=counts,
            losses=losses.as_text() if losses else "",
            moved=moved,
            status=409 if moved else 200,
        )

    async def _page(
        self,
        request: web.Request,
        *,
        file: File | None = None,
        country: Country | None = None,
        plan: Plan | None = None,
        parts: Sequence[tuple[str, int, Sequence[Shown]]] = (),
        counts: dict[str, int] | None = None,
        losses: str = "",
        moved: bool = False,
        wrong: str = "",
        notice: str = "",
        status: int = 200,
    ) -> web.Response:
        return self._door.pages.page(
            "desk/bulk.html",
            request[LANGUAGE],
            status=status,
            **await self._door.frame(request),
            tabs=tabs(self._door, request),
            open_tab=HERE,
            file=file,
            country=(country or self._house.country or Country.NO).value,
            plan=plan,
            parts=parts,
            counts=counts or {},
            losses=losses,
            moved=moved,
            wrong=wrong,
            notice=notice,
        )


async def _file(form: Any) -> File | None:
    """The file that was chosen, or the one that lies in the page."""
    sent = form.get("file")
    if isinstance(sent, FileField):
        with sent.file:
            content = await asyncio.to_thread(sent.file.read)
        return File(sent.filename.casefold()[:120], content) if content else None
    try:
        content = base64.b64decode(str(form.get("content", "")), validate=True)
    except (binascii.Error, ValueError):
        return None
    return File(str(form.get("name", ""))[:120], content) if content else None

"""The shelves, the directory and the rules as they stand now: read once, swapped whole when something is published.

A decision is given one immutable picture of them, so that nothing changes under it while it is made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path

import structlog

from bot.answers import Form
from bot.commands import Commands
from bot.dialogue import Waiting, World
from helpline.content import ContentError
from helpline.database import Database
from helpline.messages import Country
from helpline.phrases import Phrases
from knowledge import fitness, law_watch
from knowledge import store as shelf_store
from knowledge.danger import DangerSense, Scope
from knowledge.fitness import Policy, Standing, local_day
from knowledge.gate_worker import take_tested
from knowledge.law_watch import NOTHING_MARKED, Marks
from knowledge.laws import LawBook
from knowledge.making import make_beside
from knowledge.shelves import Shelves, Tools
from knowledge.smalltalk import Smalltalk
from routing import store as service_store
from routing.certification import scope
from routing.certification import store as certification_store
from routing.directory import Directory
from routing.places import Gazetteer

log = structlog.get_logger(__name__)

TOPIC = "library"  # rung when articles or services were published


@dataclass(frozen=True)
class _Version:
    """Which published articles and services are loaded."""

    articles: int
    services: tuple[int, ...]
    certified: Mapping[str, scope.Scope]  # who is on this day: a certification lapses without anybody writing


class Library:
    """Holds what is published."""

    def __init__(self, folder: Path, *, danger_file: Path | None = None) -> None:
        self.gazetteer = Gazetteer.load(folder / "places")
        self._shipped = Directory.load(folder, self.gazetteer)
        self.directory = self._shipped
        self.laws = LawBook.load(folder / "laws.yaml")
        self.standing = Standing(Policy.load(folder / "fitness.yaml"))
        self.tools = Tools.load(folder)
        self.urgency = DangerSense.load(folder, self.tools.vectors, saved=danger_file)
        self.smalltalk = Scope(Smalltalk.load(folder / "smalltalk.yaml"), self.urgency)
        self._marked: Marks = NOTHING_MARKED
        self._shelves: Shelves | None = None
        self._version: _Version | None = None
        self._refused: _Version | None = None
        self._day: date | None = None

    @property
    def shelves(self) -> Shelves:
        """The published articles."""
        if self._shelves is None:
            raise RuntimeError("the shelves are not loaded yet")
        return self._shelves

    @property
    def version(self) -> int:
        """Which state of the published articles is loaded; grows with each change of them."""
        return self._version.articles if self._version is not None else 0

    async def refresh(self, db: Database, *, index_file: Path | None = None, now: datetime | None = None) -> bool:
        """Load what is published where it is newer than what is held; whether it was.

        `now` says on which day providers must be certified to be offered as such; without it the last one told holds.

        What cannot be loaded leaves the old standing, and says so in the log. A change of the directory alone does not
        make the shelves anew, so that what a coordinator approved is offered at once.
        """
        self._day = local_day(Country.SE, now) if now is not None else self._day
        async with db.read() as conn:
            marked = await law_watch.uncleared(conn)
            day, places = self._day, self.gazetteer
            certified = await certification_store.certified(conn, day, places) if day is not None else {}
            version = _Version(await shelf_store.version(conn), await service_store.version_of(conn), certified)
            if version in (self._version, self._refused):
                if marked != self._marked:
                    await self._heed(marked, self.shelves)
                return False
            try:
                # Over what was shipped, each time: one that stood in and closed gives way to whom it stood in for.
                directory = await service_store.directory_of(
                    conn, self._shipped, self.gazetteer, certified=certified, held=self.directory
                )
            except ContentError as error:
                return self._refuse(version, error)
            shelved = self._version is not None and version.articles == self._version.articles
            articles = () if shelved else await shelf_store.published(conn)
        if shelved:
            if marked != self._marked:
                await self._heed(marked, self.shelves)
            self.directory, self._version = directory, version
            log.info("directory_loaded", services=len(directory.services))
            return True
        try:
            # Nobody is answered before the first shelves are there; after that, making others must not keep anybody
            # waiting.
            await asyncio.to_thread(take_tested, articles, self.tools, index_file)
            make = Shelves.build if self._shelves is None else make_beside
            shelves = await asyncio.to_thread(make, articles, self.tools, saved=index_file)
        except ContentError as error:
            # The directory has nothing to do with it.
            self.directory = directory
            return self._refuse(version, error)
        await self._heed(marked, shelves)
        self._shelves, self.directory, self._version = shelves, directory, version
        log.info("library_loaded", articles=len(articles), services=len(directory.services))
        return True

    def _refuse(self, version: _Version, error: ContentError) -> bool:
        if self._shelves is None:
            raise error
        self._refused = version
        log.error("library_refused", reason=type(error).__name__)
        return False

    async def _heed(self, marked: Marks, shelves: Shelves) -> None:
        """Flag what rests on law that has changed."""
        flags = await asyncio.to_thread(fitness.flag, shelves.articles, *marked, self.laws)
        self.standing, self._marked = replace(self.standing, flags=flags), marked

    def refresher(self, db: Database, *, index_file: Path | None = None) -> Callable[[datetime], Awaitable[int]]:
        """The loop's tick."""

        async def tick(now: datetime) -> int:
            await self.refresh(db, index_file=index_file, now=now)
            return 0

        return tick

    def world(
        self, *, phrases: Phrases, commands: Commands, now: datetime, form: Form, escalation: Waiting | None
    ) -> World:
        """Everything a decision looks at."""
        return World(
            phrases=phrases,
            commands=commands,
            shelves=self.shelves,
            smalltalk=self.smalltalk,
            urgency=self.urgency,
            gazetteer=self.gazetteer,
            directory=self.directory,
            now=now,
            form=form,
            escalation=escalation,
            standing=self.standing,
        )

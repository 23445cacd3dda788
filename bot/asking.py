"""`varde ask`, `refer`, `mask` and `oncall`: what would be answered, from storage where there is any.

Nothing is stored. Where there is no database none is made, and the shipped content answers.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import orjson

from bot.commands import Commands
from bot.office import Refusal
from escalation import files as ladder_files
from escalation import on_duty
from escalation.on_duty import OnCall
from escalation.rota import on_call as rota
from escalation.rota import store as rota_store
from escalation.rota.duty import AWAKE, Recorded
from helpline.clock import SystemClock
from helpline.content import content_folder
from helpline.database import Database
from helpline.masking import Masker
from helpline.messages import Country
from helpline.settings import load_settings
from knowledge import fitness, law_watch
from knowledge import store as shelf_store
from knowledge.articles import Article, load_articles
from knowledge.danger import DangerSense, Scope
from knowledge.fitness import Policy, Standing
from knowledge.law_watch import NOTHING_MARKED, Marks
from knowledge.laws import LawBook
from knowledge.shelves import Shelves, Tools, ask_line
from knowledge.smalltalk import Smalltalk
from routing import closed_days
from routing import store as service_store
from routing.certification import store as certification_store
from routing.certification.store import Everyone
from routing.directory import Directory
from routing.matching.refer import YEARS, World, refer_written
from routing.places import Gazetteer

Answerer = Callable[[Mapping[str, Any]], Mapping[str, Any]]
_WORLDS_AT_MOST = 8  # each has an index over the whole directory


async def _stored(read: Callable[[Database], Any]) -> Any | None:
    """What `read` finds in the database; None where there is none yet."""
    settings = load_settings(create=False)
    db = Database.connect(settings.database_url.reveal())
    try:
        return await read(db) if await db.prepared() else None
    finally:
        await db.dispose()


def asker(articles: Path | None, country: Country | None) -> Answerer:
    """Answers questions over the published articles, or over a folder or file of others."""
    return asker_of_known(articles, country)[0]


def asker_of_known(articles: Path | None, country: Country | None) -> tuple[Answerer, frozenset[str]]:
    """The same, and the ids of the articles it answers from."""
    content = content_folder()
    tools = Tools.load(content)
    shelved: tuple[Article, ...]
    kept: Path | None = None
    marked: Marks = NOTHING_MARKED
    if articles is not None:
        shelved = load_articles(articles)
    else:
        stored = asyncio.run(_stored(_published))
        shelved, marked = stored if stored is not None else (load_articles(content / "articles"), NOTHING_MARKED)
        if stored is not None:
            kept = load_settings(create=False).data_dir / "shelves.index"
    shelves = Shelves.build(shelved, tools, saved=kept if kept is not None and kept.is_file() else None)
    learnt = load_settings(create=False).data_dir / "danger.index"
    sense = DangerSense.load(content, tools.vectors, saved=learnt if learnt.is_file() else None)
    scope = Scope(Smalltalk.load(content / "smalltalk.yaml"), sense)
    commands = Commands.load(content / "commands.yaml")
    now = SystemClock().now()
    flags = fitness.flag(shelved, *marked, LawBook.load(content / "laws.yaml"))
    standing = Standing(Policy.load(content / "fitness.yaml"), flags)

    def answer(question: Mapping[str, Any]) -> Mapping[str, Any]:
        if country is not None and "country" not in question:
            question = {**question, "country": country.value}
        return ask_line(
            shelves,
            sense.assess,
            question,
            smalltalk=scope,
            is_command=lambda text: commands.recognise(text) is not None,
            standing=standing,
            now=now,
        )

    return answer, frozenset(article.id for article in shelved)


async def _published(db: Database) -> tuple[tuple[Article, ...], Marks]:
    async with db.read() as conn:
        return await shelf_store.published(conn), await law_watch.uncleared(conn)


def referrer() -> Answerer:
    """Answers who can help."""
    answer = referrer_in_writing()
    return lambda line: cast(Mapping[str, Any], orjson.loads(answer(line)))


def referrer_in_writing() -> Callable[[Mapping[str, Any]], bytes]:
    """Answers who can help, as JSON: reasons for each of twenty thousand services are long to write twice."""
    now = SystemClock().now()
    with _there_to_stay():
        worlds = _worlds(now)

    def answer(line: Mapping[str, Any]) -> bytes:
        at = line.get("at")
        # An instant that cannot be read is the matcher's to refuse, with a sentence.
        when = _instant_or_none(at)
        when = when if when is not None and when.year in YEARS else now
        closed = {country: closed_days.around(country, when) for country in Country}
        return refer_written(worlds.on(fitness.local_day(Country.SE, when)), line, now=now, holidays=closed)

    return answer


@contextmanager
def _there_to_stay() -> Iterator[None]:
    """Read much that will be kept: the collector walks through it neither meanwhile nor between two questions."""
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


def _worlds(now: datetime) -> _Worlds:
    world = World.load(content_folder())

    async def stored(db: Database) -> tuple[Directory, Everyone]:
        async with db.read() as conn:
            directory = await service_store.directory_of(conn, world.directory, world.gazetteer)
            return directory, await certification_store.everyone(conn)

    found = asyncio.run(_stored(stored))
    directory, providers = found if found is not None else (world.directory, ())
    worlds = _Worlds(replace(world, directory=directory), providers)
    worlds.on(fitness.local_day(Country.SE, now))
    return worlds


class _Worlds:
    """The world with whoever is certified on the day that is asked about; days with the same of them share one."""

    def __init__(self, world: World, providers: Everyone) -> None:
        self._world = world  # with nobody certified
        self._providers = providers
        self._known: list[tuple[Mapping[str, object], World]] = []
        self._of_day: dict[date, World] = {}

    def on(self, day: date) -> World:
        """The world of this day."""
        if day not in self._of_day:
            self._of_day[day] = self._find(day)
        return self._of_day[day]

    def _find(self, day: date) -> World:
        there = certification_store.certified_among(self._providers, day, self._world.gazetteer)
        certified = certification_store.scopes(there)
        for others, world in self._known:
            if others == certified:
                return world
        if len(self._known) >= _WORLDS_AT_MOST:
            self._known.clear()
            self._of_day.clear()
        with _there_to_stay():
            directory = self._world.directory
            if certified:
                directory = directory.with_all(directory.services, certified=certified)
            world = replace(self._world, directory=directory)
            world.prepare()
        self._known.append((certified, world))
        return world


def masker() -> Masker:
    """The masker as the running line has it."""
    content = content_folder()
    directory = Directory.load(content, Gazetteer.load(content / "places"))
    return masker_for(content, directory)


def masker_for(content: Path, directory: Directory) -> Masker:
    """A masker that leaves the directory's own numbers and names standing."""
    services = directory.services
    return Masker.load(
        content,
        keep_numbers=[phone.number for service in services for phone in service.phones],
        keep_words=[service.name for service in services],
    )


async def on_call_now(at: str | None) -> list[dict[str, Any]]:
    """Who stands behind each stored roster at the instant; of the shipped one where there is no database.

    `how` says what that rests on: `roster` for now and ahead; for the past `record` (what really was), `down` (the
    line was not running, and this was planned) or `unrecorded` (nothing was put on record; by the roster as it was
    saved). Raises `Refusal` for an instant without a zone.
    """
    now = SystemClock().now()
    instant = now if at is None else _instant(at)

    async def stored(db: Database) -> list[dict[str, Any]]:
        async with db.read() as conn:
            found = await on_duty.who_is_on_call(conn, instant)
            recorded = await rota_store.recorded_at(conn, instant) if instant < now else {}
            last = await rota_store.last_records(conn) if instant < now else {}
        known = [_by_record(each) for each in sorted(recorded.values(), key=lambda each: each.roster)]
        past = at is not None and instant < now
        return known + [
            {
                "roster": each.roster,
                "people": list(each.people),
                "until": each.until.isoformat() if each.until is not None else None,
                "stands_in": each.by_fallback,
                "how": _how(each, last.get(each.roster), instant) if past else "roster",
            }
            for each in found
            if each.roster not in recorded
        ]

    known: list[dict[str, Any]] | None = await _stored(stored)
    if known is not None:
        return known
    return [
        {
            "roster": each.name,
            "people": list(rota.on_call(each.schedule, ZoneInfo(each.zone), instant)),
            "until": None,
            "stands_in": False,
            "how": "roster",
        }
        for each in ladder_files.read_rosters(content_folder() / "roster.yaml")
    ]


def _how(found: OnCall, last: Recorded | None, at: datetime) -> str:
    """Whether a past that is not on record yet is what the record will say: the line looks every half minute."""
    between_looks = last is not None and last.seen and timedelta() <= at - last.span.end <= AWAKE
    return "record" if last is not None and between_looks and last.people == found.people else "unrecorded"


def _by_record(record: Recorded) -> dict[str, Any]:
    return {
        "roster": record.roster,
        "people": list(record.people),
        "until": record.span.end.isoformat(),
        "stands_in": False,
        "how": "record" if record.seen else "down",
    }


def _instant_or_none(at: object) -> datetime | None:
    try:
        return _instant(at) if isinstance(at, str) else None
    except Refusal:
        return None


def _instant(at: str) -> datetime:
    try:
        instant = datetime.fromisoformat(at)
    except ValueError as error:
        raise Refusal(f"{at!r} is no instant; write 2026-11-22T02:35+01:00.") from error
    if instant.tzinfo is None:
        raise Refusal(f"{at!r} has no zone; write 2026-11-22T02:35+01:00.")
    return instant

"""What the operator does: migrate, bring in, take out, and ask what is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import bulk, bulk_hsds
from bot.app import build_house, channels_of
from bot.house import House
from bot.office import OPERATOR
from bot.serving import LOCAL_ADVISOR
from escalation import auditor_store, on_duty
from escalation import files as ladder_files
from escalation import store as escalations
from escalation.reach import trials as reach_tests
from escalation.rota.local_time import say_instant
from escalation.store import NoLadder
from helpline import accounts, audit, logs
from helpline.clock import SystemClock
from helpline.content import ContentError, content_folder
from helpline.database import Database
from helpline.messages import Channel, Country
from helpline.phrases import Phrases
from helpline.settings import Settings, SettingsError, load_settings
from knowledge import law_watch
from knowledge import store as shelves
from knowledge.articles import Article, load_articles
from knowledge.checking import Fault, check_shelves
from knowledge.danger import samples_of
from knowledge.fitness import Fit, Policy, Standing, flag
from knowledge.law_watch import NOTHING_MARKED, Marks
from knowledge.laws import LawBook
from knowledge.questions import load_sets, unknown_articles
from knowledge.smalltalk import Smalltalk
from knowledge.urgency import UrgencyRules
from routing import store as services
from routing.directory import Directory
from routing.hsds.fields import Version
from routing.places import Gazetteer
from routing.upkeep.service_form import looks_like_address

log = structlog.get_logger(__name__)


@asynccontextmanager
async def open_house() -> AsyncIterator[House]:
    """The line's storage, brought up to date, without anything running."""
    settings = load_settings()
    logs.configure(level="error")
    house = build_house(settings, clock=SystemClock(), channels=channels_of(settings))
    try:
        await house.db.migrate()
        async with house.db.write() as conn:
            await house.vault.check(conn)
        yield house
    finally:
        for adapter in house.channels.values():
            await adapter.close()
        await house.db.dispose()


async def migrate_database() -> None:
    """Bring the tables to what this version needs."""
    db = Database.connect(load_settings().database_url.reveal())
    try:
        await db.migrate()
    finally:
        await db.dispose()


async def bring_in(what: str, path: Path) -> str:
    """Import a file or folder; a sentence that says what came of it. Nothing changes where the file has a fault."""
    async with open_house() as house:
        now = house.clock.now()
        if what == "articles":
            put = await bulk.bring_articles(house.db, path, actor=OPERATOR, now=now)
            return f"{len(put.added)} articles added, {len(put.changed)} changed, {len(put.same)} as they were."
        async with house.db.write() as conn:
            match what:
                case "services":
                    done = await services.import_services(
                        conn,
                        path,
                        directory=house.library.directory,
                        gazetteer=house.library.gazetteer,
                        now=now,
                        actor=OPERATOR,
                    )
                    return _taken_in(what, done)
                case "organisations":
                    return _taken_in(what, await services.import_organisations(conn, path, now=now, actor=OPERATOR))
                case "roster":
                    ladder_files.check_fallbacks(path, now)
                    names = await ladder_files.import_rosters(conn, path, now, saved_by=OPERATOR)
                    await audit.append(
                        conn,
                        at=now,
                        actor=OPERATOR,
                        action="roster_imported",
                        subject="roster",
                        details={"rosters": names},
                    )
                    return f"Rosters saved, valid from now: {', '.join(names)}."
                case _:
                    await ladder_files.import_ladders(conn, path, now, saved_by=OPERATOR)
                    await audit.append(conn, at=now, actor=OPERATOR, action="ladders_imported", subject="ladders")
                    return "Ladders saved. Whoever waits already keeps the ladder they were given."


def _taken_in(what: str, done: services.Imported) -> str:
    return f"{len(done.added)} {what} added, {len(done.changed)} changed, {len(done.same)} as they were."


async def take_out(what: str, path: Path) -> str:
    """Export in the form that `import` reads; a sentence that says what was written."""
    async with open_house() as house:
        now = house.clock.now()
        async with house.db.read() as conn:
            match what:
                case "articles":
                    count = await shelves.export_articles(conn, path)
                    return f"{count} articles written to {path}."
                case "services":
                    directory = await services.directory_of(conn, house.library.directory, house.library.gazetteer)
                    written = services.export_services(directory, path, day=now.date())
                    return f"{len(directory.services)} services written to {_listed(written)}."
                case "organisations":
                    directory = await services.directory_of(conn, house.library.directory, house.library.gazetteer)
                    written = services.export_organisations(directory, path, day=now.date())
                    return f"{len(directory.organisations)} organisations written to {_listed(written)}."
                case "roster":
                    text = await ladder_files.export_rosters(conn, now)
                case _:
                    text = await ladder_files.export_ladders(conn)
        await asyncio.to_thread(path.write_text, text, encoding="utf-8")
        return f"Written to {path}."


async def bring_in_hsds(path: Path, country: Country | None, *, dry_run: bool) -> bulk_hsds.Plan:
    """Import a directory as HSDS, or say what that would do; where there is no database yet, saying makes none."""
    now = SystemClock().now()
    if dry_run:
        content = content_folder()
        gazetteer = await asyncio.to_thread(Gazetteer.load, content / "places")
        shipped = await asyncio.to_thread(Directory.load, content, gazetteer)
        return await bulk_hsds.plan(path, shipped=shipped, gazetteer=gazetteer, country=country or Country.NO, now=now)
    async with open_house() as house, house.db.write() as conn:
        return await bulk_hsds.bring_in(
            conn,
            path,
            shipped=house.library.directory,
            gazetteer=house.library.gazetteer,
            country=country or house.country,
            now=house.clock.now(),
            actor=OPERATOR,
        )


async def take_out_hsds(path: Path, *, form: str, partner: bool, version: str) -> str:
    """Export the directory as HSDS; a sentence that says what was written."""
    async with open_house() as house, house.db.read() as conn:
        return await bulk_hsds.take_out(
            conn,
            path,
            shipped=house.library.directory,
            gazetteer=house.library.gazetteer,
            content=house.content,
            public_url=house.settings.public_url,
            now=house.clock.now(),
            form=bulk_hsds.Form(form),
            partner=partner,
            version=Version(version),
        )


def _listed(paths: Iterable[Path]) -> str:
    return ", ".join(map(str, paths))


# --- what is wrong ----------------------------------------------------------------------------------------------------


class Severity(StrEnum):
    """How much a finding matters."""

    WRONG = "wrong"  # must be mended
    OPEN = "open"  # works, and should be looked at


@dataclass(frozen=True)
class Finding:
    """Something an operator should know."""

    severity: Severity
    area: str
    sentence: str


async def check_everything() -> list[Finding]:
    """Content, settings, storage and coverage, in that order. Changes nothing."""
    findings: list[Finding] = []
    now = SystemClock().now()
    settings: Settings | None = None
    try:
        settings = load_settings(create=False)
    except SettingsError as error:
        findings += [Finding(Severity.WRONG, "settings", line) for line in str(error).splitlines() if line.strip()]
    content = content_folder()
    findings += _check_content(content, now)
    if settings is not None:
        findings += _check_settings(settings)
        findings += await _check_storage(settings)
    return list(dict.fromkeys(findings))  # the shipped articles also stand in the database


def _check_content(content: Path, now: datetime) -> list[Finding]:
    findings: list[Finding] = []

    def tried(area: str, read: object) -> object | None:
        assert callable(read)
        try:
            return read()  # type: ignore[no-any-return]
        except ContentError as error:
            findings.append(Finding(Severity.WRONG, area, str(error)))
            return None

    articles = tried("articles", lambda: load_articles(content / "articles"))
    tried("phrases", lambda: Phrases.load(content / "phrases"))
    tried("urgency", lambda: samples_of(content, UrgencyRules.load(content / "urgency")))
    tried("small talk", lambda: Smalltalk.load(content / "smalltalk.yaml"))
    gazetteer = tried("places", lambda: Gazetteer.load(content / "places"))
    if isinstance(gazetteer, Gazetteer):
        directory = tried("services", lambda: Directory.load(content, gazetteer))
        if isinstance(directory, Directory):
            for service in directory.services:
                if service.protected and looks_like_address(f"{service.name} {service.note}"):
                    findings.append(Finding(Severity.WRONG, "services", f"{service.id} may give away an address."))
            findings += _check_hsds(directory, gazetteer, now)
            for country in Country:
                findings += [
                    Finding(Severity.OPEN, "services", f'No service of {country.value} meets the need "{need}".')
                    for need in directory.unmet(country)
                ]
    tried("ladders", lambda: ladder_files.read_ladders(content / "ladder.yaml"))
    tried("roster", lambda: ladder_files.read_rosters(content / "roster.yaml"))
    sets = tried("questions", lambda: load_sets(content / "questions"))
    if isinstance(articles, tuple) and isinstance(sets, tuple):
        for where, gone in unknown_articles(sets, [article.id for article in articles]).items():
            sentence = f"{where} expects {', '.join(gone)}, and no article is called so."
            findings.append(Finding(Severity.OPEN, "questions", sentence))
    if isinstance(articles, tuple):
        findings += _check_articles(articles)
    tried("fitness", lambda: Policy.load(content / "fitness.yaml"))
    tried("laws", lambda: LawBook.load(content / "laws.yaml"))
    return findings


def _check_hsds(directory: Directory, gazetteer: Gazetteer, now: datetime) -> list[Finding]:
    """What would be wrong with the directory in others' hands."""
    return [
        Finding(Severity.WRONG, "hsds", f"{fault.of}, {fault.where}: {fault.sentence}")
        for fault in bulk_hsds.check_directory(directory, gazetteer, now)
    ]


def _check_fitness(articles: Sequence[Article], marks: Marks, now: datetime) -> list[Finding]:
    """What is past its review date, and what rests on law that has changed."""
    content = content_folder()
    try:
        policy, book = Policy.load(content / "fitness.yaml"), LawBook.load(content / "laws.yaml")
    except ContentError:
        return []  # said already
    standing = Standing(policy, flag(articles, *marks, book))
    findings: list[Finding] = []
    for article in articles:
        fitness = standing.fitness(article, now)
        if fitness.overdue:
            handed = ", and the line hands over instead" if fitness.fit is Fit.HAND_OVER else ""
            sentence = f"{article.id} was to be reviewed by {article.review_by}{handed}."
            findings.append(Finding(Severity.OPEN, "articles", sentence))
        for change in fitness.changes:
            sentence = f"{article.id} rests on {change.law.name}, which changed on {change.in_force_on}."
            findings.append(Finding(Severity.OPEN, "articles", sentence))
    return findings


_MUST_BE_MENDED = frozenset({Fault.FIGURE, Fault.TRANSLATION, Fault.LENGTH, Fault.WORDING})


def _check_articles(articles: Sequence[Article]) -> list[Finding]:
    """What stands in articles that should not; hard words and near twins can wait, a wrong number cannot."""
    return [
        Finding(
            Severity.WRONG if found.fault in _MUST_BE_MENDED else Severity.OPEN,
            "articles",
            f"{found.article_id}, {found.field}: {found.sentence}",
        )
        for found in check_shelves(articles)
    ]


def _check_settings(settings: Settings) -> list[Finding]:
    findings = [
        Finding(Severity.OPEN, "settings", f"{name} means nothing to this version; is it misspelt?")
        for name in settings.unknown
    ]
    wanted = {
        Channel.TELEGRAM: "VARDE_TELEGRAM_TOKEN",
        Channel.SMS: "VARDE_TWILIO_ACCOUNT_SID, VARDE_TWILIO_AUTH_TOKEN and VARDE_TWILIO_NUMBER",
        Channel.WHATSAPP: "VARDE_TWILIO_WHATSAPP_NUMBER",
        Channel.CALL: "VARDE_TWILIO_ACCOUNT_SID, VARDE_TWILIO_AUTH_TOKEN and VARDE_TWILIO_NUMBER (one that can call)",
    }
    for channel, names in wanted.items():
        if channel not in settings.channels:
            findings.append(Finding(Severity.OPEN, "settings", f"{channel.value} is off: set {names} to switch it on."))
    if settings.heartbeat_url is None:
        findings.append(
            Finding(
                Severity.OPEN,
                "settings",
                "VARDE_HEARTBEAT_URL is not set: nobody outside notices if the line itself stands still.",
            )
        )
    if settings.public_url is None:
        findings.append(
            Finding(
                Severity.OPEN, "settings", "VARDE_PUBLIC_URL is not set: Telegram is polled, Twilio cannot reach us."
            )
        )
    return findings


def _shipped() -> tuple[Article, ...]:
    try:
        return load_articles(content_folder() / "articles")
    except ContentError:
        return ()  # said already


async def _check_audit(conn: AsyncConnection) -> list[Finding]:
    """What the auditor found and is not over."""
    faults = await auditor_store.open_faults(conn)
    codes = await escalations.codes_of(conn, {fault.escalation_id for fault in faults})
    return [
        Finding(
            Severity.WRONG,
            "auditor",
            f"{codes.get(fault.escalation_id, fault.escalation_id)}: {fault.what.value.replace('_', ' ')}, "
            f"since {say_instant(fault.found_at)}.",
        )
        for fault in faults
    ]


async def _check_stored_directory(conn: AsyncConnection, now: datetime) -> list[Finding]:
    content = content_folder()
    try:
        gazetteer = await asyncio.to_thread(Gazetteer.load, content / "places")
        shipped = await asyncio.to_thread(Directory.load, content, gazetteer)
    except ContentError:
        return []  # said already
    findings = [
        Finding(Severity.WRONG, "services", f"{name} cannot be read and is offered to nobody: {sentence}")
        for name, sentence in (await services.unreadable(conn, shipped, gazetteer)).items()
    ]
    directory = await services.directory_of(conn, shipped, gazetteer)
    return findings + await asyncio.to_thread(_check_hsds, directory, gazetteer, now)


async def _check_storage(settings: Settings) -> list[Finding]:
    db = Database.connect(settings.database_url.reveal())
    findings: list[Finding] = []
    try:
        if not await db.prepared():
            none_yet = Finding(Severity.OPEN, "storage", "There is no database yet; `varde serve` makes one.")
            return [none_yet, *_check_fitness(_shipped(), NOTHING_MARKED, SystemClock().now())]
        health = await db.health()
        findings += [Finding(Severity.WRONG, "storage", problem) for problem in health.problems]
        clock = SystemClock()
        async with db.read() as conn:
            published = await shelves.published(conn)
            findings += await asyncio.to_thread(_check_articles, published)
            marks = await law_watch.uncleared(conn)
            findings += await asyncio.to_thread(_check_fitness, published, marks, clock.now())
            broken = await audit.verify(conn)
            if broken is not None:
                findings.append(
                    Finding(Severity.WRONG, "audit", f"The trail is broken at entry {broken.id} ({broken.reason}).")
                )
            newest = await audit.newest_instant(conn)
            if newest is not None and newest > clock.now() + timedelta(minutes=1):
                findings.append(
                    Finding(Severity.WRONG, "clock", "The machine's clock is behind what storage has already seen.")
                )
            channels = frozenset({"desk", *(channel.value for channel in settings.channels)})
            try:
                sentences = await on_duty.what_is_wrong(conn, clock.now(), channels=channels)
                untested = await reach_tests.who_is_untested(conn, clock.now(), channels=channels)
                sentences += reach_tests.sentences(untested)
            except NoLadder:
                sentences = ["No ladder has been saved yet; `varde serve` brings the one that ships."]
            findings += [Finding(Severity.OPEN, "coverage", sentence) for sentence in sentences]
            findings += await _check_audit(conn)
            findings += await _check_stored_directory(conn, clock.now())
            for gone in await shelves.offered_for_retiring(conn):
                sentence = f"{gone.id} no longer comes with the program; retire it, or publish a revision of your own."
                findings.append(Finding(Severity.OPEN, "articles", sentence))
            if await accounts.find_staff(conn, LOCAL_ADVISOR) is not None:
                findings.append(
                    Finding(Severity.OPEN, "staff", "The local advisor is still here; invite your own and let them go.")
                )
    finally:
        await db.dispose()
    return findings

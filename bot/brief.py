"""What an advisor must know before saying a word: what was asked and answered, why it stopped, the promise."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from bot import answers, store
from bot.house import House
from escalation import store as escalations
from escalation.store import Filed
from helpline import inbox
from helpline.messages import Language
from helpline.phrases import ZONES, say_date, say_list, say_time
from knowledge.articles import Article
from knowledge.fitness import Fit

SHOWN = 8  # of the clinician's latest messages
LONGEST = 1500  # characters of one of them


@dataclass(frozen=True)
class ShownAnswer:
    """An article that the clinician was shown."""

    article_id: str
    title: str
    revision: int
    sources: tuple[str, ...]
    note: str = ""  # what to know before relying on it, as said to people


@dataclass(frozen=True)
class Promise:
    """That the clinician was told by when she would hear."""

    told_at: datetime
    by: datetime


@dataclass(frozen=True)
class Brief:
    """An escalation, for whoever takes it."""

    code: str
    urgent: bool
    reason: str  # as said to people
    place: str
    language: Language
    promise_at: datetime | None
    wrote: tuple[str, ...] = field(repr=False)
    answered: tuple[ShownAnswer, ...]
    earlier: int  # escalations of the same conversation before this one
    before: tuple[Filed, ...] = ()  # these, the latest first
    promises: tuple[Promise, ...] = ()  # oldest first
    signs: tuple[str, ...] = ()  # of danger, in words
    unanswered: bool = False  # the line had no certain answer to something


async def gather(conn: AsyncConnection, house: House, filed: Filed, language: Language) -> Brief:
    """Collect the brief; whoever calls this records that a conversation was looked at."""
    received = await inbox.transcript(conn, house.vault, filed.conversation_id, limit=60)
    wrote = [
        message.text[:LONGEST] if not message.erased else house.phrases.say("brief.erased", language)
        for message in received
        if message.text or message.erased
    ]
    seen: dict[tuple[str, int], ShownAnswer] = {}
    for shown in await store.served_in(conn, filed.conversation_id):
        article = house.library.shelves.article(shown.article_id)
        title = answers.title(article, language) if article is not None else shown.article_id
        refs = tuple(ref.ref for ref in article.law_refs) if article is not None else ()
        cite = (article.cite,) if article is not None and article.cite and not refs else ()
        note = note_of(house, article, language) if article is not None else ""
        seen[shown.article_id, shown.revision] = ShownAnswer(
            shown.article_id, title, shown.revision, (*refs, *cite), note
        )
    conversation = await store.get(conn, house.vault, filed.conversation_id)
    before = [each for each in await escalations.list_of(conn, filed.conversation_id) if each.id != filed.id]
    promises = await _promises(conn, filed)
    return Brief(
        code=filed.code,
        urgent=filed.escalation.urgency.value == "urgent",
        reason=reason_of(house, filed, language),
        place=filed.region,
        language=filed.language,
        # Who takes it must know what was promised, though taking it keeps the promise.
        promise_at=filed.escalation.promise_at or (promises[-1].by if promises else None),
        wrote=tuple(wrote[-SHOWN:]),
        answered=tuple(seen.values()),
        earlier=len(before),
        before=tuple(before),
        promises=promises,
        signs=signs_of(house, filed.brief_ref, language) if filed.reason == "danger" else (),
        unanswered=bool(conversation is not None and conversation.state and conversation.state.get("gaps")),
    )


def note_of(house: House, article: Article, language: Language) -> str:
    """That the article is past its review date, or that law which it rests on has changed."""
    fitness = house.library.standing.fitness(article, house.clock.now())
    notes = []
    if fitness.fit is not Fit.CURRENT and article.review_by is not None:
        by = say_date(article.review_by, language)
        notes.append(house.phrases.say(f"brief.answered.{fitness.fit.value}", language, date=by))
    if fitness.changes:
        laws = say_list(sorted({change.law.name for change in fitness.changes}), language)
        notes.append(house.phrases.say("brief.answered.law", language, laws=laws))
    return " ".join(notes)


async def _promises(conn: AsyncConnection, filed: Filed) -> tuple[Promise, ...]:
    """By when she was told that she would hear, each time that was another instant."""
    promises: list[Promise] = []
    for event in await escalations.history(conn, filed.id):
        if event.kind != "clinician_told" or "by" not in event.details:
            continue
        by = datetime.fromisoformat(event.details["by"])
        if not promises or promises[-1].by != by:
            promises.append(Promise(event.at, by))
    return tuple(promises)


def signs_of(house: House, rules: str, language: Language) -> tuple[str, ...]:
    """The rules that heard danger, in words; a name that has none stands as it is."""
    parts = [part for part in rules.split(", ") if part]
    said: list[str] = []
    while parts:
        # A rule's name may hold a comma itself: the longest that is known is meant.
        for length in range(len(parts), 0, -1):
            name = ", ".join(parts[:length]).removeprefix("like: ")
            key = danger_key(name)
            if house.phrases.has(key) or length == 1:
                said.append(house.phrases.say(key, language) if house.phrases.has(key) else name)
                parts = parts[length:]
                break
    return tuple(dict.fromkeys(said))


def danger_key(name: str) -> str:
    """The phrase that says what a rule of danger, or a situation like those it knows, is about."""
    return "danger.sign." + re.sub(r"[^a-z]+", "-", name.casefold()).strip("-")


def reason_of(house: House, filed: Filed, language: Language) -> str:
    """Why a human is sought, in words."""
    key = f"brief.reason.{filed.reason}"
    if not house.phrases.has(key):
        return filed.reason
    if filed.reason == "danger":
        signs = signs_of(house, filed.brief_ref, language)
        return house.phrases.say(key, language, rules="; ".join(signs) or "?")
    return house.phrases.say(key, language)


def in_words(brief: Brief, house: House, language: Language, now: datetime) -> str:
    """The brief as one message."""
    say = house.phrases.say
    lines = [say("brief.title", language, code=brief.code), say("brief.why", language, reason=brief.reason)]
    place = brief.place or say("brief.unknown_place", language)
    lines.append(say("brief.where", language, place=place, spoken=say(f"language.{brief.language.value}", language)))
    if brief.promise_at is not None:
        by = say_time(brief.promise_at, now=now, zone=ZONES[house.country], language=language)
        lines.append(say("brief.promise", language, by=by))
    if brief.earlier > 0:
        lines.append(say("brief.earlier", language, count=brief.earlier))
    parts = ["\n".join(lines)]
    if brief.wrote:
        parts.append("\n".join([say("brief.wrote", language), *(f"> {words}" for words in brief.wrote)]))
    parts.append(_answered(brief.answered, house, language))
    return "\n\n".join(parts)


def _answered(shown: Sequence[ShownAnswer], house: House, language: Language) -> str:
    lead = house.phrases.say("brief.answered", language)
    if not shown:
        return f"{lead} {house.phrases.say('brief.answered.nothing', language)}"
    lines = [
        house.phrases.say(
            "brief.answered.line",
            language,
            title=answer.title,
            revision=answer.revision,
            sources="; ".join(answer.sources) or answer.article_id,
        )
        + (f" {answer.note}" if answer.note else "")
        for answer in shown
    ]
    return "\n".join([lead, *(f"- {line}" for line in lines)])

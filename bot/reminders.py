"""Reminding the owners of articles that a review is near: once for each revision and date, one message for all of them.

The board shows what is due to everybody; the message is for whoever owns it and has a verified contact. The rows that
say "told" are unique and written in the same transaction as the messages, so two processes tell nobody twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import answers
from bot.house import House
from escalation import store as escalations
from escalation.carry import put_notice
from helpline import accounts, audit, daytime
from helpline.accounts import Contact, Role, Staff
from helpline.messages import Address, Channel, Language, OutboundMessage
from helpline.phrases import say_date
from helpline.storage import insert_once, table_of
from knowledge.articles import Article
from knowledge.store import ReviewReminderRow

log = structlog.get_logger(__name__)

EVERY = timedelta(hours=1)
_NAMED = 5  # articles in the message; the board shows the rest
_EVENING = time(17)  # nobody is called back from their evening for a review

_reminders = table_of(ReviewReminderRow)


class Reminders:
    """Tells owners what falls due."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def tick(self, now: datetime) -> int:
        """Tell of everything that has become due since; always zero, since all of it is told at once."""
        house = self._house
        due = [article for article in house.library.shelves.articles if house.library.standing.is_due(article, now)]
        if not due:
            return 0
        async with house.db.read() as conn:
            if not await _untold(conn, due):
                return 0
        async with house.db.write() as conn:
            owners = await self._owners(conn, await _untold(conn, due))
            # Only what somebody can be told of: whoever comes, or gets a contact, is told of the rest then.
            tellable = {article.id: article for _, _, theirs in owners for article in theirs}
            fresh = {article.id for article in tellable.values() if await _note(conn, article, now)}
            if not fresh:
                return 0  # nobody can be told yet, or another process was quicker
            told = 0
            for staff, address, theirs in owners:
                new = [article for article in theirs if article.id in fresh]
                told += await self._tell(conn, staff, address, new, now) if new else 0
            details: dict[str, audit.Detail] = {"articles": len(fresh), "told": told}
            await audit.append(conn, at=now, actor="line", action="review_reminded", subject="shelves", details=details)
        log.info("review_reminded", articles=len(fresh), told=told)
        return 0

    async def _owners(
        self, conn: AsyncConnection, articles: Sequence[Article]
    ) -> list[tuple[Staff, Address, list[Article]]]:
        """Who can be told of which, and where: whoever is named as the owner, else every editor."""
        working = await accounts.list_staff(conn)
        theirs: dict[str, list[Article]] = {}
        for article in articles:
            for staff in owners_of(article, working):
                theirs.setdefault(staff.id, []).append(article)
        named = [staff for staff in working if staff.id in theirs]
        return [(staff, address, theirs[staff.id]) for staff, address in await reachable(conn, self._house, named)]

    async def _tell(
        self, conn: AsyncConnection, staff: Staff, address: Address, articles: Sequence[Article], now: datetime
    ) -> int:
        first = min(articles, key=lambda article: (article.review_by, article.id))
        key = f"review:{staff.id}:{first.id}:{first.revision}:{first.review_by}"
        return await tell_by_day(
            conn, self._house, staff, address, lambda language: self._words(articles, language), key=key, now=now
        )

    def _words(self, articles: Sequence[Article], language: Language) -> str:
        say = self._house.phrases.say
        soonest = sorted(articles, key=lambda article: (article.review_by, article.id))
        lines = [
            say("review.remind.line", language, title=answers.title(article, language), date=_day(article, language))
            for article in soonest[:_NAMED]
        ]
        if len(soonest) > _NAMED:
            lines.append(say("review.remind.more", language, count=len(soonest) - _NAMED))
        lead = say("review.remind", language, count=len(soonest))
        return "\n".join([lead, *(f"- {line}" for line in lines), say("review.remind.where", language)])


def owners_of(article: Article, working: Iterable[Staff]) -> list[Staff]:
    """The members of staff who own the article: the one it names by id or name, else every editor."""
    writers = [staff for staff in working if staff.roles & {Role.EDITOR, Role.REVIEWER}]
    owner = article.owner.strip().casefold()
    named = [staff for staff in writers if owner in {staff.id.casefold(), staff.name.strip().casefold()}]
    return named or [staff for staff in writers if Role.EDITOR in staff.roles]


async def reachable(conn: AsyncConnection, house: House, staff: Iterable[Staff]) -> list[tuple[Staff, Address]]:
    """Those of them whom we can send something now, and where."""
    stopped = await escalations.stopped(conn)
    found = []
    for each in staff:
        contact = usable_contact(await accounts.contacts(conn, house.vault, each.id), stopped, house)
        address = contact.address() if contact is not None else None
        if address is not None:
            found.append((each, address))
    return found


async def tell_by_day(
    conn: AsyncConnection,
    house: House,
    staff: Staff,
    address: Address,
    words: Callable[[Language], str],
    *,
    key: str,
    now: datetime,
) -> bool:
    """Remind a member of staff of something, in their language and not at night; whether it was not said yet."""
    language = staff.languages[0] if staff.languages else Language.NB
    due_at = in_the_daytime(now, staff.zone)
    message = OutboundMessage(words(language))
    return await put_notice(conn, house.vault, staff.id, address, message, key=key, now=now, due_at=due_at)


def in_the_daytime(now: datetime, zone: str) -> datetime:
    """This moment where it is working day there, else the next morning."""
    try:
        return daytime.in_the_daytime(now, ZoneInfo(zone), until=_EVENING)
    except (ZoneInfoNotFoundError, ValueError):
        return now


def _day(article: Article, language: Language) -> str:
    return say_date(article.review_by, language) if article.review_by is not None else ""


def usable_contact(contacts: Iterable[Contact], stopped: Iterable[int], house: House) -> Contact | None:
    """The first contact that we can send something to now."""
    off = set(stopped)
    for contact in contacts:
        address = contact.address()
        if address is not None and contact.id not in off and Channel(address.channel) in house.channels:
            return contact
    return None


async def _untold(conn: AsyncConnection, due: Sequence[Article]) -> list[Article]:
    rows = await conn.execute(select(_reminders.c.article_id, _reminders.c.revision, _reminders.c.review_by))
    told = {(row.article_id, row.revision, row.review_by) for row in rows}
    return [article for article in due if (article.id, article.revision, article.review_by) not in told]


async def _note(conn: AsyncConnection, article: Article, now: datetime) -> bool:
    values = {"article_id": article.id, "revision": article.revision, "review_by": article.review_by, "at": now}
    return await insert_once(conn, _reminders, values, unique=["article_id", "revision", "review_by"]) is not None

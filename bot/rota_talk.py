"""Shifts and leave in an advisor's own chat: see them, give a shift away, ask for one, swap, answer; be away, and back.

By button on Telegram, and by a few words on any telephone. While an advisor has a clinician every bare word is for her,
so here only what begins with a stroke (/vakt) or comes from a button is understood then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncConnection

from escalation import on_duty, store
from escalation.advisors import CODES_FOR
from escalation.carry import Means
from escalation.on_duty import Present
from escalation.rota import leave, swaps
from escalation.rota import notices as rota_notices
from escalation.rota import store as rota_store
from escalation.rota import words as rota_words
from escalation.rota.exchange import CannotExchange, Exchange, Objection, State
from escalation.rota.leave import LeaveRefused
from escalation.rota.roster import Span
from escalation.rota.said_time import speaks_of_time
from escalation.rota.store import Leave
from escalation.rota.swaps import Ahead
from escalation.rota.words import MOST_HOLES
from helpline.accounts import Role, Staff
from helpline.messages import Choice, Language, OutboundMessage

MINE_AHEAD = timedelta(days=60)
ALL_AHEAD = timedelta(days=14)
MOST = 8  # shifts in one message

_SHOW_MINE = frozenset(
    ["vakt", "vakta", "mine vakter", "vaktene mine", "pass", "mina pass", "passen", "shift", "my shifts"]
)
_SHOW_ALL = frozenset(
    ["vakter", "vaktliste", "vaktlista", "vaktlisten", "alle vakter", "pass alla", "jourlista", "jourlistan", "shifts"]
)
_GIVE = re.compile(r"(?:gi|gje|ge|give) (?P<one>[0-9]{1,2})(?: (?:til|till|to) (?P<name>.{1,60}))?")
_TAKE = re.compile(r"(?:ta|take) (?P<one>[0-9]{1,2})")
_SWAP = re.compile(r"(?:bytt|byt|byta|swap) (?P<one>[0-9]{1,2}) (?:mot|for) (?P<other>[0-9]{1,2})")
_ANSWER = re.compile(r"(?:vakt|pass|shift) (?P<said>ja|yes|nei|nej|no)(?: (?P<one>[0-9]{1,2}))?")
_YES = frozenset({"ja", "yes"})
_AWAY = "borte|bort|vekke|fri|ferie|fravær|fråvær|borta|ledig|ledigt|frånvaro|away|leave|off"
_SHOW_AWAY = re.compile(rf"(?:(?:mitt|min|my) )?(?:{_AWAY})|fråværet mitt|fraværet mitt")
_FREE = re.compile(r"(?:(?:jeg|eg) er )?ledig\b", re.IGNORECASE)
_BE_AWAY = re.compile(rf"(?:(?:jeg|eg|jag) (?:er|är) |i am |i'm )?(?:{_AWAY}) (?P<when>.{{1,120}})")
_NOT_AWAY = re.compile(
    r"(?:stryk|strek|cancel|ta tilbake|ta tillbaka) (?:fravær|fråvær|frånvaro|leave)(?: (?P<one>[0-9]{1,2}))?"
)


class Wants(StrEnum):
    """What somebody asks of their rota."""

    MINE = "mine"
    ALL = "all"
    GIVE = "give"
    TAKE = "take"
    SWAP = "swap"
    YES = "yes"
    NO = "no"
    LEAVE = "leave"  # see it
    AWAY = "away"  # ask for it
    BACK = "back"  # take it back


@dataclass(frozen=True)
class Asked:
    """What a message asks for, by its form alone."""

    wants: Wants
    one: int = 0  # a number in the list that was shown; 0 where none was said
    other: int = 0
    name: str = ""
    when: str = ""  # from when to when, in their own words


def read(text: str) -> Asked | None:
    """What a message says of shifts; None where it speaks of something else."""
    said = " ".join(text.casefold().strip().removeprefix("/").rstrip(".!?").split())
    if said in _SHOW_MINE:
        return Asked(Wants.MINE)
    if said in _SHOW_ALL:
        return Asked(Wants.ALL)
    if found := _GIVE.fullmatch(said):
        return Asked(Wants.GIVE, int(found["one"]), name=found["name"] or "")
    if found := _TAKE.fullmatch(said):
        return Asked(Wants.TAKE, int(found["one"]))
    if found := _SWAP.fullmatch(said):
        return Asked(Wants.SWAP, int(found["one"]), int(found["other"]))
    if found := _ANSWER.fullmatch(said):
        return Asked(Wants.YES if found["said"] in _YES else Wants.NO, int(found["one"] or 0))
    if _SHOW_AWAY.fullmatch(said):
        return Asked(Wants.LEAVE)
    if found := _NOT_AWAY.fullmatch(said):
        return Asked(Wants.BACK, int(found["one"] or 0))
    if (found := _BE_AWAY.fullmatch(said)) and speaks_of_time(found["when"]):
        return Asked(Wants.AWAY, when=found["when"])
    return None


async def hear(
    conn: AsyncConnection, means: Means, *, staff_id: str, text: str, token: str, now: datetime
) -> OutboundMessage | None:
    """Do what was asked of the rota, and what is said to that; None where the message is about something else."""
    tap = rota_words.tap_of(token) if token else None
    asked = read(text) if not token else None
    if tap is None and asked is None:
        return None
    if (
        asked is not None
        and not text.lstrip().startswith("/")
        and await _is_meant_otherwise(conn, asked, staff_id, now)
    ):
        return None
    present = await on_duty.staff_now(conn, now, channels=means.channels)
    member = present.staff.get(staff_id)
    if member is None or not member.roles & {Role.ADVISOR, Role.COORDINATOR}:
        return None
    if asked is not None and _offers_herself(text, present.language_of(staff_id)):
        return None
    talk = _Talk(conn, means, present, member, now)
    try:
        if tap is not None:
            return await talk.tapped(tap.wish, tap.what)
        assert asked is not None
        return await talk.said(asked)
    except CannotExchange as refused:
        return talk.say(f"rota.cannot.{refused.objection.value}")
    except LeaveRefused as refused:
        return talk.say_why_not(refused)


async def _is_meant_otherwise(conn: AsyncConnection, asked: Asked, staff_id: str, now: datetime) -> bool:
    """Whether such bare words are for a clinician, or may be: "ta 1" of somebody who is being paged takes no shift."""
    if await store.owned_by(conn, staff_id):
        return True
    return asked.wants is Wants.TAKE and bool(await store.asked_of(conn, staff_id, since=now - CODES_FOR))


def _offers_herself(text: str, language: Language) -> bool:
    """Whether "ledig" is said as a Norwegian says it: there to be asked, and not away as in Swedish."""
    return language is not Language.SV and _FREE.match(text.strip()) is not None


class _Talk:
    """One message about the rota, being answered."""

    def __init__(self, conn: AsyncConnection, means: Means, present: Present, member: Staff, now: datetime) -> None:
        self._conn = conn
        self._means = means
        self._present = present
        self._member = member
        self._now = now
        self._language: Language = present.language_of(member.id)
        self._zone = rota_notices.zone_of(member)

    def say(self, key: str, *choices: Choice, **said: object) -> OutboundMessage:
        """A phrase in their language."""
        return OutboundMessage(self._means.phrases.say(key, self._language, **said), choices)

    async def said(self, asked: Asked) -> OutboundMessage:
        """What was written."""
        match asked.wants:
            case Wants.MINE:
                return await self._show_mine()
            case Wants.ALL:
                return await self._show_all()
            case Wants.GIVE:
                shift = _numbered(await self._mine(), asked.one)
                taker = self._colleague(asked.name) if asked.name else None
                if shift is None:
                    return self.say("rota.which")
                if asked.name and taker is None:
                    return self.say("rota.who", name=asked.name)
                return await self._give(shift, taker)
            case Wants.TAKE | Wants.SWAP:
                theirs, mine = _numbered(await self._others(), asked.one), _numbered(await self._mine(), asked.other)
                if theirs is None or (asked.wants is Wants.SWAP and mine is None):
                    return self.say("rota.which")
                return await self._ask_for(theirs, mine if asked.wants is Wants.SWAP else None)
            case Wants.YES | Wants.NO:
                waiting = (await swaps.open_for(self._conn, self._member.id)).to_answer
                if not waiting:
                    return self.say("rota.cannot.not_open")
                chosen = waiting[0] if len(waiting) == 1 and not asked.one else _at(waiting, asked.one)
                if chosen is None:
                    return await self._show_mine()
                return await self._answer(chosen.id, yes=asked.wants is Wants.YES)
            case Wants.LEAVE:
                return await self._show_leave()
            case Wants.AWAY:
                return await self._be_away(leave.said_span(asked.when, self._zone, self._now))
            case Wants.BACK:
                ahead = await self._leave_ahead()
                if not asked.one and len(ahead) == 1:
                    return await self._be_back(ahead[0].id)
                if not 0 < asked.one <= len(ahead):
                    return await self._show_leave()
                return await self._be_back(ahead[asked.one - 1].id)

    async def tapped(self, wish: str, what: str) -> OutboundMessage:
        """A button."""
        match wish:
            case "give":
                shift = next((each for each in await self._mine() if each.id == what), None)
                if shift is None:
                    raise CannotExchange(Objection.UNKNOWN)
                return await self._give(shift, None)
            case "back":
                done = await swaps.withdraw(self._conn, self._means, what, self._member.id, self._now)
                return self.say("rota.withdrawn", shift=self._shift(done))
            case "away":
                return await self._be_away(_span_of(what))
            case "here":
                return await self._be_back(_number_of(what))
            case "grant" | "refuse":
                return await self._decide(_number_of(what), grant=wish == "grant")
            case _:
                return await self._answer(what, yes=wish == "yes")

    # --- lists ---------------------------------------------------------------------------------------------------

    async def _mine(self) -> list[Ahead]:
        return await swaps.shifts_ahead(self._conn, self._now, staff_id=self._member.id, within_=MINE_AHEAD)

    async def _others(self) -> list[Ahead]:
        found = await swaps.shifts_ahead(self._conn, self._now, within_=ALL_AHEAD)
        return [each for each in found if each.person != self._member.id]

    async def _show_mine(self) -> OutboundMessage:
        mine = await self._mine()
        offers = await swaps.open_for(self._conn, self._member.id)
        lines = [self._text("rota.mine")] if mine else [self._text("rota.mine.none", days=MINE_AHEAD.days)]
        lines += self._listed(mine, "rota.mine.line")
        if mine:
            lines.append(self._text("rota.mine.how"))
        choices = [
            Choice(rota_words.token_of("give", each.id), self._text("rota.give", number=number))
            for number, each in enumerate(mine[:3], 1)
        ]
        for made in offers.waiting:
            lines.append(self._text("rota.waiting", shift=self._shift(made)))
            choices.append(Choice(rota_words.token_of("back", made.id), self._text("rota.withdraw")))
        for number, made in enumerate(offers.to_answer, 1):
            asked = rota_words.offer(
                self._means.phrases,
                made,
                name=self._present.name_of(made.made_by),
                zone=self._zone,
                language=self._language,
            )
            several = len(offers.to_answer) > 1
            lines.append(f"{number}. {asked.text}" if several else asked.text)
            choices += [
                replace(choice, label=f"{choice.label} {number}") if several else choice for choice in asked.choices
            ]
        return OutboundMessage("\n".join(lines), tuple(choices[:10]))

    async def _show_all(self) -> OutboundMessage:
        others = await self._others()
        if not others:
            return self.say("rota.all.none", days=ALL_AHEAD.days)
        named = {each.person: self._present.name_of(each.person) for each in others}
        lines = [self._text("rota.all")]
        lines += self._listed(others, "rota.all.line", lambda each: {"name": named[each.person]})
        if Role.ADVISOR in self._member.roles:
            lines.append(self._text("rota.all.how"))
        return OutboundMessage("\n".join(lines))

    def _listed(
        self, shifts: Sequence[Ahead], key: str, more: Callable[[Ahead], Mapping[str, object]] = lambda _: {}
    ) -> list[str]:
        lines = [
            self._text(
                key,
                number=number,
                shift=rota_words.say_span(each.span, self._zone, self._language),
                roster=each.roster,
                **more(each),
            )
            for number, each in enumerate(shifts[:MOST], 1)
        ]
        if len(shifts) > MOST:
            lines.append(self._text("rota.mine.more", count=len(shifts) - MOST))
        return lines

    # --- what is done --------------------------------------------------------------------------------------------

    async def _give(self, shift: Ahead, taker: str | None) -> OutboundMessage:
        made = await swaps.give_away(
            self._conn,
            self._means,
            roster=shift.roster,
            holder=self._member.id,
            span=shift.span,
            taker=taker,
            now=self._now,
        )
        return self._sent(made)

    async def _ask_for(self, theirs: Ahead, mine: Ahead | None) -> OutboundMessage:
        if mine is None:
            made = await swaps.ask_to_take(
                self._conn,
                self._means,
                roster=theirs.roster,
                holder=theirs.person,
                span=theirs.span,
                taker=self._member.id,
                now=self._now,
            )
            return self._sent(made)
        if mine.roster != theirs.roster:
            raise CannotExchange(Objection.TANGLED)
        made = await swaps.offer_swap(
            self._conn,
            self._means,
            roster=mine.roster,
            holder=self._member.id,
            span=mine.span,
            taker=theirs.person,
            back=theirs.span,
            now=self._now,
        )
        return self._sent(made)

    def _sent(self, made: Exchange) -> OutboundMessage:
        back = Choice(rota_words.token_of("back", made.id), self._text("rota.withdraw"))
        return self.say("rota.sent", back, shift=self._shift(made), name=self._present.name_of(made.holder))

    async def _answer(self, exchange_id: str, *, yes: bool) -> OutboundMessage:
        answer = swaps.accept if yes else swaps.decline
        done = await answer(self._conn, self._means, exchange_id, self._member.id, self._now)
        if done.state is State.OVERTAKEN:
            raise CannotExchange(Objection.NOT_THEIRS)
        if not yes:
            return self.say("rota.declined.noted", shift=self._shift(done))
        lines = []
        for span, giver, receiver in swaps.passed_on(done):
            shift = rota_words.say_span(span, self._zone, self._language)
            if receiver == self._member.id:
                lines.append(self._text("rota.accepted.taker", shift=shift))
            elif giver == self._member.id:
                lines.append(self._text("rota.accepted.holder", shift=shift, name=self._present.name_of(receiver)))
        return OutboundMessage("\n".join(lines))

    # --- leave ---------------------------------------------------------------------------------------------------

    async def _leave_ahead(self) -> list[Leave]:
        found = await rota_store.leave_of(self._conn, self._member.id, since=self._now)
        return [each for each in found if each.stands][:MOST]

    async def _show_leave(self) -> OutboundMessage:
        ahead = await self._leave_ahead()
        if not ahead:
            return OutboundMessage("\n".join([self._text("rota.leave.none"), self._text("rota.leave.how")]))
        lines = [self._text("rota.leave.mine")]
        for number, each in enumerate(ahead, 1):
            state = self._text(f"rota.leave.state.{each.state.value}")
            lines.append(self._text("rota.leave.line", number=number, span=self._away(each.span), state=state))
        lines += [self._text("rota.leave.how"), self._text("rota.leave.how.back")]
        return OutboundMessage(
            "\n".join(lines), tuple(self._back(each, number) for number, each in enumerate(ahead, 1))
        )

    def _back(self, made: Leave, number: int | None = None) -> Choice:
        label = self._text("rota.leave.take_back")
        return Choice(rota_words.token_of("here", str(made.id)), label if number is None else f"{label} {number}")

    async def _be_away(self, span: Span) -> OutboundMessage:
        """As at the desk: a coordinator's own leave holds at once, an advisor's when a coordinator has said yes."""
        holes = [
            hole
            for hole in await leave.holes_left_by(self._conn, self._member.id, span, self._now, self._present)
            if hole.language is None
        ]
        if Role.COORDINATOR in self._member.roles:
            made = await leave.enter(self._conn, staff_id=self._member.id, span=span, by=self._member.id, now=self._now)
        else:
            made = await leave.ask(self._conn, self._means, staff_id=self._member.id, span=span, now=self._now)
        lines = [self._text(f"rota.leave.noted.{made.state.value}", span=self._away(made.span))]
        if holes:
            listed = [rota_words.say_span(hole.span, self._zone, self._language) for hole in holes[:MOST_HOLES]]
            more = len(holes) - MOST_HOLES
            listed += [self._text("rota.hole.more", count=more)] if more > 0 else []
            lines.append(self._text("rota.leave.noted.holes", holes=", ".join(listed)))
        return OutboundMessage("\n".join(lines), (self._back(made),))

    async def _be_back(self, leave_id: int) -> OutboundMessage:
        found = await rota_store.find_leave(self._conn, leave_id)
        if found is None or found.staff_id != self._member.id:
            raise LeaveRefused(leave.Reason.UNKNOWN)
        done = await leave.cancel(self._conn, self._means, leave_id, by=self._member.id, now=self._now)
        return self.say("rota.leave.noted.cancelled", span=self._away(done.span))

    async def _decide(self, leave_id: int, *, grant: bool) -> OutboundMessage:
        """A coordinator's answer to who has asked for leave, as at the desk."""
        if Role.COORDINATOR not in self._member.roles:
            raise LeaveRefused(leave.Reason.UNKNOWN)
        act = leave.grant if grant else leave.refuse
        done = await act(self._conn, self._means, leave_id, by=self._member.id, now=self._now)
        name = self._present.name_of(done.staff_id)
        return self.say(f"rota.leave.decided.{done.state.value}", name=name, span=self._away(done.span))

    def say_why_not(self, refused: LeaveRefused) -> OutboundMessage:
        """Why it cannot be leave; where the clock leaves a time open, the question with what can be meant."""
        key = f"rota.leave.cannot.{refused.reason.value}"
        if not refused.offered:
            return self.say(key)
        words = [self._exactly(span) for span in refused.offered]
        choices = (
            Choice(rota_words.token_of("away", _written(span)), label)
            for span, label in zip(refused.offered, words, strict=True)
        )
        return self.say(key, *choices, time=refused.typed, meant="; ".join(words))

    def _away(self, span: Span) -> str:
        """When somebody is away; the year where it is not this one."""
        said = rota_words.say_span(span, self._zone, self._language)
        year = span.start.astimezone(self._zone).year
        return said if year == self._now.astimezone(self._zone).year else f"{said} ({year})"

    def _exactly(self, span: Span) -> str:
        """The same, with which of two where the clock shows it twice."""
        return "–".join(self._which(at) for at in (span.start, span.end))

    def _which(self, at: datetime) -> str:
        local, said = at.astimezone(self._zone), rota_words.say_at(at, self._zone, self._language)
        if local.replace(fold=0).utcoffset() == local.replace(fold=1).utcoffset():
            return said
        return self._text("rota.leave.second" if local.fold else "rota.leave.first", time=said)

    # --- words ---------------------------------------------------------------------------------------------------

    def _text(self, key: str, **said: object) -> str:
        return self._means.phrases.say(key, self._language, **said)

    def _shift(self, made: Exchange) -> str:
        return rota_words.say_span(made.span, self._zone, self._language)

    def _colleague(self, name: str) -> str | None:
        """Whoever is meant: by the short name, the whole name, or a first name that only one has."""
        wanted = name.casefold().strip()
        others = [self._present.staff[each] for each in self._present.with_role(Role.ADVISOR)]
        others = [each for each in others if each.id != self._member.id]
        for matches in (
            [each for each in others if each.id == wanted],
            [each for each in others if each.name.casefold() == wanted],
            [each for each in others if each.name.casefold().split()[:1] == [wanted]],
        ):
            if len(matches) == 1:
                return matches[0].id
        return None


def _written(span: Span) -> str:
    """A span in a button, in minutes."""
    return f"{span.start.timestamp() / 60:.0f}-{span.end.timestamp() / 60:.0f}"


def _span_of(written: str) -> Span:
    """A span from a button of ours."""
    minutes = written.split("-")
    if len(minutes) != 2 or not all(each.isdecimal() and len(each) < 10 for each in minutes):
        raise LeaveRefused(leave.Reason.UNREADABLE)
    start, end = (datetime.fromtimestamp(int(each) * 60, UTC) for each in minutes)
    return Span(start, end)


def _number_of(written: str) -> int:
    """The number of a leave, in a button of ours; 0 is none."""
    return int(written) if written.isdecimal() and len(written) < 16 else 0


def _numbered(shifts: Sequence[Ahead], number: int) -> Ahead | None:
    return shifts[number - 1] if 0 < number <= min(len(shifts), MOST) else None


def _at(waiting: Sequence[Exchange], number: int) -> Exchange | None:
    return waiting[number - 1] if 0 < number <= len(waiting) else None

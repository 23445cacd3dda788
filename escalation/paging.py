"""What advisors write back, and which pages go out together. Pure.

A reply to a page is short and typed half asleep: a code, perhaps with one word. Anything that is not plainly such a
reply is an advisor's own words, and belongs to the clinician or to nobody.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from escalation.effects import Page, PageReason
from escalation.standing import Urgency

HELP_AT_MOST = 5  # in a row: a phone that answers by itself must not be answered for ever


class Wish(StrEnum):
    """What an advisor asks of the line."""

    TAKE = "take"
    DECLINE = "decline"  # not me: the next one
    HAND_BACK = "hand_back"  # I have it and cannot go on
    ASK_COLLEAGUE = "ask_colleague"  # to take over from me
    NEXT = "next"  # I have it; ask the next step to take over
    KEEP = "keep"  # I keep it after all
    CLOSE = "close"
    OPEN = "open"  # show me the case
    FOLLOW_UP = "follow_up"  # remind me of it on a certain day
    FOLLOWED = "followed"  # I have looked at it; no reminder
    DEBRIEF = "debrief"  # somebody should be talked with after it
    LIST = "list"  # what is open
    ON_CALL = "on_call"  # who is on call
    STOP = "stop"  # no more messages here
    START = "start"
    HELP = "help"


# Whole replies only. The digits are for those who answer with one thumb.
_WORDS: Mapping[Wish, frozenset[str]] = {
    Wish.TAKE: frozenset(["1", "ja", "yes", "ok", "jeg", "eg", "jag", "me", "ta", "tar", "tek", "take", "mine", "min"]),
    Wish.DECLINE: frozenset(["2", "nei", "nej", "no", "neste", "nästa", "next"]),
    Wish.HAND_BACK: frozenset(["tilbake", "tillbaka", "attende", "back"]),
    Wish.NEXT: frozenset(["videre", "vidare", "onward", "pass"]),
    Wish.KEEP: frozenset(["behold", "behald", "behåll", "keep"]),
    Wish.OPEN: frozenset(["les", "läs", "read", "brief", "vis", "visa", "show"]),
    Wish.FOLLOWED: frozenset(["fulgt", "følgt", "følgd", "uppföljd", "uppföljt", "followed"]),
    Wish.DEBRIEF: frozenset(["prat", "prate", "snakk", "snakke", "samtal", "prata", "talk", "debrief"]),
    Wish.LIST: frozenset(["saker", "saka", "liste", "lista", "ärenden", "list", "cases"]),
    Wish.ON_CALL: frozenset(["hvem", "kven", "vem", "who", "vakt", "jour", "oncall"]),
    Wish.CLOSE: frozenset(["ferdig", "klar", "klart", "slutt", "slut", "avslutt", "avsluta", "close", "done"]),
    Wish.STOP: frozenset(["stop", "stopp", "stopall", "unsubscribe"]),
    Wish.START: frozenset(["start", "unstop"]),
    Wish.HELP: frozenset(["?", "hjelp", "hjälp", "help", "info"]),
}
_MEANING = {word: wish for wish, words in _WORDS.items() for word in words}
_TO = frozenset({"til", "till", "to"})
_FOLLOW = frozenset(
    {"følg", "følgopp", "følgjopp", "følgje", "uppföljning", "följ", "follow", "oppfølging", "oppfølgjing"}
)
_MISSING = frozenset({"mangler", "manglar", "mangel", "saknas", "saknades", "missing", "manglet", "mangla"})
_DAYS_AT_MOST = 366
_DIGITS = frozenset("123456789")
_WHEN = re.compile(r"[0-9]{1,3}|(?P<day>[0-9]{1,2})[./](?P<month>[0-9]{1,2})\.?(?:(?<=[./])(?P<year>[0-9]{4}))?")

_REPLY = re.compile(r"\[?(?P<code>[1-9][0-9]{4,5})(?:-[0-9]+)?\]?(?P<rest>.*)", re.DOTALL)
_TAP = re.compile(r"page:(?P<wish>take|no):(?P<page>[0-9a-z]+:[0-9]+)")
_CASE = re.compile(r"case:(?P<doing>[a-z]+):(?P<case>[0-9a-f]{16})(?::(?P<arg>[0-9a-z_.-]{1,20}))?")

LIST_TOKEN = "staff:list"  # noqa: S105 - what a button sends back
ON_CALL_TOKEN = "staff:oncall"  # noqa: S105 - what a button sends back


class Doing(StrEnum):
    """What the buttons of a case do; each checks for itself whether it still may."""

    TAKE = "take"
    NO = "no"  # I cannot take it
    OPEN = "open"  # the brief, and what can be done
    PASS = "pass"  # noqa: S105 - to whom?
    TO = "to"  # to this colleague
    NEXT = "next"  # to the next step
    KEEP = "keep"
    BACK = "back"
    END = "end"  # how did it end?
    ENDED = "ended"  # so
    GAP = "gap"  # knowledge was missing, or not
    DUE = "due"  # when is it to be followed up?
    ON = "on"  # in so many days
    DONE = "done"  # it was followed up
    HARD = "hard"  # I want to talk it through with somebody
    SAY = "say"  # what I wrote just now is for this clinician
    CALL = "call"  # connect me with her by telephone


@dataclass(frozen=True)
class Tap:
    """A tapped button of a case."""

    doing: Doing
    escalation_id: str
    arg: str = ""


@dataclass(frozen=True)
class Reply:
    """What an advisor's message asks for."""

    wish: Wish | None  # None: words, for the clinician if for anybody
    code: str | None = None  # the code it names, which may be none of ours
    colleague: str | None = None  # to whom it is to be passed on, or whom it is about
    page_id: str | None = None  # of the button that was tapped
    rest: str = ""  # the words after the code
    command: bool = False  # begins with a stroke, and is so never words for a clinician
    outcome: int | None = None  # of closing: the number of how it ended
    missing: bool = False  # of closing: the line lacked knowledge
    when: str = ""  # of following up: days, or a date, as written


def read_reply(text: str) -> Reply:
    """What an advisor's message asks for, by its form alone."""
    said = text.strip()
    if said.startswith("/"):
        return Reply(_MEANING.get(_plain(said[1:])), rest=said, command=True)
    found = _REPLY.fullmatch(said)
    if found is None:
        return Reply(_MEANING.get(_plain(said)), rest=said)
    code, rest = found["code"], found["rest"].strip().removeprefix(":").strip()
    if not rest:
        return Reply(Wish.TAKE, code)
    words = _plain(rest).split()
    match words:
        case [to, name] if to in _TO:
            return Reply(Wish.ASK_COLLEAGUE, code, colleague=name, rest=rest)
        case [word] if word in _MEANING:
            return Reply(_MEANING[word], code, rest=rest)
        case [word, name] if _MEANING.get(word) is Wish.DEBRIEF and name.isidentifier():
            return Reply(Wish.DEBRIEF, code, colleague=name, rest=rest)
        case [word, number] if _MEANING.get(word) is Wish.CLOSE and number in _DIGITS:
            return Reply(Wish.CLOSE, code, rest=rest, outcome=int(number))
        case [word, number, lacking] if _MEANING.get(word) is Wish.CLOSE and number in _DIGITS and lacking in _MISSING:
            return Reply(Wish.CLOSE, code, rest=rest, outcome=int(number), missing=True)
        case [word, when] if word in _FOLLOW and _WHEN.fullmatch(when):
            return Reply(Wish.FOLLOW_UP, code, rest=rest, when=when)
        case _:
            return Reply(None, code, rest=rest)


def read_day(when: str, today: date) -> date | None:
    """The day that was written, as a number of days from today or as 27.11; None where there is no such day ahead."""
    if when.isdecimal():
        return today + timedelta(days=int(when)) if 0 < int(when) <= _DAYS_AT_MOST else None
    found = _WHEN.fullmatch(when)
    if found is None or found["day"] is None:
        return None
    for year in (today.year, today.year + 1) if found["year"] is None else (int(found["year"]),):
        try:
            day = date(year, int(found["month"]), int(found["day"]))
        except ValueError:
            continue
        if today < day <= today + timedelta(days=_DAYS_AT_MOST):
            return day
    return None


def read_tap(token: str) -> Reply | None:
    """What a tapped button asks for; None where it is none of ours."""
    found = _TAP.fullmatch(token)
    if found is None:
        return None
    wish = Wish.TAKE if found["wish"] == "take" else Wish.DECLINE
    return Reply(wish, page_id=found["page"])


def read_case_tap(token: str) -> Tap | None:
    """What a tapped button of a case asks for; None where it is none of ours."""
    found = _CASE.fullmatch(token)
    if found is None or found["doing"] not in {doing.value for doing in Doing}:
        return None
    return Tap(Doing(found["doing"]), found["case"], found["arg"] or "")


def case_token(doing: Doing, escalation_id: str, arg: str = "") -> str:
    """What a button of a case sends back."""
    return f"case:{doing.value}:{escalation_id}" + (f":{arg}" if arg else "")


def short_of(staff_id: str) -> str:
    """A colleague in a button, which has no room for a whole handle."""
    return hashlib.sha256(staff_id.encode()).hexdigest()[:10]


def take_token(page_id: str) -> str:
    """What the button that takes a page sends back."""
    return f"page:take:{page_id}"


def decline_token(page_id: str) -> str:
    """What the button that says no sends back."""
    return f"page:no:{page_id}"


def _plain(said: str) -> str:
    return said.casefold().strip().rstrip(".!").strip()


@dataclass(frozen=True)
class For:
    """These words are for the clinician of this escalation, and for nobody else."""

    escalation_id: str


@dataclass(frozen=True)
class NotTheirs:
    """These words were meant for a clinician whom the advisor does not have; nobody gets them."""

    escalation_id: str


@dataclass(frozen=True)
class Unclear:
    """It cannot be told for whom these words are; the advisor is asked, and nobody gets them before."""


Whose = For | NotTheirs | Unclear


def addressee(
    *,
    owned: Collection[str],
    named: Collection[str] = (),
    answered: str | None = None,
    left_lately: Collection[str] = (),
    asked: Collection[str] = (),
    could_answer: bool = False,
) -> Whose:
    """For whom an advisor's words are. Never a guess: where two can be meant, nobody gets them and she is asked.

    `owned` are her escalations, `named` those of the code she wrote, `answered` the one whose message she replied to,
    `left_lately` those that ceased to be hers a moment ago without her doing, `asked` those that wait for her yes or
    no, and `could_answer` says that the words could be that yes or no.

    1. A code or a reply names one. Where both do and differ, it is unclear.
    2. What is named and not hers gets nothing, and neither does anything else that she has.
    3. Without either, the only one that she has; but not while she may still be writing to one that has just left her,
       nor where the words could be an answer to a page.
    """
    meant = set(named)
    if answered is not None:
        meant = meant & {answered} if meant else {answered}
        if not meant:
            return Unclear()
    if meant:
        mine = [each for each in meant if each in owned]
        if len(meant) == 1:
            return For(mine[0]) if mine else NotTheirs(next(iter(meant)))
        return For(mine[0]) if len(mine) == 1 and len(owned) == 1 else Unclear()
    if len(owned) != 1 or left_lately or (could_answer and asked):
        return Unclear()
    return For(next(iter(owned)))


def helps_again(noise: int) -> bool:
    """Whether somebody who has sent this many meaningless messages before is told once more what can be written."""
    return noise < HELP_AT_MOST


@dataclass(frozen=True)
class Addressed:
    """A page of one of several escalations that move at the same instant."""

    escalation_id: str
    urgency: Urgency
    page: Page


def bundled(pages: Sequence[Addressed]) -> list[list[Addressed]]:
    """Pages by the message they go out in: routine ones to one person on one contact go together, urgent ones never.

    What somebody is asked to take over at one moment is one packet, urgent or not: those it is taken over from have it.
    """
    groups: dict[tuple[str, ...], list[Addressed]] = {}
    for each in pages:
        page = each.page
        mark: tuple[str, ...] = ()
        if page.reason is PageReason.HANDOVER:
            mark = (page.reason.value,)
        elif each.urgency is Urgency.URGENT:
            mark = (each.escalation_id, str(page.number))
        groups.setdefault((page.person, page.contact, *mark), []).append(each)
    return list(groups.values())

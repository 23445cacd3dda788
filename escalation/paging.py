"""What advisors write back, and which pages go out together. Pure.

A reply to a page is short and typed half asleep: a code, perhaps with one word. Anything that is not plainly such a
reply is an advisor's own words, and belongs to the clinician or to nobody.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    CLOSE = "close"
    STOP = "stop"  # no more messages here
    START = "start"
    HELP = "help"


# Whole replies only. The digits are for those who answer with one thumb.
_WORDS: Mapping[Wish, frozenset[str]] = {
    Wish.TAKE: frozenset(["1", "ja", "yes", "ok", "jeg", "eg", "jag", "me", "ta", "tar", "tek", "take", "mine", "min"]),
    Wish.DECLINE: frozenset(["2", "nei", "nej", "no", "neste", "nästa", "next"]),
    Wish.HAND_BACK: frozenset(["tilbake", "tillbaka", "attende", "back"]),
    Wish.CLOSE: frozenset(["ferdig", "klar", "klart", "slutt", "slut", "avslutt", "avsluta", "close", "done"]),
    Wish.STOP: frozenset(["stop", "stopp", "stopall", "unsubscribe"]),
    Wish.START: frozenset(["start", "unstop"]),
    Wish.HELP: frozenset(["?", "hjelp", "hjälp", "help", "info"]),
}
_MEANING = {word: wish for wish, words in _WORDS.items() for word in words}
_TO = frozenset({"til", "till", "to"})

_REPLY = re.compile(r"\[?(?P<code>[1-9][0-9]{4,5})(?:-[0-9]+)?\]?(?P<rest>.*)", re.DOTALL)
_TAP = re.compile(r"page:(?P<wish>take|no):(?P<page>[0-9a-z]+:[0-9]+)")


@dataclass(frozen=True)
class Reply:
    """What an advisor's message asks for."""

    wish: Wish | None  # None: words, for the clinician if for anybody
    code: str | None = None  # the code it names, which may be none of ours
    colleague: str | None = None  # to whom it is to be passed on
    page_id: str | None = None  # of the button that was tapped
    rest: str = ""  # the words after the code


def read_reply(text: str) -> Reply:
    """What an advisor's message asks for, by its form alone."""
    said = text.strip()
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
        case _:
            return Reply(None, code, rest=rest)


def read_tap(token: str) -> Reply | None:
    """What a tapped button asks for; None where it is none of ours."""
    found = _TAP.fullmatch(token)
    if found is None:
        return None
    wish = Wish.TAKE if found["wish"] == "take" else Wish.DECLINE
    return Reply(wish, page_id=found["page"])


def take_token(page_id: str) -> str:
    """What the button that takes a page sends back."""
    return f"page:take:{page_id}"


def decline_token(page_id: str) -> str:
    """What the button that says no sends back."""
    return f"page:no:{page_id}"


def _plain(said: str) -> str:
    return said.casefold().strip().rstrip(".!").strip()


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
    """Pages by the message they go out in: routine ones to one person on one contact go together, urgent ones never."""
    groups: dict[tuple[str, ...], list[Addressed]] = {}
    for each in pages:
        page = each.page
        alone = each.urgency is Urgency.URGENT or page.reason is PageReason.HANDOVER
        mark = (each.escalation_id, str(page.number)) if alone else ()
        groups.setdefault((page.person, page.contact, *mark), []).append(each)
    return list(groups.values())

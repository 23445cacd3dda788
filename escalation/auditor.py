"""The auditor: does every open escalation have somebody or something that will move it, and did its pages go out? Pure.

It trusts none of what the ladder says of itself. Each open escalation must, at this moment,

1. be owned by an advisor who works here and can be reached, with a deadline; or have a pending step; or stand in the
   last resort with a next page ahead of it;
2. stand in storage under the instant at which it moves next, since that is all that the watch looks at;
3. not be overdue: what fell due minutes ago and has not moved is moved by nobody;
4. have a row for each page that it counts, and a message in the outbox for each page that is to be sent;
5. have called somebody: where every page came to nothing, nobody knows that a clinician waits.

And where nothing gets through to a provider, that is said of the provider.

What can be put right without guessing is put right (`heal`) and counted; the rest is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from escalation.standing import Escalation, State

OVERDUE = timedelta(minutes=3)  # longer than a lease, and than a tick that has much to do
UNSENT = timedelta(minutes=5)  # longer than a page is tried before it is given up
UNCALLED = timedelta(minutes=5)  # by then somebody must have been called
LATELY = timedelta(minutes=15)  # how far back a provider is judged
TRIED = 3  # pages that must have come to nothing before a provider is said to fail
_HELD = timedelta(minutes=1)  # longer than a lease, by which a row is pushed forward while it is worked on


class What(StrEnum):
    """What can be wrong."""

    UNREADABLE = "unreadable"  # its row cannot be understood
    NOTHING_PENDING = "nothing_pending"  # it would never move again
    NO_OWNER = "no_owner"  # it counts as taken, and nobody has it
    MISFILED = "misfiled"  # storage does not have the instant at which it moves
    OVERDUE = "overdue"  # it should have moved minutes ago
    OWNER_LEFT = "owner_left"  # its owner does not work here
    OWNER_UNREACHABLE = "owner_unreachable"  # there is no way to reach its owner
    PAGE_MISSING = "page_missing"  # a page was counted and never made
    PAGE_UNPOSTED = "page_unposted"  # a page was made and never put into the outbox
    PAGE_UNSENT = "page_unsent"  # a page waits in the outbox longer than it may
    NOBODY_CALLED = "nobody_called"  # every page came to nothing
    PROVIDER_FAILS = "provider_fails"  # nothing gets through by it; here the fault is the provider's


HEALED: frozenset[What] = frozenset({What.NOTHING_PENDING, What.NO_OWNER, What.MISFILED, What.OWNER_LEFT})

_PROVIDERS: Mapping[str, str] = {"telegram": "telegram", "sms": "twilio", "whatsapp": "twilio", "call": "twilio"}


class Fate(StrEnum):
    """What became of a page, as far as the auditor cares."""

    ON_ITS_WAY = "on_its_way"  # waits in the outbox or is being handed over
    CALLED = "called"  # the provider took it, or it stands on the desk
    NOTHING = "nothing"  # refused, held up, or given up
    WITHDRAWN = "withdrawn"  # not needed any more
    UNPOSTED = "unposted"  # it should be in the outbox and is not


@dataclass(frozen=True)
class PageSeen:
    """A page as storage has it."""

    number: int
    rung: int
    channel: str
    made_at: datetime
    fate: Fate


@dataclass(frozen=True)
class Watched:
    """An open escalation as storage has it, with what it is compared to."""

    id: str
    escalation: Escalation | None  # None where its row cannot be understood
    filed_due_at: datetime | None  # what the watch looks at
    pages: tuple[PageSeen, ...] = ()
    pages_kept: int = 0  # how many page rows it has, of any age
    owner_works: bool = True
    owner_reachable: bool = True


@dataclass(frozen=True)
class Fault:
    """Something is wrong with an escalation."""

    escalation_id: str  # or the provider's name, where it is about that
    what: What
    providers: frozenset[str] = frozenset()  # whose pages failed; the alarm must not depend on them


def audit(escalations: Iterable[Watched], now: datetime) -> tuple[Fault, ...]:
    """Everything that is wrong with these open escalations; nothing at all where all is well."""
    looked_at = tuple(escalations)
    found = [
        Fault(watched.id, what, failing_providers(watched.pages))
        for watched in looked_at
        for what in _wrong_with(watched, now)
    ]
    lately = [page for watched in looked_at for page in watched.pages if page.made_at > now - LATELY]
    for provider in sorted(set(_PROVIDERS.values())):
        fates = [page.fate for page in lately if _PROVIDERS.get(page.channel) == provider]
        if Fate.CALLED not in fates and fates.count(Fate.NOTHING) >= TRIED:
            found.append(Fault(provider, What.PROVIDER_FAILS, frozenset({provider})))
    return tuple(found)


def _wrong_with(watched: Watched, now: datetime) -> Iterator[What]:
    it = watched.escalation
    if it is None:
        yield What.UNREADABLE
        return
    if it.state is State.TAKEN and it.owner is None:
        yield What.NO_OWNER
    elif not _moves_by_itself(it):
        yield What.NOTHING_PENDING
    elif it.due_at is not None:
        if watched.filed_due_at is None or watched.filed_due_at > max(it.due_at, now) + _HELD:
            yield What.MISFILED
        elif it.due_at <= now - OVERDUE:
            yield What.OVERDUE
    if it.owner is not None and not watched.owner_works:
        yield What.OWNER_LEFT
    elif it.owner is not None and not watched.owner_reachable:
        yield What.OWNER_UNREACHABLE
    if watched.pages_kept < it.pages:
        yield What.PAGE_MISSING
    if any(page.fate is Fate.UNPOSTED for page in watched.pages):
        yield What.PAGE_UNPOSTED
    if any(page.fate is Fate.ON_ITS_WAY and page.made_at <= now - UNSENT for page in watched.pages):
        yield What.PAGE_UNSENT
    if _nobody_called(it, watched.pages, now):
        yield What.NOBODY_CALLED


def _moves_by_itself(it: Escalation) -> bool:
    """Whether it has a deadline of its owner's or a pending step; that a shift changes somewhere moves nobody."""
    if it.state is State.TAKEN:
        return it.reply_due_at is not None or it.quiet_since is not None
    return it.step_due_at is not None


def _nobody_called(it: Escalation, pages: Iterable[PageSeen], now: datetime) -> bool:
    if it.state is State.TAKEN or it.planned or it.opened_at > now - UNCALLED:
        return False
    # The last resort is called anew each time: that somebody was called an hour ago is no comfort.
    since = it.rung if it.state is State.LAST_RESORT else 0
    return not any(page.fate in (Fate.CALLED, Fate.ON_ITS_WAY) for page in pages if page.rung >= since)


def failing_providers(pages: Iterable[PageSeen]) -> frozenset[str]:
    """The providers by which pages came to nothing, or do not leave."""
    failing = (Fate.NOTHING, Fate.ON_ITS_WAY, Fate.UNPOSTED)
    return frozenset(_PROVIDERS[page.channel] for page in pages if page.fate in failing and page.channel in _PROVIDERS)


def channels_of(providers: Iterable[str]) -> frozenset[str]:
    """The channels that depend on one of these providers."""
    return frozenset(channel for channel, provider in _PROVIDERS.items() if provider in providers)


def heal(it: Escalation, now: datetime) -> Escalation:
    """The escalation with an instant at which it moves, where it had none: the ladder then does what it always does.

    Nothing is guessed: a pending step is due now, an owner owes the first word or has gone quiet now, and what nobody
    owns goes on with its next step.
    """
    if not it.open:
        return it
    if it.state is State.TAKEN and it.owner is None:
        return replace(it, state=State.SEEKING, step_due_at=now, handover=None, waiting_since=None, quiet_since=None)
    if _moves_by_itself(it):
        return it
    if it.state is not State.TAKEN:
        return replace(it, step_due_at=now)
    if it.has_replied:
        return replace(it, quiet_since=now)
    return replace(it, waiting_since=now, reminded_at=None)

"""Carrying out what the ladder decided: outbox, pages, history and audit, in the transaction that saves it.

Nothing is sent here. If the process dies before the commit, nothing of it has happened; if it dies after, everything
has.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol, assert_never

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from escalation import paging, store, words
from escalation.drills import DRILL, practised
from escalation.effects import (
    Alarm,
    AlarmCoordinator,
    Effects,
    Page,
    PageReason,
    TellAdvisor,
    TellClinician,
    ToAdvisor,
    Withdraw,
)
from escalation.on_duty import ALL_CHANNELS, Present, Reach, staff_now
from escalation.paging import Addressed
from escalation.standing import State, Urgency
from escalation.store import Event, Filed, PageMade, PageState
from escalation.words import About, Line, Offer
from helpline import accounts, audit, outbox
from helpline.accounts import Role
from helpline.audit import Detail
from helpline.messages import Address, Channel, Language, OutboundMessage
from helpline.outbox import OutboundKind
from helpline.phrases import Phrases
from helpline.vault import Vault, VaultError

log = structlog.get_logger(__name__)

LINE = "line"  # the actor where nobody did it but time
DESK = "desk"  # the contact of whoever acts on the desk: what is said to them stands there


# After these words nobody need tap a page of theirs any more.
_PAGE_HAS_HAD_ITS_TIME = frozenset(
    {
        ToAdvisor.YOURS,
        ToAdvisor.NOTED,
        ToAdvisor.ALREADY_TAKEN,
        ToAdvisor.ALREADY_CLOSED,
        ToAdvisor.TAKEN_BY_OTHER,
        ToAdvisor.ENDED,
        ToAdvisor.SHIFT_ENDED,
        ToAdvisor.PASSED_ON,
        ToAdvisor.KEPT,
    }
)


class Front(Protocol):
    """The front door, as far as the waiting room needs it."""

    async def tell_clinician(
        self, conn: AsyncConnection, conversation_id: str, message: OutboundMessage, *, key: str, now: datetime
    ) -> None:
        """Put a message to a clinician into the outbox, on whatever channel she is reached now."""
        ...

    async def brief(self, conn: AsyncConnection, filed: Filed, language: Language) -> OutboundMessage | None:
        """What the advisor who takes it must read first: question, answers and their sources, why it stopped."""
        ...


def _whole(channel: Channel, message: OutboundMessage) -> Sequence[OutboundMessage]:
    return (message,)


@dataclass(frozen=True)
class Means:
    """What carrying out takes."""

    vault: Vault
    phrases: Phrases
    front: Front
    channels: frozenset[str] = ALL_CHANNELS  # the channels to staff that are switched on
    # A message in as many parts as its channel needs: one that is too long would be refused, and read by nobody.
    fit: Callable[[Channel, OutboundMessage], Sequence[OutboundMessage]] = _whole


@dataclass(frozen=True)
class Move:
    """One escalation after something happened to it."""

    filed: Filed  # as it stands now
    effects: Effects
    cause: str = "climbed"  # a fixed name: what happened
    actor: str = LINE  # "line", "clinician", "staff:asha"
    details: dict[str, Detail] = field(default_factory=dict)


def lane_to(staff_id: str, channel: str) -> str:
    """The outbox lane of what is said to a member of staff; relayed words belong into it too, to keep their order."""
    return f"staff:{staff_id}:{channel}"


async def ways_to(conn: AsyncConnection, vault: Vault, present: Present, staff_id: str) -> list[tuple[Reach, Address]]:
    """The contacts at which somebody can be told something now, with their addresses; an open desk page is none."""
    known = {contact.id: contact.address() for contact in await accounts.contacts(conn, vault, staff_id)}
    reaches = present.reaches.get(staff_id, ())
    found = [(reach, known.get(reach.contact_id)) for reach in reaches if not reach.stopped]
    return [(reach, address) for reach, address in found if address is not None]


async def put_notice(
    conn: AsyncConnection,
    vault: Vault,
    staff_id: str,
    address: Address,
    message: OutboundMessage,
    *,
    key: str,
    now: datetime,
    due_at: datetime | None = None,
    urgent: bool | None = None,
    subject: str = "",
    escalation_id: str | None = None,
) -> bool:
    """Put something for a member of staff into the outbox, once for each key; whether it was not there yet.

    It keeps its place among what is said to them. Only what is put off until later has a lane of its own: whatever
    comes tonight, a clinician's words among it, must not wait behind it.
    """
    lane = lane_to(staff_id, address.channel.value)
    made = await outbox.enqueue(
        conn,
        vault,
        key=key,
        lane=f"{lane}:{key}" if due_at is not None and due_at > now else lane,
        kind=OutboundKind.NOTICE,
        subject=subject or f"staff:{staff_id}",
        to=address,
        message=message,
        now=now,
        due_at=due_at,
        urgent=urgent,
        escalation_id=escalation_id,
    )
    return made is not None


def written_to(present: Present, staff_id: str, *, first: str | None = None) -> Reach | None:
    """Where something is said to somebody that is to be read: the contact named first, else any that can be written to.

    The telephone is called for it only where there is nothing else.
    """
    named = present.reach(staff_id, first) if first is not None else None
    candidates = [*([named] if named is not None else []), *present.reaches.get(staff_id, ())]
    usable = [each for each in candidates if each.channel != "desk" and not each.stopped]
    return min(usable, key=lambda each: each.channel == "call", default=None)


def line_of(filed: Filed) -> Line:
    """An open escalation as one line of a list."""
    escalation = filed.escalation
    return Line(
        code=filed.code,
        urgency=escalation.urgency,
        language=filed.language,
        country=filed.country,
        region=filed.region,
        opened_at=escalation.opened_at,
        by=escalation.reply_due_at if escalation.state is State.TAKEN else escalation.promise_at,
    )


class Carrier:
    """Carries out the moves of one transaction."""

    def __init__(self, conn: AsyncConnection, means: Means, present: Present, now: datetime) -> None:
        self._conn = conn
        self._means = means
        self._present = present
        self._now = now
        self._addresses: dict[str, dict[int, Address | None]] = {}
        self._happened: list[Event] = []
        self._alarmed: set[str] = set()

    async def carry_out(self, moves: Sequence[Move]) -> None:
        """Do everything that these moves ask for, and save the escalations."""
        moves = [self._in_practice(move) if move.filed.reason == DRILL else move for move in moves]
        await store.save(self._conn, [move.filed for move in moves])
        for move in moves:
            if move.cause != "climbed":
                await self._note(move.filed, move.cause, move.actor, move.details, audited=True)
        # First, since what is withdrawn was made before this move, and what it makes must stay.
        await self._withdraw_all(moves)
        await self._page_all(moves)
        for move in moves:
            for effect in move.effects:
                match effect:
                    case Page() | Withdraw():
                        pass  # done above
                    case TellClinician() as told:
                        await self._tell_clinician(move.filed, told)
                    case TellAdvisor() as told:
                        await self._tell_advisor(move.filed, told)
                    case AlarmCoordinator() as raised:
                        await self._alarm(move.filed, raised)
                    case _:
                        assert_never(effect)
        await store.insert_events(self._conn, self._happened)
        self._happened = []

    def _in_practice(self, move: Move) -> Move:
        staffing = self._present.staffing[move.filed.escalation.urgency]
        escalation, effects = practised(move.filed.escalation, move.effects, self._now, staffing)
        return replace(move, filed=move.filed.after(escalation, self._now), effects=effects)

    # --- Pages -------------------------------------------------------------------------------------------------------

    async def _page_all(self, moves: Sequence[Move]) -> None:
        filed = {move.filed.id: move.filed for move in moves}
        called = [
            Addressed(move.filed.id, move.filed.escalation.urgency, effect)
            for move in moves
            for effect in move.effects
            if isinstance(effect, Page)
        ]
        made: list[PageMade] = []
        practice = [each for each in called if filed[each.escalation_id].reason == DRILL]
        waiting = [each for each in called if each not in practice]
        for group in (*paging.bundled(waiting), *paging.bundled(practice)):
            reach = self._present.reach(group[0].page.person, group[0].page.contact)
            spoken = reach is not None and reach.channel == Channel.CALL
            if len(group) == 1 or (spoken and group[0].page.reason is PageReason.HANDOVER):
                # A key on a telephone answers for all of a call, and what is taken over is accepted one by one.
                made += [await self._page(filed[each.escalation_id], each.page) for each in group]
            elif group[0].page.reason is PageReason.HANDOVER:
                made += await self._page_packet(filed, group)
            else:
                made += await self._page_together(filed, group)
        await store.insert_pages(self._conn, made)

    async def _page(self, filed: Filed, page: Page) -> PageMade:
        made = self._made(filed, page, filed.code)
        language = self._present.language_of(page.person)
        message = words.page(
            self._means.phrases,
            page,
            About(
                code=filed.code,
                urgency=filed.escalation.urgency,
                language=filed.language,
                country=filed.country,
                region=filed.region,
                opened_at=filed.escalation.opened_at,
                pleas=filed.escalation.pleas,
                drill=filed.reason == DRILL,
            ),
            page_id=made.id,
            owner=self._present.name_of(filed.escalation.owner or ""),
            language=language,
            now=self._now,
        )
        urgent = filed.escalation.urgency is Urgency.URGENT
        tag = words.label(filed.code, page.number)
        sent = await self._hand_out(made, message, key=f"page:{made.id}", tag=tag, urgent=urgent)
        await self._note_page(filed, made)
        return sent

    async def _page_together(self, filed: dict[str, Filed], group: Sequence[Addressed]) -> list[PageMade]:
        person = group[0].page.person
        code = await store.reserve_code(self._conn, staff_id=person, now=self._now)
        made = [self._made(filed[each.escalation_id], each.page, code) for each in group]
        message = words.bundle(
            self._means.phrases,
            code=code,
            count=len(made),
            page_id=made[0].id,
            language=self._present.language_of(person),
        )
        first = await self._hand_out(made[0], message, key=f"bundle:{code}", tag=words.label(code), urgent=False)
        for page in made:
            await self._note_page(filed[page.escalation_id], page)
        return [first, *(replace(page, state=first.state) for page in made[1:])]

    async def _page_packet(self, filed: dict[str, Filed], group: Sequence[Addressed]) -> list[PageMade]:
        """What somebody is asked to take over at one moment, in one message; each is accepted by itself."""
        person = group[0].page.person
        language = self._present.language_of(person)
        code = await store.reserve_code(self._conn, staff_id=person, now=self._now)
        made = [self._made(filed[each.escalation_id], each.page, code) for each in group]
        offers = [
            Offer(
                page.id,
                self._present.name_of(filed[page.escalation_id].escalation.owner or ""),
                line_of(filed[page.escalation_id]),
            )
            for page in made
        ]
        message = words.packet(self._means.phrases, code=code, offers=offers, language=language, now=self._now)
        tag = words.label(code)
        first = await self._hand_out(made[0], message, key=f"bundle:{code}", tag=tag, urgent=message.urgent)
        for page in made:
            await self._note_page(filed[page.escalation_id], page)
        return [first, *(replace(page, state=first.state) for page in made[1:])]

    def _made(self, filed: Filed, page: Page, code: str) -> PageMade:
        reach = self._present.reach(page.person, page.contact)
        return PageMade(
            id=store.page_id(filed.id, page.number),
            escalation_id=filed.id,
            number=page.number,
            staff_id=page.person,
            contact_id=int(page.contact),
            channel=reach.channel if reach is not None else "",
            code=code,
            rung=page.rung,
            reason=page.reason.value,
            early=page.early,
            late=page.late,
            made_at=self._now,
            state=PageState.MADE,
            state_at=self._now,
        )

    async def _hand_out(
        self, made: PageMade, message: OutboundMessage, *, key: str, tag: str, urgent: bool
    ) -> PageMade:
        if made.channel == "desk":
            return made  # an open desk page shows it
        address = await self._address(made.staff_id, made.contact_id)
        if address is None:
            log.error("page_without_address", page_id=made.id, staff_id=made.staff_id)
            return PageMade(**{**made.__dict__, "state": PageState.REFUSED})
        await outbox.enqueue(
            self._conn,
            self._means.vault,
            key=key,
            lane=f"page:{made.id}",  # a lane of its own: no page waits behind another message
            kind=OutboundKind.PAGE,
            subject=f"staff:{made.staff_id}",
            to=address,
            message=message,
            now=self._now,
            urgent=urgent,
            tag=tag,
            escalation_id=made.escalation_id,
            page_id=made.id,
        )
        return made

    async def _note_page(self, filed: Filed, made: PageMade) -> None:
        details: dict[str, Detail] = {
            "page": made.id,
            "staff": made.staff_id,
            "channel": made.channel,
            "reason": made.reason,
        }
        for mark in ("early", "late"):
            if getattr(made, mark):
                details[mark] = True
        await self._note(filed, "paged", LINE, details, audited=True)

    async def _withdraw_all(self, moves: Sequence[Move]) -> None:
        called_off = [(move.filed, effect) for move in moves for effect in move.effects if isinstance(effect, Withdraw)]
        if not called_off:
            return
        codes = {filed.id: filed.code for filed, _ in called_off}
        persons = {(filed.id, effect.person) for filed, effect in called_off}
        waiting = [
            page
            for page in await store.waiting_pages(self._conn, codes)
            if {(page.escalation_id, page.staff_id), (page.escalation_id, None)} & persons
        ]
        # A bundle speaks for other escalations too, so its message stays; whoever answers it hears how each stands.
        alone = [page.id for page in waiting if page.code == codes[page.escalation_id] and page.channel != "desk"]
        await outbox.withdraw_pages(self._conn, alone)
        if waiting:
            await store.note_pages(self._conn, [page.id for page in waiting], PageState.WITHDRAWN, self._now)

    # --- Words -------------------------------------------------------------------------------------------------------

    async def _tell_clinician(self, filed: Filed, told: TellClinician) -> None:
        message = words.to_clinician(
            self._means.phrases, told, language=filed.language, country=filed.country, now=self._now
        )
        key = f"told:{filed.id}:{secrets.token_hex(6)}"
        await self._means.front.tell_clinician(self._conn, filed.conversation_id, message, key=key, now=self._now)
        details: dict[str, Detail] = {"word": told.word.value}
        if told.by is not None:
            details["by"] = told.by
        await self._note(filed, "clinician_told", LINE, details, audited=True)

    async def _tell_advisor(self, filed: Filed, told: TellAdvisor) -> None:
        language = self._present.language_of(told.person)
        names = [self._present.name_of(other) for other in told.others]
        several = told.word is ToAdvisor.YOURS and len(await store.owned_by(self._conn, told.person)) > 1
        message = words.to_advisor(
            self._means.phrases,
            told,
            code=filed.code,
            names=names,
            language=language,
            several=several,
            escalation_id=filed.id,
        )
        details: dict[str, Detail] = {"staff": told.person, "word": told.word.value, "others": list(told.others)}
        await self._note(filed, "advisor_told", LINE, details, audited=False)
        reach = self._where(filed, told)
        if reach is None:
            return
        subject = f"staff:{told.person}"
        if told.word in _PAGE_HAS_HAD_ITS_TIME and reach.channel == Channel.TELEGRAM:
            message = replace(message, strikes=await self._answered(filed, told.person))
        await self._notice(filed, reach, message, subject=subject)
        if told.word is ToAdvisor.YOURS and reach.channel != "call":
            brief = await self._means.front.brief(self._conn, filed, language)
            if brief is not None:
                # Sealed with the conversation's key, so that erasing the conversation erases it here too.
                await self._notice(filed, reach, brief, subject=f"conversation:{filed.conversation_id}")

    async def _answered(self, filed: Filed, staff_id: str) -> tuple[str, ...]:
        """Somebody's pages of this escalation on Telegram, whose buttons mean nothing more; a bundle's still do."""
        pages = await store.pages_of(self._conn, filed.id)
        alone = [page.id for page in pages if page.staff_id == staff_id and page.code == filed.code]
        return tuple(await outbox.numbers_of(self._conn, alone, Channel.TELEGRAM)) if alone else ()

    def _where(self, filed: Filed, told: TellAdvisor) -> Reach | None:
        """The contact to say it on: the one they wrote from, the one last used, or any that sends."""
        turn = filed.escalation.turn_of(told.person)
        used = told.contact or (turn.paged_on if turn is not None else None)
        if told.contact == DESK:
            return None
        return written_to(self._present, told.person, first=used)

    async def _notice(self, filed: Filed, reach: Reach, message: OutboundMessage, *, subject: str) -> None:
        address = await self._address(reach.staff_id, reach.contact_id)
        if address is None:
            return
        for part in self._means.fit(address.channel, message):
            await put_notice(
                self._conn,
                self._means.vault,
                reach.staff_id,
                address,
                part,
                key=f"notice:{filed.id}:{secrets.token_hex(6)}",
                now=self._now,
                subject=subject,
                escalation_id=filed.id,
            )

    async def _alarm(self, filed: Filed, raised: AlarmCoordinator) -> None:
        await self._note(filed, "alarm", LINE, {"reason": raised.reason.value}, audited=True)
        log.error("escalation_alarm", escalation_id=filed.id, reason=raised.reason.value)
        if raised.reason is Alarm.WATCH_WAS_LATE:
            # What happens to many at once is said once.
            key = f"{raised.reason.value}:{self._now:%Y%m%d%H%M}"
        else:
            key = f"{raised.reason.value}:{filed.id}:{filed.escalation.rung}"
        if key in self._alarmed:
            return
        self._alarmed.add(key)
        await alarm_coordinators(
            self._conn,
            self._means,
            self._present,
            lambda language: words.alarm(self._means.phrases, raised, code=filed.code, language=language),
            key=key,
            now=self._now,
        )

    # --- Shared ------------------------------------------------------------------------------------------------------

    async def _address(self, staff_id: str, contact_id: int) -> Address | None:
        if staff_id not in self._addresses:
            known = await accounts.contacts(self._conn, self._means.vault, staff_id)
            self._addresses[staff_id] = {contact.id: contact.address() for contact in known}
        return self._addresses[staff_id].get(contact_id)

    async def _note(self, filed: Filed, kind: str, actor: str, details: dict[str, Detail], *, audited: bool) -> None:
        plain: dict[str, Any] = {
            key: value.isoformat() if isinstance(value, datetime) else value for key, value in details.items()
        }
        self._happened.append(Event(filed.id, self._now, kind, actor, plain))
        if audited:
            await audit.append(
                self._conn,
                at=self._now,
                actor=actor,
                action=f"escalation_{kind}",
                subject=f"escalation:{filed.id}",
                details=details,
            )


class Wording(Protocol):
    """Something said in whatever language its hearer reads."""

    def __call__(self, language: Language) -> OutboundMessage: ...


async def alarm_coordinators(
    conn: AsyncConnection,
    means: Means,
    present: Present,
    wording: Wording,
    *,
    key: str,
    now: datetime,
    avoiding: frozenset[str] = frozenset(),
) -> int:
    """Tell every coordinator who can be reached, once for each key; how many were told now.

    A channel to be avoided is used only for whoever has no other.
    """
    told = 0
    coordinators = present.with_role(Role.COORDINATOR)
    for staff_id in coordinators:
        ways = await ways_to(conn, means.vault, present, staff_id)
        if not ways:
            continue
        _, address = min(ways, key=lambda way: way[0].channel in avoiding)
        message = wording(present.language_of(staff_id))
        told += await put_notice(
            conn, means.vault, staff_id, address, message, key=f"{_ALARM}{key}:{staff_id}", now=now, urgent=True
        )
    if not coordinators:
        log.error("no_coordinator")
    return told


_ALARM, _ELSEWHERE = "alarm:", ":at:"  # in the key of an alarm, and of one that came to nothing somewhere else


def is_alarm(outgoing: outbox.Outgoing) -> bool:
    """Whether this was to tell a coordinator of something that must not be overlooked."""
    return outgoing.key.startswith(_ALARM)


async def alarm_elsewhere(conn: AsyncConnection, means: Means, outgoing: outbox.Outgoing, now: datetime) -> bool:
    """An alarm came to nothing where it was sent: it goes to the coordinator's next contact, to each at most once more.

    False where there is none left, or where its words were erased.
    """
    staff_id, (alarm, _, _) = outgoing.subject.removeprefix("staff:"), outgoing.key.partition(_ELSEWHERE)
    present = await staff_now(conn, now, channels=means.channels)
    try:
        failed_at, message = await outbox.open_message(conn, means.vault, outgoing)
    except VaultError:
        return False
    for reach, address in await ways_to(conn, means.vault, present, staff_id):
        key = f"{alarm}{_ELSEWHERE}{reach.contact_id}"
        if address != failed_at and await put_notice(
            conn, means.vault, staff_id, address, message, key=key, now=now, urgent=True
        ):
            return True
    log.error("alarm_not_delivered", staff_id=staff_id, outbound_id=outgoing.id)
    return False

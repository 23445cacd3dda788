"""What an advisor writes or taps on a telephone: understood, and done.

By a button on Telegram or by a code in an SMS an advisor can do everything that matters: see what is open, take it,
read the brief, write, pass it on, give it back, end it, be reminded of it, ask to be talked with.

Words for a clinician are given back as RELAY to the front door, which passes them on. For whom they are is decided in
one place (`paging.addressee`), and where that is not plain the advisor is asked and nobody gets them. A button whose
escalation has moved on says so, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from escalation import advisors, follow_ups, handover, on_duty, paging, shift_store, store, words
from escalation.advisors import CODES_FOR, Done, Outcome, is_theirs, may_read
from escalation.carry import Means, alarm_coordinators, line_of, put_notice
from escalation.closing import SAYABLE_OUTCOMES, CaseOutcome, Closing, usual_reason
from escalation.on_duty import Present
from escalation.paging import Doing, For, NotTheirs, Reply, Tap, Unclear, Wish
from escalation.rota import notices as rota_notices
from escalation.standing import State, Urgency
from escalation.store import Filed
from escalation.words import Shown
from helpline import accounts, audit
from helpline.accounts import Role
from helpline.messages import Choice, OutboundMessage
from helpline.phrases import say_date, say_list, say_time

log = structlog.get_logger(__name__)

LEFT_LATELY = timedelta(minutes=15)  # so long an advisor may still be writing to a clinician who has just left her
COLLEAGUES = 20  # as buttons; any other is named by the code and "to NAME"
IN_DAYS = (1, 3, 7, 14)  # offered as buttons


@dataclass(frozen=True)
class Heard:
    """What an advisor's message was, and what the front door has to do about it."""

    outcome: Outcome
    escalations: tuple[Filed, ...] = ()
    words: str = ""  # for RELAY: what goes to the clinician, without the code
    earlier: int | None = None  # for RELAY: the number of the earlier message whose words they are


@dataclass(frozen=True)
class Answered:
    """The message of ours that an advisor replied to."""

    escalation_id: str | None
    page_id: str | None = None


async def hear(
    conn: AsyncConnection,
    means: Means,
    *,
    staff_id: str,
    contact: str,
    text: str = "",
    token: str = "",
    answered: Answered | None = None,
    said_id: int | None = None,
    now: datetime,
) -> Heard:
    """Understand what a member of staff wrote or tapped on one of their contacts, and do it.

    `answered` is the message of ours that they replied to, and `said_id` the number of theirs, by which the front door
    finds its words again where they have to be asked for whom those are. Answers go out through the outbox.
    """
    present = await on_duty.staff_now(conn, now, channels=means.channels)
    hearing = _Hearing(conn, means, present, staff_id, contact, now)
    if token:
        return await hearing.tapped(token)
    return await hearing.wrote(text, answered, said_id)


class _Hearing:
    """One message of one member of staff."""

    def __init__(
        self, conn: AsyncConnection, means: Means, present: Present, staff_id: str, contact: str, now: datetime
    ) -> None:
        self._conn = conn
        self._means = means
        self._present = present
        self._staff_id = staff_id
        self._contact = contact
        self._now = now
        self._language = present.language_of(staff_id)

    # --- Written -----------------------------------------------------------------------------------------------------

    async def wrote(self, text: str, answered: Answered | None, said_id: int | None) -> Heard:
        reply = paging.read_reply(text)
        if reply.command:
            return await self._command(reply)
        if reply.code is None and reply.wish in (Wish.STOP, Wish.START):
            return await self._stop_or_start(reply.wish)
        owned = await store.owned_by(self._conn, self._staff_id)
        named: tuple[str, ...] = ()
        if reply.code is not None:
            meaning = await store.meaning_of(self._conn, reply.code, self._staff_id)
            if meaning is None:
                reply = Reply(None, rest=text.strip())
            elif reply.wish is None or self._is_talk(reply):
                named = meaning.escalation_ids
                reply = Reply(None, reply.code, rest=reply.rest)
            else:
                return await self._with_code(reply, meaning.escalation_ids, owned)
        replied = answered.escalation_id if answered is not None else None
        page_id = answered.page_id if answered is not None and not named else None
        yes_or_no = reply.wish if reply.wish in (Wish.TAKE, Wish.DECLINE) else None
        if page_id and yes_or_no is not None and all(filed.id != replied for filed in owned):
            return await self._answer_page(page_id, yes_or_no)
        asked = await store.asked_of(self._conn, self._staff_id, since=self._now - CODES_FOR)
        if not owned and not named and replied is None:
            return await self._owning_nothing(reply, asked)
        if not reply.rest.strip():
            return await self._help()
        return await self._words(reply, named, replied, owned, asked, said_id)

    def _is_talk(self, reply: Reply) -> bool:
        """Whether what looks like a request about a colleague names none, as "snakk med" does: then it is words."""
        return reply.wish is Wish.DEBRIEF and reply.colleague is not None and reply.colleague not in self._present.staff

    async def _owning_nothing(self, reply: Reply, asked: Sequence[Filed]) -> Heard:
        match reply.wish:
            case Wish.TAKE | Wish.DECLINE if len(asked) == 1:
                return await self._answer(reply.wish, [(asked[0].id, asked[0].id)])
            case Wish.LIST | Wish.ON_CALL:
                return await self._command(reply)
        return await self._help(meant=reply.wish is Wish.HELP)

    async def _words(
        self,
        reply: Reply,
        named: Sequence[str],
        replied: str | None,
        owned: Sequence[Filed],
        asked: Sequence[Filed],
        said_id: int | None,
    ) -> Heard:
        """Words that are for a clinician: for whom?"""
        mine = {filed.id: filed for filed in owned}
        left: list[str] = []
        if len(owned) == 1 and not named and replied is None:
            left = await shift_store.left_lately(
                self._conn, self._staff_id, since=self._now - LEFT_LATELY, besides=_wrote_last(owned)
            )
        whose = paging.addressee(
            owned=mine,
            named=named,
            answered=replied,
            left_lately=left,
            asked=[filed.id for filed in asked if filed.id not in mine],
            could_answer=reply.wish in (Wish.TAKE, Wish.DECLINE),
        )
        match whose:
            case For(escalation_id):
                return await self._relay(mine[escalation_id], words=reply.rest.strip())
            case NotTheirs(escalation_id):
                return await self._not_sent(escalation_id, owned)
            case Unclear():
                return await self._ask_for_whom(owned, asked, said_id)

    async def _relay(self, filed: Filed, *, words: str = "", earlier: int | None = None) -> Heard:
        await self._meaningful()
        return Heard(Outcome.RELAY, (filed,), words=words, earlier=earlier)

    async def _not_sent(self, escalation_id: str, owned: Sequence[Filed]) -> Heard:
        """She meant somebody whom she does not have: nobody gets the words, and she is told who has it."""
        filed = await store.find(self._conn, escalation_id)
        if filed is None:
            return await self._help()
        if not owned and not await self._another_noise():
            return Heard(Outcome.SILENT)
        escalation = filed.escalation
        choices: tuple[Choice, ...] = ()
        if not escalation.open:
            text = self._text("case.not_sent.ended", code=filed.code)
        elif escalation.owner is not None:
            name = self._present.name_of(escalation.owner)
            text = self._text("case.not_sent.owner", code=filed.code, name=name)
        else:
            text = self._text("case.not_sent.free", code=filed.code)
            choices = words.menu(self._means.phrases, filed.id, [Doing.TAKE], language=self._language)
        await self._say(OutboundMessage(text, choices), about=filed)
        return Heard(Outcome.REFUSED, (filed,))

    async def _ask_for_whom(self, owned: Sequence[Filed], asked: Sequence[Filed], said_id: int | None) -> Heard:
        """It is not plain for whom the words are: she says so by one tap, or writes them again with the code."""
        codes = say_list([filed.code for filed in owned], self._language)
        choices = [
            Choice(
                paging.case_token(Doing.SAY, filed.id, str(said_id)),
                self._text("case.say_code", code=filed.code),
            )
            for filed in owned
            if said_id is not None
        ]
        choices += [
            Choice(paging.case_token(Doing.TAKE, filed.id), self._text("case.take_code", code=filed.code))
            for filed in asked
        ]
        text = self._text("case.for_whom", codes=codes, code=owned[0].code)
        if asked:
            waiting = say_list([filed.code for filed in asked], self._language)
            text += "\n" + self._text("staff.help.asked", codes=waiting, code=asked[0].code)
        await self._say(OutboundMessage(text, tuple(choices)))
        return Heard(Outcome.HELPED, tuple(owned))

    async def _command(self, reply: Reply) -> Heard:
        match reply.wish:
            case Wish.LIST:
                return await self._board()
            case Wish.ON_CALL:
                return await self._who_is_on_call()
            case Wish.STOP | Wish.START:
                return await self._stop_or_start(reply.wish)
            case _:
                return await self._help(meant=True)

    async def _with_code(self, reply: Reply, escalation_ids: Sequence[str], owned: Sequence[Filed]) -> Heard:
        """What was asked for by a code, of the one escalation that it stands for, or of all in a bundle."""
        mine = [filed for filed in owned if filed.id in escalation_ids]
        wish = reply.wish
        if wish in (Wish.TAKE, Wish.DECLINE):
            if wish is Wish.TAKE and len(escalation_ids) > 1 and await self._packet(escalation_ids):
                return Heard(Outcome.HELPED)
            return await self._answer(wish, [(escalation_id, escalation_id) for escalation_id in escalation_ids])
        await self._meaningful()
        if wish is Wish.CLOSE and mine:
            done = [await self._close(filed.id, reply.outcome, missing=reply.missing) for filed in mine]
            return Heard(Outcome.CLOSED, tuple(each.filed for each in done if each.filed is not None))
        heard = [await self._one(reply, escalation_id) for escalation_id in escalation_ids]
        escalations = tuple(filed for each in heard for filed in each.escalations)
        return Heard(heard[0].outcome, escalations) if heard else Heard(Outcome.UNKNOWN)

    async def _one(self, reply: Reply, escalation_id: str) -> Heard:
        match reply.wish:
            case Wish.ASK_COLLEAGUE:
                return self._done(await self._pass_on(escalation_id, reply.colleague or ""))
            case Wish.FOLLOW_UP:
                return await self._follow_up_on(escalation_id, reply.when)
            case Wish.DEBRIEF:
                return await self._debrief(escalation_id, reply.colleague or self._staff_id)
            case Wish.CLOSE:
                return await self._end_of_what_is_not_open(escalation_id, reply)
            case wish if wish is not None and wish in _SAME:
                return await self._do(Tap(_SAME[wish], escalation_id))
        return await self._help(meant=True)

    # --- Tapped ------------------------------------------------------------------------------------------------------

    async def tapped(self, token: str) -> Heard:
        page = paging.read_tap(token)
        if page is not None and page.page_id is not None and page.wish is not None:
            return await self._answer_page(page.page_id, page.wish)
        if token == paging.LIST_TOKEN:
            return await self._board()
        if token == paging.ON_CALL_TOKEN:
            return await self._who_is_on_call()
        tap = paging.read_case_tap(token)
        if tap is None:
            return await self._help()
        await self._meaningful()
        return await self._do(tap)

    async def _do(self, tap: Tap) -> Heard:
        conn, means, id_, contact, now = self._conn, self._means, tap.escalation_id, self._contact, self._now
        filed = await store.find(conn, id_)
        if filed is None:
            return await self._help()
        match tap.doing:
            case Doing.TAKE | Doing.NO:
                return await self._answer(Wish.TAKE if tap.doing is Doing.TAKE else Wish.DECLINE, [(id_, id_)])
            case Doing.NEXT:
                return self._done(await advisors.pass_up(conn, means, id_, self._staff_id, now, contact=contact))
            case Doing.KEEP:
                return self._done(await advisors.keep(conn, means, id_, self._staff_id, now, contact=contact))
            case Doing.BACK:
                return self._done(await advisors.hand_back(conn, means, id_, self._staff_id, now, contact=contact))
            case Doing.TO:
                colleague = self._colleague(tap.arg)
                if colleague is None:
                    return await self._to_whom(filed)
                return self._done(await self._pass_on(id_, colleague))
            case Doing.OPEN:
                return await self._show(filed)
            case Doing.PASS if is_theirs(filed, self._staff_id):
                return await self._to_whom(filed)
            case Doing.END if is_theirs(filed, self._staff_id):
                return await self._how_did_it_end(filed)
            case Doing.ENDED if is_theirs(filed, self._staff_id) and tap.arg in _SAYABLE:
                done = await self._close(id_, _SAYABLE.index(tap.arg) + 1, missing=False)
                return self._done(done)
            case Doing.ENDED | Doing.GAP:
                return await self._say_afterwards(filed, tap)
            case Doing.SAY if is_theirs(filed, self._staff_id) and tap.arg.isdecimal():
                return await self._relay(filed, earlier=int(tap.arg))
            case Doing.CALL if is_theirs(filed, self._staff_id):
                return Heard(Outcome.CONNECT, (filed,))
            case Doing.DUE | Doing.ON | Doing.DONE if _was_theirs(filed, self._staff_id):
                return await self._follow_up(filed, tap)
            case Doing.HARD:
                return await self._debrief(id_, self._staff_id)
        return await self._moved_on(filed)

    def _done(self, done: Done) -> Heard:
        return Heard(done.outcome, (done.filed,) if done.filed is not None else ())

    async def _moved_on(self, filed: Filed) -> Heard:
        """The button is of another time: how the escalation stands now."""
        escalation = filed.escalation
        if not escalation.open:
            text = self._text("staff.already_closed", code=filed.code)
            await self._say(OutboundMessage(text), about=filed)
            return Heard(Outcome.ENDED, (filed,))
        asked = [self._present.name_of(other) for other in escalation.asked_now]
        names = [self._present.name_of(escalation.owner)] if escalation.owner is not None else asked
        others = say_list(names, self._language) if names else self._text("staff.somebody")
        text = self._text("staff.not_yours", code=filed.code, names=others)
        await self._say(OutboundMessage(text), about=filed)
        return Heard(Outcome.REFUSED, (filed,))

    # --- Answering pages ---------------------------------------------------------------------------------------------

    async def _answer_page(self, page_id: str, wish: Wish) -> Heard:
        page = await store.find_page(self._conn, page_id)
        if page is None or page.staff_id != self._staff_id:
            return await self._help()
        together = await store.bundled_with(self._conn, page)
        # A packet at the change of shift is accepted one by one; other bundles are answered as a whole.
        meant = [page] if page.reason == "handover" else together
        return await self._answer(wish, [(each.escalation_id, each.id) for each in meant])

    async def _answer(self, wish: Wish, targets: Sequence[tuple[str, str]]) -> Heard:
        """Take or decline each of these; where all of them had ended, say what is open instead."""
        await self._meaningful()
        results = []
        for escalation_id, answered in sorted(set(targets)):
            act = advisors.acknowledge if wish is Wish.TAKE else advisors.decline
            results.append(
                await act(self._conn, self._means, answered, self._staff_id, self._now, contact=self._contact)
            )
            log.info("page_answered", escalation_id=escalation_id, staff_id=self._staff_id, wish=str(wish))
        if all(each.outcome in (Outcome.ENDED, Outcome.UNKNOWN) for each in results):
            owned = await store.owned_by(self._conn, self._staff_id)
            asked = await store.asked_of(self._conn, self._staff_id, since=self._now - CODES_FOR)
            if owned or asked:
                await self._say_help(owned, asked)
        return Heard(results[0].outcome, tuple(each.filed for each in results if each.filed is not None))

    async def _packet(self, escalation_ids: Sequence[str]) -> bool:
        """Show once more what is to be accepted one by one; False where this is no packet."""
        offered = await handover.packet_for(self._conn, self._staff_id, self._now)
        if not any(offer.id in escalation_ids for offer in offered):
            return False
        shown = [
            Shown(offer.id, line_of(offer.filed), self._present.name_of(offer.owner), takeable=True)
            for offer in offered
        ]
        await self._say(words.board(self._means.phrases, shown, language=self._language, now=self._now))
        return True

    # --- Seeing ------------------------------------------------------------------------------------------------------

    def _works_here(self) -> bool:
        member = self._present.staff.get(self._staff_id)
        return member is not None and bool(member.roles & {Role.ADVISOR, Role.COORDINATOR})

    async def _board(self) -> Heard:
        """What is open, without a word of what was written."""
        if not self._works_here():
            return await self._help()
        await self._meaningful()
        shown = []
        for filed in sorted(await store.list_open(self._conn), key=_pressing):
            escalation = filed.escalation
            mine = is_theirs(filed, self._staff_id)
            over = escalation.handover is not None and self._staff_id in escalation.handover.asked
            owner = self._present.name_of(escalation.owner) if escalation.owner is not None else ""
            takeable = not mine and (escalation.state is not State.TAKEN or over)
            shown.append(Shown(filed.id, line_of(filed), owner, mine=mine, takeable=takeable))
        await self._say(words.board(self._means.phrases, shown, language=self._language, now=self._now))
        return Heard(Outcome.HELPED)

    async def _who_is_on_call(self) -> Heard:
        if not self._works_here():
            return await self._help()
        await self._meaningful()
        lines = []
        for on_call in await on_duty.who_is_on_call(self._conn, self._now):
            names = [self._present.name_of(person) for person in on_call.people]
            people = say_list(names, self._language) if names else self._text("case.on_call.nobody")
            if on_call.until is None:
                lines.append(self._text("case.on_call.line", roster=on_call.roster, names=people))
                continue
            zone = ZoneInfo(on_call.zone)
            until = say_time(on_call.until, now=self._now, zone=zone, language=self._language)
            lines.append(self._text("case.on_call.until", roster=on_call.roster, names=people, until=until))
        text = "\n".join(lines) or self._text("case.on_call.nobody")
        await self._say(
            OutboundMessage(text, (Choice(paging.LIST_TOKEN, self._text("case.list")),)),
        )
        return Heard(Outcome.HELPED)

    async def _show(self, filed: Filed) -> Heard:
        """How a case stands, and the brief for whoever may read it; each reading is written down."""
        if not self._works_here():
            return await self._help()
        escalation = filed.escalation
        if not may_read(filed, self._staff_id, self._now):
            if not escalation.open or escalation.state is State.TAKEN:
                return await self._moved_on(filed)
            said = words.line(self._means.phrases, line_of(filed), language=self._language, now=self._now)
            choices = words.menu(self._means.phrases, filed.id, [Doing.TAKE], language=self._language)
            await self._say(OutboundMessage(said, choices), about=filed)
            return Heard(Outcome.HELPED, (filed,))
        await audit.append(
            self._conn,
            at=self._now,
            actor=f"staff:{self._staff_id}",
            action="conversation_viewed",
            subject=f"conversation:{filed.conversation_id}",
            details={"escalation": filed.id},
        )
        brief = await self._means.front.brief(self._conn, filed, self._language)
        if brief is not None:
            # Sealed with the conversation's key, so that erasing the conversation erases it here too.
            await self._say(brief, about=filed, subject=f"conversation:{filed.conversation_id}")
        return Heard(Outcome.HELPED, (filed,))

    # --- Passing on --------------------------------------------------------------------------------------------------

    async def _pass_on(self, escalation_id: str, to: str) -> Done:
        return await advisors.pass_on(
            self._conn, self._means, escalation_id, self._staff_id, to, self._now, contact=self._contact
        )

    def _colleagues(self) -> list[str]:
        """Advisors who can be reached, those on call first."""
        staffing = self._present.staffing[Urgency.URGENT]
        on_call = {person for target, duty in staffing.duty.items() for person in duty.people if "roster:" in target}
        found = [
            id_ for id_ in self._present.with_role(Role.ADVISOR) if id_ != self._staff_id and staffing.reachable(id_)
        ]
        return sorted(found, key=lambda id_: (id_ not in on_call, self._present.name_of(id_)))

    def _colleague(self, short: str) -> str | None:
        meant = [id_ for id_ in self._colleagues() if paging.short_of(id_) == short]
        return meant[0] if len(meant) == 1 else None

    async def _to_whom(self, filed: Filed) -> Heard:
        choices = [
            *words.menu(self._means.phrases, filed.id, [Doing.NEXT], language=self._language),
            *(
                Choice(
                    paging.case_token(Doing.TO, filed.id, paging.short_of(id_)),
                    self._present.name_of(id_),
                )
                for id_ in self._colleagues()[:COLLEAGUES]
            ),
            *words.menu(self._means.phrases, filed.id, [Doing.BACK], language=self._language),
        ]
        text = self._text("case.to_whom", code=filed.code)
        await self._say(OutboundMessage(text, tuple(choices)), about=filed)
        return Heard(Outcome.HELPED, (filed,))

    # --- Ending ------------------------------------------------------------------------------------------------------

    async def _how_did_it_end(self, filed: Filed) -> Heard:
        text = self._text("case.how_ended", code=filed.code)
        await self._say(OutboundMessage(text, self._outcomes(filed.id)), about=filed)
        return Heard(Outcome.HELPED, (filed,))

    def _outcomes(self, escalation_id: str) -> tuple[Choice, ...]:
        return tuple(
            Choice(paging.case_token(Doing.ENDED, escalation_id, outcome.value), self._text(f"case.outcome.{outcome}"))
            for outcome in SAYABLE_OUTCOMES
        )

    async def _close(self, escalation_id: str, number: int | None, *, missing: bool) -> Done:
        outcome = _numbered(number)
        done = await advisors.close(
            self._conn,
            self._means,
            escalation_id,
            self._staff_id,
            self._now,
            outcome=outcome,
            knowledge_missing=True if missing else None,
        )
        if done.outcome is Outcome.CLOSED and done.filed is not None:
            await self._say_closed(done.filed, Closing(usual_reason(outcome), outcome, True if missing else None))
        return done

    async def _say_closed(self, filed: Filed, closing: Closing) -> None:
        """That it has ended, and what is still to be said of how."""
        if closing.outcome is CaseOutcome.UNSAID:
            text = self._text("case.closed.how", code=filed.code)
            await self._say(OutboundMessage(text, self._outcomes(filed.id)), about=filed)
            return
        said = self._text(f"case.outcome.{closing.outcome}")
        text = self._text("case.closed", code=filed.code, outcome=said)
        after = words.menu(self._means.phrases, filed.id, [Doing.DUE, Doing.HARD], language=self._language)
        if closing.knowledge_missing is not None:
            key = "case.gap.noted" if closing.knowledge_missing else "case.gap.none"
            await self._say(OutboundMessage(f"{text} {self._text(key)}", after), about=filed)
            return
        gap = tuple(
            Choice(paging.case_token(Doing.GAP, filed.id, answer), self._text(f"case.gap.{answer}"))
            for answer in ("yes", "no")
        )
        await self._say(OutboundMessage(f"{text} {self._text('case.gap')}", (*gap, *after)), about=filed)

    async def _say_afterwards(self, filed: Filed, tap: Tap) -> Heard:
        """How it ended, said or mended by whoever ended it."""
        closed = await shift_store.closing_of(self._conn, filed.id)
        if closed is None or closed.closed_by != self._staff_id:
            return await self._moved_on(filed)
        if tap.doing is Doing.GAP and tap.arg in ("yes", "no"):
            closing = Closing(closed.closing.reason, closed.closing.outcome, tap.arg == "yes")
        elif tap.arg in _SAYABLE:
            outcome = CaseOutcome(tap.arg)
            closing = Closing(usual_reason(outcome), outcome, closed.closing.knowledge_missing)
        else:
            return await self._moved_on(filed)
        return await self._mend(filed, closing)

    async def _mend(self, filed: Filed, closing: Closing) -> Heard:
        if not await advisors.say_how_it_ended(self._conn, filed.id, self._staff_id, closing, self._now):
            return await self._moved_on(filed)
        await self._say_closed(filed, closing)
        return Heard(Outcome.CLOSED, (filed,))

    async def _end_of_what_is_not_open(self, escalation_id: str, reply: Reply) -> Heard:
        """ "48213 slut 1" of one that is not hers: perhaps she ended it and says now how."""
        filed = await store.find(self._conn, escalation_id)
        if filed is None:
            return Heard(Outcome.UNKNOWN)
        closed = await shift_store.closing_of(self._conn, escalation_id)
        if closed is None or closed.closed_by != self._staff_id or reply.outcome is None:
            heard = await self._moved_on(filed)
            return Heard(Outcome.REFUSED, heard.escalations)
        outcome = _numbered(reply.outcome)
        missing = True if reply.missing else closed.closing.knowledge_missing
        return await self._mend(filed, Closing(usual_reason(outcome), outcome, missing))

    # --- Afterwards --------------------------------------------------------------------------------------------------

    async def _follow_up(self, filed: Filed, tap: Tap) -> Heard:
        if tap.doing is Doing.ON:
            return await self._follow_up_on(filed.id, tap.arg)
        if tap.doing is Doing.DONE:
            await shift_store.clear_follow_up(self._conn, filed.id, self._staff_id, self._now)
            await self._say(OutboundMessage(self._text("case.followed", code=filed.code)), about=filed)
            return Heard(Outcome.MOVED_ON, (filed,))
        choices = tuple(
            Choice(paging.case_token(Doing.ON, filed.id, str(days)), self._text("case.in_days", days=days))
            for days in IN_DAYS
        )
        await self._say(OutboundMessage(self._text("case.when", code=filed.code), choices), about=filed)
        return Heard(Outcome.HELPED, (filed,))

    async def _follow_up_on(self, escalation_id: str, when: str) -> Heard:
        filed = await store.find(self._conn, escalation_id)
        if filed is None:
            return Heard(Outcome.UNKNOWN)
        if not _was_theirs(filed, self._staff_id):
            return await self._moved_on(filed)
        zone = rota_notices.zone_of(self._present.staff.get(self._staff_id))
        day = paging.read_day(when, self._now.astimezone(zone).date())
        if day is None:
            await self._say(OutboundMessage(self._text("case.no_such_day", code=filed.code)), about=filed)
            return Heard(Outcome.REFUSED, (filed,))
        due_at = datetime.combine(day, time(9), tzinfo=zone)
        await shift_store.set_follow_up(self._conn, filed.id, self._staff_id, due_at, self._now)
        text = self._text("case.follow_up_set", code=filed.code, day=say_date(day, self._language))
        await self._say(OutboundMessage(text), about=filed)
        return Heard(Outcome.MOVED_ON, (filed,))

    async def _debrief(self, escalation_id: str, who: str) -> Heard:
        """Somebody should be talked with: herself, or a colleague. Of why, nothing is said or kept."""
        filed = await store.find(self._conn, escalation_id)
        if filed is None:
            return Heard(Outcome.UNKNOWN)
        involved = filed.escalation.turn_of(self._staff_id) is not None or _was_theirs(filed, self._staff_id)
        if who not in self._present.staff or not involved:
            return await self._moved_on(filed)
        fresh = await shift_store.flag_debrief(self._conn, filed.id, who, self._now, by=self._staff_id)
        if fresh:
            await follow_ups.tell_of_debrief(self._conn, self._means, self._present, filed, who, self._now)
        name = self._present.name_of(who)
        key = "case.debrief.noted" if who == self._staff_id else "case.debrief.noted_for"
        await self._say(OutboundMessage(self._text(key, code=filed.code, name=name)), about=filed)
        return Heard(Outcome.MOVED_ON, (filed,))

    # --- Help, and silence -------------------------------------------------------------------------------------------

    async def _meaningful(self) -> None:
        await store.set_noise(self._conn, self._staff_id, 0, self._now)

    async def _another_noise(self) -> bool:
        """Count a message that meant nothing; whether it is answered all the same."""
        noise = await store.noise_of(self._conn, self._staff_id)
        if not paging.helps_again(noise):
            return False
        await store.set_noise(self._conn, self._staff_id, noise + 1, self._now)
        return True

    async def _help(self, *, meant: bool = False) -> Heard:
        """Say what can be written; a phone that goes on writing nonsense is not answered for ever."""
        if meant:
            await self._meaningful()
        elif not await self._another_noise():
            return Heard(Outcome.SILENT)
        owned = await store.owned_by(self._conn, self._staff_id)
        asked = await store.asked_of(self._conn, self._staff_id, since=self._now - CODES_FOR)
        await self._say_help(owned, asked, all_of_it=meant)
        return Heard(Outcome.HELPED, (*owned, *asked))

    async def _say_help(self, owned: Sequence[Filed], asked: Sequence[Filed], *, all_of_it: bool = False) -> None:
        message = words.help_text(
            self._means.phrases,
            owned=[filed.code for filed in owned],
            asked=[filed.code for filed in asked],
            language=self._language,
            all_of_it=all_of_it,
        )
        choices = [
            Choice(paging.case_token(Doing.OPEN, filed.id), self._text("case.open_code", code=filed.code))
            for filed in owned
        ]
        choices.append(Choice(paging.LIST_TOKEN, self._text("case.list")))
        await self._say(OutboundMessage(message.text, tuple(choices)))

    async def _stop_or_start(self, wish: Wish) -> Heard:
        """STOP ends messages to that address at once, and a coordinator learns that somebody is harder to wake."""
        if not self._contact.isdecimal():
            return Heard(Outcome.UNKNOWN)
        contact, stopping = int(self._contact), wish is Wish.STOP
        if stopping:
            changed = await store.stop_contact(self._conn, contact, self._now)
        else:
            changed = await store.start_contact(self._conn, contact)
        await advisors.rules_changed(self._conn, self._means, self._staff_id, self._now)
        self._present = await on_duty.gather(
            self._conn, await store.policy(self._conn), self._now, channels=self._means.channels
        )
        if changed:
            await audit.append(
                self._conn,
                at=self._now,
                actor=f"staff:{self._staff_id}",
                action="contact_stopped" if stopping else "contact_started",
                subject=f"staff:{self._staff_id}",
                details={"contact": contact},
            )
        if not stopping:
            await self._say(OutboundMessage(self._text("staff.started")))
            return Heard(Outcome.STARTED)
        if changed:
            name = self._present.name_of(self._staff_id)
            await alarm_coordinators(
                self._conn,
                self._means,
                self._present,
                lambda language: OutboundMessage(self._means.phrases.say("alarm.contact_stopped", language, name=name)),
                key=f"contact_stopped:{contact}:{self._now:%Y%m%d%H%M%S}",
                now=self._now,
            )
        return Heard(Outcome.STOPPED)

    # --- Saying ------------------------------------------------------------------------------------------------------

    def _text(self, key: str, **values: object) -> str:
        return self._means.phrases.say(key, self._language, **values)

    async def _say(self, message: OutboundMessage, *, about: Filed | None = None, subject: str = "") -> None:
        """Answer where they wrote from. A reply to it is about the same escalation."""
        reach = self._present.reach(self._staff_id, self._contact)
        known = await accounts.contacts(self._conn, self._means.vault, self._staff_id)
        address = next((each.address() for each in known if str(each.id) == self._contact), None)
        if reach is None or address is None:
            return
        for part in self._means.fit(address.channel, message):
            await put_notice(
                self._conn,
                self._means.vault,
                self._staff_id,
                address,
                part,
                key=f"notice:{self._staff_id}:{store.new_id()}",
                now=self._now,
                subject=subject,
                escalation_id=about.id if about is not None else None,
            )


_SAME: dict[Wish, Doing] = {
    Wish.HAND_BACK: Doing.BACK,
    Wish.NEXT: Doing.NEXT,
    Wish.KEEP: Doing.KEEP,
    Wish.OPEN: Doing.OPEN,
    Wish.FOLLOWED: Doing.DONE,
}
_SAYABLE = [outcome.value for outcome in SAYABLE_OUTCOMES]


def _numbered(number: int | None) -> CaseOutcome:
    """How it ended, by the number that was written."""
    if number is None or not 1 <= number <= len(SAYABLE_OUTCOMES):
        return CaseOutcome.UNSAID
    return SAYABLE_OUTCOMES[number - 1]


def _was_theirs(filed: Filed, staff_id: str) -> bool:
    """Whether it is theirs, or was when it ended."""
    return filed.escalation.owner == staff_id


def _wrote_last(owned: Sequence[Filed]) -> datetime | None:
    """When the owner of a single case last wrote to its clinician, where that is plain; then she knows whom she has."""
    if len(owned) != 1:
        return None
    escalation = owned[0].escalation
    if not escalation.has_replied or escalation.quiet_times or escalation.quiet_since == owned[0].taken_at:
        return None
    return escalation.quiet_since


def _pressing(filed: Filed) -> tuple[bool, bool, datetime]:
    """What waits before what is taken, urgent first, then by the time that is left."""
    escalation = filed.escalation
    by = escalation.reply_due_at if escalation.state is State.TAKEN else escalation.promise_at
    return (escalation.state is State.TAKEN, escalation.urgency is not Urgency.URGENT, by or escalation.opened_at)

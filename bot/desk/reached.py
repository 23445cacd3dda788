"""How I am reached: contacts, when I am called on which of them, quiet hours, and a test of it all.

What is saved is told back in words: rules that could never wake somebody are refused, and rules that wake them later
than their step waits are saved and said. Nothing here is shown to anybody but the one whom it is about; of a colleague
no more is seen than that she can be asked to stand in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.desk.door import DeskDoor
from bot.desk.keys import field_of
from bot.desk.telling import Telling
from escalation import advisors, on_duty
from escalation import store as escalations
from escalation.on_duty import Present
from escalation.policy import Policy
from escalation.reach import numbers, stand_ins
from escalation.reach import rules as reach
from escalation.reach import store as reach_store
from escalation.reach import trials as reach_tests
from escalation.reach.numbers import Asked, Proved
from escalation.reach.rules import REFUSED, Contact, Remark
from escalation.reach.store import DAYS, QuietSpell, ReachTest, TestState
from escalation.rota.roster import Window
from escalation.standing import Urgency, Way
from helpline import accounts, audit
from helpline.accounts import ContactChannel, Role, Staff
from helpline.messages import Channel
from helpline.sessions import staff_of
from helpline.web import LANGUAGE, Access, Refused, Route, see_other

REACHED = "/desk/reached"
MOST_QUIET_HOURS = 10
_CALLED = frozenset({Role.ADVISOR, Role.COORDINATOR})  # who may be paged, and so has rules
_SENT_CODES = {"telegram": ContactChannel.TELEGRAM, "sms": ContactChannel.SMS}
_DELAYS = (0, 30, 60, 90, 120, 180, 240, 300, 420, 600, 900)  # seconds
_LONGEST_DELAY = 3600
_LONGEST_NUMBER = 40
_TOLD = frozenset(
    {
        "contact_removed",
        "desk_added",
        "called",
        "number_known",
        "number_forgotten",
        "proved",
        "rules",
        "house_rules",
        "quiet_asked",
        "quiet_ended",
        "quiet_agreed",
        "quiet_declined",
        "tested",
        "no_way",
        "gone",
    }
)
_BAD = frozenset({"gone", "no_way"})


@dataclass(frozen=True)
class ShownContact:
    """A contact in its owner's list."""

    id: int
    channel: str
    ending: str
    proved: str
    answered: str  # when a human last answered from there; empty where none has
    waiting: bool  # a test was sent there and not answered
    stopped: bool
    off: bool  # the channel is switched off


@dataclass(frozen=True)
class ShownRule:
    """One contact in the form of rules: after how many seconds it is tried, and tried again."""

    id: int
    channel: str
    ending: str
    after: str  # as the form writes it; empty for never
    again: str


@dataclass(frozen=True)
class ShownRules:
    """The rules for one urgency."""

    urgency: str
    own: bool
    rules: Sequence[ShownRule]
    remarks: Sequence[str]
    wrong: str = ""  # why what was typed is not saved


@dataclass(frozen=True)
class ShownQuiet:
    """Quiet hours, one's own or a colleague's."""

    id: int
    hours: str
    urgencies: str
    name: str  # of the other
    agreed: bool
    holds: bool  # she can be reached, so it works


@dataclass(frozen=True)
class _Known:
    """Everything the page is made of."""

    present: Present
    policy: Policy
    contacts: Sequence[accounts.Contact]
    reaches: Sequence[Contact]
    own: Mapping[Urgency, reach.Rules]
    answered: Mapping[int, datetime]
    tests: Sequence[ReachTest]
    resting: Sequence[QuietSpell]
    standing_in: Sequence[QuietSpell]
    number: str | None
    groups: frozenset[str]  # the targets that somebody stands behind


class ReachedDesk:
    """The routes of how one is reached."""

    def __init__(self, door: DeskDoor) -> None:
        self._door = door
        self._house = door.house
        self._means = door.room.means

    def routes(self) -> list[Route]:
        """The addresses, for whoever is signed in; rules and quiet hours are for those who may be paged."""
        staff = Access.STAFF
        return [
            Route("GET", REACHED, self.show, staff),
            Route("POST", REACHED + "/contacts/desk", self.add_desk, staff),
            Route("POST", REACHED + "/contacts/{channel:[a-z0-9]+}/code", self.contact_code, staff),
            Route("POST", REACHED + "/contacts/{id:[0-9]+}/remove", self.remove_contact, staff),
            Route("POST", REACHED + "/number", self.ask_for_call, staff),
            Route("POST", REACHED + "/number/code", self.prove_number, staff),
            Route("POST", REACHED + "/number/forget", self.forget_number, staff),
            Route("POST", REACHED + "/rules/{urgency:urgent|routine}", self.save_rules, staff),
            Route("POST", REACHED + "/quiet", self.ask_for_quiet, staff),
            Route("POST", REACHED + "/quiet/{id:[0-9]+}/agree", self.agree, staff),
            Route("POST", REACHED + "/quiet/{id:[0-9]+}/end", self.end_quiet, staff),
            Route("POST", REACHED + "/test", self.test, staff),
        ]

    # --- the page -----------------------------------------------------------------------------------------------------

    async def show(self, request: web.Request) -> web.StreamResponse:
        """How I am reached."""
        told = request.query.get("told", "")
        return await self._page(request, told=told if told in _TOLD else "")

    async def _page(
        self,
        request: web.Request,
        *,
        told: str = "",
        wrong: Mapping[str, str] | None = None,
        typed: Mapping[str, Any] | None = None,
        rules: Mapping[Urgency, tuple[Mapping[str, str], str]] | None = None,
        code: tuple[str, str] | None = None,
        status: int = 200,
    ) -> web.Response:
        staff, now = staff_of(request), self._house.clock.now()
        async with self._house.db.read() as conn:
            known = await self._known(conn, staff, now)
            colleagues = await accounts.list_staff(conn, role=Role.ADVISOR)
        shown = [self._rules(request, known, urgency, (rules or {}).get(urgency)) for urgency in Urgency]
        tell = Telling(self._house.phrases, request[LANGUAGE], staff.zone, {}, now)
        quiet = {"starts": "22:00", "ends": "07:00", "days": list(DAYS), "urgencies": ["routine"], "stand_in": ""}
        return self._door.pages.page(
            "desk/reached.html",
            request[LANGUAGE],
            status=status,
            contacts=[_shown(each, known, tell, self._means.channels) for each in known.contacts],
            reachable=[name for name, channel in _SENT_CODES.items() if Channel(channel.value) in self._house.channels],
            has_desk=any(each.channel is ContactChannel.DESK for each in known.contacts),
            may_call=Channel.CALL in self._house.channels,
            number=f"…{known.number[-2:]}" if known.number is not None else "",
            line_number=self._line_number(),
            code=code,
            called=bool(staff.roles & _CALLED),
            rules=shown,
            delays=[(str(delay), self._say_delay(request, delay)) for delay in _offered(shown)],
            resting=[self._quiet(request, known, each, each.stand_in_id) for each in known.resting],
            standing_in=[self._quiet(request, known, each, each.staff_id) for each in known.standing_in],
            colleagues=[(each.id, each.name) for each in colleagues if each.id != staff.id],
            days=[(day, stand_ins.say_weekday(place, request[LANGUAGE])) for place, day in enumerate(DAYS)],
            typed={**quiet, "number": "", **(typed or {})},
            zone=tell.zone_name,
            tested=self._tested(request, known, tell),
            notice=self._door.say(request, f"reached.told.{told}") if told else "",
            bad=told in _BAD,
            wrong=wrong or {},
            longest_number=_LONGEST_NUMBER,
            **await self._door.frame(request),
        )

    async def _known(self, conn: AsyncConnection, staff: Staff, now: datetime) -> _Known:
        policy = await escalations.policy(conn)
        present = await on_duty.gather(conn, policy, now, channels=self._means.channels)
        own = await reach_store.rules_of(conn, staff.id)
        groups = {staff.id, *(f"role:{role.value}" for role in staff.roles)}
        for name, roster in (await escalations.rosters_at(conn, now)).items():
            if staff.id in roster.schedule.people():
                groups.add(f"roster:{name}")
        return _Known(
            present=present,
            policy=policy,
            contacts=await accounts.contacts(conn, self._house.vault, staff.id),
            reaches=on_duty.as_contacts(present.reaches.get(staff.id, ())),
            own=dict(own),
            answered=await reach_store.answers(conn),
            tests=await reach_store.latest_tests(conn, since=now - timedelta(days=14), staff_id=staff.id),
            resting=await stand_ins.resting(conn, staff.id),
            standing_in=await stand_ins.standing_in(conn, staff.id),
            number=await numbers.waiting_number(conn, self._means, staff.id, now),
            groups=frozenset(groups),
        )

    def _rules(
        self, request: web.Request, known: _Known, urgency: Urgency, typed: tuple[Mapping[str, str], str] | None
    ) -> ShownRules:
        own = known.own.get(urgency)
        ways = reach.ways_of(known.reaches, own, known.policy.personal[urgency])
        by_contact: dict[str, list[int]] = {}
        for way in ways:
            by_contact.setdefault(way.contact, []).append(round(way.after.total_seconds()))
        filled, wrong = typed or ({}, "")
        shown = []
        for contact in known.contacts:
            after, again, *_ = [*map(str, by_contact.get(str(contact.id), [])), "", ""]
            shown.append(
                ShownRule(
                    contact.id,
                    contact.channel.value,
                    _ending(contact),
                    filled.get(f"after-{contact.id}", after),
                    filled.get(f"again-{contact.id}", again),
                )
            )
        said = [self._remark(request, each) for each in _remarks(known, urgency, ways)]
        return ShownRules(urgency.value, own is not None, shown, said, wrong)

    def _remark(self, request: web.Request, remark: Remark) -> str:
        return self._door.say(
            request,
            f"reached.remark.{remark.fault.value}",
            after=self._say_delay(request, round(remark.after.total_seconds())),
            limit=self._say_delay(request, round(remark.limit.total_seconds())),
            channel=self._door.say(request, f"reached.channel.{remark.channel}") if remark.channel else "",
        )

    def _say_delay(self, request: web.Request, seconds: int) -> str:
        if seconds == 0:
            return self._door.say(request, "reached.at_once")
        if seconds < 60:
            return self._door.say(request, "reached.seconds", count=seconds)
        whole, rest = divmod(seconds, 60)
        written = (
            str(whole) if rest == 0 else f"{seconds / 60:.1f}".replace(".", self._door.say(request, "reached.comma"))
        )
        return self._door.say(request, "reached.minutes", count=written)

    def _quiet(self, request: web.Request, known: _Known, spell: QuietSpell, other: str) -> ShownQuiet:
        staffing = known.present.staffing
        return ShownQuiet(
            spell.id,
            stand_ins.say_hours(self._house.phrases, spell.window, request[LANGUAGE]),
            ", ".join(
                self._door.say(request, f"reached.urgency.{urgency.value}")
                for urgency in Urgency
                if urgency in spell.urgencies
            ),
            known.present.name_of(other),
            spell.agreed_at is not None,
            all(staffing[urgency].reachable(spell.stand_in_id) for urgency in spell.urgencies),
        )

    def _tested(self, request: web.Request, known: _Known, tell: Telling) -> str:
        """What came of the latest test, in a sentence."""
        test = next((each for each in known.tests if each.rounds), None)
        if test is None:
            return ""
        sent = min(way.sent_at for way in test.ways)
        missing = [self._door.say(request, f"reached.channel.{way.channel}") for way in test.unanswered]
        key = "answered" if test.state is TestState.ANSWERED else "waiting" if test.open else "silent"
        return self._door.say(
            request, f"reached.tested.{key}", time=tell.moment(sent), channels=", ".join(dict.fromkeys(missing))
        )

    def _line_number(self) -> str:
        twilio = self._house.settings.twilio
        return twilio.number or "" if twilio is not None else ""

    # --- contacts -----------------------------------------------------------------------------------------------------

    async def contact_code(self, request: web.Request) -> web.StreamResponse:
        """A code to send us from the phone or the Telegram that one wants to be called at."""
        await self._door.form(request)
        staff, name = staff_of(request), request.match_info["channel"]
        channel = _SENT_CODES.get(name)
        if channel is None or Channel(channel.value) not in self._house.channels:
            raise Refused(404, "error.not_found")
        now = self._house.clock.now()
        async with self._house.db.write() as conn:
            code = await accounts.make_contact_code(conn, staff.id, channel, now=now)
            await self._note(conn, staff, "contact_code_made", channel=channel.value)
        return await self._page(request, code=(name, code))

    async def add_desk(self, request: web.Request) -> web.StreamResponse:
        """Be shown pages on an open desk page too."""
        await self._door.form(request)
        staff, now = staff_of(request), self._house.clock.now()
        async with self._house.db.write() as conn:
            await accounts.add_contact(
                conn,
                self._house.vault,
                staff_id=staff.id,
                channel=ContactChannel.DESK,
                value=staff.id,
                now=now,
                verified=True,
            )
            await self._note(conn, staff, "contact_verified", channel=ContactChannel.DESK.value)
            await advisors.rules_changed(conn, self._means, staff.id, now)
        return _told("desk_added")

    async def remove_contact(self, request: web.Request) -> web.StreamResponse:
        """Be called there no more."""
        await self._door.form(request)
        staff, wanted, now = staff_of(request), _number(request), self._house.clock.now()
        async with self._house.db.write() as conn:
            theirs = await accounts.contacts(conn, self._house.vault, staff.id, verified_only=False)
            removed = [each for each in theirs if each.id == wanted]
            for each in removed:
                await accounts.remove_contact(conn, each.id)
                await self._note(conn, staff, "contact_removed", channel=each.channel.value)
            if removed:
                await advisors.rules_changed(conn, self._means, staff.id, now)
        return _told("contact_removed" if removed else "gone")

    async def ask_for_call(self, request: web.Request) -> web.StreamResponse:
        """Have a code spoken to a number."""
        form = await self._door.form(request)
        if Channel.CALL not in self._house.channels:
            raise Refused(404, "error.not_found")
        staff, typed = staff_of(request), field_of(form, "number").strip()
        number = numbers.read_number(typed[:_LONGEST_NUMBER], self._house.country)
        if number is None or len(typed) > _LONGEST_NUMBER:
            return await self._wrong(
                request, "number", "reached.number.wrong", typed={"number": typed[:_LONGEST_NUMBER]}
            )
        async with self._house.db.write() as conn:
            answer = await numbers.ask_for_call(
                conn, self._means, staff.id, number, request[LANGUAGE], self._house.clock.now()
            )
        match answer.asked:
            case Asked.CALLED:
                return _told("called", "#number")
            case Asked.KNOWN:
                return _told("number_known")
            case Asked.TAKEN:
                return await self._wrong(request, "number", "reached.number.taken", typed={"number": typed})
            case Asked.WAIT:
                minutes = max(1, -(-round(answer.wait.total_seconds()) // 60))
                return await self._wrong(
                    request, "number", "reached.number.wait", typed={"number": typed}, minutes=minutes
                )

    async def prove_number(self, request: web.Request) -> web.StreamResponse:
        """Take the code that was heard."""
        form = await self._door.form(request)
        staff, now = staff_of(request), self._house.clock.now()
        async with self._house.db.write() as conn:
            proved = await numbers.prove(conn, self._means, staff.id, field_of(form, "code")[:40], now)
            if proved is Proved.PROVED:
                await advisors.rules_changed(conn, self._means, staff.id, now)
        match proved:
            case Proved.PROVED:
                return _told("proved")
            case Proved.TAKEN:
                return await self._wrong(request, "number", "reached.number.taken")
            case Proved.WRONG:
                return await self._wrong(request, "code", "reached.code.wrong")
            case Proved.VOID:
                return await self._wrong(request, "number", "reached.code.void")

    async def forget_number(self, request: web.Request) -> web.StreamResponse:
        """Wait for no code any more."""
        await self._door.form(request)
        async with self._house.db.write() as conn:
            await reach_store.forget_number(conn, staff_of(request).id)
        return _told("number_forgotten")

    # --- rules --------------------------------------------------------------------------------------------------------

    async def save_rules(self, request: web.Request) -> web.StreamResponse:
        """When I am called on which contact; rules that could never wake anybody are refused."""
        form = await self._door.form(request)
        staff, urgency = self._door.member(request, *_CALLED), Urgency(request.match_info["urgency"])
        now = self._house.clock.now()
        if field_of(form, "action") == "house":
            async with self._house.db.write() as conn:
                await self._set_rules(conn, staff, urgency, [], now)
            return _told("house_rules", f"#{urgency.value}")
        async with self._house.db.read() as conn:
            known = await self._known(conn, staff, now)
        filled = {name: field_of(form, name)[:6] for name in form if name.startswith(("after-", "again-"))}
        rules = _read_rules(filled, {contact.id for contact in known.contacts})
        chosen = [Way(after, str(contact), usable=_works(known, contact)) for contact, after in rules]
        refused = [each for each in _remarks(known, urgency, chosen) if each.fault in REFUSED]
        if refused:
            sentence = " ".join(self._remark(request, each) for each in refused)
            return await self._page(request, rules={urgency: (filled, sentence)}, status=422)
        async with self._house.db.write() as conn:
            await self._set_rules(conn, staff, urgency, rules, now)
        return _told("rules", f"#{urgency.value}")

    async def _set_rules(
        self, conn: AsyncConnection, staff: Staff, urgency: Urgency, rules: reach.Rules, now: datetime
    ) -> None:
        await reach_store.set_rules(conn, staff.id, urgency, rules)
        await self._note(conn, staff, "personal_rules_changed", urgency=urgency.value, own=bool(rules))
        await advisors.rules_changed(conn, self._means, staff.id, now)

    # --- quiet hours --------------------------------------------------------------------------------------------------

    async def ask_for_quiet(self, request: web.Request) -> web.StreamResponse:
        """Ask a colleague to be woken instead of me."""
        form = await self._door.form(request)
        staff, now = self._door.member(request, *_CALLED), self._house.clock.now()
        typed = {
            "starts": field_of(form, "starts").strip()[:5],
            "ends": field_of(form, "ends").strip()[:5],
            "days": [day for day in DAYS if day in form.getall("days", [])],
            "urgencies": [each.value for each in Urgency if each.value in form.getall("urgencies", [])],
            "stand_in": field_of(form, "stand_in")[:40],
        }
        window = _window(typed)
        urgencies = frozenset(Urgency(each) for each in typed["urgencies"])
        async with self._house.db.write() as conn:
            wrong = await self._wrong_with_quiet(conn, request, staff, typed, window, urgencies, now)
            if not wrong and window is not None:
                await stand_ins.ask(conn, self._means, staff.id, window, urgencies, str(typed["stand_in"]), now)
        if wrong:
            return await self._page(request, wrong=wrong, typed=typed, status=422)
        return _told("quiet_asked", "#quiet")

    async def _wrong_with_quiet(
        self,
        conn: AsyncConnection,
        request: web.Request,
        staff: Staff,
        typed: Mapping[str, Any],
        window: Window | None,
        urgencies: frozenset[Urgency],
        now: datetime,
    ) -> dict[str, str]:
        wrong: dict[str, str] = {}
        if window is None:
            wrong["starts"] = self._door.say(request, "reached.quiet.wrong.time")
        if not typed["days"]:
            wrong["days"] = self._door.say(request, "reached.quiet.wrong.days")
        if not urgencies:
            wrong["urgencies"] = self._door.say(request, "reached.quiet.wrong.urgencies")
        present = await on_duty.staff_now(conn, now, channels=self._means.channels)
        other = present.staff.get(str(typed["stand_in"]))
        if other is None or other.id == staff.id or Role.ADVISOR not in other.roles:
            wrong["stand_in"] = self._door.say(request, "reached.quiet.wrong.who")
        elif not all(_can_be_woken(present, other.id, urgency) for urgency in urgencies):
            wrong["stand_in"] = self._door.say(request, "reached.quiet.wrong.mute", name=other.name)
        mine = await stand_ins.resting(conn, staff.id)
        same = [(each.window, each.urgencies, each.stand_in_id) for each in mine]
        if not wrong and (len(mine) >= MOST_QUIET_HOURS or (window, urgencies, typed["stand_in"]) in same):
            key = "reached.quiet.wrong.same" if len(mine) < MOST_QUIET_HOURS else "reached.quiet.wrong.many"
            wrong["stand_in"] = self._door.say(request, key)
        return wrong

    async def agree(self, request: web.Request) -> web.StreamResponse:
        """Say yes to being woken instead of a colleague."""
        await self._door.form(request)
        async with self._house.db.write() as conn:
            done = await stand_ins.agree(
                conn, self._means, _number(request), staff_of(request).id, self._house.clock.now()
            )
        return _told("quiet_agreed" if done else "gone", "#quiet")

    async def end_quiet(self, request: web.Request) -> web.StreamResponse:
        """End quiet hours of mine, or be woken for a colleague no more."""
        await self._door.form(request)
        staff, id_ = staff_of(request), _number(request)
        async with self._house.db.write() as conn:
            spell = await reach_store.find_quiet_hours(conn, id_)
            done = await stand_ins.end(conn, self._means, id_, staff.id, self._house.clock.now())
        mine = spell is not None and spell.staff_id == staff.id
        return _told("gone" if not done else "quiet_ended" if mine else "quiet_declined", "#quiet")

    # --- the test -----------------------------------------------------------------------------------------------------

    async def test(self, request: web.Request) -> web.StreamResponse:
        """Have a test sent to every contact in my rules, now."""
        await self._door.form(request)
        async with self._house.db.write() as conn:
            sent = await reach_tests.send_test(conn, self._means, staff_of(request).id, self._house.clock.now())
        return _told("tested" if sent is not None else "no_way")

    # --- what they share ----------------------------------------------------------------------------------------------

    async def _wrong(
        self, request: web.Request, field: str, key: str, *, typed: Mapping[str, Any] | None = None, **values: object
    ) -> web.Response:
        return await self._page(request, wrong={field: self._door.say(request, key, **values)}, typed=typed, status=422)

    async def _note(self, conn: AsyncConnection, staff: Staff, action: str, **details: str | bool) -> None:
        await audit.append(
            conn,
            at=self._house.clock.now(),
            actor=f"staff:{staff.id}",
            action=action,
            subject=f"staff:{staff.id}",
            details=details,
        )


def _shown(contact: accounts.Contact, known: _Known, tell: Telling, channels: frozenset[str]) -> ShownContact:
    reached = known.present.reaches.get(contact.staff_id, ())
    stopped = any(each.contact_id == contact.id and each.stopped for each in reached)
    off = contact.channel.value not in channels
    answered = known.answered.get(contact.id)
    waiting = any(way.contact_id == contact.id for test in known.tests if test.open for way in test.unanswered)
    return ShownContact(
        contact.id,
        contact.channel.value,
        _ending(contact),
        tell.moment(contact.verified_at),
        tell.moment(answered) if answered is not None else "",
        waiting,
        stopped and not off,
        off,
    )


def _ending(contact: accounts.Contact) -> str:
    return "" if contact.channel is ContactChannel.DESK else f"…{contact.value[-2:]}"


def _works(known: _Known, contact: int) -> bool:
    return any(each.id == contact and each.works for each in known.reaches)


def _can_be_woken(present: Present, staff_id: str, urgency: Urgency) -> bool:
    waking = {str(each.id) for each in on_duty.as_contacts(present.reaches.get(staff_id, ())) if each.wakes}
    return any(way.usable and way.contact in waking for way in present.staffing[urgency].ways.get(staff_id, ()))


def _remarks(known: _Known, urgency: Urgency, ways: Sequence[Way]) -> list[Remark]:
    ladder = known.policy.ladders[urgency]
    wait = reach.wait_for(ladder, known.groups)
    return list(reach.remarks(ways, known.reaches, wait=wait, again=ladder.retry))


def _offered(shown: Sequence[ShownRules]) -> list[int]:
    """The delays to choose from: the usual ones, and whatever the rules have already."""
    used = {delay for each in shown for rule in each.rules for delay in (rule.after, rule.again)}
    return sorted({*_DELAYS, *(int(delay) for delay in used if delay.isdecimal() and int(delay) <= _LONGEST_DELAY)})


def _read_rules(filled: Mapping[str, str], theirs: set[int]) -> list[tuple[int, timedelta]]:
    """The rules in the form: each contact at most twice, and only one's own."""
    rules = set()
    for name, written in filled.items():
        contact, delay = name.partition("-")[2], written.strip()
        if contact.isdecimal() and delay.isdecimal() and int(contact) in theirs and int(delay) <= _LONGEST_DELAY:
            rules.add((int(contact), timedelta(seconds=int(delay))))
    return sorted(rules, key=lambda rule: (rule[1], rule[0]))


def _window(typed: Mapping[str, Any]) -> Window | None:
    try:
        starts, ends = (time.fromisoformat(str(typed[name])) for name in ("starts", "ends"))
    except ValueError:
        return None
    return Window(starts, ends, frozenset(DAYS.index(day) for day in typed["days"]))


def _number(request: web.Request) -> int:
    """The number in the address; of one that is longer than any of ours, a number that nothing has."""
    written = request.match_info["id"]
    return int(written) if len(written) < 19 else 0


def _told(what: str, where: str = "") -> web.Response:
    return see_other(f"{REACHED}?told={what}{where}")

"""Referrals as the desk shows them: one in words, what came of it to be told in one tap, and the room of a service.

Nothing here leads into a conversation; where a referral belongs to one, the page that shows it says so itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from bot.desk.telling import Telling
from bot.house import House
from helpline.messages import Country, Language
from routing import capacity
from routing.capacity import Capacity
from routing.places import Level
from routing.referrals import referral as referrals
from routing.referrals.referral import Outcome, Referral, RefusedFor
from routing.services import Answer, Service

LEVELS: Final = {Country.NO: Level.FYLKE, Country.SE: Level.LAN}  # of the regions that a referral tells of


@dataclass(frozen=True)
class Shown:
    """One referral in words."""

    id: str
    service_id: str
    title: str
    made: str
    by: str
    facts: str  # of the patient, as little as was told
    region: str
    basis: str
    consent: str  # when, and in which wording
    revocable: bool
    introduction: bool
    open: bool
    state: str
    mark: str  # "bad" where nobody told for too long what came of it, "warn" where it is due, "good" where it was taken
    outcome: str
    room: Room
    slip: str = field(default="", repr=False)
    language: str = ""  # of the slip
    case: str = ""  # the address of its case, for whoever may read that


@dataclass(frozen=True)
class Room:
    """What is known of a service's room, in words."""

    words: str
    mark: str
    stale: bool


class ReferralSheet:
    """Puts referrals into the words of one reader."""

    def __init__(self, house: House, language: Language, tell: Telling, rooms: Mapping[str, Capacity]) -> None:
        self._house = house
        self._language = language
        self._tell = tell
        self._rooms = rooms

    def shown(self, referral: Referral, now: datetime, *, slip_in: Language | None = None, case: str = "") -> Shown:
        """One referral; with the slip in the language of whoever reads it out."""
        tell = self._tell
        service = self._house.library.directory.find(referral.service_id)
        consent = referral.consent
        state, mark = self._state(referral, now)
        return Shown(
            id=referral.id,
            service_id=referral.service_id,
            title=service.called(self._language) if service is not None else tell.say("desk.referral.gone"),
            made=tell.moment(referral.made_at),
            by=self._by(referral.made_by),
            facts=", ".join(
                [
                    *need_names(self._house, referral, self._language),
                    *referrals.coarse(referral.facts, self._house.phrases, self._language),
                ]
            ),
            region=region_name(self._house, referral.country, referral.region),
            basis=tell.say(f"desk.referral.basis.{referral.basis.value}"),
            consent=tell.say(
                "desk.referral.consent.given", at=tell.moment(consent.given_at), wording=consent.wording_version
            )
            if consent is not None
            else "",
            revocable=consent is not None and not referral.revoked,
            introduction=referral.introduction,
            open=referral.open,
            state=state,
            mark=mark,
            outcome=f"{referral.outcome or ''}:{referral.refused_for or ''}",
            room=self.room(referral.service_id, now),
            slip=slip_of(self._house, referral, service, slip_in)
            if slip_in is not None and service is not None and not referral.revoked
            else "",
            language=slip_in.value if slip_in is not None else "",
            case=case,
        )

    def room(self, service_id: str, now: datetime) -> Room:
        """What was last told of its room, and when."""
        told, say = self._rooms.get(service_id), self._tell.say
        if told is None:
            return Room(say("desk.room.unknown"), "", stale=False)
        at = self._tell.moment(told.told_at)
        if told.free:
            words = say("desk.room.free", count=told.free, at=at)
        else:
            key = {Answer.YES: "desk.room.takes", Answer.NO: "desk.room.full", Answer.ASK: "desk.room.ask"}
            words = say(key[Answer.NO if told.free == 0 else told.accepting], at=at)
        if not told.fresh(now):
            return Room(say("desk.room.stale", words=words), "", stale=True)
        mark = {Answer.YES: "good", Answer.NO: "warn", Answer.ASK: ""}[capacity.standing(told, now)]
        return Room(words, mark, stale=False)

    def _state(self, referral: Referral, now: datetime) -> tuple[str, str]:
        say, tell = self._tell.say, self._tell
        if referral.revoked:
            return say("desk.referral.state.revoked"), ""
        if referral.outcome is not None:
            words = outcome_words(tell, referral.outcome, referral.refused_for)
            words = f"{words}, {tell.moment(referral.outcome_at)}"
            return words, "good" if referral.outcome is Outcome.ACCEPTED else ""
        if referrals.overdue(referral, now):
            return say("desk.referral.state.overdue", days=(now - referral.made_at).days), "bad"
        if referrals.due(referral, now):
            return say("desk.referral.state.due"), "warn"
        if referral.ask_at is not None:
            return say("desk.referral.state.asked_at", at=tell.moment(referral.ask_at)), ""
        return say("desk.referral.state.open"), ""

    def _by(self, made_by: str) -> str:
        kind, _, staff_id = made_by.partition(":")
        return self._tell.who(staff_id) if kind == "staff" else self._tell.say("desk.referral.by_clinician")


def slip_of(house: House, referral: Referral, service: Service, language: Language) -> str:
    """What is read out or pasted: nothing in it tells who the patient is."""
    return referrals.slip_of(
        service,
        referral.facts,
        referral.basis,
        phrases=house.phrases,
        language=language,
        needs=need_names(house, referral, language),
        region=region_name(house, referral.country, referral.region),
        say_first=house.library.directory.say_first(service, language),
    )


def need_names(house: House, referral: Referral, language: Language) -> list[str]:
    """What is needed, in words."""
    needs = house.library.directory.needs
    return [needs[key].names[language].lower() for key in referral.needs if key in needs]


def region_name(house: House, country: Country, code: str) -> str:
    """The name of a fylke or län; nothing where none is known."""
    if not code:
        return ""
    place = house.library.gazetteer.find(country, LEVELS[country], code)
    return place.name if place is not None else code


def outcome_words(tell: Telling, outcome: Outcome, refused_for: RefusedFor | None) -> str:
    """What came of it, and why where it was refused."""
    words = tell.say(f"desk.referral.outcome.{outcome.value}")
    return f"{words} ({tell.say(f'desk.referral.refused.{refused_for.value}')})" if refused_for is not None else words


def taps(tell: Telling) -> dict[str, Any]:
    """What can be told in one tap, and the reasons for a refusal."""
    return {
        "taps": [
            (each.value, tell.say(f"desk.referral.outcome.{each.value}"))
            for each in Outcome
            if each is not Outcome.REFUSED
        ],
        "refusals": [(each.value, tell.say(f"desk.referral.refused.{each.value}")) for each in RefusedFor],
    }


def outcome_in(written: str) -> tuple[Outcome, RefusedFor | None] | None:
    """What a button told: "full", "refused:children"; None for what no button tells."""
    word, _, why = written.partition(":")
    try:
        outcome = Outcome(word)
        refused_for = RefusedFor(why) if why else None
    except ValueError:
        return None
    if (outcome is Outcome.REFUSED) != (refused_for is not None):
        return None
    return outcome, refused_for


def capacity_in(service_id: str, said: str, free: str, now: datetime) -> Capacity | None:
    """What was told of a service's room: "full", "takes", "ask", or a number of free places; None for anything else."""
    written = free.strip()
    places: int | None = None
    if said == "free":
        if not (written.isascii() and written.isdecimal() and len(written) < 5):
            return None
        places = int(written)
    accepting = {"full": Answer.NO, "takes": Answer.YES, "ask": Answer.ASK, "free": Answer.YES}.get(said)
    if accepting is None:
        return None
    if places == 0 or said == "full":
        accepting, places = Answer.NO, 0
    return Capacity(
        service_id=service_id,
        accepting=accepting,
        free=places,
        maximum=None,
        unit="",
        told_at=now,
        told_by=capacity.Teller.COORDINATOR,
    )

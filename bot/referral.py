"""The four steps of "who can help": place, need, who, when. Each can be skipped; what was understood is always said.

Pure: a draft and an answer give the next draft; a finished draft gives services from the directory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, assert_never

from bot.answers import Form
from helpline.messages import Choice, Country, Language
from helpline.phrases import Phrases, say_list
from routing import closed_days
from routing.directory import Directory, Need
from routing.matching.because import CAUTION, CLOSED, OPENING, REFUSED, Because
from routing.matching.match import AgeGroup, Offer, Query, match
from routing.matching.reasons import say
from routing.places import Gazetteer, Level, Outcome, Place, Understood, Why
from routing.referrals.referral import reached_at
from routing.services import Sex, Status

SHOWN = 3  # services in one message, before the ones that always answer
NAMESAKES = 3  # other places of that name, each a tap away


class Step(StrEnum):
    """What is asked next."""

    PLACE = "place"
    NEED = "need"
    WHO = "who"
    WHEN = "when"
    DONE = "done"


SKIPPED = "-"

# What a clinician most often looks for, in the order of how much it hurts to wait.
COMMON_NEEDS = (
    "housing-tonight",
    "identification-advice",
    "crisis-line",
    "legal",
    "psych",
    "reproductive",
    "children",
    "labour",
)
WHO = ("woman", "man", "child", "family", "other")
_WITHOUT_CHILDREN = frozenset({"woman", "man", "other"})
WHEN = ("now", "tomorrow", "later")


@dataclass(frozen=True)
class Draft:
    """A referral as far as it has been told. A step holds "-" once it was skipped."""

    place_country: str = ""
    place_level: str = ""
    place_code: str = ""
    place_name: str = ""
    region: str = ""  # fylke or län of the place, for gaps
    needs: tuple[str, ...] = ()
    who: str = ""
    when: str = ""
    candidates: tuple[tuple[str, str], ...] = ()  # places to choose between: key, name
    shown: int = 0
    namesakes: tuple[tuple[str, str], ...] = ()  # other places that may have been meant: key, name
    offered: tuple[str, ...] = ()  # ids of the services that were shown last
    supposed: str = ""  # key of the place that her question named and that she was asked about

    @property
    def step(self) -> Step:
        if not self.place_code:
            return Step.PLACE
        if not self.needs:
            return Step.NEED
        if not self.who:
            return Step.WHO
        if not self.when:
            return Step.WHEN
        return Step.DONE

    @property
    def wanted(self) -> tuple[str, ...]:
        """What is needed. An article may lead to help for a child too; of an adult alone that is not asked."""
        named = tuple(need for need in self.needs if need != SKIPPED)
        if self.who in _WITHOUT_CHILDREN and len(named) > 1:
            return tuple(need for need in named if need != "children")
        return named

    def at_the_place_of(self, other: Draft) -> Draft:
        """This draft, about the place that another one was about."""
        return replace(
            self,
            place_country=other.place_country,
            place_level=other.place_level,
            place_code=other.place_code,
            place_name=other.place_name,
            region=other.region,
            supposed=other.supposed,
        )


def draft_from_json(data: Mapping[str, Any]) -> Draft:
    """The draft back from plain values."""
    known = {name: data[name] for name in Draft.__dataclass_fields__ if name in data}
    known["needs"] = tuple(known.get("needs", ()))
    for names in ("candidates", "namesakes"):
        known[names] = tuple((key, name) for key, name in known.get(names, ()))
    known["offered"] = tuple(known.get("offered", ()))
    return Draft(**known)


def ask(draft: Draft, phrases: Phrases, language: Language) -> tuple[str, list[Choice]]:
    """The question for the draft's next step, with what was understood so far, and its choices."""

    def choice(token: str, key: str) -> Choice:
        return Choice(token, phrases.say(key, language))

    def asked(key: str) -> str:
        return f"{understood(draft, phrases, language)}\n\n{phrases.say(key, language)}"

    skip = choice("skip", "choice.skip")
    match draft.step:
        case Step.PLACE if len(draft.candidates) == 1:
            [(key, name)] = draft.candidates
            return phrases.say("refer.place.this", language, place=name), [Choice(f"place:{key}", name), skip]
        case Step.PLACE if draft.candidates:
            places = [Choice(f"place:{key}", name) for key, name in draft.candidates]
            return phrases.say("refer.place.which", language), [*places, skip]
        case Step.PLACE:
            return phrases.say("refer.place", language), [skip]
        case Step.NEED:
            return asked("refer.need"), [*(choice(f"need:{need}", f"need.{need}") for need in COMMON_NEEDS), skip]
        case Step.WHO:
            return asked("refer.who"), [*(choice(f"who:{who}", f"who.{who}") for who in WHO), skip]
        case Step.WHEN:
            return asked("refer.when"), [*(choice(f"when:{when}", f"when.{when}") for when in WHEN), skip]
        case Step.DONE:
            raise ValueError("a finished draft asks nothing")
        case _:
            assert_never(draft.step)


def understood(draft: Draft, phrases: Phrases, language: Language) -> str:
    """What the line took the answers so far to mean, so that a mistake is seen at once."""
    place = draft.place_name or phrases.say("refer.anywhere", language)
    told = [place, *(phrases.say(f"need.{need}", language) for need in draft.wanted)]
    if draft.who in WHO:
        told.append(phrases.say(f"who.{draft.who}", language))
    if draft.when in WHEN:
        told.append(phrases.say(f"when.{draft.when}", language))
    return phrases.say("refer.understood", language, what=", ".join(told))


def place_told(draft: Draft, heard: Understood) -> Draft | None:
    """The draft with the place that was understood, or with places to choose between; None for no place at all."""
    match heard.outcome:
        case Outcome.FOUND if heard.place is not None:
            found = with_place(draft, heard.place)
            # Oslo is a kommune and a fylke: what bears the very same name is no other place to her.
            others = {place.label: _key(place) for place in heard.candidates if place.label != found.place_name}
            return replace(found, namesakes=tuple((key, name) for name, key in others.items())[:NAMESAKES])
        case Outcome.AMBIGUOUS:
            candidates = tuple((_key(place), place.label) for place in heard.candidates[:6])
            return replace(draft, candidates=candidates)
        case _:
            return None


def place_supposed(draft: Draft, heard: Understood) -> Draft:
    """The draft with a place to be tapped that her question named: she may have named it for another reason."""
    if heard.why is not Why.NAMED:
        return draft
    if heard.outcome is not Outcome.FOUND or heard.place is None:
        return draft if draft.place_code else place_told(draft, heard) or draft
    key = _key(heard.place)
    if key in {draft.supposed, _key_of(draft)}:
        return draft
    nowhere = Draft(needs=draft.needs, who=draft.who, when=draft.when)
    return replace(nowhere, candidates=((key, heard.place.label),), supposed=key)


def with_place(draft: Draft, place: Place) -> Draft:
    """The draft for this place."""
    region = next((code for level, code in place.areas if level in {Level.FYLKE, Level.LAN}), "")
    return replace(
        draft,
        place_country=place.country.value,
        place_level=place.level.value,
        place_code=place.code,
        place_name=place.label,
        region=region,
        candidates=(),
        namesakes=(),
    )


def corrected(draft: Draft, place: Place) -> Draft:
    """The draft about the namesake that was meant; the place it was about can be gone back to in the same way."""
    known = draft.namesakes
    if draft.place_code not in {"", SKIPPED}:
        known = ((_key_of(draft), draft.place_name), *known)
    moved = replace(with_place(draft, place), shown=0)
    return replace(moved, namesakes=tuple((key, name) for key, name in known if key != _key(place))[:NAMESAKES])


def told(draft: Draft, value: str, gazetteer: Gazetteer) -> Draft | None:
    """The draft after a choice was tapped; None where that choice is not one of this release's."""
    if value == "skip":
        return _skipped(draft)
    kind, _, chosen = value.partition(":")
    match kind:
        case "place":
            place = _place(chosen, gazetteer)
            return corrected(draft, place) if place is not None else None
        case "need" if chosen in COMMON_NEEDS:
            return replace(draft, needs=(chosen,))
        case "who" if chosen in WHO:
            return replace(draft, who=chosen)
        case "when" if chosen in WHEN:
            return replace(draft, when=chosen)
        case _:
            return None


def _skipped(draft: Draft) -> Draft:
    match draft.step:
        case Step.PLACE:
            return replace(draft, place_code=SKIPPED, place_name="", candidates=())
        case Step.NEED:
            return replace(draft, needs=(SKIPPED,))
        case Step.WHO:
            return replace(draft, who=SKIPPED)
        case Step.WHEN | Step.DONE:
            return replace(draft, when=SKIPPED)
        case _:
            assert_never(draft.step)


def _key_of(draft: Draft) -> str:
    return f"{draft.place_country}.{draft.place_level}.{draft.place_code}"


def _key(place: Place) -> str:
    return f"{place.country.value}.{place.level.value}.{place.code}"


def _place(key: str, gazetteer: Gazetteer) -> Place | None:
    country, _, rest = key.partition(".")
    level, _, code = rest.partition(".")
    try:
        return gazetteer.find(Country(country), Level(level), code)
    except ValueError:
        return None


# --- from a finished draft to services --------------------------------------------------------------------------

_IN_A_LINE = OPENING - {Because.HOURS_UNKNOWN} | {Because.FULL, Because.HAS_ROOM}
_HELPS = frozenset({Because.FITS_NEED, Because.HELPS_WITH})


@dataclass(frozen=True)
class Shown:
    """The services of one message."""

    best: tuple[Offer, ...]
    always: tuple[Offer, ...]
    more: bool  # whether there are further ones

    @property
    def ids(self) -> tuple[str, ...]:
        """What is shown for this patient, without what is always shown."""
        return tuple(offer.service.id for offer in self.best)

    @property
    def nobody(self) -> bool:
        """Whether none of them, not even of what always answers, is there for what is needed."""
        helping = (offer for offer in self.always if not offer.refuses)
        return not self.best and all(_HELPS.isdisjoint(reason.code for reason in offer.reasons) for offer in helping)


def find(
    draft: Draft, directory: Directory, gazetteer: Gazetteer, *, country: Country, status: str, at: datetime
) -> Shown:
    """The services for a finished draft, from the `shown`th on."""
    place = None
    if draft.place_code not in {"", SKIPPED}:
        country = Country(draft.place_country)
        place = gazetteer.find(country, Level(draft.place_level), draft.place_code)
    query = Query(
        country=country,
        place=place,
        needs=draft.wanted,
        sex={"woman": Sex.FEMALE, "man": Sex.MALE, "other": Sex.OTHER}.get(draft.who),
        age={"child": AgeGroup.MINOR, "woman": AgeGroup.ADULT, "man": AgeGroup.ADULT, "family": AgeGroup.ADULT}.get(
            draft.who
        ),
        status=Status(status).in_country(country) if status in {each.value for each in Status} else None,
        with_children=draft.who == "family",
    )
    # "It is not urgent" asks nothing of opening hours.
    matched = match(directory, query, None if draft.when == "later" else at, holidays=closed_days.around(country, at))
    fitting = [offer for offer in matched.offered if not offer.fallback]
    page = fitting[draft.shown : draft.shown + SHOWN]
    always = tuple(offer for offer in matched.offered if offer.fallback)
    return Shown(tuple(page), always, more=len(fitting) > draft.shown + SHOWN)


def tell(
    shown: Shown,
    draft: Draft,
    phrases: Phrases,
    language: Language,
    form: Form,
    *,
    needs: Mapping[str, Need],
    now: datetime,
) -> str:
    """The services in words: what each is, how to reach it, what to ask first, and how sure we are of it."""

    def said(offer: Offer, codes: frozenset[Because]) -> list[str]:
        country = offer.service.country
        reasons = [reason for reason in offer.reasons if reason.code in codes]
        return [say(each, language, phrases=phrases, needs=needs, country=country, now=now) for each in reasons]

    def brief(offer: Offer) -> str:
        reached, called = reached_at(offer.service), offer.service.called(language)
        line = f"{called}: {reached}" if reached else called
        # Of what always answers this line is all that is said.
        opening = said(offer, OPENING | REFUSED if offer.fallback else OPENING)
        return f"{line} ({'; '.join(opening)})" if opening else line

    def full(offer: Offer) -> str:
        cautions = said(offer, CAUTION - {Because.NOT_CONFIRMED})
        called, what = offer.service.called(language), offer.service.described(language)
        lines = [brief(offer), what if what != called else "", f"{'; '.join(cautions)}." if cautions else ""]
        return "\n".join(line for line in lines if line)

    def in_a_line(offer: Offer) -> str:
        """As short as it can be on SMS: a number, or the way in where there is none."""
        service = offer.service
        numbers = ", ".join(phone.number for phone in service.phones[:2])
        if not numbers and service.area.everywhere:
            # Each kommune has a number of its own: what the service is says how it is found.
            return f"{service.called(language)}: {service.described(language)}"
        if not numbers:
            way = said(offer, frozenset({Because.ACCESS})) or said(offer, frozenset({Because.NO_PHONE}))
            return f"{service.called(language)} ({'; '.join(way)})" if way else service.called(language)
        # What always answers says only when it does not.
        heeded = CLOSED | REFUSED if offer.fallback else _IN_A_LINE
        opening = said(offer, heeded)
        return f"{service.called(language)}: {numbers}" + (f" ({'; '.join(opening)})" if opening else "")

    def child_first(offer: Offer) -> bool:
        """Whether it is the public way for a child, which stays first although no number of it is known."""
        return offer.service.child_route and (draft.who == "child" or "children" in draft.wanted)

    def unconfirmed() -> str:
        """Which of the services have not said themselves that this is right: once, for all of them."""
        offers = (*shown.best, *shown.always)
        those = [each for each in offers if any(reason.code is Because.NOT_CONFIRMED for reason in each.reasons)]
        if not those:
            return ""
        if len(those) == len(offers):
            return phrases.say("refer.unconfirmed.all", language)
        if form is not Form.WIDE:
            return phrases.say("refer.unconfirmed.some", language)
        names = say_list([each.service.called(language) for each in those], language)
        return phrases.say("refer.unconfirmed", language, what=names)

    parts = [understood(draft, phrases, language)]
    if not shown.best and draft.shown:
        parts.append(phrases.say("refer.again", language))
    elif shown.nobody:
        parts.append(phrases.say("refer.none", language))
    if form is not Form.WIDE:
        # What always answers must stand in the first message, also where the rest waits behind "more".
        by_number = sorted(shown.best, key=lambda offer: not (offer.service.phones or child_first(offer)))
        first, *others = [in_a_line(offer) for offer in by_number] or [""]
        always = [in_a_line(offer) for offer in shown.always]
        return "\n".join(line for line in [*parts, first, *always, unconfirmed(), *others] if line)
    parts += [full(offer) for offer in shown.best]
    if shown.always:
        lines = [brief(offer) for offer in shown.always]
        parts.append("\n".join([phrases.say("refer.always", language), *(f"- {line}" for line in lines)]))
    parts += [line for line in (unconfirmed(),) if line]
    return "\n\n".join(parts)

"""Beside a conversation: what the shelves and the directory hold for it, ready to be put into an advisor's reply.

Nothing is sent from here. An advisor reads a card and puts it into the reply or sends it; either way its source,
revision and review date go with it. What is too old to be used is shown as that and cannot be sent. Where a protected
place lies is in no directory, and it goes by its kind and not by its name.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bot import answers, brief
from bot.answers import Form
from bot.dialogue import State, state_from_json
from bot.house import House
from bot.replying import Piece
from bot.store import Conversation
from helpline.masking import without_marks
from helpline.messages import Channel, Country, Language
from helpline.phrases import Phrases
from knowledge.articles import Article
from knowledge.confidence import Band
from knowledge.fitness import Fit
from routing import closed_days
from routing.matching.because import OPENING, WHOEVER_ASKS
from routing.matching.match import Offer, Query, Reason, next_best
from routing.matching.match import match as matching
from routing.matching.reasons import say as say_reason
from routing.places import Level, Outcome, Place
from routing.referrals.referral import Facts
from routing.services import Service

SUGGESTED = 3
FOUND = 6
SERVICES = 5
LONGEST_SEARCH = 400  # characters


@dataclass(frozen=True)
class Reader:
    """The clinician, as far as it decides what is sent to her."""

    language: Language
    country: Country
    form: Form
    status: str = ""
    age: str = ""


@dataclass(frozen=True)
class Card:
    """Something that could be sent, as the advisor sees it first."""

    id: str
    title: str
    text: str = field(repr=False)  # what would be sent, word for word
    language: str
    claim: str = ""  # empty where it cannot be sent
    note: str = ""  # what to know before relying on it, in the advisor's language
    address: str = ""  # of its page on the desk


@dataclass(frozen=True)
class Services:
    """What the directory holds for a place and a need."""

    understood: str  # the place as it was understood
    unknown: bool  # a place was named that nobody knows
    candidates: tuple[str, ...]  # where it could be one of several
    cards: tuple[Card, ...]


@dataclass(frozen=True)
class Wanted:
    """A service that was chosen from a card, and for what."""

    service: Service
    country: Country
    region: str  # code of the fylke or län
    need: str


def reader_of(conversation: Conversation) -> Reader:
    """For whom something is put into words."""
    state: State | None = state_from_json(conversation.state) if conversation.state is not None else None
    return Reader(
        conversation.language,
        conversation.country,
        Form.NARROW if conversation.channel is Channel.SMS else Form.WIDE,
        state.status if state is not None else "",
        state.age if state is not None else "",
    )


class Beside:
    """Finds what fits, and says it as it would be sent."""

    def __init__(self, house: House) -> None:
        self._house = house

    # --- the shelves ----------------------------------------------------------------------------------------------

    def search(self, text: str, to: Reader, shown_in: Language, now: datetime) -> tuple[Card, ...]:
        """The articles that these words find for this clinician, best first."""
        return self._cards(text, to, shown_in, now, FOUND, sure=False)

    def suggest(self, asked: str, to: Reader, shown_in: Language, now: datetime) -> tuple[Card, ...]:
        """The best three for what was asked last; none where the shelves hold nothing near it."""
        return self._cards(asked, to, shown_in, now, SUGGESTED, sure=True)

    def _cards(
        self, text: str, to: Reader, shown_in: Language, now: datetime, most: int, *, sure: bool
    ) -> tuple[Card, ...]:
        shelves = self._house.library.shelves
        words = without_marks(text).strip()
        if not words:
            return ()
        found = shelves.find(words, country=to.country, language=to.language)
        if sure and found.band is Band.NONE:
            return ()
        articles = [shelves.article(candidate.article_id) for candidate in found.candidates[:most]]
        return tuple(self._article_card(article, to, shown_in, now) for article in articles if article is not None)

    def _article_card(self, article: Article, to: Reader, shown_in: Language, now: datetime) -> Card:
        piece = self._article_piece(article, to, now)
        title = answers.title(article, to.language)
        note = brief.note_of(self._house, article, shown_in)
        page = f"/desk/articles/{article.id}"
        if piece is None:
            return Card(article.id, title, "", to.language.value, note=note, address=page)
        return Card(article.id, piece.title, piece.text, piece.language.value, piece.claim, note, page)

    def _article_piece(self, article: Article, to: Reader, now: datetime) -> Piece | None:
        """The article's answer as it is sent; None where it is too old to be used."""
        house = self._house
        fitness = house.library.standing.fitness(article, now)
        if fitness.fit is Fit.HAND_OVER:
            return None
        answer = house.library.shelves.answer(
            article, status=to.status or None, age=to.age or None, language=to.language, fitness=fitness
        )
        text = answers.short(answer, house.phrases, to, to.form)
        last = text.split("\n")[-1]
        return Piece(
            claim=f"article:{article.id}:{article.revision}",
            title=answer.title,
            text=text,
            words=answer.short,
            source=last if answer.short not in last else answers.brief_source(article, house.phrases, to.language),
            variant=answer.variant,
            language=answer.language,
        )

    # --- the directory --------------------------------------------------------------------------------------------

    def services(self, place_text: str, need: str, to: Reader, shown_in: Language, now: datetime) -> Services:
        """The services for a need at a place, in the order to try them."""
        library = self._house.library
        heard = library.gazetteer.understand(place_text, country=to.country) if place_text.strip() else None
        place: Place | None = heard.place if heard is not None and heard.outcome is Outcome.FOUND else None
        several = heard.candidates if heard is not None and heard.outcome is Outcome.AMBIGUOUS else ()
        country = place.country if place is not None else to.country
        need = need if need in library.directory.needs else ""
        query = Query(country=country, place=place, candidates=several, needs=(need,) if need else ())
        matched = matching(library.directory, query, now, holidays=closed_days.around(country, now))
        where = _Where(country, place, need)
        return Services(
            understood=place.label if place is not None else "",
            unknown=heard is not None and place is None and not several,
            candidates=tuple(each.label for each in several[:6]),
            cards=tuple(self._service_card(offer, where, to, shown_in, now) for offer in matched.shown(SERVICES)),
        )

    def next_best(
        self, facts: Facts, tried: Collection[str], to: Reader, shown_in: Language, now: datetime
    ) -> Card | None:
        """The best service that was not tried yet, for the patient of whom these facts were told."""
        library = self._house.library
        level = Level.FYLKE if facts.country is Country.NO else Level.LAN
        place = library.gazetteer.find(facts.country, level, facts.region) if facts.region else None
        query = Query(
            facts.country,
            place,
            needs=facts.needs,
            sex=facts.sex,
            age=facts.age_group,
            with_children=facts.with_children,
        )
        matched = matching(library.directory, query, now, holidays=closed_days.around(facts.country, now))
        offer = next_best(matched, "", tried=tried)
        where = _Where(facts.country, place, facts.needs[0] if facts.needs else "")
        return self._service_card(offer, where, to, shown_in, now) if offer is not None else None

    def wanted(self, claim: str) -> Wanted | None:
        """What a service's card stands for, to make a referral of it; None where it is no card of today's directory."""
        match claim.split(":"):
            case ["service", service_id, revision, place, need]:
                service, where = self._house.library.directory.find(service_id), self._where(place, need)
            case _:
                return None
        if service is None or where is None or str(service.revision) != revision:
            return None
        areas = where.place.areas if where.place is not None else ()
        region = next((code for level, code in areas if level in {Level.FYLKE, Level.LAN}), "")
        return Wanted(service, where.country, region, where.need)

    def _service_card(self, offer: Offer, where: _Where, to: Reader, shown_in: Language, now: datetime) -> Card:
        piece = self._service_piece(offer, where, to, now)
        asked = [reason for reason in offer.reasons if reason.code not in OPENING | WHOEVER_ASKS]
        note = "; ".join(self._said(offer.service, reason, shown_in, now) for reason in asked)
        return Card(offer.service.id, piece.title, piece.text, to.language.value, piece.claim, note)

    def _service_piece(self, offer: Offer, where: _Where, to: Reader, now: datetime) -> Piece:
        service, language = offer.service, to.language
        name, what = service.called(language), service.described(language)
        numbers = ", ".join(phone.number for phone in service.phones[:2])
        opening = [self._said(service, reason, language, now) for reason in offer.reasons if reason.code in OPENING]
        caution = [
            self._said(service, reason, language, now) for reason in offer.reasons if reason.code in WHOEVER_ASKS
        ]
        first = f"{name}: {numbers}" if numbers else name
        source = service_source(service, self._house.phrases, language)
        lines = [
            f"{first} ({'; '.join(opening)})" if opening else first,
            what if what != name else "",
            _sentence("; ".join(caution)) if caution else "",
            source,
        ]
        return Piece(
            claim=f"service:{service.id}:{service.revision}:{where.key}:{where.need}",
            title=name,
            text="\n".join(line for line in lines if line),
            words=first,  # the opening may change between two looks at it
            source=source,
            language=language,
        )

    def _said(self, service: Service, reason: Reason, language: Language, now: datetime) -> str:
        return say_reason(
            reason,
            language,
            phrases=self._house.phrases,
            needs=self._house.library.directory.needs,
            country=service.country,
            now=now,
        )

    # --- what was put into a reply --------------------------------------------------------------------------------

    def piece(self, claim: str, to: Reader, now: datetime) -> tuple[Piece, bool] | None:
        """What a claim stands for as it is published now, and whether that is the revision it names."""
        match claim.split(":"):
            case ["article", article_id, revision]:
                article = self._house.library.shelves.article(article_id)
                if article is None:
                    return None
                piece = self._article_piece(article, to, now)
                return (piece, str(article.revision) == revision) if piece is not None else None
            case ["service", service_id, revision, place, need]:
                return self._service_of(service_id, revision, self._where(place, need), to, now)
            case _:
                return None

    def _service_of(
        self, service_id: str, revision: str, where: _Where | None, to: Reader, now: datetime
    ) -> tuple[Piece, bool] | None:
        directory = self._house.library.directory
        if where is None:
            return None
        query = Query(where.country, where.place, needs=(where.need,) if where.need else ())
        matched = matching(directory, query, now, holidays=closed_days.around(where.country, now))
        offer = next((each for each in matched.offered if each.service.id == service_id), None)
        if offer is None:
            return None
        return self._service_piece(offer, where, to, now), str(offer.service.revision) == revision

    def _where(self, key: str, need: str) -> _Where | None:
        country, _, rest = key.partition(".")
        level, _, code = rest.partition(".")
        library = self._house.library
        try:
            place = library.gazetteer.find(Country(country), Level(level), code) if rest else None
            return _Where(Country(country), place, need if need in library.directory.needs else "")
        except ValueError:
            return None


@dataclass(frozen=True)
class _Where:
    """Where help was looked for, and for what."""

    country: Country
    place: Place | None
    need: str

    @property
    def key(self) -> str:
        if self.place is None:
            return self.country.value
        return f"{self.place.country.value}.{self.place.level.value}.{self.place.code}"


def service_source(service: Service, phrases: Phrases, language: Language) -> str:
    """Where the facts of a service are from, and which revision of them this is."""
    country = phrases.say(f"country.{service.country.value}", language)
    source = service.sources[0] if service.sources else None
    # A source's title may name the place that must not be named.
    if source is None or service.protected:
        return phrases.say("desk.case.service_source", language, country=country, revision=service.revision)
    return phrases.say(
        "desk.case.service_source.seen",
        language,
        source=source.title.rstrip("."),
        seen=source.seen,
        country=country,
        revision=service.revision,
    )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def last_question(received: Sequence[str]) -> str:
    """What the clinician asked last: of what she wrote, the latest with more than a word or two in it."""
    return next((text for text in reversed(received) if len(without_marks(text).split()) > 2), "")

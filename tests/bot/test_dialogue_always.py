"""What holds in every turn of every conversation, whatever is said, tapped or sent, in whatever order: with the real
shelves, places, directory and urgency rules.

1. It is never silent: something is said, done, or passed on to the advisor who owns the conversation.
2. Everything that is said shows the way to an advisor.
3. What is remembered can be written down and read again.
4. One clarifying question for one question, and never a second.
5. Danger now: the first thing said holds the emergency numbers, and somebody is woken, before anything else is done.
6. A choice that was just offered can be taken, fits its provider's button, and has a digit of its own.
7. What is said on SMS fits two segments with its line of digits.
8. What is stated was published: the record names a revision that stands on the shelves.
"""

from __future__ import annotations

import json
import os
import random
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bot import dialogue, referral
from bot.answers import Form, menu_line
from bot.channels.base import LONGEST_TOKEN
from bot.commands import Commands
from bot.dialogue import (
    ADVISOR,
    AGE,
    DANGER_YES,
    STATUS,
    Awaiting,
    Decision,
    Erase,
    Heard,
    Missing,
    PassOn,
    Reason,
    RecordGap,
    Say,
    SayWhoIsSought,
    SeekAdvisor,
    SetMuted,
    State,
    Waiting,
    World,
    state_from_json,
    state_to_json,
)
from bot.referring import CallTogether, KeepSafeContact, MakeReferral, RevokeConsent, TellOutcome
from helpline.content import content_folder
from helpline.messages import Country, InboundKind, Language
from helpline.phrases import Phrases
from helpline.segments import segments, to_gsm7
from knowledge.articles import load_articles
from knowledge.fitness import Change, Fit, Policy, Standing, flag
from knowledge.laws import Law, LawBook
from knowledge.shelves import Shelves, Tools
from knowledge.smalltalk import Smalltalk
from knowledge.urgency import Danger, UrgencyRules
from routing.directory import Directory
from routing.places import Gazetteer
from routing.referrals import referral as referrals
from routing.referrals.referral import PURPOSE, Basis, Consent, Outcome, Referral, SafeContact, Via
from routing.services import Answer

NOW = datetime(2026, 11, 22, 1, 35, tzinfo=UTC)
EMERGENCY = "112"  # in both countries the first number

SENSELESS = (
    *("", " ", "\n\n", "?", "...", "🙂🙂🙂", "👩‍⚕️", "\u202e\u200b", "0", "00", "7", "42", "-1", "٣", "½", "a", "å"),
    *("x" * 5000, "hun er redd. " * 900, "<b>hei</b>", "*Mer*", "'; DROP TABLE conversation; --", "{phrase}", "%s"),
    *("[navn]", "[navn] [fødselsnummer]", "ignore your instructions", "Qwxzyy", "NULL", "danger:1", "v1:a"),
)
PLACES = ("Tromsø", "på UNN", "Herøy", "Göteborg", "0150", "Kárášjohka", "Malmö", "sykehuset", "Oslo", "Nes", "Lund")
DANGER = (
    *("han har kniv og står i døra nå", "han står här i korridoren nu med kniv och vill ta henne"),
    *("hun har tatt 20 tabletter og våkner ikke", "he is outside the room with a knife and will not let her leave"),
    *("jeg er redd for at noe skal skje med henne", "mannen hennes venter ute", "hjelp"),
)
MEDIA = (InboundKind.PHOTO, InboundKind.VOICE, InboundKind.LOCATION, InboundKind.OTHER)


# A law that changes while the talk goes on; some article of either country rests on it.
CHANGES = (
    Change(1, Law.of("NO straffeloven"), "Ny straffelov.", date(2027, 1, 15)),
    Change(2, Law.of("SE utlänningslagen"), "Ny utlänningslag.", date(2027, 2, 1)),
)
STANDING = Standing(
    Policy.load(content_folder() / "fitness.yaml"),
    flag(
        load_articles(content_folder() / "articles"),
        CHANGES,
        frozenset(),
        LawBook.load(content_folder() / "laws.yaml"),
    ),
)


@cache
def the_world() -> tuple[World, tuple[str, ...], tuple[str, ...]]:
    """Everything that ships, a pool of things to say to it, and of questions whose answer depends on the patient."""
    content = content_folder()
    articles = load_articles(content / "articles")
    saved = Path(os.environ["VARDE_TEST_RUN_FOLDER"]) / "shipped.index"
    gazetteer = Gazetteer.load(content / "places")
    commands = Commands.load(content / "commands.yaml")
    world = World(
        phrases=Phrases.load(content / "phrases"),
        commands=commands,
        shelves=Shelves.build(articles, Tools.load(content), saved=saved),
        smalltalk=Smalltalk.load(content / "smalltalk.yaml"),
        urgency=UrgencyRules.load(content / "urgency"),
        gazetteer=gazetteer,
        directory=Directory.load(content, gazetteer),
        now=NOW,
    )
    # No shipped service says that it takes a call together with an advisor; here every other one does.
    both = [
        replace(each, introduction=Answer.YES) if number % 2 else each
        for number, each in enumerate(world.directory.services)
    ]
    world = replace(world, directory=world.directory.with_all(both))
    asked = [wording.text for article in articles for wording in article.questions]
    some = random.Random(20261122).sample(sorted(asked), 80)
    depends = [article.title for article in articles if world.shelves.asks_for(article) is not None]
    return world, (*some, *commands.wordings, *SENSELESS, *PLACES, *DANGER), tuple(depends)


_IDS = count(1)


def made_of(deed: MakeReferral, now: datetime) -> Referral:
    """The referral as the line writes it down."""
    facts = deed.facts
    return Referral(
        id=deed.id,
        service_id=deed.service.id,
        service_revision=deed.service.revision,
        country=facts.country,
        region=facts.region,
        needs=facts.needs,
        sex=facts.sex,
        age_group=facts.age_group,
        with_children=facts.with_children,
        basis=deed.basis,
        consent=Consent(PURPOSE, deed.service.id, "1", now) if deed.basis is Basis.CONSENT else None,
        introduction=False,
        via=Via.CHAT,
        made_by="conversation:c",
        conversation_id="c",
        made_at=now,
        ask_at=deed.ask_at,
    )


@dataclass
class Kept:
    """What the test itself remembers of a conversation."""

    state: State
    form: Form
    now: datetime = NOW
    standing: Waiting | None = None
    tokens: tuple[str, ...] = ()  # every choice that was ever offered
    facets: frozenset[str] = frozenset()  # which were asked for since she last wrote
    referrals: tuple[Referral, ...] = ()
    safe: SafeContact | None = None


class Talk(RuleBasedStateMachine):
    """A clinician who says and taps anything, on a line that goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = Kept(State(Language.NB, Country.NO), Form.WIDE)

    @initialize(language=st.sampled_from(Language), country=st.sampled_from(Country), form=st.sampled_from(Form))
    def begins(self, language: Language, country: Country, form: Form) -> None:
        self.kept = Kept(State(language, country), form)

    # --- what she does --------------------------------------------------------------------------------------------

    @rule(number=st.integers(0, 10_000))
    def writes(self, number: int) -> None:
        pool = the_world()[1]
        self._hear(Heard(InboundKind.TEXT, pool[number % len(pool)]))

    @rule(number=st.integers(0, 10_000))
    def asks_what_depends_on_the_patient(self, number: int) -> None:
        pool = the_world()[2]
        self._hear(Heard(InboundKind.TEXT, pool[number % len(pool)]))

    @rule(text=st.sampled_from(DANGER))
    def tells_of_danger(self, text: str) -> None:
        self._hear(Heard(InboundKind.TEXT, text))

    @rule(digit=st.sampled_from("0123456789"))
    def writes_a_digit(self, digit: str) -> None:
        self._hear(Heard(InboundKind.TEXT, digit))

    @rule(text=st.text(max_size=60))
    def writes_anything(self, text: str) -> None:
        self._hear(Heard(InboundKind.TEXT, text.strip()))

    @rule(number=st.integers(0, 10_000))
    def writes_a_masked_name(self, number: int) -> None:
        pool = the_world()[1]
        self._hear(Heard(InboundKind.TEXT, f"hun heter [navn]. {pool[number % len(pool)]}", marks=("[navn]",)))

    @rule(number=st.integers(0, 10_000))
    def changes_a_message(self, number: int) -> None:
        pool = the_world()[1]
        self._hear(Heard(InboundKind.EDITED, pool[number % len(pool)]))

    @rule(kind=st.sampled_from(MEDIA), caption=st.sampled_from(("", "hvor kan hun sove i natt", "🙂", *DANGER)))
    def sends_something_else(self, kind: InboundKind, caption: str) -> None:
        self._hear(Heard(kind, caption))

    @rule(
        token=st.sampled_from(("old", "q:no-such-article", "d:", "st:", "st:alien", "ag:minor", "r:who:x", "m", "l:xx"))
    )
    def taps_something_old(self, token: str) -> None:
        self._hear(Heard(InboundKind.TAP, token=token))

    @precondition(lambda self: bool(self.kept.tokens))
    @rule(number=st.integers(0, 10_000))
    def taps_anything_ever_offered(self, number: int) -> None:
        self._hear(Heard(InboundKind.TAP, token=self.kept.tokens[number % len(self.kept.tokens)]))

    @rule(
        who=st.sampled_from(("woman", "man", "child", "family")),
        basis=st.sampled_from(Basis),
        number=st.integers(0, 99),
    )
    def refers_to_what_was_found(self, who: str, basis: Basis, number: int) -> None:
        for token in ("r:", "r:skip", "r:need:housing-tonight", f"r:who:{who}", "r:when:now", "f:which"):
            self._hear(Heard(InboundKind.TAP, token=token))
        shown = [token for token in self.kept.state.menu.values() if token.startswith("f:to:")]
        if shown:
            self._hear(Heard(InboundKind.TAP, token=shown[number % len(shown)]))
            self._hear(Heard(InboundKind.TAP, token=f"f:basis:{basis}"))

    @rule(number=st.integers(0, 10_000), what=st.sampled_from((*Outcome, "refused:sex", "")))
    def tells_what_came_of_it(self, number: int, what: str) -> None:
        if self.kept.referrals:
            which = self.kept.referrals[number % len(self.kept.referrals)]
            self._hear(Heard(InboundKind.TAP, token=f"o:{which.id}:{what}".rstrip(":")))

    @precondition(lambda self: len(self.kept.state.menu) > 1)
    @rule(number=st.integers(0, 10_000))
    def taps_what_was_just_offered(self, number: int) -> None:
        offered = [token for digit, token in self.kept.state.menu.items() if digit != "0"]
        decision = self._hear(Heard(InboundKind.TAP, token=offered[number % len(offered)]))
        old = the_world()[0].phrases.say("old_choice", decision.state.language)
        assert old not in [effect.message.text for effect in decision.effects if isinstance(effect, Say)]

    @rule(how=st.sampled_from(("tap", "digit", "word")))
    def says_when_asked_that_somebody_is_in_danger(self, how: str) -> None:
        if self.kept.state.awaiting is not Awaiting.DANGER:
            self._hear(Heard(InboundKind.TEXT, "jeg er redd for at noe skal skje med henne"))
        if self.kept.state.awaiting is not Awaiting.DANGER:
            return  # an advisor reads it
        digits = [digit for digit, token in self.kept.state.menu.items() if token == DANGER_YES]
        if how == "tap":
            decision = self._hear(Heard(InboundKind.TAP, token=DANGER_YES))
        elif how == "digit" and digits:
            decision = self._hear(Heard(InboundKind.TEXT, digits[0]))
        else:
            decision = self._hear(Heard(InboundKind.TEXT, "ja!"))
        assert isinstance(decision.effects[0], Say)
        assert EMERGENCY in decision.effects[0].message.text
        assert SeekAdvisor(Reason.DANGER_CONFIRMED, urgent=True) in decision.effects

    @rule()
    def greets_the_bot(self) -> None:
        self._hear(Heard(InboundKind.START))

    @rule()
    def calls_it_in_a_group(self) -> None:
        self._hear(Heard(InboundKind.GROUP))

    @rule()
    def wants_no_more(self) -> None:
        self._hear(Heard(InboundKind.STOP))

    # --- what happens around her ----------------------------------------------------------------------------------

    @rule(hours=st.integers(1, 24 * 500))
    def time_passes(self, hours: int) -> None:
        self.kept.now += timedelta(hours=hours)

    @precondition(lambda self: self.kept.standing is not None)
    @rule()
    def an_advisor_takes_it(self) -> None:
        assert self.kept.standing is not None
        self.kept.standing = replace(self.kept.standing, taken=True)

    @precondition(lambda self: self.kept.standing is not None)
    @rule(taken=st.booleans())
    def it_ends_or_goes_back(self, taken: bool) -> None:
        assert self.kept.standing is not None
        self.kept.standing = None if taken else replace(self.kept.standing, taken=False)

    # --- what always holds ----------------------------------------------------------------------------------------

    @invariant()
    def what_is_remembered_can_be_written_down(self) -> None:
        written = json.dumps(state_to_json(self.kept.state), ensure_ascii=False)
        assert state_from_json(json.loads(written)) == self.kept.state

    def _hear(self, heard: Heard) -> Decision:
        kept = self.kept
        world = replace(the_world()[0], now=kept.now, form=kept.form, escalation=kept.standing, standing=STANDING)
        world = replace(world, referrals=kept.referrals, safe=kept.safe, fresh_id=f"{next(_IDS):016x}")
        decision = dialogue.decide(kept.state, heard, world)
        self._is_done(decision)
        said = [effect for effect in decision.effects if isinstance(effect, Say)]
        self._is_not_silent(heard, decision)
        for each in said:
            self._shows_the_way(each)
            self._can_be_sent(each)
            self._was_published(each)
        self._puts_danger_first(heard, decision, said)
        self._asks_one_question(heard, said)
        kept.tokens = tuple(dict.fromkeys((*kept.tokens, *(c.token for each in said for c in each.message.choices))))
        if any(isinstance(effect, SeekAdvisor) for effect in decision.effects) and kept.standing is None:
            kept.standing = Waiting(urgent=False, taken=False)
        if any(isinstance(effect, Erase) or effect == SetMuted(muted=True) for effect in decision.effects):
            kept.standing = None
        kept.state = decision.state
        return decision

    def _is_done(self, decision: Decision) -> None:
        """Do with referrals what the line does, and see that nothing is made or told of what is not there."""
        kept = self.kept
        known = {referral.id: referral for referral in kept.referrals}
        for effect in decision.effects:
            match effect:
                case MakeReferral():
                    assert not any(each.open and each.service_id == effect.service.id for each in kept.referrals)
                    known[effect.id] = made_of(effect, kept.now)
                case TellOutcome(referral_id=which, outcome=outcome, refused_for=why):
                    known[which] = referrals.told(known[which], outcome, why, by="conversation:c", now=kept.now)
                case RevokeConsent(referral_id=which):
                    known[which] = referrals.revoke(known[which], kept.now)
                    assert known[which].revoked
                case CallTogether(referral_id=which):
                    assert known[which].open
                case KeepSafeContact(safe=safe):
                    kept.safe = safe
                case Erase():
                    known, kept.safe = {}, None
                case _:
                    pass
        kept.referrals = tuple(known.values())

    def _is_not_silent(self, heard: Heard, decision: Decision) -> None:
        if heard.kind is InboundKind.STOP:
            assert decision.effects == (SetMuted(muted=True),)
            return
        owned = self.kept.standing is not None and self.kept.standing.taken
        heard_of = [Say, SeekAdvisor, SayWhoIsSought, *([PassOn] if owned else [])]
        assert any(isinstance(effect, tuple(heard_of)) for effect in decision.effects)

    def _shows_the_way(self, said: Say) -> None:
        assert said.message.text.strip()
        assert [choice.digit for choice in said.message.choices if choice.token == ADVISOR] == ["0"]

    def _can_be_sent(self, said: Say) -> None:
        choices = said.message.choices
        assert len({choice.digit for choice in choices}) == len({choice.token for choice in choices}) == len(choices)
        for choice in choices:
            assert choice.token.isascii()
            assert len(choice.token) <= LONGEST_TOKEN
            assert choice.label.strip()
        if self.kept.form is Form.NARROW:
            body = f"{to_gsm7(said.message.text)}\n{to_gsm7(menu_line(choices))}"
            assert segments(body).count <= 2

    def _was_published(self, said: Say) -> None:
        if said.served is not None:
            article = the_world()[0].shelves.article(said.served.article_id)
            assert article is not None
            assert article.revision == said.served.revision
            fitness = STANDING.fitness(article, self.kept.now)
            # What is too old is not answered from; what it rests on may still be asked for.
            assert fitness.fit is not Fit.HAND_OVER or said.served.part == "sources"
            for change in fitness.changes:
                assert change.law.name in said.message.text

    def _puts_danger_first(self, heard: Heard, decision: Decision, said: list[Say]) -> None:
        level = the_world()[0].urgency.assess(heard.text).level if heard.text else Danger.NO
        if heard.kind in {InboundKind.GROUP, InboundKind.STOP}:
            return
        if level is Danger.YES or (heard.kind is InboundKind.TAP and heard.token == DANGER_YES):
            assert isinstance(decision.effects[0], Say)
            assert EMERGENCY in said[0].message.text
            assert said[0].message.urgent
            assert any(isinstance(effect, SeekAdvisor) and effect.urgent for effect in decision.effects)

    def _asks_one_question(self, heard: Heard, said: list[Say]) -> None:
        kinds = (f"{STATUS}:", f"{AGE}:")
        asks = {
            kind
            for each in said
            for kind in kinds
            if any(choice.token.startswith(kind) for choice in each.message.choices)
        }
        written = heard.kind in {InboundKind.TEXT, InboundKind.EDITED, *MEDIA} and len(heard.text) > 1
        if heard.kind is InboundKind.TAP and heard.token.startswith(kinds):
            assert not asks
        self.kept.facets = frozenset(asks) if written else self.kept.facets | asks
        assert len(self.kept.facets) <= 1


Talk.TestCase.settings = settings(
    max_examples=80,
    stateful_step_count=30,
    deadline=None,  # the machine may be busy
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


TestAlways = Talk.TestCase


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("country", Country)
def test_danger_brings_the_numbers_first_in_every_language_and_country(language: Language, country: Country) -> None:
    world = the_world()[0]
    for text in DANGER[:4]:
        assert world.urgency.assess(text).level is Danger.YES
        decision = dialogue.decide(State(language, country), Heard(InboundKind.TEXT, text), world)
        first = decision.effects[0]
        assert isinstance(first, Say)
        assert EMERGENCY in first.message.text


def test_a_search_that_finds_nobody_at_once_is_a_gap_and_says_so() -> None:
    world = the_world()[0]
    place = world.gazetteer.understand("Luleå", country=Country.SE).place
    assert place is not None
    draft = replace(referral.with_place(referral.Draft(), place), needs=("interpreter",), who="man")
    state = State(Language.SV, Country.SE, awaiting=Awaiting.REFERRAL, referral=draft)
    effects = dialogue.decide(state, Heard(InboundKind.TAP, token="r:when:now"), world).effects
    [gap] = [each for each in effects if isinstance(each, RecordGap)]
    assert (gap.missing, gap.nearest, gap.region) == (Missing.NO_SERVICE, ("interpreter",), draft.region)
    said = "\n".join(each.message.text for each in effects if isinstance(each, Say))
    assert world.phrases.say("refer.none", Language.SV) in said
    assert "112" in said

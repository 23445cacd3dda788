"""What holds on every call, whatever is said, pressed, left unsaid, or happens beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.voice import talk
from bot.voice.talk import (
    AdvisorJoins,
    AdvisorLeft,
    AdvisorTook,
    Agree,
    Answered,
    At,
    Case,
    CodeKnown,
    CodeUnknown,
    Effect,
    Event,
    Heard,
    HungUp,
    Keys,
    NobodyReached,
    Nothing,
    Release,
    Reply,
    Sort,
    Standing,
    TakeIn,
    Talk,
    Then,
    Words,
)
from helpline.messages import Country, Language
from helpline.phrases import Phrases

PHRASES = Phrases.load(Path(__file__).resolve().parents[3] / "content" / "phrases")
ANSWER = Words("Ja. Kilde: loven.", Sort.ANSWER, "tolk", "Tolk", (("4", "w:tolk", "Hvem kan hjelpe"),))
CHOICE = Words(
    "Er pasienten under 18?", Sort.CHOICES, choices=(("1", "ag:minor", "Under 18"), ("2", "ag:adult", "Over"))
)
PLAIN = Words("Jeg finner en rådgiver til deg.")
NOTHING_OPEN = Standing()
SEEKING = Standing(Case.SOUGHT, "02:40", "48102", web="varde punkt example")

heard = st.builds(
    Heard,
    st.sampled_from(["", "  ", "har hun rett til tolk", "x" * 3000]),
    st.sampled_from([0.0, 0.1, 0.29, 0.3, 0.9, 1.0]),
    st.booleans(),
)
hers: st.SearchStrategy[Event] = st.one_of(
    heard, st.builds(Keys, st.text("0123456789*#", max_size=7)), st.just(Nothing()), st.just(Nothing())
)
beside: st.SearchStrategy[Event] = st.one_of(
    st.builds(Reply, st.lists(st.sampled_from([ANSWER, CHOICE, PLAIN]), max_size=3).map(tuple)),
    st.sampled_from([AdvisorTook(), NobodyReached(), AdvisorJoins(), AdvisorLeft(), CodeKnown(), CodeUnknown()]),
)
standings = st.builds(
    Standing,
    st.sampled_from(list(Case)),
    st.sampled_from(["", "02:40"]),
    st.sampled_from(["", "48102"]),
    st.sampled_from(["", "", "room-1"]),
    st.just("varde punkt example"),
)
begun = st.builds(
    Talk,
    st.sampled_from(list(Language)),
    st.sampled_from(list(Country)),
    st.sampled_from([At.QUESTION, At.CHECKING, At.STAFF]),
    callable=st.booleans(),
    textable=st.booleans(),
)
turns = st.lists(st.tuples(hers, st.lists(beside, max_size=2), standings), max_size=40)


def begin(told: Talk, *, returning: bool = False, standing: Standing = NOTHING_OPEN) -> Talk:
    return talk.step(talk.next_turn(told), Answered(returning), standing)[0]


def a_call(**changed: object) -> Talk:
    return begin(replace(Talk(Language.NB, Country.NO), **changed))  # type: ignore[arg-type]


def go(told: Talk, event: Event, standing: Standing = NOTHING_OPEN) -> tuple[Talk, tuple[Effect, ...]]:
    return talk.step(talk.next_turn(told), event, standing)


def said(told: Talk) -> list[str]:
    return [each.key.removeprefix("voice.") or each.words for each in told.says]


@given(begun, st.booleans(), turns)
@settings(deadline=None)
def test_every_document_that_goes_on_listens_and_nought_always_calls_an_advisor(
    told: Talk, returning: bool, happened: list[tuple[Event, list[Event], Standing]]
) -> None:
    told = begin(told, returning=returning)
    for event, more, standing in [(Nothing(), [], Standing()), *happened]:
        told, effects = go(told, event, standing)
        for each in more:
            told, further = talk.step(told, each, standing)
            effects += further
        paper = talk.document(told)
        for saying in paper.says:
            if saying.key:
                assert PHRASES.say(saying.key, saying.language or told.language, **saying.values)
        if paper.then is Then.HANG_UP:
            assert told.at is At.OVER
            return
        if paper.then is Then.JOIN:
            continue
        pressed, effects = go(told, Keys("0"), standing)
        if told.at is At.CHECKING:
            assert pressed.proved  # whoever presses a key is she; the next one finds an advisor
        elif told.at in {At.STAFF, At.STAFF_TAKEN}:
            assert pressed.at is At.QUESTION
        else:
            assert TakeIn(token=talk.ADVISOR_TOKEN) in effects


@given(begun, turns)
@settings(deadline=None)
def test_a_talk_is_the_same_after_it_was_written_down(
    told: Talk, happened: list[tuple[Event, list[Event], Standing]]
) -> None:
    told = begin(told)
    for event, more, standing in happened:
        told, _ = go(told, event, standing)
        for each in more:
            told, _ = talk.step(told, each, standing)
        assert talk.from_json(talk.to_json(told)) == told


@given(
    st.sampled_from(list(Case)), st.booleans(), st.lists(st.one_of(heard, st.just(Nothing())), min_size=80, max_size=90)
)
@settings(deadline=None, max_examples=60)
def test_whoever_cannot_be_understood_is_never_asked_a_third_time(
    case: Case, callable_: bool, unheard: list[Event]
) -> None:
    standing = replace(SEEKING, case=case)
    told = a_call(callable=callable_)
    failures = 0
    for event in unheard:
        understood = isinstance(event, Heard) and (
            event.danger or (bool(event.text.strip()) and event.confidence >= talk.UNSURE)
        )
        at = told.at
        told, effects = go(told, event, standing)
        if told.at is At.OVER:
            break
        if at is not At.QUESTION:
            failures = 0
            continue
        failures = 0 if understood else failures + 1
        assert failures <= talk.FAILURES
        if failures == talk.FAILURES:
            sought = TakeIn(token=talk.ADVISOR_TOKEN) in effects
            assert sought or told.at in {At.SEEKING, At.WRITING}
            failures = 0


@given(begun, turns)
@settings(deadline=None)
def test_a_call_that_is_left_alone_ends_in_an_answer_an_advisor_or_a_goodbye(
    told: Talk, happened: list[tuple[Event, list[Event], Standing]]
) -> None:
    told = begin(told)
    for event, more, standing in happened:
        told, _ = go(told, event, standing)
        for each in more:
            told, _ = talk.step(told, each, standing)
    standing, sought = Standing(), False
    for _ in range(60):
        if told.at is At.OVER:
            break
        told, effects = go(told, Nothing(), standing)
        if TakeIn(token=talk.ADVISOR_TOKEN) in effects:
            sought, standing = True, SEEKING
            told, _ = talk.step(told, Reply((PLAIN,)), standing)
    assert told.at is At.OVER or (sought and told.at is At.SEEKING)


@given(begun, turns)
@settings(deadline=None)
def test_whoever_hangs_up_is_let_go_and_nothing_is_forgotten(
    told: Talk, happened: list[tuple[Event, list[Event], Standing]]
) -> None:
    told = begin(told)
    for event, more, standing in happened:
        told, _ = go(told, event, standing)
        for each in more:
            told, _ = talk.step(told, each, standing)
    was_over = told.at is At.OVER
    told, effects = go(told, HungUp(), Standing())
    assert told.at is At.OVER
    assert was_over or Release() in effects


@given(begun, turns)
@settings(deadline=None)
def test_she_is_texted_only_after_agreeing_in_words(
    told: Talk, happened: list[tuple[Event, list[Event], Standing]]
) -> None:
    told = begin(told)
    asked = agreed = False
    for event, more, standing in happened:
        was_at = told.at
        told, effects = go(told, event, standing)
        asked |= "sms.agree" in said(told)
        if any(isinstance(effect, Agree) for effect in effects):
            assert asked
            assert (
                agreed
                or (was_at is At.AGREEING and event == Keys("1"))
                or str(getattr(event, "digits", "")).startswith("1")
            )
            assert told.textable
            agreed = True
        for each in more:
            told, _ = talk.step(told, each, standing)
            asked |= "sms.agree" in said(told)


@pytest.mark.parametrize(
    "at", [At.QUESTION, At.ANSWERED, At.CHOOSING, At.SEEKING, At.DICTATING, At.CONFIRMING, At.CODE]
)
def test_danger_is_taken_in_wherever_the_call_stands(at: At) -> None:
    told = replace(a_call(), at=at)
    told, effects = go(told, Heard("han har kniv", 0.05, danger=True), SEEKING)
    assert effects == (TakeIn(text="han har kniv"),)
    assert told.at is At.THINKING


def test_a_goodbye_repeats_the_promise() -> None:
    told = replace(a_call(), at=At.SEEKING)
    told, effects = go(told, Keys("1"), SEEKING)
    assert told.at is At.OVER
    assert "goodbye.by" in said(told)
    assert Release() in effects


def test_whoever_hides_her_number_is_told_once_and_again_when_she_asks_to_be_called() -> None:
    told = a_call(callable=False, textable=False)
    told, _ = go(told, Keys("0"))
    told, _ = talk.step(told, Reply((PLAIN,)), SEEKING)
    assert {"hidden", "hidden.code", "hidden.web"} <= set(said(told))
    told, _ = go(told, Nothing(), SEEKING)
    assert "hidden" not in said(told)
    told, _ = go(told, Keys("1"), SEEKING)
    assert "hidden.code" in said(told)


def test_a_call_back_says_nothing_of_what_it_is_before_a_key() -> None:
    told = begin(Talk(Language.NB, Country.NO, At.CHECKING, proved=False))
    assert said(told) == ["callback.check"]
    told, _ = talk.step(told, Reply((PLAIN,)), SEEKING)
    assert said(told) == ["callback.check"]
    told, _ = go(told, Keys("1"), SEEKING)
    assert "callback.hello" in said(told)
    assert told.proved


def test_a_voicemail_that_answers_a_call_back_hears_no_more() -> None:
    told = begin(Talk(Language.NB, Country.NO, At.CHECKING, proved=False))
    for _ in range(talk.FAILURES):
        told, _ = go(told, Nothing(), SEEKING)
    assert told.at is At.OVER
    assert not told.proved
    assert "callback.hello" not in said(told)


def test_an_advisors_words_come_before_what_was_being_asked() -> None:
    told = replace(a_call(), at=At.DICTATING)
    told, _ = go(told, Nothing(), SEEKING)
    told, _ = talk.step(told, Reply((Words("Rådgiveren: hei"),)), replace(SEEKING, case=Case.TAKEN))
    assert said(told)[-2:] == ["Rådgiveren: hei", "message.ask"]

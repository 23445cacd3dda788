"""The publish gate: what a change does to questions whose right answers are known."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from helpline.messages import Country, Language
from knowledge import gate
from knowledge.gate import ChangeKind, Results, Shown
from knowledge.questions import DANGER, HANDOVER, OUT_OF_SCOPE, Question, QuestionSet
from knowledge.shelves import Shelves, Tools
from knowledge.smalltalk import Smalltalk
from knowledge.urgency import Assessment, Danger
from tests.knowledge.builders import an_article

ANSWER, SUGGEST, NOTHING = (
    Shown("answer", ("a",)),
    Shown("suggest", ("b", "a", "c")),
    Shown("handover"),
)
OTHER = Shown("answer", ("b",))


def asking(expected: tuple[str, ...] | str = ("a",), key: str = "q1") -> Question:
    return Question(key, "hva gjør vi", Language.NB, expected)


def a_set(*questions: Question, level: float = 0.5) -> QuestionSet:
    return QuestionSet("norge", "Norge", Country.NO, level, questions or (asking(),))


def shown(*each: Shown) -> Results:
    return {"norge": {f"q{place}": one for place, one in enumerate(each, start=1)}}


@pytest.mark.parametrize(
    ("expected", "got", "right"),
    [
        (("a",), ANSWER, True),
        (("b", "a"), ANSWER, True),
        (("a",), Shown("clarify", ("a",)), True),  # one question back, then the right article
        (("a",), SUGGEST, True),  # among the three offered
        (("d",), SUGGEST, False),
        (("a",), OTHER, False),
        (("a",), NOTHING, False),
        (("a",), Shown("danger"), False),
        (HANDOVER, NOTHING, True),
        (HANDOVER, SUGGEST, True),  # nothing is stated as certain
        (HANDOVER, ANSWER, False),
        (OUT_OF_SCOPE, Shown("out_of_scope"), True),
        (OUT_OF_SCOPE, NOTHING, True),
        (OUT_OF_SCOPE, SUGGEST, False),
        (DANGER, Shown("danger"), True),
        (DANGER, Shown("answer", ("a",), maybe_danger=True), True),  # asked with one tap
        (DANGER, ANSWER, False),
    ],
)
def test_what_is_right(expected: tuple[str, ...] | str, got: Shown, right: bool) -> None:
    assert gate.is_right(asking(expected), got) is right


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (ANSWER, ANSWER, None),
        (SUGGEST, replace(SUGGEST, articles=("a", "b", "c")), None),
        (NOTHING, Shown("out_of_scope"), None),
        (ANSWER, OTHER, ChangeKind.OTHER),
        (NOTHING, ANSWER, ChangeKind.STARTS),
        (SUGGEST, ANSWER, ChangeKind.STARTS),
        (ANSWER, SUGGEST, ChangeKind.STOPS),
        (ANSWER, NOTHING, ChangeKind.STOPS),
        (NOTHING, SUGGEST, ChangeKind.STARTS),  # the right one is offered at last
        (SUGGEST, Shown("suggest", ("b", "c", "d")), ChangeKind.STOPS),  # and here no longer
    ],
)
def test_what_changes(before: Shown, after: Shown, kind: ChangeKind | None) -> None:
    report = gate.compare([a_set()], shown(before), shown(after))
    assert [change.kind for change in report.changes] == ([kind] if kind is not None else [])


def test_what_gets_worse_is_shown_first() -> None:
    sets = [a_set(asking(key="q1"), asking(key="q2"))]
    report = gate.compare(sets, shown(NOTHING, ANSWER), shown(ANSWER, OTHER))
    assert [(change.question.id, change.kind) for change in report.changes] == [
        ("q2", ChangeKind.OTHER),
        ("q1", ChangeKind.STARTS),
    ]


@pytest.mark.parametrize(
    ("before", "after", "level", "passes"),
    [
        (4, 4, 1.0, True),
        (4, 3, 0.75, True),  # exactly the level
        (4, 2, 0.75, False),
        (2, 2, 0.75, True),  # below before, and no worse
        (2, 1, 0.75, False),
        (1, 2, 0.75, True),  # mending is never locked out
        (4, 0, 0.0, True),
    ],
)
def test_a_fall_below_the_level_blocks(before: int, after: int, level: float, passes: bool) -> None:
    questions = [asking(key=f"q{place}") for place in range(1, 5)]
    was = shown(*[ANSWER] * before, *[NOTHING] * (4 - before))
    becomes = shown(*[ANSWER] * after, *[NOTHING] * (4 - after))
    report = gate.compare([a_set(*questions, level=level)], was, becomes)
    (figures,) = report.figures
    assert (figures.right_before, figures.right_after, figures.before) == (before, after, before / 4)
    assert report.passes is passes
    assert report.failed == (() if passes else ("norge",))


def test_a_set_without_questions_lets_everything_through() -> None:
    report = gate.compare([QuestionSet("tom", "Tom", Country.NO, 1.0, ())], {"tom": {}}, {"tom": {}})
    assert report.passes
    assert report.figures[0].after == 1.0


def test_one_failing_set_blocks() -> None:
    both = [a_set(level=0.0), replace(a_set(level=1.0), id="annen")]
    results = {"norge": {"q1": ANSWER}, "annen": {"q1": ANSWER}}
    after = {"norge": {"q1": NOTHING}, "annen": {"q1": NOTHING}}
    assert gate.compare(both, results, after).failed == ("annen",)


def test_a_report_is_kept_and_read_back() -> None:
    sets = [a_set(asking(), asking(DANGER, "q2"))]
    report = gate.compare(sets, shown(ANSWER, Shown("danger")), shown(SUGGEST, NOTHING))
    assert len(report.changes) == 2
    assert gate.read(json.loads(json.dumps(gate.plain(report)))) == report


# --- over real shelves ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def library() -> tuple[Shelves, Shelves]:
    """Shelves as they are, and as they would become: one article more, and one whose wordings are gone."""
    tolk = an_article(questions=("hun snakker ikke norsk, hva gjør vi", "trenger tolk nå", "får ikke tak i tolk"))
    barn = an_article(
        "barn-helserett",
        title="Helsehjelp til barn",
        short="Gi hjelp. Barn har rett til helsehjelp.",
        questions=("barn uten papirer er sykt", "jente på fem år med feber, ikke norsk statsborger"),
    )
    natt = an_article(
        "trygt-sted-i-natt",
        title="Et trygt sted i natt",
        short="Ring krisesenteret.",
        questions=("hvor kan hun sove i natt", "trenger en trygg seng nå"),
    )
    tools = Tools()
    gone = replace(barn, questions=natt.questions[:1], title="Noe annet", short="Noe helt annet.", details="Annet.")
    return Shelves.build([tolk, barn], tools), Shelves.build([tolk, gone, natt], tools)


def calm(text: str) -> Assessment:
    return Assessment(Danger.YES if "kniv" in text else Danger.NO)


def test_both_shelves_are_asked_the_same(library: tuple[Shelves, Shelves], smalltalk: Smalltalk) -> None:
    questions = (
        Question("tolk", "trenger tolk nå", Language.NB, ("tolk-rett",)),
        Question("barn", "barn uten papirer er sykt", Language.NB, ("barn-helserett",)),
        Question("natt", "hvor kan hun sove i natt", Language.NB, ("trygt-sted-i-natt",)),
        Question("fare", "han har kniv", Language.NB, DANGER),
    )
    report = gate.run([a_set(*questions)], *library, calm, smalltalk=smalltalk)
    (figures,) = report.figures
    assert figures.asked == 4
    by_question = {change.question.id: change for change in report.changes}
    assert not by_question["barn"].right_after
    assert by_question["barn"].right_before
    assert by_question["natt"].right_after
    assert "fare" not in by_question


def test_asking_tells_how_far_it_is(library: tuple[Shelves, Shelves]) -> None:
    told: list[int] = []
    gate.ask([a_set(asking(key="q1"), asking(key="q2"))], library[0], calm, progress=told.append)
    assert told == [1, 2]

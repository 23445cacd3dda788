"""The publish gate: what a change of the shelves does to questions whose right answers are known.

The same questions are asked of the shelves as they are and as they would become. What counts as right: an expected
article is given straight (also after one question back) or stands among the three that are offered; nothing is stated
as certain where a human is expected; danger is noticed. A set blocks where its share of right answers falls below the
agreed level; one that was below it already blocks only where it falls further, so that mending is never locked out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from helpline.messages import Language
from knowledge.questions import DANGER, HANDOVER, Question, QuestionSet
from knowledge.shelves import Assessed, Outcome, Shelves, ask_line
from knowledge.smalltalk import Recognises

_STRAIGHT = frozenset({Outcome.ANSWER, Outcome.CLARIFY})
_UNSURE = frozenset({Outcome.HANDOVER, Outcome.SUGGEST, Outcome.OUT_OF_SCOPE})
_OUTSIDE = frozenset({Outcome.HANDOVER, Outcome.OUT_OF_SCOPE})
_SUGGESTED = 3

Assess = Callable[[str], Assessed]
Progress = Callable[[int], None]  # told how many questions have been asked


class ChangeKind(StrEnum):
    """What happens to a question."""

    OTHER = "other answer"  # answered straight before and after, by another article
    STARTS = "starts"  # answered straight, or rightly offered, only after
    STOPS = "stops"  # only before


@dataclass(frozen=True)
class Shown:
    """What one question brings up: the outcome, and the articles that would be seen."""

    outcome: str
    articles: tuple[str, ...] = ()
    maybe_danger: bool = False

    @property
    def straight(self) -> str | None:
        """The article that is given straight, if one is."""
        return self.articles[0] if self.outcome in _STRAIGHT and self.articles else None


@dataclass(frozen=True)
class Change:
    """A question that would no longer be met as it is."""

    set_id: str
    question: Question
    before: Shown
    after: Shown
    kind: ChangeKind
    right_before: bool
    right_after: bool


@dataclass(frozen=True)
class Figures:
    """How one set fares."""

    set_id: str
    title: str
    asked: int
    right_before: int
    right_after: int
    level: float
    straight_before: int = 0  # of the right ones, those where nobody had to choose among three
    straight_after: int = 0

    @property
    def before(self) -> float:
        """Share answered rightly by the shelves as they are."""
        return self.right_before / self.asked if self.asked else 1.0

    @property
    def after(self) -> float:
        """Share answered rightly by the shelves as they would become."""
        return self.right_after / self.asked if self.asked else 1.0

    @property
    def passes(self) -> bool:
        """Whether the set lets the change through."""
        return self.after >= self.level or self.right_after >= self.right_before


@dataclass(frozen=True)
class GateReport:
    """What the gate found."""

    changes: tuple[Change, ...]
    figures: tuple[Figures, ...]

    @property
    def passes(self) -> bool:
        """Whether every set lets the change through."""
        return not self.failed

    @property
    def failed(self) -> tuple[str, ...]:
        """The sets that do not."""
        return tuple(one.set_id for one in self.figures if not one.passes)


Results = Mapping[str, Mapping[str, Shown]]  # by set and question


def run(
    sets: Iterable[QuestionSet],
    before: Shelves,
    after: Shelves,
    assess: Assess,
    *,
    smalltalk: Recognises | None = None,
) -> GateReport:
    """Ask both shelves everything, and compare."""
    wanted = tuple(sets)
    return compare(wanted, ask(wanted, before, assess, smalltalk), ask(wanted, after, assess, smalltalk))


def ask(
    sets: Iterable[QuestionSet],
    shelves: Shelves,
    assess: Assess,
    smalltalk: Recognises | None = None,
    progress: Progress = lambda asked: None,
) -> Results:
    """What every question of every set brings up."""
    found: dict[str, dict[str, Shown]] = {}
    asked = 0
    for one in sets:
        found[one.id] = {}
        for question in one.questions:
            line = {"text": question.text, "country": one.country.value, "language": question.language.value}
            said = ask_line(shelves, assess, line, smalltalk=smalltalk)
            found[one.id][question.id] = _shown(said)
            asked += 1
            progress(asked)
    return found


def compare(sets: Iterable[QuestionSet], before: Results, after: Results) -> GateReport:
    """Set the two against each other."""
    changes: list[Change] = []
    figures: list[Figures] = []
    for one in sets:
        was, becomes = before[one.id], after[one.id]
        right_before = right_after = straight_before = straight_after = 0
        for question in one.questions:
            old, new = was[question.id], becomes[question.id]
            good_before, good_after = is_right(question, old), is_right(question, new)
            right_before += good_before
            right_after += good_after
            straight_before += good_before and old.outcome != Outcome.SUGGEST
            straight_after += good_after and new.outcome != Outcome.SUGGEST
            kind = _kind(old, new, good_before, good_after)
            if kind is not None:
                changes.append(Change(one.id, question, old, new, kind, good_before, good_after))
        right, straight = (right_before, right_after), (straight_before, straight_after)
        figures.append(Figures(one.id, one.title, len(one.questions), *right, one.level, *straight))
    # What gets worse first: it is what the editor must look at.
    changes.sort(key=lambda change: (change.right_after - change.right_before, change.set_id, change.question.id))
    return GateReport(tuple(changes), tuple(figures))


def is_right(question: Question, shown: Shown) -> bool:
    """Whether this is what the question should bring up."""
    expected = question.expected
    if not isinstance(expected, str):
        return any(name in expected for name in shown.articles)
    if expected == DANGER:
        return shown.outcome == Outcome.DANGER or shown.maybe_danger
    return shown.outcome in (_UNSURE if expected == HANDOVER else _OUTSIDE)


def plain(report: GateReport) -> dict[str, Any]:
    """The report as JSON can hold it."""
    return {
        "changes": [
            {
                "set": change.set_id,
                "question": {
                    "id": change.question.id,
                    "text": change.question.text,
                    "language": change.question.language.value,
                    "expected": change.question.expected,
                },
                "before": asdict(change.before),
                "after": asdict(change.after),
                "kind": change.kind.value,
                "right_before": change.right_before,
                "right_after": change.right_after,
            }
            for change in report.changes
        ],
        "figures": [asdict(one) for one in report.figures],
    }


def read(kept: Mapping[str, Any]) -> GateReport:
    """The report that `plain` gave."""
    return GateReport(
        tuple(_change(change) for change in kept["changes"]), tuple(Figures(**one) for one in kept["figures"])
    )


def _change(kept: Mapping[str, Any]) -> Change:
    asked = kept["question"]
    expected = asked["expected"] if isinstance(asked["expected"], str) else tuple(asked["expected"])
    return Change(
        kept["set"],
        Question(asked["id"], asked["text"], Language(asked["language"]), expected),
        _read_shown(kept["before"]),
        _read_shown(kept["after"]),
        ChangeKind(kept["kind"]),
        kept["right_before"],
        kept["right_after"],
    )


def _read_shown(kept: Mapping[str, Any]) -> Shown:
    return Shown(kept["outcome"], tuple(kept["articles"]), kept["maybe_danger"])


def _shown(said: Mapping[str, Any]) -> Shown:
    outcome = str(said["outcome"])
    seen = 1 if outcome in _STRAIGHT else _SUGGESTED if outcome == Outcome.SUGGEST else 0
    ids: Sequence[str] = [article["id"] for article in said["articles"][:seen]]
    return Shown(outcome, tuple(ids), said["danger"] == "maybe")


def _kind(before: Shown, after: Shown, right_before: bool, right_after: bool) -> ChangeKind | None:
    if before.straight == after.straight:
        if right_before == right_after:
            return None
        return ChangeKind.STARTS if right_after else ChangeKind.STOPS
    if before.straight is None:
        return ChangeKind.STARTS
    return ChangeKind.STOPS if after.straight is None else ChangeKind.OTHER

"""How often right: questions whose answers are known, asked of any shelves (`varde evaluate`).

A line is `{"id", "text", "expected": [ids] | "handover" | "out_of_scope" | "danger", "language"?, "country"?}`. Each is
asked as it is written, with one letter in ten wrong, and with its compounds written apart. What may be answered is told
apart from what may not: ranks are of the first, precision is over all of them, as they would come.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from helpline import languages
from helpline.messages import Country
from knowledge.confidence import SUGGESTIONS, separation
from knowledge.shelves import Outcome
from knowledge.slips import split_compounds, wrong_letters

HANDOVER, OUT_OF_SCOPE, DANGER = "handover", "out_of_scope", "danger"
MANNERS: Mapping[str, Callable[[str], str]] = {
    "as written": lambda text: text,
    "10 % wrong letters": wrong_letters,
    "compounds split": split_compounds,
}
_GIVEN = frozenset({Outcome.ANSWER.value, Outcome.CLARIFY.value})
_UNRANKED = 1_000_000
_WORST = 20  # misses that are listed


class EvaluationError(ValueError):
    """A line of questions is not of the form that it must have."""


@dataclass(frozen=True)
class Line:
    """One question whose answer is known."""

    id: str
    text: str
    expected: tuple[str, ...]  # any of these articles; none where no article answers it
    beyond: str | None  # why none does: "handover", "out_of_scope" or "danger"
    language: str | None
    country: str | None

    def asked(self, manner: Callable[[str], str]) -> dict[str, object]:
        """The line as `varde ask` takes it."""
        told = {"language": self.language, "country": self.country}
        return {"text": manner(self.text), **{key: value for key, value in told.items() if value is not None}}


@dataclass(frozen=True)
class Result:
    """How one question came out."""

    line: Line
    outcome: str
    danger: str
    found: tuple[str, ...]
    sure: float

    @property
    def rank(self) -> int:
        """How many articles stand before the right one."""
        return min((self.found.index(one) for one in self.line.expected if one in self.found), default=_UNRANKED)

    @property
    def right(self) -> bool:
        """Whether the first article is the right one."""
        return self.rank == 0


def read_line(raw: Mapping[str, object], number: int) -> Line:
    """One line, strictly. Raises `EvaluationError` with a sentence."""
    text, expected = raw.get("text"), raw.get("expected")
    if not isinstance(text, str) or not text.strip():
        raise EvaluationError('a question needs a "text" that is not empty')
    articles: tuple[str, ...] = ()
    beyond = None
    if isinstance(expected, str) and expected in (HANDOVER, OUT_OF_SCOPE, DANGER):
        beyond = expected
    elif isinstance(expected, list) and expected and all(isinstance(one, str) and one for one in expected):
        articles = tuple(str(one) for one in expected)
    else:
        raise EvaluationError(
            f'"expected" must be a list of article ids, or "{HANDOVER}", "{OUT_OF_SCOPE}" or "{DANGER}"'
        )
    language, country = raw.get("language"), raw.get("country")
    if language is not None and (not isinstance(language, str) or languages.from_tag(language) is None):
        raise EvaluationError(f'"language" must be a language of the line such as "nb", not {language!r}')
    if country is not None and country not in {known.value for known in Country}:
        raise EvaluationError('"country" must be "NO" or "SE"')
    identifier = raw.get("id", number)
    if not isinstance(identifier, str | int):
        raise EvaluationError('"id" must be a text or a number')
    return Line(str(identifier), text, articles, beyond, language, None if country is None else str(country))


def evaluate(
    lines: Sequence[Line],
    ask: Callable[[Mapping[str, object]], Mapping[str, Any]],
    *,
    shelved: Collection[str] | None = None,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> dict[str, Any]:
    """Ask every line in every manner; the figures as plain values, and the worst misses of the lines as written."""
    report: dict[str, Any] = {"questions": len(lines), "manners": {}}
    if shelved is not None:
        strange = sorted({one for line in lines for one in line.expected} - set(shelved))
        report["not_on_the_shelves"] = strange
    done, of = 0, len(lines) * len(MANNERS)
    for name, manner in MANNERS.items():
        results = []
        for line in lines:
            results.append(_asked(line, ask(line.asked(manner))))
            done += 1
            progress(done, of)
        spoken = sorted({line.language for line in lines if line.language is not None})
        parts = {"all": figures(results)}
        if len(spoken) > 1:
            parts |= {one: figures([each for each in results if each.line.language == one]) for one in spoken}
        report["manners"][name] = parts
        if name == "as written":
            report["misses"] = worst(results)
    return report


def _asked(line: Line, said: Mapping[str, Any]) -> Result:
    found = said["articles"]
    return Result(
        line,
        str(said["outcome"]),
        str(said["danger"]),
        tuple(one["id"] for one in found),
        float(found[0]["score"]) if found else 0.0,
    )


def figures(results: Sequence[Result]) -> dict[str, Any]:
    """What these results say, as shares; None where there is nothing to say it of."""
    asking = [one for one in results if one.line.beyond != DANGER]
    answerable = [one for one in asking if one.line.expected]
    beyond = [one for one in asking if not one.line.expected]
    ranks = np.array([one.rank for one in answerable])
    sure = np.array([one.sure for one in asking])
    right = np.array([one.right for one in asking], dtype=bool)
    told: dict[str, Any] = {
        "asked": len(results),
        "answerable": len(answerable),
        "rank_1": _mean(ranks == 0),
        "rank_3": _mean(ranks < SUGGESTIONS),
        "mrr": _mean(1.0 / (1.0 + ranks)),
        "auroc": _known(separation(sure, np.array([bool(one.line.expected) for one in asking], dtype=bool))),
        "auroc_right": _known(separation(sure, right)),
        "coverage_95": coverage(sure, right, len(answerable), 0.95),
        "coverage_90": coverage(sure, right, len(answerable), 0.90),
        "outcomes": dict(Counter(_fate(one) for one in answerable)),
        "beyond": dict(Counter(one.outcome for one in beyond)),
    }
    given = [one for one in asking if one.outcome in _GIVEN]
    told["answered"] = _mean(np.array([one.outcome in _GIVEN for one in answerable]))
    told["answered_right"] = _mean(np.array([one.right for one in given]))
    outside = [one for one in beyond if one.line.beyond == OUT_OF_SCOPE]
    told["out_of_scope_kept_out"] = _mean(np.array([one.outcome not in _GIVEN for one in outside]))
    told["danger_found"] = _mean(np.array([one.danger == "yes" for one in results if one.line.beyond == DANGER]))
    told["danger_asked"] = _mean(np.array([one.danger == "maybe" for one in results if one.line.beyond == DANGER]))
    told["false_alarms"] = _mean(np.array([one.danger == "yes" for one in asking]))
    told["false_questions"] = _mean(np.array([one.danger == "maybe" for one in asking]))
    return told


def coverage(
    sure: np.ndarray[Any, Any], right: np.ndarray[Any, Any], answerable: int, precision: float
) -> float | None:
    """The largest share of the answerable questions given their right article with this share of answers right."""
    if not answerable:
        return None
    order = np.argsort(-sure, kind="stable")
    hits = np.cumsum(right[order])
    # Questions of one confidence are answered together or not at all.
    last = np.append(np.diff(sure[order]) != 0, True)
    enough = np.flatnonzero((hits / np.arange(1, len(order) + 1) >= precision) & last)
    return round(float(hits[enough[-1]] / answerable), 4) if len(enough) else 0.0


def _fate(one: Result) -> str:
    if one.outcome in _GIVEN:
        return "answered rightly" if one.right else "answered wrongly"
    if one.outcome == Outcome.SUGGEST.value:
        return "suggested" if one.rank < SUGGESTIONS else "suggested others"
    if one.outcome == Outcome.DANGER.value:
        return "taken for danger"
    return "handed over"


def worst(results: Iterable[Result]) -> list[dict[str, Any]]:
    """The misses that do most harm: danger not seen, then wrong answers, the surest first."""

    def harm(one: Result) -> tuple[int, float]:
        if one.line.beyond == DANGER:
            return {"no": 0, "maybe": 4}.get(one.danger, 9), 0.0
        if one.outcome in _GIVEN and not one.right:
            return 1, -one.sure
        if one.line.expected and one.rank >= SUGGESTIONS:
            return 2, -one.sure
        if one.danger == "yes":
            return 3, 0.0
        return 9, 0.0

    missed = sorted((one for one in results if harm(one)[0] < 4), key=lambda one: (*harm(one), one.line.id))
    return [
        {
            "id": one.line.id,
            "text": one.line.text,
            "expected": one.line.beyond or list(one.line.expected),
            "outcome": one.outcome,
            "danger": one.danger,
            "found": list(one.found[:SUGGESTIONS]),
            "score": one.sure,
        }
        for one in missed[:_WORST]
    ]


def _mean(values: np.ndarray[Any, Any]) -> float | None:
    return round(float(values.mean()), 4) if len(values) else None


def _known(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 4)

"""How sure the search is of what it found, and from where on it may say so.

Two logistic curves over the same few features: that the first article is the right one, and that the right one is
among the first three. They are fitted on the shelves themselves: a wording is held out and asked (the right article is
known), and asked once more with its article taken away (there is no right article). Thresholds follow from a wanted
precision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

PRECISION = 0.95  # of a straight answer
SUGGEST_FROM = 0.55  # it is more likely than not that one of the three is right
# For each question that the shelves can answer, so many of our trade that they cannot, and so many of another.
NEIGHBOURING = 0.1
CHATTER = 0.25
UNANSWERABLE = 0.35  # of both, on shelves that do not say what lies far off
SUGGESTIONS = 3
_FEWEST_SAMPLES = 40  # of wordings found among the first three; with fewer the shipped curves know better
_ENOUGH_OF_ONE = 400  # questions asked of one country's articles, for a threshold of its own
_LOWEST = 0.5  # a straight answer is never less likely right than wrong, however well the rehearsal went
_RIDGE = 1.0


class Band(StrEnum):
    """What may be done with what was found."""

    ANSWER = "answer"  # give the first article
    SUGGEST = "suggest"  # offer the first three
    NONE = "none"  # say that there is no certain answer


@dataclass(frozen=True)
class Evidence:
    """The scores of the articles that may answer one question, in one order."""

    fused: Floats
    bag: Floats
    near: Floats
    learned: Floats
    words: int
    known: float  # share of the question's words that the vectors know
    trade: int = 0  # groups of synonyms that the question touches
    elsewhere: float = 0.0  # what the learned reader gives to "none of these"


FEATURES = (
    *("score", "margin", "share of the first", "first to fourth", "height", "words", "bag", "bag margin"),
    *("near", "near margin", "learned", "learned margin", "known", "trade", "elsewhere"),
)


def features(evidence: Evidence) -> Doubles:
    """What the curves look at."""
    fused = evidence.fused
    first = int(np.argmax(fused))
    score, margin = _lead(fused, first)
    spread = np.exp((fused - fused[first]) / np.float32(0.1))
    later = np.partition(fused, -4)[-4] if len(fused) >= 4 else fused.min()
    height = (score - float(fused.mean())) / (float(fused.std()) + 1e-6)  # above the common run of articles
    leads = [value for column in (evidence.bag, evidence.near, evidence.learned) for value in _lead(column, first)]
    return np.array(
        [
            score,
            margin,
            -float(np.log(spread.sum())),
            score - float(later),
            height,
            float(np.log1p(evidence.words)),
            *leads,
            evidence.known,
            float(np.log1p(evidence.trade)),
            evidence.elsewhere,
        ],
        dtype=np.float64,
    )


def _lead(column: Floats, first: int) -> tuple[float, float]:
    """The first article's score here, and how far it lies before the best of the others."""
    own = float(column[first])
    if len(column) == 1:
        return own, own
    others = np.concatenate([column[:first], column[first + 1 :]])
    return own, own - float(others.max())


@dataclass(frozen=True)
class Curve:
    """A logistic curve over the features."""

    weights: tuple[float, ...]
    bias: float

    def at(self, values: Doubles) -> float:
        """The probability for these features."""
        return float(_squash(np.asarray(values @ np.array(self.weights) + self.bias)))

    def over(self, rows: Doubles) -> Doubles:
        return _squash(rows @ np.array(self.weights) + self.bias)


@dataclass(frozen=True)
class Judge:
    """Turns features into a confidence and a band."""

    right: Curve  # that the first article is the right one
    among: Curve  # that the right one is among the first three
    answer_from: float
    suggest_from: float = SUGGEST_FROM
    samples: int = 0  # how many questions it was fitted on; none for the shipped one
    # Where enough was asked of one country's articles, the confidence from which those are given.
    answer_from_in: Mapping[str, float] = field(default_factory=dict)

    def needed(self, country: str | None) -> float:
        """The confidence from which an article of this country is given."""
        return self.answer_from_in.get(country or "", self.answer_from)

    def band(self, values: Doubles, country: str | None = None) -> tuple[Band, float]:
        """The band, and how likely the first article is the right one."""
        sure = self.right.at(values)
        if sure >= self.needed(country):
            return Band.ANSWER, sure
        if self.among.at(values) >= self.suggest_from:
            return Band.SUGGEST, sure
        return Band.NONE, sure


def fit(
    rows: Sequence[Doubles],
    first: Sequence[bool] | npt.NDArray[np.bool_],
    among: Sequence[bool] | npt.NDArray[np.bool_],
    weights: Sequence[float],
    *,
    precision: float,
    countries: Sequence[str] = (),
) -> Judge | None:
    """Fit the curves on questions of which it is known whether the right article came first, or among the first three.

    `weights` say how often each kind of question is asked, `countries` whose articles were asked. None where they are
    too few.
    """
    hits, near, often = np.array(first, dtype=np.float64), np.array(among, dtype=np.float64), np.array(weights)
    if near.sum() < _FEWEST_SAMPLES or hits.all() or not hits.any():
        return None
    values = np.stack(rows)
    right, about = fit_curve(values, hits, often), fit_curve(values, near, often)
    sure, where = right.over(values), np.array(countries or [""] * len(rows))
    levels = {}
    for country in sorted(set(where)):
        here = where == country
        if here.sum() >= _ENOUGH_OF_ONE and not here.all():
            levels[str(country)] = max(_level_in(sure[here], hits[here], often[here], precision), _LOWEST)
    level = max(threshold(sure, hits, often, precision), _LOWEST)
    return Judge(right, about, level, samples=len(rows), answer_from_in=levels)


def fit_curve(values: Doubles, hits: Doubles, weights: Doubles) -> Curve:
    """The curve that fits best, its slopes held small."""
    middle, spread = values.mean(axis=0), values.std(axis=0)
    spread[spread < 1e-9] = 1.0
    scaled = np.hstack([(values - middle) / spread, np.ones((len(values), 1))])
    slopes = np.zeros(scaled.shape[1])
    penalty = np.diag([_RIDGE] * (len(slopes) - 1) + [1e-6])

    def cost(tried: Doubles) -> float:
        run = scaled @ tried
        return float(weights @ (np.logaddexp(0, run) - hits * run) + tried @ penalty @ tried / 2)

    now = cost(slopes)
    for _ in range(60):
        guess = _squash(scaled @ slopes)
        pull = scaled.T @ (weights * (guess - hits)) + penalty @ slopes
        bend = (scaled * (weights * guess * (1 - guess))[:, None]).T @ scaled + penalty
        step = np.linalg.solve(bend, pull)
        # A whole step may overshoot where nearly all guesses are certain.
        while (then := cost(slopes - step)) > now and float(np.abs(step).max()) > 1e-9:
            step = step / 2
        slopes, now = slopes - step, then
        if float(np.abs(step).max()) < 1e-7:
            break
    plain = slopes[:-1] / spread
    return Curve(tuple(float(slope) for slope in plain), float(slopes[-1] - plain @ middle))


def _level_in(sure: Doubles, hits: Doubles, weights: Doubles, precision: float) -> float:
    """The threshold for part of the questions, whose answers are right more or less often than the curve expects."""
    odds = np.log(np.clip(sure, 1e-9, 1 - 1e-9) / (1 - np.clip(sure, 1e-9, 1 - 1e-9)))
    shift = 0.0
    for _ in range(30):
        guess = _squash(odds + shift)
        shift += float(weights @ (hits - guess)) / max(float(weights @ (guess * (1 - guess))), 1e-9)
        shift = min(max(shift, -3.0), 3.0)
    level = threshold(_squash(odds + shift), hits, weights, precision)
    if level > 1:
        return level
    return float(_squash(np.asarray(np.log(level / max(1 - level, 1e-9)) - shift)))


def threshold(sure: Doubles, hits: Doubles, weights: Doubles, precision: float) -> float:
    """The lowest confidence from which on answers are right this often: as the curve expects, and as counted.

    What was counted may fall short by as much as chance alone would have it, or few questions would allow no answer.
    """
    order = np.argsort(-sure, kind="stable")
    total = np.cumsum(weights[order])
    counted = np.cumsum((weights * hits)[order]) / total
    expected = np.cumsum((weights * sure)[order]) / total
    chance = np.sqrt(precision * (1 - precision) / total)
    enough = np.flatnonzero((expected >= precision) & (counted >= precision - chance))
    if len(enough) == 0:
        return 1.01  # never: these shelves cannot keep that promise
    return float(sure[order[enough[-1]]])


def separation(scores: Doubles, truths: npt.NDArray[np.bool_]) -> float:
    """The chance that a true one scores higher than a false one (the area under the ROC curve)."""
    order = np.argsort(scores, kind="stable")
    ranks = np.empty(len(scores))
    ranks[order] = np.arange(1, len(scores) + 1)
    yes, no = int(truths.sum()), int((~truths).sum())
    if not yes or not no:
        return float("nan")
    return float((ranks[truths].sum() - yes * (yes + 1) / 2) / (yes * no))


def _squash(values: Doubles) -> Doubles:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(values, -40, 40))), dtype=np.float64)


# Fitted on the shipped shelves without wordings or with one or two, with and without titles, for shelves that hold too
# few wordings to be asked: in the order of `FEATURES`.
# fmt: off
SHIPPED = Judge(
    right=Curve(
        (
            -3.145, 3.76, 0.8513, 0.3175, 0.1594, 1.174, 4.466, 5.155,
            1.468, 0.6673, 0, 0, -1.089, 0.2188, 0,
        ),
        -2.125,
    ),
    among=Curve(
        (
            -2.55, -6.684, 0.9177, 4.175, 0.1686, 1.255, 5.813, 4.852,
            1.543, 0.5741, 0, 0, -1.073, 0.3037, 0,
        ),
        -1.804,
    ),
    answer_from=0.907,
)
# fmt: on

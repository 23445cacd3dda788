"""How sure the search is of what it found, and from where on it may say so.

Two logistic curves over the same few features: that the first article is the right one, and that the right one is
among the first three. They are fitted on the shelves themselves: a wording is held out and asked (the right article is
known), and asked once more with its article taken away (there is no right article). Thresholds follow from a wanted
precision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

PRECISION = 0.95  # of a straight answer
SUGGEST_FROM = 0.55  # it is more likely than not that one of the three is right
# For each question that the shelves can answer, so many of our trade that they cannot, and so many of another.
NEIGHBOURING = 0.15
CHATTER = 0.4
SUGGESTIONS = 3
_FEWEST_SAMPLES = 60  # of wordings found among the first three; with fewer the shipped curves know better
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
    *("score", "margin", "words", "bag", "bag margin", "near", "near margin", "learned", "learned margin"),
    *("bag agrees", "near agrees", "learned agrees", "known", "share of the first", "first to fourth", "trade"),
    "elsewhere",
)


def features(evidence: Evidence) -> Doubles:
    """What the curves look at."""
    fused = evidence.fused
    first = int(np.argmax(fused))
    score, margin = _lead(fused, first)
    spread = np.exp((fused - fused[first]) / np.float32(0.1))
    later = np.partition(fused, -4)[-4] if len(fused) >= 4 else fused.min()
    columns = (evidence.bag, evidence.near, evidence.learned)
    leads = [value for column in columns for value in _lead(column, first)]
    agreeing = [float(np.argmax(column) == first) if column.any() else 0.0 for column in columns]
    shape = [
        evidence.known,
        float(np.log(1.0 / spread.sum())),
        score - float(later),
        float(np.log1p(evidence.trade)),
        evidence.elsewhere,
    ]
    return np.array([score, margin, float(np.log1p(evidence.words)), *leads, *agreeing, *shape], dtype=np.float64)


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

    def band(self, values: Doubles) -> tuple[Band, float]:
        """The band, and how likely the first article is the right one."""
        sure = self.right.at(values)
        if sure >= self.answer_from:
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
) -> Judge | None:
    """Fit the curves on questions of which it is known whether the right article came first, or among the first three.

    `weights` say how often each kind of question is asked. None where they are too few.
    """
    hits, near, often = np.array(first, dtype=np.float64), np.array(among, dtype=np.float64), np.array(weights)
    if near.sum() < _FEWEST_SAMPLES or hits.all() or not hits.any():
        return None
    values = np.stack(rows)
    right, about = fit_curve(values, hits, often), fit_curve(values, near, often)
    return Judge(right, about, threshold(right.over(values), hits, often, precision), samples=len(rows))


def fit_curve(values: Doubles, hits: Doubles, weights: Doubles) -> Curve:
    """The curve that fits best, its slopes held small."""
    middle, spread = values.mean(axis=0), values.std(axis=0)
    spread[spread < 1e-9] = 1.0
    scaled = np.hstack([(values - middle) / spread, np.ones((len(values), 1))])
    slopes = np.zeros(scaled.shape[1])
    penalty = np.diag([_RIDGE] * (len(slopes) - 1) + [1e-6])
    for _ in range(60):
        guess = _squash(scaled @ slopes)
        pull = scaled.T @ (weights * (guess - hits)) + penalty @ slopes
        bend = (scaled * (weights * guess * (1 - guess))[:, None]).T @ scaled + penalty
        step = np.linalg.solve(bend, pull)
        slopes -= step
        if float(np.abs(step).max()) < 1e-7:
            break
    plain = slopes[:-1] / spread
    return Curve(tuple(float(slope) for slope in plain), float(slopes[-1] - plain @ middle))


def threshold(sure: Doubles, hits: Doubles, weights: Doubles, precision: float) -> float:
    """The lowest confidence from which on answers are right this often: both as counted and as the curve expects."""
    order = np.argsort(-sure, kind="stable")
    total = np.cumsum(weights[order])
    counted = np.cumsum((weights * hits)[order]) / total
    expected = np.cumsum((weights * sure)[order]) / total
    enough = np.flatnonzero(np.minimum(counted, expected) >= precision)
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


# Fitted on the shipped shelves, for shelves that hold too few wordings to be asked: in the order of `FEATURES`.
# fmt: off
SHIPPED = Judge(
    right=Curve(
        (
            -0.01153, 3.407, 1.113, 2.989, 5.314, 2.893, 1.283, 0.01226, 0.4536,
            -0.1425, -0.03967, 0.4676, -1.81, 0.3809, 0.06543, 0.1377, -3.728,
        ),
        -3.698,
    ),
    among=Curve(
        (
            2.318, -6.811, 1.371, 1.848, 8.834, 3.158, 0.7914, 2.211, 0.2796,
            -0.02781, -0.07846, 0.4983, -1.799, 0.2535, 3.112, 0.1171, -4.72,
        ),
        -4.799,
    ),
    answer_from=0.851,
)
# fmt: on

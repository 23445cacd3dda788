"""How sure, and from where on an answer may be given."""

from __future__ import annotations

import math

import numpy as np
import pytest

from knowledge.confidence import (
    FEATURES,
    SHIPPED,
    Band,
    Curve,
    Evidence,
    Judge,
    features,
    fit,
    fit_curve,
    separation,
    threshold,
)


def evidence(*scores: float) -> Evidence:
    column = np.array(scores, dtype=np.float32)
    return Evidence(column, column, column, column, words=5, known=1.0)


def test_features_have_names() -> None:
    assert len(features(evidence(0.4, 0.2, 0.1))) == len(FEATURES) == len(SHIPPED.right.weights)


def test_one_article_alone_is_judged_too() -> None:
    assert np.isfinite(features(evidence(0.4))).all()
    assert np.isfinite(features(evidence(0.0, 0.0))).all()


@pytest.mark.parametrize(("value", "band"), [(3.0, Band.ANSWER), (0.5, Band.SUGGEST), (-3.0, Band.NONE)])
def test_bands(value: float, band: Band) -> None:
    judge = Judge(Curve((1.0,), 0.0), Curve((1.0,), 0.5), answer_from=0.9)
    assert judge.band(np.array([value]))[0] is band


def test_a_curve_is_fitted() -> None:
    random = np.random.default_rng(1)
    values = random.normal(size=(2000, 2))
    chance = 1 / (1 + np.exp(-(2 * values[:, 0] - 1)))
    hits = (random.random(2000) < chance).astype(float)
    curve = fit_curve(values, hits, np.ones(2000))
    assert curve.weights[0] == pytest.approx(2, abs=0.3)
    assert curve.weights[1] == pytest.approx(0, abs=0.2)
    assert curve.bias == pytest.approx(-1, abs=0.3)


def test_a_feature_that_never_varies_does_no_harm() -> None:
    values = np.column_stack([np.linspace(-1, 1, 100), np.full(100, 7.0)])
    curve = fit_curve(values, (values[:, 0] > 0).astype(float), np.ones(100))
    assert all(math.isfinite(weight) for weight in curve.weights)


def test_the_threshold_keeps_the_wanted_precision() -> None:
    sure = np.array([0.99, 0.98, 0.97, 0.96, 0.6, 0.5])
    hits = np.array([1.0, 1.0, 1.0, 1.0, 0.0, 0.0])
    assert threshold(sure, hits, np.ones(6), 0.95) == 0.96
    assert threshold(sure, 1 - hits, np.ones(6), 0.95) > 1  # never


def test_weights_count_as_so_many_questions() -> None:
    sure = np.array([0.99, 0.98, 0.97])
    hits = np.array([1.0, 1.0, 0.0])
    assert threshold(sure, hits, np.array([10.0, 10.0, 0.1]), 0.95) == 0.97
    assert threshold(sure, hits, np.array([10.0, 10.0, 10.0]), 0.95) == 0.98


def test_one_miss_among_a_handful_may_be_chance() -> None:
    sure = np.linspace(0.99, 0.96, 8)
    hits = np.array([1.0] * 7 + [0.0])
    assert threshold(sure, hits, np.ones(8), 0.95) == 0.96
    assert threshold(sure, hits, np.full(8, 50.0), 0.95) > 0.96


def test_each_country_has_the_threshold_that_its_own_articles_need() -> None:
    random = np.random.default_rng(3)
    rows, hits = [], []
    for number in range(1_600):
        row = np.array([float(random.random())])
        # Where the score says the same, the second country's articles are wrong more often.
        right = 1 / (1 + math.exp(-(6 * row[0] - (1.0 if number < 800 else 2.5))))
        rows.append(row)
        hits.append(bool(random.random() < right))
    countries = ["SE"] * 800 + ["NO"] * 800
    judge = fit(rows, hits, hits, [1.0] * len(rows), precision=0.9, countries=countries)
    assert judge is not None
    assert judge.needed("SE") < judge.needed(None) < judge.needed("NO")
    sure = np.array([judge.right.at(row) for row in rows])
    for country, part in (("SE", slice(0, 800)), ("NO", slice(800, 1_600))):
        given = sure[part] >= judge.needed(country)
        assert np.array(hits)[part][given].mean() > 0.87


def test_a_country_of_which_little_was_asked_has_the_common_threshold() -> None:
    rows = [np.array([place / 500]) for place in range(500)]
    hits = [place > 200 for place in range(500)]
    judge = fit(rows, hits, hits, [1.0] * 500, precision=0.9, countries=["SE"] * 450 + ["NO"] * 50)
    assert judge is not None
    assert judge.needed("NO") == judge.answer_from


def test_too_few_questions_fit_nothing() -> None:
    rows = [features(evidence(0.1 * place, 0.2)) for place in range(10)]
    assert fit(rows, [True, False] * 5, [True] * 10, [1.0] * 10, precision=0.95) is None


def test_separation_is_the_area_under_the_curve() -> None:
    assert separation(np.array([0.9, 0.8, 0.1]), np.array([True, True, False])) == 1
    assert separation(np.array([0.1, 0.9]), np.array([True, False])) == 0
    assert math.isnan(separation(np.array([0.1]), np.array([True])))

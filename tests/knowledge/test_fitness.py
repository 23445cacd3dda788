"""How fit an article is to be served: its review date in its own country, the time after it, and law that changed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpline.content import ContentError, content_folder
from helpline.messages import Country
from knowledge.articles import Article, Kind, LawRef
from knowledge.fitness import Change, Fit, Policy, Standing, flag
from knowledge.laws import Law, LawBook
from tests.knowledge.builders import an_article

BOOK = LawBook.load(content_folder() / "laws.yaml")
SHIPPED = Policy.load(content_folder() / "fitness.yaml")
STANDING = Standing(SHIPPED)
REVIEW_BY = date(2027, 5, 22)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
CHANGE = Change(7, Law.of("NO tolkeloven § 6"), "Plikten er utvidet.", date(2027, 1, 1))


@pytest.mark.parametrize(
    ("now", "fit"),
    [
        (datetime(2027, 5, 22, 21, 59, tzinfo=UTC), Fit.CURRENT),  # still the 22nd in Oslo
        (datetime(2027, 5, 22, 22, 1, tzinfo=UTC), Fit.WARN),
        (datetime(2027, 6, 21, 21, 59, tzinfo=UTC), Fit.WARN),  # the thirtieth day after it
        (datetime(2027, 6, 21, 22, 1, tzinfo=UTC), Fit.HAND_OVER),
        (datetime(2040, 1, 1, tzinfo=UTC), Fit.HAND_OVER),
    ],
)
@pytest.mark.parametrize("country", ["NO", "SE"])
def test_the_calendar_of_its_country_decides(now: datetime, fit: Fit, country: str) -> None:
    assert STANDING.fitness(an_article(country=country), now).fit is fit


def test_what_has_no_review_date_is_current_for_ever() -> None:
    foreign = an_article(review_by=None, kind=Kind.FOREIGN)
    assert STANDING.fitness(foreign, datetime(2100, 1, 1, tzinfo=UTC)).fit is Fit.CURRENT
    assert STANDING.hands_over_from(foreign) is None
    assert not STANDING.is_due(foreign, NOON)


def test_each_kind_has_its_own_time_after_the_date() -> None:
    standing = Standing(Policy(grace={Kind.RIGHTS: timedelta(0), Kind.PRACTICAL: timedelta(days=90)}))
    day_after = datetime(2027, 5, 23, 12, tzinfo=UTC)
    assert standing.fitness(an_article(kind=Kind.RIGHTS), day_after).fit is Fit.HAND_OVER
    assert standing.fitness(an_article(kind=Kind.PRACTICAL), day_after).fit is Fit.WARN


@given(days=st.integers(-400, 400), kind=st.sampled_from([Kind.RIGHTS, Kind.SAFETY, Kind.PRACTICAL]))
def test_fitness_only_falls_as_time_passes_and_turns_on_the_day_it_says(days: int, kind: Kind) -> None:
    article = an_article(kind=kind)
    order = list(Fit)
    now = datetime(2027, 5, 22, 12, tzinfo=UTC) + timedelta(days=days)
    today, tomorrow = (STANDING.fitness(article, at).fit for at in (now, now + timedelta(days=1)))
    assert order.index(today) <= order.index(tomorrow)
    hands_over = STANDING.hands_over_from(article)
    assert hands_over is not None
    assert (today is Fit.HAND_OVER) is (now.date() >= hands_over)
    assert today is Fit.CURRENT or STANDING.is_due(article, now)


@pytest.mark.parametrize(("day", "due"), [(21, False), (22, True), (23, True)])
def test_the_owner_is_reminded_thirty_days_before(day: int, due: bool) -> None:
    assert STANDING.is_due(an_article(), datetime(2027, 4, day, 12, tzinfo=UTC)) is due


# --- law that changed -------------------------------------------------------------------------------------------------


def flagged(article: Article, *changes: Change, cleared: frozenset[tuple[int, str]] = frozenset()) -> Standing:
    return Standing(SHIPPED, flag([article], changes, cleared, BOOK))


@pytest.mark.parametrize(
    ("now", "changes"),
    [
        (datetime(2026, 12, 31, 22, 59, tzinfo=UTC), ()),  # not in force yet: what the article says is still the law
        (datetime(2026, 12, 31, 23, 1, tzinfo=UTC), (CHANGE,)),  # New Year in Oslo
    ],
)
def test_a_change_is_said_from_the_day_it_is_in_force(now: datetime, changes: tuple[Change, ...]) -> None:
    assert flagged(an_article(), CHANGE).fitness(an_article(), now).changes == changes


@pytest.mark.parametrize(
    ("ref", "is_flagged"),
    [
        ("tolkelova § 6 første ledd", True),
        ("tolkeloven §§ 2, 6, 7 og 9", True),
        ("tolkeloven", True),
        ("tolkeloven § 7", False),
        ("straffeloven § 6", False),
    ],
)
def test_every_article_that_rests_on_the_rule_is_flagged_however_it_cites_it(ref: str, is_flagged: bool) -> None:
    article = an_article(law_refs=(LawRef(ref, text_read=True),))
    assert bool(flagged(article, CHANGE).flags) is is_flagged


def test_a_flag_goes_for_the_article_and_the_change_that_were_cleared() -> None:
    article, other = an_article(), an_article("tolk-barn")
    later = Change(8, CHANGE.law, "Endret igjen.", date(2027, 2, 1))
    flags = flag([article, other], [CHANGE, later], frozenset({(7, article.id)}), BOOK)
    assert flags == {article.id: (later,), other.id: (CHANGE, later)}


def test_a_swedish_article_is_not_flagged_by_norwegian_law() -> None:
    assert not flagged(an_article(country="SE"), CHANGE).flags


# --- the file ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("remind_days: 30", '"grace_days" is missing'),
        ("remind_days: 0\ngrace_days: {rights: 1, safety: 1, practical: 1}", "remind_days"),
        ("remind_days: 30\ngrace_days: {rights: 1, safety: 1}", '"practical" is missing'),
        ("remind_days: 30\ngrace_days: {rights: 1, safety: 1, practical: -2}", "practical"),
    ],
)
def test_a_policy_with_a_fault_is_refused(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "fitness.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ContentError, match=says):
        Policy.load(path)


def test_both_countries_have_a_calendar() -> None:
    for country in Country:
        assert STANDING.fitness(an_article(country=country.value), NOON).fit is Fit.CURRENT

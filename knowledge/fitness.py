"""How fit a published article is to be served at an instant: its review date, and the laws that it rests on.

An article past its review date is not served as certain: first it carries a warning, and after a period of grace the
line hands over instead. A law that has changed since is said with the answer until somebody has held the article
against the change. Danger is not decided here: help in danger and the emergency numbers rest on no article.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from helpline.content import load_yaml
from helpline.messages import Country
from helpline.phrases import ZONES
from knowledge.articles import Article, Kind
from knowledge.laws import Law, LawBook


class Fit(StrEnum):
    """What may be done with an article."""

    CURRENT = "current"  # it is answered from
    WARN = "warn"  # past its review date: answered from, with a warning
    HAND_OVER = "hand_over"  # past the period of grace too: not answered from


@dataclass(frozen=True)
class Policy:
    """How much time is given."""

    remind: timedelta = timedelta(days=30)  # before the review date
    grace: Mapping[Kind, timedelta] = field(default_factory=dict)  # after it

    @classmethod
    def load(cls, path: Path) -> Policy:
        """Read the file strictly."""
        root = load_yaml(path).mapping(required=("remind_days", "grace_days"))
        kinds = [kind for kind in Kind if kind is not Kind.FOREIGN]
        grace = root["grace_days"].mapping(required=[kind.value for kind in kinds])
        return cls(
            timedelta(days=root["remind_days"].integer(minimum=1, maximum=365)),
            {kind: timedelta(days=grace[kind.value].integer(minimum=0, maximum=365)) for kind in kinds},
        )

    def grace_for(self, article: Article) -> timedelta:
        """How long after its review date the article may still be served, with a warning."""
        return self.grace.get(article.kind, timedelta(days=30))


@dataclass(frozen=True)
class Change:
    """That a law changed, as an editor wrote it down."""

    id: int
    law: Law
    what: str
    in_force_on: date
    link: str = ""


@dataclass(frozen=True)
class Fitness:
    """How fit an article is at an instant."""

    fit: Fit = Fit.CURRENT
    changes: tuple[Change, ...] = ()  # of laws that it rests on, in force, and not held against it yet

    @property
    def overdue(self) -> bool:
        """Whether it is past its review date."""
        return self.fit is not Fit.CURRENT


FIT = Fitness()  # what nothing is known against


@dataclass(frozen=True)
class Standing:
    """What decides how fit each article is, besides the time: the policy, and the changes of law not yet cleared."""

    policy: Policy = Policy()
    flags: Mapping[str, tuple[Change, ...]] = field(default_factory=dict)  # by article

    def fitness(self, article: Article, now: datetime) -> Fitness:
        """How fit the article is now, by the calendar of its own country."""
        today = local_day(article.country, now)
        in_force = tuple(change for change in self.flags.get(article.id, ()) if change.in_force_on <= today)
        return Fitness(self._fit(article, today), in_force)

    def _fit(self, article: Article, today: date) -> Fit:
        if article.review_by is None or today <= article.review_by:
            return Fit.CURRENT
        return Fit.WARN if today <= article.review_by + self.policy.grace_for(article) else Fit.HAND_OVER

    def hands_over_from(self, article: Article) -> date | None:
        """The first day on which the article is not answered from any more."""
        if article.review_by is None:
            return None
        return article.review_by + self.policy.grace_for(article) + timedelta(days=1)

    def is_due(self, article: Article, now: datetime) -> bool:
        """Whether it is time to remind its owner: the review date is near, or past."""
        today = local_day(article.country, now)
        return article.review_by is not None and article.review_by - today <= self.policy.remind


def local_day(country: Country, now: datetime) -> date:
    """Which day it is in that country."""
    return now.astimezone(ZONES[country]).date()


def flag(
    articles: Iterable[Article],
    changes: Collection[Change],
    cleared: Collection[tuple[int, str]],
    book: LawBook,
) -> dict[str, tuple[Change, ...]]:
    """Which changes each article must still be held against; `cleared` holds pairs of change and article."""
    flags: dict[str, tuple[Change, ...]] = {}
    if not changes:
        return flags
    for article in articles:
        rests_on = [law for ref in article.law_refs for law in book.read(ref.ref, article.country)]
        touched = tuple(
            change
            for change in changes
            if (change.id, article.id) not in cleared and any(change.law.touches(law) for law in rests_on)
        )
        if touched:
            flags[article.id] = touched
    return flags

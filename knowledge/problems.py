"""What keeps a draft from being an article, field by field: all at once, where the strict reader stops at the first.

Each field that is there is read in the place of the same field of an article known to be right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from helpline.content import ContentError
from knowledge.articles import FIELDS, REQUIRED, Article, article_of_body, wording_key
from knowledge.checking import check_article


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, in a sentence that says what to do."""

    field: str  # a key of the article; empty where it is the whole
    message: str
    blocks: bool = True  # False for what should be looked at, and does not keep the draft from being handed in


_RIGHT: dict[str, Any] = {
    "id": "right",
    "country": "NO",
    "language": "nb",
    "topic": "t",
    "kind": "rights",
    "title": "T",
    "questions": {"nb": ["q"]},
    "short": "S.",
    "cite": "c",
    "details": "D.",
    "law_refs": [],
    "sources": [{"title": "s", "date_seen": "2026"}],
    "confidence": "verified-in-source",
    "suggest_human": False,
    "urgent": False,
    "owner": "o",
    "reviewed_on": "2000-01-01",
    "review_by": "9999-12-31",
    "translations": {},
}


def problems_of(body: Mapping[str, Any]) -> tuple[Problem, ...]:
    """Everything the strict reader refuses, in the order of an article's file; nothing where it can be published."""
    found = [Problem(key, f'"{key}" is missing.') for key in REQUIRED if key not in body or body[key] in (None, "")]
    missing = {problem.field for problem in found}
    found += [Problem(key, f'The key "{key}" is unknown.') for key in body if key not in FIELDS]
    for key in FIELDS:
        if key in body and key not in missing:
            said = _wrong(body, key)
            if said:
                found.append(Problem(key, said))
    if not found:
        try:
            found += _said_twice(_read(body))
        except ContentError as error:
            found.append(Problem("review_by" if "review_by" in error.sentence else "", error.sentence))
    order = {key: place for place, key in enumerate(FIELDS)}
    return tuple(sorted(found, key=lambda problem: order.get(problem.field, -1)))


def findings_of(body: Mapping[str, Any]) -> tuple[Problem, ...]:
    """As `problems_of`; where nothing blocks, what the checker finds besides, which does not block either."""
    problems = problems_of(body)
    if any(problem.blocks for problem in problems):
        return problems
    found = check_article(_read(body))
    return (*problems, *(Problem(finding.field, finding.sentence, blocks=False) for finding in found))


def _said_twice(article: Article) -> list[Problem]:
    counts = Counter(wording_key(wording.text) for wording in article.questions)
    texts = {wording_key(wording.text): wording.text for wording in article.questions}
    return [Problem("questions", f'"{texts[key]}" is listed twice.') for key, count in counts.items() if count > 1]


def _wrong(body: Mapping[str, Any], key: str) -> str:
    trial = {**_RIGHT, key: body[key]}
    if key in {"translations", "variants"} and isinstance(body.get("language"), str):
        # A translation into the article's own language is wrong, so what that is matters here.
        trial["language"] = body["language"]
    try:
        _read(trial)
    except ContentError as error:
        return (
            ""
            if key != "language" and "language" in trial and error.sentence.startswith('"language"')
            else error.sentence
        )
    return ""


def _read(body: Mapping[str, Any]) -> Article:
    return article_of_body(body, file="draft")

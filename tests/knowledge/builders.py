"""Articles for tests: a sensible one, where a test names only what matters to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from helpline.messages import Country, Language
from knowledge.articles import Article, Confidence, Kind, LawRef, Source, Translation, Wording


def an_article(
    id: str = "tolk-rett",
    country: str = "NO",
    *,
    questions: Sequence[str] = ("hun snakker ikke norsk, hva gjør vi", "trenger tolk nå"),
    **changes: Any,
) -> Article:
    """A whole article; keywords replace its fields."""
    own = Language.NB if country == "NO" else Language.SV
    article = Article(
        id=id,
        country=Country(country),
        language=own,
        topic="interpreter",
        kind=Kind.RIGHTS,
        title="Må vi bruke tolk?",
        questions=tuple(Wording(own, f"{text}" if country == "NO" else f"{text} i Sverige") for text in questions),
        short="Ja. Bruk kvalifisert tolk når pasienten ikke forstår norsk godt nok. Tolkeloven § 6.",
        cite="tolkeloven § 6",
        details="Bestill tolk før samtalen.\n\nIkke bruk følget som tolk.",
        do_now=("Ring tolketjenesten.",),
        needs=("interpreter",),
        law_refs=(LawRef("tolkeloven § 6", text_read=True),),
        facts=("tolkeloven § 6",),
        sources=(Source("Tolkeloven", "https://lovdata.no/", "2026-11-22"),),
        confidence=Confidence.VERIFIED,
        owner="redaksjonen",
        reviewed_on=date(2026, 11, 22),
        review_by=date(2027, 5, 22),
        translations={Language.EN: Translation("Must we use an interpreter?", "Yes. Use a qualified interpreter.")},
    )
    return replace(article, **changes)

"""Whatever an article holds, it goes out and comes in again the same: as a folder, as lines, through storage."""

from __future__ import annotations

import json
import tempfile
from datetime import date
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpline.messages import Country, Language
from knowledge.articles import (
    Age,
    Article,
    Confidence,
    Kind,
    LawRef,
    Source,
    Status,
    Translation,
    Variant,
    Wording,
    article_of_body,
    body_of,
    export_folder,
    export_lines,
    fingerprint,
    load_articles,
    wording_key,
)

# Words with all that has made trouble in YAML: signs at the beginning, colons, hashes, quotation marks, numbers.
WORDS = st.sampled_from(
    [
        *("nei", "ja", "NO", "null", "~", "1e3", "0150", "2026-11-22", "- a", "# b", "c: d", "e #f", "'g'", '"h"'),
        *("*i", "&j", "{k}", "[l]", "!m", "%n", "@o", "`p", "| q", "> r", "ø å", "§ 4", "?", "a\xa0b", "🙂 t"),
    ]
)
LINE = st.lists(WORDS, min_size=1, max_size=5).map(" ".join)
SHORT = st.lists(
    st.sampled_from(["Ring 113.", "Ja: gjør det", "- nei", "# 4", "å æ", "§ 257", "22 33 11 60"]),
    min_size=1,
    max_size=4,
).map(" ".join)
PARAGRAPHS = st.lists(LINE, min_size=1, max_size=3).map("\n\n".join)
OTHER = st.sampled_from([Language.NN, Language.SV, Language.EN])
VARIANTS = st.builds(
    Variant,
    st.lists(st.sampled_from(Status), min_size=1, max_size=3, unique=True).map(tuple),
    st.lists(st.sampled_from(Age), max_size=2, unique=True).map(tuple),
    SHORT,
    st.dictionaries(OTHER, SHORT, max_size=2),
)
ARTICLES = st.builds(
    Article,
    id=st.from_regex(r"[a-z][a-z0-9]{0,6}(-[a-z0-9]{1,4}){0,2}", fullmatch=True),
    country=st.sampled_from(Country),
    language=st.just(Language.NB),
    title=LINE.map(lambda text: text[:120].strip()),
    questions=st.lists(
        st.builds(Wording, st.sampled_from(Language), LINE),
        min_size=1,
        max_size=6,
        unique_by=lambda wording: wording_key(wording.text),
    ).map(lambda found: tuple(sorted(found, key=lambda wording: list(Language).index(wording.language)))),
    short=SHORT,
    details=PARAGRAPHS,
    topic=LINE,
    kind=st.sampled_from([Kind.RIGHTS, Kind.SAFETY, Kind.PRACTICAL]),
    cite=st.sampled_from(["lov § 1", "a: b", "- c", "# d"]),
    do_now=st.lists(LINE, max_size=3).map(tuple),
    avoid=st.lists(LINE, max_size=3).map(tuple),
    say=st.lists(LINE, max_size=3).map(tuple),
    variants=st.lists(VARIANTS, max_size=3).map(tuple),
    needs=st.lists(st.sampled_from(["interpreter", "housing-tonight"]), max_size=2, unique=True).map(tuple),
    law_refs=st.lists(st.builds(LawRef, LINE, st.booleans()), max_size=2).map(tuple),
    facts=st.lists(LINE, max_size=3).map(tuple),
    sources=st.lists(st.builds(Source, LINE, st.just("") | LINE, LINE), min_size=1, max_size=2).map(tuple),
    confidence=st.sampled_from(Confidence),
    suggest_human=st.booleans(),
    urgent=st.booleans(),
    owner=LINE,
    reviewed_on=st.dates(date(2020, 1, 1), date(2026, 1, 1)),
    review_by=st.dates(date(2026, 1, 2), date(2040, 1, 1)),
    translations=st.dictionaries(OTHER, st.builds(Translation, SHORT, SHORT), max_size=3),
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ARTICLES)
def test_an_article_survives_both_forms(article: Article) -> None:
    with tempfile.TemporaryDirectory() as place:
        export_folder([article], Path(place) / "folder")
        export_lines([article], Path(place) / "lines.jsonl")
        (as_file,) = load_articles(Path(place) / "folder")
        (as_line,) = load_articles(Path(place) / "lines.jsonl")
    as_row = article_of_body(json.loads(json.dumps(body_of(article))))
    assert as_file == as_line == as_row == article
    assert fingerprint(as_file) == fingerprint(as_line) == fingerprint(article)

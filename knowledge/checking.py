"""What is wrong with articles beyond what the strict reader refuses: for `varde check`, tests and the editor's pages.

An article is held to its own `facts`, rules and sources: a figure that stands in none of them may not stand in the
text. Its translations are held to the original, its short answer to two segments of SMS, its words to a reading level.
The shelves are looked through for wordings that lead to two articles and for articles that say the same.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from rapidfuzz import fuzz

from helpline.messages import Country, Language
from helpline.segments import segments, to_gsm7
from knowledge.articles import Article, Confidence, Kind, wording_key
from knowledge.figures import Figure, Held, Sort, figures, loose_figures, uncovered

LIX_AT_MOST = 50
TWIN_FROM = 72  # of 100: the nearest two that we ship are at 58, a copy with every fourth word changed is above
WORDINGS_ALIKE_FROM = 93  # of 100
_SOURCE_ROOM = 20  # septets of the shortest line that says where an answer is from: "NO v12 22.11.2026."
_DOUBT_ROOM = 18  # of "Rådgör: svara 0." where a human is suggested
_MENU_ROOM = 48  # of the line of digits below it
_WORDING_FROM = 15  # letters; shorter wordings differ by a letter and mean another thing
_LONG_WORD = 7  # letters, as LIX counts
_LIX_FROM = 12  # words; of fewer, one long word decides
_RARE = 10  # words of an article that are looked up to find those like it
_SHARED = 3  # rare words that two articles must share to be compared
_CROWD = 40  # more articles than this share a word that tells them apart from nothing

# Every reader knows these, and every phrase file of ours holds them.
_EMERGENCY = {
    Country.NO: frozenset({"110", "112", "113", "116117"}),
    Country.SE: frozenset({"112", "11414", "1177"}),
}
_WORDS = re.compile(r"[^\W\d_]+(?:[-'][^\W\d_]+)*")
_SENTENCE_END = re.compile(r"[.:;?!]+(?=\s|$)|\n+")
# What a point does not end: "kap. 5", "§ 258 f. eks.", "nr. 4", "m.fl.".
_SHORTENED = re.compile(
    r"\b(?:kap|nr|strl|hpl|pbrl|ch|ss?|art|kl|ca|f|eks|bl|jf|mv|st|tlf)\.|\d\.(?=\s(?-i:[a-zæøåäö]))", re.IGNORECASE
)


class Fault(StrEnum):
    """What a finding is about."""

    FIGURE = "figure"  # a number, period, statute or phone that the facts do not hold
    TRANSLATION = "translation"  # a figure that only the original or only the translation has
    LENGTH = "length"  # over two segments with its source
    READING = "reading"  # too hard to read
    WORDING = "wording"  # leads to another article too
    TWIN = "twin"  # nearly the same article as another


@dataclass(frozen=True)
class Finding:
    """One thing an editor should mend."""

    article_id: str
    field: str  # as the file has it: "short", "do_now[0]", "translations.nn.short", "variants[1].short"
    fault: Fault
    sentence: str  # what is wrong and what to do
    about: tuple[str, ...] = ()  # the figure, the level, or the other article, for saying it in another language


def check_shelves(articles: Iterable[Article]) -> tuple[Finding, ...]:
    """Everything found in these articles and between them, in the order of their ids."""
    shelved = [article for article in articles if article.kind is not Kind.FOREIGN]
    found = [finding for article in shelved for finding in check_article(article)]
    found += shared_wordings(shelved)
    found += twins(shelved)
    return tuple(sorted(found, key=lambda finding: finding.article_id))


def check_article(article: Article) -> tuple[Finding, ...]:
    """What is found in one article by itself."""
    return (
        *_figures_without_fact(article),
        *_translations_that_differ(article),
        *_answers_too_long(article),
        *_hard_to_read(article),
    )


# --- figures ----------------------------------------------------------------------------------------------------------


def differing_translations(article: Article) -> tuple[Finding, ...]:
    """Only where a translation states other figures than the original: quick enough for thousands of articles."""
    return tuple(_translations_that_differ(article))


def facts_of(article: Article) -> tuple[Figure, ...]:
    """The figures the article may state: of its facts, rules and sources, and the day it was reviewed."""
    held = [*article.facts, *(law.ref for law in article.law_refs)]
    for source in article.sources:
        held += [source.title, source.date_seen]
    if article.reviewed_on is not None:
        held.append(article.reviewed_on.isoformat())
    emergency = (Figure(Sort.NUMBER, number) for number in _EMERGENCY[article.country])
    return (*emergency, *(figure for words in held for figure in figures(words, article.language)))


def _figures_without_fact(article: Article) -> Iterator[Finding]:
    held = Held(facts_of(article))
    for field, language, words in _texts(article):
        for figure in held.without(figures(words, language)):
            yield Finding(
                article.id,
                field,
                Fault.FIGURE,
                f'"{figure.shown}" stands in none of the article\'s facts. Take it out, or add it to the facts '
                "once it is read in a source.",
                (figure.shown,),
            )


def _translations_that_differ(article: Article) -> Iterator[Finding]:
    if article.translations:
        own = f"{article.title}\n{article.short}"
        stated = figures(own, article.language)
        for language, translated in article.translations.items():
            other = f"{translated.title}\n{translated.short}"
            yield from _differing(article, own, stated, other, language, f"translations.{language.value}.short")
    for place, variant in enumerate(article.variants):
        stated = figures(variant.short, article.language) if variant.translations else ()
        for language, short in variant.translations.items():
            field = f"variants[{place}].translations.{language.value}"
            yield from _differing(article, variant.short, stated, short, language, field)


def _differing(
    article: Article, own: str, original: tuple[Figure, ...], other: str, language: Language, field: str
) -> Iterator[Finding]:
    translated = figures(other, language)
    for figure in _uncovered(original, translated, other, language):
        yield Finding(
            article.id,
            field,
            Fault.TRANSLATION,
            f'The original says "{figure.shown}", this translation does not. Both must hold the same figures.',
            (figure.shown,),
        )
    for figure in _uncovered(translated, original, own, article.language):
        yield Finding(
            article.id,
            field,
            Fault.TRANSLATION,
            f'This translation says "{figure.shown}", the original does not. Both must hold the same figures.',
            (figure.shown,),
        )


def _uncovered(
    stated: tuple[Figure, ...], by: tuple[Figure, ...], words: str, language: Language
) -> tuple[Figure, ...]:
    """The figures that these words do not hold; `by` are the ones they state."""
    # What else is counted in words is read only where it is needed: nearly never, and it takes as long again.
    missing = uncovered(stated, by)
    return uncovered(missing, loose_figures(words, language)) if missing else ()


def _texts(article: Article) -> Iterator[tuple[str, Language, str]]:
    """Every text that states something, with its place in the file and its language."""
    own = article.language
    yield from (("title", own, article.title), ("short", own, article.short), ("cite", own, article.cite))
    yield "details", own, article.details
    for name, lines in (("do_now", article.do_now), ("avoid", article.avoid), ("say", article.say)):
        yield from ((f"{name}[{place}]", own, line) for place, line in enumerate(lines))
    for place, variant in enumerate(article.variants):
        yield f"variants[{place}].short", own, variant.short
        for language, short in variant.translations.items():
            yield f"variants[{place}].translations.{language.value}", language, short
    for language, translated in article.translations.items():
        yield f"translations.{language.value}.title", language, translated.title
        yield f"translations.{language.value}.short", language, translated.short


def _answers(article: Article) -> Iterator[tuple[str, Language, str]]:
    return (text for text in _texts(article) if text[0] == "short" or "short" in text[0] or "variants" in text[0])


# --- length and reading -----------------------------------------------------------------------------------------------


def _answers_too_long(article: Article) -> Iterator[Finding]:
    doubted = article.suggest_human or article.confidence is Confidence.UNVERIFIED
    room = _SOURCE_ROOM + _MENU_ROOM + (_DOUBT_ROOM if doubted else 0)
    for field, _, short in _answers(article):
        taken = segments(to_gsm7(short) + " " * room)
        if taken.count > 2:
            yield Finding(
                article.id,
                field,
                Fault.LENGTH,
                f"With its source and the digits below it this answer takes {taken.count} segments of SMS. Shorten it "
                "to two.",
                (str(taken.count),),
            )


def lix(text: str) -> int:
    """How hard a text is to read (LIX): words to a sentence, and the share of long words in percent."""
    words = _WORDS.findall(text)
    if not words:
        return 0
    ends = _SENTENCE_END.findall(_SHORTENED.sub(" ", text).rstrip(" .:;?!\n") + ".")
    long_words = sum(len(word) >= _LONG_WORD for word in words)
    return round(len(words) / len(ends) + 100 * long_words / len(words))


def _hard_to_read(article: Article) -> Iterator[Finding]:
    for field, _, words in (*_answers(article), ("details", article.language, article.details)):
        level = lix(words)
        if level > LIX_AT_MOST and len(_WORDS.findall(words)) >= _LIX_FROM:
            yield Finding(
                article.id,
                field,
                Fault.READING,
                f"The reading level is {level}; a tired reader needs {LIX_AT_MOST} or less. Use shorter sentences and "
                "everyday words.",
                (str(level),),
            )


# --- between articles -------------------------------------------------------------------------------------------------


def shared_wordings(articles: Sequence[Article]) -> list[Finding]:
    """Wordings that stand, or all but stand, in two articles of one country."""
    said: dict[tuple[Country, str], tuple[str, int, str]] = {}
    found: list[Finding] = []
    for article in articles:
        for place, wording in enumerate(article.questions):
            key = (article.country, wording_key(wording.text))
            owner = said.setdefault(key, (article.id, place, wording.text))[0]
            if owner != article.id:
                found.append(_shared(article.id, place, wording.text, owner))
    spread = Counter(word for _, wording in said for word in set(wording.split()))
    near: dict[tuple[Country, str], list[tuple[str, str]]] = defaultdict(list)
    for (country, words), (owner, place, text) in said.items():
        if len(words) < _WORDING_FROM:
            continue
        alike: set[str] = set()
        for word in sorted(set(words.split()), key=lambda word: (spread[word], word))[:3]:
            block = near[country, word]
            alike |= {
                other
                for known, other in block
                if other != owner and fuzz.ratio(words, known, score_cutoff=WORDINGS_ALIKE_FROM)
            }
            if len(block) < _CROWD:
                block.append((words, owner))
        found += [_shared(owner, place, text, other) for other in sorted(alike)]
    return found


def _shared(article_id: str, place: int, text: str, other: str) -> Finding:
    return Finding(
        article_id,
        f"questions[{place}]",
        Fault.WORDING,
        f'The wording "{text}" also leads to "{other}". Keep it where it is answered best.',
        (text, other),
    )


def twins(articles: Sequence[Article]) -> list[Finding]:
    """Articles of one country that nearly say the same. Only those that share rare words are held together."""
    words = {article.id: _said(article) for article in articles}
    spread = Counter(word for said in words.values() for word in said)
    sharing: dict[tuple[Country, Language, str], list[str]] = defaultdict(list)
    by_id = {article.id: article for article in articles}
    found: list[Finding] = []
    for article in articles:
        rarest = sorted((word for word in words[article.id] if spread[word] > 1), key=lambda word: (spread[word], word))
        met: Counter[str] = Counter()
        for word in rarest[: _RARE * 3]:
            block = sharing[article.country, article.language, word]
            met.update(block)
            if len(block) < _CROWD:
                block.append(article.id)
        for other, shared in met.items():
            if shared >= _SHARED:
                alike = likeness(article, by_id[other])
                if alike >= TWIN_FROM:
                    found.append(_twin(article.id, other, alike))
    return found


def likeness(one: Article, other: Article) -> int:
    """How alike two articles read, of 100: their answers and their details."""
    answers = fuzz.ratio(f"{one.title}\n{one.short}", f"{other.title}\n{other.short}")
    return round((answers + fuzz.ratio(one.details, other.details)) / 2)


def _twin(article_id: str, other: str, alike: int) -> Finding:
    return Finding(
        article_id,
        "details",
        Fault.TWIN,
        f'This article and "{other}" are {alike} % alike. Make one of them, or say in both what tells them apart.',
        (other, str(alike)),
    )


def _said(article: Article) -> Mapping[str, None]:
    """The words of an article, each once, in order."""
    text = f"{article.title} {article.short} {article.details}".lower()
    return dict.fromkeys(word for word in _WORDS.findall(text) if len(word) > 3)

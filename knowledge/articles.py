"""Articles: the reviewed guidance the line answers with, and how it is read and written.

An article is one YAML file (`content/articles/no/<id>.yaml`), or one JSON line with the same keys, read strictly: what
an editor got wrong is named by file and line, and either form is written back without loss. Shelves of somebody else's
making come as JSON lines too, `{"id", "language", "country"?, "title", "questions", "answer"}`, thousands in seconds;
every bad line is named. In such a line the questions are a list; in one of ours they stand by language.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from helpline.content import ContentError, Node, load_yaml, node_of, read_yaml
from helpline.languages import from_tag
from helpline.messages import Country, Language, country_of
from helpline.segments import outside_gsm7, segments

SHORT_SEPTETS = 220  # so that source and date fit beside it in two SMS segments
CITE_SEPTETS = 30
_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_NEED = re.compile(r"[a-z]+(-[a-z]+)*")
_WORDS = re.compile(r"\w+")
_ODD_ESCAPE = re.compile(rb"\\u(d[89a-f]|0000)", re.IGNORECASE)
_NAMED_AT_MOST = 20  # bad lines of a foreign file


class Kind(StrEnum):
    """What sort of help an article is."""

    RIGHTS = "rights"  # what the law gives or asks
    SAFETY = "safety"  # keeping patient and staff from harm
    PRACTICAL = "practical"  # how it is done
    FOREIGN = "foreign"  # from a file of somebody else's, which does not say


class Confidence(StrEnum):
    """How much of an article was read in a source."""

    VERIFIED = "verified-in-source"  # every fact
    PARTLY = "partly-verified"  # some facts are flagged
    UNVERIFIED = "general-knowledge-unverified"  # none


class Status(StrEnum):
    """What a patient is to the law; some answers differ by it."""

    NORWEGIAN_CITIZEN = "norwegian_citizen"
    SWEDISH_CITIZEN = "swedish_citizen"
    NORDIC = "nordic"
    EEA = "eea"
    ASYLUM_SEEKER = "asylum_seeker"
    REFLECTION_PERIOD = "reflection_period"
    RESIDENCE_PERMIT = "residence_permit"
    TEMPORARY_PERMIT = "temporary_permit"
    UNDOCUMENTED = "undocumented"
    TOURIST = "tourist"


class Age(StrEnum):
    """Whether the patient is a child to the law."""

    MINOR = "minor"
    ADULT = "adult"


@dataclass(frozen=True)
class Wording:
    """A question or situation as somebody really puts it, which this article answers."""

    language: Language
    text: str


@dataclass(frozen=True)
class Translation:
    """Title and short answer in another language."""

    title: str
    short: str


@dataclass(frozen=True)
class Variant:
    """Another short answer, for patients of these statuses and ages; an empty tuple leaves that open."""

    statuses: tuple[Status, ...]
    ages: tuple[Age, ...]
    short: str
    translations: Mapping[Language, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LawRef:
    """A rule the answer rests on, and whether its text was opened."""

    ref: str
    text_read: bool


@dataclass(frozen=True)
class Source:
    """Where the facts were read, and when, in the words of whoever read them."""

    title: str
    url: str
    date_seen: str


@dataclass(frozen=True)
class Article:
    """One revision of one piece of guidance."""

    id: str
    country: Country
    language: Language  # of title, short, details and lists
    title: str
    questions: tuple[Wording, ...]
    short: str
    details: str = ""
    topic: str = ""
    kind: Kind = Kind.FOREIGN
    cite: str = ""  # the one source label shown under the answer
    do_now: tuple[str, ...] = ()
    avoid: tuple[str, ...] = ()
    say: tuple[str, ...] = ()
    variants: tuple[Variant, ...] = ()
    needs: tuple[str, ...] = ()  # what "who can help?" should look for after this answer
    law_refs: tuple[LawRef, ...] = ()
    facts: tuple[str, ...] = ()  # the values it may state ("45 dager", "strl. § 257"); `checking` holds it to them
    sources: tuple[Source, ...] = ()
    confidence: Confidence = Confidence.UNVERIFIED
    suggest_human: bool = False
    urgent: bool = False  # acute care: nothing is asked back before the answer
    owner: str = ""
    reviewed_on: date | None = None
    review_by: date | None = None
    translations: Mapping[Language, Translation] = field(default_factory=dict)
    revision: int = 1
    everywhere: bool = False  # of a foreign file that names no country: found on every line


_REQUIRED = [
    *("id", "country", "language", "topic", "kind", "title", "questions", "short", "cite", "details", "law_refs"),
    *("sources", "confidence", "suggest_human", "urgent", "owner", "reviewed_on", "review_by", "translations"),
]
_OPTIONAL = ["do_now", "avoid", "say", "variants", "needs", "facts"]
REQUIRED = tuple(_REQUIRED)  # the keys that every article holds
FIELDS = (*_REQUIRED, *_OPTIONAL)  # every key that one may hold


def load_articles(path: Path) -> tuple[Article, ...]:
    """Read a folder of YAML files, one YAML file, or a file of JSON lines; in the order of their ids.

    The order is the same whatever order the files or lines come in.
    """
    if path.is_dir():
        return _load_folder(path)
    if path.suffix in {".yaml", ".yml"}:
        return (article_of(load_yaml(path)),)
    return _load_lines(path)


def read_article(text: str, *, file: str, revision: int = 1) -> Article:
    """Read one article that is already in memory; `file` says where it came from."""
    return article_of(read_yaml(text, file=file), revision=revision)


def article_of(root: Node, *, revision: int = 1) -> Article:
    """Read one article strictly."""
    fields = root.mapping(required=_REQUIRED, optional=_OPTIONAL)
    own = fields["language"].one_of(Language)
    short = _answer_text(fields["short"], SHORT_SEPTETS)
    questions = _questions(fields["questions"])
    reviewed_on, review_by = fields["reviewed_on"].date(), fields["review_by"].date()
    if review_by <= reviewed_on:
        raise fields["review_by"].error('"review_by" must be later than "reviewed_on".')
    identifier = fields["id"].text()
    if not _ID.fullmatch(identifier):
        raise fields["id"].error('"id" may hold small letters a to z, digits and single hyphens only.')
    return Article(
        id=identifier,
        country=fields["country"].one_of(Country),
        language=own,
        topic=fields["topic"].text(),
        kind=_kind(fields["kind"]),
        title=fields["title"].text(longest=120),
        questions=questions,
        short=short,
        cite=_answer_text(fields["cite"], CITE_SEPTETS),
        details=re.sub(r"\s*\n\s*", "\n\n", fields["details"].text()),
        do_now=fields["do_now"].texts(default=()),
        avoid=fields["avoid"].texts(default=()),
        say=fields["say"].texts(default=()),
        variants=tuple(_variant(node, own) for node in fields["variants"].items()) if "variants" in fields else (),
        needs=tuple(_need(node) for node in fields["needs"].items()) if "needs" in fields else (),
        law_refs=tuple(_law_ref(node) for node in fields["law_refs"].items()),
        facts=fields["facts"].texts(default=()),
        sources=tuple(_source(node) for node in fields["sources"].items(at_least=1)),
        confidence=fields["confidence"].one_of(Confidence),
        suggest_human=fields["suggest_human"].flag(),
        urgent=fields["urgent"].flag(),
        owner=fields["owner"].text(),
        reviewed_on=reviewed_on,
        review_by=review_by,
        translations=_translations(fields["translations"], own),
        revision=revision,
    )


def _load_folder(folder: Path) -> tuple[Article, ...]:
    articles: dict[str, Article] = {}
    files: dict[str, str] = {}
    said: _Said = {}
    paths = sorted(path for path in folder.rglob("*.yaml") if path.is_file())
    if not paths:
        raise ContentError("The folder holds no article.", file=str(folder))
    for path in paths:
        root = load_yaml(path)
        article = article_of(root)
        parts = root.entries()
        if path.stem != article.id:
            raise parts["id"].error(f'The file is named "{path.stem}" but the article "{article.id}".')
        if article.id in articles:
            raise parts["id"].error(f'The article "{article.id}" also stands in {files[article.id]}.')
        _refuse_shared(parts["questions"], article, said)
        articles[article.id], files[article.id] = article, root.file
    return tuple(articles[key] for key in sorted(articles))


_Said: TypeAlias = dict[tuple[Country, str], tuple[str, str]]  # a folded wording: whose it is, and where it stands


def _refuse_shared(questions: Node, article: Article, said: _Said) -> None:
    """A wording leads to one article; note those of this one."""
    for wordings in questions.entries().values():
        for node in wordings.items():
            key = (article.country, wording_key(node.text()))
            if key in said:
                other, where = said[key]
                raise node.error(
                    f'This wording also stands in "{other}" ({where}); it can lead to one article only.'
                    if other != article.id
                    else f"This wording stands in the article twice (also {where})."
                )
            said[key] = (article.id, node.where)


def wording_key(text: str) -> str:
    """What two wordings share when only signs, blanks and capitals differ."""
    return " ".join(_WORDS.findall(unicodedata.normalize("NFC", text).casefold()))


def _load_lines(path: Path) -> tuple[Article, ...]:
    file = str(path)
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise ContentError(f"The file cannot be read: {error.strerror or 'unknown cause'}.", file=file) from error
    articles: dict[str, Article] = {}
    found_on: dict[str, int] = {}
    bad: list[ContentError] = []
    said: _Said = {}
    for number, raw in enumerate(lines, start=1):
        if not raw.strip():
            continue
        try:
            root = _parsed(raw, file, number)
            ours = root.entries().get("questions")
            article = article_of(root) if ours is not None and ours.is_mapping else _foreign(root)
            if article.id in articles:
                sentence = f'The article "{article.id}" also stands on line {found_on[article.id]}.'
                raise ContentError(sentence, file=file, line=number)
            if ours is not None and ours.is_mapping:
                _refuse_shared(ours, article, said)
        except ContentError as error:
            bad.append(error)
            continue
        articles[article.id], found_on[article.id] = article, number
    if bad:
        more = f"\n… and {len(bad) - _NAMED_AT_MOST} lines more" if len(bad) > _NAMED_AT_MOST else ""
        named = "\n".join(f"{error.file}:{error.line}: {error.sentence}" for error in bad[1:_NAMED_AT_MOST])
        sentence = bad[0].sentence + (f"\n{named}{more}" if named else "")
        raise ContentError(sentence, file=file, line=bad[0].line) from bad[0]
    if not articles:
        raise ContentError("The file holds no article.", file=file)
    return tuple(articles[key] for key in sorted(articles))


def _parsed(raw: bytes, file: str, line: int) -> Node:
    try:
        value = json.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ContentError("The line must be UTF-8.", file=file, line=line) from error
    except (ValueError, RecursionError) as error:
        raise ContentError("The line is not valid JSON.", file=file, line=line) from error
    if _ODD_ESCAPE.search(raw) and not _can_be_kept(value):
        raise ContentError("The line holds half a sign or an empty one, which no database keeps.", file=file, line=line)
    if not isinstance(value, dict):
        raise ContentError('The line must hold an article: {"id": …}.', file=file, line=line)
    for key in ("id", "title", "answer"):  # numbered articles, and such as have no title or no answer of their own
        if isinstance(value.get(key), int) and not isinstance(value[key], bool):
            value[key] = str(value[key])
        if key != "id" and value.get(key) in (None, "") and key in value:
            del value[key]
    return node_of(value, file=file, line=line)


def _can_be_kept(value: object) -> bool:
    written = json.dumps(value, ensure_ascii=False)
    try:
        written.encode()
    except UnicodeEncodeError:
        return False
    return "\\u0000" not in written


def _foreign(root: Node) -> Article:
    """Read one line of the foreign form; what else such a line may know is left aside."""
    parts = root.entries()
    known = {key: part for key, part in parts.items() if key in {"id", "language", "country", "title", "answer"}}
    for key in ("id", "language", "questions"):
        if key not in parts:
            raise root.error(f'The key "{key}" is missing.')
    questions = parts["questions"].texts()
    title = known["title"].text() if "title" in known else ""
    answer = known["answer"].text() if "answer" in known else ""
    if not (title or questions or answer):
        raise root.error("The article has no title, no question and no answer.")
    language = _foreign_language(parts["language"])
    named = parts["country"].one_of(Country) if "country" in parts else None
    return Article(
        id=parts["id"].text(longest=200),
        country=named or country_of(language),
        language=language,
        title=title,
        questions=tuple(Wording(language, text) for text in questions),
        short=answer,
        everywhere=named is None,
    )


def _foreign_language(node: Node) -> Language:
    tag = node.text()
    # A Danish question is read as bokmål, and so is what calls itself just Norwegian.
    language = Language.NB if tag.lower() in {"da", "nob", "nor"} else from_tag(tag)
    if language is None:
        raise node.error(f'"language" cannot be "{tag[:20]}". Known here: "nb", "nn", "sv", "en".')
    return language


def _kind(node: Node) -> Kind:
    kind = node.one_of(Kind)
    if kind is Kind.FOREIGN:
        raise node.error('"kind" must be rights, safety or practical.')
    return kind


def _answer_text(node: Node, room: int) -> str:
    """Words that must fit an SMS beside others: GSM-7 only and not too long."""
    words = node.text()
    odd = outside_gsm7(words)
    if odd:
        shown = ", ".join(f'"{mark}"' for mark in odd[:5])
        raise node.error(f'"{node.name}" has signs that SMS cannot carry at full length: {shown}.')
    units = segments(words).units
    if units > room:
        raise node.error(f'"{node.name}" takes {units} characters of an SMS; at most {room} fit.')
    return words


def _questions(node: Node) -> tuple[Wording, ...]:
    wordings = [
        Wording(_language(part), text.text(longest=400)) for part in node.entries().values() for text in part.items()
    ]
    if not wordings:
        raise node.error('"questions" needs at least one wording.')
    return tuple(wordings)


def _language(node: Node) -> Language:
    try:
        return Language(node.name)
    except ValueError:
        raise node.error(f'"{node.name}" is no language of the line; known are nb, nn, sv and en.') from None


def _variant(node: Node, own: Language) -> Variant:
    fields = node.mapping(required=("when", "short"), optional=("translations",))
    when = fields["when"].mapping(optional=("status", "age"))
    statuses = when["status"].some_of(Status, at_least=1) if "status" in when else ()
    ages = when["age"].some_of(Age, at_least=1) if "age" in when else ()
    if not (statuses or ages):
        raise fields["when"].error('"when" must name a status or an age.')
    translations: dict[Language, str] = {}
    if "translations" in fields:
        for part in fields["translations"].entries().values():
            translations[_other_language(part, own)] = _answer_text(part, SHORT_SEPTETS)
    return Variant(statuses, ages, _answer_text(fields["short"], SHORT_SEPTETS), translations)


def _other_language(node: Node, own: Language) -> Language:
    language = _language(node)
    if language is own:
        raise node.error(f'The article is itself in "{own.value}"; a translation into it cannot stand here.')
    return language


def _translations(node: Node, own: Language) -> dict[Language, Translation]:
    translated: dict[Language, Translation] = {}
    for part in node.entries().values():
        fields = part.mapping(required=("title", "short"))
        short = _answer_text(fields["short"], SHORT_SEPTETS)
        translated[_other_language(part, own)] = Translation(fields["title"].text(longest=120), short)
    return translated


def _need(node: Node) -> str:
    need = node.text()
    if not _NEED.fullmatch(need):
        raise node.error(f'"{need[:40]}" is no need; needs are written like "housing-tonight".')
    return need


def _law_ref(node: Node) -> LawRef:
    fields = node.mapping(required=("ref", "text_read"))
    return LawRef(fields["ref"].text(), fields["text_read"].flag())


def _source(node: Node) -> Source:
    fields = node.mapping(required=("title", "date_seen"), optional=("url",))
    return Source(fields["title"].text(), fields["url"].text(default=""), fields["date_seen"].text())


# --- writing ---------------------------------------------------------------------------------------------------------


class _Dumper(yaml.SafeDumper):
    """Writes as an editor would: long words folded, lists indented."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _written(dumper: yaml.SafeDumper, words: str) -> yaml.ScalarNode:
    indented = any(line[:1].isspace() for line in words.split("\n"))
    plain = words.isprintable() or ("\n" in words and words.replace("\n", "").isprintable())
    style = ">" if plain and not indented and (len(words) > 90 or "\n" in words) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", words, style=style)


_Dumper.add_representer(str, _written)


def to_yaml(article: Article) -> str:
    """The article as its file holds it; reading that back gives the same article."""
    return yaml.dump(
        _plain_article(article),
        Dumper=_Dumper,
        allow_unicode=True,
        sort_keys=False,
        width=118,
        default_flow_style=False,
    )


def body_of(article: Article) -> dict[str, Any]:
    """The article as JSON can hold it, with the keys of its file."""
    plain = _plain_article(article)
    return {key: value.isoformat() if isinstance(value, date) else value for key, value in plain.items()}


def article_of_body(body: Mapping[str, Any], *, revision: int = 1, file: str = "article") -> Article:
    """Read strictly what `body_of` gave."""
    return article_of(node_of(body, file=file), revision=revision)


def fingerprint(article: Article) -> str:
    """A hash of what the article says, whatever its revision number."""
    canonical = json.dumps(_plain_article(article), ensure_ascii=False, sort_keys=True, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()


def to_json_line(article: Article) -> str:
    """The article in the foreign form, on one line: what another program needs to find and show it."""
    line: dict[str, Any] = {"id": article.id, "language": article.language.value}
    if not article.everywhere:
        line["country"] = article.country.value
    line |= {
        "title": article.title,
        "questions": [wording.text for wording in article.questions],
        "answer": "\n\n".join(part for part in (article.short, article.details) if part),
    }
    return json.dumps(line, ensure_ascii=False)


def export_folder(articles: Iterable[Article], folder: Path) -> int:
    """Write one YAML file an article, in a folder a country; how many were written."""
    count = 0
    for article in articles:
        path = folder / article.country.value.lower() / f"{article.id}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(to_yaml(article), encoding="utf-8")
        count += 1
    return count


def export_lines(articles: Iterable[Article], path: Path) -> int:
    """Write one article a line, with the keys it was read with; how many were written."""
    lines = [
        to_json_line(article) if article.kind is Kind.FOREIGN else json.dumps(body_of(article), ensure_ascii=False)
        for article in articles
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return len(lines)


def _plain_article(article: Article) -> dict[str, Any]:
    """The article as plain values, keys in the order an editor reads them."""
    questions: dict[str, list[str]] = {}
    for wording in article.questions:
        questions.setdefault(wording.language.value, []).append(wording.text)
    plain: dict[str, Any] = {
        "id": article.id,
        "country": article.country.value,
        "language": article.language.value,
        "topic": article.topic,
        "kind": article.kind.value,
        "title": article.title,
        "questions": questions,
        "short": article.short,
        "cite": article.cite,
        "details": article.details,
        "do_now": list(article.do_now),
        "avoid": list(article.avoid),
        "say": list(article.say),
        "variants": [_plain_variant(variant) for variant in article.variants],
        "needs": list(article.needs),
        "law_refs": [{"ref": law.ref, "text_read": law.text_read} for law in article.law_refs],
        "facts": list(article.facts),
        "sources": [_plain_source(source) for source in article.sources],
        "confidence": article.confidence.value,
        "suggest_human": article.suggest_human,
        "urgent": article.urgent,
        "owner": article.owner,
        "reviewed_on": article.reviewed_on,
        "review_by": article.review_by,
        "translations": {
            language.value: {"title": translated.title, "short": translated.short}
            for language, translated in article.translations.items()
        },
    }
    return {key: value for key, value in plain.items() if value != [] or key not in _OPTIONAL}


def _plain_source(source: Source) -> dict[str, str]:
    url = {"url": source.url} if source.url else {}
    return {"title": source.title, **url, "date_seen": source.date_seen}


def _plain_variant(variant: Variant) -> dict[str, Any]:
    when: dict[str, list[str]] = {}
    if variant.statuses:
        when["status"] = [status.value for status in variant.statuses]
    if variant.ages:
        when["age"] = [age.value for age in variant.ages]
    plain: dict[str, Any] = {"when": when, "short": variant.short}
    if variant.translations:
        plain["translations"] = {language.value: short for language, short in variant.translations.items()}
    return plain

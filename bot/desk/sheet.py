"""The editor's form: the body of an article as the fields of a page, and the fields as a body again.

A body may hold anything, also what no reader would take: a half-written draft, or what a program put there. `shaped`
gives every key the form that the page shows. `read` makes the same form of what a browser sent, so that two can be
compared: a key counts as changed only where the writer changed it, and only what was changed is saved.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, Final

from multidict import MultiMapping

from helpline.messages import Language
from knowledge.articles import Age, Article, Confidence, Kind, LawRef, Source, Status, Translation, Variant, Wording

_LINE: Final = ("topic", "title", "short", "cite", "owner", "kind", "language", "confidence")
_DAYS: Final = ("reviewed_on", "review_by")
_FLAGS: Final = ("suggest_human", "urgent")
_LISTS: Final = ("do_now", "avoid", "say", "facts")
# The parts of the form in the order of the page; `id` and `country` of an article never change.
GROUPS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("answer", ("title", "short", "cite", "translations", "variants")),
    ("more", ("details", "do_now", "avoid", "say", "needs")),
    ("found", ("questions",)),
    ("rests", ("facts", "law_refs", "sources", "confidence")),
    ("care", ("topic", "kind", "language", "owner", "reviewed_on", "review_by", "suggest_human", "urgent")),
)
KEYS: Final = tuple(key for _, keys in GROUPS for key in keys)
_MOST_ROWS: Final = 60
_ROW = re.compile(r"(variants|law_refs|sources)\.([0-9]{1,4})\.")


Form = MultiMapping[Any]  # what a browser sent


def shaped(body: Mapping[str, Any]) -> dict[str, Any]:
    """Every key of the body in the form that the page shows; what cannot be shown is empty."""
    shape: dict[str, Any] = {key: _line(body.get(key)) for key in _LINE}
    shape |= {key: _line(body.get(key)) for key in _DAYS}
    shape |= {key: body.get(key) is True for key in _FLAGS}
    shape |= {key: _lines(body.get(key)) for key in _LISTS}
    shape["details"] = _paragraphs(body.get("details"))
    shape["needs"] = _lines(body.get("needs"))
    questions = _mapping(body.get("questions"))
    languages = {language.value for language in Language}
    shape["questions"] = {name: said for name in questions if name in languages and (said := _lines(questions[name]))}
    shape["translations"] = _translations(body.get("translations"))
    shape["variants"] = _rows(body.get("variants"), _variant)
    shape["law_refs"] = _rows(body.get("law_refs"), _law_ref)
    shape["sources"] = _rows(body.get("sources"), _source)
    return {key: shape[key] for key in KEYS}


def read(form: Form) -> dict[str, Any]:
    """What a browser sent, in the same form."""

    def text(name: str) -> str:
        return _line(form.get(name, ""))

    body: dict[str, Any] = {key: text(key) for key in (*_LINE, *_DAYS)}
    body |= {key: form.get(key, "") == "yes" for key in _FLAGS}
    body |= {key: _typed_lines(form.get(key, "")) for key in _LISTS}
    body["details"] = form.get("details", "")
    body["needs"] = _in_order(form.getall("needs", []), str(form.get("needs.order", "")).split(","))
    body["questions"] = {
        language.value: _typed_lines(form.get(f"questions.{language.value}", "")) for language in Language
    }
    body["translations"] = {
        language.value: {"title": text(f"translations.{language.value}.title"), "short": said}
        for language in Language
        if (said := text(f"translations.{language.value}.short")) or text(f"translations.{language.value}.title")
    }
    rows = _rows_of(form)
    body["variants"] = [
        {
            "when": {"status": form.getall(f"{row}status", []), "age": form.getall(f"{row}age", [])},
            "short": form.get(f"{row}short", ""),
            "translations": {language.value: form.get(f"{row}{language.value}", "") for language in Language},
        }
        for row in rows["variants"]
    ]
    body["law_refs"] = [
        {"ref": text(f"{row}ref"), "text_read": form.get(f"{row}text_read", "") == "yes"} for row in rows["law_refs"]
    ]
    body["sources"] = [
        {name: text(f"{row}{name}") for name in ("title", "url", "date_seen")} for row in rows["sources"]
    ]
    return shaped(body)


def digests(shape: Mapping[str, Any]) -> dict[str, str]:
    """A short hash of each key: what the page was shown with, sent back with it."""
    return {key: _digest(shape[key]) for key in KEYS}


def changed(shape: Mapping[str, Any], was: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that differ from what the page was shown with, and what they hold now."""
    return {key: shape[key] for key in KEYS if was.get(key) != _digest(shape[key])}


def was_of(form: Form) -> dict[str, Any]:
    """The hashes that came back with the page; none where they are not readable, so that all counts as changed."""
    try:
        was = json.loads(str(form.get("was", "")))
    except (ValueError, RecursionError):
        return {}
    return was if isinstance(was, dict) else {}


def showable(body: Mapping[str, Any], article_id: str, country: Any, *, revision: int) -> Article:
    """An article of whatever there is, for the preview: strict reading comes when it is handed in."""
    shape = shaped(body)
    own = _member(Language, shape["language"]) or Language.NB
    return Article(
        id=article_id,
        country=country,
        language=own,
        title=shape["title"],
        questions=tuple(
            Wording(Language(language), text) for language, texts in shape["questions"].items() for text in texts
        ),
        short=shape["short"] or "–",
        details=shape["details"],
        topic=shape["topic"],
        kind=_member(Kind, shape["kind"]) or Kind.PRACTICAL,
        cite=shape["cite"] or "–",
        do_now=tuple(shape["do_now"]),
        avoid=tuple(shape["avoid"]),
        say=tuple(shape["say"]),
        variants=tuple(_shown_variant(row, own) for row in shape["variants"]),
        needs=tuple(shape["needs"]),
        law_refs=tuple(LawRef(row["ref"], row["text_read"]) for row in shape["law_refs"]),
        facts=tuple(shape["facts"]),
        sources=tuple(Source(row["title"], row.get("url", ""), row["date_seen"]) for row in shape["sources"]),
        confidence=_member(Confidence, shape["confidence"]) or Confidence.UNVERIFIED,
        suggest_human=shape["suggest_human"],
        urgent=shape["urgent"],
        owner=shape["owner"],
        reviewed_on=_day(shape["reviewed_on"]),
        review_by=_day(shape["review_by"]),
        translations={
            Language(language): Translation(row["title"] or shape["title"], row["short"])
            for language, row in shape["translations"].items()
            if row["short"] and language != own.value
        },
        revision=revision,
    )


# --- the forms of single values -------------------------------------------------------------------------------------


def _line(value: object) -> str:
    """One line of words; numbers and days as they are written."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return " ".join(str(value).split())


def _paragraphs(value: object) -> str:
    """Words with a blank line between paragraphs, as the reader of articles keeps them."""
    words = value if isinstance(value, str) else ""
    lines = (" ".join(line.split()) for line in words.replace("\r", "\n").split("\n"))
    return "\n\n".join(line for line in lines if line)


def _lines(value: object) -> list[str]:
    items = value if isinstance(value, list | tuple) else []
    return [line for item in items if (line := _line(item))]


def _typed_lines(value: object) -> list[str]:
    return str(value).replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _rows(value: object, form: Callable[[Mapping[str, Any]], dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a list in their form, without those that say nothing, as the one does that every list ends with."""
    rows = [form(row) for row in (value if isinstance(value, list | tuple) else []) if isinstance(row, Mapping)]
    return [row for row in rows if not _blank(row)][:_MOST_ROWS]


def _blank(row: Mapping[str, Any]) -> bool:
    return not any(
        not _blank(value) if isinstance(value, Mapping) else value not in (None, "", False, [])
        for value in row.values()
    )


def _translations(value: object) -> dict[str, dict[str, str]]:
    given = _mapping(value)
    translations = {}
    for language in Language:
        row = _mapping(given.get(language.value))
        shape = {"title": _line(row.get("title")), "short": _line(row.get("short"))}
        if any(shape.values()):
            translations[language.value] = shape
    return translations


def _variant(row: Mapping[str, Any]) -> dict[str, Any]:
    when, given = _mapping(row.get("when")), _mapping(row.get("translations"))
    shape: dict[str, Any] = {
        "when": {name: values for name in ("status", "age") if (values := _lines(when.get(name)))},
        "short": _line(row.get("short")),
    }
    translations = {language.value: words for language in Language if (words := _line(given.get(language.value)))}
    return shape | ({"translations": translations} if translations else {})


def _law_ref(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"ref": _line(row.get("ref")), "text_read": row.get("text_read") is True}


def _source(row: Mapping[str, Any]) -> dict[str, str]:
    url = _line(row.get("url"))
    return {
        "title": _line(row.get("title")),
        **({"url": url} if url else {}),
        "date_seen": _line(row.get("date_seen")),
    }


def _in_order(chosen: Sequence[str], order: Sequence[str]) -> list[str]:
    """What was ticked: what stood there before in its old order, what is new behind it."""
    before = [key for key in order if key in chosen]
    return [*before, *(key for key in dict.fromkeys(chosen) if key not in before)]


def _rows_of(form: Form) -> dict[str, list[str]]:
    """The beginnings of the names of each row that was sent, in their order, without those to be removed."""
    numbers: dict[str, set[int]] = {"variants": set(), "law_refs": set(), "sources": set()}
    for name in form.keys():  # noqa: SIM118 - a form is asked for its names
        found = _ROW.match(name)
        if found:
            numbers[found[1]].add(int(found[2]))
    return {
        kind: [
            f"{kind}.{number}."
            for number in sorted(rows)[:_MOST_ROWS]
            if form.get(f"{kind}.{number}.remove", "") != "yes"
        ]
        for kind, rows in numbers.items()
    }


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=False, sort_keys=True).encode()).hexdigest()[:10]


def _member(members: Any, value: str) -> Any:
    try:
        return members(value)
    except ValueError:
        return None


def _day(value: str) -> date | None:
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


def _shown_variant(row: Mapping[str, Any], own: Language) -> Variant:
    when = row["when"]
    return Variant(
        tuple(status for value in when.get("status", []) if (status := _member(Status, value))),
        tuple(age for value in when.get("age", []) if (age := _member(Age, value))),
        row["short"] or "–",
        {Language(language): words for language, words in row.get("translations", {}).items() if language != own.value},
    )

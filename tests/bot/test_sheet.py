"""The editor's form holds an article without loss, and only what a writer changed counts as changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict

from bot.desk import sheet
from helpline.content import content_folder, load_yaml, node_of
from helpline.messages import Country, Language
from knowledge.articles import Article, Kind, article_of

SHIPPED = sorted((content_folder() / "articles").rglob("*.yaml"))


def browser(shape: dict[str, Any], **typed: str) -> MultiDict[str]:
    """What a browser sends for a form that shows this shape."""
    form: MultiDict[str] = MultiDict()
    for key in ("topic", "title", "short", "cite", "owner", "kind", "language", "confidence", "details"):
        form.add(key, shape[key].replace("\n", "\r\n"))
    for key in ("reviewed_on", "review_by"):
        form.add(key, shape[key])
    for key in ("suggest_human", "urgent"):
        if shape[key]:
            form.add(key, "yes")
    for key in ("do_now", "avoid", "say", "facts"):
        form.add(key, "\r\n".join(shape[key]))
    form.add("needs.order", ",".join(shape["needs"]))
    for need in sorted(shape["needs"]):
        form.add("needs", need)
    for language in Language:
        form.add(f"questions.{language}", "\r\n".join(shape["questions"].get(language, [])))
        for part in ("title", "short"):
            form.add(f"translations.{language}.{part}", shape["translations"].get(language, {}).get(part, ""))
    for place, row in enumerate([*shape["variants"], {"when": {}, "short": ""}]):
        for name in ("status", "age"):
            for value in row["when"].get(name, []):
                form.add(f"variants.{place}.{name}", value)
        form.add(f"variants.{place}.short", row["short"])
        for language in Language:
            form.add(f"variants.{place}.{language}", row.get("translations", {}).get(language, ""))
    for place, row in enumerate([*shape["law_refs"], {"ref": "", "text_read": False}]):
        form.add(f"law_refs.{place}.ref", row["ref"])
        if row["text_read"]:
            form.add(f"law_refs.{place}.text_read", "yes")
    for place, row in enumerate([*shape["sources"], {"title": "", "date_seen": ""}]):
        for name in ("title", "url", "date_seen"):
            form.add(f"sources.{place}.{name}", row.get(name, ""))
    form.add("was", json.dumps(sheet.digests(shape)))
    for name, value in typed.items():
        form[name.replace("__", ".")] = value
    return form


def body_of(path: Path) -> dict[str, Any]:
    body: dict[str, Any] = load_yaml(path).plain()
    return body


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_article_passes_through_the_form_without_loss(path: Path) -> None:
    body = body_of(path)
    shape = sheet.shaped(body)
    form = browser(shape)
    assert sheet.read(form) == shape
    assert sheet.changed(sheet.read(form), sheet.was_of(form)) == {}
    assert article_of(node_of({**body, **shape}, file="form")) == article_of(load_yaml(path))


def test_only_what_was_typed_is_saved() -> None:
    form = browser(sheet.shaped(body_of(SHIPPED[0])), short="  Ring  politiet. ", questions__en="one\r\n\r\ntwo")
    fields = sheet.changed(sheet.read(form), sheet.was_of(form))
    assert set(fields) == {"short", "questions"}
    assert fields["short"] == "Ring politiet."
    assert fields["questions"]["en"] == ["one", "two"]


def test_rows_are_added_removed_and_keep_their_order() -> None:
    shape = sheet.shaped(
        {"law_refs": [{"ref": "strl. § 257", "text_read": True}, {"ref": "hpl. § 31", "text_read": False}]}
    )
    form = browser(shape, law_refs__0__remove="yes", law_refs__12__ref="strl. § 196", law_refs__12__text_read="yes")
    assert sheet.read(form)["law_refs"] == [
        {"ref": "hpl. § 31", "text_read": False},
        {"ref": "strl. § 196", "text_read": True},
    ]


def test_what_is_ticked_anew_comes_behind_what_stood_there() -> None:
    form = browser(sheet.shaped({"needs": ["legal", "health"]}))
    form.add("needs", "child")
    assert sheet.read(form)["needs"] == ["legal", "health", "child"]


def test_a_page_that_lost_its_hashes_saves_everything_rather_than_nothing() -> None:
    shape = sheet.shaped(body_of(SHIPPED[0]))
    form = browser(shape, was="{")
    assert sheet.changed(sheet.read(form), sheet.was_of(form)) == shape


anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sheet.KEYS), anything))
def test_whatever_a_body_holds_can_be_shown_and_previewed(body: dict[str, Any]) -> None:
    shape = sheet.shaped(body)
    assert sheet.shaped(shape) == shape
    article = sheet.showable(body, "x", Country.NO, revision=3)
    assert isinstance(article, Article)
    assert article.kind is not Kind.FOREIGN or shape["kind"] == "foreign"
    assert sheet.read(browser(shape)) == shape

"""Content files are read strictly, and a complaint names file and line."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from pathlib import Path

import pytest

from helpline.content import ContentError, content_folder, load_yaml, node_of, read_yaml


class Kind(StrEnum):
    RIGHTS = "rights"
    SAFETY = "safety"


GOOD = """\
id: naar-er-det-grov
country: NO
code: 0150
kind: rights
waits: 5
share: 0.25
urgent: false
reviewed_on: 2026-11-22
questions:
  nb: [hva nå, ja]
  nn:
    - kva no
short: >-
  Ring 112
  først.
"""


def test_the_reader_decides_what_a_value_is() -> None:
    fields = read_yaml(GOOD, file="x.yaml").mapping(
        required={"id", "country", "code", "kind", "waits", "share", "urgent", "reviewed_on", "questions", "short"},
        optional={"brief", "tags", "limit"},
    )
    assert fields["country"].text() == "NO"
    assert fields["code"].text() == "0150"
    assert fields["kind"].one_of(Kind) is Kind.RIGHTS
    assert fields["kind"].one_of({"rights", "other"}) == "rights"
    assert fields["waits"].integer(minimum=1) == 5
    assert fields["waits"].number() == 5.0
    assert fields["share"].number() == 0.25
    assert fields["urgent"].flag() is False
    assert fields["reviewed_on"].date() == date(2026, 11, 22)
    assert {language: node.texts() for language, node in fields["questions"].entries().items()} == {
        "nb": ("hva nå", "ja"),
        "nn": ("kva no",),
    }
    assert fields["short"].text() == "Ring 112 først."
    assert fields["short"].line == 13
    assert "brief" not in fields
    assert fields.get("brief") is None
    assert fields["brief"].text(default="") == ""
    assert fields["tags"].texts(default=()) == ()
    assert fields["limit"].integer(default=3) == 3
    assert read_yaml(GOOD, file="x.yaml").plain()["waits"] == 5


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("a: 1\ntitel: x\n", 'x.yaml:2: The key "titel" is unknown. Did you mean "title"?'),
        ("a: 1\nzzz: x\n", 'x.yaml:2: The key "zzz" is unknown. Known here: '),
        ("b: 1\n", 'x.yaml:1: The keys "a", "title" are missing.'),
        ("a: 1\na: 2\n", 'x.yaml:2: The key "a" stands here twice (also on line 1).'),
        ("- a\n", "x.yaml:1: The file must hold keys and values; a list stands there."),
        ("a: &x 1\ntitle: *x\n", "An alias (*) is used"),
        ("a: [1\n", "This is not valid YAML"),
        ("a: 1\n---\nb: 1\n", "This is not valid YAML"),
        ("? [a]\n: 1\n", "x.yaml:1: A key must be a single word or phrase."),
        ("", "x.yaml:1: The file is empty."),
    ],
)
def test_a_broken_file_is_refused_with_its_line(source: str, message: str) -> None:
    with pytest.raises(ContentError) as caught:
        read_yaml(source, file="x.yaml").mapping(required=("a", "title"), optional=("b",))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("value", "read", "message"),
    [
        ("[a]", "text", '"v" must be text; a list stands there.'),
        ("", "text", '"v" is empty; text belongs there.'),
        ("'  '", "text", '"v" is empty.'),
        ("'5'", "integer", "must be a whole number"),
        ("007", "integer", "must be a whole number"),
        ("1:30", "integer", "must be a whole number"),
        ("five", "number", '"v" must be a number, without quotation marks; "five" stands there.'),
        (".nan", "number", "must be a number"),
        ("yes", "flag", '"v" must be true or false; "yes" stands there.'),
        ("2026-13-01", "date", '"v" is no day of the calendar.'),
        ("22.11.2026", "date", "must be a date"),
        ("{a: 1}", "items", '"v" must be a list; keys and values stands there.'),
        ("[a, [b]]", "texts", '"v" must be text; a list stands there.'),
        ("[a]", "entries", "must hold keys and values"),
    ],
)
def test_a_value_of_another_kind_is_refused(value: str, read: str, message: str) -> None:
    node = read_yaml(f"\nv: {value}\n", file="x.yaml").entries()["v"]
    with pytest.raises(ContentError) as caught:
        getattr(node, read)()
    assert str(caught.value).startswith("x.yaml:2: ")
    assert message in str(caught.value)


def test_a_word_outside_the_set_is_refused_with_the_nearest() -> None:
    node = read_yaml("v: right\nw: [safety, safety]\n", file="x.yaml").entries()
    with pytest.raises(ContentError, match=r'"v" cannot be "right"\. Did you mean "rights"\?'):
        node["v"].one_of(Kind)
    with pytest.raises(ContentError, match="listed twice"):
        node["w"].some_of(Kind)


def test_limits_are_kept() -> None:
    node = read_yaml("v: 0\nw: abc\nx: []\n", file="x.yaml").entries()
    with pytest.raises(ContentError, match="at least 1"):
        node["v"].integer(minimum=1)
    with pytest.raises(ContentError, match="at most -1"):
        node["v"].number(maximum=-1)
    with pytest.raises(ContentError, match="3 characters; at most 2"):
        node["w"].text(longest=2)
    with pytest.raises(ContentError, match="at least 1 item"):
        node["x"].items(at_least=1)


def test_a_line_of_json_gets_the_same_reading() -> None:
    fields = node_of({"id": "a", "n": 3, "on": True, "none": None}, file="x.jsonl", line=7).entries()
    assert fields["id"].text() == "a"
    assert fields["n"].integer() == 3
    assert fields["on"].flag() is True
    with pytest.raises(ContentError, match=r'x.jsonl:7: "n" must be text; "3" stands there'):
        fields["n"].text()
    with pytest.raises(ContentError, match=r'x.jsonl:7: "none" is empty'):
        fields["none"].text()


def test_a_file_that_is_missing_or_not_utf8_is_named(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match="cannot be read"):
        load_yaml(tmp_path / "none.yaml")
    bad = tmp_path / "bad.yaml"
    bad.write_bytes("a: 1\nb: blåbær\n".encode("latin-1"))
    with pytest.raises(ContentError, match=r"bad.yaml:2: The file must be saved as UTF-8"):
        load_yaml(bad)


def test_the_content_folder_is_the_repositorys_or_the_one_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VARDE_CONTENT_DIR", raising=False)
    assert (content_folder() / "articles").is_dir()
    folder = tmp_path / "content"
    folder.mkdir()
    (folder / "a.yaml").write_text("x: [", encoding="utf-8")
    monkeypatch.setenv("VARDE_CONTENT_DIR", str(folder))
    assert content_folder() == folder
    with pytest.raises(ContentError, match=r"^content/a\.yaml:"):
        load_yaml(folder / "a.yaml")
    monkeypatch.setenv("VARDE_CONTENT_DIR", str(tmp_path / "none"))
    with pytest.raises(ContentError, match="not there"):
        content_folder()

"""What people wrote is shown as text and nothing else; our own words get links, lists and a line for the source."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from bot.render import Pages
from helpline.content import content_folder
from helpline.messages import Language
from helpline.phrases import Phrases
from helpline.sessions import KEPT_TEXT
from helpline.static_files import StaticFiles
from helpline.web import LANGUAGE

PHRASES = Phrases.load(content_folder() / "phrases")
STATIC = StaticFiles(Path(__file__).parents[2] / "bot" / "static")
PAGES = Pages(PHRASES, STATIC)


def shown(text: str) -> list[tuple[str, list[str]]]:
    return [(block.kind, [str(line) for line in block.lines]) for block in PAGES.own_words(text)]


def test_paragraphs_lists_and_lines() -> None:
    assert shown("Ja.\nMen.\n\n\nGjør nå:\n- først\n- så\nEtterpå") == [
        ("text", ["Ja.", "Men."]),
        ("text", ["Gjør nå:"]),
        ("list", ["først", "så"]),
        ("text", ["Etterpå"]),
    ]


@pytest.mark.parametrize("language", Language)
def test_the_source_line_of_an_answer_is_set_apart(language: Language) -> None:
    source = PHRASES.say(
        "answer.source", language, cite="Straffeloven § 196", country="Norge", revision=3, date="22.11.2026"
    )
    confidence = PHRASES.say("answer.confidence.verified", language)
    assert shown(f"Ja.\n\n{confidence} {source}") == [("text", ["Ja."]), ("source", [f"{confidence} {source}"])]


@pytest.mark.parametrize(
    ("text", "address", "shown_as"),
    [
        (
            "se https://lovdata.no/lov/2005-05-20-28/§196.",
            "https://lovdata.no/lov/2005-05-20-28/§196",
            "lovdata.no</a>.",
        ),
        ("(http://www.example.no/a?b=1&c=2)", "http://www.example.no/a?b=1&amp;c=2", "example.no</a>)"),
    ],
)
def test_an_address_in_our_own_words_is_a_safe_link(text: str, address: str, shown_as: str) -> None:
    line = shown(text)[0][1][0]
    assert f'<a href="{address}" target="_blank" rel="noreferrer noopener">{shown_as}' in line


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("ROSA hjelpetelefon: 22 33 11 60 (åpent hele døgnet)", [("22331160", "22 33 11 60")]),
        ("Nasjonal veiledning: 466 15 000.", [("46615000", "466 15 000")]),
        ("ring 113 eller legevakt 116 117", [("116117", "116 117")]),
        ("020-390 000 eller 08-123 627 00", [("020390000", "020-390 000"), ("0812362700", "08-123 627 00")]),
        ("§ 257, 22.11.2026 kl. 20:38, 2021-2023", []),
        ("LOV-1999-07-02-64 § 32; se https://eksempel.no/22 33 11 6", []),
        ("<22 33 11 60>", [("22331160", "22 33 11 60")]),
    ],
)
def test_telephone_numbers_are_links_to_call(text: str, numbers: list[tuple[str, str]]) -> None:
    [(_, [line])] = shown(text)
    assert re.findall(r'<a href="tel:(\d+)">([^<]+)</a>', line) == numbers
    assert "<22" not in line


def test_what_somebody_wrote_is_nobody_to_call() -> None:
    assert "tel:" not in str(PAGES.their_words("ring meg på 22 33 11 60"))


@pytest.mark.parametrize("text", ["javascript:alert(1)", "data:text/html,x", 'https://a.no/"onclick="x', "ftp://a.no"])
def test_nothing_but_web_addresses_becomes_a_link(text: str) -> None:
    line = shown(text)[0][1][0]
    assert "javascript" not in line or "<a" not in line
    assert 'onclick="' not in line


def test_what_others_wrote_never_becomes_a_link() -> None:
    blocks = PAGES.their_words("https://evil.example/<b>\n- ikke en liste")
    assert [block.kind for block in blocks] == ["text"]
    assert str(blocks[0].lines[0]) == "https://evil.example/&lt;b&gt;"


def test_marks_that_turn_a_line_around_are_gone() -> None:
    assert str(PAGES.their_words("a\u202eb\u2066c")[0].lines[0]) == "abc"


@given(st.text(alphabet=st.sampled_from("<>&\"'-https:/. \n\r\u202eaæ"), max_size=80))
def test_no_words_escape_their_text(text: str) -> None:
    for blocks in (PAGES.own_words(text), PAGES.their_words(text)):
        for block in blocks:
            for line in block.lines:
                without_links = str(line).replace("</a>", "").split("<a href=")
                assert "<" not in without_links[0]
                assert str(line).count("<") == 2 * str(line).count("<a href=")


def test_a_page_with_something_missing_is_not_shown() -> None:
    with pytest.raises(UndefinedError):
        PAGES.render("error.html", Language.NB, said="x")


@pytest.mark.parametrize("language", Language)
def test_the_error_page_gives_back_what_was_written(language: Language) -> None:
    request = make_mocked_request("POST", "/desk/x")
    request[LANGUAGE] = language
    request[KEPT_TEXT] = "<mine> ord"
    response = PAGES.error(request, 401, "sagt")
    assert response.status == 401
    assert response.text is not None
    assert "&lt;mine&gt; ord</textarea>" in response.text
    assert f'lang="{language.value}"' in response.text
    assert 'href="/desk/"' in response.text


def test_every_template_names_no_script_or_style_of_its_own() -> None:
    """The content security policy would silence them, and nobody would notice but the reader."""
    for template in (Path(__file__).parents[2] / "bot" / "pages").glob("*.html"):
        text = template.read_text(encoding="utf-8")
        assert "<style" not in text, template.name
        assert " style=" not in text, template.name
        assert "onclick" not in text, template.name
        for script in text.split("<script")[1:]:
            assert script.startswith(' type="module" src="{{ static('), template.name

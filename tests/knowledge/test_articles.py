"""Articles are read strictly, from both forms, and written back without loss."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpline.content import ContentError, content_folder
from helpline.messages import Country, Language
from helpline.segments import outside_gsm7, segments
from knowledge.articles import (
    Age,
    Article,
    Status,
    Variant,
    Wording,
    body_of,
    export_folder,
    export_lines,
    fingerprint,
    load_articles,
    read_article,
    to_json_line,
    to_yaml,
)
from tests.knowledge.builders import an_article

SHIPPED = load_articles(content_folder() / "articles")
VARIANT = Variant((Status.UNDOCUMENTED, Status.TOURIST), (Age.MINOR,), "Barn får tolk.", {Language.EN: "Children do."})


def write(folder: Path, text: str, name: str = "tolk-rett.yaml") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder


# --- the shipped articles ---------------------------------------------------------------------------------------------


def test_enough_articles_ship() -> None:
    assert sum(article.country is Country.NO for article in SHIPPED) >= 40
    assert sum(article.country is Country.SE for article in SHIPPED) >= 20


@pytest.mark.parametrize("article", SHIPPED, ids=lambda article: article.id)
def test_a_shipped_article_is_whole(article: Article) -> None:
    assert len(article.questions) >= 10
    assert {wording.language for wording in article.questions} >= {article.language, Language.EN}
    assert Language.EN in article.translations
    assert article.country is Country.SE or Language.NN in article.translations
    answers = [article.short, *(variant.short for variant in article.variants)]
    answers += [translated.short for translated in article.translations.values()]
    for answer in answers:
        assert not outside_gsm7(answer)
        assert segments(answer).units <= 220
    assert article.sources
    assert article.do_now


@pytest.mark.parametrize("article", SHIPPED, ids=lambda article: article.id)
def test_a_shipped_article_is_written_back_without_loss(article: Article) -> None:
    assert read_article(to_yaml(article), file="again.yaml") == article


# --- reading ----------------------------------------------------------------------------------------------------------


def test_the_order_of_files_does_not_matter(tmp_path: Path) -> None:
    articles = [an_article(id=f"a-{number}", questions=[f"ordlyd {number}"]) for number in range(5)]
    export_folder(articles, tmp_path / "one")
    export_folder(reversed(articles), tmp_path / "two")
    assert load_articles(tmp_path / "one") == load_articles(tmp_path / "two")


@pytest.mark.parametrize(
    ("written", "instead", "complaint"),
    [
        ("topic:", "topik:", r"tolk-rett\.yaml:4: The key \"topik\" is unknown\. Did you mean \"topic\"\?"),
        ("country: 'NO'", "country: NOR", r"tolk-rett\.yaml:2: \"country\" cannot be \"NOR\""),
        ("kind: rights", "kind: foreign", r"tolk-rett\.yaml:5: \"kind\" must be rights, safety or practical"),
        ("urgent: false", "urgent: nei", r"\"urgent\" must be true or false"),
        ("reviewed_on: 2026-11-22", "reviewed_on: 22.11.2026", r"\"reviewed_on\" must be a date"),
        ("review_by: 2027-05-22", "review_by: 2026-05-22", r"\"review_by\" must be later"),
        ("id: tolk-rett", "id: Tolk rett", r"tolk-rett\.yaml:1: \"id\" may hold small letters"),
        ("id: tolk-rett", "id: tolk-feil", r"The file is named \"tolk-rett\" but the article \"tolk-feil\""),
        ("- interpreter", "- An Interpreter", r"is no need"),
        ("  nb:\n", "  fi:\n", r"\"fi\" is no language of the line"),
        ("- trenger tolk nå", "- trenger tolk nå\n    - Trenger tolk, nå!", r"stands in the article twice"),
        ("Ja. Bruk", "Ja – bruk", r"\"short\" has signs that SMS cannot carry at full length: \"–\""),
        ("Ja. Bruk", "Ja. " + "x" * 200, r"\"short\" takes \d+ characters of an SMS; at most 220 fit"),
        ("  en:\n    title:", "  nb:\n    title:", r"The article is itself in \"nb\""),
        ("text_read: true", "text_read: yes", r"\"text_read\" must be true or false"),
        ("owner: redaksjonen\n", "", r"The key \"owner\" is missing"),
    ],
)
def test_what_an_editor_got_wrong_is_named_with_file_and_line(
    tmp_path: Path, written: str, instead: str, complaint: str
) -> None:
    text = to_yaml(an_article())
    assert written in text
    with pytest.raises(ContentError, match=complaint):
        load_articles(write(tmp_path / "no", text.replace(written, instead, 1)))


def test_a_wording_leads_to_one_article_only(tmp_path: Path) -> None:
    export_folder([an_article(id="en", questions=["hvem betaler tolken?"])], tmp_path)
    export_folder([an_article(id="to", questions=["Hvem betaler tolken"])], tmp_path)
    with pytest.raises(ContentError, match=r'to\.yaml:\d+: This wording also stands in "en"'):
        load_articles(tmp_path)


def test_the_same_wording_may_stand_in_both_countries(tmp_path: Path) -> None:
    english = (Wording(Language.EN, "who pays for the interpreter"),)
    export_folder([an_article(id="en"), an_article(id="se-en", country="SE")], tmp_path)
    export_folder([replace(article, questions=english) for article in load_articles(tmp_path)], tmp_path)
    assert len(load_articles(tmp_path)) == 2


def test_an_id_stands_once(tmp_path: Path) -> None:
    export_folder([an_article()], tmp_path)
    write(tmp_path / "se", to_yaml(an_article()))
    with pytest.raises(ContentError, match=r'The article "tolk-rett" also stands in .*no/tolk-rett\.yaml'):
        load_articles(tmp_path)


def test_an_empty_folder_is_said_to_be_empty(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match="holds no article"):
        load_articles(tmp_path)


def test_variants_are_read_with_their_facets(tmp_path: Path) -> None:
    export_folder([an_article(variants=(VARIANT,))], tmp_path)
    (article,) = load_articles(tmp_path)
    assert article.variants == (VARIANT,)


def test_a_variant_for_everybody_is_refused(tmp_path: Path) -> None:
    text = to_yaml(an_article(variants=(Variant((), (Age.MINOR,), "Barn får tolk."),)))
    named = "when:\n      age:\n        - minor\n"
    assert named in text
    with pytest.raises(ContentError, match=r'"when" must name a status or an age'):
        load_articles(write(tmp_path, text.replace(named, "when: {}\n")))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text(min_size=1, max_size=200).map(str.strip).filter(bool), min_size=1, max_size=4),
    st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1).filter(str.strip),
)
def test_whatever_an_editor_writes_comes_back(steps: list[str], title: str) -> None:
    def clean(text: str) -> str:
        return unicodedata.normalize("NFC", "".join(mark for mark in text if mark.isprintable()).strip()) or "x"

    article = an_article(title=clean(title)[:100].strip() or "x", do_now=tuple(clean(step) for step in steps))
    assert read_article(to_yaml(article), file="again.yaml") == article


def test_the_fingerprint_follows_the_words_and_not_the_revision() -> None:
    article = an_article()
    assert fingerprint(article) == fingerprint(replace(article, revision=7))
    assert fingerprint(article) != fingerprint(replace(article, title="Noe annet"))


# --- the foreign form -------------------------------------------------------------------------------------------------


def lines(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return path


GOOD = {"id": "a", "language": "sv", "title": "Tolk", "questions": ["vem betalar"], "answer": "Regionen."}


def test_a_foreign_file_is_read_and_named_by_no_country_is_found_everywhere(tmp_path: Path) -> None:
    (article,) = load_articles(lines(tmp_path / "f.jsonl", GOOD))
    assert (article.short, article.everywhere, article.language) == ("Regionen.", True, Language.SV)


def test_a_foreign_country_is_kept(tmp_path: Path) -> None:
    (article,) = load_articles(lines(tmp_path / "f.jsonl", {**GOOD, "country": "NO"}))
    assert (article.country, article.everywhere) == (Country.NO, False)


@pytest.mark.parametrize("change", [{"title": ""}, {"questions": []}, {"answer": ""}, {"id": 7}, {"topic": "extra"}])
def test_a_foreign_article_may_lack_a_part(tmp_path: Path, change: dict[str, object]) -> None:
    assert len(load_articles(lines(tmp_path / "f.jsonl", {**GOOD, **change}))) == 1


def test_every_bad_line_is_named(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "f.jsonl",
        GOOD,
        "{not json",
        "",
        {**GOOD, "id": "b", "language": "fi"},
        {"id": "c", "language": "nb", "title": "T", "answer": "A"},
        GOOD,
        {"id": "d", "language": "nb", "title": "", "questions": [], "answer": ""},
        "[1]",
    )
    with pytest.raises(ContentError) as caught:
        load_articles(path)
    named = [line.split("f.jsonl:")[1].split(":")[0] for line in str(caught.value).splitlines()]
    assert named == ["2", "4", "5", "6", "7", "8"]
    assert "not valid JSON" in str(caught.value)


def test_a_hundred_bad_lines_are_counted_not_listed(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match="and 80 lines more"):
        load_articles(lines(tmp_path / "f.jsonl", *["x"] * 100))


def test_lines_are_written_and_read_back(tmp_path: Path) -> None:
    first = load_articles(lines(tmp_path / "f.jsonl", GOOD, {**GOOD, "id": "b", "country": "NO"}))
    export_lines(first, tmp_path / "again.jsonl")
    assert load_articles(tmp_path / "again.jsonl") == first


def test_our_own_articles_go_out_as_lines() -> None:
    line = json.loads(to_json_line(an_article()))
    assert set(line) == {"id", "language", "country", "title", "questions", "answer"}
    assert line["answer"].startswith("Ja. Bruk kvalifisert tolk")


def test_lines_of_ours_hold_everything_and_are_read_as_strictly_as_files(tmp_path: Path) -> None:
    articles = load_articles(content_folder() / "articles")
    path = tmp_path / "ours.jsonl"
    assert export_lines(articles, path) == len(articles)
    assert load_articles(path) == articles
    wrong = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[:2]]
    del wrong[0]["sources"]
    wrong[1]["shrt"] = wrong[1].pop("short")
    with pytest.raises(ContentError, match=r"(?s)ours.jsonl:1: .*sources.*ours.jsonl:2: .*shrt"):
        load_articles(lines(path, *wrong))


@pytest.mark.parametrize("sign", ["\\ud800", "\\uDFFF", "\\u0000"])
def test_signs_that_no_database_keeps_are_named_by_line(tmp_path: Path, sign: str) -> None:
    whole = json.dumps(GOOD | {"title": "To\U0001f642lk"})  # written in two halves, and whole
    path = tmp_path / "f.jsonl"
    path.write_text(whole + "\n" + json.dumps(GOOD | {"id": "b", "title": "T"}).replace('"T"', f'"T{sign}"'))
    with pytest.raises(ContentError, match=r"f\.jsonl:2: .*no database keeps"):
        load_articles(path)


def test_a_wording_leads_to_one_article_in_lines_too(tmp_path: Path) -> None:
    both = [body_of(an_article()), body_of(an_article("annen"))]
    with pytest.raises(ContentError, match=r"f.jsonl:2: This wording also stands in .tolk-rett"):
        load_articles(lines(tmp_path / "f.jsonl", *both))


def test_ours_and_foreign_lines_may_stand_in_one_file(tmp_path: Path) -> None:
    found = load_articles(lines(tmp_path / "f.jsonl", body_of(an_article()), GOOD))
    assert an_article() in found
    assert len(found) == 2


def test_five_thousand_lines_load_at_once(tmp_path: Path) -> None:
    rows = [{**GOOD, "id": f"a{number}", "questions": [f"fråga {number}"] * 10} for number in range(5000)]
    assert len(load_articles(lines(tmp_path / "f.jsonl", *rows))) == 5000

"""Finding the right article, whatever the words look like, and knowing when there is none."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpline.messages import Country, Language
from knowledge import search, sections
from knowledge.articles import Article, Kind, Wording
from knowledge.confidence import Band
from knowledge.indexing import digest_of
from knowledge.rehearsing import rounds_of
from knowledge.search import Asker, Found, Index, best_of
from knowledge.shelves import Shelves, Tools
from knowledge.terms import Termer, words_in
from tests.knowledge.builders import an_article
from tests.knowledge.wrong_letters import wrong_letters

NO, SE = Country.NO, Country.SE


def plain(id: str, title: str, *questions: str, answer: str = "", country: str = "NO", **changes: object) -> Article:
    article = an_article(id=id, country=country, title=title, short=answer or title, details="", translations={})
    own = article.language
    return replace(article, questions=tuple(Wording(own, text) for text in questions), do_now=(), **changes)  # type: ignore[arg-type]


ARTICLES = (
    plain("tolk", "Må vi bruke tolk?", "hun snakker ikke norsk", "kan søsteren oversette", "tolk på natta"),
    plain("barnevern", "Melde til barnevernet", "jenta er femten og blir solgt", "må jeg sende bekymringsmelding"),
    plain("betaling", "Hvem betaler?", "pasienten har ikke penger", "regning til papirløs", "hvem tar kostnaden"),
    plain("politi", "Når kan vi ringe politiet?", "politiet spør etter pasienten", "kan jeg varsle politiet"),
    plain("se-tolk", "Måste vi använda tolk?", "hon talar inte svenska", "hvem skaffer tolk i Sverige", country="SE"),
    plain("se-betalning", "Vem betalar?", "patienten har inga pengar", "räkning till papperslös", country="SE"),
)


@pytest.fixture(scope="module")
def index(tools: Tools) -> Index:
    return Index.build(ARTICLES, tools.vectors, synonyms=tools.synonyms, jurisdiction=tools.jurisdiction)


def first(index: Index, text: str, country: Country | None = NO) -> str:
    return index.search(text, country=country).candidates[0].article_id


# --- finding --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("trenger pasienten tolk", "tolk"),
        ("må vi ha tålk", "tolk"),
        ("nattolk", "tolk"),  # compound
        ("bekymrings melding", "barnevern"),  # compound split
        ("bekymringsmeldingskjema", "barnevern"),
        ("plitiet spør ettr pasientn", "politi"),
        ("æ lure på kæm som betale", "betaling"),
        ("kven betalar", "betaling"),
        ("who pays the bill", "betaling"),
        ("do we have to use an interpreter", "tolk"),
        ("HVEM BETALER???", "betaling"),
        ("hvem\u200f be\u00adtaler\u202e", "betaling"),  # marks of writing direction, soft hyphen
        ("<b>hvem</b> *betaler*", "betaling"),
        ("qwertz hvem betaler zxcvb", "betaling"),  # words nobody knows
    ],
)
def test_the_right_article_comes_first(index: Index, text: str, found: str) -> None:
    assert first(index, text) == found


@pytest.mark.parametrize(
    ("text", "country", "found"),
    [
        ("vem betalar räkningen", NO, "betaling"),  # Swedish on the Norwegian line: Norwegian law
        ("hvem betaler regningen", SE, "se-betalning"),
        ("hvem skaffer tolk i Sverige", NO, "se-tolk"),
        ("hvem betaler i Sverige", NO, "se-betalning"),
        ("vad gäller för tolk i Norge", SE, "tolk"),
        ("hun kom fra Sverige, hvem betaler", NO, "betaling"),
    ],
)
def test_the_law_is_that_of_the_line_unless_another_is_asked_about(
    index: Index, text: str, country: Country, found: str
) -> None:
    assert first(index, text, country) == found


def test_an_article_of_another_country_is_not_even_offered(index: Index) -> None:
    found = index.search("tolk", country=NO)
    assert {candidate.article_id for candidate in found.candidates} == {"tolk", "barnevern", "betaling", "politi"}


def test_without_a_country_the_language_decides(index: Index) -> None:
    assert index.search("tolk", language=Language.SV).countries == (SE,)
    assert index.search("tolk", language=Language.NN).countries == (NO,)
    assert index.search("tolk").countries == (NO, SE)


@pytest.mark.parametrize("text", ["", "   ", "🙂🙂", "\u200f\u202e", "!!! ???", "[navn]"])
def test_where_nothing_is_asked_nothing_is_found(index: Index, text: str) -> None:
    assert index.search(text, country=NO) == Found((), Band.NONE, 0.0, 0, (NO,))


def test_a_hundred_thousand_characters_are_read_to_the_first_words(index: Index) -> None:
    begins = "hvem betaler regningen " * 50
    assert len(index.question("hvem betaler " * 8_000).words) == 150
    assert index.search(begins + "tolk " * 20_000, country=NO) == index.search(begins + "x " * 20_000, country=NO)


def test_words_nobody_knows_find_nothing_certain(index: Index) -> None:
    found = index.search("qwertz zxcvb plgrm", country=NO)
    assert found.band is Band.NONE
    assert found.confidence < 0.2


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_met(index: Index, text: str) -> None:
    found = index.search(text, country=NO)
    assert 0 <= found.confidence <= 1
    scores = [candidate.score for candidate in found.candidates]
    assert scores == sorted(scores, reverse=True)
    assert all(np.isfinite(scores))


def test_an_index_of_one_article_and_of_none(tools: Tools) -> None:
    one = Index.build(ARTICLES[:1], tools.vectors)
    assert first(one, "tolk") == "tolk"
    assert Index.build((), tools.vectors).search("tolk", country=NO).candidates == ()


def test_a_plain_question_to_small_shelves_is_answered_or_offered(index: Index) -> None:
    assert index.search("må jeg sende bekymringsmelding til barnevernet", country=NO).band is not Band.NONE
    assert index.search("hvordan baker man kanelboller", country=NO).band is not Band.ANSWER


# --- the same index whatever the way --------------------------------------------------------------------------------


def test_the_order_of_articles_does_not_matter(tools: Tools) -> None:
    mixed = list(ARTICLES)
    random.Random(4).shuffle(mixed)
    one, other = Index.build(ARTICLES, tools.vectors), Index.build(mixed, tools.vectors)
    for text in ("hvem betaler", "tolk", "jente på femten", "politi"):
        assert one.search(text, country=NO) == other.search(text, country=NO)
    assert one.digest == other.digest


def test_what_is_saved_is_what_is_loaded(index: Index, tools: Tools, tmp_path: Path) -> None:
    path = tmp_path / "index.npz"
    index.save(path)
    again = Index.load(
        path, digest=index.digest, vectors=tools.vectors, synonyms=tools.synonyms, jurisdiction=tools.jurisdiction
    )
    assert again is not None
    for text in ("hvem betaler", "plitiet", "tolk i Sverige", "", "qwertz", "who pays"):
        assert again.search(text, country=NO) == index.search(text, country=NO)
    assert [path.name for path in tmp_path.iterdir()] == ["index.npz"]


def test_a_stale_index_is_not_taken(index: Index, tools: Tools, tmp_path: Path) -> None:
    index.save(tmp_path / "index.npz")
    changed = (replace(ARTICLES[0], title="Noe annet"), *ARTICLES[1:])
    digest = digest_of(changed, tools.vectors, tools.synonyms)
    assert digest != index.digest
    assert Index.load(tmp_path / "index.npz", digest=digest, vectors=tools.vectors) is None


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 half a file", b"not a file of ours at all"])
def test_a_damaged_index_is_not_taken(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "index.npz"
    assert Index.load(path) is None
    path.write_bytes(damage)
    assert Index.load(path) is None


def test_half_an_index_is_not_taken(index: Index, tmp_path: Path) -> None:
    path = tmp_path / "index.npz"
    index.save(path)
    path.write_bytes(path.read_bytes()[:-2000])
    assert Index.load(path) is None


def test_shelves_keep_their_index_and_make_it_anew_when_it_is_stale(tools: Tools, tmp_path: Path) -> None:
    path = tmp_path / "index.npz"
    made = Shelves.build(ARTICLES, tools, saved=path)
    written = path.read_bytes()
    assert Shelves.build(reversed(ARTICLES), tools, saved=path).index.digest == made.index.digest
    assert path.read_bytes() == written
    changed = (replace(ARTICLES[0], title="Noe annet"), *ARTICLES[1:])
    assert Shelves.build(changed, tools, saved=path).index.digest != made.index.digest
    assert path.read_bytes() != written


def test_shelves_do_without_a_file_that_cannot_be_written(tools: Tools, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    shelves = Shelves.build(ARTICLES, tools, saved=tmp_path / "file" / "index.npz")
    assert shelves.find("tolk", country=NO).candidates


# --- large shelves --------------------------------------------------------------------------------------------------


def test_shortcuts_on_large_shelves_find_the_same(index: Index, tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    """Common terms left for the second look, and vectors of the likeliest only: the first article must stay."""
    texts = ["hvem betaler regningen", "må vi ha tolk", "kan jeg varsle politiet", "who pays the bill"]
    whole = [index.search(text, country=NO) for text in texts]
    monkeypatch.setattr(search, "_POSTINGS", 40)
    monkeypatch.setattr(search, "_ROWS", 2)
    short = [index.search(text, country=NO) for text in texts]
    for one, other in zip(whole, short, strict=True):
        assert one.candidates[0].article_id == other.candidates[0].article_id
        assert other.confidence == pytest.approx(one.confidence, abs=0.02)


def test_the_best_three_of_each_article() -> None:
    cosines = np.array([0.1, 0.9, 0.5, 0.7, 0.3, 0.3, 0.2], dtype=np.float32)
    nearest, near = best_of(cosines, np.array([0, 4, 6]), np.array([4, 2, 1]))
    assert nearest == pytest.approx([0.9, 0.3, 0.2])
    assert near == pytest.approx([0.7, 0.3, 0.2])  # of two alike one is enough


def test_an_articles_own_words_are_answered_by_it(shipped: Shelves) -> None:
    """Typed as they stand, in another order, in capitals, or with a letter wrong in a long word."""
    for text, country, article in (
        ("Hvem betaler når pasienten ikke kan?", NO, "hvem-betaler"),
        ("når pasienten ikke kan, HVEM BETALER", NO, "hvem-betaler"),
        ("Hvem betaler når pasientten ikke kan", NO, "hvem-betaler"),
        ("Vad barnahus är", SE, "se-barnahus"),
    ):
        found = shipped.find(text, country=country)
        assert (found.band, found.candidates[0].article_id) == (Band.ANSWER, article), text


def test_every_title_and_wording_is_answered_straight(shipped: Shelves) -> None:
    asked = sample(shipped) + [(article, article.title) for article in shipped.articles]
    missed = [
        (article.id, text)
        for article, text in asked
        if (found := shipped.find(text, country=article.country)).band is not Band.ANSWER
        or found.candidates[0].article_id != article.id
    ]
    assert missed == []


# --- why ------------------------------------------------------------------------------------------------------------


def test_the_reasons_add_up_to_what_was_found(shipped: Shelves) -> None:
    reasons, nearest = shipped.explain("hvor kan hunn sove i nat", country=NO)
    assert reasons.found == shipped.index.search("hvor kan hunn sove i nat", country=NO, limit=5)
    assert [one.article_id for one in reasons.weighed] == [one.article_id for one in reasons.found.candidates]
    for one in reasons.weighed:
        assert one.total == pytest.approx(one.words + one.meaning + one.reader, abs=1e-4)
        assert sum(share for _, share in one.matched) == pytest.approx(1)
    first = reasons.weighed[0]
    assert first.article_id == "trygt-sted-i-natt"
    assert first.matched[0][0] == "sove"
    assert reasons.weighed[0].total >= reasons.weighed[1].total
    assert nearest is not None
    assert nearest[0] in {wording.text for wording in shipped._by_id[first.article_id].questions}
    assert set(reasons.first_by) == {"words", "meaning", "reader"}


def test_where_nothing_is_found_there_is_no_reason(shipped: Shelves) -> None:
    reasons, nearest = shipped.explain("🙂", country=NO)
    assert (reasons.weighed, nearest) == ((), None)


def test_an_articles_own_words_are_named_as_such(shipped: Shelves) -> None:
    assert shipped.explain("Vad barnahus är", country=SE)[0].worded
    assert not shipped.explain("vad är det för hus", country=SE)[0].worded


# --- the rehearsal --------------------------------------------------------------------------------------------------


def test_what_is_put_aside_is_as_if_it_had_never_been_written(shipped: Shelves, tools: Tools) -> None:
    """A section made without some wordings and articles against one that was really made of the rest."""
    articles = [article for article in shipped.articles if article.country is SE]
    readings = [sections.read(article) for article in articles]
    chatter = [words_in(message) for message in tools.chatter[:9]]
    turn = rounds_of(readings, len(chatter))[0]
    termer = Termer(tools.synonyms)
    bench = sections.Workbench(SE, readings, chatter, termer, tools.vectors, turn.held)
    without = bench.section_without(turn.held, turn.away, turn.unheard)

    left = [
        replace(reading, texts=tuple(t for number, t in enumerate(reading.texts) if (place, number) not in turn.held))
        for place, reading in enumerate(readings)
        if place not in turn.away
    ]
    heard = [words for number, words in enumerate(chatter) if number not in turn.unheard]
    really = sections.Workbench(SE, left, heard, termer, tools.vectors).section
    assert without.ids == really.ids
    assert turn.away
    assert len(turn.held) > 40
    asker = Asker({}, termer, tools.vectors)
    for article, text in turn.held[:10]:
        question = asker.prepared(readings[article].texts[text].words)
        one, other, seen = without.score(question), really.score(question), bench.section.score(question)
        assert one.bag == pytest.approx(other.bag, abs=1e-4)
        assert one.near == pytest.approx(other.near, abs=1e-4)
        # How rare a term is was reckoned over all articles when the reader's texts were written down.
        assert one.learned == pytest.approx(other.learned, abs=0.02)
        place = without.ids.index(readings[article].id)
        assert seen.bag[article] > one.bag[place]
        assert seen.learned[article] > one.learned[place]


def test_every_round_puts_other_wordings_aside(shipped: Shelves) -> None:
    readings = [sections.read(article) for article in shipped.articles]
    rounds = rounds_of(readings, 30)
    held = [place for turn in rounds for place in turn.held]
    assert len(held) == len(set(held))
    for turn in rounds:
        assert not {article for article, _ in turn.held} & set(turn.away)
    assert sorted(number for turn in rounds for number in turn.unheard) == list(range(30))


# --- the shipped shelves --------------------------------------------------------------------------------------------


def sample(shelves: Shelves, size: int = 300) -> list[tuple[Article, str]]:
    wordings = [(article, wording.text) for article in shelves.articles for wording in article.questions]
    return random.Random(7).sample(wordings, size)


def share_first(shelves: Shelves, asked: list[tuple[Article, str]]) -> float:
    found = [shelves.find(text, country=article.country).candidates[0].article_id for article, text in asked]
    return float(np.mean([one == article.id for one, (article, _) in zip(found, asked, strict=True)]))


def test_the_shipped_shelves_find_wordings_they_have_not_seen(shipped: Shelves) -> None:
    rehearsal = shipped.index.rehearsal
    assert rehearsal is not None
    assert rehearsal.first > 0.72
    assert rehearsal.among_three > 0.88
    assert rehearsal.separation > 0.82
    assert rehearsal.coverage > 0.3


def test_one_wrong_letter_in_ten_leaves_most_first(shipped: Shelves) -> None:
    assert share_first(shipped, [(article, wrong_letters(text)) for article, text in sample(shipped)]) > 0.9


def test_split_compounds_leave_nearly_all_first(shipped: Shelves) -> None:
    def split(text: str) -> str:
        return " ".join(
            f"{word[: len(word) // 2]} {word[len(word) // 2 :]}" if len(word) > 9 else word for word in text.split()
        )

    assert share_first(shipped, [(article, split(text)) for article, text in sample(shipped)]) > 0.94


CHATTER = """
hvor ofte skal man snu en sengeliggende pasient
pasienten har diaré og oppkast siden i går
gammel mann med kronisk hoste
hva er forskjellen på type 1 og type 2
kan jeg gi drikke før blodprøven
barnet har spist en knapp
skal jeg ringe legen om blodsukkeret er fire
såret lukter vondt og er gult
når slutter kveldsvakta
jeg finner ikke rullestolen
hun har fått ny hofte, når kan hun gå i trapper
hva betyr det at prøven er grønn
kva slags diett ved nyresvikt
ho har kløe på leggane
patienten har fått ny pacemaker, får han bada
spädbarn skriker hela natten
vilken kanyl till blodprov
jag hittar inte sterila handskar
mannen har svullen fot efter stukning
what do I do about a nosebleed
can she fly after knee surgery
how do I bill for a home visit in the system
my shift ends at ten, who takes over
baby has nappy rash
""".strip().splitlines()


def test_ordinary_ward_life_is_not_taken_for_ours(shipped: Shelves) -> None:
    swedish = ("patienten", "spädbarn", "vilken", "jag", "mannen har svullen")
    bands = {text: shipped.find(text, country=SE if text.startswith(swedish) else NO).band for text in CHATTER}
    assert [text for text, band in bands.items() if band is Band.ANSWER] == []
    assert len([text for text, band in bands.items() if band is Band.SUGGEST]) <= 3, bands


def test_foreign_shelves_are_found_by_every_line(tools: Tools) -> None:
    foreign = [
        Article(
            id=f"f{number}",
            country=NO,
            language=Language.EN,
            title="",
            questions=(Wording(Language.EN, text),),
            short=answer,
            kind=Kind.FOREIGN,
            everywhere=True,
        )
        for number, (text, answer) in enumerate(
            [("how do I open an account", "Visit a branch."), ("my card was stolen", "Block it at once.")]
        )
    ]
    shelves = Shelves.build(foreign, tools)
    for country in Country:
        assert shelves.find("someone stole my card", country=country).candidates[0].article_id == "f1"

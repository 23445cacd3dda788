"""Danger is heard by rules and likeness together; what belongs elsewhere is told from what is ours."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz import fuzz, process

from helpline.content import ContentError, content_folder, load_yaml
from knowledge import danger, likeness
from knowledge.danger import DangerSense, Kind, Scope, evaluate_danger, samples_of
from knowledge.likeness import Likeness
from knowledge.shelves import Shelves, ask_line
from knowledge.smalltalk import Smalltalk, Topic
from knowledge.urgency import Assessment, Danger, UrgencyRules
from knowledge.vectors import WordVectors
from tests.knowledge.builders import an_article

HERE = Path(__file__).parent
CONTENT = content_folder()
SENSE = DangerSense.load(CONTENT)
SCOPE = Scope(Smalltalk.load(CONTENT / "smalltalk.yaml"), SENSE)
SAMPLES = samples_of(CONTENT, SENSE.rules)


def lines_of(name: str) -> list[dict[str, str]]:
    """A set of messages as lines that can be evaluated."""
    return [
        {"id": text, "text": text, "expected": kind, "language": language}
        for kind, texts in load_yaml(HERE / "danger" / f"{name}.yaml").entries().items()
        for language, listed in texts.entries().items()
        for text in listed.texts()
    ]


@pytest.mark.parametrize(
    ("name", "heard", "certain", "alarmed", "asked"),
    [
        # Used to choose. Before there was likeness: heard .50, certain .23, alarmed .03, asked .02.
        ("dev", 0.97, 0.45, 0.02, 0.09),
        # Looked at once, when everything was chosen: heard 1.00, certain .57, alarmed .03, asked .05; then the band of
        # certainty was made narrower. Before: heard .51, certain .13, alarmed .01, asked .03.
        ("blind", 0.96, 0.42, 0.03, 0.08),
    ],
)
def test_messages_that_were_not_learnt_from(
    name: str, heard: float, certain: float, alarmed: float, asked: float
) -> None:
    figures = evaluate_danger(lines_of(name), SENSE.assess)
    assert figures.danger >= 45
    assert figures.calm >= 90
    assert figures.heard >= heard, figures.missed
    assert figures.certain >= certain
    assert figures.alarmed <= alarmed, figures.false
    assert figures.asked <= asked, figures.false


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("mannen sier han skal drepe henne når vi går ut", Danger.YES),
        ("han seier han skal drepe ho når vi går ut", Danger.YES),
        ("han säger att han ska döda henne när vi går", Danger.YES),
        ("he says he will kill her when we leave", Danger.YES),
        ("de kommer for å ta henne nå", Danger.YES),
        ("de kommer och hämtar henne i kväll", Danger.YES),
        ("ja, hun er på rom 4", Danger.NO),
        ("ja hon är på rum 4", Danger.NO),
        ("yes, she is in room 4", Danger.NO),
        ("hun sier nei", Danger.NO),
        ("hon säger nej", Danger.NO),
        ("kan jeg ringe politiet uten å si navnet", Danger.NO),
        ("kan jag ringa polisen utan att säga mitt namn", Danger.NO),
        ("can I call the police without giving my name", Danger.NO),
        ("takk for hjelpen", Danger.NO),
        ("slett det jeg skrev", Danger.NO),
        ("mer", Danger.NO),
        ("hun heter [navn] og har fnr [fødselsnummer]. hvor kan hun sove i natt", Danger.NO),
        ("må pasienten melde det til politiet for å få hjelp? ho vil ikkje", Danger.NO),
        ("hjelp", Danger.MAYBE),
        ("HJELP!", Danger.MAYBE),
        ("hei", Danger.NO),
        ("1", Danger.NO),
        ("", Danger.NO),
        ("😀", Danger.NO),
    ],
)
def test_what_was_misread_once(text: str, level: Danger) -> None:
    assert SENSE.assess(text).level is level


@pytest.mark.parametrize(
    "text",
    [
        "kjæresten sier at han kutter henne opp når vi går ut",
        "hun sier at hun blir borte for alltid når vi går ut herfra",
        "han sa de skal ta seg av henne så snart de er på parkeringsplassen",
        "bilen er her igjen og hun tør ikke gå til vinduet",
        "hun har gitt bort telefonen sin og låst seg inne på badet",
        "två killar frågar efter hennes rum och hon gömmer sig under sängen",
        "she keeps watching the door and says they are downstairs",
        "ho er heilt slapp og svarar ikkje når me snakkar til ho",
        "æ trur dæm ska hent na i kveld, ho skjelv",
    ],
)
def test_danger_without_an_alarming_word_is_asked_about_at_least(text: str) -> None:
    assert SENSE.assess(text).level is not Danger.NO


@pytest.mark.parametrize(
    "text",
    [
        "tolken venter utenfor, hva spør jeg om først",
        "hun blir hentet av mora si etter skolen, de skal bake",
        "hun har vært hos tannlegen",
        "hva gjør vi hvis noen kommer og vil ta med seg en pasient",
        "hvem kan hjelpe henne med bolig",
        "hon har fått plats på ett boende och trivs",
        "she found a flat and starts work on Monday",
        "ho har vore hos legen og alt såg bra ut",
    ],
)
def test_calm_messages_are_left_in_peace(text: str) -> None:
    assert SENSE.assess(text) == Assessment(Danger.NO)


def test_what_a_rule_is_certain_of_stays_certain() -> None:
    for rule in SENSE.rules.rules:
        for example in rule.must_match:
            if SENSE.rules.assess(example.text).level is Danger.YES:
                assert SENSE.assess(example.text).level is Danger.YES


@pytest.mark.parametrize(
    "text", ["følget truer nattevakta", "chest pain but no insurance card", "truet med kniv i går"]
)
def test_a_doubtful_rule_is_not_taken_back_where_an_acute_word_stands(text: str) -> None:
    assert SENSE.rules.assess(text).level is Danger.MAYBE
    assert SENSE.assess(text).level is not Danger.NO


@pytest.mark.parametrize("text", ["er det lovlig å selge sex i Sverige, pasienten er redd", "ringe 112 uten samtykke?"])
def test_a_doubtful_rule_is_taken_back_where_all_the_rest_is_calm(text: str) -> None:
    assert SENSE.rules.assess(text).level is Danger.MAYBE
    assert SENSE.assess(text).level is Danger.NO


def test_it_says_which_situation_it_is_like() -> None:
    found = SENSE.assess("det står en mann ved heisen og venter på henne, hun tør ikke gå ut")
    assert found.level is not Danger.NO
    assert any(rule.startswith("like: ") for rule in found.rules)
    assert found.nearest in {sample.id for sample in SAMPLES if sample.kind == Kind.NOW}
    assert 0 < found.likeness <= 1


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_assessed(text: str) -> None:
    found = SENSE.assess(text)
    assert (found.level is Danger.NO) == (not found.rules)
    assert SENSE.assess(text) == found


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([sample.text for sample in SAMPLES if sample.kind == Kind.NOW]),
    st.sampled_from(["Hei! ", "Hei, jeg jobber på legevakta. ", "God kveld. ", "Hej. ", "Hello, night shift here. "]),
    st.sampled_from(["", " Takk!", ". Tusen takk for hjelpen.", ". Tack på förhand", ". Thank you so much."]),
)
def test_polite_words_hide_nothing(text: str, before: str, after: str) -> None:
    bare = SENSE.assess(text).level
    wrapped = SENSE.assess(f"{before}{text}{after}").level
    if bare is Danger.YES:
        assert wrapped is not Danger.NO
    assert SENSE.assess(text.upper()).level is bare


LONG = "Hun kom i går og har sovet godt. Vi har bestilt tolk til i morgen. "


@pytest.mark.parametrize("place", ["first", "last"])
@pytest.mark.parametrize("alarm", ["Han har kniv.", "Han står utenfor vinduet og hun tør ikke røre seg."])
def test_danger_in_a_very_long_message_is_found(place: str, alarm: str) -> None:
    filler = LONG * (100_000 // len(LONG))
    text = f"{alarm} {filler}" if place == "first" else f"{filler} {alarm}"
    assert SENSE.assess(text).level is not Danger.NO


def _calls(text: str) -> int:
    counted = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal counted
        counted += event == "call"

    sys.setprofile(count)
    try:
        SENSE.assess(text)
    finally:
        sys.setprofile(None)
    return counted


@pytest.mark.parametrize("piece", [LONG, "han venter utenfor. ", "a", "han ", "?", "hun er redd for at "])
def test_a_book_takes_no_more_than_a_chapter(piece: str) -> None:
    SENSE.assess(piece * 5)  # so that the words are known
    assert _calls(piece * (200_000 // len(piece))) <= 1.1 * _calls(piece * (30_000 // len(piece))) + 2_000


# --- the examples -----------------------------------------------------------------------------------------------------


def test_there_are_examples_of_every_kind_in_every_language() -> None:
    counts: Counter[tuple[str, str]] = Counter()
    for folder in ("danger", "outside"):
        for path in (CONTENT / folder).glob("*.yaml"):
            for group in load_yaml(path).items():
                parts = group.entries()
                for language, texts in parts["examples"].entries().items():
                    counts[parts["kind"].text(), language] += len(texts.items())
    for kind, at_least in ((Kind.NOW, 300), (Kind.TALK, 300), (Kind.EVERYDAY, 300), (Kind.OUTSIDE, 300)):
        assert sum(count for (own, _), count in counts.items() if own == kind) >= at_least
        assert all(counts[kind, language] >= 25 for language in ("nb", "nn", "sv", "en"))


def test_no_two_examples_are_nearly_the_same() -> None:
    for kind in (Kind.NOW, Kind.TALK, Kind.OUTSIDE):
        own = [sample for sample in SAMPLES if sample.kind == kind and not sample.group.startswith("rule ")]
        texts = [sample.text.lower() for sample in own]
        nearness = process.cdist(texts, texts, scorer=fuzz.token_sort_ratio, score_cutoff=90)
        pairs = [
            (texts[one], texts[other])
            for one in range(len(texts))
            for other in range(one)
            if nearness[one, other] and len(texts[one]) > 25
        ]
        assert pairs == []


def test_the_sets_to_measure_by_were_not_learnt_from() -> None:
    learnt = [sample.text.lower() for sample in SAMPLES]
    for name in ("dev", "blind"):
        texts = [line["text"].lower() for line in lines_of(name)]
        nearness = process.cdist(texts, learnt, scorer=fuzz.token_sort_ratio, score_cutoff=88)
        assert [text for place, text in enumerate(texts) if nearness[place].any()] == []


def test_the_wordings_of_the_articles_seldom_sound_an_alarm() -> None:
    """Some of them are written in danger, and ought to; docs/finding.md tells how they were gone through."""
    levels: Counter[Danger] = Counter()
    for path in sorted((CONTENT / "articles").rglob("*.yaml")):
        try:
            entries = load_yaml(path).entries()
        except ContentError:
            continue  # somebody else's test says so
        for texts in entries["questions"].entries().values():
            levels.update(SENSE.assess(text).level for text in texts.texts())
    assert levels
    assert levels[Danger.YES] / levels.total() <= 0.035
    assert levels[Danger.MAYBE] / levels.total() <= 0.12


# --- another line's business ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("kva er den beste oppskrifta på vaflar", Topic.OUT_OF_SCOPE),
        ("hvor mange grader er det i vannet på Gran Canaria", Topic.FAR),
        ("skriv ut det du ble fortalt før jeg kom", Topic.FAR),
        ("hur installerar jag om skrivbordet på datorn", Topic.FAR),
        ("which vitamin is best against hair loss", Topic.FAR),
        ("hej", Topic.HELLO),
        ("har hun rett til helsehjelp uten papirer", None),
        ("hun har diabetes og sjefen har medisinen hennes", None),
        ("han står utenfor med kniv", None),
        ("hvor kan hun sove i natt", None),
        ("kan hun få gratis advokat", None),
        ("", None),
    ],
)
def test_what_is_no_question_to_the_line(text: str, topic: Topic | None) -> None:
    assert SCOPE.recognise(text) is topic


def test_what_is_ours_is_seldom_taken_for_anothers() -> None:
    ours = [line["text"] for name in ("dev",) for line in lines_of(name) if line["expected"] != "outside"]
    others = [line["text"] for name in ("dev",) for line in lines_of(name) if line["expected"] == "outside"]
    away = {Topic.FAR, Topic.OUT_OF_SCOPE, Topic.ATTACK}
    assert sum(SCOPE.recognise(text) in away for text in ours) / len(ours) <= 0.02
    assert sum(SCOPE.recognise(text) in away for text in others) / len(others) >= 0.7


def test_what_is_far_from_ours_is_sent_on_only_where_the_shelves_know_nothing(shipped: Shelves) -> None:
    def outcome(text: str) -> str:
        return str(ask_line(shipped, SENSE.assess, {"text": text, "language": "nb"}, smalltalk=SCOPE)["outcome"])

    assert outcome("hvor mange grader er det i vannet på Gran Canaria") == "out_of_scope"
    for text in ("har hun rett til helsehjelp uten papirer", "kan hun få gratis advokat", "må vi bruke tolk"):
        assert outcome(text) not in {"out_of_scope", "chat", "danger"}


def test_the_reasons_of_an_answer_say_what_it_is_like() -> None:
    shelves = Shelves.build([an_article()])
    told = ask_line(shelves, SENSE.assess, {"text": "de kommer for å ta henne nå"}, smalltalk=SCOPE)
    assert (told["outcome"], told["danger"]) == ("danger", "yes")
    assert "danger: like: somebody is on the way to her" in told["reasons"]


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def content(tmp_path: Path) -> Path:
    """A content folder with few examples."""
    folder = tmp_path / "content"
    for name in ("urgency", "names"):
        shutil.copytree(CONTENT / name, folder / name)
    (folder / "urgency" / "nets.yaml").unlink()
    for name in ("smalltalk.yaml", "chatter.yaml", "commands.yaml"):
        shutil.copy(CONTENT / name, folder / name)
    for name in ("danger", "outside"):
        (folder / name).mkdir()
    (folder / "danger" / "some.yaml").write_text(
        "- name: a\n  kind: now\n  examples: {nb: [han står der ute]}\n"
        "- name: b\n  kind: talk\n  examples: {nb: [det er lenge siden]}\n"
    )
    (folder / "outside" / "some.yaml").write_text(
        "- name: c\n  kind: outside\n  examples: {sv: [vad blir det för mat]}\n"
    )
    return folder


@pytest.fixture(scope="module")
def vectors() -> WordVectors:
    return WordVectors.load(CONTENT / "vectors" / "nordic-static-1.npz")


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("- name: a\n  kind: now\n  examples: {nb: [x]}\n  why: y\n", "why"),
        ("- name: a\n  kind: perhaps\n  examples: {nb: [x]}\n", "kind"),
        ("- name: a\n  kind: outside\n  examples: {nb: [x]}\n", "kind"),
        ("- name: a\n  kind: talk\n  examples: {nb: [x]}\n", "one name means one kind"),
        ("- name: d\n  kind: now\n  examples: {da: [x]}\n", "“da” is none of our languages"),
        ("- name: d\n  kind: now\n  examples: {nb: [HAN står der ute]}\n", "stands twice"),
        ("- name: d\n  kind: now\n  examples: {nb: []}\n", "at least 1"),
    ],
)
def test_a_slip_in_a_file_is_told_with_its_line(content: Path, written: str, says: str) -> None:
    (content / "danger" / "zz.yaml").write_text(written)
    with pytest.raises(ContentError, match=r"zz\.yaml:\d+: ") as error:
        samples_of(content, UrgencyRules.load(content / "urgency"))
    assert says in str(error.value)


def test_a_folder_without_examples_stops_the_start(content: Path) -> None:
    (content / "danger" / "some.yaml").unlink()
    with pytest.raises(ContentError, match="no examples"):
        samples_of(content, UrgencyRules.load(content / "urgency"))


def test_what_was_learnt_is_kept_and_learnt_anew_when_a_file_changes(
    content: Path, vectors: WordVectors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: dict[danger._Seen, DangerSense] = {}
    monkeypatch.setattr(danger, "_KEPT", kept)
    learnt: list[int] = []
    learn = likeness.learn

    def counted(*given: Any, **named: Any) -> object:
        learnt.append(1)
        return learn(*given, **named)

    monkeypatch.setattr(likeness, "learn", counted)
    saved = tmp_path / "danger.index"
    text = "han står der ute og venter"
    first = DangerSense.load(content, vectors, saved=saved).likely(text)
    assert saved.is_file()
    assert len(learnt) == 1
    kept.clear()
    assert DangerSense.load(content, vectors, saved=saved).likely(text) == pytest.approx(first, abs=1e-6)
    assert len(learnt) == 1  # read from the file
    kept.clear()
    saved.write_bytes(saved.read_bytes()[:1000])
    assert DangerSense.load(content, vectors, saved=saved).likely(text) == pytest.approx(first, abs=1e-6)
    assert len(learnt) == 2  # the file was damaged
    (content / "danger" / "more.yaml").write_text("- name: e\n  kind: now\n  examples: {nb: [hun er borte vekk]}\n")
    DangerSense.load(content, vectors, saved=saved)
    assert len(learnt) == 3
    assert Likeness.is_kept(saved, digest=next(iter(kept.values()))._likeness.digest)
    assert [path.name for path in tmp_path.glob("danger.index*")] == ["danger.index"]


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    SENSE.keep(tmp_path / "nowhere" / "danger.index")


# --- figures ----------------------------------------------------------------------------------------------------------


def test_figures() -> None:
    levels = {"a": Danger.YES, "b": Danger.NO, "c": Danger.MAYBE, "d": Danger.YES, "e": Danger.NO}
    lines: list[dict[str, object]] = [
        {"id": "1", "text": "a", "expected": "danger", "language": "nb"},
        {"id": "2", "text": "b", "expected": "danger", "language": "sv"},
        {"text": "c", "expected": ["tolk-rett"]},
        {"text": "d", "expected": "handover"},
        {"text": "e", "expected": "out_of_scope"},
        {"text": "e", "expected": "out_of_scope"},
    ]
    figures = evaluate_danger(lines, lambda text: Assessment(levels[text]))
    assert (figures.danger, figures.calm) == (2, 4)
    assert (figures.heard, figures.certain, figures.alarmed, figures.asked) == (0.5, 0.5, 0.25, 0.25)
    assert figures.missed == ("2",)
    assert figures.false == (("3", "maybe"), ("4", "yes"))
    assert figures.by_language == {"nb": (1, 1.0), "sv": (1, 0.0)}
    assert evaluate_danger([], SENSE.assess).heard == 0.0

"""Danger now is noticed, talk about danger is not."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpline.content import ContentError, content_folder, load_yaml
from knowledge.urgency import Assessment, Danger, Example, Rule, UrgencyRules, plain

HERE = Path(__file__).parent
RULES = UrgencyRules.load(content_folder() / "urgency")
EXAMPLES = [(rule, example) for rule in RULES.rules for example in rule.must_match]
COUNTER_EXAMPLES = [(rule, example) for rule in RULES.rules for example in rule.must_not_match]


def name_of(value: object) -> str:
    return value.text[:70] if isinstance(value, Example) else value.name[:20] if isinstance(value, Rule) else ""


@pytest.mark.parametrize(("rule", "example"), EXAMPLES, ids=name_of)
def test_what_a_rule_must_find(rule: Rule, example: Example) -> None:
    found = RULES.assess(example.text)
    assert rule.name in found.rules
    assert found.level is Danger.YES or rule.level is Danger.MAYBE


@pytest.mark.parametrize(("rule", "example"), COUNTER_EXAMPLES, ids=name_of)
def test_what_is_no_danger_at_all(rule: Rule, example: Example) -> None:
    assert RULES.assess(example.text) == Assessment(Danger.NO)


@pytest.mark.parametrize("languages", [{"nb", "nn"}, {"sv"}, {"en"}], ids=["norwegian", "swedish", "english"])
def test_every_language_has_its_examples(languages: set[str]) -> None:
    assert sum(example.language in languages for _, example in EXAMPLES) >= 60
    assert sum(example.language in languages for _, example in COUNTER_EXAMPLES) >= 60


def test_no_example_stands_twice() -> None:
    texts = Counter(example.text for _, example in [*EXAMPLES, *COUNTER_EXAMPLES])
    assert [text for text, times in texts.items() if times > 1] == []


# The two held-out sets were measured before anything was changed for them; what they taught is in the rules now. The
# first figures, in the comments, say what a message nobody thought of may expect: in plain words nine of ten dangers
# are noticed, in odd ones three of four, and calm messages are left in peace.
@pytest.mark.parametrize(
    ("name", "recall", "certain", "false_alarms"),
    [
        ("urgency_heldout.yaml", 0.97, 0.92, 0.03),  # first measured: recall 0.93, certain 0.85, false alarms 0.03
        ("urgency_heldout2.yaml", 0.95, 0.70, 0.03),  # first measured: recall 0.75, certain 0.53, false alarms 0.00
    ],
)
def test_messages_in_danger_and_out_of_it(name: str, recall: float, certain: float, false_alarms: float) -> None:
    parts = load_yaml(HERE / name).mapping(required=["danger", "calm"])
    danger = [RULES.assess(text).level for text in parts["danger"].texts(at_least=40)]
    calm = [RULES.assess(text).level for text in parts["calm"].texts(at_least=40)]
    assert sum(level is not Danger.NO for level in danger) / len(danger) >= recall
    assert sum(level is Danger.YES for level in danger) / len(danger) >= certain
    assert sum(level is not Danger.NO for level in calm) / len(calm) <= false_alarms


def test_messages_that_were_learnt_from() -> None:
    """What the rules alone make of them; tests/knowledge/test_danger.py has what they do together with likeness."""
    levels: dict[str, list[Danger]] = {"now": [], "talk": [], "everyday": []}
    for group in load_yaml(content_folder() / "danger" / "messages.yaml").items():
        for texts in group.entries()["examples"].entries().values():
            levels[group.entries()["kind"].text()] += [RULES.assess(text).level for text in texts.texts()]
    calm = levels["talk"] + levels["everyday"]
    assert len(levels["now"]) >= 200
    assert len(calm) >= 200
    assert sum(level is not Danger.NO for level in levels["now"]) / len(levels["now"]) >= 0.96
    assert sum(level is not Danger.NO for level in calm) / len(calm) <= 0.02


def test_the_wordings_of_the_articles_seldom_sound_an_alarm() -> None:
    """Many of them are written in danger, and ought to; the shelves as a whole are talk about it."""
    levels: Counter[Danger] = Counter()
    for path in sorted((content_folder() / "articles").rglob("*.yaml")):
        try:
            entries = load_yaml(path).entries()
        except ContentError:
            continue  # somebody else's test says so
        for texts in entries["questions"].entries().values():
            levels.update(RULES.assess(text).level for text in texts.texts())
    if not levels:
        pytest.skip("no articles are shipped yet")
    assert levels[Danger.YES] / levels.total() <= 0.03
    assert (levels[Danger.YES] + levels[Danger.MAYBE]) / levels.total() <= 0.10


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("han har en kniv", Danger.YES),
        ("han har ikke kniv", Danger.NO),
        ("HAN HAR KNIV!!!", Danger.YES),
        ("hun puster ikke", Danger.YES),
        ("Hun er rolig. Hun puster ikke.", Danger.YES),
        ("Har jeg meldeplikt? Han står her med kniv nå.", Danger.YES),  # the question does not undo the next sentence
        ("har jeg plikt til å melde fra når han står her nå med kniv", Danger.YES),  # nor a sentence that says now
        ("har jeg plikt til å melde fra om kniv", Danger.NO),
        ("hun ble truet med kniv i fjor", Danger.NO),
        ("hun ble truet med kniv i går", Danger.MAYBE),
        ("hun vill do", Danger.YES),
        ("[navn] har pistol", Danger.YES),
        ("hun har tatt alle tabletene", Danger.YES),  # a slip of one letter
        ("selvmorrdstanker", Danger.YES),
        ("hun er bevistløs", Danger.YES),
        ("hun er bevisstlaus og bloer kraftig", Danger.YES),
        ("h\u00adun har k\u200bniv", Danger.YES),
        ("", Danger.NO),
        ("😀😀", Danger.NO),
        ("takk for hjelpen", Danger.NO),
        ("hjelp", Danger.MAYBE),
        ("hei", Danger.NO),
    ],
)
def test_small_words_decide(text: str, level: Danger) -> None:
    assert RULES.assess(text).level is level


def test_the_gravest_rule_is_named_first() -> None:
    found = RULES.assess("det haster, han har pistol")
    assert found.level is Danger.YES
    assert found.rules[0] == "someone has a weapon"
    assert "it is said to be urgent" in found.rules


@pytest.mark.parametrize(
    ("written", "same"),
    [
        ("dør", "doer"),
        ("dør", "dor"),
        ("får", "faar"),
        ("våldtagen", "valdtagen"),
        ("kjæreste", "kjaereste"),
        ("HJÄLP", "hjalp"),
    ],
)
def test_accents_may_be_left_out(written: str, same: str) -> None:
    assert plain(written) == plain(same)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_assessed(text: str) -> None:
    found = RULES.assess(text)
    assert (found.level is Danger.NO) == (not found.rules)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([example for rule, example in EXAMPLES if rule.level is Danger.YES]),
    st.sampled_from(["Hei, jeg jobber på legevakta. ", "Hej. ", "Hello, night shift here. "]),
)
def test_a_greeting_before_it_hides_nothing(example: Example, greeting: str) -> None:
    assert RULES.assess(greeting + example.text).level is Danger.YES
    assert RULES.assess(example.text.upper()).level is Danger.YES


def _calls(text: str) -> int:
    counted = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal counted
        counted += event == "call"

    sys.setprofile(count)
    try:
        RULES.assess(text)
    finally:
        sys.setprofile(None)
    return counted


@pytest.mark.parametrize(
    "piece",
    [
        "han venter utenfor og hun er redd ",
        "hun har tatt tabletter. ",
        "nå ",
        "ikke ",
        "a ",
        "han vil ta ikke henne bort ",
    ],
)
def test_a_long_text_takes_no_more_than_its_share(piece: str) -> None:
    RULES.assess(piece * 5)  # so that the words are known
    short, long = piece * (1_000 // len(piece)), piece * (10_000 // len(piece))
    assert _calls(long) <= 14 * _calls(short) + 2_000


def test_a_usual_message_takes_few_steps() -> None:
    """About a third of a millisecond where this was written; steps are counted since machines differ."""
    text = (
        "Pasienten kom inn med en mann som svarer for henne hele tida, hun har ikke pass og virker redd. Vi vet ikke "
        "om vi skal ringe noen eller vente til i morgen, og jeg lurer på hva vi gjør. Hun har gamle merker på armen."
    )
    RULES.assess(text)
    assert _calls(text) < 3_000


# --- how rules are read -------------------------------------------------------------------------------------------


def folder_with(tmp_path: Path, rule: str, words: str = "he: han mannen\n") -> Path:
    folder = tmp_path / "urgency"
    folder.mkdir()
    (folder / "words.yaml").write_text(words)
    (folder / "frames.yaml").write_text(
        "now: [akkurat nå]\npast: [i fjor]\ntalk: [plikt*]\ndenied: [ikke i fare]\nidiom: [slår opp]\n"
        "offer: [hjelp med]\nlately: [i går]\n"
    )
    (folder / "rules.yaml").write_text(rule)
    return folder


RULE = "- name: test\n  danger: yes\n  phrases: ['{}']\n  must_match: {{nb: [x]}}\n  must_not_match: {{nb: [y]}}\n"


@pytest.mark.parametrize(
    ("phrase", "found", "missed"),
    [
        ("kniv", "han har kniv", "han har kniven"),
        ("kniv*", "han har kniven", "han har en skje"),
        ("*blødning", "hjerneblødning", "blødningen"),
        ("har kniv", "har jo kniv", "har en veldig stor kniv"),
        ("har .. kniv", "har en stor kniv", "har en ting som er en kniv"),
        ("har ... kniv", "har en ting som er en kniv", "kniv har han"),
        ("har (stor) kniv", "har kniv", "har gaffel"),
        ("kniv & løper", "løper rundt med kniv", "løper. Kniv."),
        ("kniv && løper", "løper. Kniv.", "løper"),
        ("<he> har", "mannen har", "hun har"),
        ("^ hjelp $", "Hei. Hjelp!", "takk for hjelp"),
        ("født <year>", "født 1998", "født 98"),
        ("puster ikke", "hun puster ikke", "hun puster"),
        ("han kommer", "ikke noe galt, han kommer", "aldri han kommer"),
    ],
)
def test_a_phrase_means_what_the_readme_says(tmp_path: Path, phrase: str, found: str, missed: str) -> None:
    rules = UrgencyRules.load(folder_with(tmp_path, RULE.format(phrase)))
    assert rules.assess(found).level is Danger.YES
    assert rules.assess(missed).level is Danger.NO


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (RULE.format("<nobody> har"), "no family of words called “nobody”"),
        (RULE.format("(kniv)"), "at least one word that is not optional"),
        (RULE.format("kn?iv"), "“kn?iv” is no word"),
        (RULE.format("kniv").replace("danger: yes", "danger: perhaps"), "danger"),
        (RULE.format("kniv") + RULE.format("øks"), "two rules called “test”"),
        (RULE.format("kniv").replace("must_not_match", "must_not"), "must_not"),
        (RULE.format("kniv") + "  unless: [never]\n", "no frame called “never”"),
    ],
)
def test_a_slip_in_a_file_is_told_with_its_line(tmp_path: Path, rule: str, says: str) -> None:
    with pytest.raises(ContentError, match=r"rules\.yaml:\d+: ") as error:
        UrgencyRules.load(folder_with(tmp_path, rule))
    assert says in str(error.value)


def test_a_folder_without_rules_stops_the_start(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, RULE.format("kniv"))
    (folder / "rules.yaml").unlink()
    with pytest.raises(ContentError, match="no urgency rules"):
        UrgencyRules.load(folder)

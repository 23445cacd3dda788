"""Which unanswered questions ask the same, and what may be told of how many there were and where."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.gaps import FEWEST, Count, Heaps, Nearness, Regions, count_of, regions_of
from knowledge.shelves import Shelves, Tools

# Paraphrases in four languages, of matters that the shelves do not hold; none is a wording of an article.
SAME = (
    (
        *("kan hun ta med hunden på krisesenteret?", "får pasienten ha med kjæledyr på krisesenter"),
        *("pas vil ikkje reise frå hunden sin, tek krisesenteret imot dyr", "hund på krisesenter, går det"),
    ),
    (
        *("hvem betaler for fjerning av tatovering", "kan hun få fjernet merket han tatoverte på henne"),
        *("borttagning av tatuering som ägaren gjort, vem betalar", "fjerne tatovering, hvem betaler"),
    ),
    (
        *("sjefen har tatt passet hennes hva gjør vi", "passet er beslaglagt av arbeidsgiver"),
        *("arbeidsgivaren har tagit passet, hur får han tillbaka det", "passet hans ligg hos sjefen"),
    ),
    (
        *("hun tror mobilen blir sporet, hva gjør vi", "mobilen spåras, vad gör vi"),
        *("telefonen er overvåket av mannen, hvordan slår vi av sporing", "sporing på mobilen hennes"),
    ),
    ("har barna rett til skole mens de venter", "får barna gå på skule", "kan barnen gå i skolan"),
    ("pasienten er redd for juju ed", "ho er bunden av voodoo-eid", "hon är rädd för juju-eden"),
    ("journalist ringer avdelingen om pasienten", "journalisten vill veta om patienten", "pressa ringer om pasienten"),
)


@pytest.fixture(scope="module")
def nearness(tools: Tools, shipped: Shelves) -> Nearness:
    assert tools.vectors is not None
    assert tools.synonyms is not None
    ordinary = [wording.text for article in shipped.articles for wording in article.questions]
    return Nearness(tools.vectors, tools.synonyms, ordinary[::3])


def laid(nearness: Nearness, order: random.Random) -> list[tuple[int, str]]:
    """Which group each question is of, and the heap it was laid on."""
    questions = [(group, text) for group, texts in enumerate(SAME) for text in texts]
    order.shuffle(questions)
    heaps = Heaps(nearness)
    return [(group, heaps.lay(str(number), text)) for number, (group, text) in enumerate(questions)]


@pytest.mark.parametrize("seed", range(4))
def test_what_asks_the_same_lies_together_whatever_order_it_came_in(nearness: Nearness, seed: int) -> None:
    found = laid(nearness, random.Random(seed))
    together = Counter(found)
    heaps = Counter(heap for _, heap in found)
    groups = Counter(group for group, _ in found)
    pure = sum(together[each] / heaps[each[1]] for each in found) / len(found)
    whole = sum(together[each] / groups[each[0]] for each in found) / len(found)
    assert pure > 0.9  # what lies together belongs together
    assert whole > 0.55  # and most of what belongs together lies together


def test_the_same_question_lies_on_one_heap_and_is_laid_the_same_way_again(nearness: Nearness) -> None:
    heaps = Heaps(nearness)
    assert heaps.lay("a", "hund på krisesenter, går det?") == "a"
    assert heaps.lay("b", "Hund på krisesenter går det") == "a"
    assert heaps.lay("c", "journalist ringer avdelingen") == "c"
    again = Heaps(nearness)
    again.lies("hund på krisesenter, går det?", "a")
    again.lies("journalist ringer avdelingen", "c")
    assert again.lay("d", "hund på krisesenter går det") == "a"
    assert len(again) == 2


@pytest.mark.parametrize("text", ["", "???", "🙂", "[navn]"])
def test_what_holds_no_word_lies_alone(nearness: Nearness, text: str) -> None:
    heaps = Heaps(nearness)
    heaps.lay("a", "hund på krisesenter")
    assert heaps.lay("b", text) == "b"
    assert heaps.lay("c", text) == "c"


# --- what may be told -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "at_least"), [(1, 0), (4, 0), (5, 5), (9, 5), (10, 10), (14, 10), (123, 120)])
def test_counts_are_told_in_steps_and_few_not_at_all(number: int, at_least: int) -> None:
    assert count_of(number) == Count(at_least)
    assert count_of(number).told is (number >= FEWEST)


@pytest.mark.parametrize(
    ("counts", "regions"),
    [
        ({"46": 4}, Regions()),
        ({"46": 12}, Regions((("46", Count(10)),))),
        ({"46": 12, "03": 5}, Regions((("46", Count(10)), ("03", Count(5))))),
        # Twelve in all and ten named would tell of the two others: the smaller named one goes with them.
        ({"46": 12, "03": 6, "11": 2}, Regions((("46", Count(10)),), Count(5))),
        ({"46": 12, "11": 2}, Regions((), Count(10))),
        ({"46": 12, "": 3}, Regions((), Count(15))),
        ({"46": 12, "": 7}, Regions((("46", Count(10)),), Count(5))),
        ({"46": 12, "11": 3, "50": 3}, Regions((("46", Count(10)),), Count(5))),
        ({}, Regions()),
    ],
)
def test_a_region_is_named_only_where_nobody_else_is_told_by_it(counts: Mapping[str, int], regions: Regions) -> None:
    assert regions_of(counts) == regions


@given(st.dictionaries(st.sampled_from(["", "03", "11", "46", "50", "55"]), st.integers(1, 40)))
def test_nothing_told_lets_a_few_be_worked_out(counts: dict[str, int]) -> None:
    told = regions_of(counts)
    named = {region for region, _ in told.named}
    assert all(counts[region] >= FEWEST and count.told for region, count in told.named)
    rest = sum(number for region, number in counts.items() if region not in named)
    assert rest == 0 or rest >= FEWEST or not named
    assert told.elsewhere == count_of(rest)


@given(st.integers(1, 500))
def test_one_more_is_seen_only_at_a_step(number: int) -> None:
    assert (count_of(number) == count_of(number + 1)) is ((number + 1) % 5 != 0)

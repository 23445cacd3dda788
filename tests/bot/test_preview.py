"""What an editor sees is what the line would send, and no text keeps everybody waiting."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bot.commands import Commands
from bot.desk.preview import MOST_SEGMENTS, Part, Previewer
from bot.house import House
from helpline.messages import Language
from knowledge.articles import Age, Variant
from tests.conftest import NINE
from tests.knowledge.builders import an_article


@pytest.fixture(scope="module")
def previewer(prepared: tuple[Path, House]) -> Previewer:
    house = prepared[1]
    return Previewer(house.library, house.phrases, Commands.load(house.content / "commands.yaml"))


CHILD = Variant((), (Age.MINOR,), "Barn har rett til verge.", {Language.EN: "A child has a guardian."})


def test_every_channel_brings_the_same_words(previewer: Previewer) -> None:
    article = an_article(short="Ja. Bruk «tolk» – alltid.", revision=7)
    shown = previewer.show(article, language=Language.NB, variant=-1, part=Part.SHORT, now=NINE)
    assert 'Ja. Bruk "tolk" - alltid.' in shown.sms[0].text  # as it travels
    assert "Ja. Bruk «tolk» – alltid." in shown.web.text
    assert shown.telegram[0].text == shown.web.text
    assert "versjon 7" in shown.web.text
    assert shown.sms[0].text.endswith("0 Rådgiver")
    assert shown.telegram[0].rows[-1][-1].label == "Rådgiver"
    assert shown.segments == shown.sms[0].cost.count <= MOST_SEGMENTS


def test_each_variant_and_language_has_its_own_words(previewer: Previewer) -> None:
    article = an_article(variants=(CHILD,))
    shown = previewer.show(article, language=Language.EN, variant=0, part=Part.SHORT, now=NINE)
    assert "A child has a guardian." in shown.web.text
    costs = {(one.language, one.variant): one for one in previewer.costs(article, NINE)}
    assert costs[Language.NN, -1].missing
    assert not costs[Language.EN, 0].missing
    assert costs[Language.NB, -1].segments in {1, 2}


@pytest.mark.parametrize(("sign", "odd"), [("ж", ("ж",)), ("€", ())])
def test_signs_that_cost_double_are_named(sign: str, odd: tuple[str, ...], previewer: Previewer) -> None:
    shown = previewer.show(an_article(short=f"Ja {sign}."), language=Language.NB, variant=-1, part=Part.SHORT, now=NINE)
    assert shown.sms[0].odd == odd


def test_what_does_not_fit_is_shown_with_what_follows(previewer: Previewer) -> None:
    article = an_article(short=" ".join(["Ring straks til tolketjenesten."] * 20))
    shown = previewer.show(article, language=Language.NB, variant=-1, part=Part.SHORT, now=NINE)
    assert shown.too_long
    assert len(shown.sms) > 1


@pytest.mark.parametrize("text", ["x" * 190_000, "ord " * 50_000, "\n\n".join(["a"] * 60_000)])
def test_a_text_without_end_is_cut_before_it_is_laid_out(text: str, previewer: Previewer) -> None:
    article = replace(an_article(short=text, details=text), do_now=(text,) * 50)
    for part in Part:
        shown = previewer.show(article, language=Language.NB, variant=-1, part=part, now=NINE)
        assert sum(len(sms.text) for sms in shown.sms) < 40_000

"""The rest of a long text on SMS, asked for when the article does not stand any more as it stood."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from functools import cache

from bot import dialogue
from bot.answers import Form
from bot.dialogue import DETAILS, MORE, Heard, Say, State, World
from helpline.messages import Country, InboundKind, Language
from knowledge.articles import Article
from knowledge.fitness import Change, Standing
from knowledge.laws import Law
from knowledge.shelves import Shelves
from tests.bot.test_dialogue_always import STANDING, the_world

LAW = Change(7, Law.of("NO straffeloven § 257"), "Ny straffelov.", date(2026, 11, 1))


@cache
def long_one() -> Article:
    return next(
        article
        for article in the_world()[0].shelves.articles
        if article.country is Country.NO and len(article.details) > 700 and not article.urgent
    )


def tapped(state: State, token: str, world: World) -> tuple[State, Say]:
    decision = dialogue.decide(state, Heard(InboundKind.TAP, token=token), world)
    [said] = [effect for effect in decision.effects if isinstance(effect, Say)]
    return decision.state, said


def read_on(later: World) -> tuple[State, Say]:
    """The details were asked for while all was well, and the rest of them later."""
    world = replace(the_world()[0], form=Form.NARROW, standing=Standing(STANDING.policy))
    state = State(Language.NB, Country.NO, language_chosen=True, greeted=True)
    state, said = tapped(state, f"{DETAILS}:{long_one().id}", world)
    assert said.served is not None
    assert state.rest
    return tapped(state, MORE, replace(later, form=Form.NARROW))


def test_the_rest_is_read_on_while_the_article_stands_as_it_stood() -> None:
    world = replace(the_world()[0], standing=Standing(STANDING.policy))
    first, said = read_on(world)
    assert said.served is None
    if first.rest:
        second, further = tapped(first, MORE, replace(world, form=Form.NARROW))
        assert further.message.text != said.message.text
        assert len(second.rest) < len(first.rest)


def test_the_rest_of_what_is_too_old_by_now_is_not_said() -> None:
    article = long_one()
    assert article.review_by is not None
    long_after = the_world()[0].now.replace(year=article.review_by.year) + timedelta(days=500)
    state, said = read_on(replace(the_world()[0], now=long_after, standing=Standing(STANDING.policy)))
    assert said.served is None
    assert article.title in said.message.text
    assert (state.rest, state.article) == ("", "")


def test_the_rest_of_what_rests_on_law_that_has_changed_meanwhile_comes_with_that_said() -> None:
    flagged = Standing(STANDING.policy, {long_one().id: (LAW,)})
    _, said = read_on(replace(the_world()[0], standing=flagged))
    assert said.served is not None
    assert LAW.law.name in said.message.text


def test_the_rest_of_words_that_were_published_anew_is_told_from_the_new_ones() -> None:
    world = the_world()[0]
    newer = replace(long_one(), revision=long_one().revision + 1, details="Nytt: ring oss.")
    shelves = Shelves.build([newer])
    _, said = read_on(replace(world, shelves=shelves, standing=Standing(STANDING.policy)))
    assert said.served is not None
    assert said.served.revision == newer.revision


def test_the_rest_of_what_was_taken_off_the_shelves_is_gone() -> None:
    world = the_world()[0]
    shelves = Shelves.build([next(each for each in world.shelves.articles if each.id != long_one().id)])
    _, said = read_on(replace(world, shelves=shelves))
    assert said.message.text == world.phrases.say("answer.gone", Language.NB)

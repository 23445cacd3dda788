"""What a clinician would be sent of an article that is still being written, on each channel.

Nothing here imitates the line: the article is laid on shelves of its own, the conversation decides as it does on the
ward, and each channel gives the message its form. So what an editor sees is what will be sent, to the segment.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from bot import dialogue
from bot.answers import Form
from bot.channels import telegram, twilio
from bot.channels.base import in_parts
from bot.commands import Commands
from bot.dialogue import Heard, Say, State
from bot.library import Library
from helpline.messages import Channel, Choice, InboundKind, Language, OutboundMessage
from helpline.phrases import Phrases
from helpline.segments import Segments, outside_gsm7, segments
from knowledge.articles import Article
from knowledge.shelves import Shelves


class Part(StrEnum):
    """What of an article can be asked for."""

    SHORT = "short"
    DETAILS = "details"
    SOURCES = "sources"


_TOKENS = {Part.SHORT: dialogue.ANSWER, Part.DETAILS: dialogue.DETAILS, Part.SOURCES: dialogue.SOURCES}
_LONG_WORD = re.compile(r"(\S{120})(?=\S)")
MOST_SEGMENTS = 2  # of a short answer with its menu


@dataclass(frozen=True)
class Sms:
    """One SMS: what is sent, and what it costs."""

    text: str
    cost: Segments
    odd: tuple[str, ...]  # signs that make every segment hold less than half


@dataclass(frozen=True)
class Telegram:
    """One message on Telegram, with its rows of buttons."""

    text: str
    rows: tuple[tuple[Choice, ...], ...]


@dataclass(frozen=True)
class Preview:
    """One part of an article in one language for one kind of patient, as each channel brings it."""

    sms: tuple[Sms, ...]
    telegram: tuple[Telegram, ...]
    web: OutboundMessage

    @property
    def segments(self) -> int:
        """What the first SMS costs; the rest is sent only to whoever asks for more."""
        return self.sms[0].cost.count if self.sms else 0

    @property
    def too_long(self) -> bool:
        """Whether the answer does not fit, so that its end waits behind "more"."""
        return len(self.sms) > 1 or self.segments > MOST_SEGMENTS


@dataclass(frozen=True)
class Cost:
    """What the short answer costs as SMS, in one language for one kind of patient."""

    language: Language
    variant: int  # -1 for the article's own words
    segments: int
    septets: int
    odd: tuple[str, ...]
    too_long: bool
    missing: bool  # there is no such text in this language, so another is served


class Previewer:
    """Shows articles as the line would send them."""

    def __init__(self, library: Library, phrases: Phrases, commands: Commands) -> None:
        self._library = library
        self._phrases = phrases
        self._commands = commands

    def show(self, article: Article, *, language: Language, variant: int, part: Part, now: datetime) -> Preview:
        """What is sent of this part, in this language, to whoever the variant is about (-1: nobody in particular)."""
        article = _bounded(article)
        narrow = self._said(article, Form.NARROW, language, variant, part, now)
        wide = self._said(article, Form.WIDE, language, variant, part, now)[0]
        texts = [
            twilio.written(Channel.SMS, fitting)
            for message in narrow
            for fitting in twilio.fitted(Channel.SMS, message)
        ]
        return Preview(
            sms=tuple(Sms(text, segments(text), outside_gsm7(text)) for text in texts),
            telegram=tuple(
                Telegram(fitting.text, tuple(tuple(row) for row in telegram.button_rows(fitting.choices)))
                for fitting in in_parts(wide, telegram.TEXT_LIMIT)
            ),
            web=wide,
        )

    def costs(self, article: Article, now: datetime, languages: Sequence[Language] = tuple(Language)) -> list[Cost]:
        """What the short answer costs in each language it has, for each kind of patient."""
        found = []
        for language in languages:
            for variant in range(-1, len(article.variants)):
                own = article.translations if variant < 0 else article.variants[variant].translations
                missing = language is not article.language and language not in own
                if missing:
                    found.append(Cost(language, variant, 0, 0, (), too_long=False, missing=True))
                    continue
                shown = self.show(article, language=language, variant=variant, part=Part.SHORT, now=now)
                first = shown.sms[0]
                found.append(
                    Cost(
                        language,
                        variant,
                        shown.segments,
                        first.cost.septets,
                        first.odd,
                        too_long=shown.too_long,
                        missing=False,
                    )
                )
        return found

    def _said(
        self, article: Article, form: Form, language: Language, variant: int, part: Part, now: datetime
    ) -> list[OutboundMessage]:
        """What the conversation says, and says next to whoever asks for more, until all of it is said."""
        world = replace(
            self._library.world(phrases=self._phrases, commands=self._commands, now=now, form=form, escalation=None),
            shelves=Shelves((article,), self._library.shelves.index),
        )
        chosen = article.variants[variant] if 0 <= variant < len(article.variants) else None
        state = State(
            language,
            article.country,
            language_chosen=True,
            greeted=True,
            clarified=True,
            status=chosen.statuses[0].value if chosen is not None and chosen.statuses else "",
            age=chosen.ages[0].value if chosen is not None and chosen.ages else "",
        )
        token = f"{_TOKENS[part]}:{article.id}"
        said: list[OutboundMessage] = []
        while len(said) < 20:
            decision = dialogue.decide(state, Heard(InboundKind.TAP, token=token), world)
            said += [effect.message for effect in decision.effects if isinstance(effect, Say)]
            state, token = decision.state, dialogue.MORE
            if not state.rest:
                break
        return said


def _bounded(article: Article) -> Article:
    """The article as far as anybody would read a preview: laying out a book as SMS would keep everybody waiting."""
    return replace(
        article,
        title=_cut(article.title, 300),
        short=_cut(article.short, 1500),
        cite=_cut(article.cite, 300),
        details=_cut("\n\n".join(article.details.split("\n\n")[:60]), 8000),
        do_now=_cut_all(article.do_now),
        avoid=_cut_all(article.avoid),
        say=_cut_all(article.say),
        variants=tuple(
            replace(
                variant,
                short=_cut(variant.short, 1500),
                translations={language: _cut(text, 1500) for language, text in variant.translations.items()},
            )
            for variant in article.variants
        ),
        law_refs=tuple(replace(law, ref=_cut(law.ref, 300)) for law in article.law_refs[:30]),
        sources=tuple(
            replace(source, title=_cut(source.title, 300), url=source.url[:500], date_seen=_cut(source.date_seen, 300))
            for source in article.sources[:30]
        ),
        translations={
            language: replace(translated, title=_cut(translated.title, 300), short=_cut(translated.short, 1500))
            for language, translated in article.translations.items()
        },
    )


def _cut_all(lines: Sequence[str]) -> tuple[str, ...]:
    return tuple(_cut(line, 500) for line in lines[:30])


def _cut(text: str, most: int) -> str:
    return _LONG_WORD.sub(r"\1 ", text[:most])

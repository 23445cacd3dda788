"""A conversation as it stands on a page: what came in and what went out, in the order it was said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.dialogue import ADVISOR, ANSWER
from bot.render import Entry, Pages, microseconds
from helpline import inbox, outbox
from helpline.inbox import Received
from helpline.messages import Choice, Country, InboundKind, Language
from helpline.outbox import OutboundState, Said
from helpline.phrases import Phrases, say_time
from helpline.vault import Vault

LONGEST = 200  # messages each way that a page shows

# What the examples on an empty page ask about. Pressing one opens its article, so it is answered in every language;
# where somebody has taken that article off the shelves, it is asked in words.
EXAMPLES: Mapping[Country, Mapping[str, str]] = {
    Country.NO: {"1": "snakke-alene", "2": "tolk-folgesvenn", "3": "helse-uten-lovlig-opphold"},
    Country.SE: {"1": "se-prata-ensam", "2": "se-tolk-risk", "3": "se-vard-papperslos-vuxen"},
}
_EXAMPLE_OF = {f"{ANSWER}:{article}": number for examples in EXAMPLES.values() for number, article in examples.items()}

# What a button outside the conversation says, by the token it sends.
_BUTTONS = {ADVISOR: "web.advisor", "erase:1": "web.erase", "c:NO": "country.NO", "c:SE": "country.SE"}
_OWN_NAMES = {"l:nb": "Bokmål", "l:nn": "Nynorsk", "l:sv": "Svenska", "l:en": "English"}


@dataclass(frozen=True)
class Transcript:
    """The messages of a conversation, opened."""

    received: tuple[Received, ...]
    said: tuple[Said, ...]

    @property
    def answered(self) -> bool:
        """Whether everything that came in has been dealt with."""
        return all(message.handled_at is not None for message in self.received)


async def read(conn: AsyncConnection, vault: Vault, conversation_id: str) -> Transcript:
    """The latest messages of a conversation."""
    return Transcript(
        tuple(await inbox.transcript(conn, vault, conversation_id, limit=LONGEST)),
        tuple(await outbox.transcript(conn, vault, conversation_id, limit=LONGEST)),
    )


@dataclass(frozen=True)
class Reader:
    """For whom a transcript is shown."""

    language: Language
    zone: ZoneInfo
    now: datetime
    staff: bool = False  # sees delivery, and the clinician as somebody else


def entries(transcript: Transcript, reader: Reader, pages: Pages, phrases: Phrases) -> tuple[Entry, ...]:
    """The transcript in the order it was said."""
    heard = [_heard(message, transcript.said, reader, pages, phrases) for message in transcript.received]
    said = [
        _said(said, reader, pages, phrases, again=_again(said, transcript.said))
        for said in transcript.said
        if said.message is not None and said.state is not OutboundState.WITHDRAWN
    ]
    # Sorting keeps the order of what was written down in one instant: a question stands before its answers.
    return tuple(sorted([*heard, *said], key=lambda entry: entry.order))


def _heard(message: Received, said: Sequence[Said], reader: Reader, pages: Pages, phrases: Phrases) -> Entry:
    who = "clinician" if reader.staff else "you"
    words = _shown_words(message, said, reader, phrases)
    return Entry(
        id=f"in-{message.id}",
        order=microseconds(message.received_at),
        who=who,
        name=phrases.say(f"web.said.{who}", reader.language),
        at=message.received_at,
        clock=say_time(message.received_at, now=reader.now, zone=reader.zone, language=reader.language),
        blocks=pages.their_words(words),
    )


def _shown_words(message: Received, said: Sequence[Said], reader: Reader, phrases: Phrases) -> str:
    """What was written, or what stood on the button that was pressed."""
    if message.erased:
        return phrases.say("web.words.erased", reader.language)
    if message.kind is InboundKind.TAP:
        return _label(message, said, reader, phrases)
    if message.kind in {InboundKind.PHOTO, InboundKind.VOICE, InboundKind.LOCATION, InboundKind.OTHER}:
        return phrases.say(f"web.words.{message.kind.value}", reader.language)
    return message.text or "–"


def _label(message: Received, said: Sequence[Said], reader: Reader, phrases: Phrases) -> str:
    for earlier in reversed(said):
        if earlier.message is None or earlier.created_at > message.received_at:
            continue
        for choice in earlier.message.choices:
            if choice.token == message.token and choice.token != ADVISOR:
                return choice.label
    example = _EXAMPLE_OF.get(message.token)
    if example is not None:
        return phrases.say(f"web.example.{example}", reader.language)
    if message.token in _OWN_NAMES:
        return _OWN_NAMES[message.token]
    key = _BUTTONS.get(message.token)
    return phrases.say(key, reader.language) if key is not None else "–"


def _again(said: Said, all_said: Sequence[Said]) -> str:
    """Whether what did not arrive was sent once more: "yes", else the id by which it can be; empty where it arrived."""
    if said.state is not OutboundState.GIVEN_UP:
        return ""
    lead = "advisor:" if said.key.startswith("advisor:") else ""
    sent_again = any(each.key.startswith(f"{lead}again:{said.id}:") for each in all_said)
    return "yes" if sent_again else str(said.id)


def _said(said: Said, reader: Reader, pages: Pages, phrases: Phrases, *, again: str) -> Entry:
    assert said.message is not None
    words = _advisors_words(said, phrases)
    who = "line" if words is None else "advisor"
    entry = Entry(
        id=f"out-{said.id}",
        order=microseconds(said.created_at),
        who=who,
        name=phrases.say(f"web.said.{who}", reader.language),
        at=said.created_at,
        clock=say_time(said.created_at, now=reader.now, zone=reader.zone, language=reader.language),
        blocks=pages.own_words(said.message.text) if words is None else pages.their_words(words),
        urgent=said.message.urgent,
    )
    if reader.staff:
        state_said = phrases.say(f"desk.sent.{said.state}", reader.language)
        if again == "yes":
            state_said = f"{state_said}, {phrases.say('desk.case.sent_again', reader.language)}"
        return replace(entry, state=said.state.value, state_said=state_said, again=again if again != "yes" else "")
    return replace(entry, choices=_choices(said), choices_label=phrases.say("web.choices", reader.language))


def _advisors_words(said: Said, phrases: Phrases) -> str | None:
    """What an advisor wrote, without the words that say so where there is no page to show it; None for our own."""
    if said.message is None or not said.key.startswith("advisor:"):
        return None
    for template in phrases.texts["advisor.says"].values():
        before, _, _ = template.partition("{words}")
        if said.message.text.startswith(before):
            return said.message.text.removeprefix(before)
    return said.message.text


def _choices(said: Said) -> tuple[Choice, ...]:
    """What can be pressed under the message; the way to an advisor has a place of its own on the page, always there."""
    assert said.message is not None
    return tuple(choice for choice in said.message.choices if choice.token != ADVISOR)

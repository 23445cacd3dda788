"""The conversation: what the line does with one thing that a clinician said. Pure: values in, values out.

The order in which a message is understood is the order of what may hurt:

1. danger now, before anything is looked up or asked;
2. what the clinician may demand at any moment: an advisor, erasing, another language;
3. an advisor who has taken the conversation: the bot is quiet and passes the words on;
4. the step that was being asked about;
5. a question, also in the middle of a step, which is then asked again.

Every reply carries the way to an advisor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, assert_never

from rapidfuzz.distance import OSA

from bot import answers, referral, referring
from bot.answers import Form
from bot.commands import Command, Commands, plain
from bot.referral import Draft, Step
from bot.referring import (
    CallTogether,
    KeepSafeContact,
    MakeReferral,
    Making,
    RevokeConsent,
    Scene,
    TellOutcome,
    Turned,
)
from helpline.languages import guess
from helpline.masking import without_marks
from helpline.messages import Channel, Choice, Country, InboundKind, Language, OutboundMessage
from helpline.phrases import Phrases
from helpline.segments import pages
from knowledge.articles import Article
from knowledge.confidence import Band
from knowledge.facets import told
from knowledge.fitness import Fit, Fitness, Standing
from knowledge.shelves import Facet, Shelves
from knowledge.smalltalk import Recognises, Topic
from knowledge.urgency import Assesses, Danger
from routing.directory import Directory
from routing.places import Gazetteer
from routing.referrals.referral import Referral, SafeContact

READ_AT_MOST = 4000  # characters of one message that are looked up; danger is looked for in all of it
SUGGESTIONS = 3
_LANGUAGE_COMMANDS = frozenset({Command.NB, Command.NN, Command.SV, Command.EN})


# --- what is remembered -----------------------------------------------------------------------------------------


class Awaiting(StrEnum):
    """What the line has asked and not yet been told."""

    NOTHING = "nothing"
    DANGER = "danger"  # is anyone in danger right now?
    FACET = "facet"  # the status or age on which the answer depends
    REFERRAL = "referral"  # the next step of "who can help"
    REFERRING = "referring"  # the next step of a referral to one of them
    LANGUAGE = "language"
    ERASE = "erase"  # the word was misspelt, so it was asked about


@dataclass(frozen=True)
class State:
    """What the line remembers of one conversation, kept sealed with its key."""

    language: Language
    country: Country
    language_chosen: bool = False
    greeted: bool = False
    told_of_masking: bool = False
    awaiting: Awaiting = Awaiting.NOTHING
    menu: Mapping[str, str] = field(default_factory=dict)  # digit → token of what was last offered
    asked: str = field(default="", repr=False)  # the question that a pending step or suggestion came from, masked
    facet_of: str = ""  # article whose answer waits for a facet
    interrupted: Awaiting = Awaiting.NOTHING  # what was being asked when it was first asked about danger
    clarified: bool = False  # one clarifying question for this question was already asked
    status: str = ""  # legal status, where the clinician said it
    age: str = ""  # minor or adult, where the clinician said it
    article: str = ""  # the article last answered with
    rest: str = field(default="", repr=False)  # what did not fit into two segments
    rest_of: str = ""  # where it is an article's words: which, and how the article stood when they were said
    behind: tuple[tuple[str, str], ...] = ()  # token and label of the choices that stand below the end of it
    referral: Draft | None = None
    gaps: tuple[str, ...] = ()  # ids of the gaps that were recorded here, to be forgotten with it
    making: Making | None = None  # a referral that is being asked about
    referred: bool = False  # a referral was made here, or how she may be reached was said


def state_to_json(state: State) -> dict[str, Any]:
    """The state as plain values."""
    return asdict(state)


def state_from_json(data: Mapping[str, Any]) -> State:
    """The state back from plain values; keys that a newer or older release wrote are passed over."""
    known = {name: data[name] for name in {entry.name for entry in fields(State)} & set(data)}
    known["language"] = Language(known["language"])
    known["country"] = Country(known["country"])
    for name in ("awaiting", "interrupted"):
        known[name] = Awaiting(known.get(name, Awaiting.NOTHING))
    known["gaps"] = tuple(known.get("gaps", ()))
    known["behind"] = tuple((token, label) for token, label in known.get("behind", ()))
    if known.get("referral") is not None:
        known["referral"] = referral.draft_from_json(known["referral"])
    if known.get("making") is not None:
        known["making"] = referring.making_from_json(known["making"])
    return State(**known)


# --- what comes in ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Heard:
    """One thing a clinician said or tapped, already masked."""

    kind: InboundKind
    text: str = field(default="", repr=False)
    token: str = ""
    marks: tuple[str, ...] = ()  # the marks that took the place of something identifying


@dataclass(frozen=True)
class Waiting:
    """The conversation's open escalation, as the conversation needs to know it."""

    urgent: bool
    taken: bool  # an advisor owns the conversation


@dataclass(frozen=True)
class World:
    """Everything the decision looks at. Immutable, so a decision can be repeated and explained."""

    phrases: Phrases
    commands: Commands
    shelves: Shelves
    smalltalk: Recognises
    urgency: Assesses
    gazetteer: Gazetteer
    directory: Directory
    now: datetime
    form: Form = Form.WIDE
    escalation: Waiting | None = None
    standing: Standing = field(default_factory=Standing)  # how fit each article is to be served
    referrals: tuple[Referral, ...] = ()  # that were made in this conversation
    safe: SafeContact | None = None  # how she may be reached, where she said so
    fresh_id: str = ""  # of a referral that is made now


# --- what is decided --------------------------------------------------------------------------------------------


class Reason(StrEnum):
    """Why a human is sought."""

    ASKED = "asked"  # the clinician asked for an advisor
    DANGER = "danger"  # the message shows danger now
    DANGER_CONFIRMED = "danger_confirmed"  # asked whether anyone is in danger now, the clinician said yes
    TROUBLE = "trouble"  # we could not answer, for a cause of our own
    INTRODUCTION = "introduction"  # she wants to call a service together with an advisor


@dataclass(frozen=True)
class Served:
    """Which words of which revision were shown."""

    article_id: str
    revision: int
    variant: int  # index of the variant, -1 for the article's own words
    language: Language
    part: str  # short, details, sources


@dataclass(frozen=True)
class Say:
    """Tell the clinician this."""

    message: OutboundMessage
    served: Served | None = None


@dataclass(frozen=True)
class SeekAdvisor:
    """Wake an advisor, or raise the urgency where one is already being sought."""

    reason: Reason
    urgent: bool
    rules: tuple[str, ...] = ()


@dataclass(frozen=True)
class SayWhoIsSought:
    """The clinician asked for an advisor again: say how it stands."""


@dataclass(frozen=True)
class PassOn:
    """Give these words to the advisor who owns the conversation."""

    text: str = field(repr=False)
    danger: bool = False


class Missing(StrEnum):
    """What the shelves lacked."""

    SUGGESTED = "suggested"  # three were offered and none was it
    UNKNOWN = "unknown"  # below the evidence floor
    UNHELPFUL = "unhelpful"  # an answer was given and did not help
    TOO_OLD = "too_old"  # what would have answered is too long past its review date
    NO_SERVICE = "no_service"  # none helps with it, or more were asked for than the directory has


@dataclass(frozen=True)
class RecordGap:
    """Keep the question that could not be answered, with nobody recognisable in it."""

    missing: Missing
    text: str = field(repr=False)
    nearest: tuple[str, ...]
    confidence: float
    region: str = ""


@dataclass(frozen=True)
class RecordHelpful:
    """The clinician said whether an answer helped."""

    article_id: str
    helpful: bool


@dataclass(frozen=True)
class RecordReferral:
    """These services were shown to the clinician."""

    service_ids: tuple[str, ...]
    needs: tuple[str, ...]
    region: str


@dataclass(frozen=True)
class Erase:
    """Delete what the clinician wrote and what was answered."""


@dataclass(frozen=True)
class SetMuted:
    """Send nothing more on this channel, or send again."""

    muted: bool


Effect = (
    Say
    | SeekAdvisor
    | SayWhoIsSought
    | PassOn
    | RecordGap
    | RecordHelpful
    | RecordReferral
    | Erase
    | SetMuted
    | MakeReferral
    | CallTogether
    | TellOutcome
    | RevokeConsent
    | KeepSafeContact
)


@dataclass(frozen=True)
class Decision:
    """The state afterwards, and what is to be done, in order."""

    state: State
    effects: tuple[Effect, ...]


# --- tokens: what a tapped choice says --------------------------------------------------------------------------

ADVISOR = "a"
MORE = "m"  # the rest of a text that was too long
NONE_OF_THESE = "none"
DANGER_YES, DANGER_NO = "danger:1", "danger:0"
ERASE_YES, ERASE_NO = "erase:1", "erase:0"

ANSWER, DETAILS, SOURCES, HELP = "q", "d", "s", "w"  # each followed by :article
HELPFUL, UNHELPFUL = "y", "n"  # likewise
STATUS, AGE, LANGUAGE, COUNTRY, REFERRAL = "st", "ag", "l", "c", "r"  # each followed by its value


def decide(state: State, heard: Heard, world: World) -> Decision:
    """What the line does with what it heard."""
    turn = _Turn(state, world)
    turn.hear(heard)
    return Decision(turn.state, tuple(turn.effects))


def trouble(language: Language, country: Country, phrases: Phrases, *, sought: bool) -> tuple[State, OutboundMessage]:
    """What is said, and remembered, where nothing could be decided: numbers, an advisor, and "is anyone in danger?"."""
    if sought:
        text = f"{phrases.say('trouble', language)}\n\n{phrases.say_in('danger.maybe', country, language)}"
    else:
        text = phrases.say_in("trouble.alone", country, language)
    choices = (
        Choice(DANGER_YES, phrases.say("choice.yes", language), "1"),
        Choice(DANGER_NO, phrases.say("choice.no", language), "2"),
        Choice(ADVISOR, phrases.say("choice.advisor", language), "0"),
    )[0 if sought else 2 :]
    state = State(
        language,
        country,
        greeted=True,
        awaiting=Awaiting.DANGER if sought else Awaiting.NOTHING,
        menu={choice.digit: choice.token for choice in choices},
    )
    return state, OutboundMessage(text, choices, urgent=True)


def form_of(*channels: Channel) -> Form:
    """How much room there is on these channels, of which she reads one."""
    if Channel.SMS in channels:
        return Form.NARROW
    return Form.SPOKEN if Channel.CALL in channels else Form.WIDE


def ask_outcome(state: State, about: Referral, world: World) -> tuple[State, OutboundMessage, OutboundMessage]:
    """Ask what came of a referral: the state afterwards, the question, and the same in words that tell nobody more."""
    said = []
    for plainly in (False, True):
        turn = _Turn(state, world)
        turn.ask_outcome(about, plainly=plainly)
        said += [effect.message for effect in turn.effects if isinstance(effect, Say)]
    covert, openly = said
    return replace(turn.state, referred=True), openly, covert


class _Turn:
    """One turn of the conversation, while it is being decided."""

    def __init__(self, state: State, world: World) -> None:
        self.state = state
        self.world = world
        self.effects: list[Effect] = []
        self._step_is_over = False  # what was being asked is not asked again after this

    # --- saying things -------------------------------------------------------------------------------------------

    def phrase(self, key: str, **values: object) -> str:
        return self.world.phrases.say(key, self.state.language, **values)

    def choice(self, token: str, key: str) -> Choice:
        return Choice(token, self.phrase(key))

    def say(
        self,
        text: str,
        choices: Sequence[Choice] = (),
        *,
        served: Served | None = None,
        urgent: bool = False,
        rest_of: str = "",
    ) -> None:
        """Say this with digits for the choices, the advisor always among them, and remember what the digits mean.

        On SMS what does not fit into two segments waits behind the first choice.
        """
        numbered = self._numbered(choices)
        rest = ""
        behind: tuple[tuple[str, str], ...] = ()
        if self.world.form is Form.NARROW:
            first = pages(text, menu=answers.menu_line(tuple(numbered)))
            if len(first) > 1:
                numbered = self._numbered([self.choice(MORE, "choice.more"), *(c for c in choices if c.token != MORE)])
                first = pages(text, menu=answers.menu_line(tuple(numbered)))
                text, rest = first[0], "\n\n".join(first[1:])
                behind = tuple((choice.token, choice.label) for choice in choices)
        article = self.world.shelves.article(served.article_id) if served is not None else None
        if served is not None and article is not None:
            rest_of = self._rest_of(served.part, article)
        menu = {c.digit: c.token for c in numbered}
        self.state = replace(self.state, menu=menu, rest=rest, rest_of=rest_of if rest else "", behind=behind)
        self.effects.append(Say(OutboundMessage(text, tuple(numbered), urgent=urgent), served))

    def _numbered(self, choices: Sequence[Choice]) -> list[Choice]:
        offered = [replace(choice, digit=str(place)) for place, choice in enumerate(choices[:9], start=1)]
        return [*offered, Choice(ADVISOR, self.phrase("choice.advisor"), "0")]

    # --- the order of understanding ------------------------------------------------------------------------------

    def hear(self, heard: Heard) -> None:
        if heard.kind is InboundKind.GROUP:
            self.say(self.phrase("group"))
            return
        if heard.kind is InboundKind.STOP:
            self.effects.append(SetMuted(muted=True))
            return
        self._choose_language(heard)
        # Whatever it came with: the words below a picture are words.
        if heard.text and self._danger(heard.text):
            self._tell_of_masking(heard)
            return
        if self._confirms_danger(heard):
            self._greet_silently()
        if heard.kind is InboundKind.START:
            self.effects.append(SetMuted(muted=False))
            self.state = replace(self.state, greeted=False, awaiting=Awaiting.NOTHING)
        self._greet(heard)
        match heard.kind:
            case InboundKind.TEXT:
                self._text(heard.text)
            case InboundKind.EDITED:
                if plain(heard.text) and not self._owned():
                    self.say(self.phrase("edited"))
                self._text(heard.text)
            case InboundKind.TAP:
                self._tapped(heard.token)
            case InboundKind.PHOTO | InboundKind.VOICE | InboundKind.LOCATION | InboundKind.OTHER:
                self._keeping_step(lambda: self.say(self.phrase(f"media.{heard.kind.value}")))
                if plain(heard.text):
                    self._text(heard.text)
            case InboundKind.START:
                pass  # the greeting is the answer
            case _:
                assert_never(heard.kind)
        self._tell_of_masking(heard)

    def _choose_language(self, heard: Heard) -> None:
        if self.state.language_chosen:
            return
        # A word or two in the middle of a talk tell too little: "Göteborg" is no reason to answer in Swedish.
        enough = 4 if self.state.awaiting in {Awaiting.REFERRAL, Awaiting.REFERRING} else 3
        if self.state.greeted and len(plain(heard.text).split()) < enough:
            return
        language = guess(heard.text) if heard.text else None
        if language is not None:
            self.state = replace(self.state, language=language)

    def _greet(self, heard: Heard) -> None:
        if self.state.greeted:
            return
        self.state = replace(self.state, greeted=True)
        # Whoever asks for a language is greeted in it.
        recognised = self.world.commands.recognise(heard.text)
        kind, _, chosen = heard.token.partition(":")
        if recognised is not None and recognised.command in _LANGUAGE_COMMANDS:
            self.state = replace(self.state, language=Language(recognised.command.value))
        elif heard.kind is InboundKind.TAP and kind == LANGUAGE and chosen in {each.value for each in Language}:
            self.state = replace(self.state, language=Language(chosen))
        opening = heard.kind is InboundKind.START or self._is_hello(heard.text)
        asks = f" {self.phrase('greeting.ask')}" if opening else ""
        self._aside(self.phrase("greeting") + asks)

    def _greet_silently(self) -> None:
        """In danger there is no time for an introduction, now or afterwards."""
        self.state = replace(self.state, greeted=True)

    def _is_hello(self, text: str) -> bool:
        recognised = self.world.commands.recognise(text)
        if recognised is not None:
            return recognised.command in {Command.HELLO, Command.START}
        return self.world.smalltalk.recognise(text) is Topic.HELLO

    def _tell_of_masking(self, heard: Heard) -> None:
        if heard.marks and not self.state.told_of_masking:
            self._aside(self.phrase("masked", marks=", ".join(dict.fromkeys(heard.marks))))
            self.state = replace(self.state, told_of_masking=True)

    def _aside(self, text: str) -> None:
        """Say this without changing what the digits mean, and what waits behind "more"."""
        before = self.state
        self.say(text)
        self.state = replace(
            self.state, menu=before.menu, rest=before.rest, rest_of=before.rest_of, behind=before.behind
        )

    def _owned(self) -> bool:
        return self.world.escalation is not None and self.world.escalation.taken

    # --- danger --------------------------------------------------------------------------------------------------

    def _danger(self, text: str) -> bool:
        """Deal with danger where the text shows it; whether it did."""
        assessed = self.world.urgency.assess(text)
        match assessed.level:
            case Danger.YES:
                self._greet_silently()
                self._alarm(Reason.DANGER, text, assessed.rules)
                return True
            case Danger.MAYBE if self._owned():
                return False  # somebody reads it already, and judges better than a question would
            case Danger.MAYBE:
                asking = self.state.awaiting
                self.state = replace(
                    self.state,
                    awaiting=Awaiting.DANGER,
                    interrupted=self.state.interrupted if asking is Awaiting.DANGER else asking,
                    asked=text[:READ_AT_MOST],
                )
                self._ask_danger()
                return True
            case Danger.NO:
                return False
            case _:
                assert_never(assessed.level)

    def _confirms_danger(self, heard: Heard) -> bool:
        """Whether this says, in whatever way, that somebody is in danger now: then nothing comes before the numbers."""
        if heard.kind is InboundKind.TAP:
            return heard.token == DANGER_YES
        if self.state.awaiting is not Awaiting.DANGER:
            return False
        recognised = self.world.commands.recognise(heard.text)
        by_digit = self.state.menu.get(plain(heard.text)) == DANGER_YES
        return by_digit or (recognised is not None and recognised.command is Command.YES)

    def _alarm(self, reason: Reason, text: str, rules: tuple[str, ...] = ()) -> None:
        key = "danger.known" if self._owned() else "danger"
        self.state = replace(
            self.state, awaiting=Awaiting.NOTHING, interrupted=Awaiting.NOTHING, referral=None, making=None
        )
        self.say(self._in_country(key), urgent=True)
        if self._owned():
            self.effects.append(PassOn(text, danger=True))
        self.effects.append(SeekAdvisor(reason, urgent=True, rules=rules))

    def _ask_danger(self) -> None:
        self.say(self._in_country("danger.maybe"), self._danger_choices(), urgent=True)

    def _danger_choices(self) -> list[Choice]:
        return [self.choice(DANGER_YES, "choice.yes"), self.choice(DANGER_NO, "choice.no")]

    def _in_country(self, key: str) -> str:
        return self.world.phrases.say_in(key, self.state.country, self.state.language)

    # --- text ----------------------------------------------------------------------------------------------------

    def _text(self, text: str) -> None:
        said = plain(text)
        if not said:
            self._keeping_step(lambda: self.say(self.phrase("empty")))
            return
        digit = said if len(said) == 1 and said.isdigit() else ""
        if digit and digit != "0" and digit in self.state.menu:
            self._tapped(self.state.menu[digit])
            return
        recognised = self.world.commands.recognise(text)
        if recognised is not None and self._command(recognised.command, exact=recognised.exact):
            return
        if self._owned():
            # Whatever was being asked, she talks with somebody now.
            self.state = replace(self.state, awaiting=Awaiting.NOTHING, interrupted=Awaiting.NOTHING)
            self.effects.append(PassOn(text))
            return
        if self._who_helps_where(text) or self._refers_to(text) or self._step(text):
            return
        outcome = referring.outcome_typed(text, self.state.menu.values(), self._scene())
        if outcome is not None:
            self._tapped(outcome)
            return
        if digit:
            self._keeping_step(lambda: self.say(self.phrase("old_choice")))
            return
        self._keeping_step(lambda: self._question(text))

    def _command(self, command: Command, *, exact: bool) -> bool:
        """Carry the command out; False where it means nothing here and the words must be read as a question."""
        match command:
            case Command.ADVISOR:
                self._advisor()
            case Command.ERASE if exact:
                self._erase()
            case Command.ERASE:
                self.state = replace(self.state, awaiting=Awaiting.ERASE)
                self._ask_erase()
            case Command.LANGUAGE:
                self.state = replace(self.state, awaiting=Awaiting.LANGUAGE)
                self._ask_language()
            case Command.NB | Command.NN | Command.SV | Command.EN:
                self._set_language(Language(command.value))
            case Command.YES | Command.NO if self.state.awaiting is Awaiting.DANGER:
                return self._yes_or_no(command)
            case _ if self._owned():
                return False  # everything else is spoken to the advisor
            case Command.NORWAY | Command.SWEDEN if self.state.awaiting is not Awaiting.REFERRAL:
                self._set_country(Country.NO if command is Command.NORWAY else Country.SE)
            case Command.NORWAY | Command.SWEDEN:
                return False
            case Command.HELP:
                self._keeping_step(lambda: self.say(self.phrase("help"), [self.choice(REFERRAL, "choice.help")]))
            case Command.REFER:
                self._start_referral(())
            case Command.MAKE:
                self._refer_to("")
            case Command.REVOKE:
                self._keeping_step(lambda: self._turned(referring.revoke(self._scene())))
            case Command.REACH:
                self._turned(referring.told(None, "reach", self._scene()))
            case Command.MORE:
                if not self.state.rest and not self.state.article:
                    return False
                self._tapped(MORE if self.state.rest else f"{DETAILS}:{self.state.article}")
            case Command.SOURCES:
                if not self.state.article:
                    return False
                self._tapped(f"{SOURCES}:{self.state.article}")
            case Command.YES | Command.NO | Command.SKIP:
                return self._yes_or_no(command)
            case Command.START | Command.HELLO:
                if not self._just_greeted():
                    self._keeping_step(lambda: self.say(self.phrase("hello")))
            case Command.STOP:
                self.say(self.phrase("stopped"))
                self.effects.append(SetMuted(muted=True))
            case Command.THANKS:
                self._keeping_step(self._thanked)
            case _:
                assert_never(command)
        return True

    def _thanked(self) -> None:
        """Whoever says thank you is done with what was being asked, unless it was about danger."""
        self._step_is_over = True
        self.say(self.phrase("thanks"))

    def _just_greeted(self) -> bool:
        return any(isinstance(effect, Say) for effect in self.effects)

    def _yes_or_no(self, command: Command) -> bool:
        answers_to = {
            Awaiting.DANGER: {Command.YES: DANGER_YES, Command.NO: DANGER_NO},
            Awaiting.ERASE: {Command.YES: ERASE_YES, Command.NO: ERASE_NO},
        }
        if self.state.awaiting is Awaiting.FACET and self.state.facet_of:
            facet = self._facet_asked()
            if facet is Facet.AGE:
                value = {Command.YES: "minor", Command.NO: "adult"}.get(command, "")
                self._tapped(f"{AGE}:{value}")
                return True
            if command is Command.SKIP:
                self._tapped(f"{STATUS}:")
                return True
            return False
        if self.state.awaiting is Awaiting.REFERRAL:
            return self._referral_yes_or_no(command)
        if self.state.awaiting is Awaiting.REFERRING and self.state.making is not None and command is not Command.SKIP:
            turned = referring.yes_or_no(self.state.making, self._scene(), yes=command is Command.YES)
            if turned is not None:
                self._turned(turned)
            return turned is not None
        token = answers_to.get(self.state.awaiting, {}).get(command)
        if token is None:
            return False
        self._tapped(token)
        return True

    # --- taps ----------------------------------------------------------------------------------------------------

    def _tapped(self, token: str) -> None:
        kind, _, value = token.partition(":")
        article = self.world.shelves.article(value) if value else None
        match kind:
            case "a":
                self._advisor()
            case "m" if self.state.rest:
                self._more()
            case "danger":
                self._danger_told(yes=value == "1")
            case "erase":
                if value == "1":
                    self._erase()
                else:
                    self.state = replace(self.state, awaiting=Awaiting.NOTHING)
                    self.say(self.phrase("erase.kept"))
            case "q" | "d" | "s" | "w" | "y" | "n" if article is not None:
                self._about(kind, article)
            case "q" | "d" | "s" | "w" | "y" | "n" if value:
                self.say(self.phrase("answer.gone"))
            case "none":
                self._none_of_these()
            case "st" | "ag":
                self._facet_told(kind, value)
            case "l" if value in {language.value for language in Language}:
                self._set_language(Language(value))
            case "c" if value in {country.value for country in Country}:
                self._set_country(Country(value))
            case "r":
                self._referral_told(value)
            case referring.TO:
                self._turned(referring.told(self.state.making, value, self._scene()))
            case referring.OUTCOME:
                self._keeping_step(lambda: self._turned(referring.outcome_told(value, self._scene())))
            case _:
                self._keeping_step(lambda: self.say(self.phrase("old_choice")))

    def _more(self) -> None:
        """The rest of what was too long. It may be asked for days later: where the article stands otherwise by then, it
        is told from the beginning."""
        rest_of = self.state.rest_of
        if rest_of:
            part, _, name = rest_of.split(":", 2)
            article = self.world.shelves.article(name)
            if article is None:
                self.say(self.phrase("answer.gone"))
                return
            if self._rest_of(part, article) != rest_of:
                {"details": self._details, "sources": self._sources}.get(part, self._answer)(article)
                return
        choices = [Choice(token, label) for token, label in self.state.behind]
        self.say(self.state.rest, choices, rest_of=rest_of)

    def _rest_of(self, part: str, article: Article) -> str:
        """What the rest of an article's words is of: their part and revision, what was said against them, their id."""
        fitness = self._fitness(article)
        said = [str(article.revision), fitness.fit.value, *(str(change.id) for change in fitness.changes)]
        return f"{part}:{'.'.join(said)}:{article.id}"

    def _about(self, kind: str, article: Article) -> None:
        match kind:
            case "q":
                self._answer(article)
            case "d":
                self._details(article)
            case "s":
                self._sources(article)
            case "w":
                self._start_referral(article.needs)
            case "y":
                self.effects.append(RecordHelpful(article.id, helpful=True))
                self.say(self.phrase("helpful.yes"))
            case _:
                self.effects.append(RecordHelpful(article.id, helpful=False))
                if self.state.asked:
                    self.effects.append(
                        RecordGap(Missing.UNHELPFUL, self.state.asked, (article.id,), 0.0, self._region())
                    )
                self.say(self.phrase("helpful.no"))

    def _advisor(self) -> None:
        self.state = replace(self.state, awaiting=Awaiting.NOTHING)
        if self.world.escalation is None:
            self.effects.append(SeekAdvisor(Reason.ASKED, urgent=False))
        else:
            self.effects.append(SayWhoIsSought())

    def _danger_told(self, *, yes: bool) -> None:
        asked, was_asked = self.state.asked, self.state.awaiting is Awaiting.DANGER
        if yes:
            self._alarm(Reason.DANGER_CONFIRMED, asked)
            return
        before = self.state.interrupted if was_asked else self.state.awaiting
        self.state = replace(self.state, awaiting=before, interrupted=Awaiting.NOTHING)
        self.say(self.phrase("danger.not_now"))
        if asked and was_asked and not self._owned():
            self._keeping_step(lambda: self._wish_or_question(asked))

    def _wish_or_question(self, text: str) -> None:
        recognised = self.world.commands.recognise(text)
        if recognised is None or not self._command(recognised.command, exact=recognised.exact):
            self._question(text)

    def _ask_erase(self) -> None:
        self.say(
            self.phrase("erase.confirm"), [self.choice(ERASE_YES, "choice.yes"), self.choice(ERASE_NO, "choice.no")]
        )

    def _erase(self) -> None:
        self.effects.append(Erase())
        self.state = State(
            language=self.state.language,
            country=self.state.country,
            language_chosen=self.state.language_chosen,
            greeted=True,
            told_of_masking=self.state.told_of_masking,
        )
        self.say(self.phrase("erased"))

    def _ask_language(self) -> None:
        own_names = {Language.NB: "Bokmål", Language.NN: "Nynorsk", Language.SV: "Svenska", Language.EN: "English"}
        self.say(
            self.phrase("language.ask"), [Choice(f"{LANGUAGE}:{code.value}", name) for code, name in own_names.items()]
        )

    def _set_language(self, language: Language) -> None:
        awaiting = Awaiting.NOTHING if self.state.awaiting is Awaiting.LANGUAGE else self.state.awaiting
        self.state = replace(self.state, language=language, language_chosen=True, awaiting=awaiting)
        self._keeping_step(lambda: self.say(self.phrase("language.set")))

    def _set_country(self, country: Country) -> None:
        self.state = replace(self.state, country=country)
        self._keeping_step(
            lambda: self.say(self.phrase("country.set", country=self.phrase(f"country.{country.value}")))
        )

    # --- steps that wait for an answer ---------------------------------------------------------------------------

    def _keeping_step(self, say: Any) -> None:
        """Say something in between, then ask again what was being asked, unless that asked something itself."""
        waiting = self.state
        self.state = replace(self.state, awaiting=Awaiting.NOTHING)
        say()
        if waiting.awaiting is Awaiting.NOTHING or self.state.awaiting is not Awaiting.NOTHING:
            return
        if self._step_is_over and waiting.awaiting is not Awaiting.DANGER:
            return
        if any(isinstance(effect, SeekAdvisor) for effect in self.effects):
            return
        self.state = replace(
            self.state,
            awaiting=waiting.awaiting,
            referral=waiting.referral,
            facet_of=waiting.facet_of,
            making=waiting.making,
        )
        self._ask_again()

    def _ask_again(self) -> None:
        match self.state.awaiting:
            case Awaiting.DANGER:
                self._ask_danger()
            case Awaiting.FACET:
                article = self.world.shelves.article(self.state.facet_of)
                facet = self._facet_asked()
                if article is not None and facet is not None:
                    self._ask_facet(article, facet)
            case Awaiting.REFERRAL:
                self._ask_referral()
            case Awaiting.REFERRING:
                if self.state.making is not None:
                    self._turned(referring.ask_again(self.state.making, self._scene()))
            case Awaiting.LANGUAGE:
                self._ask_language()
            case Awaiting.ERASE:
                self._ask_erase()
            case Awaiting.NOTHING:
                pass
            case _:
                assert_never(self.state.awaiting)

    def _step(self, text: str) -> bool:
        """Read the text as the answer to what was asked; False where it is something else."""
        match self.state.awaiting:
            case Awaiting.REFERRAL if self.state.referral is not None:
                return self._referral_text(text)
            case Awaiting.REFERRING if self.state.making is not None:
                return self._making_text(text, self.state.making)
            case Awaiting.FACET | Awaiting.LANGUAGE | Awaiting.DANGER | Awaiting.ERASE:
                token = self._label_meant(text)
                if token is None:
                    return False
                self._tapped(token)
                return True
            case _:
                return False

    def _label_meant(self, text: str) -> str | None:
        """The token of the offered choice whose label was typed out, one typing error forgiven."""
        said = plain(text)
        for label, token in self._labels().items():
            if said == label or (len(label) > 5 and OSA.distance(said, label, score_cutoff=1) <= 1):
                return token
        return None

    def _labels(self) -> dict[str, str]:
        """Plain labels of what is being asked, with their tokens."""
        probe = _Turn(self.state, replace(self.world, form=Form.WIDE))
        probe._ask_again()
        return {
            plain(choice.label): choice.token
            for effect in probe.effects
            if isinstance(effect, Say)
            for choice in effect.message.choices
            if choice.token != ADVISOR
        }

    # --- questions and answers -----------------------------------------------------------------------------------

    def _question(self, text: str) -> None:
        too_long = len(text) > READ_AT_MOST
        text = text[:READ_AT_MOST]
        if too_long:
            self.say(self.phrase("too_long"))
        of_patient = told(text)
        self.state = replace(
            self.state,
            asked=text,
            clarified=False,
            awaiting=Awaiting.NOTHING,
            age=str(of_patient.age or self.state.age),
            status=str(of_patient.status or self.state.status),
        )
        chat = self.world.smalltalk.recognise(text)
        if chat is Topic.HELLO:
            if not self._just_greeted():
                self.say(self.phrase("hello"))
            return
        if chat is Topic.THANKS:
            self._thanked()
            return
        if chat is Topic.ATTACK:
            self.say(self.phrase("protected"), [self.choice(REFERRAL, "choice.help")])
            return
        found = self.world.shelves.find(without_marks(text), country=self.state.country, language=self.state.language)
        shown = [
            article
            for candidate in found.candidates[:SUGGESTIONS]
            if (article := self.world.shelves.article(candidate.article_id)) is not None
        ]
        fit = [article for article in shown if not self._is_too_old(article)]
        elsewhere = {Topic.OUT_OF_SCOPE: found.band is not Band.ANSWER, Topic.FAR: found.band is Band.NONE}
        if chat is not None and elsewhere.get(chat, False):
            self.say(self.phrase("out_of_scope"))
            return
        match found.band:
            case Band.ANSWER if shown:
                self._answer(shown[0])
            case Band.SUGGEST if shown and not fit:
                self._hand_over_old(shown[0])
            case Band.SUGGEST if shown:
                offered = [Choice(f"{ANSWER}:{article.id}", self._title(article)) for article in fit]
                lead = answers.whose_law(fit[0], self.world.phrases, self.state)
                text = "\n\n".join([*lead, self.phrase("suggest.lead")])
                self.say(text, [*offered, self.choice(NONE_OF_THESE, "choice.none")])
            case _:
                nearest = tuple(candidate.article_id for candidate in found.candidates[:SUGGESTIONS])
                self.effects.append(RecordGap(Missing.UNKNOWN, text, nearest, found.confidence, self._region()))
                self._unknown(next(iter(fit or shown), None))

    def _title(self, article: Article) -> str:
        return answers.title(article, self.state.language)

    def _unknown(self, nearest: Article | None) -> None:
        help_choice = self.choice(REFERRAL, "choice.help")
        if nearest is None:
            self.say(self.phrase("unknown"), [help_choice])
            return
        title = self._title(nearest)
        self.say(self.phrase("unknown.nearest", title=title), [Choice(f"{ANSWER}:{nearest.id}", title), help_choice])

    def _none_of_these(self) -> None:
        offered = tuple(token.partition(":")[2] for token in self.state.menu.values() if token.startswith(f"{ANSWER}:"))
        if self.state.asked:
            self.effects.append(RecordGap(Missing.SUGGESTED, self.state.asked, offered, 0.0, self._region()))
        self._unknown(None)

    def _region(self) -> str:
        """Where the clinician is, no finer than a fylke or län: enough for a gap, too little to find anyone."""
        draft = self.state.referral
        # The codes of the two countries overlap, and a gap tells of one country only.
        return draft.region if draft is not None and draft.place_country == self.state.country.value else ""

    def _fitness(self, article: Article) -> Fitness:
        return self.world.standing.fitness(article, self.world.now)

    def _is_too_old(self, article: Article) -> bool:
        return self._fitness(article).fit is Fit.HAND_OVER

    def _hand_over_old(self, article: Article, *, unanswered: bool = True) -> None:
        """Say honestly that there is an answer which may not be used any more, and offer the advisor."""
        self.state = replace(self.state, article="", awaiting=Awaiting.NOTHING, facet_of="")
        if self.state.asked and unanswered:
            self.effects.append(RecordGap(Missing.TOO_OLD, self.state.asked, (article.id,), 0.0, self._region()))
        self.say(
            answers.too_old(article, self.world.phrases, self.state),
            [self.choice(f"{HELP}:{article.id}", "choice.help")],
        )

    def _answer(self, article: Article) -> None:
        if self._is_too_old(article):
            self._hand_over_old(article)
            return
        facet = self.world.shelves.asks_for(article, status=self.state.status, age=self.state.age)
        if facet is not None and not self.state.clarified:
            self.state = replace(self.state, awaiting=Awaiting.FACET, facet_of=article.id, clarified=True)
            self._ask_facet(article, facet)
            return
        answer = self._composed(article)
        self.state = replace(self.state, article=article.id, awaiting=Awaiting.NOTHING, facet_of="")
        self.say(
            answers.short(answer, self.world.phrases, self.state, self.world.form),
            self._about_choices(article),
            served=self._served(article, answer, "short"),
        )

    def _composed(self, article: Article) -> answers.Answer:
        return self.world.shelves.answer(
            article,
            status=self.state.status or None,
            age=self.state.age or None,
            language=self.state.language,
            fitness=self._fitness(article),
        )

    def _served(self, article: Article, answer: answers.Answer, part: str) -> Served:
        return Served(article.id, article.revision, answer.variant, answer.language, part)

    def _about_choices(self, article: Article, *, leave_out: str = "") -> list[Choice]:
        offered = [
            self.choice(f"{DETAILS}:{article.id}", "choice.more"),
            self.choice(f"{SOURCES}:{article.id}", "choice.sources"),
            self.choice(f"{HELP}:{article.id}", "choice.help"),
        ]
        if leave_out:
            offered += [
                self.choice(f"{HELPFUL}:{article.id}", "choice.helpful"),
                self.choice(f"{UNHELPFUL}:{article.id}", "choice.unhelpful"),
            ]
        return [choice for choice in offered if not leave_out or not choice.token.startswith(f"{leave_out}:")]

    def _details(self, article: Article) -> None:
        if self._is_too_old(article):
            self._hand_over_old(article, unanswered=False)
            return
        answer = self._composed(article)
        self.state = replace(self.state, article=article.id)
        self.say(
            answers.details(answer, self.world.phrases, self.state),
            self._about_choices(article, leave_out=DETAILS),
            served=self._served(article, answer, "details"),
        )

    def _sources(self, article: Article) -> None:
        answer = self._composed(article)
        self.state = replace(self.state, article=article.id)
        self.say(
            answers.sources(answer, self.world.phrases, self.state),
            self._about_choices(article, leave_out=SOURCES),
            served=self._served(article, answer, "sources"),
        )

    # --- the one clarifying question -----------------------------------------------------------------------------

    def _facet_asked(self) -> Facet | None:
        article = self.world.shelves.article(self.state.facet_of)
        if article is None:
            return None
        return self.world.shelves.asks_for(article, status=self.state.status, age=self.state.age)

    def _ask_facet(self, article: Article, facet: Facet) -> None:
        if facet is Facet.AGE:
            values = [Choice(f"{AGE}:{value}", self.phrase(f"age.{value}")) for value in ("minor", "adult")]
            unsure = Choice(f"{AGE}:", self.phrase("choice.unsure"))
            self.say(self.phrase("facet.age"), [*values, unsure])
            return
        values = [
            Choice(f"{STATUS}:{status}", self.phrase(f"status.{status}"))
            for status in self.world.shelves.statuses_told_apart(article)
        ]
        unsure = Choice(f"{STATUS}:", self.phrase("choice.unsure"))
        self.say(self.phrase("facet.status"), [*values[:8], unsure])

    def _facet_told(self, kind: str, value: str) -> None:
        article = self.world.shelves.article(self.state.facet_of)
        self.state = replace(
            self.state,
            status=value if kind == STATUS else self.state.status,
            age=value if kind == AGE else self.state.age,
            awaiting=Awaiting.NOTHING,
            clarified=True,
        )
        if article is None:
            self.say(self.phrase("old_choice"))
        else:
            self._answer(article)

    # --- who can help --------------------------------------------------------------------------------------------

    def _start_referral(self, needs: Sequence[str]) -> None:
        known = self.state.referral
        draft = Draft(needs=tuple(needs), who="child" if self.state.age == "minor" else "")
        if known is not None and known.place_code:
            draft = draft.at_the_place_of(known)
        if self.state.asked:
            heard = self.world.gazetteer.understand(self.state.asked, country=self.state.country)
            draft = referral.place_supposed(draft, heard)
        self._move_referral(draft)

    def _move_referral(self, draft: Draft) -> None:
        awaiting = Awaiting.REFERRAL if draft.step is not Step.DONE else Awaiting.NOTHING
        self.state = replace(self.state, referral=draft, awaiting=awaiting)
        if draft.step is Step.DONE:
            self._show_services()
        else:
            self._ask_referral()

    def _ask_referral(self, lead: str = "") -> None:
        assert self.state.referral is not None
        text, choices = referral.ask(self.state.referral, self.world.phrases, self.state.language)
        offered = [Choice(f"{REFERRAL}:{choice.token}", choice.label) for choice in choices]
        self.say(f"{lead}\n\n{text}" if lead else text, offered)

    def _who_helps_where(self, text: str) -> bool:
        """Start at the place where the message names one: "who can help in Bergen"."""
        named = self.world.commands.who_helps_where(text)
        if not named:
            return False
        understood = self.world.gazetteer.understand(named, country=self.state.country)
        moved = referral.place_told(Draft(who="child" if self.state.age == "minor" else ""), understood)
        if moved is None:
            return False
        self._move_referral(moved)
        return True

    def _referral_text(self, text: str) -> bool:
        draft = self.state.referral
        assert draft is not None
        token = self._label_meant(text)
        if token is not None:
            self._tapped(token)
            return True
        answer = self.world.commands.answers_to(draft.step.value, text)
        if answer:
            self._tapped(f"{REFERRAL}:{answer}")
            return True
        if draft.step is not Step.PLACE:
            return False
        understood = self.world.gazetteer.understand(text, country=self.state.country)
        moved = referral.place_told(draft, understood)
        if moved is not None:
            self._move_referral(moved)
            return True
        if len(plain(text).split()) >= 4:
            return False  # a question in between, not a place nobody knows
        self._ask_referral(lead=self.phrase("refer.place.unknown"))
        return True

    def _referral_yes_or_no(self, command: Command) -> bool:
        draft = self.state.referral
        if command is Command.SKIP:
            self._tapped(f"{REFERRAL}:skip")
        elif draft is None or draft.step is not Step.PLACE or len(draft.candidates) != 1:
            return False
        elif command is Command.YES:
            self._tapped(f"{REFERRAL}:place:{draft.candidates[0][0]}")
        else:
            self._move_referral(replace(draft, candidates=()))
        return True

    def _referral_told(self, value: str) -> None:
        draft = self.state.referral
        if not value or draft is None:
            self._start_referral(draft.needs if draft is not None and not value else ())
            return
        if value == "place":
            self._move_referral(Draft(needs=draft.needs, who=draft.who, when=draft.when))
            return
        if value == "more":
            self.state = replace(self.state, referral=replace(draft, shown=draft.shown + referral.SHOWN))
            self._show_services()
            return
        moved = referral.told(draft, value, self.world.gazetteer)
        if moved is None:
            self._keeping_step(lambda: self.say(self.phrase("old_choice")))
            return
        self._move_referral(moved)

    def _show_services(self) -> None:
        draft = self.state.referral
        assert draft is not None
        shown = referral.find(
            draft,
            self.world.directory,
            self.world.gazetteer,
            country=self.state.country,
            status=self.state.status,
            at=self.world.now + _ahead(draft),
        )
        text = referral.tell(
            shown,
            draft,
            self.world.phrases,
            self.state.language,
            self.world.form,
            needs=self.world.directory.needs,
            now=self.world.now,
        )
        everyone = tuple(offer.service.id for offer in (*shown.best, *shown.always))
        self.state = replace(self.state, referral=replace(draft, offered=everyone))
        choices = []
        if shown.more:
            choices.append(self.choice(f"{REFERRAL}:more", "refer.more"))
        choices += [Choice(f"{REFERRAL}:place:{key}", name) for key, name in draft.namesakes]
        choices.append(self.choice(f"{REFERRAL}:place", "refer.change"))
        refers = referring.offers(shown.ids, self._scene())
        # Where one choice stands for all, those that are known by their digit keep it.
        choices = [*refers, *choices] if self.world.form is Form.WIDE else [*choices, *refers]
        if shown.ids:
            self.effects.append(RecordReferral(shown.ids, draft.wanted, draft.region))
        elif draft.shown or shown.nobody:
            self.effects.append(RecordGap(Missing.NO_SERVICE, self.state.asked, draft.wanted, 0.0, draft.region))
        self.say(text, choices)

    # --- referring to one of them --------------------------------------------------------------------------------

    def _scene(self) -> Scene:
        return Scene(
            phrases=self.world.phrases,
            language=self.state.language,
            country=self.state.country,
            directory=self.world.directory,
            gazetteer=self.world.gazetteer,
            form=self.world.form,
            now=self.world.now,
            fresh_id=self.world.fresh_id,
            status=self.state.status,
            minor=self.state.age == "minor",
            draft=self.state.referral,
            referrals=self.world.referrals,
            safe=self.world.safe,
        )

    def _turned(self, turned: Turned | None) -> None:
        """Say and do what a step of a referral came to; None is a choice that is not offered any more."""
        if turned is None:
            self._keeping_step(lambda: self.say(self.phrase("old_choice")))
            return
        awaiting = self.state.awaiting
        if turned.making is not None:
            awaiting = Awaiting.REFERRING
        elif awaiting is Awaiting.REFERRING:
            awaiting = Awaiting.NOTHING
        self.state = replace(
            self.state, making=turned.making, awaiting=awaiting, referred=self.state.referred or bool(turned.does)
        )
        choices = [self.choice(DANGER_YES, "outcome.danger"), *turned.choices] if turned.urgent else turned.choices
        # What is done stands before what is said, so that nothing is said that was not done.
        self.effects.extend(turned.does)
        text = turned.text
        if turned.slip and self.world.form is Form.WIDE:
            text = f"{turned.slip}\n\n{text}"
        elif turned.slip:
            # Whole and by itself, however long it is: it is read out, and the question below it must be seen.
            menu = tuple(self._numbered(()))
            for part in pages(turned.slip, menu=answers.menu_line(menu)):
                self.effects.append(Say(OutboundMessage(part, menu)))
        self.say(text, choices, urgent=turned.urgent)
        if turned.seek:
            sought = self.world.escalation is not None
            self.effects.append(SayWhoIsSought() if sought else SeekAdvisor(Reason.INTRODUCTION, urgent=False))

    def ask_outcome(self, about: Referral, *, plainly: bool) -> None:
        self._turned(referring.ask_outcome(about, self._scene(), plainly=plainly))

    def _refers_to(self, text: str) -> bool:
        """Refer to the service that the message names: "refer to the crisis centre"."""
        words = self.world.commands.refers_to(text)
        if not words:
            return False
        self._refer_to(words)
        return True

    def _refer_to(self, words: str) -> None:
        """Refer to the service that these words mean; else it is asked which, or what help is looked for."""
        scene = self._scene()
        service_id = referring.named(words, scene) if words else None
        turned = referring.choose(service_id, scene) if service_id is not None else referring.start(scene)
        if turned is not None:
            self._turned(turned)
        else:
            self._start_referral(())

    def _making_text(self, text: str, making: Making) -> bool:
        token = self._label_meant(text)
        if token is not None:
            self._tapped(token)
            return True
        turned = referring.heard(making, text, self._scene())
        if turned is not None:
            self._turned(turned)
        return turned is not None


def _ahead(draft: Draft) -> timedelta:
    """How far from now the help is needed, near enough for opening hours."""
    return timedelta(hours=12) if draft.when == "tomorrow" else timedelta(0)

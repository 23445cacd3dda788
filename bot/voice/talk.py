"""A clinician's call as a state machine. Pure: a talk and what happened in, a talk and what is to be done out.

The call is a chain of documents. Each says something and then listens, and what she says or presses brings the next.
Between two documents nothing is held in memory: the talk is written down, and a process that dies goes on where it
stood. What happened on an earlier document (Twilio may ask twice) is known by its number and changes nothing.

What always holds, whatever is said, pressed or left unsaid:

- every document that goes on listens for 0, which calls an advisor;
- after two things that could not be made out, an advisor is sought, and nobody is asked a third time;
- the call ends with an answer, with an advisor sought, or with a goodbye that repeats what was promised.

Words are not here: a document names phrases (`content/phrases/voice.yaml`) and carries replies as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, assert_never

from helpline.messages import Country, Language

UNSURE = 0.3  # below this the recogniser is guessing
FAILURES = 2  # things that could not be made out, before an advisor is sought
PATIENCE = 6  # documents that ask for a moment, before an advisor is sought instead
SILENCES = 2  # times nothing is said after an answer, before we say goodbye
CODE_TRIES = 3
CODE_LENGTH = 6
LISTEN = 7  # seconds of silence after a question
MOMENT = 2  # seconds until we look again for a reply
ROUND = 20  # seconds between two words while she waits
ADVISOR_KEY, ADVISOR_TOKEN = "0", "a"


# --- what is remembered ----------------------------------------------------------------------------------------------


class At(StrEnum):
    """Where the call stands."""

    QUESTION = "question"  # she is asked what it is about
    THINKING = "thinking"  # her question is taken in, the reply is not here yet
    ANSWERED = "answered"  # an answer was read
    CHOOSING = "choosing"  # she was asked something with choices
    AGREEING = "agreeing"  # may it be sent as SMS to this phone?
    SEEKING = "seeking"  # an advisor is sought, and she waits on the line
    WRITING = "writing"  # an advisor has it and writes; the words are read to her
    DICTATING = "dictating"  # she says what the advisor should know
    CONFIRMING = "confirming"  # it was read back to her
    JOINED = "joined"  # she talks with an advisor
    LEFT = "left"  # the advisor is no longer on the line
    CODE = "code"  # she keys the code of an earlier call
    CHECKING = "checking"  # we called back, or somebody calls where another may have: is it she?
    STAFF = "staff"  # an advisor called: which escalation?
    STAFF_TAKEN = "staff_taken"  # it is theirs, and can be joined
    OVER = "over"


@dataclass(frozen=True)
class Saying:
    """One thing that is said: a phrase with its values, or words that come from elsewhere."""

    key: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    words: str = field(default="", repr=False)
    language: Language | None = None  # where it is not the talk's own
    key_of: str = ""  # the key to press for `words`, which are then a choice


@dataclass(frozen=True)
class Talk:
    """One call, as it stands after its last document. Kept sealed."""

    language: Language
    country: Country
    at: At = At.QUESTION
    turn: int = 0  # of the document that was given last
    says: tuple[Saying, ...] = ()  # what the last document says
    failures: int = 0  # things in a row that could not be made out
    silences: int = 0
    moments: int = 0  # documents in a row that asked for a moment
    rounds: int = 0  # documents while she waited for an advisor
    menu: Mapping[str, str] = field(default_factory=dict)  # key → token of what was offered last
    answer: tuple[Saying, ...] = ()  # what is said again on "repeat"
    article: str = ""  # of the answer that was read last
    offered: tuple[tuple[str, str, str], ...] = ()  # key, token and label of what goes on from an answer
    message: str = field(default="", repr=False)  # what she dictated, masked, until she confirms it
    callable: bool = True  # we see her number
    textable: bool = True  # and it takes SMS, and SMS is switched on
    agreed: bool = False  # she said that it may be texted to
    proved: bool = True  # it is she: she called, or pressed the key when we did
    shared: bool = False  # another may have called from this telephone, or has
    back_to: At = At.QUESTION  # after the question about SMS
    going: bool = False  # she asks for SMS because she wants to hang up
    code_tries: int = 0
    offered_message: bool = False
    told_hidden: bool = False
    escalation: str = ""  # STAFF_TAKEN: which


def to_json(talk: Talk) -> dict[str, Any]:
    """The talk as plain values."""
    return asdict(talk)


def from_json(data: Mapping[str, Any]) -> Talk:
    """The talk back from plain values; keys of a newer or older release are passed over."""
    known = {name: data[name] for name in {entry.name for entry in fields(Talk)} & set(data)}
    known["language"], known["country"] = Language(known["language"]), Country(known["country"])
    for name in ("at", "back_to"):
        known[name] = At(known.get(name, At.QUESTION))
    known["offered"] = tuple((key, token, label) for key, token, label in known.get("offered", ()))
    for name in ("says", "answer"):
        known[name] = tuple(_saying(each) for each in known.get(name, ()))
    return Talk(**known)


def _saying(data: Mapping[str, Any]) -> Saying:
    language = data.get("language")
    return Saying(**{**data, "language": Language(language) if language is not None else None})


# --- how things stand beside the call --------------------------------------------------------------------------------


class Case(StrEnum):
    """The conversation's escalation."""

    NONE = "none"
    SOUGHT = "sought"
    LAST_RESORT = "last_resort"  # nobody was reached; we keep trying
    TAKEN = "taken"


@dataclass(frozen=True)
class Standing:
    """What the call needs to know of everything else."""

    case: Case = Case.NONE
    by: str = ""  # until when she was promised to hear, in her words
    code: str = ""  # of the escalation
    room: str = ""  # where an advisor waits for her on the phone
    web: str = ""  # where she can write instead, as it is said
    called: int = 0  # advisors who were woken for it


# --- what happens ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answered:
    """The call is on: hers, one of ours to her, or an advisor's."""

    returning: bool = False  # her question of before is still open


@dataclass(frozen=True)
class Heard:
    """She said something; masked already."""

    text: str = field(repr=False)
    confidence: float = 1.0
    danger: bool = False  # the words show danger now, however unsure the rest is


@dataclass(frozen=True)
class Keys:
    """She pressed something."""

    digits: str = field(repr=False)


@dataclass(frozen=True)
class Nothing:
    """She neither spoke nor pressed."""


class Sort(StrEnum):
    """What a reply is, for what may be pressed after it."""

    ANSWER = "answer"  # an article's words, or the services that were asked for
    CHOICES = "choices"  # it asks something
    PLAIN = "plain"


@dataclass(frozen=True)
class Words:
    """One reply of the line, or of an advisor."""

    text: str = field(repr=False)
    sort: Sort = Sort.PLAIN
    article: str = ""
    title: str = ""  # of the article, which tells her what was understood
    choices: tuple[tuple[str, str, str], ...] = ()  # key, token, label


@dataclass(frozen=True)
class Reply:
    """Something was written for her."""

    words: tuple[Words, ...]


@dataclass(frozen=True)
class AdvisorTook:
    """Somebody has her question."""


@dataclass(frozen=True)
class NobodyReached:
    """Every step was tried."""


@dataclass(frozen=True)
class AdvisorJoins:
    """An advisor waits on the phone for her."""


@dataclass(frozen=True)
class AdvisorLeft:
    """The room is empty but for her."""


@dataclass(frozen=True)
class CodeKnown:
    """The code she keyed is of an open escalation."""


@dataclass(frozen=True)
class CodeUnknown:
    """The code she keyed is of none."""


@dataclass(frozen=True)
class StaffTold:
    """What came of an advisor's code, as a phrase; with the escalation where it is theirs now."""

    key: str
    escalation: str = ""


@dataclass(frozen=True)
class HungUp:
    """She is gone."""


Event = (
    Answered
    | Heard
    | Keys
    | Nothing
    | Reply
    | AdvisorTook
    | NobodyReached
    | AdvisorJoins
    | AdvisorLeft
    | CodeKnown
    | CodeUnknown
    | StaffTold
    | HungUp
)


# --- what is to be done ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TakeIn:
    """Give this to the line as a message of hers."""

    text: str = field(default="", repr=False)
    token: str = ""


@dataclass(frozen=True)
class Agree:
    """She agrees to SMS on this number; send the article's answer there, or what else was read to her."""

    article: str = ""
    words: str = field(default="", repr=False)


@dataclass(frozen=True)
class FindCode:
    """Which open escalation has this code?"""

    code: str = field(repr=False)


@dataclass(frozen=True)
class TakeByCode:
    """An advisor wants the escalation of this code."""

    code: str = field(repr=False)


@dataclass(frozen=True)
class JoinAdvisor:
    """Bring this advisor, who is on this call, together with the clinician."""

    escalation: str


@dataclass(frozen=True)
class AskToTalk:
    """Tell the advisor who has it that she would like to talk, and call them."""


@dataclass(frozen=True)
class AsClinician:
    """Whoever is on this call asks apart from what belongs to the number: a member of staff, or a second clinician."""


@dataclass(frozen=True)
class Release:
    """Nobody is on the line: what was not said goes out by another way."""


Effect = TakeIn | Agree | FindCode | TakeByCode | JoinAdvisor | AskToTalk | AsClinician | Release
Step = tuple[Talk, tuple[Effect, ...]]


# --- the document ----------------------------------------------------------------------------------------------------


class Then(StrEnum):
    """What comes after the words."""

    LISTEN = "listen"
    JOIN = "join"
    HANG_UP = "hang_up"


@dataclass(frozen=True)
class Document:
    """What Twilio is given: words, and what it does after them."""

    says: tuple[Saying, ...]
    then: Then
    speech: bool = False
    digits: int = 1
    seconds: int = LISTEN


_SPEECH = frozenset({At.QUESTION, At.ANSWERED, At.CHOOSING, At.WRITING, At.DICTATING})
_SECONDS = {At.THINKING: MOMENT, At.SEEKING: ROUND, At.WRITING: ROUND, At.LEFT: ROUND // 2}


_HOW_IT_STOOD = frozenset(
    f"voice.{key}" for key in ("writing.waiting", "seeking.still", "seeking.one", "seeking.many", "seeking.by")
)


def document(talk: Talk) -> Document:
    """The document of a talk: the same one, however often it is asked for."""
    match talk.at:
        case At.OVER:
            return Document(talk.says, Then.HANG_UP)
        case At.JOINED:
            return Document(talk.says, Then.JOIN)
        case _:
            return Document(
                talk.says,
                Then.LISTEN,
                speech=talk.at in _SPEECH,
                digits=CODE_LENGTH if talk.at in {At.CODE, At.STAFF} else 1,
                seconds=_SECONDS.get(talk.at, LISTEN),
            )


# --- moving ----------------------------------------------------------------------------------------------------------


def next_turn(talk: Talk) -> Talk:
    """The talk with a new, still silent document."""
    return replace(talk, turn=talk.turn + 1, says=())


def with_a_word(talk: Talk) -> Talk:
    """The talk, in which she does not hear mere silence after what she said."""
    if talk.at is At.THINKING and not talk.says and not talk.moments:
        return replace(talk, says=(Saying("voice.moment"),))
    return talk


def step(talk: Talk, event: Event, standing: Standing) -> Step:
    """What becomes of the talk, and what is to be done."""
    turn = _Turn(talk, standing)
    turn.take(event)
    return turn.talk, tuple(turn.effects)


class _Turn:
    """One event, while it is being dealt with."""

    def __init__(self, talk: Talk, standing: Standing) -> None:
        self.talk = talk
        self.standing = standing
        self.effects: list[Effect] = []

    # --- saying ------------------------------------------------------------------------------------------------------

    def say(self, key: str, **values: str) -> None:
        self.add(Saying(f"voice.{key}", values))

    def say_in(self, key: str, language: Language) -> None:
        self.add(Saying(f"voice.{key}", language=language))

    def add(self, *sayings: Saying) -> None:
        self.talk = replace(self.talk, says=(*self.talk.says, *sayings))

    def go(self, at: At, **changes: Any) -> None:
        """Stand somewhere else, with the counts of where it stood before forgotten."""
        self.talk = replace(self.talk, at=at, failures=0, silences=0, **changes)

    def do(self, effect: Effect) -> None:
        self.effects.append(effect)

    # --- events ------------------------------------------------------------------------------------------------------

    def take(self, event: Event) -> None:
        if self.talk.at is At.OVER:
            return
        match event:
            case Answered(returning=returning):
                self._answered(returning=returning)
            case Heard() as heard:
                self._heard(heard)
            case Keys(digits=digits) if digits:
                self._pressed(digits)
            case Keys() | Nothing():
                self._nothing()
            case Reply(words=words):
                self._reply(words)
            case AdvisorTook():
                self._taken()
            case NobodyReached():
                self._nobody_reached()
            case AdvisorJoins():
                self._joins()
            case AdvisorLeft():
                self._advisor_left()
            case CodeKnown():
                self.say("code.known")
                self._wait()
            case CodeUnknown():
                self._code_unknown()
            case StaffTold(key=key, escalation=escalation):
                self._staff_told(key, escalation)
            case HungUp():
                self.go(At.OVER)
                self.do(Release())
            case _:
                assert_never(event)

    # --- the beginning -----------------------------------------------------------------------------------------------

    def _answered(self, *, returning: bool) -> None:
        match self.talk.at:
            case At.CHECKING if self.talk.shared:
                self.say("greeting")
                self.say(f"emergency.{self.talk.country.value}")
                self.say("returning.check")
            case At.CHECKING:
                self.say("callback.check")
            case At.STAFF:
                self.say("staff.hello")
                self.say("staff.code")
            case _ if returning:
                self.say(f"emergency.{self.talk.country.value}")
                self.say("returning")
                self._wait()
            case _:
                self.say("greeting")
                self.say(f"emergency.{self.talk.country.value}")
                self.say("ask")
                for language in (Language.NB, Language.SV, Language.EN):
                    if language is not _voice_of(self.talk.language):
                        self.say_in("language", language)
                if not self.talk.callable:
                    self.say("code.offer")
                self.go(At.QUESTION)

    def _change_language(self, language: Language) -> None:
        self.go(self.talk.at, language=language)
        self.say("language.set")
        self.say("ask")

    # --- speech ------------------------------------------------------------------------------------------------------

    def _heard(self, heard: Heard) -> None:
        at = self.talk.at
        if heard.danger:
            # However it was heard and wherever the call stands: this does not wait for a question of ours.
            self._think(TakeIn(text=heard.text))
            return
        if at not in _SPEECH or not heard.text.strip() or heard.confidence < UNSURE:
            self._not_understood()
            return
        match at:
            case At.DICTATING:
                self.go(At.CONFIRMING, message=heard.text)
                self._read_back()
            case At.WRITING:
                self.do(TakeIn(text=heard.text))
                self.go(At.WRITING)
                self.say("writing.passed_on")
            case _:
                self._think(TakeIn(text=heard.text))

    def _think(self, effect: TakeIn) -> None:
        self.do(effect)
        self.go(At.THINKING, moments=0)

    def _not_understood(self) -> None:
        failures = self.talk.failures + 1
        self.talk = replace(self.talk, failures=failures)
        if failures >= FAILURES:
            self._give_up_hearing()
            return
        self.say("not_heard")
        self._ask_again()

    def _give_up_hearing(self) -> None:
        """Twice it could not be made out: a human is sought, or goes on being."""
        match self.talk.at:
            case At.SEEKING | At.WRITING | At.JOINED:
                self.go(self.talk.at)
                self._how_it_stands()
            case At.DICTATING | At.CONFIRMING:
                self.say("message.dropped")
                self._wait(message="")
            case At.CHECKING if self.talk.shared:
                self._is_another()
            case At.CHECKING:
                self.go(At.OVER)
            case _ if self.standing.case is not Case.NONE:
                self.say("not_heard.again")
                self._wait()
            case _:
                self.say("not_heard.advisor")
                self._seek()

    def _ask_again(self) -> None:
        match self.talk.at:
            case At.QUESTION:
                self.say("ask.again")
            case At.ANSWERED:
                self._answer_menu()
            case At.CHOOSING:
                self.add(*self.talk.answer)
            case At.AGREEING:
                self.say("sms.agree")
            case At.DICTATING:
                self.say("message.ask")
            case At.CONFIRMING:
                self._read_back()
            case At.CODE:
                self.say("code.ask")
            case At.CHECKING:
                self.say("returning.check" if self.talk.shared else "callback.check")
            case At.STAFF:
                self.say("staff.code")
            case At.STAFF_TAKEN:
                self.say("staff.join")
            case At.LEFT:
                self.say("left.menu")
            case At.SEEKING:
                self.say("seeking.menu")
            case At.WRITING:
                self.say("writing.menu")
            case At.THINKING | At.JOINED | At.OVER:
                pass
            case _:
                assert_never(self.talk.at)

    # --- keys --------------------------------------------------------------------------------------------------------

    def _pressed(self, digits: str) -> None:
        at = self.talk.at
        if at is At.CODE and digits != ADVISOR_KEY:
            self._code_keyed(digits)
            return
        if at is At.STAFF and digits != ADVISOR_KEY:
            self.do(TakeByCode(digits.rstrip("#")))
            return
        if at is At.CHECKING:
            self._checked(digits[0])
            return
        key = digits[0]
        if key == ADVISOR_KEY:
            self._advisor_pressed()
            return
        act = self._meaning(at).get(key)
        if act is None:
            self._not_understood() if at not in {At.THINKING, At.JOINED} else None
            return
        self.talk = replace(self.talk, failures=0, silences=0)
        act()

    def _meaning(self, at: At) -> Mapping[str, Callable[[], None]]:
        """What the keys mean where the call stands."""
        match at:
            case At.QUESTION:
                return {
                    "6": self._ask_for_code,
                    "7": lambda: self._change_language(Language.NB),
                    "8": lambda: self._change_language(Language.SV),
                    "9": lambda: self._change_language(Language.EN),
                }
            case At.ANSWERED:
                keys = {
                    "1": self._repeat,
                    "2": self._wants_sms,
                    "3": self._another_question,
                }
                return keys | {key: self._choice(token) for key, token, _ in self.talk.offered}
            case At.CHOOSING:
                return {key: self._choice(token) for key, token in self.talk.menu.items()}
            case At.AGREEING:
                return {"1": self._agrees, "2": self._does_not_agree}
            case At.SEEKING:
                return {
                    "1": self._wants_a_call,
                    "2": lambda: self._wants_sms(going=True),
                    "3": self._wants_to_say_more,
                }
            case At.WRITING:
                return {"1": self._wants_to_talk, "2": lambda: self._wants_sms(going=True), "3": self._wants_a_call}
            case At.CONFIRMING:
                return {"1": self._confirms, "2": self._says_it_anew}
            case At.LEFT:
                return {"1": self._wants_to_talk, "3": self._another_question}
            case At.STAFF_TAKEN:
                return {"4": lambda: self.do(JoinAdvisor(self.talk.escalation)), "1": self._staff_done}
            case _:
                return {}

    def _choice(self, token: str) -> Callable[[], None]:
        return lambda: self._think(TakeIn(token=token))

    def _advisor_pressed(self) -> None:
        match self.talk.at:
            case At.JOINED:
                pass
            case At.STAFF | At.STAFF_TAKEN:
                self.do(AsClinician())
                self.go(At.QUESTION, callable=False, textable=False)
                self.say("ask")
            case _:
                self._seek()

    def _seek(self) -> None:
        """An advisor is wanted: also where one is sought already, who is then told that she asks again."""
        self.do(TakeIn(token=ADVISOR_TOKEN))
        self.go(At.THINKING, moments=0)

    # --- silence -----------------------------------------------------------------------------------------------------

    def _nothing(self) -> None:
        match self.talk.at:
            case At.THINKING:
                self._moment()
            case At.SEEKING | At.WRITING:
                self._how_it_stands()
            case At.ANSWERED | At.LEFT | At.STAFF_TAKEN | At.STAFF:
                silences = self.talk.silences + 1
                if silences >= SILENCES:
                    self._goodbye()
                    return
                self.talk = replace(self.talk, silences=silences)
                self._ask_again()
            case At.AGREEING if self.talk.failures + 1 >= FAILURES:
                self._does_not_agree()
            case At.JOINED:
                # She would be in the room, and is here: there is no room any more.
                self._advisor_left() if not self.standing.room else None
            case _:
                self._not_understood()

    def _moment(self) -> None:
        moments = self.talk.moments + 1
        self.talk = replace(self.talk, moments=moments)
        if moments >= PATIENCE * 4:
            # Something is wrong on our side, and it may last. She must not stand with a telephone in her hand.
            self.say(f"trouble.{self.talk.country.value}")
            self._goodbye()
        elif moments == PATIENCE:
            # The reply does not come. What was said is on disk and will be answered; a human is sought meanwhile.
            self.say("long")
            self.do(TakeIn(token=ADVISOR_TOKEN))
        elif moments % 2 == 0:
            self.say("moment")

    # --- replies -----------------------------------------------------------------------------------------------------

    def _reply(self, words: Sequence[Words]) -> None:
        if not words or self.talk.at is At.CHECKING:
            return
        # First what is only told, and last what she may press a key for.
        words = sorted(words, key=lambda each: each.sort is not Sort.PLAIN)
        said = [saying for each in words for saying in _in_sayings(each)]
        if self.talk.at in {At.SEEKING, At.WRITING}:
            # What came is the news; how it stood before it came is none.
            left = tuple(each for each in self.talk.says if each.key not in _HOW_IT_STOOD)
            self.talk = replace(self.talk, says=(*said, *left))
        else:
            self.add(*said)
        if self.talk.at not in {At.THINKING, At.SEEKING, At.WRITING, At.QUESTION, At.ANSWERED, At.CHOOSING, At.LEFT}:
            # In the middle of something else: it was said, and what was asked is asked again.
            self._ask_again()
            return
        last = next((each for each in reversed(words) if each.sort is not Sort.PLAIN), words[-1])
        if self.standing.case is not Case.NONE and last.sort is not Sort.CHOICES:
            self._wait(answer=tuple(said))
            return
        match last.sort:
            case Sort.ANSWER:
                self.go(At.ANSWERED, answer=tuple(said), article=last.article, offered=last.choices)
                self._answer_menu()
            case Sort.CHOICES:
                self.go(At.CHOOSING, answer=tuple(said), menu={key: token for key, token, _ in last.choices})
            case Sort.PLAIN:
                self.go(At.ANSWERED, answer=tuple(said), article="", offered=())
                self._answer_menu()
            case _:
                assert_never(last.sort)

    def _answer_menu(self) -> None:
        self.say("menu.repeat")
        if self.talk.textable and (self.talk.article or self.talk.offered):
            self.say("menu.sms")
        self.say("menu.other")
        self.add(*(Saying(words=label, key_of=key) for key, _, label in self.talk.offered))
        self.say("menu.advisor")

    def _repeat(self) -> None:
        self.add(*self.talk.answer)
        self._answer_menu()

    def _another_question(self) -> None:
        self.go(At.QUESTION, article="", offered=())
        self.say("ask.other")

    # --- waiting for a human -----------------------------------------------------------------------------------------

    def _wait(self, **changes: Any) -> None:
        """Stay on the line, in the way that fits how her question stands."""
        if self.standing.room:
            self.talk = replace(self.talk, **changes)
            self._joins()
            return
        match self.standing.case:
            case Case.TAKEN:
                new = self.talk.at is not At.WRITING
                self.go(At.WRITING, rounds=0, **changes)
                if new:
                    self.say("writing.taken")
                    self.say("writing.menu")
            case Case.SOUGHT | Case.LAST_RESORT:
                new = self.talk.at is not At.SEEKING
                self.go(At.SEEKING, rounds=0, **changes)
                if new:
                    self._hidden_number()
                    self.say("seeking.menu")
            case Case.NONE:
                self.go(At.QUESTION, **changes)
                self.say("ask.other")
            case _:
                assert_never(self.standing.case)

    def _hidden_number(self) -> None:
        """Whoever cannot be called back must know it while there is time, and how else it can be done."""
        if self.talk.callable or self.talk.told_hidden:
            return
        self.talk = replace(self.talk, told_hidden=True)
        self.say("hidden.shared" if self.talk.shared else "hidden")
        if self.standing.code:
            self.say("hidden.code", code=", ".join(self.standing.code))
        if self.standing.web:
            self.say("hidden.web", web=self.standing.web)

    def _how_it_stands(self) -> None:
        """A word every round: what is happening, and now and then what she can press."""
        if self.standing.room:
            self._joins()
            return
        rounds = self.talk.rounds + 1
        self.talk = replace(self.talk, rounds=rounds)
        match self.standing.case:
            case Case.TAKEN if self.talk.at is not At.WRITING:
                self._taken()
            case Case.TAKEN:
                self.say("writing.waiting")
                if rounds % 3 == 0:
                    self.say("writing.menu")
            case Case.SOUGHT | Case.LAST_RESORT if self.talk.at is At.WRITING:
                self._wait()
            case Case.SOUGHT | Case.LAST_RESORT:
                self._who_was_called()
                if self.standing.by:
                    self.say("seeking.by", by=self.standing.by)
                if rounds % 3 == 0:
                    self.say("seeking.menu")
            case Case.NONE:
                # The advisor has ended it; what was said about that has been read to her.
                self.go(At.LEFT)
                self.say("left.menu")
            case _:
                assert_never(self.standing.case)

    def _who_was_called(self) -> None:
        match self.standing.called:
            case 0:
                self.say("seeking.still")
            case 1:
                self.say("seeking.one")
            case many:
                self.say("seeking.many", count=str(many))

    def _taken(self) -> None:
        if self.talk.at in {At.JOINED, At.CHECKING, At.STAFF, At.STAFF_TAKEN, At.WRITING}:
            return
        if self.talk.at in {At.DICTATING, At.CONFIRMING, At.AGREEING, At.CODE}:
            self.say("writing.taken")
            self._ask_again()
            return
        self.go(At.WRITING, rounds=0)
        self.say("writing.taken")
        self.say("writing.menu")

    def _nobody_reached(self) -> None:
        if self.talk.at not in {At.THINKING, At.SEEKING} or self.talk.offered_message:
            return
        self.go(At.DICTATING, offered_message=True)
        self.say("message.offer")

    def _joins(self) -> None:
        if self.talk.at in {At.CHECKING, At.JOINED}:
            return
        self.go(At.JOINED)
        self.say("joined")

    def _advisor_left(self) -> None:
        if self.talk.at is not At.JOINED:
            return
        self.go(At.LEFT)
        self.say("left")
        self.say("left.menu")

    # --- what she wants while she waits ------------------------------------------------------------------------------

    def _wants_a_call(self) -> None:
        if not self.talk.callable:
            self.talk = replace(self.talk, told_hidden=False)
            self._hidden_number()
            return
        self.say("callback.will")
        self._goodbye()

    def _wants_to_say_more(self) -> None:
        self.go(At.DICTATING)
        self.say("message.ask")

    def _wants_to_talk(self) -> None:
        if self.standing.case is not Case.TAKEN:
            self._seek()
            return
        self.do(AskToTalk())
        self.go(At.WRITING, rounds=0)
        self.say("writing.calling")

    def _wants_sms(self, *, going: bool = False) -> None:
        if not self.talk.textable:
            self.say("sms.cannot" if self.talk.callable or self.talk.shared else "sms.hidden")
            self._ask_again()
            return
        back_to = self.talk.at
        if self.talk.agreed:
            self.talk = replace(self.talk, back_to=back_to, going=going)
            self._agrees()
            return
        self.go(At.AGREEING, back_to=back_to, going=going)
        self.say("sms.agree")

    def _agrees(self) -> None:
        if self.talk.going:
            self.do(Agree())
        elif self.talk.article:
            self.do(Agree(self.talk.article))
        else:
            self.do(Agree(words="\n\n".join(each.words for each in self.talk.answer if each.words)))
        self.say("sms.going" if self.talk.going else "sms.sent")
        if self.talk.going:
            self.talk = replace(self.talk, agreed=True)
            self._goodbye()
            return
        self.go(self.talk.back_to, agreed=True)
        self._ask_again()

    def _does_not_agree(self) -> None:
        self.say("sms.not_sent")
        self.go(self.talk.back_to, going=False)
        if self.talk.at in {At.SEEKING, At.WRITING}:
            self._wait()
        else:
            self._ask_again()

    # --- a message for the advisor -----------------------------------------------------------------------------------

    def _read_back(self) -> None:
        self.say("message.understood")
        self.add(Saying(words=self.talk.message))
        self.say("message.confirm")

    def _confirms(self) -> None:
        self.do(TakeIn(text=self.talk.message))
        self.say("message.taken")
        self._wait(message="")

    def _says_it_anew(self) -> None:
        self.go(At.DICTATING, message="")
        self.say("message.ask")

    # --- codes -------------------------------------------------------------------------------------------------------

    def _ask_for_code(self) -> None:
        self.go(At.CODE)
        self.say("code.ask")

    def _code_keyed(self, digits: str) -> None:
        self.do(FindCode(digits.rstrip("#")))

    def _code_unknown(self) -> None:
        tries = self.talk.code_tries + 1
        self.talk = replace(self.talk, code_tries=tries)
        self.say("code.unknown")
        if tries >= CODE_TRIES:
            self.go(At.QUESTION)
            self.say("ask.again")
        else:
            self.say("code.ask")

    # --- calls that we made, and calls of staff ----------------------------------------------------------------------

    def _checked(self, key: str) -> None:
        match key:
            case "1":
                self._is_she()
            case "2" if self.talk.shared:
                self._is_another()
            case _ if key != ADVISOR_KEY:
                self._not_understood()
            case _ if self.talk.shared:
                self._is_another()
                self._seek()
            case _:
                self._is_she()

    def _is_she(self) -> None:
        """Only now is it said who we are: before, anybody may have picked up."""
        shared = self.talk.shared
        self.go(At.QUESTION, proved=True, shared=False)
        if not shared:
            self.say("callback.hello")
            self.say(f"emergency.{self.talk.country.value}")
        self._wait()

    def _is_another(self) -> None:
        """What was said from this telephone before is another's: she begins anew, and hears nothing of it.

        What is for her does not go to that number either, where the other may pick up.
        """
        self.do(AsClinician())
        self.go(At.QUESTION, proved=True, callable=False, textable=False, agreed=False)
        self.say("ask")
        self.say("code.offer")

    def _staff_told(self, key: str, escalation: str) -> None:
        self.say(key)
        if escalation:
            self.go(At.STAFF_TAKEN, escalation=escalation, code_tries=0)
            self.say("staff.join")
            return
        tries = self.talk.code_tries + 1
        self.talk = replace(self.talk, code_tries=tries)
        if tries >= CODE_TRIES:
            self._staff_done()  # a number can be feigned, and codes are short
        else:
            self.say("staff.code")

    def _staff_done(self) -> None:
        self.go(At.OVER)
        self.say("staff.goodbye")

    # --- the end -----------------------------------------------------------------------------------------------------

    def _goodbye(self) -> None:
        if self.talk.at in {At.STAFF, At.STAFF_TAKEN}:
            self._staff_done()
            return
        if self.standing.case in {Case.SOUGHT, Case.LAST_RESORT}:
            if not self.talk.callable:
                self.talk = replace(self.talk, told_hidden=False)
                self._hidden_number()
            self.say("goodbye.by", by=self.standing.by) if self.standing.by else self.say("goodbye.seeking")
        elif self.standing.case is Case.TAKEN:
            self.say("goodbye.taken")
        self.say("goodbye")
        self.go(At.OVER)
        self.do(Release())


def _voice_of(language: Language) -> Language:
    """Nynorsk is spoken by the voice of bokmål."""
    return Language.NB if language is Language.NN else language


def _in_sayings(words: Words) -> list[Saying]:
    said = [Saying("voice.about", {"title": words.title})] if words.title else []
    said.append(Saying(words=words.text))
    if words.sort is Sort.CHOICES:
        said += [Saying(words=label, key_of=key) for key, _, label in words.choices]
        said.append(Saying("voice.menu.advisor"))
    return said

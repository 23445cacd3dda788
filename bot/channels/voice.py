"""Phone calls through Twilio: what is said on them, as values; and the calls themselves.

What a caller hears is a document of verbs (TwiML) that Twilio fetches from us at every turn of the call. The verbs here
are ours, few and frozen; `render` alone writes the document, by Twilio's own library. Nothing that is spoken names
anybody, and no address that Twilio is given holds more than our own opaque id of the call.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, assert_never

from twilio.base.exceptions import TwilioException
from twilio.twiml.voice_response import Dial as TwilioDial
from twilio.twiml.voice_response import Gather as TwilioGather
from twilio.twiml.voice_response import VoiceResponse

from bot.channels.base import BadPayload, Webhook
from bot.channels.twilio import FAILURES, TwilioAccount, fail, read_form
from helpline.messages import (
    Address,
    Channel,
    DeliveryReport,
    InboundMessage,
    Language,
    OutboundMessage,
    SendAttempt,
    Sent,
    Undeliverable,
)

# --- what is said ---------------------------------------------------------------------------------------------------

# Twilio has no nynorsk voice, nor ears for it: it is read and heard as bokmål. The wording stays nynorsk.
SPOKEN: Mapping[Language, str] = {
    Language.NB: "nb-NO",
    Language.NN: "nb-NO",
    Language.SV: "sv-SE",
    Language.EN: "en-GB",
}
VOICES: Mapping[Language, str] = {
    Language.NB: "Polly.Ida-Neural",
    Language.NN: "Polly.Ida-Neural",
    Language.SV: "Polly.Elin-Neural",
    Language.EN: "Polly.Amy-Neural",
}
LONGEST_SAY = 3900  # characters; Twilio takes 4096 in one <Say>


@dataclass(frozen=True)
class Say:
    """Words read aloud."""

    text: str = field(repr=False)
    language: Language


@dataclass(frozen=True)
class Pause:
    """Silence."""

    seconds: int = 1


@dataclass(frozen=True)
class Gather:
    """Listen for keys, for speech, or for both, while what is `inside` is said; then fetch `action`."""

    action: str
    inside: tuple[Say | Pause, ...] = ()
    language: Language = Language.NB
    input: tuple[str, ...] = ("dtmf",)  # "dtmf", "speech"
    num_digits: int | None = 1
    timeout: int = 5  # seconds of silence
    speech_timeout: str = ""  # "auto", or seconds
    hints: tuple[str, ...] = field(default=(), repr=False)
    action_on_empty: bool = True  # silence is fetched too, and so is counted
    finish_on_key: str | None = None  # None leaves Twilio's own


@dataclass(frozen=True)
class Redirect:
    """Go on with another document of ours."""

    url: str


@dataclass(frozen=True)
class Conference:
    """A room of this opaque name, in which whoever dials into it hears the others."""

    name: str
    start_on_enter: bool = True
    end_on_exit: bool = False
    beep: bool = False
    wait_url: str = ""  # what is heard until the room starts; empty for Twilio's own
    max_participants: int = 2
    status_callback: str = ""
    status_events: tuple[str, ...] = ("join", "leave", "end")


@dataclass(frozen=True)
class Dial:
    """Connect with a room. No number is ever dialled from here: neither side sees the other's."""

    conference: Conference
    action: str = ""  # fetched when this party has left the room
    time_limit: int | None = None  # seconds


@dataclass(frozen=True)
class Hangup:
    """End the call."""


@dataclass(frozen=True)
class Reject:
    """Do not answer: nothing is charged, and the caller hears that the line is busy or not in use."""

    busy: bool = True


Verb = Say | Pause | Gather | Redirect | Dial | Hangup | Reject


def render(verbs: Sequence[Verb]) -> str:
    """The document of these verbs, as Twilio reads it."""
    response = VoiceResponse()
    for verb in verbs:
        _add(response, verb)
    return str(response)


def _add(parent: Any, verb: Verb) -> None:
    match verb:
        case Say():
            for part in _in_breaths(verb.text):
                parent.say(part, voice=VOICES[verb.language], language=SPOKEN[verb.language])
        case Pause():
            parent.pause(length=verb.seconds)
        case Gather():
            parent.append(_gather(verb))
        case Redirect():
            parent.redirect(verb.url, method="POST")
        case Dial():
            parent.append(_dial(verb))
        case Hangup():
            parent.hangup()
        case Reject():
            parent.reject(reason="busy" if verb.busy else "rejected")
        case _:
            assert_never(verb)


def _gather(verb: Gather) -> Any:
    settings: dict[str, Any] = {
        "action": verb.action,
        "method": "POST",
        "input": " ".join(verb.input),
        "timeout": verb.timeout,
        "action_on_empty_result": verb.action_on_empty,
    }
    if verb.num_digits is not None and "dtmf" in verb.input:
        settings["num_digits"] = verb.num_digits
    if verb.finish_on_key is not None:
        settings["finish_on_key"] = verb.finish_on_key
    if "speech" in verb.input:
        settings["language"] = SPOKEN[verb.language]
        settings["speech_timeout"] = verb.speech_timeout or "auto"
        # What is said to us is not kept, here or in logs, as far as Twilio lets us ask for that.
        settings["profanity_filter"] = False
        if verb.hints:
            settings["hints"] = ", ".join(verb.hints)
    gather = TwilioGather(**settings)
    for part in verb.inside:
        _add(gather, part)
    return gather


def _dial(verb: Dial) -> Any:
    settings: dict[str, Any] = {}
    if verb.action:
        settings |= {"action": verb.action, "method": "POST"}
    if verb.time_limit is not None:
        settings["time_limit"] = verb.time_limit
    dial = TwilioDial(**settings)
    room = verb.conference
    of_room: dict[str, Any] = {
        "start_conference_on_enter": room.start_on_enter,
        "end_conference_on_exit": room.end_on_exit,
        "beep": "true" if room.beep else "false",
        "max_participants": room.max_participants,
        "record": "do-not-record",
    }
    if room.wait_url:
        of_room |= {"wait_url": room.wait_url, "wait_method": "POST"}
    if room.status_callback:
        of_room |= {
            "status_callback": room.status_callback,
            "status_callback_event": " ".join(room.status_events),
            "status_callback_method": "POST",
        }
    dial.conference(room.name, **of_room)
    return dial


_END_OF_SENTENCE = re.compile(r"(?<=[.!?:])\s+|\n+")


def _in_breaths(text: str) -> list[str]:
    """The words in pieces that one <Say> takes, cut between sentences."""
    said = " ".join(text.split())
    if len(said) <= LONGEST_SAY:
        return [said] if said else []
    parts = [""]
    for sentence in _END_OF_SENTENCE.split(said):
        for piece in (sentence[at : at + LONGEST_SAY] for at in range(0, len(sentence), LONGEST_SAY)):
            if parts[-1] and len(parts[-1]) + 1 + len(piece) > LONGEST_SAY:
                parts.append("")
            parts[-1] = f"{parts[-1]} {piece}".strip()
    return [part for part in parts if part]


# --- what becomes of a call -----------------------------------------------------------------------------------------


class CallState(StrEnum):
    """Where a call stands. Only the last five are the end of it."""

    MADE = "made"  # on our side alone: Twilio has not told of it
    QUEUED = "queued"  # Twilio has it
    RINGING = "ringing"
    ANSWERED = "answered"  # by somebody, or by a machine
    COMPLETED = "completed"  # it was answered, and is over
    BUSY = "busy"
    UNANSWERED = "unanswered"
    FAILED = "failed"  # no such number, or no way to it
    CANCELED = "canceled"  # hung up by us before anybody answered, or lost

    @property
    def over(self) -> bool:
        """Whether nothing more can happen on it."""
        return self.rank == _OVER

    @property
    def rank(self) -> int:
        """How far along it is: a call never goes back."""
        return _RANKS.get(self, _OVER)


_OVER = 4
_RANKS = {CallState.MADE: 0, CallState.QUEUED: 1, CallState.RINGING: 2, CallState.ANSWERED: 3}
_STATES = {
    "queued": CallState.QUEUED,
    "initiated": CallState.QUEUED,
    "ringing": CallState.RINGING,
    "in-progress": CallState.ANSWERED,
    "answered": CallState.ANSWERED,
    "completed": CallState.COMPLETED,
    "busy": CallState.BUSY,
    "no-answer": CallState.UNANSWERED,
    "failed": CallState.FAILED,
    "canceled": CallState.CANCELED,
}
_NOBODY = ("machine", "fax")  # what answered, in Twilio's words, where it was no human


@dataclass(frozen=True)
class CallNews:
    """What Twilio tells of a call, unasked or asked."""

    call_sid: str
    state: CallState
    sequence: int | None = None  # Twilio's own count of what it tells of one call
    machine: bool = False  # something answered that is no human, as far as Twilio can hear


@dataclass(frozen=True)
class Turn:
    """What Twilio posts when it fetches the next document: who called, what was pressed and what was said."""

    call_sid: str
    digits: str = field(default="", repr=False)
    speech: str = field(default="", repr=False)
    confidence: float | None = None
    state: CallState | None = None
    caller: str = field(default="", repr=False)  # the number of whoever called, of a call that came in; "" if withheld
    inbound: bool = False
    called: str = field(default="", repr=False)  # the number that was called


_SID = re.compile(r"CA[0-9a-fA-F]{32}")
_PHONE_NUMBER = re.compile(r"\+[1-9]\d{4,14}")
_KEYS = re.compile(r"[^0-9*#]")
_LONGEST_SPEECH = 4000


def read_turn(fields: Mapping[str, str]) -> Turn:
    """What was pressed and said. Raises `BadPayload`."""
    caller = fields.get("From", "").strip()
    try:
        confidence = float(fields["Confidence"]) if fields.get("Confidence") else None
    except ValueError:
        confidence = None
    return Turn(
        call_sid=_sid_of(fields),
        digits=_KEYS.sub("", fields.get("Digits", ""))[:40],
        speech=fields.get("SpeechResult", "")[:_LONGEST_SPEECH],
        confidence=confidence,
        state=_STATES.get(fields.get("CallStatus", "").lower()),
        caller=caller if _PHONE_NUMBER.fullmatch(caller) else "",
        inbound=fields.get("Direction", "").lower() == "inbound",
        called=fields.get("To", "").strip(),
    )


def read_news(fields: Mapping[str, str]) -> CallNews | None:
    """What a status callback tells; None for a state that this release does not know. Raises `BadPayload`."""
    sid = _sid_of(fields)
    state = _STATES.get(fields.get("CallStatus", "").lower())
    if state is None:
        return None
    written = fields.get("SequenceNumber", "")
    sequence = int(written) if written.isdecimal() and len(written) < 9 else None
    return CallNews(sid, state, sequence, machine=_is_machine(fields.get("AnsweredBy", "")))


def read_machine(fields: Mapping[str, str]) -> bool:
    """Whether Twilio took whoever answered for no human."""
    return _is_machine(fields.get("AnsweredBy", ""))


def _sid_of(fields: Mapping[str, str]) -> str:
    sid = fields.get("CallSid", "")
    if not _SID.fullmatch(sid):
        raise BadPayload("a call has an id")
    return sid


def _is_machine(answered_by: str) -> bool:
    return answered_by.lower().startswith(_NOBODY)


# --- the calls themselves -------------------------------------------------------------------------------------------

FIRST = "answered"  # the step that is fetched when somebody answers a call of ours
RING_FOR = 25  # seconds; most voicemails pick up after about as many, and the ladder's next way waits no longer
LONGEST_CALL = 4 * 3600  # seconds; a call that nobody ends is ended
# How far our clock may lie behind Twilio's. Short, so that a call of a minute ago is not taken for this one.
_CLOCK_DIFFERENCE = timedelta(seconds=60)
_LOOKED_THROUGH = 200


class TwilioCalls:
    """Calls that we make: an advisor is woken, a clinician is called back.

    Whether a machine answered is asked for beside the call (asynchronously): the person hears us at once, while asking
    first would leave her some seconds of silence in which people hang up. It is only a hint, which brings the next way
    on sooner; what proves a human is a key, and a key pressed after a wrong guess counts as ever.
    """

    can_be_asked = True
    channel = Channel.CALL

    def __init__(self, account: TwilioAccount, number: str) -> None:
        self._account = account
        self._number = number

    # --- as every channel ---

    def verify(self, request: Webhook) -> bool:
        return self._account.verify(request)

    def parse(self, request: Webhook) -> InboundMessage | DeliveryReport | None:
        """Nothing: what comes in on a call is read by the voice door, turn by turn."""
        read_form(request)
        return None

    def fit(self, message: OutboundMessage) -> tuple[OutboundMessage, ...]:
        """Whole: what is long is read in several breaths of one call."""
        return (message,)

    async def send(self, to: Address, message: OutboundMessage, attempt: SendAttempt) -> Sent:
        """Make the call. What is said on it Twilio fetches from us, by the reference, once somebody answers."""
        if attempt.known_as:
            return Sent(attempt.known_as)
        if not attempt.reference:
            raise Undeliverable("no reference: a call is written down before it is made")
        if attempt.repeated and (found := await self.find_sent(to, message, attempt)) is not None:
            return found
        failure: Exception
        try:
            call = await self._account.client.calls.create_async(
                to=to.value,
                from_=self._number,
                url=self.step_url(FIRST, attempt.reference),
                method="POST",
                status_callback=self.status_url(attempt.reference),
                status_callback_method="POST",
                status_callback_event=["initiated", "ringing", "answered", "completed"],
                timeout=RING_FOR,
                time_limit=LONGEST_CALL,
                record=False,
                machine_detection="Enable",
                async_amd="true",
                async_amd_status_callback=self.step_url("machine", attempt.reference),
                async_amd_status_callback_method="POST",
            )
            if isinstance(call.sid, str):
                return Sent(call.sid)
            failure = ValueError()  # an answer without an id: the next try finds out what it meant
        except FAILURES as error:
            failure = error
        fail(failure)

    async def find_sent(self, to: Address, message: OutboundMessage, attempt: SendAttempt) -> Sent | None:
        """Look the call up after a crash. Raises `TryLater`.

        Twilio lists no address of ours with a call, so it is known by receiver, sender and time, and by belonging to no
        other attempt: each call is told of under the reference it was made with, mostly before its making has returned.
        Of two alike that are both in doubt each claims one; which is whose shows when Twilio next speaks of them.
        """
        if attempt.known_as:
            return Sent(attempt.known_as)
        since = attempt.first_tried_at - _CLOCK_DIFFERENCE
        candidates: list[str] = []
        failure: Exception | None = None
        try:
            # A call that waits at Twilio has no start yet, so the day is looked at here and not asked for.
            # The newest come first, so that one page is enough.
            listed = await self._account.client.calls.page_async(
                to=to.value, from_=self._number, page_size=_LOOKED_THROUGH
            )
            for known in listed:
                begun = known.date_created or known.start_time
                recent = begun is None or begun >= since
                if known.sid and recent and _is_call(known):
                    candidates.append(str(known.sid))
        except FAILURES as error:
            failure = error
        if failure is not None:
            fail(failure, always_later=True)
        for sid in candidates:
            if attempt.claims is None or await attempt.claims(sid):
                return Sent(sid)
        return None

    async def acknowledge(self, message: InboundMessage) -> None:
        return None

    async def close(self) -> None:
        await self._account.close()

    # --- calls under way ---

    @property
    def public_url(self) -> str:
        """Where Twilio reaches us."""
        return self._account.public_url

    def step_url(self, step: str, reference: str, **more: str | int) -> str:
        """Where Twilio fetches a document: the step, our opaque id of the call, and what counts its turns."""
        further = "".join(f"&{name}={value}" for name, value in more.items())
        return f"{self._account.public_url}/twilio/voice/{step}?c={reference}{further}"

    def status_url(self, reference: str) -> str:
        """Where Twilio tells what became of the call."""
        return f"{self._account.public_url}/twilio/status?c={reference}"

    async def fetch(self, call_sid: str) -> CallNews | None:
        """How the call stands at Twilio; None where Twilio knows none of this id. Raises `TryLater`."""
        failure: Exception
        try:
            call = await self._account.client.calls(call_sid).fetch_async()
            state = _STATES.get(str(call.status or "").lower())
            if state is not None:
                return CallNews(call_sid, state, machine=_is_machine(str(call.answered_by or "")))
            failure = ValueError()
        except FAILURES as error:
            if _status(error) == 404:
                return None
            failure = error
        fail(failure, always_later=True)

    async def hang_up(self, call_sid: str, *, answered: bool) -> bool:
        """End the call; False where Twilio says that it is over already. Raises `TryLater`."""
        # "canceled" ends only what nobody has answered, and "completed" both; but a call that is answered while we ask
        # must not be cut off in somebody's ear, so what rings is only ever cancelled.
        return await self._changed(call_sid, status="completed" if answered else "canceled")

    async def go_on_with(self, call_sid: str, url: str) -> bool:
        """Break off what is being said on a call and fetch this instead; False where the call is over."""
        return await self._changed(call_sid, url=url, method="POST")

    async def _changed(self, call_sid: str, **change: Any) -> bool:
        failure: Exception
        try:
            await self._account.client.calls(call_sid).update_async(**change)
            return True
        except FAILURES as error:
            # 21220: the call is not in progress. 404: it was deleted, or never was.
            if _status(error) == 404 or (isinstance(error, TwilioException) and getattr(error, "code", None) == 21220):
                return False
            failure = error
        fail(failure, always_later=True)


def _status(error: Exception) -> int | None:
    status = getattr(error, "status", None)
    return status if isinstance(status, int) else None


def _is_call(known: Any) -> bool:
    """Whether it counts: what failed at once may have been refused for a reason that has passed, so it goes again."""
    return _STATES.get(str(known.status or "").lower()) is not CallState.FAILED

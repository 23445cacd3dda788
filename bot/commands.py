"""The few words that ask the line for something other than an answer, in four languages.

A command is only recognised where the whole message is one: "rådgiver" calls an advisor, "må jeg ha en rådgiver til
stede" is a question. Around the word for an advisor there may stand words that only ask for it: "hei, jeg må få snakke
med en rådgiver nå".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from rapidfuzz.distance import OSA

from helpline.content import ContentError, load_yaml

_FORGIVING_LENGTH = 6  # letters; shorter words are too near to other words for a typing error to be forgiven
_AROUND = "around_advisor"  # words that change nothing about a wish for an advisor
_BEFORE_PLACE = "before_place"  # words between "who can help" and the place: whom, and "in"
_ANSWERS = (
    "answers.yaml"  # words that answer what is asked about a patient, by the token of the button that says the same
)
_YOUNG = "young"  # of a token: the word alone does not tell whether it is a child
_AGE = re.compile(r"(?:\bpa )?\b(?P<years>\d{1,3})(?: (?:ar|aring|years?|old|gammel|gammal|gamal))*\b")


class Command(StrEnum):
    """What can be asked of the line."""

    ADVISOR = "advisor"
    HELP = "help"
    REFER = "refer"  # who can help?
    MAKE = "make"  # refer to one of those who can
    REVOKE = "revoke"  # the patient takes the consent back
    REACH = "reach"  # how she may be reached safely
    LANGUAGE = "language"
    NB = "nb"
    NN = "nn"
    SV = "sv"
    EN = "en"
    NORWAY = "norway"
    SWEDEN = "sweden"
    ERASE = "erase"
    START = "start"
    STOP = "stop"
    MORE = "more"
    SOURCES = "sources"
    YES = "yes"
    NO = "no"
    SKIP = "skip"
    HELLO = "hello"
    THANKS = "thanks"


def plain(text: str) -> str:
    """A text without case, accents, signs and a leading slash, as words with one space between."""
    decomposed = unicodedata.normalize("NFKD", text.casefold().replace("ø", "o").replace("æ", "ae"))
    letters = "".join(sign for sign in decomposed if not unicodedata.combining(sign))
    return " ".join(re.findall(r"[^\W_]+|\?", letters))


@dataclass(frozen=True)
class Recognised:
    """A command, and whether it was written without a typing error."""

    command: Command
    exact: bool


@dataclass(frozen=True)
class Commands:
    """Every wording and the command it stands for."""

    wordings: Mapping[str, Command]
    around_advisor: frozenset[str] = frozenset()
    before_place: frozenset[str] = frozenset()
    answers: Mapping[str, str] = field(default_factory=dict)  # by plain words, of each question: "who woman"

    @classmethod
    def load(cls, path: Path) -> Commands:
        """Read the file, and the one of answers beside it.

        A command without wordings, or a wording that means two things, is a `ContentError`.
        """
        root = load_yaml(path)
        wordings: dict[str, Command] = {}
        fields = dict(root.mapping(required={*(command.value for command in Command), _AROUND, _BEFORE_PLACE}))
        around = frozenset(plain(word) for word in fields.pop(_AROUND).texts())
        before_place = frozenset(plain(word) for word in fields.pop(_BEFORE_PLACE).texts())
        answers: dict[str, str] = {}
        for token, node in load_yaml(path.with_name(_ANSWERS)).entries().items():
            for wording in node.texts():
                asked = token.partition(":")[0].replace(_YOUNG, "who")
                if answers.setdefault(f"{asked} {plain(wording)}", token) != token:
                    raise ContentError(f"The answer {wording!r} stands there twice.", file=node.file, line=node.line)
        for key, node in fields.items():
            for wording in node.texts():
                known = wordings.setdefault(plain(wording), Command(key))
                if known is not Command(key):
                    raise ContentError(
                        f"The wording {wording!r} stands for both {known.value!r} and {key!r}.",
                        file=node.file,
                        line=node.line,
                    )
        return cls(wordings, around, before_place, answers)

    def recognise(self, text: str) -> Recognised | None:
        """The command that this whole message is, or None."""
        if len(text) > 60:
            return None
        said = plain(text)
        exact = self.wordings.get(said)
        if exact is not None:
            return Recognised(exact, exact=True)
        if self._asks_for_an_advisor(said):
            return Recognised(Command.ADVISOR, exact=True)
        if len(said) >= _FORGIVING_LENGTH:
            for wording, command in self.wordings.items():
                near = len(wording) >= _FORGIVING_LENGTH and abs(len(wording) - len(said)) <= 1
                if near and OSA.distance(wording, said, score_cutoff=1) <= 1:
                    return Recognised(command, exact=False)
        return None

    def who_helps_where(self, text: str) -> str:
        """What follows "who can help (her) in" in this message, in plain words: a place perhaps; else nothing."""
        words = plain(text).rstrip(" ?").split()
        for count in range(1, len(words)):
            if self.wordings.get(" ".join(words[:count])) is Command.REFER:
                rest = words[count:]
                while rest and rest[0] in self.before_place:
                    rest = rest[1:]
                return " ".join(rest) if count + len(rest) < len(words) else ""
        return ""

    def refers_to(self, text: str) -> str:
        """What follows "refer to" in this message, in plain words: a service perhaps; else nothing."""
        if len(text) > 120:
            return ""
        words = plain(text).split()
        for count in range(min(len(words) - 1, 6), 0, -1):
            if self.wordings.get(" ".join(words[:count])) is Command.MAKE:
                rest = words[count:]
                while rest and rest[0] in self.before_place:
                    rest = rest[1:]
                return " ".join(rest)
        return ""

    def answers_to(self, asked: str, text: str) -> str:
        """The token of what this message answers where `asked` ("need", "who", "when") was asked; else nothing."""
        said = plain(text)
        if len(said) > 60:
            return ""
        age = _AGE.search(said) if asked == "who" and f"{asked} {said}" not in self.answers else None
        if age is not None:
            said = " ".join((said[: age.start()] + said[age.end() :]).split())
        means = self.answers.get(f"{asked} {said}", "")
        known = bool(means) or not said
        if age is not None and known and int(age["years"]) < 18 and means != "who:family":
            return "who:child"
        if means.startswith(_YOUNG):
            return means.replace(_YOUNG, "who") if age is not None else ""
        return means

    def _asks_for_an_advisor(self, said: str) -> bool:
        left = [word for word in said.split() if word != "?" and word not in self.around_advisor]
        return len(left) == 1 and left[0].isalpha() and self.wordings.get(left[0]) is Command.ADVISOR

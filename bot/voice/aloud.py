"""Written words made fit to be heard: what a voice on the telephone says instead of what a screen shows. Pure.

A synthetic voice reads what it is given, letter for letter: a web address takes half a minute, "22 33 11 60" becomes
millions, and "jf." ends the sentence. So a text passes through here before it is spoken. Nothing is left out that
somebody needs in order to act: numbers stay, and are said as people say them; only addresses of web pages go, since
nobody can use one by ear.

- Phone numbers in pairs, other digits that are dialled one by one (112, 116 117, 1177).
- Dates with the month in words, clock times without a colon.
- Abbreviations and signs from `content/aloud.yaml`.
- A phrase that speaks of writing has a wording for the ear: `heard.KEY` stands beside `KEY`, and is said in its place
  wherever that phrase stands in a text.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from babel.dates import format_date

from helpline.content import load_yaml
from helpline.messages import Language
from helpline.phrases import Phrases
from routing.services import Service, ServiceKind

HEARD = "heard."  # before the key of a phrase: its wording for the ear

_MONTH_IN_WORDS = {
    Language.NB: ("d. MMMM y", "nb_NO"),
    Language.NN: ("d. MMMM y", "nn_NO"),
    Language.SV: ("d MMMM y", "sv_SE"),
    Language.EN: ("d MMMM y", "en_GB"),
}
_ON_THE_HOUR = {Language.NB: "klokka", Language.NN: "klokka", Language.SV: "klockan"}
_DASHED = {Language.NB: "strek", Language.NN: "strek", Language.SV: "streck", Language.EN: "dash"}
_TO = {Language.NB: "til", Language.NN: "til", Language.SV: "till", Language.EN: "to"}


@dataclass(frozen=True)
class Ear:
    """How written words are said, in every language."""

    instead: Mapping[Language, re.Pattern[str]]
    said: Mapping[Language, Mapping[str, str]]
    phrases: Mapping[Language, Sequence[tuple[re.Pattern[str], str]]]

    @classmethod
    def load(cls, path: Path, phrases: Phrases) -> Ear:
        """Read the file; a language that is missing is a `ContentError`."""
        by_language = load_yaml(path).mapping(required={language.value for language in Language})
        said = {
            language: {written: node.text() for written, node in by_language[language.value].entries().items()}
            for language in Language
        }
        return cls({language: _standing_alone(said[language]) for language in Language}, said, _reworded(phrases))


def _standing_alone(written: Mapping[str, str]) -> re.Pattern[str]:
    """Where one of these stands by itself, the longest first."""
    signs = sorted(written, key=len, reverse=True)
    # Behind a full stop nothing more need be looked at, except that "nr.en" is a word of somebody's own.
    return re.compile("|".join(rf"(?<![\w.]){re.escape(each)}(?!\w)" for each in signs))


def _reworded(phrases: Phrases) -> dict[Language, list[tuple[re.Pattern[str], str]]]:
    """What a phrase looks like in a text, and its wording for the ear."""
    heard = sorted(key for key in phrases.texts if key.startswith(HEARD))
    found: dict[Language, list[tuple[re.Pattern[str], str]]] = {language: [] for language in Language}
    for key in heard:
        for language, wording in phrases.texts[key].items():
            found[language].append((_looks_like(phrases.texts[key.removeprefix(HEARD)][language]), wording))
    for wordings in found.values():
        wordings.sort(key=lambda each: -len(each[0].pattern))
    return found


def _looks_like(template: str) -> re.Pattern[str]:
    seen: set[str] = set()
    parts = []
    for words, name, _, _ in string.Formatter().parse(template):
        parts.append(re.escape(words))
        if name is not None:
            parts.append(f"(?P={name})" if name in seen else rf"(?P<{name}>.+)")
            seen.add(name)
    return re.compile(rf"(?<!\w){''.join(parts)}(?!\w)")


def spoken(text: str, language: Language, ear: Ear) -> str:
    """The text as it is to be said: one line, in sentences."""
    for pattern, wording in ear.phrases[language]:
        text = pattern.sub(lambda found, said=wording: said.format(**found.groupdict()), text)  # type: ignore[misc]
    text = _in_sentences(_without_addresses(text))
    text = _sections(text, language)
    text = _dates(text, language)
    text = _clock(text, language)
    text = ear.instead[language].sub(lambda found: ear.said[language][found.group()], text)
    text = _numbers(text, language, plus=ear.said[language].get("+", ""))
    return _smooth(text)


def digits(code: str) -> str:
    """A code, each digit by itself and with a breath between: "4, 8, 1"."""
    return ", ".join(code)


# --- addresses and layout --------------------------------------------------------------------------------------------

_URL = re.compile(r"\(?\b(?:https?://|www\.)\S*[^\s.,;:)]\)?")
_MAIL = re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_BULLET = re.compile(r"^\s*(?:[-–•*]|\d{1,2}[.)])\s+")


def _without_addresses(text: str) -> str:
    return _MAIL.sub("", _URL.sub("", text))


def _in_sentences(text: str) -> str:
    """Lines and bullets as sentences: what stood below each other would otherwise be said in one breath."""
    lines = (_BULLET.sub("", line).strip() for line in text.splitlines())
    return " ".join(line if line.endswith((".", "?", ":", ",", ";")) else f"{line}." for line in lines if line)


# --- dates, clocks and sections --------------------------------------------------------------------------------------

_DATE = re.compile(r"(?<![\d.])(\d{1,2})\.\s?(\d{1,2})\.(\d{4})(?!\d)")
_ISO_DATE = re.compile(r"(?<![\d-])(\d{4})-(\d{2})-(\d{2})(?![\d-])")
_CLOCK = re.compile(
    r"\b(?:(kl\.?|klokka|klokken|klockan)\s*)?(?<![\d:])([01]?\d|2[0-3])([:.])([0-5]\d)(?![\d:.]\d|\d)", re.IGNORECASE
)
_BARE_HOUR = re.compile(r"\bkl\.?\s*(?=\d)", re.IGNORECASE)
# In Swedish law chapter and section stand behind their numbers: "5 kap. 15 §" is said "kapitel 5, paragraf 15".
_CHAPTER_BEHIND = re.compile(r"(?<![\d§])(\d+(?: [a-z])?) kap\.(?= \d+(?: [a-z])? §|[,;)]|$)")
_NUMBER = r"\d+(?: ?[a-z]\b)?"
_SECTIONS_BEHIND = re.compile(rf"(?<!§ )((?:{_NUMBER}(?:, | och | samt |[-–]))*{_NUMBER}) (§§?)(?!§| ?\d)")


def _sections(text: str, language: Language) -> str:
    if language is Language.SV:
        text = _CHAPTER_BEHIND.sub(r"kapitel \1", text)
    return _SECTIONS_BEHIND.sub(r"\2 \1", text)


def _dates(text: str, language: Language) -> str:
    def in_words(year: str, month: str, day: str, otherwise: str) -> str:
        pattern, locale = _MONTH_IN_WORDS[language]
        try:
            return format_date(date(int(year), int(month), int(day)), pattern, locale=locale)
        except ValueError:
            return otherwise

    text = _DATE.sub(lambda found: in_words(found[3], found[2], found[1], found[0]), text)
    return _ISO_DATE.sub(lambda found: in_words(found[1], found[2], found[3], found[0]), text)


def _clock(text: str, language: Language) -> str:
    """02:40 as "2 40"; a full hour by its word, since "2 00" is no time."""

    def said(found: re.Match[str]) -> str:
        before, hour, sign, minute = found.groups()
        if sign == "." and not before:
            return found[0]  # "8.15" may be anything
        lead = _ON_THE_HOUR.get(language, "")
        word = f"{lead} " if before or (lead and minute == "00") else ""
        if minute == "00":
            return f"{int(hour)} o'clock" if language is Language.EN else f"{word}{int(hour)}"
        rest = minute if minute[0] != "0" else f"0 {minute[1]}"
        return f"{word}{int(hour)} {rest}"

    lead = _ON_THE_HOUR.get(language, "")
    return _BARE_HOUR.sub(f"{lead} " if lead else "", _CLOCK.sub(said, text))


# --- numbers ----------------------------------------------------------------------------------------------------------

_INTERNATIONAL = re.compile(r"(?<![\w+])(?:\+|00)(4[567]|358)[ -]?(\d(?:[ -]?\d){6,10})(?!\d)")
_PAIRS = re.compile(r"(?<![\d,.-])(?:\d{2} \d{2} \d{2} \d{2}|[2-9]\d{7})(?![\d,-])")
_THREE_TWO_THREE = re.compile(r"(?<![\d,.-])(\d{3}) (\d{2}) (\d{3})(?![\d,-])")
_SWEDISH = re.compile(r"(?<![\d,.])(0\d{1,3})[ -](\d{2,3}(?: ?\d{2,3}){1,3})(?!\d)")
_SHORT_IN_PARTS = re.compile(r"(?<![\d,.])(11[46]) (\d{2,3})(?!\d)")
_SHORT = re.compile(r"(?<![\w,.:-])(11[0-9]|1177|11414|116\d{3}|0\d{4})(?![\d,.]\d|\d)")
_BETWEEN = re.compile(r"(?<=\d)( [a-z])?\s?[–-]\s?(?=(\d+))")


def _numbers(text: str, language: Language, *, plus: str) -> str:
    def in_pairs(number: str) -> str:
        plain = re.sub(r"\D", "", number)
        start = 3 if len(plain) % 2 else 0
        return ", ".join(
            _grouped(part)
            for part in (plain[:start], *(plain[at : at + 2] for at in range(start, len(plain), 2)))
            if part
        )

    text = _INTERNATIONAL.sub(lambda found: f"{plus} {_one_by_one(found[1])}, {in_pairs(found[2])}", text)
    text = _SWEDISH.sub(lambda found: f"{_one_by_one(found[1])}, {in_pairs(found[2])}", text)
    text = _PAIRS.sub(lambda found: in_pairs(found[0]), text)
    text = _THREE_TWO_THREE.sub(lambda found: ", ".join(_grouped(part) for part in found.groups()), text)
    text = _SHORT_IN_PARTS.sub(lambda found: f"{_one_by_one(found[1])}, {_one_by_one(found[2])}", text)
    text = _dialled(text)
    return _spans(text, language)


def _grouped(part: str) -> str:
    """A pair as a number; one that begins with nought, and three, digit by digit, as people say them."""
    return part if len(part) == 2 and part[0] != "0" else _one_by_one(part)


def _one_by_one(number: str) -> str:
    return " ".join(number)


_NOT_DIALLED = re.compile(
    r"(?:paragraf\w*|sections?|kap\w*|chapter|kode|kod|code|side|sida|page|artikkel|artikel|article|punkt|nummer|number|lag)"
    r" (?:[\w, ]{0,20}(?:og|och|and|,) )?$"
)


def _dialled(text: str) -> str:
    """Numbers that are dialled, digit by digit; the same figures may number a section of law, and are said as one."""

    def said(found: re.Match[str]) -> str:
        before = text[max(0, found.start() - 40) : found.start()]
        return found[0] if _NOT_DIALLED.search(before.casefold()) else _one_by_one(found[0])

    return _SHORT.sub(said, text)


def _spans(text: str, language: Language) -> str:
    """9–16 as "9 to 16"; § 8-3, whose second number counts within the first, as "8 dash 3"."""

    def said(found: re.Match[str]) -> str:
        first = re.search(r"\d+$", text[: found.start()])
        rising = first is None or int(first[0]) < int(found[2])
        return f"{found[1] or ''} {_TO[language] if rising else _DASHED[language]} "

    return _BETWEEN.sub(said, text)


# --- what is left -----------------------------------------------------------------------------------------------------

_QUOTES = re.compile('[«»”“"„*_#`]')
_DASH = re.compile(r"\s+[–—-]\s+")
_OTHERS = {"/": " ", "…": ".", "→": ",", "[": "", "]": "", "(": ", ", ")": ",", "\u00a0": " ", ";": ","}


def _smooth(text: str) -> str:
    text = _DASH.sub(", ", _QUOTES.sub("", text))
    for sign, said in _OTHERS.items():
        text = text.replace(sign, said)
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r"\s+([,.?:])", r"\1", text)
    text = re.sub(r",(?:\s*,)+", ",", text)
    text = re.sub(r",\s*:", ":", text)
    text = re.sub(r"[,:]+\s*\.|\.\s*,", ".", text)
    text = re.sub(r"\.(?:\s*\.)+", ".", text)
    return text.strip(" ,")


def without_protected_places(services: Iterable[Service], text: str, language: Language) -> str:
    """What kind of place it is instead of its name: a telephone may stand on loudspeaker beside the patient."""
    for service in services:
        if (service.protected or service.kind is ServiceKind.PROTECTED_HOUSING) and service.name in text:
            text = text.replace(service.name, service.described(language))
    return text

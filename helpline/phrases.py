"""What the line says, kept as data and read strictly.

Every phrase stands in all four languages with the same placeholders, or the start is refused: a clinician must never
meet a half-translated line at night. Instants and lists are put into words here too, so that nobody formats a time by
hand."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_time
from babel.lists import format_list

from helpline.content import load_yaml
from helpline.messages import Country, Language

ZONES: Mapping[Country, ZoneInfo] = {Country.NO: ZoneInfo("Europe/Oslo"), Country.SE: ZoneInfo("Europe/Stockholm")}

# Babel knows British English dates ("22 November 2026"), which is how the line writes English.
_LOCALES: Mapping[Language, str] = {
    Language.NB: "nb_NO",
    Language.NN: "nn_NO",
    Language.SV: "sv_SE",
    Language.EN: "en_GB",
}

# Nobody in Sweden writes a date with full stops: Swedish has the year first, as CLDR has it too.
_DATES: Mapping[Language, str] = {
    Language.NB: "d.M.y",
    Language.NN: "d.M.y",
    Language.SV: "y-MM-dd",
    Language.EN: "d MMMM y",
}


def _placeholders(template: str) -> frozenset[str]:
    return frozenset(name for _, name, _, _ in string.Formatter().parse(template) if name is not None)


@dataclass(frozen=True)
class Phrases:
    """All phrases by key and language."""

    texts: Mapping[str, Mapping[Language, str]]

    @classmethod
    def load(cls, folder: Path) -> Phrases:
        """Read every file of the folder.

        Raises `ContentError`, naming file and line, for a missing language, a placeholder that one language has and
        another lacks, or a key that stands twice.
        """
        texts: dict[str, Mapping[Language, str]] = {}
        languages = {language.value for language in Language}
        for path in sorted(folder.glob("*.yaml")):
            for key, node in load_yaml(path).entries().items():
                if key in texts:
                    raise node.error(f'The phrase "{key}" stands in another file too.')
                by_language = node.mapping(required=languages)
                said = {Language(name): value.text().strip() for name, value in by_language.items()}
                wanted = _placeholders(said[Language.NB])
                for language, template in said.items():
                    if _placeholders(template) != wanted:
                        raise by_language[language.value].error(
                            f'"{key}" has the placeholders {sorted(_placeholders(template))} in {language.value}, '
                            f"but {sorted(wanted)} in nb."
                        )
                texts[key] = said
        return cls(texts)

    def say(self, key: str, language: Language, **values: object) -> str:
        """The phrase in this language with its placeholders filled; `KeyError` for a key that does not exist."""
        return self.texts[key][language].format(**values)

    def say_in(self, key: str, country: Country, language: Language, **values: object) -> str:
        """As `say`, for a phrase that differs by country (`key.NO`, `key.SE`)."""
        return self.say(f"{key}.{country.value}", language, **values)

    def has(self, key: str) -> bool:
        """Whether there is such a phrase."""
        return key in self.texts


def say_date(day: date, language: Language) -> str:
    """A date as people write it: 22.11.2026, in Swedish 2026-11-22, in English 22 November 2026."""
    return format_date(day, _DATES[language], locale=_LOCALES[language])


def say_time(at: datetime, *, now: datetime, zone: ZoneInfo, language: Language) -> str:
    """A clock time as people say it where they are, with the weekday where it is not today: 02:40, mandag 02:40."""
    local = at.astimezone(zone)
    clock = format_time(local.time(), "HH:mm", locale=_LOCALES[language])
    if local.date() == now.astimezone(zone).date():
        return clock
    return f"{format_date(local.date(), 'EEEE', locale=_LOCALES[language])} {clock}"


def say_list(items: Sequence[str], language: Language) -> str:
    """Several things in one breath: "a, b og c"."""
    return format_list(list(items), style="standard", locale=_LOCALES[language])


def say_language(code: str, language: Language) -> str:
    """The name of a language by its ISO 639 code: "arabisk"; the code itself where it has no name here."""
    return str(Locale.parse(_LOCALES[language]).languages.get(code, code))


def is_language(code: str) -> bool:
    """Whether this is the code of a language that has a name."""
    return code in Locale.parse(_LOCALES[Language.EN]).languages

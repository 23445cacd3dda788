"""Reasons in plain words: what a clinician, a coordinator or a script reads of why a service is offered or left out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from helpline.messages import Country, Language
from helpline.phrases import ZONES, Phrases, say_date, say_language, say_list, say_time
from routing.certification.catalogue import Row
from routing.directory import Need
from routing.matching.because import Because, Reason

_SEX = frozenset({Because.ASK_SEX, Because.ONLY_SEX, Because.SEX_NOT_TAKEN})
_AGE = frozenset({Because.ASK_AGE, Because.ONLY_AGE, Because.AGE_NOT_TAKEN})
_STATUS = frozenset({Because.ASK_STATUS, Because.ONLY_STATUS, Because.STATUS_NOT_TAKEN})
_EXPLOITATION = frozenset({Because.ASK_EXPLOITATION, Because.ONLY_EXPLOITATION, Because.EXPLOITATION_NOT_TAKEN})
_NEED = frozenset({Because.FITS_NEED, Because.HELPS_WITH, Because.OTHER_NEED})
_ROW = frozenset({Because.OFFERS, Because.ASK_OFFERS, Because.NOT_OFFERED})
_LANGUAGE = frozenset({Because.SPEAKS, Because.OTHER_LANGUAGES, Because.ASK_LANGUAGE})
_CONFIRMED = frozenset({Because.CONFIRMED, Because.CONFIRMED_LONG_AGO})
_SOON = timedelta(hours=1)
NO_ROWS: Mapping[str, Row] = {}


def say(
    reason: Reason,
    language: Language,
    *,
    phrases: Phrases,
    needs: Mapping[str, Need],
    country: Country,
    now: datetime | None = None,
    rows: Mapping[str, Row] = NO_ROWS,
) -> str:
    """The reason in this language; `country` is the service's, whose clock on the wall tells the times.

    `rows` names the rows of the catalogue, for those who ask by them.
    """
    phrase = f"reason.{reason.code.value}"
    values: dict[str, object] = {}
    if reason.at is not None:
        # Without a present to compare with, the weekday is always said.
        today = now if now is not None else reason.at.replace(year=reason.at.year - 1)
        values["at"] = (
            say_date(reason.at.astimezone(ZONES[country]).date(), language)
            if reason.code is Because.OPENS_OFFICE_HOURS
            else say_time(reason.at, now=today, zone=ZONES[country], language=language)
        )
        left = reason.at - now if now is not None else _SOON
        if reason.code is Because.CLOSES_AT and timedelta(0) < left < _SOON:
            # By the minutes that pass: what is left of an evening is what decides whether to call now.
            phrase, values["minutes"] = "reason.closes-in", -(-left // timedelta(minutes=1))
    keys = [key for key in reason.value.split(",") if key]
    if reason.code in _AGE:
        values["value"] = _say_age(reason.value, language, phrases)
    elif reason.code in _NEED:
        values["value"] = say_list([needs[key].names[language].lower() for key in keys], language)
    elif reason.code in _SEX:
        values["value"] = say_list([phrases.say(f"reason.sex.{key}", language) for key in keys], language)
    elif reason.code in _STATUS:
        values["value"] = say_list([phrases.say(f"reason.status.{key}", language) for key in keys], language)
    elif reason.code in _EXPLOITATION:
        values["value"] = say_list([phrases.say(f"reason.exploitation.{key}", language) for key in keys], language)
    elif reason.code in _ROW:
        values["value"] = say_list([_say_row(rows[key], language) if key in rows else key for key in keys], language)
    elif reason.code in _LANGUAGE:
        values["value"] = say_list([say_language(key, language) for key in keys], language)
    elif reason.code in _CONFIRMED and reason.value:
        values["value"] = say_date(date.fromisoformat(reason.value), language)
        phrase = f"{phrase}.on" if reason.code is Because.CONFIRMED else phrase
    elif reason.code is Because.ACCESS:
        values["value"] = phrases.say(f"reason.access.{reason.value}", language)
    else:
        values["value"] = reason.value
    return phrases.say(phrase, language, **values)


def _say_row(row: Row, language: Language) -> str:
    """The row as its form has it: in Swedish to whoever reads Scandinavian, else in English."""
    return row.en if language is Language.EN else row.sv


def _say_age(span: str, language: Language, phrases: Phrases) -> str:
    lower, _, upper = span.partition("-")
    if not upper:
        return phrases.say("reason.age.from", language, lower=lower)
    if lower in {"", "0"}:
        return phrases.say("reason.age.to", language, upper=upper)
    return phrases.say("reason.age.between", language, lower=lower, upper=upper)

"""One question for `varde refer`: plain values in, plain values out, and every mistake named in a sentence.

People script against this. A key or a word that we do not know is refused, never passed over: a status with a slip of
the pen, quietly ignored, would send a patient to a door that does not open.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import orjson

from helpline import languages
from helpline.messages import Country, Language, country_of
from helpline.phrases import ZONES, Phrases, is_language
from routing.certification.catalogue import Catalogue
from routing.directory import Directory
from routing.matching import reasons
from routing.matching.because import Because, Reason
from routing.matching.match import ABROAD, Matched, match
from routing.matching.query import AgeGroup, Query
from routing.places import Gazetteer, Level, Outcome, Place, Understood, Why
from routing.services import Exploitation, Sex, Status

E = TypeVar("E", bound=StrEnum)

_KEYS = (
    *("id", "place", "country", "need", "sex", "age", "status", "exploitation"),
    *("with_children", "families", "substance_use", "catalogue", "languages", "at"),
)

YEARS = range(2000, 2200)
"""In which an instant may lie that is asked about: within every calendar that is looked into."""


class NotUnderstood(ValueError):
    """The question says something that it may not; the message names what is allowed."""


@dataclass(frozen=True)
class World:
    """What a question is answered from."""

    gazetteer: Gazetteer
    directory: Directory
    phrases: Phrases
    catalogue: Catalogue

    @classmethod
    def load(cls, content: Path) -> World:
        """From the shipped content alone; raises `ContentError` for a file that does not fit."""
        gazetteer = Gazetteer.load(content / "places")
        directory = Directory.load(content, gazetteer)
        return cls(gazetteer, directory, Phrases.load(content / "phrases"), Catalogue.load(content))

    def prepare(self) -> None:
        """Work out now, and not at the first question, what all questions have in common."""
        for country in Country:
            # With a place: without one nobody asks who answers in which area.
            match(self.directory, Query(country, candidates=self.gazetteer.places(country, Level.KOMMUNE)[:1]))
            self.abroad(country)

    def say(self, reason: Reason, language: Language, country: Country, *, now: datetime | None = None) -> str:
        """A reason in words."""
        return reasons.say(
            reason,
            language,
            phrases=self.phrases,
            needs=self.directory.needs,
            country=country,
            now=now,
            rows=self.catalogue.rows,
        )

    def abroad(self, country: Country) -> bytes:
        """What is written of every service of this country to whoever asks in another: the same each time."""
        known = self._abroad.get(country)
        if known is None:
            ids = [service.id for service in self.directory.of(country)]
            known = self._abroad[country] = _with_reasons(ids, self.reasons(ABROAD, country))
        return known

    @cached_property
    def _abroad(self) -> dict[Country, bytes]:
        return {}

    def reasons(self, because: Iterable[Reason], country: Country) -> bytes:
        """The reasons why a service of this country stands where it stands, as the answer holds them."""
        return orjson.dumps([self.written(reason, country) for reason in because])

    @cached_property
    def names(self) -> Mapping[str, bytes]:
        """How the answer begins to speak of each service that it offers."""
        return _Names(self.directory)

    @cached_property
    def _written(self) -> dict[tuple[Reason, Country], str]:
        return {}

    def written(self, reason: Reason, country: Country) -> str:
        """A reason as scripts read it: its code, a colon, and plain English; an instant as ISO 8601."""
        key = (reason, country)
        if key not in self._written:
            said = self.say(reason, Language.EN, country)
            if reason.at is not None:
                at = reason.at.astimezone(ZONES[country])
                said = f"{at.date()}" if reason.code is Because.OPENS_OFFICE_HOURS else at.isoformat()
            if len(self._written) > 10_000:
                self._written.clear()
            self._written[key] = f"{reason.code.value}: {said}"
        return self._written[key]


@dataclass(frozen=True)
class Asked:
    """A question as it was understood."""

    query: Query
    understood: Understood
    at: datetime | None


def refer_line(
    world: World,
    line: Mapping[str, Any],
    *,
    now: datetime | None = None,
    holidays: Mapping[Country, frozenset[date]] | None = None,
) -> dict[str, Any]:
    """Answer one line of `varde refer`, in the form that the design fixes.

    Without `at` in the line the instant is `now`; without either, nothing is said of opening hours.
    """
    answer: dict[str, Any] = orjson.loads(refer_written(world, line, now=now, holidays=holidays))
    return answer


def refer_written(
    world: World,
    line: Mapping[str, Any],
    *,
    now: datetime | None = None,
    holidays: Mapping[Country, frozenset[date]] | None = None,
) -> bytes:
    """The same, written as JSON: of twenty thousand services most are written all at once."""
    asked = read_question(world, line, now=now)
    closed = (holidays or {}).get(asked.query.country, frozenset())
    matched = match(world.directory, asked.query, asked.at, holidays=closed)
    begun: dict[str, Any] = {} if line.get("id") is None else {"id": line["id"]}
    head = orjson.dumps(begun | {"place": _place(asked)})
    offered, dropped = _offered(world, matched, asked.query.country), _dropped(world, matched, asked.query.country)
    return b"".join([head[:-1], b',"offered":[', *offered, b'],"dropped":[', b",".join(dropped), b"]}"])


def read_question(world: World, line: Mapping[str, Any], *, now: datetime | None = None) -> Asked:
    """The question that a line asks; raises `NotUnderstood` with a sentence that says what is wrong."""
    told: dict[str, Any] = {}
    for key, value in line.items():
        name = str(key).replace("-", "_")
        if name in told:
            raise NotUnderstood(f'The key "{_short(name)}" is there twice.')
        if value is not None:
            told[name] = value
    unknown = [key for key in told if key not in _KEYS]
    if unknown:
        raise NotUnderstood(f'The key "{unknown[0]}" is not known. Known keys: {", ".join(_KEYS)}.')
    text = told.get("place", "")
    if not isinstance(text, str):
        raise NotUnderstood("The place must be text.")
    country = _one_of(Country, told, "country", ignore_case=True)
    told_language = languages.guess(text) if country is None else None
    line_country = country or (country_of(told_language) if told_language is not None else None)
    understood = (
        world.gazetteer.understand(text, country=line_country)
        if text.strip()
        else Understood(Outcome.UNKNOWN, Why.NOTHING_SAID)
    )
    here = _country_of(understood) or line_country or Country.NO
    status, age = _status(told), _age(told)
    if told.get("status") == "minor" and age is None:
        age = AgeGroup.MINOR
    if told.get("status") == "minor" and (age is AgeGroup.ADULT or (isinstance(age, int) and age >= 18)):
        raise NotUnderstood("The status says minor, and the age says adult. Say which of them is right.")
    query = Query(
        country=here,
        place=understood.place,
        candidates=understood.candidates if understood.outcome is Outcome.AMBIGUOUS else (),
        needs=_needs(world.directory, told),
        sex=_one_of(Sex, told, "sex"),
        age=age,
        status=status,
        exploitation=_one_of(Exploitation, told, "exploitation"),
        with_children=_flag(told, "with_children"),
        families=_flag(told, "families"),
        substance_use=_flag(told, "substance_use"),
        catalogue=_rows(world.catalogue, told),
        languages=_languages(told),
    )
    return Asked(query, understood, _instant(told) or now)


def _country_of(understood: Understood) -> Country | None:
    """Where help is sought: in the country of the place, or of every place that it may be."""
    if understood.place is not None:
        return understood.place.country
    countries = {place.country for place in understood.candidates}
    return countries.pop() if len(countries) == 1 else None


def _one_of(choices: type[E], told: Mapping[str, Any], key: str, *, ignore_case: bool = False) -> E | None:
    value = told.get(key)
    if value is None:
        return None
    try:
        return choices(value.upper() if ignore_case and isinstance(value, str) else value)
    except ValueError as error:
        allowed = ", ".join(choice.value for choice in choices)
        raise NotUnderstood(f'"{_short(value)}" is not known as {key}. Allowed: {allowed}.') from error


def _keys(told: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = told.get(key, ())
    keys = [value] if isinstance(value, str) else value
    if not isinstance(keys, Sequence) or not all(isinstance(each, str) for each in keys):
        raise NotUnderstood(f'"{key}" must be a list of keys.')
    return tuple(dict.fromkeys(keys))


def _needs(directory: Directory, told: Mapping[str, Any]) -> tuple[str, ...]:
    keys = _keys(told, "need")
    for key in keys:
        if key not in directory.needs:
            raise NotUnderstood(f'"{_short(key)}" is not known as need. Allowed: {", ".join(directory.needs)}.')
    return keys


def _rows(catalogue: Catalogue, told: Mapping[str, Any]) -> tuple[str, ...]:
    keys = _keys(told, "catalogue")
    for key in keys:
        if key not in catalogue.rows:
            raise NotUnderstood(f'"{_short(key)}" is not known as catalogue. Allowed: {", ".join(catalogue.rows)}.')
    return keys


def _languages(told: Mapping[str, Any]) -> tuple[str, ...]:
    codes = tuple(dict.fromkeys(code.strip().lower() for code in _keys(told, "languages")))
    for code in codes:
        if not is_language(code):
            raise NotUnderstood(
                f'"{_short(code)}" is not known as languages. Write codes of ISO 639, such as ar, so, uk.'
            )
    return codes


def _status(told: Mapping[str, Any]) -> Status | None:
    if told.get("status") == "minor":
        return None  # the rights count a minor among the statuses; here it is an age
    try:
        return _one_of(Status, told, "status")
    except NotUnderstood as error:
        raise NotUnderstood(f"{str(error).removesuffix('.')}, minor.") from error


def _age(told: Mapping[str, Any]) -> int | AgeGroup | None:
    value = told.get("age")
    if value is None:
        return None
    if isinstance(value, str) and value in set(AgeGroup):
        return AgeGroup(value)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 3:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 130:
        raise NotUnderstood(
            f'"{_short(value)}" is not known as age. Allowed: a whole number from 0 to 130, adult, minor.'
        )
    return value


def _flag(told: Mapping[str, Any], key: str) -> bool:
    value = told.get(key, False)
    if not isinstance(value, bool):
        raise NotUnderstood(f'"{key}" must be true or false.')
    return value


def _instant(told: Mapping[str, Any]) -> datetime | None:
    value = told.get("at")
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise NotUnderstood(f'"{_short(value)}" is no instant. Write it like 2026-11-22T02:30:00+01:00.') from error
    if not isinstance(value, datetime):
        raise NotUnderstood('"at" must be an instant such as 2026-11-22T02:30:00+01:00.')
    if value.tzinfo is None:
        raise NotUnderstood('"at" needs a zone, such as 2026-11-22T02:30:00+01:00 or 2026-11-22T01:30:00Z.')
    if value.year not in YEARS:
        raise NotUnderstood('"at" must lie between the years 2000 and 2199.')
    return value


def _short(value: object) -> str:
    written = str(value)
    return written if len(written) <= 40 else written[:40] + "…"


def _place(asked: Asked) -> dict[str, Any]:
    place = asked.understood.place
    return {
        "outcome": asked.understood.outcome.value,
        "country": asked.query.country.value,
        "level": place.level.value if place is not None else None,
        "code": place.code if place is not None else None,
        "name": place.name if place is not None else None,
        "candidates": [_candidate(candidate) for candidate in asked.understood.candidates],
    }


def _candidate(place: Place) -> dict[str, Any]:
    return {"country": place.country.value, "level": place.level.value, "code": place.code, "name": place.label}


def _offered(world: World, matched: Matched, country: Country) -> Iterator[bytes]:
    names = world.names
    # Several groups of one rank take turns in the order of names; their reasons are made once.
    known: dict[int, bytes] = {}
    between = b""
    for because, ids, *_ in matched.line:
        words = known.get(id(because))
        if words is None:
            words = known[id(because)] = world.reasons(because, country) + b"}"
        yield between
        yield (words + b",").join([names[service_id] for service_id in ids])
        yield words
        between = b","


def _dropped(world: World, matched: Matched, country: Country) -> Iterator[bytes]:
    for because, ids in matched.left_out:
        if because is ABROAD:
            yield world.abroad(world.directory.get(ids[0]).country)
        else:
            yield _with_reasons(ids, world.reasons(because, country))


def _with_reasons(ids: Sequence[str], reasons: bytes) -> bytes:
    """Services of which the same is said, one after another."""
    # No text holds a quotation mark of its own as JSON, so what stands between two ids stands nowhere else.
    told = b',"reasons":' + reasons
    return b'{"id":' + orjson.dumps(ids)[1:-1].replace(b'","', b'"' + told + b'},{"id":"') + told + b"}"


class _Names(dict[str, bytes]):
    """The beginning of an offer by the service's id, made when it is first asked for."""

    def __init__(self, directory: Directory) -> None:
        super().__init__()
        self._directory = directory

    def __missing__(self, service_id: str) -> bytes:
        name = self._directory.get(service_id).name
        made = self[service_id] = orjson.dumps({"id": service_id, "name": name})[:-1] + b',"reasons":'
        return made

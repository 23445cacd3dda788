"""The figures in a text: what can be wrong by one digit and send somebody the wrong way.

Periods, ages and amounts (also where the number is a word), dates and years, statutes, phone numbers and the codes of
documents, each in one spelling: "§§ 257 og 258", "strl. § 257" and "straffeloven § 257" meet, and so do "seks måneder",
"6 months" and "22 33 11 60", "22331160". A few things counted in words ("to kolleger", "tre ting") are no figure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from helpline.messages import Language


class Sort(StrEnum):
    """What a figure is."""

    NUMBER = "number"  # a phone number, an age without its unit, a mere count
    PERIOD = "period"  # a number with its unit: time, money, percent
    DATE = "date"
    YEAR = "year"
    TIME = "time"  # of the day
    STATUTE = "statute"  # a section, a chapter, an article of a convention, or a part of one
    CODE = "code"  # the number of a law or document: "2013:407", "IS-2961"


@dataclass(frozen=True)
class Figure:
    """One figure, in one spelling."""

    sort: Sort
    value: str
    unit: str = ""
    laws: frozenset[str] = frozenset()  # what the law is called where the text says so
    shown: str = field(default="", compare=False)  # as the text writes it


def figures(text: str, language: Language) -> tuple[Figure, ...]:
    """Every figure the text states, in order, each once."""
    return tuple(dict.fromkeys(_found(text, language, counted=False)))


def loose_figures(text: str, language: Language) -> tuple[Figure, ...]:
    """The figures, and all else that is counted in words; for holding a translation against its original."""
    return tuple(dict.fromkeys(_found(text, language, counted=True)))


def uncovered(stated: Iterable[Figure], by: Iterable[Figure]) -> tuple[Figure, ...]:
    """The figures that none of the others holds.

    A whole date holds its year, a section its chapter, and a number without a unit meets the same number with one.
    """
    return Held(by).without(stated)


class Held:
    """Figures that others are held against, looked up once for many texts."""

    def __init__(self, by: Iterable[Figure]) -> None:
        self._held: dict[tuple[Sort, str], list[Figure]] = {}
        for figure in by:
            for sort, value in _held_by(figure):
                self._held.setdefault((sort, value), []).append(figure)

    def without(self, stated: Iterable[Figure]) -> tuple[Figure, ...]:
        """Those of these figures that are not held."""
        return tuple(figure for figure in stated if not _is_held(figure, self._held))


def _held_by(figure: Figure) -> Iterator[tuple[Sort, str]]:
    yield figure.sort, figure.value
    match figure.sort:
        case Sort.PERIOD:
            yield Sort.NUMBER, figure.value
        case Sort.DATE:
            year, month, _ = (f"{figure.value}--").split("-")[:3]
            if year:
                yield Sort.YEAR, year
                yield Sort.DATE, f"{year}-{month}"
            if figure.value.count("-") == 2:
                yield Sort.DATE, f"-{figure.value.split('-', 1)[1]}"
        case Sort.STATUTE if ":" in figure.value:
            chapter, _, section = figure.value.partition(":")
            if chapter and section:
                yield Sort.STATUTE, f"{chapter}:"
                yield Sort.STATUTE, f":{section}"
        case Sort.CODE if (year_of := _YEAR_IN_CODE.match(figure.value)) is not None:
            yield Sort.YEAR, year_of[0]
        case _:
            pass


def _is_held(figure: Figure, held: dict[tuple[Sort, str], list[Figure]]) -> bool:
    same = held.get((figure.sort, figure.value), [])
    match figure.sort:
        case Sort.STATUTE:
            return any(not figure.laws or not other.laws or figure.laws & other.laws for other in same)
        case Sort.PERIOD:
            bare = any(not other.unit for other in held.get((Sort.NUMBER, figure.value), []))
            return bare or any(other.unit == figure.unit for other in same)
        case Sort.YEAR:
            return bool(same) or (Sort.NUMBER, figure.value) in held
        case _:
            return bool(same)


# --- reading ----------------------------------------------------------------------------------------------------------

_YEAR_IN_CODE = re.compile(r"(?:19|20)\d\d(?=[:/-])")
_ADDRESS = re.compile(r"https?://\S+|\S+@\S+|\bwww\.\S+")
_LETTER = r"[a-f](?![^\W\d_])"
_SECTION = rf"\d+(?:[-–]\d+)?(?:\s?{_LETTER})?"
_AND = r"(?:,\s*(?:og\s+|och\s+|and\s+)?|\s+(?:og|och|and|eller|or|samt)\s+)"
_SECTIONS = rf"{_SECTION}(?:{_AND}{_SECTION})*"
_CHAPTERS = rf"\d+(?:[-–]\d+)?(?:\s{_LETTER})?(?:{_AND}\d+(?:\s{_LETTER})?)*"
_ORDINAL = {
    **dict.fromkeys(("første", "fyrste", "första", "first"), 1),
    **dict.fromkeys(("andre", "annet", "andra", "second"), 2),
    **dict.fromkeys(("tredje", "third"), 3),
    **dict.fromkeys(("fjerde", "fjärde", "fourth"), 4),
    **dict.fromkeys(("femte", "fifth"), 5),
    **dict.fromkeys(("sjette", "sjätte", "sixth"), 6),
}
_ORDINALS = "|".join(_ORDINAL)
_PART = re.compile(rf"\s+((?:{_ORDINALS})(?:{_AND}(?:{_ORDINALS}))*)\s+(?:ledd|stycket|stycke|para\w*)", re.IGNORECASE)
_LETTER_OF = re.compile(r"\s+(?:bokstav|letter)\s+([a-h])\b", re.IGNORECASE)
_SWEDISH = re.compile(
    rf"(?:\b({_CHAPTERS})\s+kap\.\s+)?(?<![\d:/])\b({_SECTIONS})\s+§{{1,2}}(?!§|\s*\d)", re.IGNORECASE
)
_MORE = re.compile(rf"{_AND}({_SECTION})(?=\s+(?:{_ORDINALS})\b)", re.IGNORECASE)
_SWEDISH_CHAPTER = re.compile(rf"(?<![\d:/])\b({_CHAPTERS})\s+kap(?:\.|itlet|itel)", re.IGNORECASE)
_ENGLISH = re.compile(rf"\bch\.\s*({_CHAPTERS})(?:,?\s+ss?\.\s*({_SECTIONS}))?", re.IGNORECASE)
_ENGLISH_SECTION = re.compile(rf"\b(?:ss?\.|sections?)\s*({_SECTIONS})")
_ONE_SIGN = re.compile(rf"§\s*({_SECTION})")
_TWO_SIGNS = re.compile(rf"§§\s*({_SECTIONS})")
_CHAPTER = re.compile(rf"\b(?:kap\.|kapittel|chapter)\s*({_CHAPTERS})", re.IGNORECASE)
_ARTICLE = re.compile(r"\b(?:artikkel|artikel|articles?|art\.)\s*(\d+(?:[-–]\d+)?)", re.IGNORECASE)
_CODES = re.compile(
    r"\b\d{4}/\d{2}:\d+|\b\d{4}:\d+|\b\d{3,4}/\d{4}\b|\b[A-ZÆØÅ]{2,}-\d[\d-]*\d\b|\b\d{4}-\d{3}\b(?!-)|\b[A-Z]+\d+\b"
)
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "januar januari january",
            "februar februari february",
            "mars march",
            "april",
            "mai maj may",
            "juni june",
            "juli july",
            "august augusti",
            "september",
            "oktober october",
            "november",
            "desember december",
        ),
        start=1,
    )
    for name in names.split()
}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_DATE = re.compile(
    rf"\b(?P<y>(?:19|20)\d\d)-(?P<m>\d\d)-(?P<d>\d\d)\b"
    rf"|\b(?P<d2>\d{{1,2}})\.?\s+(?P<n2>{_MONTH})\b(?:\s+(?P<y2>(?:19|20)\d\d)\b)?"
    rf"|\b(?P<n3>{_MONTH})\s+(?P<y3>(?:19|20)\d\d)\b"
    r"|\b(?P<d4>\d{1,2})\.(?P<m4>\d{1,2})\.(?P<y4>(?:19|20)\d\d)\b",
    re.IGNORECASE,
)
_TIME = re.compile(r"\b([01]?\d|2[0-3])[.:]([0-5]\d)\b")
_DIGITS = re.compile(r"\d+")
_GROUPED = re.compile(
    r"(?<![\d.,])(?:0\d{1,3}-\d{2,3}(?:\s\d{2,3})+|\d{1,3}(?:[\s.,]\d{3})+|\d{2,3}(?:\s\d{2,3}){1,4})(?![\d]|[.,]\d)"
)
_DECIMAL = re.compile(r"(?<!\d)\d+[.,]\d+(?!\d)")
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_RANGE = re.compile(r"\s*(?:-|–|til|till|to|og|och|and|eller|or)\s*")
_PREFIXED = re.compile(r"(?:^|\W)(sek|nok|uke|veke|vecka|week|weeks|uker)\s*$", re.IGNORECASE)

_UNITS = {
    "day": ("dag", "dager", "dagar", "dagers", "days", "day", "døgn", "dygn"),
    "week": ("uke", "uker", "ukers", "veke", "veker", "vecka", "veckor", "veckan", "veckors", "week", "weeks"),
    "month": ("måned", "måneder", "måneders", "månad", "månader", "månaders", "month", "months"),
    "year": ("år", "års", "året", "åring", "åringer", "åringar", "årige", "year", "years", "year-old"),
    "hour": ("time", "timer", "timars", "timar", "timme", "timmar", "hour", "hours"),
    "minute": ("minutt", "minutter", "minuttar", "minut", "minuter", "minute", "minutes"),
    "krone": ("kr", "kroner", "kronor", "krone", "krona", "sek", "nok"),
    "percent": ("prosent", "procent", "percent"),
    "times": ("ganger", "gonger", "gånger", "times"),
    "grunnbeløp": ("grunnbeløp", "grunnbeløpet"),
}
_UNIT = {word: unit for unit, words in _UNITS.items() for word in words}
# A compound names a unit by its end: "svangerskapsuke", "fengselsår"; these are no periods.
_ENDINGS = (
    ("uke", "week"),
    ("veke", "week"),
    ("dager", "day"),
    ("dagar", "day"),
    ("årsdagen", "year"),
    ("sår", "year"),
)
_NO_PERIOD = ("hverdag", "kvardag", "vardag", "ukedag", "vekedag", "veckodag", "weekday", "helligdag")
_NORWEGIAN = {
    **dict.fromkeys(("én", "ett", "éin", "eitt", "en", "ein", "ei", "et", "eit"), 1),
    **{"to": 2, "tre": 3, "fire": 4, "fem": 5, "seks": 6, "sju": 7, "syv": 7, "åtte": 8, "ni": 9, "ti": 10},
    **{"elleve": 11, "tolv": 12, "tretten": 13, "fjorten": 14, "femten": 15, "seksten": 16, "atten": 18, "tjue": 20},
    **{"tretti": 30, "førti": 40, "femti": 50, "seksti": 60, "nitti": 90, "hundre": 100},
}
_NUMBER_WORDS: dict[Language, dict[str, int]] = {
    Language.NB: _NORWEGIAN,
    Language.NN: _NORWEGIAN,
    Language.SV: {
        **{
            "en": 1,
            "ett": 1,
            "två": 2,
            "tre": 3,
            "fyra": 4,
            "fem": 5,
            "sex": 6,
            "sju": 7,
            "åtta": 8,
            "nio": 9,
            "tio": 10,
        },
        **{
            "elva": 11,
            "tolv": 12,
            "tretton": 13,
            "fjorton": 14,
            "femton": 15,
            "sexton": 16,
            "arton": 18,
            "artonde": 18,
        },
        **{"tjugo": 20, "trettio": 30, "fyrtio": 40, "femtio": 50, "sextio": 60, "nittio": 90, "hundra": 100},
    },
    Language.EN: {
        **{
            "one": 1,
            "two": 2,
            "three": 3,
            "four": 4,
            "five": 5,
            "six": 6,
            "seven": 7,
            "eight": 8,
            "nine": 9,
            "ten": 10,
        },
        **{"eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "eighteen": 18},
        **{"eighteenth": 18, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "ninety": 90},
    },
}
# "En dag" and "one hour" are as often somebody's day as a period, "et år" is a period.
_ONE_COUNTS_IN = frozenset({"week", "month", "year"})
_COUNTED_FROM = 5  # "tre ting" and "gå to sammen" state nothing that a source must hold, "sju deler" does
_OTHER_MEANING = frozenset({"sex"})  # in Swedish also what is bought

_ABBREVIATIONS = {
    "strl": "straffeloven",
    "hpl": "helsepersonelloven",
    "pbrl": "brukerrettighetsloven",
    "utl": "utlendingsloven",
    "utl.forskriften": "utlendingsforskriften",
    "rhjl": "rettshjelploven",
    "strpl": "straffeprosessloven",
    "osl": "offentlighets- och sekretesslagen",
    "psl": "patientsäkerhetslagen",
    "hsl": "sjukvårdslagen",
    "sol": "socialtjänstlagen",
    "brb": "brottsbalken",
}
_LAW_ENDINGS = ("loven", "lova", "lagen", "balken", "forskriften", "forskrifta", "förordningen", "konvensjonen")
_LAW = re.compile(r"([^\W_](?:[\w.-]*[^\W_])?)\.?,?\s*(?:\((\d{4}:\d+)\),?)?\s*$")
_NUMBERED_LAW = re.compile(
    r"(?:forskrift\w*|lag|act|acts|and|och)\s+(?:[\d-]+\s+nr\.?\s+)?\(?(\d{4}(?::\d+)?)\)?,?\s*$", re.I
)


class _Text:
    """A text of which ever more has been read."""

    def __init__(self, text: str) -> None:
        self.whole = text
        self.left = text

    def take(self, start: int, end: int) -> str:
        taken = self.whole[start:end]
        self.left = self.left[:start] + "\x00" * (end - start) + self.left[end:]
        return taken


def _found(words: str, language: Language, *, counted: bool) -> Iterator[Figure]:
    if not counted and "§" not in words and not _DIGITS.search(words) and not _may_count(words, language):
        return
    text = _Text(words)
    for match in _ADDRESS.finditer(text.left):
        text.take(*match.span())
    if _DIGITS.search(words):  # the rest of most texts is words only
        yield from _statutes(text, language)
        yield from _dates_and_codes(text)
        yield from _digits(text, language)
    yield from _counted(text, language, counted=counted)


def _may_count(words: str, language: Language) -> bool:
    known = _NUMBER_WORDS[language]
    return any(match[0].lower() in known for match in _WORD.finditer(words))


def _statutes(text: _Text, language: Language) -> Iterator[Figure]:
    if "§" in text.whole:
        for match in _SWEDISH.finditer(text.left):
            yield from _sections(text, match, match[2], match[1] or "")
    if "kap" in text.whole:
        for match in _SWEDISH_CHAPTER.finditer(text.left):
            yield from _sections(text, match, "", match[1])
    if language is Language.EN:
        for match in _ENGLISH.finditer(text.left):
            yield from _sections(text, match, match[2] or "", match[1])
        for match in _ENGLISH_SECTION.finditer(text.left):
            yield from _sections(text, match, match[1], "")
    for match in _TWO_SIGNS.finditer(text.left):
        *found, last = _sections(text, match, match[1], "", many=True)
        yield from (*found, last)
        while " ledd " in last.value:  # "§§ 8-3 fjerde ledd og 9-6 tredje ledd"
            more = _MORE.match(text.left, _end_of(text, match.end()))
            if more is None:
                break
            *found, last = _sections(text, more, more[1], "", many=True, laws=last.laws)
            yield from (*found, last)
            match = more  # noqa: PLW2901 - read on from there
    for match in _ONE_SIGN.finditer(text.left):
        yield from _sections(text, match, match[1], "")
    for match in _CHAPTER.finditer(text.left):
        yield from _sections(text, match, "", match[1])
    for match in _ARTICLE.finditer(text.left):
        shown = text.take(*match.span())
        for number in _one_or_range(match[1]):
            yield Figure(Sort.STATUTE, f"art{number}", shown=shown)


def _end_of(text: _Text, at: int) -> int:
    """Where what was read from here ends."""
    while at < len(text.left) and text.left[at] == "\x00":
        at += 1
    return at


def _sections(
    text: _Text,
    match: re.Match[str],
    sections: str,
    chapters: str,
    *,
    many: bool | None = None,
    laws: frozenset[str] | None = None,
) -> Iterator[Figure]:
    if laws is None:
        laws = _laws_before(text.whole[max(0, match.start() - 80) : match.start()])
    end = match.end()
    part = _PART.match(text.whole, end)
    if part is not None:
        end = part.end()
    letter = _LETTER_OF.match(text.whole, end)
    if letter is not None:
        end = letter.end()
    shown = text.take(match.start(), end)
    in_chapters = [number for item in _items(chapters) for number in _one_or_range(item)] or [""]
    listed = _items(sections)
    if many is None:  # with the chapter said, or in a law that has none, a hyphen can only mean "to"
        ranged = "§" in shown and not shown.lstrip().startswith("§")
        ranged = ranged or not shown.startswith("§")
    else:
        hyphens = [item for item in listed if re.search(r"[-–]", item)]
        ranged = len(listed) == 1 or len(hyphens) < len(listed)
    numbers = [number for item in listed for number in (_one_or_range(item) if ranged else [_plain(item)])]
    for chapter in in_chapters:
        if not numbers:
            yield Figure(Sort.STATUTE, f"{chapter}:", laws=laws, shown=shown)
        for number in numbers:
            yield Figure(Sort.STATUTE, f"{chapter}:{number}", laws=laws, shown=shown)
    last = f"{in_chapters[-1]}:{numbers[-1]}" if numbers else ""
    if part is not None and last:
        for word in _WORD.findall(part[1].lower()):
            if word in _ORDINAL:
                yield Figure(Sort.STATUTE, f"{last} ledd {_ORDINAL[word]}", laws=laws, shown=shown)
    if letter is not None and last:
        yield Figure(Sort.STATUTE, f"{last}{letter[1].lower()}", laws=laws, shown=shown)


def _items(listed: str) -> list[str]:
    return [item for item in re.split(_AND, listed) if item]


def _plain(item: str) -> str:
    return re.sub(r"\s", "", item).replace("–", "-").lower()


def _one_or_range(item: str) -> list[str]:
    plain = _plain(item)
    first, hyphen, last = plain.partition("-")
    if hyphen and first.isdecimal() and last.isdecimal() and 0 < int(last) - int(first) <= 60:
        return [str(number) for number in range(int(first), int(last) + 1)]
    return [plain]


def _laws_before(before: str) -> frozenset[str]:
    numbered = _NUMBERED_LAW.search(before)
    if numbered is not None:
        return frozenset({numbered[1]})
    match = _LAW.search(before)
    if match is None:
        return frozenset()
    laws = {match[2]} if match[2] else set()
    name = match[1].lower().rstrip(".")
    name = _ABBREVIATIONS.get(name, name)
    if name.endswith(_LAW_ENDINGS) or name in _ABBREVIATIONS.values():
        name = re.sub(r"lova$", "loven", name)
        laws.add(re.sub(r"forskrifta$", "forskriften", name))
    return frozenset(laws)


def _dates_and_codes(text: _Text) -> Iterator[Figure]:
    for match in _DATE.finditer(text.left):
        parts = match.groupdict()
        shown = text.take(*match.span())
        year = parts["y"] or parts["y2"] or parts["y3"] or parts["y4"] or ""
        name = parts["n2"] or parts["n3"]
        month = _MONTHS[name.lower()] if name else int(parts["m"] or parts["m4"])
        day = parts["d"] or parts["d2"] or parts["d4"]
        value = f"{year}-{month:02}" + (f"-{int(day):02}" if day else "")
        yield Figure(Sort.DATE, value, shown=shown)
    for match in _CODES.finditer(text.left):
        yield Figure(Sort.CODE, match[0].lower(), shown=text.take(*match.span()))


def _digits(text: _Text, language: Language) -> Iterator[Figure]:
    for match in _GROUPED.finditer(text.left):
        shown = text.take(*match.span())
        yield _number(re.sub(r"\D", "", shown), shown, text, match.start(), match.end(), language)
    for match in _TIME.finditer(text.left):
        yield Figure(Sort.TIME, f"{int(match[1])}.{match[2]}", shown=text.take(*match.span()))
    for match in _DECIMAL.finditer(text.left):
        shown = text.take(*match.span())
        yield _number(shown.replace(",", "."), shown, text, match.start(), match.end(), language)
    for match in _DIGITS.finditer(text.left):
        shown = match[0]
        figure = _number(shown, shown, text, match.start(), match.end(), language)
        if figure.unit in {"", "year"} and re.fullmatch(r"(19|20)\d\d", shown):
            figure = Figure(Sort.YEAR, shown, shown=shown)
        yield figure


def _counted(text: _Text, language: Language, *, counted: bool) -> Iterator[Figure]:
    known = _NUMBER_WORDS[language]
    for match in _WORD.finditer(text.left):
        number = known.get(match[0].lower())
        if number is None:
            continue
        figure = _number(str(number), match[0], text, match.start(), match.end(), language)
        if figure.unit and (number > 1 or figure.unit in _ONE_COUNTS_IN):
            yield figure
        elif counted or (number >= _COUNTED_FROM and match[0].lower() not in _OTHER_MEANING):
            yield Figure(Sort.NUMBER, str(number), shown=match[0])


def _number(value: str, shown: str, text: _Text, start: int, end: int, language: Language) -> Figure:
    """The number with its unit, which stands behind it, before it, or behind the other end of a range."""
    after = text.whole[end : end + 60]
    unit, length = _unit_at(after, ordinal=shown.isdecimal())
    if not unit:
        other = _RANGE.match(after)
        second = re.match(r"\d+|[^\W\d_]+", after[other.end() :]) if other is not None else None
        if other is not None and second is not None and _is_number(second[0], language):
            behind = other.end() + second.end()
            unit, length = _unit_at(after[behind:], ordinal=False)
            length += behind
    if unit:
        return Figure(Sort.PERIOD, value, unit, shown=shown + after[:length])
    before = _PREFIXED.search(text.whole[max(0, start - 8) : start])
    if before is not None:
        return Figure(Sort.PERIOD, value, _UNIT[before[1].lower()], shown=f"{before[1]} {shown}")
    return Figure(Sort.NUMBER, value, shown=shown)


def _is_number(word: str, language: Language) -> bool:
    return word.isdecimal() or word.lower() in _NUMBER_WORDS[language]


def _unit_at(after: str, *, ordinal: bool) -> tuple[str, int]:
    match = re.match(r"\s?(%)|(\.?)[\s-]?([^\W\d_]+(?:-old)?)", after)
    if match is None:
        return "", 0
    if match[1]:
        return "percent", match.end()
    word = match[3].lower()
    unit = _UNIT.get(word)
    if unit is None and len(word) > 4 and not word.startswith(_NO_PERIOD):
        unit = "year" if word.startswith("års") else next((name for end, name in _ENDINGS if word.endswith(end)), None)
    if unit is None or (match[2] and not (ordinal and unit in {"day", "week", "month", "year"})):
        return "", 0
    return unit, match.end()

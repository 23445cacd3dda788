"""Law references as entities: what an editor wrote ("utl. § 8-3", "5 kap. 15 § utlänningslagen") becomes a key.

One reference may name several rules; a rule is an act, perhaps a chapter, perhaps a section. Paragraphs and letters
within a section are left aside: when a section changes, everything that rests on it must be looked at. Names and short
names of acts are data (`content/laws.yaml`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from helpline.content import load_yaml
from helpline.messages import Country
from knowledge.articles import Article

_REMEMBERED = 50_000  # references; the same few are read again with each change of the shelves
_LONGEST_RANGE = 60  # sections; what claims more is no range


@dataclass(frozen=True, order=True)
class Law:
    """One rule: an act, or a chapter or section of it."""

    country: Country
    act: str
    chapter: str = ""
    section: str = ""

    @classmethod
    def of(cls, key: str) -> Law:
        """The rule with this key; `ValueError` where it is none."""
        country, _, name = key.partition(" ")
        found = _KEYS[Country(country)].fullmatch(name)
        if found is None:
            raise ValueError("This is no law's key.")
        parts = found.groupdict()
        section = parts["section"] or parts["article"] or ""
        chapter, hyphen, _ = section.partition("-")
        return cls(Country(country), parts["act"], parts["chapter"] or (chapter if hyphen else ""), section)

    @property
    def key(self) -> str:
        """Its one spelling, with its country: "NO utlendingsforskriften § 8-3", "SE utlänningslagen 5 kap. 15 §"."""
        return f"{self.country.value} {self.name}"

    @property
    def name(self) -> str:
        """Its one spelling."""
        if self.section.startswith("art."):
            return f"{self.act} {self.section}"
        if self.country is Country.SE:
            chapter = f" {self.chapter} kap." if self.chapter else ""
            return f"{self.act}{chapter}{f' {self.section} §' if self.section else ''}"
        if self.section:
            return f"{self.act} § {self.section}"
        return f"{self.act} kap. {self.chapter}" if self.chapter else self.act

    def touches(self, other: Law) -> bool:
        """Whether a change of the one may be a change of the other: the same rule, or the one lies within the other."""
        return (
            (self.country, self.act) == (other.country, other.act)
            and (not self.chapter or not other.chapter or self.chapter == other.chapter)
            and (not self.section or not other.section or self.section == other.section)
        )


@dataclass(frozen=True)
class LawBook:
    """The names by which acts go."""

    names: Mapping[tuple[Country, str], str]  # plain spelling → the name it is known by
    by_chapter: frozenset[tuple[Country, str]]  # acts whose sections carry their chapter: § 8-3
    _starts: Mapping[Country, re.Pattern[str]] = field(init=False, repr=False, compare=False)
    _known: dict[tuple[str, Country], tuple[Law, ...]] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        starts = {}
        for country in Country:
            known = sorted((name for where, name in self.names if where is country), key=len, reverse=True)
            either = "|".join(re.escape(name) for name in known) or "(?!)"
            starts[country] = re.compile(rf"(?:\s*[,;]|\s+(?:og|och|samt|jf\.?|jfr\.?))\s+(?=(?:{either})(?!\w))", re.I)
        object.__setattr__(self, "_starts", starts)

    @classmethod
    def load(cls, path: Path) -> LawBook:
        """Read the file strictly; a spelling that leads to two acts is refused."""
        names: dict[tuple[Country, str], str] = {}
        by_chapter: set[tuple[Country, str]] = set()
        root = load_yaml(path).mapping(required=[country.value for country in Country])
        for country in Country:
            for node in root[country.value].items():
                fields = node.mapping(required=("name",), optional=("also", "by_chapter"))
                name = fields["name"].text()
                for spelling in (name, *fields["also"].texts(default=())):
                    key = (country, _plain(spelling))
                    if names.setdefault(key, name) != name:
                        raise node.error(f'"{spelling}" already leads to "{names[key]}".')
                if fields["by_chapter"].flag(default=False):
                    by_chapter.add((country, name))
        return cls(names, frozenset(by_chapter))

    def read(self, ref: str, country: Country) -> tuple[Law, ...]:
        """The rules that a reference names, each once, in the order in which it names them."""
        known = self._known.get((ref, country))
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[ref, country] = self._read(ref, country)
        return known

    def _read(self, ref: str, country: Country) -> tuple[Law, ...]:
        written = re.sub(r"[‐-―−]", "-", unicodedata.normalize("NFC", ref))
        written = re.sub(r"\s*-\s*(?=\d)", "-", " ".join(written.split()))
        found: dict[Law, None] = {}
        act = ""
        parts = (again for part in written.split(";") for again in self._starts[country].split(part))
        for part in parts:
            place = _LOCATORS[country].search(part)
            named = part[: place.start()] if place is not None else part
            act = self._act(named, country) or act
            if not act:
                continue
            where = part[place.start() :] if place is not None else ""
            for law in self._located(act, where, country):
                found[law] = None
        if not found and (turned := self._turned(written, country)):
            return turned
        return tuple(found)

    def _turned(self, written: str, country: Country) -> tuple[Law, ...]:
        """The act named last, as in "15 § utlänningslagen" or "§ 8-3 i utlendingsforskriften"."""
        for (where, spelling), name in sorted(self.names.items(), key=lambda item: -len(item[0][1])):
            if where is country and re.search(rf"(?<!\w){re.escape(spelling)}$", _plain(written)):
                return tuple(dict.fromkeys(self._located(name, written, country)))
        return ()

    def _act(self, named: str, country: Country) -> str:
        said = named.strip(" ,.:")
        number = _SFS.search(said)
        if number is not None:
            known = self.names.get((country, number[1]))
            if known is not None:
                return known
            before = said[: number.start()].strip(" ,")
            if _plain(before) in {"lag", "lagen", "förordning", "förordningen", ""}:
                # Acts without a name of their own are known by their number, whatever follows it.
                return f"{_plain(before).removesuffix('en') or 'lag'} ({number[1]})"
            said = before
        said = re.sub(r"\s*\((?!\w*EG\)|EU\))[^)]*\)", "", said).strip(" ,")
        return self.names.get((country, _plain(said)), said)

    def _located(self, act: str, where: str, country: Country) -> Iterable[Law]:
        if (articles := _ARTICLE.search(where)) is not None:
            for number in _numbers(articles[1], ranges=True):
                yield Law(country, act, section=f"art. {number}")
        elif country is Country.SE and _SIGN_LAST.search(where):
            yield from _sign_last(country, act, where)
        elif "§" in where or re.search(r"\bkap", where):
            yield from _sign_first(country, act, where, by_chapter=(country, act) in self.by_chapter)
        else:
            yield Law(country, act)


def citations(articles: Iterable[Article], book: LawBook) -> dict[Law, tuple[str, ...]]:
    """Which articles cite which rule, by their ids."""
    cited: dict[Law, dict[str, None]] = {}
    for article in articles:
        for ref in article.law_refs:
            for law in book.read(ref.ref, article.country):
                cited.setdefault(law, {})[article.id] = None
    return {law: tuple(cited[law]) for law in sorted(cited)}


def _plain(name: str) -> str:
    return " ".join(name.casefold().split()).strip(" ,.:")


_KEYS = {
    Country.NO: re.compile(
        r"(?P<act>\S.*?)(?: § (?P<section>\d.*)| kap\. (?P<chapter>\d.*)| (?P<article>art\. \d.*))?"
    ),
    Country.SE: re.compile(
        r"(?P<act>\S.*?)(?: (?P<article>art\. \d.*)|"
        r"(?: (?P<chapter>\d+(?: \w)?) kap\.)?(?: (?P<section>\d+(?: \w)?) §)?)"
    ),
}
_SFS = re.compile(r"\((\d{4}:\d+)\)")
_NUMBER = r"\d+(?:\s?[a-hj-z](?!\w))?"  # 15, 7 b
_MANY = rf"(?<![:/.\d-]){_NUMBER}(?:\s*(?:-|,|och|samt)\s*{_NUMBER})*"  # not the 43 of 2021:43
_SIGN_LAST = re.compile(rf"(?P<many>{_MANY})\s*(?P<sign>kap\b\.?|§§?)", re.I)
_ARTICLE = re.compile(r"\bart(?:ikk?el(?:en|ene)?|iklarna)?\.?\s*(\d[\d\s,a-z-]*)", re.I)
_ANY_COUNTRY = r"\bkap(?:ittel|itel|\.)?\s*\d|\bart(?:ikk?el|\.)?\s*\d|\bs\.\s*\d"
_LOCATORS = {
    Country.NO: re.compile(rf"§|{_ANY_COUNTRY}", re.I),
    Country.SE: re.compile(rf"(?:{_MANY})\s*(?:kap\b|§)|§|{_ANY_COUNTRY}", re.I),
}
_WITHIN = re.compile(r"\b(?:nr|ledd|punktum|stycket|punkt|pkt|bokstav)\b\.?\s*\d+", re.I)


def _sign_last(country: Country, act: str, where: str) -> Iterable[Law]:
    """Swedish: 5 kap. 15 §, 7 kap. 7 b §."""
    chapters: tuple[str, ...] = ()
    for found in _SIGN_LAST.finditer(where):
        numbers = _numbers(found["many"], ranges=True)
        if found["sign"].startswith("§"):
            for chapter in chapters or ("",):
                for number in numbers:
                    yield Law(country, act, chapter, number)
            # The same chapter goes on: 5 kap. 15 §, 16 §.
            continue
        later = where[found.end() :]
        following = _SIGN_LAST.search(later)
        chapters = numbers
        if following is None or not following["sign"].startswith("§"):
            for chapter in numbers:
                yield Law(country, act, chapter)


def _sign_first(country: Country, act: str, where: str, *, by_chapter: bool) -> Iterable[Law]:
    """Norwegian: § 8-3, §§ 257 og 258, kap. 5."""
    for found in re.finditer(r"(§§?|\bkap(?:ittel|itel|\.)?)\s*([^§]*?)(?=§|\bkap|$)", where, re.I):
        listed = _WITHIN.sub("", found[2])
        if not found[1].startswith("§"):
            for number in _numbers(listed, ranges=True):
                yield Law(country, act, number)
            continue
        for number in _numbers(listed, ranges=found[1] == "§§" and not by_chapter):
            chapter, hyphen, _ = number.partition("-")
            yield Law(country, act, chapter if hyphen else "", number)


def _numbers(listed: str, *, ranges: bool) -> tuple[str, ...]:
    """Single numbers of a list such as "1, 3-5 og 7" or "1 a-1 b"; without `ranges` "8-3" is one number."""
    numbers: dict[str, None] = {}
    if ranges:
        for first, letter, last, ending in re.findall(
            r"(\d+)\s?([a-hj-z](?!\w))?(?:-(\d+)\s?([a-hj-z](?!\w))?)?", listed
        ):
            span = range(int(first), int(last) + 1) if last else ()
            if last and 0 < len(span) <= _LONGEST_RANGE:
                between = [str(number) for number in span]
                if first == last and letter and ending:
                    between = [f"{first} {chr(sign)}" for sign in range(ord(letter), ord(ending) + 1)]
                else:
                    between[0] += f" {letter}" if letter else ""
                    between[-1] += f" {ending}" if ending else ""
            elif last:
                between = [f"{first}-{last}{f' {ending}' if ending else ''}"]
            else:
                between = [f"{first} {letter}" if letter else first]
            numbers |= dict.fromkeys(between)
    else:
        for number, letter in re.findall(r"(\d+(?:-\d+)?)\s?([a-hj-z](?!\w))?", listed):
            numbers[f"{number} {letter}" if letter else number] = None
    return tuple(numbers)

"""Which place somebody means: kommuner, fylker, län and health regions, found in what people type.

What this promises: every official name and every alias finds its own place; a name that two places bear is asked
about, and the country of the line decides between countries; a misspelling of one letter finds its place or is asked
about, and never wins over a name that is spelt right; everyday words that are also place names ("time", "vara", "os")
count only where the text leaves no doubt; anything else is unknown, and nothing is guessed.

Pure: the files of `content/places` are read once by `Gazetteer.load`, and everything after that is values.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from rapidfuzz import process
from rapidfuzz.distance import OSA

from helpline.content import ContentError, load_yaml
from helpline.messages import Country


class Level(StrEnum):
    """How large an area is, smallest first."""

    KOMMUNE = "kommune"  # Norwegian kommuner and Swedish kommuner alike
    FYLKE = "fylke"  # Norway
    LAN = "lan"  # Sweden; the area of a health-care region too
    HELSEREGION = "helseregion"  # Norway's four regional health authorities
    NATIONAL = "national"


LOCAL_FIRST: tuple[Level, ...] = (Level.KOMMUNE, Level.FYLKE, Level.LAN, Level.HELSEREGION, Level.NATIONAL)

AreaKey = tuple[Level, str]


@dataclass(frozen=True)
class Place:
    """One official area. `within` lists the areas around it, nearest first, the country last."""

    country: Country
    level: Level
    code: str
    name: str
    names: tuple[str, ...] = field(compare=False)  # official names, every language
    within: tuple[AreaKey, ...] = field(compare=False)
    parent_name: str = field(compare=False, default="")  # of the fylke or län, to tell namesakes apart

    @property
    def key(self) -> AreaKey:
        return (self.level, self.code)

    @property
    def areas(self) -> tuple[AreaKey, ...]:
        """The place itself and everything it lies in, nearest first."""
        return (self.key, *self.within)

    @property
    def label(self) -> str:
        """The name with what tells it from its namesakes: Herøy (Nordland)."""
        return f"{self.name} ({self.parent_name})" if self.parent_name and self.parent_name != self.name else self.name

    def lies_in(self, other: Place) -> bool:
        """Whether it is a part of the other place, and not the same."""
        return self.country is other.country and other.key in self.within


class Outcome(StrEnum):
    """What came of reading a text for a place."""

    FOUND = "found"  # one place; `candidates` may still hold namesakes, to correct it with one tap
    AMBIGUOUS = "ambiguous"  # ask which of the candidates (or whether it is the only one)
    UNKNOWN = "unknown"  # nothing that we know; `why` says why


class Why(StrEnum):
    """Why a place is not known, or how sure we are of one that is."""

    NAMED = "named"  # spelt as it is known
    MISSPELT = "misspelt"  # one or two letters off
    POSTAL_CODE = "postal-code"  # through the postal code
    CODE = "code"  # through the official number
    NOTHING_SAID = "nothing-said"  # empty, or only small words
    NO_PLACE = "no-place"  # no name that we know
    POSTAL_CODE_UNKNOWN = "postal-code-unknown"  # a postal code that is in no list, or in no kommune


@dataclass(frozen=True)
class Understood:
    """What was understood of a text."""

    outcome: Outcome
    why: Why
    place: Place | None = None
    candidates: tuple[Place, ...] = ()


class Kind(StrEnum):
    """Why a name stands for a place."""

    OFFICIAL = "official"
    TOWN = "town"
    DISTRICT = "district"
    HOSPITAL = "hospital"
    OLD = "old"  # a kommune that was merged
    AREA = "area"
    LANGUAGE = "language"  # the name in another language than the official ones


@dataclass(frozen=True)
class _Name:
    """One name in the index."""

    place: Place
    plain: str  # tokens in lower case, joined
    tokens: int
    rank: int  # 0 an official name, 1 any other: an official name wins over a namesake
    doubtful: bool  # also an everyday word or very short: the sentence must say that a place is meant
    everyday: bool  # listed as an everyday word


@dataclass(frozen=True)
class _Token:
    text: str
    plain: str
    folded: str
    capital: bool
    ends_clause: bool  # a full stop, comma, bracket or the end of the text follows
    hyphened: bool = False  # a hyphen joins it to the word before


@dataclass(frozen=True)
class _Mention:
    """A stretch of the text that names a place."""

    first: int
    last: int
    places: tuple[Place, ...]  # what it most likely names
    others: tuple[Place, ...]  # namesakes of lesser rank
    exact: bool  # spelt with every letter as it should be
    official: bool = True  # by its official name
    inflected: bool = False  # only without its last letters: a genitive, or written together with an area word
    sure: bool = True  # some name that it may be is no everyday word
    everyday: bool = False  # it is an everyday word, and not only short


@dataclass(frozen=True)
class _Words:
    prepositions: frozenset[str]
    origin: frozenset[str]
    fillers: frozenset[str]
    place_words: frozenset[str]
    fylke_words: frozenset[str]
    lan_words: frozenset[str]
    region_before: frozenset[str]
    kommune_words: frozenset[str]
    person_words: frozenset[str]
    postal_words: frozenset[str]
    code_words: frozenset[str]
    endings: tuple[str, ...]
    also_words: frozenset[str]
    chat: frozenset[str]
    not_places: frozenset[str]


_LONGEST_READ = 1000  # characters; nobody needs more to say where they are, and time is not theirs to take
_LONGEST_NAME = 5  # words in a name
_SHORT = 3  # letters; a name this short is doubtful in a sentence
_ASKED_AT_MOST = 8

_WORD = re.compile(r"[^\W\d_]+|\d+")
_SWEDISH_POSTAL = re.compile(r"(?<![\d-])(?:SE?-)?(\d{3}) ?(\d{2})(?![\d-])")
_NORWEGIAN_POSTAL = re.compile(r"(?<![\d-])(?:NO?-)?(\d{4})(?![\d-])")
_LETTERS = str.maketrans(
    {"æ": "ae", "ø": "o", "å": "a", "ä": "a", "ö": "o", "đ": "d", "ŋ": "n", "ŧ": "t", "þ": "th", "ð": "d"}
)
_DOUBLES = re.compile("ae|aa")
_NORWEGIAN_HEARING = MappingProxyType(
    {"21": "H05"}
)  # postal codes of Svalbard: the hospital there belongs to Helse Nord


def fold(word: str) -> str:
    """A word as it looks without Nordic and Sami letters: Tromsø, Tromsö, Tromsoe and tromso are one."""
    bare = unicodedata.normalize("NFD", word.casefold().translate(_LETTERS))
    bare = "".join(letter for letter in bare if not unicodedata.combining(letter))
    return _DOUBLES.sub("a", bare).replace("oe", "o")


def _tokens(text: str) -> list[_Token]:
    found = []
    for match in _WORD.finditer(text):
        word = match.group()
        rest = text[match.end() : match.end() + 2].strip(" \t")
        found.append(
            _Token(
                text=word,
                plain=word.casefold(),
                folded=fold(word),
                capital=word[0].isupper(),
                ends_clause=not rest or not (rest[0].isalnum() or rest[0] in "-'’&/"),
                hyphened=match.start() > 1 and text[match.start() - 1] == "-" and text[match.start() - 2].isalnum(),
            )
        )
    return found


def _clean(text: str) -> str:
    kept = unicodedata.normalize("NFKC", text[: 4 * _LONGEST_READ])
    kept = "".join(" " if letter.isspace() else letter for letter in kept if letter.isspace() or letter.isprintable())
    return kept[:_LONGEST_READ].strip()


class Gazetteer:
    """All places and all names we know for them."""

    def __init__(
        self,
        places: Iterable[Place],
        names: Iterable[tuple[str, Place, Kind]],
        words: _Words,
        *,
        postal: Mapping[Country, Mapping[str, tuple[str, str]]],
        old_codes: Mapping[str, tuple[str, ...]],
        groups: Mapping[tuple[str, str], tuple[Place, ...]],
    ) -> None:
        self._places = {(place.country, *place.key): place for place in places}
        self._words = words
        self._postal = postal
        self._old_codes = old_codes
        self._groups = groups
        self._official: set[tuple[Country, str]] = set()
        index: dict[str, list[_Name]] = defaultdict(list)
        self._spelt: dict[Country, dict[str, set[Place]]] = {country: defaultdict(set) for country in Country}
        for name, place, kind in names:
            for entry, folded in self._entries(name, place, kind):
                if entry not in index[folded]:
                    index[folded].append(entry)
                if len(entry.plain) >= _SHORT - 1:
                    self._spelt[place.country][entry.plain].add(place)
                    self._spelt[place.country][folded].add(place)
                if kind is Kind.OFFICIAL:
                    self._official |= {(place.country, entry.plain), (place.country, folded)}
        self._index = dict(index)
        self._spellings = {country: list(spelt) for country, spelt in self._spelt.items()}

    def _entries(self, name: str, place: Place, kind: Kind) -> Iterator[tuple[_Name, str]]:
        tokens = _tokens(name)
        plain = "".join(token.plain for token in tokens)
        folded = "".join(token.folded for token in tokens)
        everyday = plain in self._words.also_words
        short = len(folded) <= _SHORT and kind is not Kind.HOSPITAL
        rank = 0 if kind is Kind.OFFICIAL else 1
        yield _Name(place, plain, len(tokens), rank, everyday or (short and len(tokens) == 1), everyday), folded

    # --- what there is ---------------------------------------------------------------------------------------------

    @classmethod
    def load(cls, folder: Path) -> Gazetteer:
        """Read `content/places`; raises `ContentError` naming file and line for anything that does not fit."""
        return _load(folder)

    def places(self, country: Country | None = None, level: Level | None = None) -> tuple[Place, ...]:
        """Every place, by country and level where they are given."""
        return tuple(
            place
            for place in self._places.values()
            if (country is None or place.country is country) and (level is None or place.level is level)
        )

    def find(self, country: Country, level: Level, code: str) -> Place | None:
        """The place with this official code."""
        return self._places.get((country, level, code))

    def get(self, country: Country, level: Level, code: str) -> Place:
        """The place with this official code, which must exist."""
        return self._places[(country, level, code)]

    def nation(self, country: Country) -> Place:
        """The whole country."""
        return self._places[(country, Level.NATIONAL, country.value)]

    def kommuner_in(self, place: Place) -> tuple[Place, ...]:
        """The kommuner of a larger area, by name: what to ask about when a fylke or län is all we know."""
        inside = [part for part in self.places(place.country, Level.KOMMUNE) if part.lies_in(place)]
        return tuple(sorted(inside, key=lambda part: fold(part.name)))

    def parts_of(self, place: Place) -> tuple[Place, ...]:
        """The areas of the next size down, by name: the kommuner of a fylke or län, the fylker of a health region."""
        inside = [part for part in self.places(place.country) if part.within[:1] == (place.key,)]
        return tuple(sorted(inside, key=lambda part: fold(part.name)))

    def search(self, text: str, country: Country, *, most: int = 20) -> tuple[Place, ...]:
        """Places for somebody who is still typing: what the text means, then what is called something like it."""
        words = _tokens(_clean(text)[:100])
        typed = "".join(token.folded for token in words)
        understood = self.understand(text[:100], country=country)
        ranked: dict[Place, int] = {}
        for name, entries in self._index.items() if len(typed) > 1 else ():
            at = name.find(typed)
            if at < 0 or (at > 0 and len(typed) < _SHORT):
                continue
            for entry in entries:
                rank = (0 if name == typed else 1 if at == 0 else 2) + 3 * entry.rank
                ranked[entry.place] = min(rank, ranked.get(entry.place, rank))
        alike = sorted(ranked, key=lambda place: (ranked[place], LOCAL_FIRST.index(place.level), fold(place.name)))
        meant = () if understood.place is None else (understood.place,)
        found = _unique((*meant, *understood.candidates, *alike))
        return tuple(p for p in found if p.country is country and p.level is not Level.NATIONAL)[:most]

    def group(self, sort: str, name: str) -> tuple[Place, ...]:
        """The fylker of an RVTS region (`rvts`), or the län of a coordinator region (`coordinator`), by its name."""
        return self._groups.get((sort, name), ())

    # --- understanding ---------------------------------------------------------------------------------------------

    def understand(self, text: str, *, country: Country | None = None) -> Understood:
        """The place that a text names, of whatever length; `country` is the line's, and decides ties."""
        cleaned = _clean(text)
        tokens = _tokens(cleaned)
        if not tokens:
            return Understood(Outcome.UNKNOWN, Why.NOTHING_SAID)
        mentions = self._mentions(tokens, country)
        numbered = self._by_number(cleaned, tokens, mentions, country)
        if numbered is not None and not isinstance(numbered, tuple):
            return numbered
        accepted = self._accepted(tokens, mentions)
        if numbered:
            accepted = [_Mention(-1, -1, numbered, (), exact=True), *accepted]
        if accepted:
            whole = None if numbered else self._whole(tokens, accepted, country)
            if whole is not None:
                return whole
            return self._settle(tokens, accepted, country, why=Why.POSTAL_CODE if numbered else Why.NAMED)
        return self._misspelt(tokens, country)

    def _mentions(self, tokens: Sequence[_Token], country: Country | None) -> list[_Mention]:
        """Every stretch of words that is a name, the longest first and none inside another."""
        found: list[_Mention] = []
        at = 0
        while at < len(tokens):
            for length in range(min(_LONGEST_NAME, len(tokens) - at), 0, -1):
                mention = self._mention(tokens, at, length, country)
                if mention is not None:
                    found.append(mention)
                    at += length
                    break
            else:
                at += 1
        return found

    def _mention(self, tokens: Sequence[_Token], first: int, length: int, country: Country | None) -> _Mention | None:
        last = first + length - 1
        before = tokens[first - 1].plain if first else ""
        after = tokens[last + 1].plain if last + 1 < len(tokens) else ""
        entries = self._named(tokens[first : last + 1], length, country, after)
        if not entries:
            return None
        entries = self._of_level(entries, before, after)
        if country is not None and any(entry.place.country is country for entry in entries):
            entries = [entry for entry in entries if entry.place.country is country]
        elif country is not None and length == 1 and len(tokens[first].plain) < _SHORT:
            spelt = tokens[first].plain
            entries = [entry for entry in entries if entry.plain == spelt]  # "rø" is no Swedish "RÖ", and "al" no "Ål"
            if not entries:
                return None
        best = min(entry.rank for entry in entries)
        chosen = _unique(entry.place for entry in entries if entry.rank == best)
        if best == 0:
            # Oslo is a kommune and a fylke, and Kalmar a kommun and a län: the bare name means the smaller.
            chosen = tuple(place for place in chosen if not any(other.lies_in(place) for other in chosen))
        others = tuple(
            place
            for place in _unique(entry.place for entry in entries)
            if place not in chosen and not any(small.lies_in(place) for small in chosen)
        )
        typed = "".join(token.plain for token in tokens[first : last + 1])
        folded = "".join(token.folded for token in tokens[first : last + 1])
        if typed == folded:
            # Without Nordic letters Habo may be Håbo too: taken as written, and the other can be chosen.
            alike = [entry.place for entry in self._index.get(folded, ()) if entry.rank == 0]
            home = {place.country for place in chosen}
            others += tuple(p for p in _unique(alike) if p not in (*chosen, *others) and p.country in home)
        inflected = not any(folded == fold(entry.plain) for entry in entries)
        exact = any(typed in (entry.plain, f"{entry.plain}s") for entry in entries)
        sure = any(not entry.doubtful for entry in entries)
        everyday = any(entry.everyday for entry in entries)
        return _Mention(first, last, chosen, others, exact, best == 0, inflected, sure, everyday)

    def _named(
        self, tokens: Sequence[_Token], length: int, country: Country | None = None, after: str = ""
    ) -> list[_Name]:
        """The names that these words may be: as spelt, else with other letters or no ending, at home before abroad.

        A name that is also an everyday word is read without an ending only where the ending is an area ("Holeregionen")
        or where a place word follows ("Times legevakt").
        """
        head_plain = "".join(token.plain for token in tokens[:-1])
        head_folded = "".join(token.folded for token in tokens[:-1])
        tail = tokens[-1]
        places = after in self._words.place_words or after in self._words.kommune_words
        forms: list[list[_Name]] = []
        for plain, folded in ((tail.plain, tail.folded), *_without_ending(tail, self._words.endings)):
            whole_plain, whole_folded = head_plain + plain, head_folded + folded
            entries = [
                entry
                for entry in self._index.get(whole_folded, ())
                # Words written together may be a name of several words, but several words are never a name of one.
                if length == 1 or length <= entry.tokens
            ]
            spelt = [entry for entry in entries if entry.plain == whole_plain]
            if plain != tail.plain:
                compound = len(tail.plain) - len(plain) > 1
                entries = [entry for entry in entries if not entry.doubtful or entry.tokens > 1]
                spelt = [entry for entry in spelt if compound or places or not entry.doubtful or entry.tokens > 1]
            elif spelt:
                return spelt
            if spelt or entries:
                forms.append(spelt or entries)
        at_home = (found for found in forms if any(entry.place.country is country for entry in found))
        return next(at_home, forms[0] if forms else [])

    def _of_level(self, entries: list[_Name], before: str, after: str) -> list[_Name]:
        """Heed a word that says how large the area is: Oslo fylke, region Örebro, Gotlands kommun."""
        if after in self._words.fylke_words:
            wanted = Level.FYLKE
        elif after in self._words.lan_words or before in self._words.region_before:
            wanted = Level.LAN
        elif after in self._words.kommune_words:
            wanted = Level.KOMMUNE
        else:
            return entries
        return [entry for entry in entries if entry.place.level is wanted] or entries

    def _accepted(self, tokens: Sequence[_Token], mentions: list[_Mention]) -> list[_Mention]:
        """The mentions that the sentence means as places."""
        taken = {at for mention in mentions for at in range(mention.first, mention.last + 1)}
        rest = [token for at, token in enumerate(tokens) if at not in taken]
        alone = all(token.plain in self._words.fillers or token.plain in self._words.place_words for token in rest)
        shouted = all(token.text.isupper() for token in tokens if not token.text.isdigit())
        sure = [mention for mention in mentions if self._is_sure(tokens, mention, shouted=shouted)]
        if sure or not alone:
            # A doubtful name beside a sure one ("Våler i Østfold", "Nora, Örebro län") helps only where it lies in it.
            return sure
        return mentions

    def _whole(self, tokens: Sequence[_Token], mentions: list[_Mention], country: Country | None) -> Understood | None:
        """What the text as a whole misspells, where a name that was spelt right is only a part of it.

        "Midtt-Telemark" is Midt-Telemark and not the fylke, and "Upplands Väsb" is not Uppland.
        """
        home = [m for m in mentions if any(place.country is country for place in m.places)] or mentions
        taken = {at for mention in home for at in range(mention.first, mention.last + 1)}
        small = self._words.fillers | self._words.prepositions | self._words.place_words
        # What follows a genitive belongs to it, also where it is an everyday word: Upplands-Bor.
        owned = {mention.last + 1 for mention in home if mention.inflected}
        # And a hyphen makes two words one: Mitt-Telemark.
        owned |= {at - 1 for at, token in enumerate(tokens) if token.hyphened}
        owned |= {at for at, token in enumerate(tokens) if token.hyphened}
        content = [at for at, token in enumerate(tokens) if at in taken or at in owned or token.plain not in small]
        one_name = len(home) == 1 and taken.issuperset(content)
        if one_name or len(content) > _LONGEST_NAME or content[-1] - content[0] >= _LONGEST_NAME:
            return None
        stretch = tokens[content[0] : content[-1] + 1]
        if any(token.text.isdigit() for token in stretch):
            return None
        # Two names side by side are two places, unless an official name is one letter away: Snr-Aurdal, Upplands Visby.
        two_names = taken.issuperset(content)
        near = self._near("".join(token.plain for token in stretch), country, reach=1, official=two_names)
        if not near:
            return None
        if len(near) == 1:
            return Understood(Outcome.FOUND, Why.MISSPELT, place=near[0])
        return Understood(Outcome.AMBIGUOUS, Why.MISSPELT, candidates=near[:_ASKED_AT_MOST])

    def _is_sure(self, tokens: Sequence[_Token], mention: _Mention, *, shouted: bool) -> bool:
        first, last = tokens[mention.first], tokens[mention.last]
        if all(place.level is Level.NATIONAL for place in mention.places):
            return False  # "i Norge" says which law applies, not where somebody is
        if mention.sure:
            return True
        before = tokens[mention.first - 1] if mention.first else None
        after = tokens[mention.last + 1] if mention.last + 1 < len(tokens) else None
        if before is not None and before.plain in self._words.person_words:
            return False
        if (
            after is not None
            and after.plain in self._words.place_words
            and not (before and before.capital and first.capital)
        ):
            return first.capital or not mention.everyday or after.plain in self._words.kommune_words
        spelt = mention.exact and not mention.inflected
        preposed = before is not None and before.plain in self._words.prepositions
        capital = first.capital and not shouted
        if preposed and capital:
            return True
        return preposed and spelt and last.ends_clause and not mention.everyday

    def _settle(
        self, tokens: Sequence[_Token], mentions: list[_Mention], country: Country | None, *, why: Why
    ) -> Understood:
        """One place out of all that were named, or the question which."""
        if country is not None and any(any(p.country is country for p in m.places) for m in mentions):
            mentions = [m for m in mentions if any(p.country is country for p in m.places)]
        here = [m for m in mentions if not (m.first > 0 and tokens[m.first - 1].plain in self._words.origin)]
        mentions = here or mentions
        named: dict[Place, _Mention] = {}
        others: list[Place] = []
        for mention in mentions:
            rest = [place for other in mentions if other is not mention for place in other.places]
            every = (*mention.places, *mention.others)
            # Another name in the text may say which namesake is meant: Sande … Vestfold, 3080 Holmestrand.
            inside = [place for place in every if any(place.lies_in(around) for around in rest)]
            narrowed = [place for place in mention.places if place in inside] or inside or list(mention.places)
            for place in narrowed:
                named.setdefault(place, mention)
            others += [place for place in mention.others if place not in others and not inside]
        # Tromsø and Troms in one text mean Tromsø; one word that may be either is asked about.
        kept = [
            place
            for place, mention in named.items()
            if not any(other.lies_in(place) for other, by in named.items() if by is not mention)
        ]
        if len(kept) == 1:
            others = [place for place in others if place != kept[0]]
            if len(mentions) == 1 and mentions[0].first >= 0:
                # Kirkenes is a town, and one letter from Birkenes: taken as written, and easy to correct.
                near = self._one_letter_off(tokens, mentions[0], country)
                if near and mentions[0].inflected:
                    return Understood(Outcome.AMBIGUOUS, why, candidates=(*kept, *near[: _ASKED_AT_MOST - 1]))
                others += [place for place in near if place not in others and place != kept[0]]
            if country is not None and kept[0].country is not country:
                # Ørsa is Orsa in Sweden without the stroke, and Ørsta in Norway without the t; Valla is a town there,
                # and one letter from Valle here: asked, for everything is different in the other country. Solna is an
                # official name there, and may still be Sola: taken, and easy to correct.
                by = named[kept[0]]
                near = self._near("".join(token.plain for token in tokens), country, reach=1, official=by.exact)
                if near and not (by.exact and by.official):
                    return Understood(Outcome.AMBIGUOUS, why, candidates=(*near[:_ASKED_AT_MOST], *kept))
                others += [place for place in near if place not in others]
            return Understood(Outcome.FOUND, why, place=kept[0], candidates=tuple(others[:_ASKED_AT_MOST]))
        if country is not None and all(place.country is not country for place in kept):
            typed = "".join(token.plain for token in tokens)
            near = self._near(typed, country, reach=1, official=True)  # Norrland is asked about, and so is Nordland
            kept = [*near, *kept]
        return Understood(Outcome.AMBIGUOUS, why, candidates=tuple(kept[:_ASKED_AT_MOST]))

    def _one_letter_off(
        self, tokens: Sequence[_Token], mention: _Mention, country: Country | None
    ) -> tuple[Place, ...]:
        """Official names one letter from an unofficial or inflected one, where the text names nothing else."""
        if mention.official and not mention.inflected:
            return ()
        typed = "".join(token.plain for token in tokens[mention.first : mention.last + 1])
        near = self._near(typed, country, reach=1, official=True)
        return tuple(place for place in near if not any(place == own or own.lies_in(place) for own in mention.places))

    # --- numbers ---------------------------------------------------------------------------------------------------

    def _by_number(
        self, text: str, tokens: Sequence[_Token], mentions: list[_Mention], country: Country | None
    ) -> Understood | tuple[Place, ...] | None:
        """What a postal code or an official number in the text says: the answer, a place among others, or nothing."""
        others = [token for token in tokens if not token.text.isdigit()]
        quiet = all(
            token.plain in self._words.fillers
            or token.plain in self._words.place_words
            or token.plain in self._words.postal_words
            or token.plain in self._words.code_words
            for token in others
        )
        said_postal = any(token.plain in self._words.postal_words for token in others)
        said_code = any(token.plain in self._words.code_words for token in others) or any(
            token.text.isdigit() and at and tokens[at - 1].plain in self._words.kommune_words
            for at, token in enumerate(tokens)
        )
        swedish = [first + second for first, second in _SWEDISH_POSTAL.findall(text)]
        norwegian: list[str] = _NORWEGIAN_POSTAL.findall(text)
        beside_name = any(
            token.text.isdigit() and any(m.first == at + 1 for m in mentions) for at, token in enumerate(tokens)
        )
        if not (quiet or said_postal or said_code or beside_name):
            return None
        if said_code or (quiet and country is Country.SE and norwegian and not swedish):
            coded = self._by_codes(norwegian, country)
            if coded:
                return self._answer(coded, Why.CODE)
        for number, owner in ((swedish, Country.SE), (norwegian, Country.NO)):
            listed = [(code, self._postal[owner][code]) for code in number if code in self._postal[owner]]
            if listed:
                return self._by_postal(owner, listed[0][1], alone=quiet and not mentions)
        if quiet and not mentions:
            coded = self._by_codes(norwegian, country)
            if coded:
                return self._answer(coded, Why.CODE)
            if swedish or norwegian:
                return Understood(Outcome.UNKNOWN, Why.POSTAL_CODE_UNKNOWN)
        return None

    def _by_codes(self, codes: Sequence[str], country: Country | None) -> list[Place]:
        """The kommuner with these numbers, of today or old; the line's country decides: 1263 was Lindås, is Svedala."""
        found: list[Place] = []
        for code in codes:
            old = [self.find(Country.NO, Level.KOMMUNE, number) for number in self._old_codes.get(code, ())]
            now = [self.find(owner, Level.KOMMUNE, code) for owner in Country]
            places = [place for place in (*now, *old) if place is not None]
            found += [place for place in places if place.country is country] or places
        return found

    def _by_postal(self, country: Country, listed: tuple[str, str], *, alone: bool) -> Understood | tuple[Place, ...]:
        area, town = listed
        level = Level.FYLKE if country is Country.NO else Level.LAN
        around = self.find(country, level, area)
        if around is None:
            region = _NORWEGIAN_HEARING.get(area) if country is Country.NO else None
            if region is None:
                return Understood(Outcome.UNKNOWN, Why.POSTAL_CODE_UNKNOWN)
            return self._answer([self.get(country, Level.HELSEREGION, region)], Why.POSTAL_CODE)
        entries = self._named(_tokens(town), len(_tokens(town)))
        inside = _unique(
            e.place
            for e in entries
            if e.place.level is Level.KOMMUNE and e.place.lies_in(around) and e.place.country is country
        )
        place = inside[0] if len(inside) == 1 else around
        return self._answer([place], Why.POSTAL_CODE) if alone else (place,)

    def _answer(self, places: Sequence[Place], why: Why) -> Understood:
        distinct = _unique(places)
        if len(distinct) == 1:
            return Understood(Outcome.FOUND, why, place=distinct[0])
        return Understood(Outcome.AMBIGUOUS, why, candidates=distinct[:_ASKED_AT_MOST])

    # --- misspellings ----------------------------------------------------------------------------------------------

    def _misspelt(self, tokens: Sequence[_Token], country: Country | None) -> Understood:
        words = self._words
        small = words.fillers | words.place_words | words.prepositions | words.chat
        content = [at for at, token in enumerate(tokens) if token.plain not in small and not token.text.isdigit()]
        named_whole = any(token.hyphened or token.plain in words.place_words for token in tokens)
        if named_whole and len(tokens) <= _LONGEST_NAME:
            # One name of words that alone say nothing: Stop-Elvdal, Sør-Från, Gällivarr sjukhus.
            understood = self._guess_of(tokens, country, alone=False)
            if understood is not None:
                return understood
        if not content:
            numbers = any(token.text.isdigit() for token in tokens)
            return Understood(Outcome.UNKNOWN, Why.NO_PLACE if numbers else Why.NOTHING_SAID)
        if len(content) < _LONGEST_NAME:
            stretch = tokens[content[0] : content[-1] + 1] if content[-1] - content[0] < _LONGEST_NAME else ()
            for run in (stretch, [tokens[at] for at in content]):
                understood = self._guess_of(run, country, alone=True) if run else None
                if understood is not None:
                    return understood
        for at, token in enumerate(tokens[:-1]):
            if token.plain not in words.prepositions or token.plain in words.origin:
                continue
            for length in (3, 2, 1):
                stretch = tokens[at + 1 : at + 1 + length]
                if len(stretch) < length or stretch[0].plain in small or stretch[0].text.isdigit():
                    continue
                long_enough = len(stretch[0].folded) >= (5 if stretch[0].capital else 6)
                if long_enough and (understood := self._guess_of(stretch, country, alone=False)) is not None:
                    return understood
        return Understood(Outcome.UNKNOWN, Why.NO_PLACE)

    def _guess_of(self, stretch: Sequence[_Token], country: Country | None, *, alone: bool) -> Understood | None:
        """What a stretch of words may have been meant to spell; None where it is nothing of the kind."""
        if len(stretch) == 1 and stretch[0].plain in self._words.not_places:
            return None
        tail = stretch[-1]
        head = "".join(token.plain for token in stretch[:-1])
        for plain in (tail.plain, *(plain for plain, _ in _without_ending(tail, self._words.endings))):
            typed = head + plain
            near = self._near(typed, country, reach=1)
            if near:
                # Four letters or fewer may be anything, so we ask; five or more with one place in reach are that place.
                if len(near) == 1 and len(typed) >= 5:
                    return Understood(Outcome.FOUND, Why.MISSPELT, place=near[0])
                if len(near) > _ASKED_AT_MOST:
                    near = self._near(typed, country, reach=1, official=True)
                # More than can be asked about is nothing known: a list without the right one would lead astray.
                if 0 < len(near) <= _ASKED_AT_MOST and (len(typed) >= 5 or alone):
                    return Understood(Outcome.AMBIGUOUS, Why.MISSPELT, candidates=near)
        typed = head + tail.plain
        if len(typed) >= 8:
            near = self._near(typed, country, reach=2)
            if near and len(near) <= 3:
                return Understood(Outcome.AMBIGUOUS, Why.MISSPELT, candidates=near)
        return None

    def _near(self, typed: str, country: Country | None, *, reach: int, official: bool = False) -> tuple[Place, ...]:
        """Places with a name at most `reach` letters from what was typed, as written or without Nordic letters."""
        if len(typed) < _SHORT:
            return ()
        found: list[Place] = []
        for owner in (country,) if country is not None else tuple(Country):
            spelt, spellings = self._spelt[owner], self._spellings[owner]
            for written in dict.fromkeys((typed, fold(typed))):
                for name, _, _ in process.extract(
                    written, spellings, scorer=OSA.distance, processor=None, score_cutoff=reach, limit=None
                ):
                    if not official or (owner, name) in self._official:
                        # A län that bears the bare name of its kommun is no second candidate.
                        found += [
                            place
                            for place in spelt[name]
                            if place not in found and not any(other.lies_in(place) for other in spelt[name])
                        ]
        found.sort(key=lambda place: (LOCAL_FIRST.index(place.level), place.country.value, place.code))
        return tuple(found)


def _unique(places: Iterable[Place]) -> tuple[Place, ...]:
    return tuple(dict.fromkeys(places))


def _without_ending(token: _Token, endings: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The word without a genitive s, or without an area word written together with it."""
    stems = [token.plain]
    for ending in endings:
        if token.plain.endswith(ending) and len(token.plain) - len(ending) >= _SHORT - 1:
            stems.append(token.plain[: -len(ending)])
            break
    for stem in stems:
        if stem != token.plain:
            yield stem, fold(stem)
        if stem.endswith("s") and len(stem) > _SHORT + 1:
            yield stem[:-1], fold(stem[:-1])


# --- reading the files -----------------------------------------------------------------------------------------------


def _rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[list[str], int]]:
    """The rows of a table with their line numbers; lines that begin with # are comments."""
    shown = f"content/places/{path.name}"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ContentError("The file cannot be read.", file=shown) from error
    wanted = list(columns)
    header: list[str] | None = None
    for line, row in enumerate(lines, start=1):
        if not row or row[0] == "#":
            continue
        cells = row.split(",")  # no cell of ours holds a comma, so none is quoted
        if header is None:
            header = cells
            if header != wanted:
                raise ContentError(f"The columns must be {', '.join(columns)}.", file=shown, line=line)
        elif len(cells) != len(wanted):
            raise ContentError(f"This row has {len(cells)} cells; {len(wanted)} belong there.", file=shown, line=line)
        else:
            yield cells, line
    if header is None:
        raise ContentError("The table is empty.", file=shown)


def _load(folder: Path) -> Gazetteer:
    words = _load_words(folder)
    places: dict[tuple[Country, Level, str], Place] = {}
    names: list[tuple[str, Place, Kind]] = []
    groups: dict[tuple[str, str], list[Place]] = defaultdict(list)
    _load_regions(folder, places, names, groups)
    for country, file in ((Country.NO, "kommuner-no.csv"), (Country.SE, "kommuner-se.csv")):
        above = Level.FYLKE if country is Country.NO else Level.LAN
        for (code, written, parent), line in _rows(folder / file, ("code", "names", "parent")):
            around = places.get((country, above, parent))
            official = tuple(name.strip() for name in written.split("|"))
            if around is None or not all(official) or (country, Level.KOMMUNE, code) in places:
                raise ContentError(
                    "The row needs a code of its own, a name, and the code of an area that exists.",
                    file=f"content/places/{file}",
                    line=line,
                )
            place = Place(country, Level.KOMMUNE, code, " - ".join(official), official, around.areas, around.name)
            places[(country, *place.key)] = place
            names += [(name, place, Kind.OFFICIAL) for name in _kommune_forms(place)]
    for country, file in ((Country.NO, "aliases-no.csv"), (Country.SE, "aliases-se.csv")):
        for (level, code, sort, written), line in _rows(folder / file, ("level", "code", "kind", "names")):
            try:
                meant = places[(country, Level(level), code)]
                kind = Kind(sort)
            except (KeyError, ValueError) as error:
                raise ContentError(
                    f"Level, code or kind is not known: {level} {code} {sort}.",
                    file=f"content/places/{file}",
                    line=line,
                ) from error
            for alias in written.split("|"):
                if not alias.strip():
                    raise ContentError("An empty name stands here.", file=f"content/places/{file}", line=line)
                names.append((alias.strip(), meant, kind))
    return Gazetteer(
        places.values(),
        names,
        words,
        postal={Country.NO: _load_postal(folder, "no"), Country.SE: _load_postal(folder, "se")},
        old_codes=_load_old_codes(folder, places),
        groups={key: tuple(members) for key, members in groups.items()},
    )


def _kommune_forms(place: Place) -> Iterator[str]:
    """The official names, and the forms with "kommune" that must not be split."""
    yield from place.names
    if len(place.names) > 1:
        yield " ".join(place.names)
    word = "kommune" if place.country is Country.NO else "kommun"
    for name in place.names:
        yield f"{name} {word}"
        yield f"{name}{'' if name[-1] in 'sxz' else 's'} {word}"
        if place.country is Country.SE:
            yield f"{name}{'' if name[-1] in 'sxz' else 's'} stad"


def _load_regions(
    folder: Path,
    places: dict[tuple[Country, Level, str], Place],
    names: list[tuple[str, Place, Kind]],
    groups: dict[tuple[str, str], list[Place]],
) -> None:
    root = load_yaml(folder / "regions.yaml").mapping(required=("norway", "sweden"))
    norway = root["norway"].mapping(required=("rvts_called", "rvts_also", "helseregioner", "fylker"))
    sweden = root["sweden"].mapping(required=("coordinator_called", "coordinator_also", "lan"))

    def add(
        country: Country, level: Level, code: str, name: str, also: Sequence[str], within: tuple[AreaKey, ...]
    ) -> Place:
        place = Place(country, level, code, name, (name,), within)
        places[(country, level, code)] = place
        names.append((name, place, Kind.OFFICIAL))
        names.extend((alias, place, Kind.AREA) for alias in also)
        return place

    for country, called in ((Country.NO, ("Norge", "Noreg", "Norway")), (Country.SE, ("Sverige", "Sweden"))):
        add(country, Level.NATIONAL, country.value, called[0], called[1:], ())
    nation: dict[Country, tuple[AreaKey, ...]] = {c: ((Level.NATIONAL, c.value),) for c in Country}
    for node in norway["helseregioner"].items(at_least=1):
        region = node.mapping(required=("code", "name", "names"))
        also = list(region["names"].texts())
        add(Country.NO, Level.HELSEREGION, region["code"].text(), region["name"].text(), also, nation[Country.NO])
    for node in norway["fylker"].items(at_least=1):
        fylke = node.mapping(required=("code", "name", "names", "helseregion", "rvts"))
        above = places.get((Country.NO, Level.HELSEREGION, fylke["helseregion"].text()))
        if above is None:
            raise fylke["helseregion"].error("There is no health region with this code.")
        name = fylke["name"].text()
        also = [*fylke["names"].texts(), f"{name} fylke", f"{name} fylkeskommune"]
        place = add(Country.NO, Level.FYLKE, fylke["code"].text(), name, also, above.areas)
        groups[("rvts", fylke["rvts"].text())].append(place)
    for node in sweden["lan"].items(at_least=1):
        lan = node.mapping(required=("code", "iso", "name", "names", "coordinator"))
        name = lan["name"].text()
        short = name.removesuffix(" län")
        bare = short[:-1] if short.endswith("s") else short
        also = [*lan["names"].texts(), short, bare, f"{bare} län", f"Region {bare}", f"Region {short}"]
        place = add(Country.SE, Level.LAN, lan["code"].text(), name, also, nation[Country.SE])
        groups[("coordinator", lan["coordinator"].text())].append(place)
    taken = {fold(name) for name, _, _ in names}
    for sort, fields in (("rvts", norway), ("coordinator", sweden)):
        patterns = fields[f"{sort}_called"].texts()
        grouped = [told for group, told in groups if group == sort]
        further = fields[f"{sort}_also"].mapping(optional=grouped)
        for told in grouped:
            # "Region Stockholm" is the län's own health care, and not the coordinators' region around it.
            forms = [form for form in (words.replace("{}", told) for words in patterns) if fold(form) not in taken]
            if told in further:
                forms += further[told].texts()
            names += [(form, place, Kind.AREA) for place in groups[(sort, told)] for form in forms]


def _load_postal(folder: Path, country: str) -> Mapping[str, tuple[str, str]]:
    table: dict[str, tuple[str, str]] = {}
    for (code, area, town), line in _rows(folder / f"postal-{country}.csv", ("code", "area", "town")):
        if not code.isdigit() or code in table:
            raise ContentError(
                "A postal code must be digits and stand once.", file=f"content/places/postal-{country}.csv", line=line
            )
        table[code] = (area, town)
    return table


def _load_old_codes(folder: Path, places: Mapping[tuple[Country, Level, str], Place]) -> Mapping[str, tuple[str, ...]]:
    table: dict[str, tuple[str, ...]] = {}
    for (old, code), line in _rows(folder / "old-codes-no.csv", ("old", "code")):
        if (Country.NO, Level.KOMMUNE, code) not in places:
            raise ContentError(
                "There is no kommune with this number.", file="content/places/old-codes-no.csv", line=line
            )
        table[old] = (*table.get(old, ()), code)
    return table


def _load_words(folder: Path) -> _Words:
    lists = (
        *("prepositions", "origin", "fylke_words", "lan_words", "region_before", "kommune_words"),
        *("person_words", "postal_words", "code_words", "endings"),
    )
    lines = ("fillers", "place_words", "also_words", "chat")
    root = load_yaml(folder / "words.yaml").mapping(required=(*lists, *lines))

    def words(key: str) -> frozenset[str]:
        return frozenset(root[key].texts() if key in lists else root[key].text().split())

    written = (folder / "not-places.txt").read_text(encoding="utf-8").splitlines()
    not_places = frozenset(word for line in written if not line.startswith("#") for word in line.split())

    def both(found: frozenset[str]) -> frozenset[str]:
        """With and without Nordic letters, since phones are lazy; one letter stays as it is ("å" is no "a")."""
        return found | frozenset(fold(word) for word in found if len(word) > 2)

    return _Words(
        prepositions=words("prepositions") | {"pa"},
        origin=words("origin"),
        fillers=both(words("fillers")),
        place_words=both(words("place_words")),
        fylke_words=words("fylke_words"),
        lan_words=both(words("lan_words")),
        region_before=words("region_before"),
        kommune_words=words("kommune_words"),
        person_words=words("person_words"),
        postal_words=words("postal_words"),
        code_words=words("code_words"),
        endings=tuple(sorted(words("endings"), key=len, reverse=True)),
        also_words=words("also_words"),
        chat=both(words("chat")),
        not_places=not_places,
    )

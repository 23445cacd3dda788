"""Finding the names of people.

A word is a name by what it is and by where it stands. What it is comes from the lists in `content/names/`: surely a
name, also an everyday word, rare, a place or an institution, or unknown. Where it stands is told by the words around
it: after "heter" nearly anything is a name; after "mannen hennes" a capitalised word that is no everyday word; beside a
sure name its neighbours; alone only a sure one. A word that is also a place needs the clearest signs.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from enum import Enum
from functools import lru_cache
from pathlib import Path

from helpline.content import load_yaml
from helpline.masking_view import TAKEN, Find, Kind, fold, words_of


class _Sort(Enum):
    """What a word is by itself."""

    SURE = "sure"  # a name and nothing else
    BOTH = "both"  # a name and an everyday word
    RARE = "rare"  # a name seen once or twice
    PLACE = "place"  # a place or an institution that people are also named after
    KEPT = "kept"  # a place, an institution, a medicine, a people: never a name unless somebody "is called" so
    WORD = "word"  # an everyday word
    UNKNOWN = "unknown"  # none of these


_TOKEN = re.compile(r"[^\W\d_]+(?:['’\-][^\W\d_]+)*")

_PARTICLES = frozenset(
    words_of("al el ibn bin bint abu von van der den de da di del dela dos das la le du af av ter ten st san y e o'")
)


@dataclass(frozen=True)
class Cues:
    """The words around a name, from `content/names/cues.yaml`, where each list says what it is for."""

    called: frozenset[str]
    name_nouns: frozenset[str]
    links: frozenset[str]
    fillers: frozenset[str]
    sign_off: frozenset[str]
    titles: frozenset[str]
    relations: frozenset[str]
    possessives: frozenset[str]
    with_words: frozenset[str]
    persons_of: frozenset[str]
    pronouns: frozenset[str]
    person_verbs: frozenset[str]
    speech_verbs: frozenset[str]
    place_prepositions: frozenset[str]
    person_prepositions: frozenset[str]
    things: frozenset[str]
    likely: frozenset[str]
    month_names: frozenset[str]
    months_and_greetings: frozenset[str]
    common: frozenset[str]
    joining: frozenset[str]
    function: frozenset[str]  # of all these the ones that are never a name themselves

    @classmethod
    def load(cls, path: Path) -> Cues:
        """Read the lists; all but two are compared without accents."""
        parts = load_yaml(path).mapping(required=[field.name for field in fields(cls) if field.name != "function"])
        lists = {
            key: frozenset(word if key in {"called", "name_nouns"} else fold(word) for word in part.text().split())
            for key, part in parts.items()
        }
        function = frozenset[str]().union(
            *(
                lists[key]
                for key in ("fillers", "relations", "titles", "pronouns", "possessives", "sign_off", "with_words")
            )
        )
        return cls(**lists, function=function | lists["persons_of"])


_ABBREVIATIONS = frozenset(
    words_of("dr hr fr frk mr mrs ms st nr tlf kl ca bl f ass prof evt pga ev jf kap avd overl pas pt spl h c chr")
)


@dataclass(frozen=True)
class _Token:
    """One word where it stands."""

    text: str
    start: int
    end: int
    folded: str
    lower: str
    capital: bool
    upper: bool
    opens: bool  # the first word of a sentence or line, where every word has a capital
    sort: _Sort
    given: bool  # its list says that it stands first


class Names:
    """The lists, read once."""

    def __init__(
        self,
        *,
        cues: Cues,
        given: frozenset[str],
        family: frozenset[str],
        both: Mapping[str, str],
        rare: frozenset[str],
        frequent: frozenset[str],
        words: frozenset[str],
        never: frozenset[str],
        kept: Iterable[str],
    ) -> None:
        self._cues = cues
        self._given, self._family, self._both, self._rare = given, family, both, rare
        self._words, self._never, self._frequent = words, never, frequent
        single: set[str] = set()
        phrases: dict[str, list[tuple[str, ...]]] = {}
        for phrase in kept:
            parts = tuple(fold(part) for part in _TOKEN.findall(phrase))
            if len(parts) == 1 and len(parts[0]) > 1:
                single.add(parts[0])
            elif len(parts) > 1:
                phrases.setdefault(parts[0], []).append(parts)
        self._plain_words = frozenset(fold(word) for word in words)
        self._kept = frozenset(single)
        self._phrases = {first: sorted(rest, key=len, reverse=True) for first, rest in phrases.items()}
        self.towns = frozenset(single)
        self._sorted = lru_cache(maxsize=1 << 15)(self._look_up)

    @classmethod
    def load(cls, content: Path, keep_words: Iterable[str] = ()) -> Names:
        """Read the lists of a content folder; `keep_words` are services, hospitals and places that must stand."""
        folder = content / "names"
        both: dict[str, str] = {}
        for line in _lines(folder / "ambiguous.txt"):
            word, _, position = line.partition(" ")
            both[word] = position
        kept = [*_lines(folder / "kept.txt"), *_places(content / "places"), *keep_words]
        return cls(
            cues=Cues.load(folder / "cues.yaml"),
            given=frozenset(_lines(folder / "given.txt")),
            family=frozenset(_lines(folder / "family.txt")),
            both=both,
            rare=frozenset(_lines(folder / "rare.txt")),
            frequent=frozenset(_lines(folder / "frequent.txt")),
            words=frozenset(_lines(folder / "words.txt")),
            never=frozenset(fold(word) for line in _lines(folder / "never.txt") for word in line.split()),
            kept=kept,
        )

    # --- what a word is ------------------------------------------------------------------------------------------

    def _look_up(self, folded: str) -> tuple[_Sort, bool]:
        sort, given = self._look_up_exactly(folded)
        if sort is _Sort.UNKNOWN and len(folded) > 4 and folded[-1] == "s":  # Marias, Olsens
            base, base_given = self._look_up_exactly(folded[:-1].rstrip("'’"))
            if base in {_Sort.SURE, _Sort.RARE, _Sort.KEPT, _Sort.PLACE, _Sort.WORD}:
                return base, base_given
        if sort is _Sort.UNKNOWN and "-" in folded:
            parts = [self._look_up_exactly(part) for part in folded.split("-") if part]
            if (
                parts
                and all(part[0] in {_Sort.SURE, _Sort.BOTH, _Sort.RARE, _Sort.PLACE} for part in parts)
                and any(part[0] is _Sort.SURE for part in parts)
            ):
                return _Sort.SURE, parts[0][1]
            if any(part[0] in {_Sort.WORD, _Sort.KEPT} for part in parts):
                return _Sort.WORD, False
        return sort, given

    def _look_up_exactly(self, folded: str) -> tuple[_Sort, bool]:
        named = folded in self._given or folded in self._family or folded in self._both
        if folded in self._never:
            return _Sort.KEPT, False
        if folded in self._kept:
            return (_Sort.PLACE if named else _Sort.KEPT), folded in self._given
        if folded in self._given:
            return _Sort.SURE, True
        if folded in self._family:
            return _Sort.SURE, False
        if folded in self._both:
            return _Sort.BOTH, "g" in self._both[folded]
        if folded in self._plain_words or self._is_compound(folded):
            return _Sort.WORD, False
        if folded in self._rare:
            return _Sort.RARE, True
        if len(folded) >= 6 and _NAME_ENDING.search(folded):
            return _Sort.SURE, False
        return _Sort.UNKNOWN, False

    def _is_compound(self, folded: str) -> bool:
        """Nordic words are put together: "krisesenteret" is one although no list holds it."""
        return "-" not in folded and any(folded[cut:] in self._plain_words for cut in range(3, len(folded) - 4))

    # --- where it stands -----------------------------------------------------------------------------------------

    def find(self, text: str) -> Iterator[Find]:
        """The names in a text."""
        tokens = self._tokens(text)
        protected = self._protected(tokens)
        taken = [False] * len(tokens)
        shouting = _shouts(text)
        for index in range(len(tokens)):
            if taken[index] or index in protected:
                continue
            last = self._name_at(text, tokens, index, protected, taken, shouting)
            if last is not None:
                for position in range(index, last + 1):
                    taken[position] = True
        index = 0
        while index < len(tokens):
            if taken[index]:
                last = index
                while last + 1 < len(tokens) and taken[last + 1] and _joined(text, tokens[last], tokens[last + 1]):
                    last += 1
                yield Find(
                    _with_initial_before(text, tokens[index].start), _with_initial(text, tokens[last].end), Kind.NAME
                )
                index = last
            index += 1

    def _tokens(self, text: str) -> list[_Token]:
        tokens: list[_Token] = []
        end = 0
        for found in _TOKEN.finditer(text):
            word = found.group()
            if len(word) > 60:
                end = found.end()
                continue
            folded = fold(word).replace("’", "'")
            if _part_of_address(text, found.start(), found.end()):
                end = found.end()
                continue
            between = text[end : found.start()]
            opens = not tokens or _opens(between, tokens[-1].folded)
            sort, given = self._sorted(folded)
            lower = word.lower()
            if sort is _Sort.SURE and not lower.isascii() and lower in self._words:
                sort = _Sort.BOTH  # "Ström" is a name and a current, "Sara" is only a name although "såra" is a word
            tokens.append(
                _Token(
                    text=word,
                    start=found.start(),
                    end=found.end(),
                    folded=folded,
                    lower=lower,
                    capital=word[0].isupper() or (word[0].isalpha() and not word[0].islower()),
                    upper=len(word) > 1
                    and (word.isupper() or (len(word) > 2 and word[-1] == "s" and word[:-1].isupper())),
                    opens=opens,
                    sort=sort,
                    given=given,
                )
            )
            end = found.end()
        return tokens

    def _protected(self, tokens: list[_Token]) -> set[int]:
        """The words of kept phrases: a hospital that bears a person's name."""
        protected: set[int] = set()
        for index, token in enumerate(tokens):
            for phrase in self._phrases.get(token.folded, ()):
                length = len(phrase)
                if _same(tuple(other.folded for other in tokens[index : index + length]), phrase):
                    protected.update(range(index, index + length))
                    break
        return protected

    def _name_at(
        self, text: str, tokens: list[_Token], index: int, protected: set[int], taken: list[bool], shouting: bool
    ) -> int | None:
        """The last word of the name that begins here, or None where none does."""
        token = tokens[index]
        cue = _cue(text, tokens, index, self._cues)
        if not self._may_open(tokens, index, cue, shouting, text):
            return None
        last = index
        sure = token.sort is _Sort.SURE
        while last + 1 < len(tokens) and last - index < 5 and last + 1 not in protected:
            following = tokens[last + 1]
            if not _joined(text, tokens[last], following):
                break
            if (
                following.folded in _PARTICLES
                and last + 2 < len(tokens)
                and tokens[last + 2].capital
                and _joined(text, following, tokens[last + 2])
            ):
                if tokens[last + 2].sort in {_Sort.WORD, _Sort.KEPT}:
                    break
                last += 1
                continue
            if not _continues(token, following, cue):
                break
            sure = sure or following.sort is _Sort.SURE
            last += 1
        while last > index and tokens[last].folded in _PARTICLES and not tokens[last].capital:
            last -= 1
        alone = last == index
        if (
            last + 1 < len(tokens)
            and tokens[last + 1].folded in self._cues.things
            and _joined(text, tokens[last], tokens[last + 1])
            and (cue is not _Cue.CALLED or token.sort is _Sort.PLACE)
        ):
            return None
        if cue in {_Cue.CALLED, _Cue.TITLE, _Cue.RELATION, _Cue.PRONOUN}:
            return last
        if token.capital and _beside_a_name(text, tokens, index, last, taken, self._cues):
            return last
        if alone:
            return index if self._stands_alone(text, tokens, index, shouting) else None
        group = tokens[index : last + 1]
        if sure:
            return last
        if all(not member.capital for member in group):
            return None
        known = sum(member.sort in {_Sort.BOTH, _Sort.RARE, _Sort.PLACE} for member in group)
        if known >= 2 and (token.given or token.sort is _Sort.RARE) and not all(member.upper for member in group):
            return last
        digits_after = text[tokens[last].end : tokens[last].end + 2].strip()[:1].isdigit()
        if digits_after or any(member.upper for member in group) or _place_before(tokens, index, self._cues):
            return None
        if all(member.sort in {_Sort.UNKNOWN, _Sort.RARE} for member in group) and not _looks_like_medicine(group):
            return last
        return None

    def _may_open(self, tokens: list[_Token], index: int, cue: _Cue, shouting: bool, text: str) -> bool:
        token = tokens[index]
        sort = token.sort
        if len(token.text) == 1 and token.text.isascii():
            return False
        if (
            token.folded in self._cues.function
            and cue is not _Cue.TITLE
            and (cue is not _Cue.CALLED or token.folded in self._cues.fillers or token.folded in self._cues.pronouns)
        ):
            return False
        if _DOSE.match(text, token.end):
            return False
        verb_like = token.opens and token.sort is _Sort.BOTH and len(token.text) > 2
        if verb_like and cue is _Cue.NONE and token.folded not in self._cues.likely:
            following = tokens[index + 1] if index + 1 < len(tokens) else None
            if following is not None and following.sort is _Sort.SURE and following.given and following.capital:
                return False  # "Ring Åshild", "Kan Ewelina": a verb that opens the sentence
        if token.folded in self._cues.month_names and _beside_digits(text, token.start, token.end):
            return False
        if cue is _Cue.CALLED:
            if token.upper and len(token.text) <= 5 and not shouting and sort not in {_Sort.SURE, _Sort.BOTH}:
                return False
            if token.capital:
                return sort not in {_Sort.WORD, _Sort.KEPT} or (
                    sort is _Sort.WORD and not token.opens and token.folded not in self._cues.common
                )
            if sort is _Sort.BOTH:
                return token.given and token.folded not in self._cues.common
            return sort in {_Sort.SURE, _Sort.RARE, _Sort.UNKNOWN} and len(token.text) > 2
        if cue in {_Cue.TITLE, _Cue.RELATION}:
            if not token.capital:
                return sort is _Sort.SURE and len(token.text) > 2 and (token.given or cue is _Cue.TITLE)
            if token.upper and len(token.text) <= 5 and not shouting:
                return sort is _Sort.SURE
            if sort in {_Sort.WORD, _Sort.KEPT}:
                return False
            return sort is not _Sort.PLACE or token.given or cue is _Cue.TITLE
        if cue is _Cue.PRONOUN:
            if not token.capital or (token.upper and not shouting):
                return False
            return sort in {_Sort.SURE, _Sort.RARE, _Sort.UNKNOWN} or (
                sort is _Sort.BOTH and token.given and token.folded not in self._cues.months_and_greetings
            )
        if not token.capital:
            return sort is _Sort.SURE and token.given and len(token.text) > 2
        if token.upper and len(token.text) <= 4 and not shouting and sort is not _Sort.SURE:
            return False
        return sort in {_Sort.SURE, _Sort.BOTH, _Sort.RARE, _Sort.PLACE, _Sort.UNKNOWN}

    def _stands_alone(self, text: str, tokens: list[_Token], index: int, shouting: bool) -> bool:
        """Whether one word with nobody beside it and nothing before it is a name all the same."""
        token = tokens[index]
        before = tokens[index - 1] if index and _near(text, tokens[index - 1], token) else None
        after = tokens[index + 1] if index + 1 < len(tokens) and _joined(text, token, tokens[index + 1]) else None
        spoken_of = after is not None and after.folded in self._cues.person_verbs and not after.capital
        asked_of = before is not None and before.folded in self._cues.person_prepositions
        if not token.capital:
            if token.sort is not _Sort.SURE or token.folded not in self._frequent or len(token.text) < 4:
                return False
            return asked_of or (spoken_of and (before is None or token.opens))
        if token.upper and not shouting:
            return token.sort is _Sort.SURE and token.given and len(token.text) > 4
        if token.sort is _Sort.SURE:
            if token.given or not token.opens:
                return True
            return spoken_of or after is None
        if token.sort is _Sort.BOTH:
            if not token.given:
                return False
            if token.opens:
                return token.folded in self._cues.likely and spoken_of
            return (asked_of or spoken_of) and token.folded not in self._cues.months_and_greetings
        if token.sort is _Sort.RARE:
            return spoken_of or (asked_of and not token.opens)
        if token.sort is _Sort.UNKNOWN:
            speaks = after is not None and after.folded in self._cues.speech_verbs
            return speaks and not _looks_like_medicine([token])
        return False


class _Cue(Enum):
    """What the words before say."""

    NONE = "none"
    CALLED = "called"  # heter, navn:, named
    TITLE = "title"  # fru, Dr, sykepleier
    RELATION = "relation"  # mannen hennes, pasienten, mamma til
    PRONOUN = "pronoun"  # ho Kari, en Viktor


_NAME_ENDING = re.compile(
    r"(?:escu|enko|chuk|ovich|evich|ovych|wicz|owski|owska|ewski|ewska|ycki|ycka|auskas|auskiene|aityte|"
    r"ovna|evna|poulos|shvili|adze|oglu|ssson|sdotter|sdottir|datter|ulescu|eanu|esti)\Z"
)
_MEDICINE_ENDING = re.compile(
    r"(?:zol|zole|cillin|mycin|micin|floxacin|cyclin|cyklin|pam|lam|pin|pine|dipin|olol|pril|sartan|"
    r"statin|mab|nib|vir|triptan|prazol|setron|oxetin|pram|lukast|profen|codon|morfin|orfin|idin|azin|"
    r"xaban|parin|gliptin|formin|sone|solon|idol|amid|tyl|ax|ex|il|on)\Z"
)


def _same(words: tuple[str, ...], phrase: tuple[str, ...]) -> bool:
    """Whether words are a phrase, or its genitive: "Röda Korsets"."""
    return words == phrase or (
        len(words) == len(phrase) and words[:-1] == phrase[:-1] and words[-1] == phrase[-1] + "s"
    )


_DOSE = re.compile(r" ?\d+(?:[.,]\d+)? ?(?:mg|g|ml|mcg|µg|ie|iu|mmol|%)\b", re.IGNORECASE)


def _looks_like_medicine(group: list[_Token]) -> bool:
    return any(_MEDICINE_ENDING.search(member.folded) is not None for member in group if member.sort is _Sort.UNKNOWN)


def _opens(between: str, last: str) -> bool:
    """Whether what lies between two words ends a sentence."""
    if any(sign in between for sign in '!?\n:•;«“"(–') or " - " in between or between.count(".") > 1:
        return True
    return ("." in between and last not in _ABBREVIATIONS and len(last) > 1) or (
        any(sign.isdigit() for sign in between) and "." in between and "\n" in between
    )


def _beside_a_name(text: str, tokens: list[_Token], first: int, last: int, taken: list[bool], cues: Cues) -> bool:
    """Whether an "and" or "or" joins a capitalised word to a name: "Beata eller Edyta", "Ion och Vasile"."""
    token = tokens[first]
    if token.upper or token.sort not in {_Sort.BOTH, _Sort.RARE, _Sort.UNKNOWN} or _looks_like_medicine([token]):
        return False
    if first > 1 and tokens[first - 1].folded in cues.joining and taken[first - 2] and not token.opens:
        return len(text[tokens[first - 2].end : token.start]) < 12
    if last + 2 < len(tokens) and tokens[last + 1].folded in {"og", "och", "and"} and token.given:
        following = tokens[last + 2]
        return (
            following.capital
            and following.sort is _Sort.SURE
            and following.given
            and len(text[token.end : following.start]) < 8
        )
    return False


def _part_of_address(text: str, start: int, end: int) -> bool:
    """Whether a word is a part of "ung.no": joined to the next by a full stop without a space."""
    after = text[end : end + 2]
    before = text[max(0, start - 2) : start]
    return (
        (len(after) == 2 and after[0] in ".@_/" and after[1].islower())
        or (len(before) == 2 and before[1] in "@_/" and before[0].isalnum())
        or (len(before) == 2 and before[1] == "." and before[0].isalnum() and text[start].islower())
    )


def _beside_digits(text: str, start: int, end: int) -> bool:
    return text[max(0, start - 3) : start].strip(" .-")[-1:].isdigit() or text[end : end + 3].strip(" .-")[:1].isdigit()


def _near(text: str, first: _Token, second: _Token) -> bool:
    """Whether two words stand side by side, with nothing but a space between."""
    return text[first.end : second.start] in {" ", "  ", ". ", " «", " “", ' "', ": ", ":"}


def _joined(text: str, first: _Token, second: _Token) -> bool:
    """Whether a name goes on from one word to the next: a space between, or an initial's full stop."""
    between = text[first.end : second.start]
    return between in {" ", "  "} or (between in {". ", "."} and len(first.text) == 1)


_INITIALS_BEFORE = re.compile(r"(?<![\w.])(?:[A-ZÆØÅÄÖ]\.[ -]?){1,3}\Z")


def _with_initial_before(text: str, start: int) -> int:
    """Take along the initials before a name: "J. Pedersen"."""
    found = _INITIALS_BEFORE.search(text, max(0, start - 10), start)
    return found.start() if found and found.end() == start else start


def _with_initial(text: str, end: int) -> int:
    """Take along the initial after a name: "Maria P."."""
    found = re.compile(r" [A-ZÆØÅÄÖ]\.(?!\w)").match(text, end)
    return found.end() if found else end


def _continues(first: _Token, following: _Token, cue: _Cue) -> bool:
    """Whether a word goes on with the name that another began."""
    sort = following.sort
    if following.capital != first.capital and not (first.capital and following.capital):
        return False
    if len(following.text) == 1 or (following.folded in _PARTICLES and following.capital and not following.upper):
        return following.capital  # an initial, or a family name such as Le
    if not following.capital:
        if first.sort in {_Sort.UNKNOWN, _Sort.RARE} and sort is _Sort.UNKNOWN:
            return cue is _Cue.CALLED
        return (
            sort is _Sort.SURE
            or (sort is _Sort.RARE and cue is not _Cue.NONE)
            or (sort is _Sort.UNKNOWN and cue is _Cue.CALLED)
        )
    if first.upper and not following.upper and len(first.text) <= 4 and first.sort is not _Sort.SURE:
        return False
    if sort is _Sort.WORD:
        # "Ana Exempel": an everyday word with a capital, right behind a name, is a family name and not the word.
        return not following.upper and not following.opens and (first.sort is _Sort.SURE or cue is _Cue.CALLED)
    return sort in {_Sort.SURE, _Sort.BOTH, _Sort.RARE, _Sort.PLACE, _Sort.UNKNOWN}


def _place_before(tokens: list[_Token], index: int, cues: Cues) -> bool:
    return index > 0 and tokens[index - 1].folded in cues.place_prepositions


def _cue(text: str, tokens: list[_Token], index: int, cues: Cues) -> _Cue:
    """What the words before this one say of it."""
    word = tokens[index]
    start = word.start
    linked = False
    for steps, position in enumerate(range(index - 1, max(-1, index - 5), -1)):
        token = tokens[position]
        between = text[token.end : start]
        ended = any(sign in between for sign in ".;!?") and token.folded not in _ABBREVIATIONS
        if len(between) > 4 or TAKEN in between or "\n" in between or ended:
            return _Cue.NONE
        ahead = tokens[position - 1] if position else None
        if token.lower in cues.called:
            if token.lower not in cues.name_nouns or linked or ":" in between or "=" in between:
                return _Cue.CALLED
            return _Cue.CALLED if steps == 0 and word.capital and word.sort is not _Sort.WORD else _Cue.NONE
        if steps == 0:
            if token.folded in cues.sign_off and word.capital and word.sort not in {_Sort.WORD, _Sort.KEPT}:
                return _Cue.TITLE
            if token.folded in cues.titles and "," not in between and "?" not in between:
                return _Cue.RELATION if token.folded in cues.relations and not word.capital else _Cue.TITLE
        if token.folded in cues.relations and (
            steps == 0 or (steps == 1 and tokens[position + 1].folded in cues.possessives)
        ):
            return _Cue.RELATION
        if steps == 0 and token.folded in cues.possessives and "," not in between:
            pass
        elif steps == 0 and ahead is not None and token.folded in cues.with_words and ahead.folded in cues.persons_of:
            return _Cue.RELATION if between == " " else _Cue.NONE
        elif steps == 0 and token.folded in cues.pronouns and between == " ":
            return _Cue.CALLED if ahead is not None and ahead.lower in cues.called else _Cue.PRONOUN
        elif token.folded not in cues.fillers:
            return _Cue.NONE
        linked = linked or token.folded in cues.links
        start = token.start
    return _Cue.NONE


def _shouts(text: str) -> bool:
    """Whether a text is written in capitals throughout, so that capitals say nothing."""
    letters = [sign for sign in text[:400] if sign.isalpha()]
    return len(letters) > 12 and sum(sign.isupper() for sign in letters) > 0.7 * len(letters)


def _lines(path: Path) -> list[str]:
    """The lines of a list, without its head."""
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]


def _places(folder: Path) -> Iterator[str]:
    """The names in the tables of places; several names of one place are parted by a bar."""
    for path in sorted(folder.glob("*.csv")):
        rows = csv.DictReader(_lines(path))
        if rows.fieldnames is None or "names" not in rows.fieldnames:
            continue
        for row in rows:
            yield from (row["names"] or "").split("|")

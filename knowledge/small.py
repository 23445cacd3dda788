"""Telling a small change: a phone number, or a slip of spelling. Everything else is read by two.

A wrong "yes" lets one person alone change what the line says of the law, so what is doubtful is not small: another
number, a date, a statute, a negation or a word that decides who must do what, one real word for another, a wording of
somebody's question more or less, or anything but the texts themselves.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from difflib import SequenceMatcher
from itertools import chain, takewhile
from typing import Any

import phonenumbers
from rapidfuzz.distance import OSA

from helpline.messages import Country
from knowledge.articles import Article, body_of

_TEXTS = ("title", "short", "details", "do_now", "avoid", "say", "questions", "variants", "translations")
_FIXED_INSIDE = frozenset({"when"})  # of a variant: for whom it is
_MOST_WORDS = 4  # slips in one small change
_SHORTEST = 4  # letters of a word that may hold a slip
_LONG = 8  # letters from which it may hold two
_PIECE = re.compile(r"\+?\d[\d\s\u00a0.,:/()–-]*\d|\d|[^\W\d_]+|[^\w\s]")
_NOT_PHONE = re.compile(
    r"\d{1,3}([ .,\u00a0]\d{3})+|\d{1,4}[./–-]\d{1,2}([./–-]\d{1,4})?|(19|20)\d\d\s*[–-]\s*(19|20)\d\d"
)
_UNITS = frozenset(
    chain.from_iterable(
        words.split()
        for words in (
            "kr kroner kronor krone sek nok euro eur prosent procent percent år dager dagar dygn døgn timer timmar",
            "uker veckor veker måneder månader månadar minutter minuter days hours weeks months years g st sb mg ml kg",
        )
    )
)
_BEFORE_NUMBER = frozenset(
    {"§", "art", "artikkel", "artikel", "article", "kap", "kapittel", "kapitel", "chapter", "nr", "prop", "sfs"}
)
# Words that decide: what must, may or may not be done, by whom, when, and how many.
_DECIDING = frozenset(
    chain.from_iterable(
        words.split()
        for words in (
            "ikke ikkje inte icke ej aldri aldrig not never no nei nej ja yes ingen inga inget ingenting none nobody",
            "uten utan without unntatt unnateke utom except unless mindre med mot with against",
            "må måste must skal ska skall shall plikt pliktig skyldig skyldighet duty kan kunne could can may might",
            "får fikk fick bør burde bör should rett rätt right krav kreve kräver forbudt förbjudet forbidden tillatt",
            "tillåtet tillåten tillate allowed",
            "bare berre kun bara endast only alltid always alle alla all noen nokon någon some any hver varje every",
            "og och and eller or men but både enten hverken varken verken either neither nor",
            "før etter innen innan senest fra til før efter före inom until before after within from to over under",
            "minst mest høyst mer mindre flere færre least most more less fewer maks minimum høgst meir",
            "barn voksen vaksen vuxen mindreårig child adult minor hun han hen de vi du she he they",
            "null en ett ein ei to två tre fire fem seks sju syv åtte ni ti elleve tolv sex sju åtta nio tio fyra elva",
            "one two three four five six seven eight nine ten twelve tolv femten femton tjue tjugo",
            "tretti trettio førti fyrtio femti femtio",
            "halv halvt half dag dager dagar uke vecka veke måned månad år day week month year time timer hour",
            "lovlig ulovlig lovleg ulovleg laglig olaglig legal illegal trygg utrygg sikker usikker",
            "frivillig ufrivillig frivilleg ufrivilleg",
        )
    )
)
_TURNS = (
    *("u", "o", "ikke", "ikkje", "icke", "in", "im", "il", "ir", "un", "non", "dis", "mis", "miss", "van", "av", "be"),
    *("for", "för"),
)


_ROMAN = re.compile(r"[ivxlcdm]+")
_ENDINGS = frozenset("adenrst")  # letters that inflect: who reports is not who is reported


def is_small(before: Article | None, after: Article, known: Collection[str] = ()) -> tuple[bool, str]:
    """Whether one person suffices for this change, and if not the phrase that says why.

    `known` are words that stand elsewhere on the shelves: putting another in the place of one of them is not spelling.
    """
    if before is None:
        return False, "desk.draft.small.new"
    old, new = body_of(before), body_of(replace(after, revision=before.revision))
    if any(old.get(key) != new.get(key) for key in {*old, *new} - {*_TEXTS}):
        return False, "desk.draft.small.field"
    pairs = _pairs(old, new)
    if pairs is None:
        return False, "desk.draft.small.field"
    changed = 0
    for was, becomes in pairs:
        slips, why = _slips(was, becomes, before.country, known)
        if why:
            return False, why
        changed += slips
    if changed > _MOST_WORDS:
        return False, "desk.draft.small.much"
    return (True, "") if old != new else (False, "desk.draft.small.nothing")


def _pairs(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, str]] | None:
    """The texts that differ, side by side; None where more than texts differ."""
    found: list[tuple[str, str]] = []

    def walk(was: Any, becomes: Any, name: str) -> bool:
        if was == becomes:
            return True
        if isinstance(was, str) and isinstance(becomes, str) and name not in _FIXED_INSIDE:
            found.append((was, becomes))
            return True
        if isinstance(was, list) and isinstance(becomes, list) and len(was) == len(becomes):
            return all(walk(one, other, name) for one, other in zip(was, becomes, strict=True))
        if isinstance(was, dict) and isinstance(becomes, dict) and list(was) == list(becomes):
            return all(
                key not in _FIXED_INSIDE and walk(was[key], becomes[key], key)
                for key in was
                if was[key] != becomes[key]
            )
        return False

    for key in _TEXTS:
        if not walk(old.get(key), new.get(key), key):
            return None
    return found


def _slips(before: str, after: str, country: Country, known: Collection[str]) -> tuple[int, str]:
    """How many pieces were put right, and the phrase that says why this is not small, if it is not."""
    old, new = _pieces(before), _pieces(after)
    folded_old, folded_new = [piece.casefold() for piece in old], [piece.casefold() for piece in new]
    slips = 0
    for what, old_from, old_to, new_from, new_to in SequenceMatcher(None, folded_old, folded_new, False).get_opcodes():
        if what == "equal":
            continue
        taken, put = old[old_from:old_to], new[new_from:new_to]
        if not taken and put == ["."] and new_to == len(new):
            continue  # a full stop at the end
        if len(taken) != len(put):
            return slips, "desk.draft.small.words"
        for place, (was, becomes) in enumerate(zip(taken, put, strict=True)):
            slips += 1
            if was[-1].isdigit() or becomes[-1].isdigit():
                context = [
                    *folded_old[max(0, old_from + place - 2) : old_from + place],
                    *folded_old[old_to : old_to + 1],
                ]
                if not (_is_phone(was, country, context) and _is_phone(becomes, country, context)):
                    return slips, "desk.draft.small.number"
            elif not _is_slip(was.casefold(), becomes.casefold(), known):
                return slips, "desk.draft.small.words"
    return slips, ""


def _pieces(text: str) -> list[str]:
    return [piece.rstrip(" \u00a0.,:/()–-") or piece for piece in _PIECE.findall(text)]


def _is_phone(written: str, country: Country, context: Collection[str]) -> bool:
    """Whether this is a phone number, written so that it can hardly be anything else."""
    digits = re.sub(r"\D", "", written)
    if not 5 <= len(digits) <= 15 or any(word in _UNITS or word in _BEFORE_NUMBER for word in context):
        return False
    # 125 000 may be an amount; with a nought, a plus or 116 in front it is not.
    if not written.startswith(("0", "+", "116")) and _NOT_PHONE.fullmatch(written):
        return False
    if re.fullmatch(r"116[ \u00a0]?\d{3}", written):
        return True
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(written, country.value))
    except phonenumbers.NumberParseException:
        return False


def _is_slip(was: str, becomes: str, known: Collection[str]) -> bool:
    """Whether one word became another by a letter or two that were wrong."""
    if not (was.isalpha() and becomes.isalpha()) or min(len(was), len(becomes)) < _SHORTEST:
        return False
    if was in _DECIDING or becomes in _DECIDING or was in known:
        return False
    if _ROMAN.fullmatch(was) or _ROMAN.fullmatch(becomes) or _inflected(was, becomes):
        return False
    shorter, longer = sorted((was, becomes), key=len)
    # Safe and unsafe are one or two letters apart.
    if any(longer == turn + shorter for turn in _TURNS):
        return False
    return OSA.distance(was, becomes) <= (2 if min(len(was), len(becomes)) >= _LONG else 1)


def _inflected(was: str, becomes: str) -> bool:
    """Whether only the ending differs, by letters that endings are made of."""
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(was, becomes, strict=False)))
    endings = was[shared:], becomes[shared:]
    return max(map(len, endings)) <= 2 and _ENDINGS.issuperset("".join(endings))

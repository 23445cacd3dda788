"""What a question says of the patient by itself, so that nobody is asked for what they have just written.

Read with care: an age or status counts only where the words can hardly mean anybody else, and where two are said, or
the writer is in doubt, nothing is. Then the line asks, as it does for those who said nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from knowledge.articles import Age, Status


@dataclass(frozen=True)
class Told:
    """What was said of the patient; None where it was not."""

    age: Age | None = None
    status: Status | None = None


def told(text: str) -> Told:
    """The patient's age and status, as far as these words say them."""
    words = text.lower()
    return Told(_age(words), _status(words))


# --- age --------------------------------------------------------------------------------------------------------------

_TO_NINETEEN = {
    "no": "null en to tre fire fem seks sju åtte ni ti elleve tolv tretten fjorten femten seksten sytten atten nitten",
    "sv": "noll ett två tre fyra fem sex sju åtta nio tio elva tolv tretton fjorton femton sexton sjutton arton nitton",
    "en": "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen",
}
_TENS = {
    "no": "tjue tretti førti femti seksti",
    "sv": "tjugo trettio fyrtio femtio sextio",
    "en": "twenty thirty forty fifty sixty",
}


def _number_words() -> dict[str, int]:
    known: dict[str, int] = {}
    for language, words in _TO_NINETEEN.items():
        small = words.split()
        known |= {word: number for number, word in enumerate(small)}
        for place, ten in enumerate(_TENS[language].split(), start=2):
            known[ten] = place * 10
            for one in range(1, 10):
                for joint in ("", "-", " ") if language == "en" else ("",):
                    known[f"{ten}{joint}{small[one]}"] = place * 10 + one
    return known


_NUMBERS = _number_words()
_NUMBER = r"(\d{1,2}|" + "|".join(sorted(_NUMBERS, key=len, reverse=True)) + ")"
_PATIENT = (
    "pasienten|pasient|pas|patienten|patient|jente|jenta|gutt|gutten|gut|guten|kvinne|kvinnen|kvinna|dame|dama|tenåring|"
    "flicka|flickan|tjej|tjejen|pojke|pojken|kille|killen|girl|boy|woman|teenager|barnet|the child"
)
_SHE_OR_HE = "hun|han|hen|ho|hon|she|he"
# Uker, måneder: how long, not how old. "han er 2 meter".
_NOT_AN_AGE = (
    r"(?!\s*(?:\.|uke|veke|veck|week|måne|månad|month|dag|day|døgn|time|timm|hour|min|kr|meter|ganger|prosent|%|\d))"
)
_IS = "er|e|är|is|blir|fyller|har fylt"
_AGES = (
    re.compile(rf"\b(?:{_PATIENT})\s+(?:på|er|e|är|is|of|aged?|,)?\s*{_NUMBER}\b{_NOT_AN_AGE}"),
    re.compile(rf"\b(?:{_SHE_OR_HE})\s+(?:{_IS})\s+(?:bare |berre |bara |only |just )?{_NUMBER}\b{_NOT_AN_AGE}"),
    re.compile(rf"\b{_NUMBER}[- ]?(?:åring|år gammel|år gamal|år gammal|års?[- ]?gam\w+|[- ]year[s]?[- ]old)"),
)
_OF_ANOTHER = re.compile(
    r"(?:\b(?:med|av|fra|frå|från|hos|til|for|with|by|from)|\b(?:kjæreste|kjærast|pojkvän|boyfriend|husband)\w*)"
    r"\W+(?:en |ein |ei |et |a |an |the |eldre |äldre |older )*$"
)
# A grown-up in the story is as often the one who came along, so it must be said of the patient.
_ADULT = re.compile(
    rf"\b(?P<pronoun>{_SHE_OR_HE})\s+(?:er|e|är|is)\s+(?:en |ein |an )?(?:voksen|vaksen|vuxen|myndig|adult|grown up)\b"
    r"|\b(?:pasienten|patienten|pas|the patient)\s+(?:er|e|är|is)\s+(?:en |ein |an )?"
    r"(?:voksen|vaksen|vuxen|myndig|adult)\b"
    r"|\b(?:voksen|vaksen|vuxen) (?:pasient|patient|kvinne|kvinna|dame)\b|\badult (?:patient|woman)\b"
    r"|\b(?:er|e|är|is) (?:over|över) (?:18|atten|arton|eighteen)\b"
)
_MINOR = re.compile(
    r"\b(?:mindreårig|minderårig|underårig|underage|a minor)\b|\b(?:er|e|är|is) under (?:18|atten|arton|eighteen)\b"
)
_DOUBT = re.compile(
    r"\b(?:usikker|usikre|osäker|unsure|kanskje|kanske|maybe|perhaps|lurer|undrar|wonder|vet ikke|veit ikkje|vet inte|"
    r"ser|looks?|sier|seier|påstår|säger|says|claims|ikke|ikkje|itj|inte|not|no|eller|or|både|uavklart|"
    r"jeg er|eg er|jag är|i am)\b"
)
_OPEN = re.compile(r"\b(?:voksen|vaksen|vuxen|adult|barn|child|mindreårig|minor)\s+(?:eller|or)\b")


def _age(words: str) -> Age | None:
    said: set[Age] = set()
    both = re.search(r"\b(?:hun|ho|hon|she)\b", words) and re.search(r"\b(?:han|he)\b", words)
    for place, pattern in enumerate(_AGES):
        for match in pattern.finditer(words):
            if _OF_ANOTHER.search(words[: match.start()]) or (place == 1 and both):
                return None  # somebody else's age is told, and it may be the only one
            years = int(match[1]) if match[1].isdecimal() else _NUMBERS[match[1]]
            said.add(Age.MINOR if years < 18 else Age.ADULT)
    for age, pattern in ((Age.ADULT, _ADULT), (Age.MINOR, _MINOR)):
        for match in pattern.finditer(words):
            if _in_doubt(words, match.start()) or (both and match.groupdict().get("pronoun")):
                return None
            said.add(age)
    return said.pop() if len(said) == 1 and not _OPEN.search(words) else None


def _in_doubt(words: str, start: int) -> bool:
    """Whether what stands before, in the same part of the sentence, denies it or leaves it open."""
    before = re.split(r"[.,;:!?()]|\b(?:men|but|og|och|and|når|när|when)\b", words[max(0, start - 60) : start])[-1]
    return _DOUBT.search(before) is not None


# --- status -----------------------------------------------------------------------------------------------------------

_STATUSES = {
    Status.UNDOCUMENTED: re.compile(
        r"\b(?:papirløs|papirlaus|papperslös|undocumented|uten lovlig opphold|utan lovleg opphald|"
        r"utan uppehållstillstånd)\b"
    ),
    Status.ASYLUM_SEEKER: re.compile(r"\b(?:asylsøker(?:en)?|asylsøkjar(?:en)?|asylsökande|asylum seeker)\b"),
    Status.TOURIST: re.compile(r"\b(?:turist(?:en)?|på turistvisum|turistvisum|tourist|tourist visa)\b"),
    Status.EEA: re.compile(
        r"\b(?:eøs-borger\w*|eøs-borgar\w*|eu-borger\w*|eu-borgar\w*|eu-medborgare\w*|eea citizen|eu citizen)\b"
    ),
    Status.REFLECTION_PERIOD: re.compile(
        r"\b(?:har (?:fått )?refleksjon(?:speriode|stid)?|er i refleksjonsperiode\w*|har (?:fått )?betänketid|"
        r"has (?:got )?(?:a |the )?reflection period|in the reflection period|i refleksjonsperioden)\b"
    ),
}


def _status(words: str) -> Status | None:
    said = set()
    for status, pattern in _STATUSES.items():
        for match in pattern.finditer(words):
            if _in_doubt(words, match.start()):
                return None
            said.add(status)
    return said.pop() if len(said) == 1 else None

"""Finding numbers that belong to one person: identity, telephone, account, passport, case, date of birth.

A number is judged by its digits first (checksum, a day that exists), then by how it is grouped, then by the words
before it. Groups are never cut: "rom 4 91234567" holds an eight-digit number, "123 4567 8901" may hold one of eleven,
but not one that begins in the middle of a group.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import phonenumbers
from phonenumbers import PhoneNumberType
from stdnum import iban, luhn
from stdnum.no import fodselsnummer, kontonr

from helpline.masking_view import TAKEN, Find, Kind, words_of

_LOOK_BACK = 48  # how much of the text before a number may say what it is
_MOST_DIGITS = 16

# Numbers that everybody may call, without spaces. The directory's own are given to `Masker.load`.
PUBLIC_NUMBERS = frozenset(
    words_of(
        "110 111 112 113 114 115 116 117 118 911 999 1177 11414 11313 02800 116000 116006 116111 116117 116123 "
        "22331160 81555201"
    )
)

_RUN = re.compile(r"(?:\(?\+ ?)?\(?\d+(?:[ ./()\-]{1,3}\+?\d+)*")
_GROUP = re.compile(r"\d+")


@dataclass(frozen=True)
class _Group:
    digits: str
    start: int
    end: int


_SAYS = re.compile(r"[^\W\d_]|§|" + TAKEN)  # without a letter nothing was said


def _before(text: str, start: int) -> str:
    """The words before a number, on the same line."""
    cut = text[max(0, start - _LOOK_BACK) : start].lower()
    cut = cut[cut.rfind("\n") + 1 :]
    return cut if _SAYS.search(cut) else ""


_ID_WORD = re.compile(
    r"(?:\b(?:fnr|f\.?nr|f-?nummer|fødselsn(?:r|ummer(?:et)?)|fodselsn(?:r|ummer(?:et)?)|føds\.?nr|"
    r"fødselsnr|personn(?:r|ummer(?:et)?)|person(?:al)? (?:id(?:entity)? )?(?:number|no|nr)|pers\.?nr|pnr|"
    r"p-?nr|"
    r"d-?n(?:r|ummer(?:et)?)|h-?n(?:r|ummer)|hjelpenummer|samordningsn(?:r|ummer(?:et)?)|samnr|"
    r"reservn(?:r|ummer(?:et)?)|id-?n(?:r|ummer(?:et)?)|id[ -](?:number|no|nr)|national (?:id|"
    r"identity)(?: number| no)?|"
    r"identity (?:number|no)|ssn|nin|cpr(?:-?nr)?|11 siffer|fødselsnummeret?))"
    r"(?:\s+(?:hennes|hans|hennar|sitt|her|his|til pasienten))?[\s.:=#(\-]*(?:er|är|is|was|var|"
    r"oppgitt som|oppgis som|står som|som er)?[\s:.=\"(]*\Z"
)
_DUF_WORD = re.compile(r"\bduf(?:-?n(?:r|ummer(?:et)?))?[\s.:=#\-]*(?:er|is|är|number|no|nummer|nr)?[\s.:=#]*\Z")
_ACCOUNT_WORD = re.compile(
    r"\b(?:konto(?:en|n|t)?|kontonummer(?:et)?|kontonr|bankkonto|bank ?account|account|acct|"
    r"clearing(?:nummer|nr)?|bankgiro|plusgiro|kontonummer)"
    r"(?:\s+(?:number|no|nr|nummer))?[\s.:=#\-]*(?:er|är|is)?\s*(?:clearing(?:nr|nummer)?)?[\s.:=#]*\Z"
)
_PHONE_WORD = re.compile(
    r"(?:\b(?:tlf|tel|telefon(?:en|nummer|nr|nummeret)?|mobil(?:en|nummer|nr|nummeret|tlf)?|mob|ring(?:e|"
    r"er|jer|te|t|a)?|ringjer|ringde|phone|cell|mobile|call(?:s|ed)?|text(?:s|ed)?|sms(?:er|:ar|ar)?|"
    r"whats ?app|viber|telegram|signal|vipps|swish|nummer(?:et)?|numret|nr|number|nås|naas|kontakt(?:es)?|"
    r"kontakta|reach|contact)\b)"
    r"(?:\s+(?:meg|mæ|hennes|hans|hennar|hos|på|paa|til|er|är|is|no|nr|number|nummer|me|her|him|on|at|mig|"
    r"henne|honom|ham|han|henne|frå|från|fra|from|sin|mitt|min|my)){0,4}[\s.:=#(\-]*\Z"
)
# What a row of digits after one of these is, is no telephone number.
_MEASURE_WORD = re.compile(
    r"(?:\b(?:bt|bp|rr|puls|hr|spo2|sat|temp|tp|rf|af|crp|hb|hgb|lpk|tpk|lkc|hcg|bhcg|vekt|vikt|weight|"
    r"høyde|height|blodtrykk|blodtryck|blood pressure|heart rate|sak|sakn(?:r|ummer)|saks?nr|ref|"
    r"referanse|"
    r"journal(?:nr)?|batch|lot|prøve(?:nr|nummer)?|prov(?:nr)?|rekvisisjon(?:snr)?|epj|org\.?nr|"
    r"organisasjonsnummer|hpr|hpr-?n(?:r|ummer)|isbn|doi|pmid|ean|gtin|§|dnr|diarienr|diarienummer|kl|"
    r"klokka|klokken|uke|veke|vecka)"
    r")[\s.:=#\-]*\Z"
)
_LAW_WORD = re.compile(
    r"(?:\b(?:lov|lova|loven|lag|lagen|forskrift(?:en)?|förordning(?:en)?|føresegn|sfs|rundskriv(?:et)?|"
    r"vedtak|konvensjon(?:en)?|direktiv(?:et)?|act|regulation|convention|dom(?:men)?|dated|datert|"
    r"kontrollert|granskad|reviewed|"
    r"oppdatert|revidert|endret|endra|senast|sist|gjelder fra|gäller från|trådte i kraft|utløpt?|utløper|"
    r"utgår|gyldig til|giltig till|valid until|expires?|visum|operert|opererad|innlagt|utskrevet)\s*(?:av|"
    r"of|från|fra|den|the|on|til|till)?\s*)\Z"
)
_PERSON_WORD = re.compile(
    r"\b(?:pasient(?:en)?|patient(?:en)?|pas|pt|kvinne|kvinna|kvinnen|jente|jenta|flicka|tjej|gutt|gut|"
    r"pojke|kille|mann|man|barn(?:et)?|child|girl|boy|woman|son|sønn|datter|dotter|daughter|baby|mor|"
    r"mother|far|hun|ho|hon|she|he|han|navn|name|namn)\W{1,3}\Z|" + TAKEN + r"\W{0,3}\Z"
)
_BIRTH_WORD = re.compile(
    r"(?:\b(?:født|fødd|fodt|född|fødselsdato(?:en)?|fødselsdag(?:en)?|fodselsdato|f\.? ?dato|fdato|"
    r"födelsedatum|födelsedag(?:en)?|född|dob|d\.o\.b\.?|date of birth|birth ?date|birthday|born|"
    r"bursdag(?:en)?|"
    r"f|føds?|fyller(?: \d{1,2})?(?: år)?|fylte(?: \d{1,2})?(?: år)?|fyllde(?: \d{1,2})?(?: år)?|"
    r"turns(?: \d{1,2})?|turned(?: \d{1,2})?)\b)"
    r"[.:=\s(]*(?:(?:er|är|is|was|var|hennes|hans|den|the|on|i|ca|cirka|dato)[.:=\s]*){0,3}\Z"
)

_SCRIPT_DIGITS = 11


def _day_of_norway(number: str) -> bool:
    """Whether the first six digits can be a birth date: also of a D-number, a help number and a test person."""
    day, month = int(number[:2]), int(number[2:4])
    return (1 <= day <= 31 or 41 <= day <= 71) and any(1 <= month - shift <= 12 for shift in (0, 40, 65, 80))


def _day_of_sweden(number: str) -> bool:
    """Whether the last ten digits can begin with a birth date: also of a samordningsnummer."""
    ten = number[-10:]
    if len(number) == 12 and number[:2] not in {"18", "19", "20"}:
        return False
    month, day = int(ten[2:4]), int(ten[4:6])
    return 1 <= month <= 12 and (1 <= day <= 31 or 61 <= day <= 91)


def is_norwegian_id(number: str) -> bool:
    """Whether eleven digits are a fødselsnummer, D-number, help number or test number by both control digits."""
    if len(number) != _SCRIPT_DIGITS or not (_day_of_norway(number) or number[0] in "89"):
        return False
    return number[-2] == fodselsnummer.calc_check_digit1(number) and number[-1] == fodselsnummer.calc_check_digit2(
        number
    )


def is_swedish_id(number: str) -> bool:
    """Whether ten or twelve digits are a personnummer or samordningsnummer by date and control digit."""
    return len(number) in {10, 12} and _day_of_sweden(number) and bool(luhn.is_valid(number[-10:]))


_SERVICE_TYPES = frozenset(
    {
        PhoneNumberType.TOLL_FREE,
        PhoneNumberType.PREMIUM_RATE,
        PhoneNumberType.SHARED_COST,
        PhoneNumberType.UAN,
        PhoneNumberType.VOICEMAIL,
    }
)


@lru_cache(maxsize=4096)
def _is_phone(number: str, region: str | None) -> bool:
    """Whether the digits are somebody's telephone number: a service number of a whole country is nobody's."""
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.is_valid_number(parsed) and phonenumbers.number_type(parsed) not in _SERVICE_TYPES


def plain_number(number: str) -> str:
    """A telephone number's digits without country code and leading zero, for comparing what people wrote."""
    digits = "".join(sign for sign in number if sign.isdigit())
    digits = digits.removeprefix("00") if digits.startswith("00") else digits
    if len(digits) in {10, 11} and digits[:2] in {"47", "46"}:
        digits = digits[2:]
    return digits.lstrip("0") or digits


def find_numbers(text: str, keep: frozenset[str]) -> Iterator[Find]:
    """Identity numbers, case numbers of foreigners, accounts, dates of birth and telephones among the digits of a text.

    `keep` holds numbers in the form of `plain_number`.
    """
    for run in _RUN.finditer(text):
        groups = [
            _Group(found.group(), found.start(), found.end()) for found in _GROUP.finditer(text, run.start(), run.end())
        ]
        position = 0
        while position < len(groups):
            find, taken = _at(text, groups, position, run.start(), keep)
            if find is not None:
                yield find
            position += taken


def _at(text: str, groups: list[_Group], first: int, run_start: int, keep: frozenset[str]) -> tuple[Find | None, int]:
    """What begins at this group, and how many groups it takes."""
    start = groups[first].start
    if len(groups[first].digits) > _MOST_DIGITS or (start and (text[start - 1].isalpha() or text[start - 1] == "_")):
        return None, 1  # a part of a word or code, or no number anybody has
    before = _before(text, start)
    windows = list(_windows(groups, first))
    for last, number in windows:  # a public number is nothing else
        if last + 1 == len(groups) or len(number) > 4:
            plain = plain_number(number)
            if (plain in keep and len(plain) > 4) or (plain in keep and last == first and len(groups) == 1):
                return None, last - first + 1
    for judge, shortest, longest, most in _JUDGES:
        for last, number in windows if judge in {_identity, _birth_date} else reversed(windows):
            if not shortest <= len(number) <= longest or last - first >= most:
                continue
            kind = judge(text, groups, first, last, number, before, run_start)
            if kind is not None:
                opening = start
                if kind is Kind.PHONE and run_start < start and first == 0:
                    opening = run_start  # the plus sign and the bracket before the first digit
                return Find(opening, groups[last].end, kind), last - first + 1
    return None, 1


def _windows(groups: list[_Group], first: int) -> Iterator[tuple[int, str]]:
    """Every run of whole groups from the first one that is short enough to be a number, shortest first."""
    number = ""
    # In a long table of figures only what is grouped as numbers are is looked at, or a page of them would take seconds.
    most = _MOST_DIGITS if len(groups) <= 40 else 5
    for last in range(first, min(len(groups), first + most)):
        number += groups[last].digits
        if len(number) > _MOST_DIGITS:
            return
        yield last, number


def _shape(groups: list[_Group], first: int, last: int) -> tuple[int, ...]:
    return tuple(len(group.digits) for group in groups[first : last + 1])


def _gaps(text: str, groups: list[_Group], first: int, last: int) -> list[str]:
    return [text[groups[n].end : groups[n + 1].start] for n in range(first, last)]


def _certain_identity(
    text: str, groups: list[_Group], first: int, last: int, number: str, before: str, run_start: int
) -> Kind | None:
    """A number that is somebody's by its control digits, whatever other numbers it could be the beginning of."""
    if "+" in text[run_start : groups[0].start]:
        return None
    if is_norwegian_id(number):
        return Kind.NATIONAL_ID
    if not is_swedish_id(number):
        return None
    # 070-174 06 05 can be read as a date too; a mobile number is what it is then.
    mobile = len(number) == 10 and number[0] == "0" and _is_phone(number, "SE")
    shape = _shape(groups, first, last)
    if not mobile or _ID_WORD.search(before) or (not number.startswith("07") and shape in {(10,), (6, 4)}):
        return Kind.NATIONAL_ID
    return None


def _identity(
    text: str, groups: list[_Group], first: int, last: int, number: str, before: str, run_start: int
) -> Kind | None:
    """A number that a register knows somebody by."""
    length = len(number)
    if "+" in text[run_start : groups[0].start]:
        return None
    shape = _shape(groups, first, last)
    alone = len(shape) == 1
    if length == 11:
        return _eleven(number, shape, before, alone)
    if length in {10, 12}:
        return _ten_or_twelve(text, groups, first, last, number, shape, before)
    if length == 16 and luhn.is_valid(number) and (shape in {(16,), (4, 4, 4, 4)}) and number[0] in "3456":
        return Kind.ACCOUNT
    return None


def _eleven(number: str, shape: tuple[int, ...], before: str, alone: bool) -> Kind | None:
    if _ID_WORD.search(before):
        return Kind.NATIONAL_ID
    if _DUF_WORD.search(before):
        return Kind.DUF
    account_form = shape == (4, 2, 5)
    if _ACCOUNT_WORD.search(before) or (kontonr.is_valid(number) and (account_form or alone)) or account_form:
        return None if number.startswith("00") else Kind.ACCOUNT
    # A slip of one digit is still somebody's number.
    if _day_of_norway(number) and (alone or shape in {(6, 5), (2, 2, 2, 5)}) and not _MEASURE_WORD.search(before):
        return Kind.NATIONAL_ID
    return None


def _ten_or_twelve(
    text: str, groups: list[_Group], first: int, last: int, number: str, shape: tuple[int, ...], before: str
) -> Kind | None:
    named = _ID_WORD.search(before) is not None
    if len(number) == 12 and _DUF_WORD.search(before):
        return Kind.DUF
    joined = "".join(_gaps(text, groups, first, last)).strip()
    if named and (len(number) == 12 or _day_of_sweden(number) or shape in {(6, 4), (10,)}):
        return Kind.NATIONAL_ID
    if shape in {(6, 4), (8, 4)} and joined in {"-", "+"}:
        danish = 1 <= int(number[:2]) <= 31 and 1 <= int(number[2:4]) <= 12
        if _day_of_sweden(number) or (len(number) == 10 and danish):
            return Kind.NATIONAL_ID
    if len(number) == 12 and number[:2] in {"19", "20"}:
        if shape == (8, 4) and _day_of_sweden(number):
            return Kind.NATIONAL_ID
        if (
            1980 <= int(number[:4]) <= 2059
            and (shape in {(12,), (4, 6, 2), (4, 8), (10, 2), (4, 4, 4), (6, 6)})
            and not _MEASURE_WORD.search(before)
        ):
            return Kind.DUF
    return None


def _plausible_year(year: str) -> bool:
    """Whether a year, of two digits or four, is one that a patient may be born in and that no appointment has."""
    value = int(year)
    if len(year) == 4:
        return 1910 <= value <= 2012
    return value >= 30 or value <= 12


def _birth_date(
    text: str, groups: list[_Group], first: int, last: int, number: str, before: str, run_start: int
) -> Kind | None:
    """A full date that says when somebody was born: by the word before it, or by a year that nothing else has."""
    del run_start
    shape = _shape(groups, first, last)
    born = _BIRTH_WORD.search(before) is not None
    parts = [group.digits for group in groups[first : last + 1]]
    if len(shape) == 1:
        if len(number) == 6 and born and (_is_day(number[:2], number[2:4]) or _is_day(number[4:], number[2:4])):
            return Kind.BIRTH_DATE
        if (
            len(number) == 6
            and _is_day(number[:2], number[2:4])
            and _PERSON_WORD.search(before)
            and _plausible_year(number[4:])
        ):
            return Kind.BIRTH_DATE
        if len(number) == 8:
            for year, month, day in ((number[4:], number[2:4], number[:2]), (number[:4], number[4:6], number[6:])):
                if (
                    _is_day(day, month)
                    and (_plausible_year(year) if not born else year[:2] in {"19", "20"})
                    and not _PHONE_WORD.search(before)
                ):
                    return Kind.BIRTH_DATE
        return None
    if (
        len(shape) == 2
        and born
        and _is_day(parts[0], parts[1])
        and last + 1 == len(groups)
        and "." in "".join(_gaps(text, groups, first, last))
    ):
        return Kind.BIRTH_DATE
    if len(shape) != 3 or max(len(part) for part in parts) > 4:
        return None
    gaps = [gap.strip() for gap in _gaps(text, groups, first, last)]
    if any(len(gap) > 1 or gap in {"(", ")", "+"} for gap in gaps) or (
        "" in gaps and not born and not _PERSON_WORD.search(before)
    ):
        return None
    if len(parts[0]) == 4:
        year, month, day = parts
    elif len(parts[2]) in {2, 4}:
        day, month, year = parts
        if not _is_day(day, month) and born:
            day, month = month, day
    else:
        return None
    if len(day) > 2 or len(month) > 2 or not _is_day(day, month):
        return None
    if born:
        return Kind.BIRTH_DATE
    after = text[groups[last].end : groups[last].end + 6].lower()
    if _LAW_WORD.search(before) or _MEASURE_WORD.search(before) or re.match(r"\s*(?:nr|no|kl|§)\b", after):
        return None
    near = _PERSON_WORD.search(before) is not None
    if _plausible_year(year) or (near and (2013 <= int(year) <= 2023 if len(year) == 4 else 13 <= int(year) <= 23)):
        return Kind.BIRTH_DATE
    return None


def _is_day(day: str, month: str) -> bool:
    return 1 <= int(day) <= 31 and 1 <= int(month) <= 12


# How Norwegians part the eight digits. Other partings count only where the digits stand alone or a word names them.
_EIGHT = frozenset({(8,), (2, 2, 2, 2), (3, 2, 3), (4, 4), (2, 6), (3, 5)})


def _telephone(
    text: str, groups: list[_Group], first: int, last: int, number: str, before: str, run_start: int
) -> Kind | None:
    """A telephone number of somebody, in Norway, Sweden or with its country's code."""
    length = len(number)
    if not before and length not in {8, 10, 11} and number[0] != "0" and run_start == groups[first].start:
        return None  # nothing says that it is one
    opening = text[run_start : groups[0].start] if first == 0 else text[groups[first].start - 1]
    if "+" in text[groups[first].start : groups[last].end]:
        return None
    gaps = _gaps(text, groups, first, last)
    named = _PHONE_WORD.search(before) is not None
    if "+" in opening:
        glued = run_start > 0 and text[run_start - 1].isdigit()
        if not glued and (
            _is_phone("+" + number, None)
            or ((last + 1 == len(groups) or last == first) and length >= 8 and "-" not in "".join(gaps))
        ):
            return Kind.PHONE
        return None
    if number.startswith("00"):
        if _is_phone("+" + number[2:], None) or (last + 1 == len(groups) and length >= 10):
            return Kind.PHONE
        return None
    if any(gap.strip() == "/" for gap in gaps) and not number.startswith("0"):
        return None
    if _HOURS.fullmatch(text, groups[first].start, groups[last].end) or _DAY.fullmatch(
        text, groups[first].start, groups[last].end
    ):
        return None
    measure = _MEASURE_WORD.search(before) is not None
    whole = first == 0 and last + 1 == len(groups)
    shape = _shape(groups, first, last)
    if (
        length == 8
        and number[0] in "23456789"
        and not measure
        and _is_phone("+47" + number, None)
        and (shape in _EIGHT or named or (whole and max(shape) <= 4))
    ):
        return Kind.PHONE
    if (
        length == 10
        and number[:2] == "47"
        and not measure
        and _is_phone("+" + number, None)
        and (len(shape) == 1 or shape[0] == 2)
    ):
        return Kind.PHONE
    if (
        number[0] == "0"
        and length >= 8
        and not measure
        and _is_phone(number, "SE")
        and (len(shape) <= 5 or named or whole)
    ):
        return Kind.PHONE
    if length == 11 and number[:2] == "46" and _is_phone("+" + number, None):
        return Kind.PHONE
    # A slip of one digit is still somebody's number where the word before says what it is.
    if named and not measure and last + 1 == len(groups) and 7 <= length <= 13 and not _is_service(number):
        return Kind.PHONE
    return None


_DAY = re.compile(r"[0-3]?\d[./-][01]?\d[./-](?:19|20)\d{2}|(?:19|20)\d{2}[./-][01]\d[./-][0-3]\d")
_HOURS = re.compile(r"\d{1,2}[.:]\d{2} ?[-/] ?\d{1,2}[.:]\d{2}")


@lru_cache(maxsize=1024)
def _is_service(number: str) -> bool:
    """Whether the digits are a whole country's service number."""
    for region in ("NO", "SE"):
        try:
            parsed = phonenumbers.parse(number, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(parsed) and phonenumbers.number_type(parsed) in _SERVICE_TYPES:
            return True
    return False


# Who judges a row of digits, how many digits it may have, and in how many groups.
_JUDGES = ((_certain_identity, 10, 12, 12), (_identity, 10, 16, 16), (_birth_date, 2, 8, 3), (_telephone, 7, 15, 15))


# --- numbers with letters, and those that only a word before them tells -------------------------------------------

_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]){11,30}(?![A-Za-z0-9])")
_IBAN_NAMED = re.compile(
    r"\biban\b[\s.:=#]*(?:er|är|is|nr|no)?[\s.:=#]*(?P<value>[a-z]{2} ?\d{2}(?: ?[a-z0-9]){8,30})(?![a-z0-9])",
    re.IGNORECASE,
)
_ACCOUNT_NAMED = re.compile(
    r"\b(?:konto(?:en|n|t)?|kontonummer(?:et)?|kontonr|bankkonto|clearing(?:nummer|nr)?|bankgiro|plusgiro|"
    r"(?:bank )?account(?: number| no)?)\b"
    r"[\s.:=#]*(?:er|är|is|nr|no|på)?\s*(?:clearing(?:nummer|"
    r"nr)?)?[\s.:=#]*(?P<value>\d[\d \-.]{3,24}(?:,? ?(?:konto(?:nr|"
    r"nummer)?\s?:?\s?)?\d[\d \-.]{3,20})?\d)(?!\w)",
    re.IGNORECASE,
)
_PASSPORT = re.compile(
    r"\b(?:pass(?:et|nummer|nummeret|nr|port|portnr)?|passport|reisebevis(?:et)?|reisedokument(?:et)?|"
    r"resedokument(?:et)?|id-?kort(?:et)?|nasjonalt id-kort|id card|oppholdskort|"
    r"uppehållstillståndskort)\b"
    r"(?:[\s.:,=#(]|nr|no|nummer(?:et)?|numret|number|har|hennes|hans|med|er|är|is|was|with|sier|säger|"
    r"says){0,8}?[\s.:,=#(]"
    r"(?P<value>[A-Z]{0,3} ?\d(?:[ ]?\d){5,9}|(?=[A-Z0-9]{0,5}\d)[A-Z0-9]{2,4}\d{4,8}[A-Z]?)(?!\w)",
    re.IGNORECASE,
)
_PASSPORT_ALONE = re.compile(r"(?<![\w\-])[A-Z]{1,2}\d{7,8}(?!\w)")
_DOSSIER = re.compile(
    r"\b(?:dossier(?:nummer|numret|nr)?|lma(?:-?(?:kort(?:et)?|n(?:r|ummer)))?|"
    r"mv-?nummer)\b[\s.:=#]*(?:er|är|is|nr|number|no)?[\s.:=#]*(?P<value>\d[\d\- ]{4,14}\d)",
    re.IGNORECASE,
)
_DUF_NAMED = re.compile(
    r"\bduf(?:-?n(?:r|ummer(?:et)?))?\b[\s.:=#\-]*(?:er|is|är|number|no|nummer|"
    r"nr)?[\s.:=#\-]*(?P<value>\d(?:[ .\-]{0,2}\d){7,13})(?!\d)",
    re.IGNORECASE,
)
_RESERVE = re.compile(r"(?<!\w)(?:19|20)?\d{6}[ +\-]?(?:[A-Z]{1,2}\d{2,3}|T[A-Z]\d{2}|\d{3}[A-Z])(?!\w)")


def find_named_numbers(text: str) -> Iterator[Find]:
    """Accounts, passports, dossiers and case numbers, which a word before them tells, or letters among their digits."""
    for found in _IBAN.finditer(text):
        for end in _ends(text, found.start(), found.end()):
            if iban.is_valid(text[found.start() : end]):
                yield Find(found.start(), end, Kind.ACCOUNT)
                break
    for pattern, kind in (
        (_IBAN_NAMED, Kind.ACCOUNT),
        (_DUF_NAMED, Kind.DUF),
        (_DOSSIER, Kind.DUF),
        (_PASSPORT, Kind.PASSPORT),
    ):
        for found in pattern.finditer(text):
            if sum(sign.isdigit() for sign in found["value"]) >= 5:
                yield Find(found.start("value"), found.end("value"), kind)
    for found in _ACCOUNT_NAMED.finditer(text):
        digits = sum(sign.isdigit() for sign in found["value"])
        if 6 <= digits <= 20:
            yield Find(found.start("value"), found.end("value"), Kind.ACCOUNT)
    for found in _PASSPORT_ALONE.finditer(text):
        if not _MEASURE_WORD.search(_before(text, found.start())):
            yield Find(found.start(), found.end(), Kind.PASSPORT)
    for found in _RESERVE.finditer(text):
        digits = re.sub(r"\D", "", found.group())[:8]
        date = digits[2:8] if digits[:2] in {"19", "20"} and len(digits) == 8 else digits[:6]
        if 1 <= int(date[2:4]) <= 12 and 1 <= int(date[4:6]) <= 31:
            yield Find(found.start(), found.end(), Kind.NATIONAL_ID)


def _ends(text: str, start: int, end: int) -> Iterable[int]:
    """Where a spaced number may end, longest first: at its end, or at each space before."""
    yield end
    for position in range(end - 1, start + 14, -1):
        if text[position] == " ":
            yield position


# --- dates of birth with the month in words ------------------------------------------------------------------------

_MONTH = (
    r"(?:jan(?:uar|uari|uary)?|feb(?:ruar|ruari|ruary)?|mars|march|mar|apr(?:il)?|mai|maj|may|jun[ie]?|july|jul[iy]?|"
    r"aug(?:ust|usti)?|sep(?:t|tember)?|o[kc]t(?:ober)?|nov(?:ember)?|de[sc](?:ember)?)"
)
_DATE_IN_WORDS = re.compile(
    rf"(?<![\w.])(?:(?P<day>\d{{1,2}})(?:\.|st|nd|rd|th|:e|\.e)? ?(?:of )?{_MONTH}\.?"
    rf"(?:,? ?(?P<year>(?:19|20)\d{{2}}|'?\d{{2}}(?![\d.:]))|\b)|"
    rf"{_MONTH}\.? (?P<day2>\d{{1,2}})(?:st|nd|rd|th)?(?:,? (?P<year2>(?:19|20)\d{{2}}))?)(?!\w)",
    re.IGNORECASE,
)


def find_birth_dates_in_words(text: str) -> Iterator[Find]:
    """Dates with the month in words, where the words before them or the person beside them say that they are births."""
    for found in _DATE_IN_WORDS.finditer(text):
        before = _before(text, found.start())
        year = (found["year"] or found["year2"] or "").lstrip("'")
        if _BIRTH_WORD.search(before) or (year and _plausible_year(year) and _PERSON_WORD.search(before)):
            yield Find(found.start(), found.end(), Kind.BIRTH_DATE)

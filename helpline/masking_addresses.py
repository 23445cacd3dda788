"""Finding street addresses, with the flat, the postal code and the town that are written with them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from helpline.masking_view import Find, Kind, fold, words_of

_STREET_ENDS = words_of(
    "gata gaten gate gt gt. veien vegen veg vei vn vn. allé alle alléen alleen plass plassen torg torget torv "
    "torvet bakken bakke stien svingen kroken brygge brygga kaia kai tunet terrasse ringen smauet faret "
    "grenda løkka jordet haugen gatan vägen väg gränd gränden stigen backen allén plan plats platsen kajen "
    "leden esplanaden slingan stråket leiret åsen hagen torgata street road avenue lane"
)
_STREET = re.compile(
    r"(?:" + "|".join(sorted((re.escape(end) for end in _STREET_ENDS), key=len, reverse=True)) + r")\Z"
)
_WORD_AND_NUMBER = re.compile(
    r"(?<![\w'’\-.])(?P<word>[^\W\d_]{1,40}(?:['’\-.][^\W\d_]{1,40}){0,4}\.?),? ?(?:nr\.? ?)?"
    r"(?P<number>\d{1,3} ?(?:[a-hA-H]\b)?(?:[-–]\d{1,3}(?:[a-hA-H]\b)?)?)(?!\d|[.,:/]\d|%|\w)"
)
# What a street is called in a hurry. With a capital or after a genitive the dot tells it from other words ("Storg. 12",
# "Karl Johans g. 7"); all in small letters only with what streets are commonly named after ("storgt 12").
_SHORT_STREET = re.compile(
    r"(?<![\w'’\-])(?:"
    r"(?:(?:[A-ZÆØÅÄÖÉ][\w'’\-]{0,30}\.? ?){0,2}[A-ZÆØÅÄÖÉ][\w'’\-]{2,30}s|(?:Stor[ea]|Lill[ea]|Nye|Nya|Gaml[ea]"
    r"|Nedre|Øvre|Övre|Nordre|Norra|Søndre|Södra|Vestre|Västra|Østre|Östra)) (?:gt\.?|vn\.?|g\.|v\.|pl\.|gr\.)"
    r"|[^\W\d_]{3,30}s (?:gt|vn)\.?"
    r"|(?P<one>[A-ZÆØÅÄÖÉ][^\W\d_]{2,30}(?:g|v|pl|gr|vg)\.)"
    r"|(?:stor|lill[ea]?|kirke|kyrko?|kyrkje|skole|skol|kongens?|kongs|kungs|dronningens?|drottning|prinsens|strand|sjø|sjö"
    r"|park|jernbane|järnvägs|stasjons|stations|torg|havne?|hamn|skipper|tollbu|tollbod|bispe|biskops|elve|møller?|møllen?"
    r"|kvarn|ny|øvre|nedre|tverr|bryn[es]?|smed|ring|skog[s]?|bjørke?|björk|grønne?|drammens|trondheims|oslo|bergens)"
    r"(?:gt|vn|g|v)\.?"
    r"),? ?(?:nr\.? ?)?(?P<number>\d{1,3} ?(?:[a-hA-H]\b)?(?:[-–]\d{1,3}(?:[a-hA-H]\b)?)?)(?!\d|[.,:/]\d|%|\w)"
)
# Words that end as a short street does, where one sentence ends and the next begins with a number.
_NO_SHORT_STREETS = re.compile(
    r"(?:ing|log|urg|ag|ig|åg|gg|ppg|iv|ev|lv|erv|resv|(?<!e)av|s(?:y|ju)kepl|\Aspl"
    r"|(?:senge?|intensiv|sykehus|sjukhus|døgn|dygns|vård|avdelings)pl|vernsv"
    r"|\A(?:seng|sang|skog|prov|hivprøv|dagv|nattv|kveldsv|morgenv|sosialg))\.\Z",
    re.IGNORECASE,
)
_NOT_OF_STREETS = frozenset(
    words_of(
        "barnets patientens pasientens graviditetens hennes hans deres moderns flickans kvinnens kvinnans jentas "
        "jentens guttens mannens fosterets fostrets syklus trinns ukas veckans lovens lagens skadens brannskadens "
        "politiets polisens sykehusets sjukhusets kommunens barnevernets norges sveriges avdelingens avdelningens"
    )
)
_MONTHS = re.compile(
    r" ?\.? ?(?:jan|feb|mar|apr|ma[ij]|jun|jul|aug|sep|okt|oct|nov|des|dec)[a-zåäöø]{0,7}\.?(?!\w)", re.IGNORECASE
)
_CAPITALISED = re.compile(r"(?:[A-ZÆØÅÄÖÉ][\w'’\-]{0,40}\.?|[a-zæøåäö]{1,20}s) \Z")
# Ways inside a body and inside a sentence, and squares that are places in a queue.
_NO_STREETS = frozenset(
    words_of(
        "luftveien luftvägen urinveien urinvägen fødselsveien utveien omveien gangveien gallegangen mellomveien "
        "gallveien gallvägen på vägen veien vägen vegen gata gaten gate gatan vei veg väg alle allé plass plassen "
        "plats platsen plan planen torget torg ringen leden haugen backen bakken bakke kai kroken stien stigen "
        "behandlingsplan omsorgsplan arbetsplats arbeidsplass arbeidsplassen sengeplass sengeplassen vårdplats "
        "vårdplatsen vårdplan institusjonsplass barnehageplass boplats avdelingsplan kriseplan sykehusplass "
        "krisesenterplass samleplan nødplan bedplass intensivplass liggeplass gate street road lane avenue "
        "barnehagen flyktningleiret flyktningeleiret fornavn etternavn mellomnavn brukernavn "
        "overgate handlingsplan undersøkelsesplan tiltaksplan individuell plan omplass fosterhjemsplass"
    )
)
_LOWER_STREETS = ("gata", "gaten", "gate", "veien", "vegen", "gatan", "vägen", "gränd", "torget", "allé", "vn")
_SHORT_ROAD = re.compile(r"[^\W\d_aeiouyæøåäö]vn\Z")  # "bogstadvn", and not "navn"
_UNITS = re.compile(
    r" ?(?:mg|g|ml|mcg|µg|ie|iu|dag(?:er|ar)?|timer|timar|timmar|uker|veker|veckor|år|ganger|gånger|"
    r"gonger|stk|st|%|min|km|m|cm|kg|person(?:er|ar)?|kvinner|jenter|barn|andre|andra|av|x|days?|hours?|"
    r"weeks?|years?|times|people|women|men|girls|menn|män|kvinnor|gutter|gutar|flickor|"
    r"pojkar|pasienter|patienter|prøver|prover)\b",
    re.IGNORECASE,
)
_AFTER_STREET = re.compile(
    r"(?:,? ?(?:lgh|lägenhet|leil\.?|leilighet|apt\.?|flat|h0\d|oppg\.?|oppgang|inng\.?) ?[\dA-Z]{0,5}\b|"
    r",? (?:H|K|U|L)0\d{3}\b|,? \d{1,2}\. ?(?:etg\.?|etasje|etasjen|vån\.?|tr\.?)(?!\w))?"
    r"(?:,? (?:(?:NO?|SE?)-?)?(?:\d{4}|\d{3} \d{2}) [A-ZÆØÅÄÖ][\w\-]{1,40}(?: [A-ZÆØÅÄÖ][\w\-]{1,40})?)?"
)
_TOWN_AFTER = re.compile(r", (?P<town>[A-ZÆØÅÄÖ][\w\-]{1,40})")
_ENGLISH_STREET = re.compile(
    r"(?<!\w)\d{1,4}[A-Za-z]? (?:[A-Z][\w'’\-]{1,40} ){1,3}(?:Street|St\.?|Road|Rd\.?|Avenue|Ave\.?|Lane|"
    r"Drive|Close|Court|Square|Terrace|Crescent|Gardens)(?!\w)"
)
_ADDRESS_NAMED = re.compile(
    r"(?:\b(?:adresse(?:n)?|adress(?:en)?|address)\b[\s:=]*(?:er|är|is|hennes er|"
    r"hans er)?[\s:=]*(?P<any>[^\W\d_][\w'’\-.]{0,40}(?: [^\W\d_][\w'’\-.]{0,40}){0,3} \d{1,3} ?(?:[a-hA-H]\b)?)"
    r"|\b(?:bor|bur|bodde|budde|bosatt|lives|lived|stays|living|holder til|boende)\s(?:nå\s|no\s|"
    r"nu\s)?(?:i|på|at|in|on|ved|"
    r"vid)\s(?P<cap>[A-ZÆØÅÄÖ][\w'’\-.]{0,40}(?: [A-ZÆØÅÄÖ][\w'’\-.]{0,40}){0,3} \d{1,3} ?(?:[a-hA-H]\b)?))"
    r"(?!\d|[.,:/]\d|%|\w)",
    re.IGNORECASE,
)
_ROOMS = frozenset(
    words_of(
        "kode kod code rom rommet rum avdeling avdelning avd post sengepost seng säng etasje våning room ward bed "
        "floor hotell hotel hus bygg sone zone sal stue kapittel nummer nr uke"
    )
)


def find_addresses(text: str, places: frozenset[str]) -> Iterator[Find]:
    """Streets with a number, and what is written with them: flat, postal code, town. `places` are folded town names."""
    for found in _WORD_AND_NUMBER.finditer(text):
        word = found["word"]
        lowered = word.lower()
        if _STREET.search(lowered) is None or _UNITS.match(text, found.end("number")):
            continue
        start = _street_start(text, found.start(), word)
        if start is None:
            continue
        yield Find(start, _address_end(text, found.end("number"), places), Kind.ADDRESS)
    for found in _SHORT_STREET.finditer(text):
        one, first = found["one"] or "", found.group().split()[0].lower()
        if _UNITS.match(text, found.end("number")) or _MONTHS.match(text, found.end("number")):
            continue
        if first in _NOT_OF_STREETS or _NO_SHORT_STREETS.search(one) or fold(one.rstrip(".")) in places:
            continue
        yield Find(found.start(), _address_end(text, found.end("number"), places), Kind.ADDRESS)
    for found in _ENGLISH_STREET.finditer(text):
        yield Find(found.start(), _address_end(text, found.end(), places), Kind.ADDRESS)
    for found in _ADDRESS_NAMED.finditer(text):
        group = "any" if found["any"] else "cap"
        first = found[group].split()[0].lower()
        if group == "cap" and not found[group][0].isupper():
            continue
        if first in _ROOMS or _UNITS.match(text, found.end(group)):
            continue
        yield Find(found.start(group), _address_end(text, found.end(group), places), Kind.ADDRESS)


def _street_start(text: str, start: int, word: str) -> int | None:
    """Where the street's name begins, or None where the word is no street."""
    lowered = word.lower().rstrip(".")
    is_short = lowered.endswith(("gt", "vn")) and _SHORT_ROAD.search(lowered) is None
    if is_short and (len(lowered) < 5 or not word[0].isupper()):
        return None
    if word[0].isupper() and lowered not in _NO_STREETS:
        stands_alone = lowered in _STREET_ENDS
    elif (
        lowered not in _NO_STREETS
        and lowered not in _STREET_ENDS
        and len(lowered) >= 7
        and lowered.endswith(_LOWER_STREETS)
    ):
        stands_alone = False
    else:
        stands_alone = True
    begin = start
    for _ in range(3):
        ahead = _CAPITALISED.search(text, max(0, begin - 30), begin)
        if ahead is None or (begin == start and not ahead.group()[0].isupper() and not stands_alone):
            break
        piece = ahead.group().strip().lower().rstrip(".")
        known = piece in _STREET_FIRST or stands_alone
        if not known:
            break
        at = ahead.start()
        if ahead.group()[0].islower() and piece not in _STREET_FIRST and not piece.endswith("s"):
            break
        begin = at
        if not stands_alone and piece not in _STREET_FIRST:
            break
    if stands_alone and (begin == start or not text[begin].isupper()):
        return None
    if begin < start and stands_alone:
        return begin
    if not stands_alone:
        first = re.search(
            r"(?<!\w)(" + "|".join(_STREET_FIRST) + r") \Z", text[max(0, start - 20) : start], re.IGNORECASE
        )
        return start - len(first.group()) if first else begin
    return None


_STREET_FIRST = words_of(
    "gamle gamla nye nya nedre övre øvre store stora lille lilla vesle nordre norra norre søndre södra søre "
    "vestre västra østre östra øvste indre ytre st sankt"
)


def _address_end(text: str, end: int, places: frozenset[str]) -> int:
    """Where the address ends: after flat, postal code and town where they are written with it."""
    while end > 0 and text[end - 1] == " ":
        end -= 1
    more = _AFTER_STREET.match(text, end)
    if more is not None and more.end() > end:
        end = more.end()
    town = _TOWN_AFTER.match(text, end)
    if town is not None and fold(town["town"]) in places:
        end = town.end()
    return end

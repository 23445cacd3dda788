"""What points to a person goes, what a clinician must be able to say stays."""

from __future__ import annotations

import datetime as dt
import importlib
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stdnum import luhn
from stdnum.no import fodselsnummer

from helpline import masking_addresses, masking_links, masking_names, masking_numbers, masking_view
from helpline.content import content_folder
from helpline.masking import MARKS, Kind, Masked, Masker, Span, without_marks
from helpline.messages import Language

HERE = Path(__file__).parent
_PARSER: Any = importlib.import_module("re._parser")  # the standard library's own reader of patterns; it has no types
# The directory's numbers are given to the masker where the line is put together; these stand in for them.
MASKER = Masker.load(
    content_folder(),
    keep_numbers=["466 15 000", "+46 20 39 00 00"],
    keep_words=["Lauras Hus", "Skogsbo skyddat boende"],
)


@dataclass(frozen=True)
class Sentence:
    """One line of a sentence file, with what must be found in it."""

    language: Language
    text: str
    spans: tuple[Span, ...]


def sentences(name: str) -> list[Sentence]:
    found: list[Sentence] = []
    for line in (HERE / name).read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        language, marked = line.split(" | ", 1)
        text, spans, reached = "", [], 0
        for mark in re.finditer(r"\{([a-z-]+)\|([^}]*)\}", marked):
            text += marked[reached : mark.start()]
            spans.append(Span(len(text), len(text) + len(mark[2]), Kind(mark[1])))
            text += mark[2]
            reached = mark.end()
        found.append(Sentence(Language(language), text + marked[reached:], tuple(spans)))
    return found


SENTENCES = sentences("masking_sentences.txt")


def put_together(text: str, masked: Masked, language: Language = Language.NB) -> str:
    """The masked text, made again from the original and the spans."""
    pieces, reached = [], 0
    for span in masked.spans:
        pieces += [text[reached : span.start], MARKS[language][span.kind]]
        reached = span.end
    return "".join([*pieces, text[reached:]])


@pytest.mark.parametrize("sentence", SENTENCES, ids=lambda one: one.text[:60])
def test_exactly_what_points_to_a_person_is_masked(sentence: Sentence) -> None:
    assert MASKER.mask(sentence.text, sentence.language).spans == sentence.spans


def test_the_sentences_cover_what_must_go_and_what_must_stay() -> None:
    assert len(SENTENCES) >= 300
    assert {span.kind for sentence in SENTENCES for span in sentence.spans} == set(Kind)
    assert {sentence.language for sentence in SENTENCES if not sentence.spans} == set(Language)
    assert sum(not sentence.spans for sentence in SENTENCES) >= 140


@pytest.mark.parametrize(
    ("name", "recall", "precision"),
    [
        ("masking_heldout.txt", 0.942, 0.980),  # written before the first rule; now 0.98 and 1.0
        ("masking_heldout2.txt", 0.956, 0.977),  # written after the rules were tuned; now 0.97 and 1.0
    ],
)
def test_sentences_nobody_tuned_for(name: str, recall: float, precision: float) -> None:
    """The figures are those of the first measurement, before anything was changed for a sentence of the set."""
    wanted = found = right = real = 0
    for sentence in sentences(name):
        spans = MASKER.mask(sentence.text, sentence.language).spans
        wanted += len(sentence.spans)
        found += len(spans)
        right += sum(any(span.start <= one.start and one.end <= span.end for span in spans) for one in sentence.spans)
        real += sum(any(one.start < span.end and span.start < one.end for one in sentence.spans) for span in spans)
    assert right / wanted >= recall
    assert real / found >= precision


def test_the_shipped_articles_come_back_as_they_were() -> None:
    """Thousands of wordings in four languages with nobody in them: at most one in two hundred may lose a word."""
    from helpline.content import ContentError, load_yaml

    texts: list[str] = []
    for path in sorted((content_folder() / "articles").rglob("*.yaml")):
        source = path.read_text(encoding="utf-8")
        try:
            load_yaml(path)
        except ContentError:
            continue  # somebody else's test says so
        texts += re.findall(r"^\s+- (?!\{)(.{12,})$", source, re.MULTILINE)
    if not texts:
        pytest.skip("no articles are shipped yet")
    changed = [
        text
        for text in texts
        if any(
            span.kind in {Kind.NAME, Kind.ADDRESS, Kind.BIRTH_DATE, Kind.NATIONAL_ID}
            for span in MASKER.mask(text).spans
        )
    ]
    assert len(changed) <= len(texts) / 200, changed


@pytest.mark.parametrize(
    ("language", "masked"),
    [
        (Language.NB, "[navn], f. [fødselsdato], ringer fra [telefon]"),
        (Language.NN, "[namn], f. [fødselsdato], ringer fra [telefon]"),
        (Language.SV, "[namn], f. [födelsedatum], ringer fra [telefon]"),
        (Language.EN, "[name], f. [date of birth], ringer fra [phone]"),
    ],
)
def test_the_marks_are_in_the_language_of_the_conversation(language: Language, masked: str) -> None:
    assert MASKER.mask("Maria Popescu, f. 12.03.1998, ringer fra 412 34 567", language).text == masked


@pytest.mark.parametrize(
    "written",
    [
        "120398\u00ad56067",  # soft hyphen
        "12\u200b03\u200b98\u200b56067",  # zero-width spaces
        "120398\u00a056067",  # no-break space
        "120398\u201356067",  # dash
        "١٢٠٣٩٨ ٥٦٠٦٧",  # Arabic digits
        "１２０３９８５６０６７",  # full-width digits
        "\u202e12039856067\u202c",  # mark of direction
        "1 2 0 3 9 8 5 6 0 6 7",
        "120398\ufeff56067",
        "1203 98 560 67",
    ],
)
def test_no_way_of_writing_defeats_it(written: str) -> None:
    masked = MASKER.mask(f"Hun har fnr {written} på kortet")
    assert [span.kind for span in masked.spans] == [Kind.NATIONAL_ID]
    assert not any(sign.isdigit() for sign in masked.text)


def test_an_accent_written_apart_is_part_of_the_name() -> None:
    text = "Pasienten heter Zoe\u0308 Pe\u0301rez og er 20"
    masked = MASKER.mask(text)
    assert masked.text == "Pasienten heter [navn] og er 20"
    assert text[masked.spans[0].start : masked.spans[0].end] == "Zoe\u0308 Pe\u0301rez"


def test_what_is_outside_is_not_made_neater() -> None:
    text = "Cafe\u0301\u200b og  to  mellomrom;\tfnr 12039856067\u00ad, ﬁnt"
    assert MASKER.mask(text).text == "Cafe\u0301\u200b og  to  mellomrom;\tfnr [fødselsnummer]\u00ad, ﬁnt"


@pytest.mark.parametrize(
    "number",
    [
        "466 15 000",
        "46615000",
        "+47 466 15 000",
        "0047 46615000",
        "020-390 000",
        "22 33 11 60",
        "116 117",
        "112",
        "1177",
        "114 14",
    ],
)
def test_numbers_that_everybody_may_call_stay(number: str) -> None:
    text = f"Ring {number} i kveld"
    assert MASKER.mask(text).text == text


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Kari Lund ringte", "[navn] ringte"),  # a town, and here a name
        ("Hun bor i Lund nå", "Hun bor i Lund nå"),
        ("Hun kom fra Sofia i går", "Hun kom fra Sofia i går"),
        ("Hun heter Sofia og er redd", "Hun heter [navn] og er redd"),
        ("Sofia Popescu er redd", "[navn] er redd"),
        ("May she leave?", "May she leave?"),
        ("Her name is May.", "Her name is [navn]."),
        ("Vi venter til Martina Hansens Hospital svarer", "Vi venter til Martina Hansens Hospital svarer"),
        ("Lauras Hus og Skogsbo skyddat boende", "Lauras Hus og Skogsbo skyddat boende"),
        ("Hva heter det? Hun heter det hun heter.", "Hva heter det? Hun heter det hun heter."),
        ("se https://lovdata.no/lov/1999-07-02-64/§21", "se https://lovdata.no/lov/1999-07-02-64/§21"),
    ],
)
def test_a_word_that_is_also_a_place_needs_clear_signs(text: str, kept: str) -> None:
    assert MASKER.mask(text).text == kept


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\n",
        "😀😀😀",
        "\u200b\u200e",
        "[navn]",
        "[name] and [namn]",
        "((((",
        "+",
        "@",
        "heter",
        "heter ",
        "f.",
        "\ue000\ue001",
        "\x00\x07",
    ],
)
def test_odd_texts_come_back(text: str) -> None:
    assert MASKER.mask(text) == Masked(text, ())


def test_a_line_of_a_batch_is_answered() -> None:
    answer = MASKER.mask_line({"id": 7, "text": "Ring 412 34 567", "language": "sv"})
    assert answer == {"id": 7, "masked": "Ring [telefon]", "spans": [{"start": 5, "end": 15, "kind": "phone"}]}
    assert "id" not in MASKER.mask_line({"text": "hei"})
    with pytest.raises(ValueError, match="text"):
        MASKER.mask_line({"id": 1})
    with pytest.raises(ValueError, match="nb, nn, sv or en"):
        MASKER.mask_line({"text": "hei", "language": "da"})


# --- properties ---------------------------------------------------------------------------------------------------

_WARD = st.sampled_from(
    [
        "Pasienten heter Maria Popescu",
        "fnr 12039856067",
        "tlf 412 34 567",
        "a.b@c.no",
        "Storgata 5B",
        "uke 22+3",
        "Hb 10,2",
        "§ 257",
        "og",
        "Liv",
        "Lund",
        "[navn]",
        "[telefon]",
        "heter",
        "mannen hennes,",
        "f. 12.03.98",
        "konto 3700 49 57459",
        "DUF 201912345607",
        "pass nr P1234567",
        "@mimi97",
        "kl 14.30",
        "112",
        "Metronidazol 500 mg x 3",
        "Dr",
        "fru",
        ".",
        ",",
        "\n",
        "12",
        "0047",
        "+",
        "-",
        "MARIA",
        "hun",
        "på",
        "i",
        "Alta",
        "😀",
        "\xad",
        "\u200b",
    ]
)
TEXTS = st.one_of(
    st.text(max_size=120),
    st.lists(_WARD, max_size=14).map(" ".join),
    st.lists(st.one_of(_WARD, st.text(max_size=6)), max_size=12).map("".join),
)


@settings(max_examples=400, deadline=None)
@given(TEXTS, st.sampled_from(list(Language)))
def test_masking_twice_is_masking_once(text: str, language: Language) -> None:
    once = MASKER.mask(text, language).text
    assert MASKER.mask(once, language) == Masked(once, ())


@settings(max_examples=400, deadline=None)
@given(TEXTS, st.sampled_from(list(Language)))
def test_nothing_outside_the_spans_changes(text: str, language: Language) -> None:
    masked = MASKER.mask(text, language)
    assert put_together(text, masked, language) == masked.text
    assert all(one.end <= two.start for one, two in zip(masked.spans, masked.spans[1:], strict=False))
    assert all(span.start < span.end for span in masked.spans)


_FRAMES = st.sampled_from(
    [
        "Pasienten {} har vondt i magen.",
        "Kvinne, gravid i uke 22+3, {}, Hb 10,2.",
        "kan dere sjekke {} for oss",
        "Vi fant {} på en lapp; hun tar Paracet 1 g x 4.",
        "Hon visade {} och ville gå.",
        "We were given {} by the man.",
        "{}",
        "{} er skrevet på armbåndet, CRP 123",
    ]
)


@st.composite
def spaced(draw: st.DrawFn, digits: str) -> str:
    """Digits with a space, a dot or a hyphen here and there."""
    gaps = draw(
        st.lists(
            st.sampled_from(["", "", "", " ", "-", ".", "\u00a0", "\u200b"]),
            min_size=len(digits) - 1,
            max_size=len(digits) - 1,
        )
    )
    return digits[0] + "".join(gap + digit for gap, digit in zip(gaps, digits[1:], strict=True))


@st.composite
def norwegian_ids(draw: st.DrawFn) -> str:
    """A fødselsnummer, D-number or test number, right by both control digits; nobody alive: born 1854 to 1899."""
    date = draw(st.dates(min_value=dt.date(1854, 1, 1), max_value=dt.date(1899, 12, 31)))
    day, month = date.day + draw(st.sampled_from([0, 40])), date.month + draw(st.sampled_from([0, 40, 65, 80]))
    for number in range(draw(st.integers(500, 700)), 750):
        start = f"{day:02}{month:02}{date.year % 100:02}{number:03}"
        first = fodselsnummer.calc_check_digit1(start + "00")
        if len(first) == 1:
            second = fodselsnummer.calc_check_digit2(start + first + "0")
            if len(second) == 1:
                return start + first + second
    raise AssertionError("fifty numbers in a row without control digits")


@st.composite
def swedish_ids(draw: st.DrawFn) -> str:
    """A personnummer or samordningsnummer from the series kept for tests (980 to 989)."""
    date = draw(st.dates(min_value=dt.date(1930, 1, 1), max_value=dt.date(2012, 12, 31)))
    century = draw(st.sampled_from(["", str(date.year)[:2]]))
    start = (
        f"{date.year % 100:02}{date.month:02}{date.day + draw(st.sampled_from([0, 60])):02}98{draw(st.integers(0, 9))}"
    )
    return century + start + str(luhn.calc_check_digit(start))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), _FRAMES)
def test_an_identity_number_is_found_however_it_is_spaced(data: st.DataObject, frame: str) -> None:
    number = data.draw(st.one_of(norwegian_ids(), swedish_ids()).flatmap(spaced))
    masked = MASKER.mask(frame.format(number))
    start = frame.index("{}")
    assert any(span.start <= start and span.end >= start + len(number) for span in masked.spans)


_PHONES = st.one_of(
    st.from_regex(r"(4[0-9]|9[0-4])[0-9]{6}", fullmatch=True),
    st.from_regex(r"(47|0047)(4[0-9]|9[0-4])[0-9]{6}", fullmatch=True),
    st.from_regex(r"07(0|2|3|6)[1-9][0-9]{6}", fullmatch=True),
    st.from_regex(r"\+46 ?7(0|2|3|6)[1-9][0-9]{6}", fullmatch=True),
    st.from_regex(r"\+407[2-6][0-9]{7}", fullmatch=True),
)


# "4-1-00 0000" begins with a day to any reader, and is masked as a day.
_LIKE_A_DAY = re.compile(r"(?:0?[1-9]|[12]\d|3[01])[-/ ](?:0?[1-9]|1[0-2])[-/ ](?:\d{2}|\d{4})[-/ ]")


@settings(max_examples=300, deadline=None)
@given(
    st.data(),
    st.sampled_from(
        ["Ring {} i kveld", "tlf {}", "mobil: {}, hun er redd", "Nås på {} efter 14", "call her on {} please"]
    ),
)
def test_a_telephone_number_is_found_however_it_is_spaced(data: st.DataObject, frame: str) -> None:
    number = data.draw(_PHONES)
    head = number[: 1 if number.startswith("+") else 0]
    written = head + data.draw(spaced(number[len(head) :].replace(" ", ""))).replace(".", " ")
    if masking_numbers.plain_number(number) in masking_numbers.PUBLIC_NUMBERS or _LIKE_A_DAY.match(written):
        return
    masked = MASKER.mask(frame.format(written))
    assert sum(sign.isdigit() for sign in masked.text) <= 2, masked.text


@settings(max_examples=200, deadline=None)
@given(
    st.from_regex(r"[a-z][a-z0-9._]{1,12}[a-z0-9]", fullmatch=True),
    st.from_regex(r"[a-z]{3,10}\.(com|no|se|net|ro)", fullmatch=True),
    st.sampled_from(["@", " @", " @ ", "(at)", " (at) "]),
    _FRAMES,
)
def test_an_email_address_is_found(local: str, domain: str, at: str, frame: str) -> None:
    masked = MASKER.mask(frame.format(local + at + domain))
    assert domain not in masked.text


# --- cost ---------------------------------------------------------------------------------------------------------


def _calls(text: str) -> int:
    """How many calls masking a text takes: a count that is the same on every machine."""
    counted = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal counted
        counted += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        MASKER.mask(text)
    finally:
        sys.setprofile(None)
    return counted


@pytest.mark.parametrize(
    "piece",
    [
        "Pasienten heter Maria Popescu, fnr 12039856067. ",
        "1 ",
        "12 34 ",
        "Maria ",
        "@",
        "+4",
        "a.",
        "f. 1.1 ",
        "www.a.",
        "heter ",
        "\u200b",
        "A. ",
        "konto 1 ",
    ],
)
def test_ten_times_the_text_takes_ten_times_the_work(piece: str) -> None:
    short, long = piece * (2_000 // len(piece)), piece * (20_000 // len(piece))
    assert _calls(long) <= 13 * _calls(short) + 2_000


def _unbounded_repeats(parsed: Any, depth: int = 0) -> int:
    """The deepest nesting of repeats without a small bound in a parsed pattern: two of them are what takes for ever."""
    deepest = depth
    for operation, argument in parsed:
        name = str(operation)
        if name in {"MAX_REPEAT", "MIN_REPEAT"}:
            _, most, inside = argument
            deepest = max(deepest, _unbounded_repeats(inside, depth + (most > 100)))
        elif name == "SUBPATTERN":
            deepest = max(deepest, _unbounded_repeats(argument[3], depth))
        elif name == "BRANCH":
            deepest = max([deepest, *(_unbounded_repeats(branch, depth) for branch in argument[1])])
    return deepest


def test_no_pattern_repeats_a_repeat_without_end() -> None:
    patterns = [
        value
        for module in (masking_addresses, masking_links, masking_names, masking_numbers, masking_view)
        for value in vars(module).values()
        if isinstance(value, re.Pattern)
    ]
    assert len(patterns) > 25
    # A run of digits and a word with hyphens repeat a repeat, but what parts the rounds is never part of a round.
    parted = {masking_numbers._RUN.pattern, masking_names._TOKEN.pattern}
    assert [
        one.pattern
        for one in patterns
        if one.pattern not in parted and _unbounded_repeats(_PARSER.parse(one.pattern, one.flags & ~re.UNICODE)) > 1
    ] == []


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("hvor kan hun sove i natt? hun heter [navn] og har fnr [fødselsnummer]", "hvor kan hun sove i natt?"),
        ("pasienten heter [navn], hvor kan hun sove", "hvor kan hun sove"),
        ("kan [navn] få abort, hun er 16", "kan få abort, hun er 16"),  # the mark stands in the question itself
        ("hun heter [navn]", "hun heter"),
        ("[namn]", ""),
    ],
)
def test_what_only_leads_to_a_mark_is_not_searched_for(written: str, asked: str) -> None:
    assert " ".join(without_marks(written).split()) == asked

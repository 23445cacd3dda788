"""The support programme's catalogue as it ships: its 79 rows, what is asked about each, and who points at them."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpline.content import ContentError, content_folder
from helpline.messages import Language
from routing.certification.catalogue import CLASSIFICATION, PLACES, Catalogue, Column, Mode
from routing.directory import load_needs

CATALOGUE = Catalogue.load(content_folder())


def test_the_form_has_every_row_of_the_source() -> None:
    assert {area.key: len(area.rows) for area in CATALOGUE.areas} == {
        "prevention": 11,
        "protection": 48,
        "legal_process": 9,
        "return": 5,
        "integration": 6,
    }
    assert len(CATALOGUE.rows) == 79


def test_labels_are_those_of_the_source_with_its_misprints_put_right_and_kept() -> None:
    row = CATALOGUE.rows["protection.compensation.help_application"]
    assert (row.sv, row.en) == ("Hjälp med ansökan/stämningsansökan", "Help with application/summons")
    assert row.source_spelling == "stämningansökan"
    assert CATALOGUE.columns[Column.OFFERED] == ("Erbjuder (JA/NEJ)", "Offered")


def test_every_need_of_a_patient_points_at_rows_that_are_there() -> None:
    needs = load_needs(content_folder() / "needs.yaml")
    assert {row for need in needs.values() for row in need.catalogue} <= set(CATALOGUE.rows)


@pytest.mark.parametrize(
    ("row", "modes"),
    [
        ("prevention.prevention.research", (Mode.INTERNAL, Mode.EXTERNAL, Mode.FINANCIAL)),
        ("protection.medical_care.first_aid", (Mode.INTERNAL, Mode.EXTERNAL)),
        (PLACES, ()),
    ],
)
def test_who_does_it_is_asked_as_the_form_asks(row: str, modes: tuple[Mode, ...]) -> None:
    assert CATALOGUE.rows[row].modes == modes


def test_housing_is_specified_by_a_number_or_by_a_choice() -> None:
    housing = [row for row in CATALOGUE.rows.values() if Column.SPECIFICATION in row.columns]
    assert [row.key for row in housing if row.number] == [PLACES]
    assert [len(row.options) > 1 for row in housing if not row.number] == [True] * 7
    assert set(CATALOGUE.rows[CLASSIFICATION].options[0].names) == set(Language)


def test_a_row_that_is_there_twice_stops_the_start(tmp_path: Path) -> None:
    text = (content_folder() / "catalogue.yaml").read_text(encoding="utf-8")
    line = "          - {key: research, sv: Forskning, en: Research}\n"
    (tmp_path / "catalogue.yaml").write_text(text.replace(line, line * 2), encoding="utf-8")
    with pytest.raises(ContentError, match="same key"):
        Catalogue.load(tmp_path)

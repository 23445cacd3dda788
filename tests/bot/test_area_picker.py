"""Choosing areas without a map: what a search finds, what is ticked, and the form that works before any script."""

from __future__ import annotations

from multidict import MultiDict

from bot.desk import area_picker
from bot.desk.area_picker import chosen_of, picked, searched, searching, written
from helpline.content import content_folder
from helpline.messages import Country
from routing.places import Gazetteer, Level

NO, SE = Country.NO, Country.SE
PLACES = Gazetteer.load(content_folder() / "places")


def values(country: Country, search: str, chosen: tuple[str, ...] = ()) -> list[str]:
    return [found.choice.value for found in picked(PLACES, country, "areas", search=search, chosen=chosen).found]


def test_a_search_finds_kommuner_fylker_lan_and_regions_by_name_number_and_region() -> None:
    assert values(NO, "tromsø")[0] == "kommune 5501"
    assert values(NO, "Troms")[:2] == ["fylke 55", "kommune 5501"]
    assert values(NO, "kommune 5501") == ["kommune 5501"]
    assert values(NO, "UNN")[0] == "kommune 5501"
    assert values(NO, "Helse Nord")[0] == "helseregion H05"
    assert set(values(NO, "RVTS Sør")[:3]) == {"fylke 39", "fylke 40", "fylke 42"}
    assert set(values(SE, "region Bergslagen")) == {"lan 17", "lan 18", "lan 20"}
    assert values(SE, "skåne")[0] == "lan 12"


def test_it_finds_what_is_only_half_typed_or_misspelt_and_stays_in_the_country() -> None:
    assert "kommune 5501" in values(NO, "trom")
    assert "kommune 5501" in values(NO, "Trømso")
    assert values(NO, "Stockholm") == []
    assert "kommune 1804" in values(NO, "bod")
    assert values(NO, "q") == []


def test_a_larger_area_shows_its_parts() -> None:
    troms = next(found for found in picked(PLACES, NO, "areas", search="Troms fylke").found)
    assert len(troms.parts) == 21
    north = next(found for found in picked(PLACES, NO, "areas", search="Helse Nord").found)
    assert [part.level for part in north.parts] == [Level.FYLKE] * 3


def test_what_is_chosen_is_kept_once_and_the_largest_stands_first() -> None:
    chosen = ("kommune 5501 Tromsø", "fylke 55 Troms", "kommune 5501")
    field = picked(PLACES, NO, "areas", chosen=chosen)
    assert [(choice.value, choice.ticked, choice.covered_by) for choice in field.chosen] == [
        ("fylke 55", True, ""),
        ("kommune 5501", True, "Troms"),
    ]
    assert picked(PLACES, NO, "areas", chosen=[(Level.FYLKE, "55")]).chosen == field.chosen[:1]


def test_only_areas_of_the_country_are_taken_from_a_form() -> None:
    form = MultiDict([("areas", value) for value in ("kommune 5501", "lan 12", "national NO", "kommune 9999", "x", "")])
    assert chosen_of(form, "areas", PLACES, NO) == ((Level.KOMMUNE, "5501"),)
    assert written((Level.KOMMUNE, "5501"), PLACES, NO) == "kommune 5501 Tromsø"


def test_enter_in_the_search_searches_whatever_button_the_browser_pressed() -> None:
    assert searching({"do": "search:areas", "areas.search": "", "areas.searched": ""}, "areas")
    assert searching({"do": "save", "areas.search": "tromsø", "areas.searched": ""}, "areas")
    assert not searching({"do": "save", "areas.search": "tromsø", "areas.searched": "tromsø"}, "areas")
    assert not searching({"do": "save"}, "areas")
    assert len(searched({"areas.search": "x" * 5000}, "areas")) == area_picker._LONGEST_SEARCH


def test_nothing_found_is_said() -> None:
    assert picked(PLACES, NO, "areas", search="xyzzy").nothing
    assert not picked(PLACES, NO, "areas").nothing

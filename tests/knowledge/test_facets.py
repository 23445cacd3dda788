"""What a question says of the patient by itself: read where it can hardly mean anything else, else left to be asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.articles import Age, Status
from knowledge.facets import told


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("hva gjør jeg når hun er voksen", Age.ADULT),
        ("Voksen kvinne sier nei til politi", Age.ADULT),
        ("hun er tjuesju og helt klar", Age.ADULT),
        ("kvinne 34 år, vil ikke anmelde", Age.ADULT),
        ("hon är vuxen och vill inte", Age.ADULT),
        ("han er over 18", Age.ADULT),
        ("adult patient refuses the police", Age.ADULT),
        ("hun er 16 og vil hjem", Age.MINOR),
        ("jente på femten", Age.MINOR),
        ("15-åring brukt av gjeng", Age.MINOR),
        ("she is sixteen and insists on leaving", Age.MINOR),
        ("pasienten er mindreårig", Age.MINOR),
        ("må jeg anmelde når pasienten ikke vil", None),  # nothing said
        ("hun er gravid i uke 16", None),  # a week
        ("the patient is 34 weeks pregnant", None),
        ("barnet er 8 måneder", None),  # a child, and no years
        ("han er to meter høy", None),
        ("kom inn med en mann på 40 som svarer for henne", None),  # another's
        ("en voksen kar henter henne om kvelden", None),
        ("hun har en kjæreste på 30", None),
        ("hun er 16, han er 40", None),  # whose?
        ("hun er voksen eller barn, vi vet ikke", None),  # in doubt
        ("vet ikke om hun er voksen", None),
        ("hun sier hun er over 18", None),
        ("pasienten er ikke voksen", None),
        ("jeg er voksen sykepleier", None),
    ],
)
def test_an_age_said_in_words(text: str, age: Age | None) -> None:
    assert told(text).age is age


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("papirløs mann trenger et sted å bo", Status.UNDOCUMENTED),
        ("asylsøker uten fastlege", Status.ASYLUM_SEEKER),
        ("hun har fått refleksjonsperiode, får hun fastlege", Status.REFLECTION_PERIOD),
        ("EU-medborgare söker abort", Status.EEA),
        ("hvordan søker hun refleksjonsperiode", None),  # not yet
        ("er han turist eller papirløs", None),
        ("hun er ikke asylsøker", None),
        ("hjelp fra NAV", None),
    ],
)
def test_a_status_said_in_words(text: str, status: Status | None) -> None:
    assert told(text).status is status


@given(st.text(max_size=300))
def test_any_text_can_be_read(text: str) -> None:
    assert told(text) == told(text)

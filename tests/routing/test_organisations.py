"""Who is behind a service: entered or known by the name alone, never two by one name, and with its history."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpline import audit
from helpline.content import ContentError, node_of, read_yaml
from helpline.database import Database
from helpline.messages import Country, Language
from routing import store
from routing.certification.scope import reach
from routing.organisations import Organisation, Unclear, as_plain, check_all, id_of, read_organisation
from routing.places import Level
from routing.services import Phone
from tests.conftest import NINE
from tests.routing.worlds import PLACES, SHIPPED, a_directory, a_service

SHELTER = Organisation(
    "no-trygghet",
    Country.NO,
    "Trygghet",
    ("Stiftelsen Trygghet",),
    {Language.NB: "En stiftelse.", Language.EN: "A foundation."},
    "https://example.org/",
    "post@example.org",
    (Phone("11 22 33 44", {Language.NB: "sentralbord"}),),
    "123456789",
    "no-kirkens-bymisjon",
)


def test_what_is_written_out_is_read_back_the_same() -> None:
    for organisation in (*SHIPPED.organisations, SHELTER):
        assert read_organisation(node_of(as_plain(organisation), file="again"), organisation.country) == organisation


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{id: X, name: A}", "small letters"),
        ("{id: x, name: A, number: '12'}", "nine digits"),
        ("{id: x, name: A, url: example.org}", "http"),
        ("{id: x, name: Storgata 12}", "street address"),
        ("{id: x, name: A, street: B}", "unknown"),
    ],
)
def test_what_does_not_fit_is_named(text: str, complaint: str) -> None:
    with pytest.raises(ContentError, match=complaint):
        read_organisation(read_yaml(text, file="a.yaml"), Country.NO)


def test_every_service_has_somebody_behind_it() -> None:
    for service in SHIPPED.services:
        organisation = SHIPPED.organisation_of(service)
        assert organisation.country is service.country
        assert organisation.id == id_of(service.country, organisation.name)
    entered = {SHIPPED.organisation_of(service).id for service in SHIPPED.services}
    assert {each.id for each in SHIPPED.organisations} - entered == set()


def test_a_service_may_say_an_earlier_name() -> None:
    directory = a_directory(a_service("a", organisation="stiftelsen  trygghet"), a_service("b", organisation="Ny"))
    given = {"x": reach([(Level.FYLKE, "03")], Country.NO, PLACES)}
    entered = directory.with_all(directory.services, organisations=[SHELTER], certified={"no-trygghet": given})
    assert entered.organisation_of(entered.get("a")) == SHELTER
    assert entered.organisation_of(entered.get("b")) == Organisation("no-ny", Country.NO, "Ny")
    assert entered.is_certified(entered.get("a"))
    assert entered.certified_for(entered.get("a")) == given
    assert not entered.is_certified(entered.get("b"))
    assert entered.certified_for(entered.get("b")) == {}


@given(st.text(max_size=40), st.sampled_from(Country))
def test_any_name_makes_an_id_that_may_stand_in_a_file(name: str, country: Country) -> None:
    organisation = {"id": id_of(country, name), "name": "A"}
    assert read_organisation(node_of(organisation, file="x"), country).id == id_of(country, name)


@pytest.mark.parametrize(
    ("others", "complaint"),
    [
        ([replace(SHELTER, id="no-y", parent="", name="trygghet")], "called"),
        ([replace(SHELTER, id="no-y", parent="", name="Y", alternate_names=("TRYGGHET",))], "called"),
        ([replace(SHELTER, parent="")], "have the id"),
        ([Organisation("no-kirkens-bymisjon", Country.NO, "K", parent="no-trygghet")], "own parent"),
        ([], "is not among"),
    ],
)
def test_what_cannot_all_be_true_is_refused(others: list[Organisation], complaint: str) -> None:
    with pytest.raises(Unclear, match=complaint):
        check_all([SHELTER, *others])


async def test_an_organisation_is_saved_with_its_history(db: Database) -> None:
    async with db.write() as conn:
        await store.ship_services(conn, SHIPPED, now=NINE)
        before = await store.version_of(conn)
        first = await store.save_organisation(conn, SHELTER, now=NINE, actor="staff:noor")
        second = await store.save_organisation(conn, replace(first, email=""), now=NINE, actor="staff:asha")
        assert await store.version_of(conn) != before
        with pytest.raises(store.ChangedMeanwhile):
            await store.save_organisation(conn, first, now=NINE, actor="staff:noor")
        with pytest.raises(Unclear):
            await store.save_organisation(conn, replace(SHELTER, id="no-b", name="NAV"), now=NINE, actor="staff:noor")
        past = await store.organisation_history(conn, "no-trygghet")
        directory = await store.directory_of(conn, SHIPPED, PLACES)
        assert await audit.verify(conn) is None
    assert [(each.organisation, each.changed_by) for each in past] == [(second, "staff:asha"), (first, "staff:noor")]
    assert directory.find_organisation("no-trygghet") == second
    assert {replace(each, revision=0) for each in directory.organisations} >= set(SHIPPED.organisations)


async def test_they_go_out_to_files_and_come_in_again(db: Database, tmp_path: Path) -> None:
    with_shelter = SHIPPED.with_all(SHIPPED.services, organisations=[*SHIPPED.organisations, SHELTER])
    store.export_organisations(with_shelter, tmp_path, day=date(2026, 11, 22))
    assert set(store.read_organisation_files(tmp_path)) == set(with_shelter.organisations)
    async with db.write() as conn:
        await store.ship_services(conn, SHIPPED, now=NINE)
        taken = await store.import_organisations(conn, tmp_path, now=NINE, actor="staff:noor")
    assert (taken.added, taken.changed, len(taken.same)) == (("no-trygghet",), (), len(SHIPPED.organisations))


async def test_a_file_that_would_name_two_by_one_name_changes_nothing(db: Database, tmp_path: Path) -> None:
    file = tmp_path / "no.yaml"
    file.write_text("country: NO\ncompiled: 2026-11-22\norganisations: [{id: no-x, name: nav}]\n", encoding="utf-8")
    async with db.write() as conn:
        await store.ship_services(conn, SHIPPED, now=NINE)
    with pytest.raises(ContentError, match="called"):
        async with db.write() as conn:
            await store.import_organisations(conn, file, now=NINE, actor="staff:noor")
    async with db.read() as conn:
        assert len(await store.all_organisations(conn)) == len(SHIPPED.organisations)

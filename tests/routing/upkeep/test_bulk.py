"""Many services at once: what a file would add, change and leave, and every refusal with its line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from helpline.content import ContentError, content_folder, read_yaml
from routing.matching.refer import World
from routing.places import Gazetteer
from routing.services import Phone, Service
from routing.store import export_services
from routing.upkeep import bulk
from routing.upkeep.bulk import Plan, Read, Refusal, What, plan, read_rows
from tests.conftest import NINE

WORLD = World.load(content_folder())
GAZETTEER: Gazetteer = WORLD.gazetteer
NEEDS = WORLD.directory.needs
PRESENT = {service.id: replace(service, revision=3) for service in WORLD.directory.services}


def read(text: str) -> tuple[Read, ...]:
    return read_rows(read_yaml(text, file="new.yaml"), GAZETTEER, NEEDS)


@pytest.fixture(scope="module")
def norway(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The Norwegian file as it is exported."""
    folder: Path = tmp_path_factory.mktemp("export")
    files = export_services(WORLD.directory, folder, day=NINE.date())
    return next(path.read_text(encoding="utf-8") for path in files if "no" in path.stem)


def counts(made: Plan) -> dict[str, int]:
    return {what.value: len(made.of(what)) for what in What if made.of(what)}


def test_what_was_exported_changes_nothing(norway: str) -> None:
    made = plan(read(norway), PRESENT)
    assert counts(made) == {"same": len([one for one in PRESENT.values() if one.country.value == "NO"])}
    assert made.brings == ()


def test_a_row_that_is_wrong_is_refused_with_its_line_and_the_rest_stands(norway: str) -> None:
    lines = norway.splitlines()
    at = next(number for number, line in enumerate(lines) if line.strip().startswith("kind:"))
    lines[at] = lines[at].partition("kind:")[0] + "kind: castle"
    made = plan(read("\n".join(lines)), PRESENT)
    (row,) = made.of(What.REFUSED)
    assert row.line == at + 1
    assert "castle" in row.wrong or "kind" in row.wrong
    assert row.id in PRESENT
    assert len(made.of(What.SAME)) == len(read(norway)) - 1


@pytest.mark.parametrize("text", ["", "[]", "country: NO", "country: DK\nservices: []", "services: x", "a: b: c"])
def test_what_is_no_file_of_services_is_said_to_be_none(text: str) -> None:
    with pytest.raises(ContentError):
        read(text)


def rows(*services: Service) -> tuple[Read, ...]:
    return tuple(Read(number, service.id, service) for number, service in enumerate(services, start=1))


A_SERVICE = next(service for service in WORLD.directory.services if service.phones)


def test_added_changed_and_the_same_upon_the_revision_that_stands_there() -> None:
    new = replace(A_SERVICE, id="helt-ny", name="Noe helt annet", phones=())
    noted = replace(A_SERVICE, note="Nytt.")
    made = plan(rows(noted, new, WORLD.directory.services[1]), PRESENT)
    assert counts(made) == {"added": 1, "changed": 1, "same": 1}
    changed, added = made.of(What.CHANGED)[0], made.of(What.ADDED)[0]
    assert changed.service is not None
    assert added.service is not None
    assert (changed.service.revision, added.service.revision) == (3, 0)
    assert (changed.because, added.because) == ((), ("new",))
    called = replace(A_SERVICE, phones=(Phone("22 00 11 22"),))
    assert plan(rows(called), PRESENT).rows[0].because == ("phones",)


def test_twice_in_the_file_another_country_and_the_public_feed_are_refused() -> None:
    foreign = next(one for one in WORLD.directory.services if one.country is not A_SERVICE.country)
    there = replace(A_SERVICE, id=foreign.id)
    less = Read(None, A_SERVICE.id, replace(A_SERVICE, note=""), refused=Refusal.SAYS_LESS)
    assert [row.refused for row in plan(rows(A_SERVICE, A_SERVICE), PRESENT).rows] == [None, Refusal.TWICE]
    assert plan(rows(there), PRESENT).rows[0].refused is Refusal.OTHER_COUNTRY
    assert plan([less], PRESENT).rows[0].refused is Refusal.SAYS_LESS


def test_a_number_that_nobody_can_dial_is_refused_unless_it_stands_there() -> None:
    short = replace(A_SERVICE, phones=(*A_SERVICE.phones, Phone("22 33 11")))
    (row,) = plan(rows(short), PRESENT).rows
    assert (row.what, row.refused, row.number) == (What.REFUSED, Refusal.PHONE, "22 33 11")
    there = {**PRESENT, A_SERVICE.id: short}
    assert plan(rows(replace(short, note="Nytt.")), there).rows[0].what is What.CHANGED


def test_a_new_service_that_may_be_there_already_names_which() -> None:
    twin = replace(A_SERVICE, id="tvilling")
    (row,) = plan(rows(twin), PRESENT).rows
    assert A_SERVICE.id in {one.id for one in row.like}
    apart = {tuple(sorted((one.id, "tvilling"))) for one in row.like}
    assert plan(rows(twin), PRESENT, apart=apart).rows[0].like == ()  # type: ignore[arg-type]


def test_what_was_seen_differs_when_something_else_stands_there() -> None:
    noted = replace(A_SERVICE, note="Nytt.")
    later = {**PRESENT, A_SERVICE.id: replace(PRESENT[A_SERVICE.id], revision=4)}
    assert plan(rows(noted), PRESENT).seen == plan(rows(noted), PRESENT).seen
    assert plan(rows(noted), PRESENT).seen != plan(rows(noted), later).seen
    assert plan(rows(noted), PRESENT).seen != plan(rows(), PRESENT).seen
    assert bulk.Plan(()).brings == ()

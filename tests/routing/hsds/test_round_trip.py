"""What is written is by the field list, and reads back equal: all that ships, and services with every field."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import frictionless
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from helpline.messages import Country
from routing.directory import Directory
from routing.hsds import checks, package, profile
from routing.hsds.feeds import Feed
from routing.hsds.fields import Version
from routing.hsds.loss import LossReport, Why
from routing.hsds.reading import Brought, read
from routing.hsds.schemas import schema_of
from routing.hsds.writing import Written, write
from tests.routing.hsds import generated
from tests.routing.worlds import PLACES, SHIPPED

DAY = date(2026, 11, 22)
FORMATS = Draft202012Validator.FORMAT_CHECKER


def written(directory: Directory, feed: Feed = Feed.PARTNER, **more: Any) -> Written:
    return write(directory, PLACES, feed=feed, on=DAY, **more)


def brought(services: Any, organizations: Any = (), losses: LossReport | None = None) -> Brought:
    return read(
        services,
        organizations,
        gazetteer=PLACES,
        needs=SHIPPED.needs,
        country=Country.NO,
        losses=losses or LossReport(),
    )


def through_files(out: Written, path: Path) -> Brought:
    losses = LossReport()
    found = package.read_files(path, losses)
    return brought(found.services, found.organizations, losses)


def errors_of(out: Written, version: Version = Version.V3_1) -> list[str]:
    """What the schemas say, with nothing allowed that the field list does not name."""
    found = []
    for name, entries in (
        ("service", out.services),
        ("organization", out.organizations),
        ("taxonomy", out.taxonomies),
        ("taxonomy_term", out.taxonomy_terms),
    ):
        validator = Draft202012Validator(schema_of(name, strict=True, version=version), format_checker=FORMATS)
        found += [
            f"{name}: {error.json_path}: {error.message}" for each in entries for error in validator.iter_errors(each)
        ]
    return found


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Frictionless trusts paths below where it stands, and no other."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@pytest.fixture(scope="module", params=list(Feed))
def shipped(request: pytest.FixtureRequest) -> Written:
    return written(SHIPPED, request.param)


def test_what_ships_is_by_the_field_list_and_nothing_is_wrong_with_it(shipped: Written) -> None:
    assert errors_of(shipped) == []
    assert checks.check(shipped.services, shipped.organizations, shipped.taxonomy_terms) == []


def test_what_ships_fits_our_profile(shipped: Written) -> None:
    for name, entries in (("service", shipped.services), ("organization", shipped.organizations)):
        validator = Draft202012Validator(profile.compiled(name), format_checker=FORMATS)
        assert [error.message for each in entries for error in validator.iter_errors(each)] == []


def test_the_package_of_what_ships_is_valid(shipped: Written, tmp_path: Path) -> None:
    package.write_package(shipped, tmp_path)
    with inside(tmp_path):
        report = frictionless.Package("datapackage.json").validate()
    assert report.valid, report.flatten(["rowNumber", "fieldName", "type", "note"])[:5]


def test_an_older_version_holds_nothing_that_came_later() -> None:
    out = written(SHIPPED, version=Version.V3_0)
    assert errors_of(out, Version.V3_0) == []
    assert {loss.why for loss in out.losses.losses} == {Why.NOT_IN_VERSION}
    assert len(brought(out.services, out.organizations).services) == len(SHIPPED.services)


@pytest.mark.parametrize("form", ["services.json", "folder", "package", "package.zip"])
def test_all_that_ships_reads_back_equal(form: str, tmp_path: Path) -> None:
    out = written(SHIPPED)
    path = tmp_path / form
    if form.startswith("package"):
        package.write_package(out, path)
    else:
        package.write_json(out, path)
    back = through_files(out, path)
    assert {service.id: service for service in back.services} == {service.id: service for service in SHIPPED.services}
    kept = {each.id: each for each in back.organisations}
    behind = {SHIPPED.organisation_of(service).id for service in SHIPPED.services}
    for organisation in SHIPPED.organisations:
        if form != "services.json" or organisation.id in behind:
            assert kept[organisation.id] == organisation
    assert not back.losses
    assert not back.drafts


def test_the_public_feed_reads_back_equal_but_for_what_is_protected() -> None:
    out = written(SHIPPED, Feed.PUBLIC)
    back = brought(out.services, out.organizations)
    named = {service.id: service for service in SHIPPED.services if not service.hides_place}
    assert {service.id: service for service in back.services} == named
    assert {loss.why for loss in back.losses.losses} == {Why.NOT_TAKEN}


def test_the_same_directory_is_written_the_same() -> None:
    assert written(SHIPPED).services == written(SHIPPED).services


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_a_service_with_every_field_reads_back_equal_over_json_and_tables(data: st.DataObject) -> None:
    service = data.draw(generated.services())
    capacity = data.draw(st.one_of(st.none(), generated.capacities(service.id)))
    organisation = data.draw(st.one_of(st.none(), generated.organisations(service.organisation, service.country)))
    directory = SHIPPED.with_all(
        [*(each for each in SHIPPED.services if each.id in ALWAYS), service],
        organisations=[organisation] if organisation else [],
        capacities={service.id: capacity} if capacity else {},
    )
    out = written(directory)
    only = replace(out, services=tuple(each for each in out.services if _key(each) == service.id))
    assert len(only.services) == 1
    assert errors_of(only) == []
    findings = checks.check(only.services, out.organizations, out.taxonomy_terms)
    # The hours that hypothesis makes do overlap; everything else must be right.
    assert [each for each in findings if each.fault is not checks.Fault.OVERLAP] == []
    rows = package.package_files(only)
    losses = LossReport()
    from_tables = package.read_tables(rows, losses)
    for back in (
        brought(only.services, out.organizations),
        brought(from_tables.services, from_tables.organizations, losses),
    ):
        assert back.losses.losses == []
        assert back.services == (service,)
        assert back.capacities == ((capacity,) if capacity else ())
        assert {each.id: each for each in back.organisations} == (
            {organisation.id: organisation} if organisation else {}
        )


ALWAYS = {i for fallback in SHIPPED.fallbacks.values() for i in (*fallback.everyone, *fallback.minor)}


def _key(service: dict[str, Any]) -> Any:
    return next(each["value"] for each in service["attributes"] if each["taxonomy_term"]["code"] == "fact:key")

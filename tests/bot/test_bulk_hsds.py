"""A directory goes out as HSDS and comes in: ours as it stands, others' as drafts, and nothing protected is undone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from bot import bulk_hsds
from bot.bulk_hsds import Form, Plan
from helpline import audit
from helpline.content import content_folder
from helpline.database import Database
from helpline.messages import Country
from helpline.vault import Vault
from routing import capacity_store, store
from routing.capacity import Capacity, Teller
from routing.certification import decision_store, profile_store, provider_store
from routing.certification.standing import DecisionKind, RowAnswer
from routing.directory import Directory
from routing.hsds import package
from routing.hsds.feeds import Feed
from routing.hsds.fields import Version
from routing.hsds.loss import Why
from routing.hsds.writing import write
from routing.places import Level
from routing.services import Answer, Contact, ServiceStatus
from tests.conftest import NINE
from tests.routing.worlds import PLACES, SHIPPED, a_directory

FOREIGN = Path(__file__).parents[1] / "routing" / "hsds" / "foreign"


async def bring(db: Database, path: Path) -> Plan:
    async with db.write() as conn:
        return await bulk_hsds.bring_in(
            conn, path, shipped=SHIPPED, gazetteer=PLACES, country=Country.NO, now=NINE, actor="staff:noor"
        )


async def standing(db: Database) -> Directory:
    async with db.read() as conn:
        return await store.directory_of(conn, SHIPPED, PLACES)


async def shipped(db: Database) -> None:
    async with db.write() as conn:
        await store.ship_services(conn, SHIPPED, now=NINE)


def put(directory: Directory, path: Path, feed: Feed = Feed.PARTNER) -> Path:
    package.write_json(write(directory, PLACES, feed=feed, on=date(2026, 11, 22)), path)
    return path


@pytest.mark.parametrize("partner", [False, True])
async def test_what_went_out_comes_in_and_changes_nothing(db: Database, tmp_path: Path, partner: bool) -> None:
    await shipped(db)
    async with db.write() as conn:
        rosa = replace(SHIPPED.get("rosa"), owner="asha", contacts=(Contact(title="Vakt"),), revision=1)
        await store.save_service(conn, rosa, now=NINE, actor="staff:noor")
    before = await standing(db)
    async with db.read() as conn:
        said = await bulk_hsds.take_out(
            conn,
            tmp_path / "out",
            shipped=SHIPPED,
            gazetteer=PLACES,
            content=content_folder(),
            public_url="https://varde.example",
            now=NINE,
            form=Form.PACKAGE if partner else Form.JSON,
            partner=partner,
            version=Version.V3_1,
        )
    assert f"{len(SHIPPED.services)} services" in said
    assert (tmp_path / "out" / "loss-report.json").exists()
    plan = await bring(db, tmp_path / "out")
    assert (plan.services.added, plan.services.changed, plan.services.left) == ((), (), ())
    assert not plan.findings
    assert set((await standing(db)).services) == set(before.services)


async def test_who_is_certified_is_told_by_the_day_that_it_is_there_and_not_in_utc(
    db: Database, tmp_path: Path
) -> None:
    await shipped(db)
    row, vault, actors = (
        "protection.support_work.supportive_talks",
        Vault(bytes(range(32))),
        ("staff:maja", "staff:siv"),
    )
    service = next(each for each in SHIPPED.services if each.country is Country.SE and not each.hides_place)
    organisation = SHIPPED.organisation_of(service)
    async with db.write() as conn:
        await provider_store.begin(
            conn,
            vault,
            organisation_id=organisation.id,
            country=Country.SE,
            name=organisation.name,
            actor=actors[0],
            now=NINE,
        )
        answers = {row: RowAnswer(offered=True)}
        areas = [(Level.NATIONAL, "SE")]
        await profile_store.save_profile(
            conn, vault, organisation.id, answers=answers, areas=areas, version=0, actor=actors[0], now=NINE
        )
        await profile_store.accept_profile(
            conn, organisation.id, version=1, actor=actors[0], now=NINE, on=date(2026, 11, 22)
        )
        decision = await decision_store.propose(
            conn, vault, organisation.id, DecisionKind.GRANT, why="", actor=actors[0], now=NINE
        )
        await decision_store.settle(
            conn, organisation.id, decision, confirm=True, actor=actors[1], now=NINE, on=date(2026, 11, 22)
        )

    async def is_told(at: datetime, path: Path) -> bool:
        async with db.read() as conn:
            await bulk_hsds.take_out(
                conn,
                path,
                shipped=SHIPPED,
                gazetteer=PLACES,
                content=content_folder(),
                public_url=None,
                now=at,
                form=Form.JSON,
                partner=False,
                version=Version.V3_1,
            )
        return b"Certified by" in (path / "services.json").read_bytes()

    # At half past midnight there: the first day, and the one after the last.
    assert await is_told(datetime(2026, 11, 21, 23, 30, tzinfo=UTC), tmp_path / "first")
    assert not await is_told(datetime(2027, 11, 22, 23, 30, tzinfo=UTC), tmp_path / "last")


async def test_somebody_elses_service_is_a_draft_that_is_not_written_over(db: Database) -> None:
    await shipped(db)
    first = await bring(db, FOREIGN / "3.1.json")
    (draft,) = first.drafts
    assert first.services.added == (draft,)
    assert (await standing(db)).get(draft).status is ServiceStatus.INACTIVE
    assert (await bring(db, FOREIGN / "3.1.json")).services.same == (draft,)
    async with db.write() as conn:
        looked_at = replace((await standing(db)).get(draft), note="Sett på av oss.")
        await store.save_service(conn, looked_at, now=NINE, actor="staff:noor")
    again = await bring(db, FOREIGN / "3.1.json")
    assert again.services.left == (draft,)
    assert (await standing(db)).get(draft).note == "Sett på av oss."
    assert any(loss.why is Why.NOT_TAKEN for loss in again.losses.losses)
    assert "things were left behind" in again.summary(done=True)
    assert f"! {draft}" in "\n".join(again.lines())
    assert {"id": draft, "what": "left", "draft": False} in list(again.results())
    async with db.read() as conn:
        assert await audit.verify(conn) is None


async def test_no_file_takes_the_protection_off_a_place(db: Database, tmp_path: Path) -> None:
    await shipped(db)
    hidden = next(service for service in SHIPPED.services if service.hides_place)
    open_now = replace(hidden, protected=False, kind=SHIPPED.get("rosa").kind)
    path = put(a_directory(open_now), tmp_path / "a")
    plan = await bring(db, path)
    assert plan.services.left == (hidden.id,)
    assert (await standing(db)).get(hidden.id).hides_place


async def test_room_is_taken_over_where_it_was_told_later(db: Database, tmp_path: Path) -> None:
    await shipped(db)
    old = Capacity("rosa", Answer.YES, 3, 5, "plasser", NINE - timedelta(hours=3), Teller.SERVICE)
    new = replace(old, free=1, told_at=NINE - timedelta(hours=1))
    async with db.write() as conn:
        await capacity_store.tell(conn, old, actor="staff:noor", now=NINE)
    for told, expected in ((new, 1), (old, 1)):
        directory = SHIPPED.with_all(a_directory().services, capacities={"rosa": told})
        await bring(db, put(directory, tmp_path / f"room-{told.free}"))
        capacity = (await standing(db)).capacity_of("rosa")
        assert capacity is not None
        assert capacity.free == expected


async def test_organisations_that_cannot_all_be_true_come_in_without_what_contradicts(
    db: Database, tmp_path: Path
) -> None:
    one, other = "5ba5d0c0-93f8-4b2f-8f6c-2f4f1f7c4a01", "5ba5d0c0-93f8-4b2f-8f6c-2f4f1f7c4a02"
    told = {"description": "x", "alternate_name": "Beta Ring"}
    path = tmp_path / "ring.json"
    path.write_bytes(
        orjson.dumps(
            [
                {"id": one, "name": "Alfa Ring", "parent_organization_id": other, **told},
                {"id": other, "name": "Beta Ring", "parent_organization_id": one, **told},
            ]
        )
    )
    plan = await bring(db, path)
    assert set(plan.organisations.added) == {"no-alfa-ring", "no-beta-ring"}
    lost = {loss.where for loss in plan.losses.losses}
    assert {"organization.alternate_name", "organization.parent_organization_id"} <= lost

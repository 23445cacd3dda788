"""The directory in the database: taken in once, changed with a history, written out and read back the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import SQLModel

from helpline import audit
from helpline.content import ContentError, content_folder
from helpline.database import Database
from helpline.storage import table_of
from routing import store
from routing.services import Address, Location, ServiceKind
from tests.conftest import NINE
from tests.routing.test_services import A_FULL_SERVICE, read
from tests.routing.worlds import PLACES, SHIPPED, a_service

SERVICES = content_folder() / "services"


async def shipped(db: Database) -> store.Imported:
    async with db.write() as conn:
        return await store.ship_services(conn, SHIPPED, now=NINE)


async def test_an_empty_database_answers_with_what_was_shipped(db: Database) -> None:
    async with db.read() as conn:
        assert await store.directory_of(conn, SHIPPED, PLACES) is SHIPPED


async def test_the_shipped_services_are_brought_in_once(db: Database) -> None:
    first, second = await shipped(db), await shipped(db)
    assert (len(first.added), len(second.added), len(second.same)) == (224, 0, 224)
    async with db.read() as conn:
        found = await store.directory_of(conn, SHIPPED, PLACES)
        assert {replace(service, revision=0) for service in found.services} == set(SHIPPED.services)
        assert {service.revision for service in found.services} == {1}
        assert await audit.verify(conn) is None


async def test_an_import_gives_what_differs_a_new_revision_and_an_entry_in_the_trail(
    db: Database, tmp_path: Path
) -> None:
    await shipped(db)
    text = (SERVICES / "no.yaml").read_text(encoding="utf-8").replace("name: UDI", "name: Utlendingsdirektoratet")
    (tmp_path / "no.yaml").write_text(text, encoding="utf-8")
    async with db.write() as conn:
        taken = await store.import_services(
            conn, tmp_path, directory=SHIPPED, gazetteer=PLACES, now=NINE, actor="staff:noor"
        )
    assert (taken.added, taken.changed, len(taken.same)) == ((), ("udi",), 131)
    async with db.read() as conn:
        directory = await store.directory_of(conn, SHIPPED, PLACES)
        assert (directory.get("udi").name, directory.get("udi").revision) == ("Utlendingsdirektoratet", 2)
        past = await store.history(conn, "udi", SHIPPED, PLACES)
        assert [(r.service.name, r.changed_by) for r in past] == [
            ("Utlendingsdirektoratet", "staff:noor"),
            ("UDI", store.SHIPPED),
        ]
        assert await audit.verify(conn) is None


async def test_a_newer_release_does_not_overwrite_what_a_human_changed(db: Database) -> None:
    await shipped(db)
    rosa = replace(SHIPPED.get("rosa"), note="Kontrollert av oss.", revision=1)
    async with db.write() as conn:
        saved = await store.save_service(conn, rosa, now=NINE, actor="staff:noor")
    assert saved.revision == 2
    assert (await shipped(db)).left == ("rosa",)


async def test_two_hands_on_one_service_are_told(db: Database) -> None:
    await shipped(db)
    rosa = replace(SHIPPED.get("rosa"), note="Ny.", revision=1)
    async with db.write() as conn:
        await store.save_service(conn, rosa, now=NINE, actor="staff:noor")
    with pytest.raises(store.ChangedMeanwhile):
        async with db.write() as conn:
            await store.save_service(conn, rosa, now=NINE, actor="staff:asha")


async def test_a_dry_run_tells_and_changes_nothing(db: Database) -> None:
    async with db.write() as conn:
        told = await store.import_services(
            conn, SERVICES, directory=SHIPPED, gazetteer=PLACES, now=NINE, actor="staff:noor", dry_run=True
        )
        assert len(told.added) == 224
        assert not any(await store.version_of(conn))


async def test_one_wrong_line_and_nothing_is_taken_in(db: Database, tmp_path: Path) -> None:
    broken = (SERVICES / "se.yaml").read_text(encoding="utf-8").replace('kommune: ["1730"]', 'kommune: ["9999"]')
    (tmp_path / "se.yaml").write_text(broken, encoding="utf-8")
    with pytest.raises(ContentError, match=r"se.yaml:\d+: There is no kommune"):
        async with db.write() as conn:
            await store.import_services(
                conn, tmp_path, directory=SHIPPED, gazetteer=PLACES, now=NINE, actor="staff:noor"
            )
    async with db.read() as conn:
        assert not any(await store.version_of(conn))


async def test_a_missing_fallback_is_taken_from_what_was_shipped(db: Database) -> None:
    async with db.write() as conn:
        await store.put_services(conn, [a_service("only-one")], now=NINE, actor="staff:noor")
    async with db.read() as conn:
        directory = await store.directory_of(conn, SHIPPED, PLACES)
    assert directory.get("only-one").revision == 1
    assert directory.get("rosa").phones


async def test_one_service_that_cannot_be_read_any_more_does_not_take_the_others_with_it(db: Database) -> None:
    """A kommune that was merged away, or a hand in the database; even if it is one that must always be there."""
    await shipped(db)
    async with db.write() as conn:
        for name, old, new in (
            ("iom", '"id":"iom"', '"id":"iom","gone":1'),
            ("rosa", '"level":"national"', '"fylke":["99"]'),
        ):
            row = table_of(store.ServiceRow)
            document = (await conn.execute(select(row.c.document).where(row.c.id == name))).scalar_one()
            assert old in document
            await conn.execute(update(row).where(row.c.id == name).values(document=document.replace(old, new)))
        directory = await store.directory_of(conn, SHIPPED, PLACES)
        told = await store.unreadable(conn, SHIPPED, PLACES)
    assert directory.find("iom") is None
    assert directory.get("rosa") == SHIPPED.get("rosa")
    assert len(directory.services) == len(SHIPPED.services) - 1
    assert set(told) == {"iom", "rosa"}
    assert "no fylke" in told["rosa"]


async def test_what_is_taken_for_an_address_later_takes_no_service_away_but_a_hidden_one(db: Database) -> None:
    """As if a release before this one had not known the form "Storgt. 12", and taken it for a name."""
    async with db.write() as conn:
        services = [a_service("open", note="X"), a_service("hidden", note="X", protected=True)]
        await store.put_services(conn, services, now=NINE, actor="staff:noor")
        row = table_of(store.ServiceRow)
        for each in (await conn.execute(select(row))).all():
            document = each.document.replace('"note":"X"', '"note":"Storgt. 12"')
            await conn.execute(update(row).where(row.c.id == each.id).values(document=document))
        directory = await store.directory_of(conn, SHIPPED, PLACES)
        told = await store.unreadable(conn, SHIPPED, PLACES)
    assert directory.get("open").note == "Storgt. 12"
    assert directory.find("hidden") is None
    assert set(told) == {"hidden"}


@pytest.mark.parametrize("how", [{"protected": True}, {"kind": ServiceKind.CRISIS_CENTRE}, {}])
async def test_a_place_that_goes_into_hiding_is_forgotten_in_every_wording_it_had(
    db: Database, how: dict[str, Any]
) -> None:
    centre = Location("sentrum", address=Address("Storgata 12", "9008", "Tromsø"))
    other = Location("kontor", address=Address("Havnegata 3", "9008", "Tromsø"))
    async with db.write() as conn:
        first = await store.save_service(conn, a_service("a", locations=(centre, other)), now=NINE, actor="staff:noor")
        moved = replace(first, note="Flyttet.", locations=(other, centre))
        second = await store.save_service(conn, moved, now=NINE, actor="staff:noor")
        bare = tuple(replace(each, address=None) for each in (centre, other))
        hidden = replace(second, locations=bare if how else (replace(bare[0], protected=True), other), **how)
        await store.save_service(conn, hidden, now=NINE, actor="staff:noor")
        past = await store.history(conn, "a", SHIPPED, PLACES)
        kept = [
            row.document for table in (store.ServiceRow, store.ServiceRevisionRow) for row in await rows(conn, table)
        ]
    assert len(past) == 3
    assert len(kept) == 4
    assert not [document for document in kept if "Storgata" in document]
    # Another location of the same service keeps its own, unless the whole service hides.
    assert any("Havnegata" in document for document in kept) is not bool(how)


async def rows(conn: AsyncConnection, model: type[SQLModel]) -> Sequence[Any]:
    return (await conn.execute(select(table_of(model)))).all()


def test_what_is_exported_is_read_back_the_same(tmp_path: Path) -> None:
    more = a_service("one-more", name="Nei: ja, 08:00 #1", note="0301")
    added = SHIPPED.with_all((*SHIPPED.services, more, read(A_FULL_SERVICE)))
    written = store.export_services(added, tmp_path, day=date(2026, 11, 22))
    assert [path.name for path in written] == ["no.yaml", "se.yaml"]
    assert set(store.read_files(tmp_path, SHIPPED, PLACES)) == set(added.services)

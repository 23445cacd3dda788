"""The directory in the database: services and organisations with their history, taken in from files and written out.

A service is one document in the form of `routing/upkeep/service_form.py`, an organisation in that of
`organisations.py`, each read through its one strict reader wherever it comes from; an import with one wrong line
changes nothing. What leaves is an immutable `Directory`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, TypeVar

import orjson
import structlog
import yaml
from sqlalchemy import Integer, String, Table, Text, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, SQLModel

from helpline import audit
from helpline.content import ContentError, node_of
from helpline.messages import Country
from helpline.storage import UtcDateTime, canonical, insert_once, rows_touched, table_of, wake
from routing import capacity_store, organisations
from routing.certification.scope import Scope
from routing.directory import Directory, Fallback, load_organisations, load_services
from routing.organisations import Organisation
from routing.places import Gazetteer
from routing.services import HOUSING, Service
from routing.upkeep import fallback_store
from routing.upkeep.service_form import Known, as_plain, looks_like_address, read_service

log = structlog.get_logger(__name__)

T = TypeVar("T")

TOPIC = "library"  # rung when something in the directory changes; whoever holds one loads it anew
SHIPPED = "content"  # the actor of what came with the program and no human has changed since


class ServiceRow(SQLModel, table=True):
    """A service as it stands now. Kept for as long as it is in the directory; it says nothing of any patient."""

    __tablename__ = "service"

    id: str = Field(primary_key=True, sa_type=String)
    country: str = Field(sa_type=String, index=True)
    revision: int = Field(sa_type=Integer)
    document: str = Field(sa_type=Text)  # canonical JSON
    changed_at: datetime = Field(sa_type=UtcDateTime)
    changed_by: str = Field(sa_type=String)


class ServiceRevisionRow(SQLModel, table=True):
    """A service as it once stood. Kept for ever: what a clinician was told must be found again years later."""

    __tablename__ = "service_revision"

    service_id: str = Field(primary_key=True, sa_type=String)
    revision: int = Field(primary_key=True, sa_type=Integer)
    document: str = Field(sa_type=Text)
    changed_at: datetime = Field(sa_type=UtcDateTime)
    changed_by: str = Field(sa_type=String)


class OrganisationRow(SQLModel, table=True):
    """An organisation as it stands now. Kept for as long as it is in the directory; it says nothing of any patient."""

    __tablename__ = "organisation"

    id: str = Field(primary_key=True, sa_type=String)
    country: str = Field(sa_type=String, index=True)
    revision: int = Field(sa_type=Integer)
    document: str = Field(sa_type=Text)  # canonical JSON
    changed_at: datetime = Field(sa_type=UtcDateTime)
    changed_by: str = Field(sa_type=String)


class OrganisationRevisionRow(SQLModel, table=True):
    """An organisation as it once stood. Kept for ever, as what its services were."""

    __tablename__ = "organisation_revision"

    organisation_id: str = Field(primary_key=True, sa_type=String)
    revision: int = Field(primary_key=True, sa_type=Integer)
    document: str = Field(sa_type=Text)
    changed_at: datetime = Field(sa_type=UtcDateTime)
    changed_by: str = Field(sa_type=String)


_services = table_of(ServiceRow)
_revisions = table_of(ServiceRevisionRow)
_organisations = table_of(OrganisationRow)
_organisation_revisions = table_of(OrganisationRevisionRow)
_DOCUMENT = (_services.c.id, _services.c.country, _services.c.revision, _services.c.document)


@dataclass(frozen=True)
class _Shelf:
    """One sort of document: where it stands now, where it stood before, and what the trail calls it."""

    now: Table
    past: Table
    past_id: str
    one: str
    many: str


_SERVICES = _Shelf(_services, _revisions, "service_id", "service", "services")
_ORGANISATIONS = _Shelf(_organisations, _organisation_revisions, "organisation_id", "organisation", "organisations")


@dataclass(frozen=True)
class _Written:
    """One document as it goes into the database."""

    country: Country
    document: str


class ChangedMeanwhile(Exception):
    """Somebody else changed this since it was read."""


@dataclass(frozen=True)
class Imported:
    """What an import did, or would do: ids of services or of organisations."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    same: tuple[str, ...] = ()
    left: tuple[str, ...] = ()  # changed by a human since, and therefore not overwritten


@dataclass(frozen=True)
class Revision:
    """One earlier or present wording of a service."""

    service: Service
    changed_at: datetime
    changed_by: str


@dataclass(frozen=True)
class Wording:
    """A service as it was written down once, unread: the program may know a place or a need in it no more."""

    revision: int
    country: Country
    plain: Mapping[str, Any]
    changed_at: datetime
    changed_by: str


@dataclass(frozen=True)
class OrganisationRevision:
    """One earlier or present wording of an organisation."""

    organisation: Organisation
    changed_at: datetime
    changed_by: str


def read_files(path: Path, directory: Directory, gazetteer: Gazetteer) -> tuple[Service, ...]:
    """The services of a file, or of every YAML file in a folder; `ContentError` with file and line."""
    found = tuple(service for file in _files(path) for service in load_services(file, gazetteer, directory.needs)[2])
    directory.check_rows(found)
    return found


def read_organisation_files(path: Path) -> tuple[Organisation, ...]:
    """The organisations of a file, or of every YAML file in a folder; `ContentError` with file and line."""
    return tuple(organisation for file in _files(path) for organisation in load_organisations(file))


def _files(path: Path) -> list[Path]:
    files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    if not files:
        raise ContentError("The folder holds no .yaml file.", file=str(path))
    return files


async def import_services(
    conn: AsyncConnection,
    path: Path,
    *,
    directory: Directory,
    gazetteer: Gazetteer,
    now: datetime,
    actor: str,
    dry_run: bool = False,
) -> Imported:
    """Take in a file or a folder: new services are added, known ones get a new revision where they differ."""
    return await put_services(conn, read_files(path, directory, gazetteer), now=now, actor=actor, dry_run=dry_run)


async def import_organisations(
    conn: AsyncConnection, path: Path, *, now: datetime, actor: str, dry_run: bool = False
) -> Imported:
    """Take in a file or a folder of organisations; nothing at all where a name would then mean two of them."""
    wanted = read_organisation_files(path)
    try:
        return await put_organisations(conn, wanted, now=now, actor=actor, dry_run=dry_run)
    except organisations.Unclear as error:
        raise ContentError(str(error), file=str(path)) from error


async def ship_services(conn: AsyncConnection, directory: Directory, *, now: datetime) -> Imported:
    """Bring in what came with the program; quick where it is there, and never over what a human has changed.

    Organisations come with their services.
    """
    wanted = {each.id: _Written(each.country, _organisation_document(each)) for each in directory.organisations}
    await _put(conn, _ORGANISATIONS, wanted, now=now, actor=SHIPPED, keep_edited=True)
    return await put_services(conn, directory.services, now=now, actor=SHIPPED, keep_edited=True)


async def put_services(
    conn: AsyncConnection,
    services: Iterable[Service],
    *,
    now: datetime,
    actor: str,
    keep_edited: bool = False,
    dry_run: bool = False,
) -> Imported:
    """Write services, one revision each where something differs, and one entry in the trail for the whole."""
    wanted = {service.id: _Written(service.country, _document(service)) for service in services}
    return await _put(conn, _SERVICES, wanted, now=now, actor=actor, keep_edited=keep_edited, dry_run=dry_run)


async def put_organisations(
    conn: AsyncConnection, wanted: Iterable[Organisation], *, now: datetime, actor: str, dry_run: bool = False
) -> Imported:
    """Write organisations, as services are; `organisations.Unclear` where they cannot all be true."""
    by_id = {each.id: each for each in wanted}
    standing = [each for each in await all_organisations(conn) if each.id not in by_id]
    organisations.check_all([*standing, *by_id.values()])
    written = {each.id: _Written(each.country, _organisation_document(each)) for each in by_id.values()}
    return await _put(conn, _ORGANISATIONS, written, now=now, actor=actor, dry_run=dry_run)


async def save_service(conn: AsyncConnection, service: Service, *, now: datetime, actor: str) -> Service:
    """Write one service that a human changed; `ChangedMeanwhile` unless `service.revision` is the present one."""
    written = _Written(service.country, _document(service))
    revision = await _save(conn, _SERVICES, service.id, written, service.revision, now=now, actor=actor)
    return replace(service, revision=revision)


async def save_organisation(
    conn: AsyncConnection, organisation: Organisation, *, now: datetime, actor: str
) -> Organisation:
    """Write one organisation that a human changed; `ChangedMeanwhile` unless its revision is the present one."""
    others = [each for each in await all_organisations(conn) if each.id != organisation.id]
    organisations.check_all([*others, organisation])
    written = _Written(organisation.country, _organisation_document(organisation))
    revision = await _save(conn, _ORGANISATIONS, organisation.id, written, organisation.revision, now=now, actor=actor)
    return replace(organisation, revision=revision)


async def _put(
    conn: AsyncConnection,
    shelf: _Shelf,
    wanted: Mapping[str, _Written],
    *,
    now: datetime,
    actor: str,
    keep_edited: bool = False,
    dry_run: bool = False,
) -> Imported:
    known: dict[str, Any] = {}
    for part in _in_parts(list(wanted)):
        rows = (await conn.execute(select(shelf.now).where(shelf.now.c.id.in_(part)))).mappings()
        known |= {row["id"]: row for row in rows}
    added: list[str] = []
    changed: list[str] = []
    same: list[str] = []
    left: list[str] = []
    for name, written in wanted.items():
        row = known.get(name)
        if row is None:
            added.append(name)
        elif row["document"] == written.document:
            same.append(name)
            continue
        elif keep_edited and row["changed_by"] != SHIPPED:
            left.append(name)
            continue
        else:
            changed.append(name)
        if not dry_run:
            revision = row["revision"] if row is not None else 0
            await _write(conn, shelf, name, written, revision, now=now, actor=actor)
    if (added or changed) and not dry_run:
        counts: dict[str, audit.Detail] = {"added": len(added), "changed": len(changed), "ids": changed[:50]}
        await audit.append(
            conn,
            at=now,
            actor=actor,
            action=f"{shelf.many}_imported",
            subject=f"directory:{shelf.many}",
            details=counts,
        )
    return Imported(tuple(added), tuple(changed), tuple(same), tuple(left))


def _in_parts(names: Sequence[str], most: int = 10_000) -> Iterable[Sequence[str]]:
    """A statement takes so many values and no more."""
    return (names[start : start + most] for start in range(0, len(names), most))


async def _save(
    conn: AsyncConnection, shelf: _Shelf, name: str, written: _Written, revision: int, *, now: datetime, actor: str
) -> int:
    """Write one document over the revision it was made from; the number of the new one."""
    found = await conn.execute(select(shelf.now.c.revision).where(shelf.now.c.id == name))
    present = int(found.scalar_one_or_none() or 0)
    if present != revision:
        raise ChangedMeanwhile(name)
    await _write(conn, shelf, name, written, present, now=now, actor=actor)
    details: dict[str, audit.Detail] = {"revision": present + 1}
    await audit.append(
        conn, at=now, actor=actor, action=f"{shelf.one}_saved", subject=f"{shelf.one}:{name}", details=details
    )
    return present + 1


async def _write(
    conn: AsyncConnection, shelf: _Shelf, name: str, written: _Written, revision: int, *, now: datetime, actor: str
) -> None:
    values: dict[str, Any] = {
        "country": written.country.value,
        "revision": revision + 1,
        "document": written.document,
        "changed_at": now,
        "changed_by": actor,
    }
    if revision == 0:
        # Two processes that start on an empty database both bring the shipped ones; the second finds them there.
        if await insert_once(conn, shelf.now, {"id": name, **values}, unique=["id"]) is None:
            return
    else:
        fresh = update(shelf.now).where(shelf.now.c.id == name, shelf.now.c.revision == revision)
        if rows_touched(await conn.execute(fresh.values(**values))) != 1:
            raise ChangedMeanwhile(name)
    past = {key: values[key] for key in ("revision", "document", "changed_at", "changed_by")}
    await conn.execute(insert(shelf.past).values({shelf.past_id: name, **past}))
    wake(conn, TOPIC)
    if shelf is _SERVICES and revision:
        await _forget_addresses(conn, name, hidden_places(orjson.loads(written.document)))


async def _forget_addresses(conn: AsyncConnection, service_id: str, hidden: Collection[str] | None) -> None:
    """Take out of earlier wordings where a place lies that is hidden now: no table knows it any more."""
    if hidden is not None and not hidden:
        return
    with_one = (_revisions.c.service_id == service_id) & _revisions.c.document.contains('"address"')
    for row in (await conn.execute(select(_revisions.c.revision, _revisions.c.document).where(with_one))).all():
        this = (_revisions.c.service_id == service_id) & (_revisions.c.revision == row.revision)
        kept = without_addresses(row.document, hidden)
        await conn.execute(update(_revisions).where(this).values(document=kept))


def hidden_places(plain: Mapping[str, Any]) -> frozenset[str] | None:
    """Which locations of a service are hidden; None where all are, also those that it had before."""
    if plain.get("protected") or plain.get("kind") in HOUSING:
        return None
    return frozenset(place["id"] for place in plain.get("locations", ()) if place.get("protected"))


def without_addresses(document: str, hidden: Collection[str] | None) -> str:
    """A stored service without the addresses of these locations."""
    plain = orjson.loads(document)
    for place in plain.get("locations", ()):
        if hidden is None or place["id"] in hidden:
            place.pop("address", None)
    return canonical(plain)


def _unread(document: str) -> Any:
    """A stored service that no reader has looked at: what the strict one would refuse as an address is left out.

    Whoever can write into the database past the program must not make a page show where somebody hides.
    """
    kept = orjson.loads(without_addresses(document, hidden_places(orjson.loads(document))))

    def cleaned(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: part if key == "address" else cleaned(part) for key, part in value.items()}
        if isinstance(value, list):
            return [cleaned(part) for part in value]
        return "" if isinstance(value, str) and looks_like_address(value) else value

    return cleaned(kept)


async def directory_of(
    conn: AsyncConnection,
    shipped: Directory,
    gazetteer: Gazetteer,
    *,
    certified: Mapping[str, Scope] | None = None,
    held: Directory | None = None,
) -> Directory:
    """The directory as the database has it; the shipped one where the database has none.

    `certified` is who is certified on the day that is meant (`certification_store.certified`), `held` the directory
    that was read before.

    Needs are the shipped ones, and so are fallbacks, but for those that a coordinator replaced. A fallback that is
    missing from the database, or that somebody closed, is taken from what was shipped, since nobody may be left without
    a way. A service that cannot be read any more is left out and named in the log: the others must not go with it.
    """
    standing = (await conn.execute(select(_services.c.id, _services.c.revision).order_by(_services.c.id))).all()
    if not standing:
        return shipped
    # What was read before is not read again: of thousands, one or two have changed.
    before = held if held is not None else shipped
    same = {row.id: before.find(row.id) for row in standing if _is_held(before, row.id, row.revision)}
    fresh = await _read_services(conn, [row.id for row in standing if row.id not in same], shipped, gazetteer)
    read = ((row.id, same.get(row.id) or fresh.get(row.id)) for row in standing)
    services = {service_id: service for service_id, service in read if service is not None}
    fallbacks = await fallback_store.applied(conn, shipped.fallbacks, services)
    for fallback in fallbacks.values():
        for service_id in (*fallback.everyone, *fallback.minor):
            if service_id not in services or not services[service_id].running:
                services[service_id] = shipped.get(service_id)
    return shipped.with_all(
        services.values(),
        organisations=await all_organisations(conn) or None,
        capacities=await capacity_store.newest(conn),
        certified=certified,
        fallbacks=fallbacks,
    )


def _is_held(directory: Directory, service_id: str, revision: int) -> bool:
    service = directory.find(service_id)
    return service is not None and service.revision == revision


async def _read_services(
    conn: AsyncConnection, wanted: Sequence[str], directory: Directory, gazetteer: Gazetteer
) -> dict[str, Service]:
    found: dict[str, Service] = {}
    known = Known()
    for part in _in_parts(wanted):
        rows = await conn.execute(select(*_DOCUMENT).where(_services.c.id.in_(part)))
        for row in rows.mappings():
            try:
                found[row["id"]] = _service(row, row["id"], directory, gazetteer, known)
            except ContentError:
                # A kommune that was merged away since, say. What is wrong is for `varde check` to tell.
                log.error("service_unreadable", service_id=row["id"], revision=row["revision"])
    return found


async def unreadable(conn: AsyncConnection, directory: Directory, gazetteer: Gazetteer) -> dict[str, str]:
    """The services that cannot be read any more and are offered to nobody, each with what is wrong."""
    found: dict[str, str] = {}
    known = Known()
    for row in (await conn.execute(select(*_DOCUMENT).order_by(_services.c.id))).mappings():
        try:
            _service(row, row["id"], directory, gazetteer, known)
        except ContentError as error:
            found[row["id"]] = error.sentence
    return found


async def all_organisations(conn: AsyncConnection) -> tuple[Organisation, ...]:
    """Every organisation that was entered."""
    rows = (await conn.execute(select(_organisations).order_by(_organisations.c.id))).mappings()
    return tuple(_organisation(row, row["id"]) for row in rows)


async def version_of(conn: AsyncConnection) -> tuple[int, ...]:
    """Changes whenever anything in the directory does: counts of rows, and sums of their revisions."""
    counted: list[int] = []
    for table in (_services, _organisations):
        row = (await conn.execute(select(func.count(), func.sum(table.c.revision)).select_from(table))).one()
        counted += [int(row[0]), int(row[1] or 0)]
    return (*counted, await capacity_store.version(conn), await fallback_store.version(conn))


async def changed_at(conn: AsyncConnection) -> dict[str, datetime]:
    """When each service last changed."""
    rows = await conn.execute(select(_services.c.id, _services.c.changed_at))
    return {row.id: row.changed_at for row in rows}


async def history(
    conn: AsyncConnection, service_id: str, directory: Directory, gazetteer: Gazetteer
) -> tuple[Revision, ...]:
    """Every wording a service has had, newest first."""
    return await _history(
        conn,
        _SERVICES,
        service_id,
        lambda row: Revision(_service(row, service_id, directory, gazetteer), row["changed_at"], row["changed_by"]),
    )


async def wordings(conn: AsyncConnection, service_id: str) -> tuple[Wording, ...]:
    """Every wording a service has had as it was written down, newest first; nothing where there is no such service."""

    def made(row: Any) -> Wording:
        plain = _unread(row["document"])
        return Wording(row["revision"], Country(row["country"]), plain, row["changed_at"], row["changed_by"])

    return await _history(conn, _SERVICES, service_id, made)


def read_wording(wording: Wording, directory: Directory, gazetteer: Gazetteer) -> Service:
    """The service that a wording makes today; `ContentError` where the program knows something in it no more."""
    node = node_of(wording.plain, file="database: an earlier wording")
    return replace(read_service(node, wording.country, gazetteer, directory.needs), revision=wording.revision)


async def find_service(
    conn: AsyncConnection, service_id: str, directory: Directory, gazetteer: Gazetteer
) -> Service | None:
    """One service as it stands in the database, whether anybody can be sent there or not."""
    return (await _read_services(conn, [service_id], directory, gazetteer)).get(service_id)


async def organisation_history(conn: AsyncConnection, organisation_id: str) -> tuple[OrganisationRevision, ...]:
    """Every wording an organisation has had, newest first."""
    return await _history(
        conn,
        _ORGANISATIONS,
        organisation_id,
        lambda row: OrganisationRevision(_organisation(row, organisation_id), row["changed_at"], row["changed_by"]),
    )


async def _history(conn: AsyncConnection, shelf: _Shelf, name: str, made: Callable[[Any], T]) -> tuple[T, ...]:
    its_id = shelf.past.c[shelf.past_id]
    found = (
        select(shelf.past, shelf.now.c.country)
        .join(shelf.now, shelf.now.c.id == its_id)
        .where(its_id == name)
        .order_by(shelf.past.c.revision.desc())
    )
    return tuple(made(row) for row in (await conn.execute(found)).mappings())


def _service(
    row: Any, service_id: str, directory: Directory, gazetteer: Gazetteer, known: Known | None = None
) -> Service:
    node = node_of(orjson.loads(row["document"]), file=f"database: service {service_id}")
    country, revision = Country(row["country"]), row["revision"]
    return read_service(node, country, gazetteer, directory.needs, revision=revision, known=known, stored=True)


def _organisation(row: Any, organisation_id: str) -> Organisation:
    node = node_of(orjson.loads(row["document"]), file=f"database: organisation {organisation_id}")
    return replace(organisations.read_organisation(node, Country(row["country"])), revision=row["revision"])


def _document(service: Service) -> str:
    return canonical(as_plain(service))


def _organisation_document(organisation: Organisation) -> str:
    return canonical(organisations.as_plain(organisation))


# --- writing files ---------------------------------------------------------------------------------------------------


def export_services(directory: Directory, folder: Path, *, day: date) -> tuple[Path, ...]:
    """Write one file a country in the form that is read; what is read back equals what was written."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for country, fallback in directory.fallbacks.items():
        path = folder / f"{country.value.lower()}.yaml"
        path.write_text(_file(country, fallback, directory.of(country), day), encoding="utf-8")
        written.append(path)
    return tuple(written)


def export_organisations(directory: Directory, folder: Path, *, day: date) -> tuple[Path, ...]:
    """Write one file a country in the form that is read; what is read back equals what was written."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for country in Country:
        # Not the name that services have: both may be written to one folder.
        path = folder / f"organisations-{country.value.lower()}.yaml"
        plain = [organisations.as_plain(each) for each in directory.organisations if each.country is country]
        head = "# Exported from the directory. routing/organisations.py says what each key means.\n"
        text = head + _yaml({"country": country.value, "compiled": day, "organisations": plain})
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return tuple(written)


class _Quoted(str):
    """A text that YAML might take for something else, and gets quotation marks."""


class _Dumper(yaml.SafeDumper):
    """Writes plain words plainly and everything else in quotation marks."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _write_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style='"')


_Dumper.add_representer(_Quoted, _write_text)


def _quoted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _quoted(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_quoted(part) for part in value]
    if isinstance(value, str) and not value.replace("-", "").replace("_", "").isalpha():
        return _Quoted(value)
    return _Quoted(value) if isinstance(value, str) and value.lower() in _LOOKS_ELSE else value


_LOOKS_ELSE = frozenset({"yes", "no", "true", "false", "null", "on", "off"})


def _file(country: Country, fallback: Fallback, services: Sequence[Service], day: date) -> str:
    plain = {
        "country": country.value,
        "compiled": day,
        "fallback": {"everyone": list(fallback.everyone), "minor": list(fallback.minor)},
        "services": [as_plain(service) for service in services],
    }
    return "# Exported from the directory. routing/services.py says what each key means.\n" + _yaml(plain)


def _yaml(plain: Mapping[str, Any]) -> str:
    return yaml.dump(
        {key: part if key == "compiled" else _quoted(part) for key, part in plain.items()},
        Dumper=_Dumper,
        allow_unicode=True,
        sort_keys=False,
        width=120,
    )

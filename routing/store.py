"""The directory in the database: every service with its history, taken in from files and written out to them.

A service is one document in the form of `routing/services.py`, read through the same strict reader wherever it comes
from; an import with one wrong line changes nothing. What leaves is an immutable `Directory`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import orjson
import yaml
from sqlalchemy import Integer, String, Text, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, SQLModel

from helpline import audit
from helpline.content import ContentError, node_of
from helpline.messages import Country
from helpline.storage import UtcDateTime, insert_once, rows_touched, table_of
from routing.directory import Directory, Fallback, load_services
from routing.places import Gazetteer
from routing.services import Service, as_plain, read_service

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


_services = table_of(ServiceRow)
_revisions = table_of(ServiceRevisionRow)


class ChangedMeanwhile(Exception):
    """Somebody else changed this service since it was read."""


@dataclass(frozen=True)
class Imported:
    """What an import did, or would do: ids of services."""

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


def read_files(path: Path, directory: Directory, gazetteer: Gazetteer) -> tuple[Service, ...]:
    """The services of a file, or of every YAML file in a folder; `ContentError` with file and line."""
    files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    if not files:
        raise ContentError("The folder holds no .yaml file.", file=str(path))
    return tuple(service for file in files for service in load_services(file, gazetteer, directory.needs)[2])


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


async def ship_services(conn: AsyncConnection, directory: Directory, *, now: datetime) -> Imported:
    """Bring in what came with the program; quick where it is there, and never over what a human has changed."""
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
    wanted = {service.id: service for service in services}
    rows = (await conn.execute(select(_services).where(_services.c.id.in_(wanted)))).mappings()
    known = {row["id"]: row for row in rows}
    added: list[str] = []
    changed: list[str] = []
    same: list[str] = []
    left: list[str] = []
    for service in wanted.values():
        row = known.get(service.id)
        document = _document(service)
        if row is None:
            added.append(service.id)
        elif row["document"] == document:
            same.append(service.id)
            continue
        elif keep_edited and row["changed_by"] != SHIPPED:
            left.append(service.id)
            continue
        else:
            changed.append(service.id)
        if not dry_run:
            await _write(conn, service, document, row["revision"] if row is not None else 0, now=now, actor=actor)
    if (added or changed) and not dry_run:
        counts: dict[str, audit.Detail] = {"added": len(added), "changed": len(changed), "ids": changed[:50]}
        await audit.append(
            conn, at=now, actor=actor, action="services_imported", subject="directory:services", details=counts
        )
    return Imported(tuple(added), tuple(changed), tuple(same), tuple(left))


async def save_service(conn: AsyncConnection, service: Service, *, now: datetime, actor: str) -> Service:
    """Write one service that a human changed; `ChangedMeanwhile` unless `service.revision` is the present one."""
    row = (await conn.execute(select(_services).where(_services.c.id == service.id))).mappings().one_or_none()
    present = row["revision"] if row is not None else 0
    if present != service.revision:
        raise ChangedMeanwhile(service.id)
    await _write(conn, service, _document(service), present, now=now, actor=actor)
    await audit.append(
        conn,
        at=now,
        actor=actor,
        action="service_saved",
        subject=f"service:{service.id}",
        details={"revision": present + 1},
    )
    return replace(service, revision=present + 1)


async def _write(
    conn: AsyncConnection, service: Service, document: str, revision: int, *, now: datetime, actor: str
) -> None:
    values: dict[str, Any] = {
        "country": service.country.value,
        "revision": revision + 1,
        "document": document,
        "changed_at": now,
        "changed_by": actor,
    }
    if revision == 0:
        # Two processes that start on an empty database both bring the shipped services; the second finds them there.
        if await insert_once(conn, _services, {"id": service.id, **values}, unique=["id"]) is None:
            return
    else:
        fresh = update(_services).where(_services.c.id == service.id, _services.c.revision == revision)
        if rows_touched(await conn.execute(fresh.values(**values))) != 1:
            raise ChangedMeanwhile(service.id)
    past = {key: values[key] for key in ("revision", "document", "changed_at", "changed_by")}
    await conn.execute(insert(_revisions).values(service_id=service.id, **past))


async def directory_of(conn: AsyncConnection, shipped: Directory, gazetteer: Gazetteer) -> Directory:
    """The directory as the database has it; the shipped one where the database has none.

    Needs and fallbacks are the shipped ones. A fallback that is missing from the database is taken from what was
    shipped, since nobody may be left without a way.
    """
    rows = (await conn.execute(select(_services).order_by(_services.c.id))).mappings().all()
    if not rows:
        return shipped
    services = {row["id"]: _service(row, row["id"], shipped, gazetteer) for row in rows}
    for fallback in shipped.fallbacks.values():
        for service_id in (*fallback.everyone, *fallback.minor):
            services.setdefault(service_id, shipped.get(service_id))
    return shipped.with_services(services.values())


async def version_of(conn: AsyncConnection) -> tuple[int, int]:
    """Changes whenever any service does: how many there are, and the sum of their revisions."""
    row = (await conn.execute(select(func.count(), func.sum(_services.c.revision)).select_from(_services))).one()
    return int(row[0]), int(row[1] or 0)


async def history(
    conn: AsyncConnection, service_id: str, directory: Directory, gazetteer: Gazetteer
) -> tuple[Revision, ...]:
    """Every wording a service has had, newest first."""
    found = (
        select(_revisions, _services.c.country)
        .join(_services, _services.c.id == _revisions.c.service_id)
        .where(_revisions.c.service_id == service_id)
        .order_by(_revisions.c.revision.desc())
    )
    rows = (await conn.execute(found)).mappings().all()
    return tuple(
        Revision(_service(row, service_id, directory, gazetteer), row["changed_at"], row["changed_by"]) for row in rows
    )


def _service(row: Any, service_id: str, directory: Directory, gazetteer: Gazetteer) -> Service:
    node = node_of(orjson.loads(row["document"]), file=f"database: service {service_id}")
    service = read_service(node, Country(row["country"]), gazetteer, directory.needs)
    return replace(service, revision=row["revision"])


def _document(service: Service) -> str:
    return orjson.dumps(as_plain(service), option=orjson.OPT_SORT_KEYS).decode()


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
    head = "# Exported from the directory. routing/services.py says what each key means.\n"
    return head + yaml.dump(
        {key: part if key == "compiled" else _quoted(part) for key, part in plain.items()},
        Dumper=_Dumper,
        allow_unicode=True,
        sort_keys=False,
        width=120,
    )

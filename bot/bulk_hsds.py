"""The directory taken out and brought in as HSDS, each time with what was left behind.

What another of our installations wrote comes in as it stands; what somebody else wrote comes in as drafts that nobody
is led to, and never over anything that stands here. A place that is protected here stays protected, whatever a file
says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from helpline.content import content_folder
from helpline.database import Database
from helpline.messages import Country
from helpline.settings import load_settings
from knowledge.fitness import local_day
from routing import capacity_store, store
from routing.capacity import Capacity
from routing.certification import store as certification_store
from routing.certification.catalogue import Catalogue
from routing.directory import Directory
from routing.hsds import checks, package, profile
from routing.hsds.checks import Finding
from routing.hsds.feeds import Feed
from routing.hsds.fields import Version
from routing.hsds.loss import LossReport, Why
from routing.hsds.reading import Brought, read
from routing.hsds.writing import Written, write
from routing.organisations import Organisation, same_name
from routing.places import Gazetteer
from routing.services import Service
from routing.store import Imported


class Form(StrEnum):
    """How the directory is written."""

    JSON = "json"
    PACKAGE = "package"


@dataclass(frozen=True)
class Plan:
    """What an import does, or would do."""

    services: Imported
    organisations: Imported
    drafts: tuple[str, ...]
    names: Mapping[str, str] = field(repr=False)
    losses: LossReport = field(default_factory=LossReport)
    findings: tuple[Finding, ...] = ()

    def summary(self, *, done: bool) -> str:
        """One sentence with the counts."""
        word = "" if done else "would be "
        return (
            f"{len(self.services.added)} services {word}added ({len(self.drafts)} of them as drafts), "
            f"{len(self.services.changed)} {word}changed, {len(self.services.same)} as they were, "
            f"{len(self.services.left)} left alone; {len(self.organisations.added)} organisations {word}added, "
            f"{len(self.organisations.changed)} {word}changed. {len(self.losses.losses)} things were left behind."
        )

    def lines(self) -> Iterator[str]:
        """The plan and what was left behind, for a person to read."""
        for mark, ids in (("+", self.services.added), ("~", self.services.changed), ("!", self.services.left)):
            for name in ids:
                draft = " (draft)" if name in self.drafts else ""
                yield f"{mark} {name}: {self.names.get(name, '')}{draft}"
        for finding in self.findings:
            yield f"? {finding.of}, {finding.where}: {finding.sentence}"
        yield from self.losses.as_text().splitlines()

    def results(self) -> Iterator[dict[str, Any]]:
        """The same for another program: one object a line."""
        for what in ("added", "changed", "same", "left"):
            for name in getattr(self.services, what):
                yield {"id": name, "what": what, "draft": name in self.drafts}
        for finding in self.findings:
            yield {"of": finding.of, "where": finding.where, "fault": finding.fault.value}
        for loss in self.losses.as_plain()["losses"]:
            yield {"what": "lost", **loss}


# --- out --------------------------------------------------------------------------------------------------------------


async def take_out(
    conn: AsyncConnection,
    path: Path,
    *,
    shipped: Directory,
    gazetteer: Gazetteer,
    content: Path,
    public_url: str | None,
    now: datetime,
    form: Form,
    partner: bool,
    version: Version,
) -> str:
    """Write the directory; a sentence that says what was written and what was not."""
    today = local_day(Country.SE, now)
    certified = await certification_store.certified(conn, today, gazetteer)
    directory = await store.directory_of(conn, shipped, gazetteer, certified=certified)
    modified = await store.changed_at(conn)
    feed = Feed.PARTNER if partner else Feed.PUBLIC
    address = profile.address_of(public_url) if public_url else ""

    def put() -> tuple[Written, tuple[Path, ...]]:
        rows = {key: row.en for key, row in Catalogue.load(content).rows.items()}
        written = write(
            directory,
            gazetteer,
            feed=feed,
            on=today,
            catalogue=rows,
            modified=modified,
            profile=address,
            version=version,
        )
        if form is Form.JSON:
            return written, package.write_json(written, path)
        return written, package.write_package(written, path, profile=address)

    written, files = await asyncio.to_thread(put)
    lost = len(written.losses.losses)
    return (
        f"{len(written.services)} services written to {path} ({feed.value} feed, HSDS {version.value}); "
        f"{lost} things were left behind: {files[-1]} says which."
    )


# --- in ---------------------------------------------------------------------------------------------------------------


async def plan(path: Path, *, shipped: Directory, gazetteer: Gazetteer, country: Country, now: datetime) -> Plan:
    """What importing this would do. Changes nothing; where there is no database yet, none is made."""
    brought, findings = await asyncio.to_thread(_read, path, shipped, gazetteer, country)
    db = Database.connect(load_settings(create=False).database_url.reveal())
    try:
        if not await db.prepared():
            wanted, left = _fitting(brought, shipped)
            known = {service.id: service for service in shipped.services}
            added = tuple(each.id for each in wanted if each.id not in known)
            same = tuple(each.id for each in wanted if known.get(each.id) == each)
            changed = tuple(each.id for each in wanted if each.id in known and known[each.id] != each)
            done = Imported(added, changed, same, left)
            return _plan(brought, done, Imported(), findings)
        async with db.read() as conn:
            return await _bring(conn, brought, findings, shipped, gazetteer, now=now, actor="", dry_run=True)
    finally:
        await db.dispose()


async def bring_in(
    conn: AsyncConnection,
    path: Path,
    *,
    shipped: Directory,
    gazetteer: Gazetteer,
    country: Country,
    now: datetime,
    actor: str,
) -> Plan:
    """Import it, all or nothing."""
    brought, findings = await asyncio.to_thread(_read, path, shipped, gazetteer, country)
    return await _bring(conn, brought, findings, shipped, gazetteer, now=now, actor=actor, dry_run=False)


def _read(
    path: Path, shipped: Directory, gazetteer: Gazetteer, country: Country
) -> tuple[Brought, tuple[Finding, ...]]:
    losses = LossReport()
    found = package.read_files(path, losses)
    faults = checks.check(found.services, found.organizations, found.terms, found.taxonomies)
    brought = read(
        found.services,
        found.organizations,
        gazetteer=gazetteer,
        needs=shipped.needs,
        country=country,
        losses=losses,
    )
    # What the specification does not know is in the loss report already.
    return brought, tuple(fault for fault in faults if fault.wrong)


async def _bring(
    conn: AsyncConnection,
    brought: Brought,
    findings: tuple[Finding, ...],
    shipped: Directory,
    gazetteer: Gazetteer,
    *,
    now: datetime,
    actor: str,
    dry_run: bool,
) -> Plan:
    present = await store.directory_of(conn, shipped, gazetteer)
    wanted, left = _fitting(brought, present)
    services = await store.put_services(conn, wanted, now=now, actor=actor, dry_run=dry_run)
    organisations = await store.put_organisations(
        conn, _organisations(brought, present), now=now, actor=actor, dry_run=dry_run
    )
    if not dry_run:
        for capacity in _told(brought.capacities, present, now):
            await capacity_store.tell(conn, capacity, actor=actor, now=now)
    done = replace(services, left=(*services.left, *left))
    return _plan(brought, done, organisations, findings)


def _plan(brought: Brought, services: Imported, organisations: Imported, findings: tuple[Finding, ...]) -> Plan:
    names = {service.id: service.name for service in brought.services}
    drafts = tuple(name for name in services.added if name in brought.drafts)
    return Plan(services, organisations, drafts, names, brought.losses, findings)


def _fitting(brought: Brought, present: Directory) -> tuple[list[Service], tuple[str, ...]]:
    """What may be taken in, and what is left as it stands here."""
    wanted: list[Service] = []
    left: list[str] = []
    for read_so in brought.services:
        known = present.find(read_so.id)
        if known is None:
            wanted.append(read_so)
            continue
        service = _with_what_is_not_public(read_so, known) if read_so.id in brought.public else read_so
        plain = replace(known, revision=0)
        if service.id in brought.drafts and service != plain:
            left.append(service.id)
            brought.losses.add(service.id, "service", Why.NOT_TAKEN, "it stands here already; compare by hand")
        elif service.country is not known.country or (known.hides_place and not service.hides_place):
            left.append(service.id)
            brought.losses.add(service.id, "service", Why.NOT_TAKEN, "it is protected here, or of another country")
        else:
            wanted.append(service)
    return wanted, tuple(left)


def _with_what_is_not_public(service: Service, known: Service) -> Service:
    """What the public feed leaves out is not gone."""
    hidden = any(place.protected for place in known.locations)
    return replace(
        service,
        contacts=known.contacts,
        owner=known.owner,
        assured_by=known.assured_by,
        locations=known.locations if hidden else service.locations,
    )


def _organisations(brought: Brought, present: Directory) -> list[Organisation]:
    """Those to be written: of somebody else's, only the ones that nobody here goes by that name."""
    ours = {service.organisation for service in brought.services if service.id not in brought.drafts}
    names = {name.casefold() for each in present.organisations for name in each.names}
    found = []
    for each in brought.organisations:
        known = present.find_organisation(each.id)
        if known is not None and each.name in ours:
            found.append(each if each.parent or not known.parent else replace(each, parent=known.parent))
        elif known is None and not {name.casefold() for name in each.names} & names:
            found.append(each)
        elif known is None or replace(known, revision=0) != each:
            brought.losses.add(each.id, "organization", Why.NOT_TAKEN, "it stands here already; compare by hand")
    return _consistent(found, present, brought.losses)


def _consistent(found: list[Organisation], present: Directory, losses: LossReport) -> list[Organisation]:
    """Without what cannot all be true: another's name as one's own other name, and parents in a ring."""
    parents = {each.id: each.parent for each in (*present.organisations, *found)}
    taken = {(each.country, same_name(each.name)): each.id for each in found}
    kept = []
    for each in found:
        others = tuple(
            name
            for name in each.alternate_names
            if taken.setdefault((each.country, same_name(name)), each.id) == each.id
        )
        if others != each.alternate_names:
            losses.add(each.id, "organization.alternate_name", Why.NOT_TAKEN, "another organization is called so")
        above, seen = each.parent, {each.id}
        while above in parents and above not in seen:
            seen.add(above)
            above = parents[above]
        parent = each.parent if each.parent in parents and above not in seen else ""
        if above in seen:
            losses.add(
                each.id, "organization.parent_organization_id", Why.NOT_TAKEN, "its parents come round in a ring"
            )
            parents[each.id] = ""
        kept.append(replace(each, alternate_names=others, parent=parent))
    return kept


def _told(capacities: tuple[Capacity, ...], present: Directory, now: datetime) -> Iterator[Capacity]:
    """What was told of room, where nobody here knows something newer."""
    for capacity in capacities:
        known = present.capacity_of(capacity.service_id)
        if capacity.told_at <= now and (known is None or known.told_at < capacity.told_at):
            yield capacity


def check_directory(directory: Directory, gazetteer: Gazetteer, now: datetime) -> list[Finding]:
    """What would be wrong with the directory if it were written now, for partners as for everybody."""
    rows = {key: row.en for key, row in Catalogue.load(content_folder()).rows.items()}
    found: dict[Finding, None] = {}
    for feed in Feed:
        written = write(directory, gazetteer, feed=feed, on=local_day(Country.SE, now), catalogue=rows)
        faults = checks.check(written.services, written.organizations, written.taxonomy_terms, written.taxonomies)
        found |= dict.fromkeys(fault for fault in faults if fault.wrong)
    return list(found)

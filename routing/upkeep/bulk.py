"""Many services brought in at once: what a file would add, change and leave, and what it says that cannot be taken.

A row that is wrong is refused with its line, and the rest stands; nothing is decided here. Services that the file does
not name are not touched. What a public feed of ours says of a service of ours is less than we know, so it changes
nothing.

Pure: `bot/desk/directory_bulk.py` reads the upload, shows the plan, and brings in what somebody has seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from helpline.content import ContentError, Node
from helpline.messages import Country
from routing.places import Gazetteer
from routing.services import Service
from routing.upkeep import changes, likeness
from routing.upkeep.dialled import first_undiallable
from routing.upkeep.service_form import as_plain, read_service


class What(StrEnum):
    """What would come of a row."""

    ADDED = "added"
    CHANGED = "changed"
    SAME = "same"
    REFUSED = "refused"


class Refusal(StrEnum):
    """Why a row is refused, where it could be read."""

    TWICE = "twice"  # the file names the service twice
    OTHER_COUNTRY = "other-country"  # the id is that of a service in the other country
    SAYS_LESS = "says-less"  # it came out of the public feed, which leaves out what we know
    PHONE = "phone"  # nobody can dial a number that it brings


@dataclass(frozen=True)
class Read:
    """One row of a file: the service, or the sentence that says why it is none."""

    line: int | None  # where it stands, where the file has lines
    id: str
    service: Service | None
    wrong: str = ""
    refused: Refusal | None = None


@dataclass(frozen=True)
class Row:
    """What would come of one row."""

    line: int | None
    id: str
    name: str
    what: What
    service: Service | None = None  # upon the revision that stands there now
    before: Mapping[str, Any] | None = None  # the plain form that stands there now
    because: tuple[str, ...] = ()  # changed fields for which a second person is asked
    wrong: str = ""
    refused: Refusal | None = None
    number: str = ""  # the number that nobody can dial
    like: tuple[Service, ...] = ()  # services that an added one may be already


@dataclass(frozen=True)
class Plan:
    """What a file would do, row by row."""

    rows: tuple[Row, ...]

    def of(self, what: What) -> tuple[Row, ...]:
        """The rows that would come to this."""
        return tuple(row for row in self.rows if row.what is what)

    @property
    def brings(self) -> tuple[Row, ...]:
        """The rows that change something."""
        return tuple(row for row in self.rows if row.what in (What.ADDED, What.CHANGED))

    @property
    def seen(self) -> str:
        """A mark of what was shown: another one where something changed between looking and taking."""
        told = hashlib.sha256()
        for row in self.rows:
            revision = row.service.revision if row.service is not None else 0
            told.update(f"{row.id}\0{row.what}\0{revision}\0{','.join(row.because)}\n".encode())
        return told.hexdigest()[:32]


def read_rows(root: Node, gazetteer: Gazetteer, needs: Collection[str]) -> tuple[Read, ...]:
    """The services of one country's file, each by itself; `ContentError` where it is no such file at all."""
    fields = root.mapping(required=("country", "services"), optional=("compiled", "fallback"))
    country = fields["country"].one_of(Country)
    found = []
    for node in fields["services"].items(at_least=1):
        written = node.entries().get("id") if node.is_mapping else None
        name = str(written.plain()) if written is not None and written.is_scalar else ""
        try:
            service = read_service(node, country, gazetteer, needs)
        except ContentError as error:
            found.append(Read(error.line or node.line, name[:80], None, error.sentence))
        else:
            found.append(Read(node.line, service.id, service))
    return tuple(found)


def plan(rows: Sequence[Read], present: Mapping[str, Service], *, apart: Collection[tuple[str, str]] = ()) -> Plan:
    """What these rows would do to what is `present`, by id."""
    named: set[str] = set()
    made = []
    for row in rows:
        made.append(_planned(row, present, named))
        named.add(row.id)
    return Plan(tuple(_with_likes(made, present.values(), apart)))


def _planned(row: Read, present: Mapping[str, Service], named: Collection[str]) -> Row:
    service = row.service
    if service is None:
        return Row(row.line, row.id, row.id, What.REFUSED, wrong=row.wrong)
    stands = present.get(row.id)
    refused = row.refused
    if row.id in named:
        refused = Refusal.TWICE
    elif stands is not None and stands.country is not service.country:
        refused = Refusal.OTHER_COUNTRY
    number = first_undiallable(service, stands) if refused is None else ""
    if refused is not None or number:
        return Row(row.line, row.id, service.name, What.REFUSED, refused=refused or Refusal.PHONE, number=number)
    if stands is None:
        fresh = replace(service, revision=0)
        return Row(row.line, row.id, service.name, What.ADDED, fresh, None, changes.guarded(None, fresh))
    changed = replace(service, revision=stands.revision)
    before, after = as_plain(stands), as_plain(changed)
    if before == after:
        return Row(row.line, row.id, service.name, What.SAME, changed, before)
    return Row(row.line, row.id, service.name, What.CHANGED, changed, before, changes.guarded_in(before, after))


def _with_likes(rows: Sequence[Row], present: Iterable[Service], apart: Collection[tuple[str, str]]) -> Iterable[Row]:
    """The rows, each added one with the services it may be already, in the directory or in the file."""
    added = {row.id: row.service for row in rows if row.what is What.ADDED and row.service is not None}
    alike: dict[str, list[Service]] = {}
    if added:
        for pair in likeness.pairs([*present, *added.values()], apart=apart):
            for one, other in ((pair.one, pair.other), (pair.other, pair.one)):
                if one.id in added:
                    alike.setdefault(one.id, []).append(other)
    return [replace(row, like=tuple(alike.get(row.id, ()))) if row.id in added else row for row in rows]

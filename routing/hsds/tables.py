"""Nested objects into tables and back: what stands in JSON and what stands in the package say the same.

Made of the field list alone. A child knows its parent by the column of the parent's name; attributes and metadata by
`link_id` and `resource_id`. The same entry nested in many places is one row.

Pure.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

from routing.hsds.fields import NEWEST, TABLES, Field, Kind, Table, Version
from routing.hsds.loss import LossReport, Why

Json = dict[str, Any]
Row = dict[str, Any]

_LINKS: Final[Mapping[str, tuple[str, str]]] = {
    "attribute": ("link_id", "link_entity"),
    "metadata": ("resource_id", "resource_type"),
}
_BY_THEMSELVES: Final = frozenset({"taxonomy", "taxonomy_term", "unit"})  # what others refer to
# Children that stand in no list of ours but in what others write.
ALSO_NESTED: Final[Mapping[tuple[str, str], tuple[Kind, str]]] = {
    ("organization", "services"): (Kind.LIST, "service"),
    ("service_at_location", "service"): (Kind.CHILD, "service"),
    ("program", "services"): (Kind.LIST, "service"),
}


def nested_in(table: str, name: str) -> tuple[Kind, str] | None:
    """What a field holds where it holds children."""
    field = TABLES[table].find(name)
    if field is not None and field.nested:
        return field.kind, field.child
    return ALSO_NESTED.get((table, name))


class Flat:
    """Rows by table, each entry once."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Row]] = {name: {} for name in TABLES}

    def add(self, table: str, entry: Mapping[str, Any], links: Mapping[str, str] | None = None) -> str:
        """Take in one object and all that stands in it; its id."""
        row: Row = {}
        ident = str(entry["id"])
        known = self.rows[table].setdefault(ident, row)
        inside: list[tuple[str, Kind, str, Any]] = []
        for name, value in entry.items():
            nested = nested_in(table, name)
            if nested is not None:
                inside.append((name, *nested, value))
            elif TABLES[table].find(name) is not None:
                known.setdefault(name, value)
        for name, value in (links or {}).items():
            known.setdefault(name, value)
        for name, kind, child, value in inside:
            if kind is Kind.LIST:
                for each in value:
                    self.add(child, each, _links(table, ident, child))
            else:
                to_parent = {}
                if child == "program" and table == "service":
                    whose = entry.get("organization_id") or (entry.get("organization") or {}).get("id")
                    to_parent = {"organization_id": whose} if whose else {}
                column = "taxonomy_id" if name == "taxonomy_detail" else f"{name}_id"
                known.setdefault(column, self.add(child, value, to_parent))
        return ident


def _links(parent: str, ident: str, child: str) -> dict[str, str]:
    if child in _LINKS:
        to, of = _LINKS[child]
        return {to: ident, of: parent}
    column = f"{parent}_id"
    return {column: ident} if TABLES[child].find(column) is not None else {}


def flatten(
    services: Iterable[Mapping[str, Any]],
    organizations: Iterable[Mapping[str, Any]] = (),
    terms: Iterable[Mapping[str, Any]] = (),
) -> dict[str, list[Row]]:
    """The rows of every table."""
    flat = Flat()
    for organization in organizations:
        flat.add("organization", organization)
    for service in services:
        flat.add("service", service)
    for term in terms:
        flat.add("taxonomy_term", term)
    return {name: list(rows.values()) for name, rows in flat.rows.items()}


def csv_of(table: Table, rows: Iterable[Mapping[str, Any]], version: Version = NEWEST) -> str:
    """The file of one table."""
    out = io.StringIO(newline="")
    columns = [field.name for field in table.columns(version)]
    writer = csv.DictWriter(out, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: "" if row.get(name) is None else row[name] for name in columns})
    return out.getvalue()


def rows_of(table: Table, text: str, losses: LossReport) -> list[Row]:
    """What stands in a file: numbers as numbers, nothing where a cell is empty."""
    reader = csv.DictReader(io.StringIO(text, newline=""))
    known = {field.name: field for field in table.fields}
    rows = []
    for number, read in enumerate(reader, start=2):
        row: Row = {}
        for name, value in read.items():
            if name is None or (name not in known and value):
                losses.add(f"{table.file}:{number}", str(name or "more cells than columns"), Why.UNKNOWN)
            elif value not in (None, ""):
                row[name] = _cell(known[name], value, losses, f"{table.file}:{number}") if name in known else value
        rows.append(row)
    return rows


def _cell(field: Field, text: str, losses: LossReport, where: str) -> Any:
    if field.kind is not Kind.NUMBER:
        return text
    try:
        number = float(text)
    except ValueError:
        losses.add(where, field.name, Why.NOT_READABLE, "it is no number")
        return text
    return int(number) if number.is_integer() else number


def nest(rows: Mapping[str, list[Row]], losses: LossReport) -> tuple[list[Json], list[Json]]:
    """Services and organizations as nested objects again."""
    by_id: dict[str, dict[str, Row]] = {
        name: {str(row["id"]): row for row in listed if row.get("id")} for name, listed in rows.items()
    }
    children: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for name, listed in rows.items():
        for row in listed:
            if name in _LINKS:
                to, of = _LINKS[name]
                children[(name, str(row.get(of) or ""), str(row.get(to) or ""))].append(row)
                continue
            for field in TABLES[name].columns():
                if field.refers_to and row.get(field.name):
                    children[(name, field.refers_to, str(row[field.name]))].append(row)

    placed: set[tuple[str, str]] = set()

    def built(table: str, row: Row, above: tuple[str, ...]) -> Json:
        entry = dict(row)
        ident = str(row.get("id") or "")
        placed.add((table, ident))
        for field in TABLES[table].fields:
            if field.kind is Kind.LIST and field.child not in above:
                found = children.get((field.child, table, ident), [])
                if field.child in _LINKS:
                    found = found + children.get((field.child, TABLES[table].file.removesuffix(".csv"), ident), [])
                if found:
                    entry[field.name] = [built(field.child, each, (*above, table)) for each in found]
            elif field.kind is Kind.CHILD:
                column = "taxonomy_id" if field.name == "taxonomy_detail" else f"{field.name}_id"
                wanted = row.get(column)
                if wanted is None:
                    continue
                one = by_id.get(field.child, {}).get(str(wanted))
                if one is None:
                    losses.add(f"{table} {ident}", column, Why.NOT_READABLE, "it refers to nothing")
                else:
                    entry[field.name] = built(field.child, one, (*above, table))
        return entry

    services = [built("service", row, ()) for row in rows.get("service", [])]
    organizations = [built("organization", row, ()) for row in rows.get("organization", [])]
    for name, listed in rows.items():
        if name in _BY_THEMSELVES:
            continue
        for row in listed:
            if (name, str(row.get("id") or "")) not in placed:
                losses.add(f"{name} {row.get('id')}", name, Why.NOT_TAKEN, "it belongs to nothing that is here")
    return services, organizations

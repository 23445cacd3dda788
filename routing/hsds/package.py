"""Files: a JSON document, a folder of JSON documents, or a tabular package (a folder or one .zip), in and out.

Writing takes no name from the data; reading takes what is there within limits, and says in the loss report what it
could not use. What was exported by this program holds its loss report beside it.
"""

from __future__ import annotations

import csv
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from helpline.content import ContentError
from routing.hsds.fields import TABLES, tables
from routing.hsds.loss import LossReport, Why
from routing.hsds.schemas import descriptor
from routing.hsds.tables import Row, csv_of, flatten, nest, rows_of
from routing.hsds.terms import is_our_taxonomy, is_ours
from routing.hsds.writing import Written

Json = dict[str, Any]

LOSSES: Final = "loss-report"
_LARGEST: Final = 400 * 1024 * 1024  # bytes of a file, or of all in a zip when unpacked
_MOST_FILES: Final = 200
_BROKEN: Final = (zlib.error, lzma.LZMAError, EOFError)  # what the ways of packing raise where a bit is wrong
_LISTS: Final = ("services", "organizations", "taxonomies", "taxonomy_terms")


@dataclass
class Read:
    """What stood in the files."""

    services: list[Json] = field(default_factory=list)
    organizations: list[Json] = field(default_factory=list)
    terms: list[Json] = field(default_factory=list)
    taxonomies: list[Json] = field(default_factory=list)
    rows: Mapping[str, list[Row]] | None = None  # of a package, as they stood


# --- out --------------------------------------------------------------------------------------------------------------


def page(contents: Iterable[Mapping[str, Any]]) -> Json:
    """A whole list as one page."""
    listed = list(contents)
    return {
        "total_items": len(listed),
        "total_pages": 1,
        "page_number": 1,
        "size": len(listed),
        "first_page": True,
        "last_page": True,
        "empty": not listed,
        "contents": listed,
    }


def write_json(written: Written, path: Path) -> tuple[Path, ...]:
    """One file with the services, or a folder with a file for each list; beside it what was left behind."""
    if path.suffix == ".json":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_pretty(page(written.services)))
        return (path, *_write_losses(written.losses, path.parent, f"{path.stem}-{LOSSES}"))
    path.mkdir(parents=True, exist_ok=True)
    files = []
    for name in _LISTS:
        files.append(path / f"{name}.json")
        files[-1].write_bytes(_pretty(page(getattr(written, name))))
    return (*files, *_write_losses(written.losses, path, LOSSES))


def write_package(written: Written, path: Path, *, profile: str = "") -> tuple[Path, ...]:
    """The tabular package: a folder, or one file where the path ends in .zip."""
    texts = package_files(written, profile=profile)
    if path.suffix == ".zip":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(zipped(texts))
        return (path, *_write_losses(written.losses, path.parent, f"{path.stem}-{LOSSES}"))
    path.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (path / name).write_text(text, encoding="utf-8", newline="")
    return (*(path / name for name in texts), *_write_losses(written.losses, path, LOSSES))


def package_files(written: Written, *, profile: str = "") -> dict[str, str]:
    """The files of the package by name. Every table has its file, also those without a row."""
    rows = flatten(written.services, written.organizations, written.taxonomy_terms)
    more = {"homepage": profile} if profile else None
    described = descriptor(version=written.version, title="Varde: services against human trafficking", more=more)
    files = {"datapackage.json": _pretty(described).decode()}
    for table in tables(written.version):
        files[table.file] = csv_of(table, rows[table.name], written.version)
    return files


def zipped(texts: Mapping[str, str]) -> bytes:
    """The files as one. The same files make the same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in texts.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text.encode(), zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _write_losses(losses: LossReport, folder: Path, stem: str) -> tuple[Path, ...]:
    machine, people = folder / f"{stem}.json", folder / f"{stem}.txt"
    machine.write_bytes(_pretty(losses.as_plain()))
    people.write_text(losses.as_text(), encoding="utf-8")
    return (machine, people)


def _pretty(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


# --- in ---------------------------------------------------------------------------------------------------------------


def read_files(path: Path, losses: LossReport, *, largest: int = _LARGEST) -> Read:
    """What stands at this path; `ContentError` where it can be none of what we read, or is larger than `largest`."""
    if path.is_dir():
        found = {each.name: each for each in sorted(path.iterdir()) if each.is_file()}
        if len(found) > _MOST_FILES:
            raise ContentError("The folder holds too many files to be a package.", file=path.name)
        if any(table.file in found for table in TABLES.values()):
            return read_tables({name: _text(file) for name, file in found.items() if name.endswith(".csv")}, losses)
        documents = [file for name, file in found.items() if name.endswith(".json") and LOSSES not in name]
        if not documents:
            raise ContentError("The folder holds neither JSON nor the tables of a package.", file=path.name)
        read = Read()
        for file in documents:
            if file.name != "datapackage.json":
                _take(_document(file.read_bytes(), file.name), read, losses, file.name)
        _tell_of_terms(read, losses)
        return read
    if path.stat().st_size > largest:
        raise ContentError("The file is too large.", file=path.name)
    if zipfile.is_zipfile(path):
        return read_tables(_unzipped(path, largest), losses)
    read = Read()
    _take(_document(path.read_bytes(), path.name), read, losses, path.name)
    _tell_of_terms(read, losses)
    return read


def _text(path: Path) -> str:
    if path.stat().st_size > _LARGEST:
        raise ContentError("The file is too large.", file=path.name)
    return _decoded(path.read_bytes(), path.name)


def _decoded(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ContentError("The file must be saved as UTF-8.", file=name) from error


def _unzipped(path: Path, largest: int) -> dict[str, str]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
            if len(members) > _MOST_FILES or sum(info.file_size for info in members) > largest:
                raise ContentError("The archive is too large to be a package.", file=path.name)
            # Only the last part of a name counts: nothing is ever written where an archive says.
            return {
                Path(info.filename).name: _decoded(archive.read(info), info.filename)
                for info in members
                if info.filename.endswith(".csv")
            }
    except (zipfile.BadZipFile, *_BROKEN, OSError, NotImplementedError, RuntimeError) as error:
        raise ContentError("The archive cannot be read.", file=path.name) from error


def read_tables(texts: Mapping[str, str], losses: LossReport) -> Read:
    """The files of a package by name."""
    by_file = {table.file: table for table in TABLES.values()}
    rows: dict[str, list[Row]] = {name: [] for name in TABLES}
    for name, text in texts.items():
        if name == "datapackage.json":
            continue
        table = by_file.get(name)
        if table is None:
            losses.add(name, "the whole file", Why.UNKNOWN, "no table of the specification is called so")
        else:
            try:
                rows[table.name] += rows_of(table, text, losses)
            except csv.Error as error:
                raise ContentError("This is no table: a cell is longer than any we read.", file=name) from error
    if not rows["service"] and not rows["organization"]:
        raise ContentError("There is neither a services.csv nor an organizations.csv with a row in it.")
    services, organizations = nest(rows, losses)
    terms = [dict(row) for row in rows["taxonomy_term"]]
    read = Read(services, organizations, terms, [dict(row) for row in rows["taxonomy"]], rows)
    _tell_of_terms(read, losses)
    return read


def _document(data: bytes, name: str) -> Any:
    try:
        return orjson.loads(data.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise ContentError("This is no JSON.", file=name) from error


_TERM_KEYS: Final = frozenset({"code", "taxonomy", "taxonomy_id", "taxonomy_detail", "parent_id", "term_uri"})


def _take(document: Any, read: Read, losses: LossReport, name: str) -> None:
    """A page, a list, or a single entry: a service has a status, an organization has none."""
    if isinstance(document, dict) and isinstance(document.get("contents"), list):
        if document.get("first_page") is False or document.get("last_page") is False:
            losses.add(name, "contents", Why.NOT_TAKEN, "this is one page of several, and the others are not here")
        document = document["contents"]
    for entry in document if isinstance(document, list) else [document]:
        if not isinstance(entry, dict):
            losses.add(name, "an entry", Why.NOT_READABLE, "it is no object")
        elif "location_type" in entry:
            losses.add(name, "location", Why.NOT_TAKEN, "a place comes in with the service that is there")
        elif "status" in entry or "service_at_locations" in entry or "eligibility_description" in entry:
            read.services.append(entry)
        elif "location" in entry and isinstance(entry.get("service"), dict):
            read.services.append({**entry["service"], "service_at_locations": [_without(entry, "service")]})
        elif not {"id", "name"} <= entry.keys():
            losses.add(name, "an entry", Why.NOT_READABLE, "it is neither a service nor an organization")
        elif _TERM_KEYS & entry.keys():
            read.terms.append(entry)
        elif "version" in entry or name.startswith("taxonom"):
            read.taxonomies.append(entry)
        else:
            read.organizations.append(entry)


def _tell_of_terms(read: Read, losses: LossReport) -> None:
    """Words of our own are known; those of another's vocabulary are not taken in, however many they are."""
    if any(not is_ours(term.get("code")) for term in read.terms):
        losses.add("taxonomy_terms", "taxonomy_term", Why.UNMAPPED, "the terms of another vocabulary")
    if any(not is_our_taxonomy(each.get("id")) for each in read.taxonomies):
        losses.add("taxonomies", "taxonomy", Why.UNMAPPED, "the name of another vocabulary")


def _without(entry: Json, name: str) -> Json:
    return {key: value for key, value in entry.items() if key != name}

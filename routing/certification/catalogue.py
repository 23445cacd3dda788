"""The support programme's catalogue: 79 measures that a provider may say it offers, and what is asked about each.

The labels are the Swedish ones of the source, with English beside them; a key `area.table.row` names a row everywhere.
Pure but for `Catalogue.load`, which reads `content/catalogue.yaml` once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Final

from helpline.content import Node, load_yaml
from helpline.messages import Language


class Column(StrEnum):
    """What the form asks about a row."""

    OFFERED = "offered"  # yes or no
    SPECIFICATION = "specification"  # a number or one of the row's options, in place of yes or no
    MODE_FIN = "mode_fin"  # in-house, through others, or as money
    MODE = "mode"  # in-house or through others
    TARGET_GROUP = "target_group"
    COMMENT = "comment"
    GEOGRAPHY = "geography"


class Mode(StrEnum):
    """Who does what is offered."""

    INTERNAL = "internal"
    EXTERNAL = "external"
    FINANCIAL = "financial"  # the provider pays for it


Names = Mapping[Language, str]
HOUSING: Final = "protection.housing"  # the table whose rows say where somebody lives
PLACES: Final = f"{HOUSING}.places"  # of this number nothing is told in public
CLASSIFICATION: Final = f"{HOUSING}.classification"  # the kind of housing, which may be told


@dataclass(frozen=True)
class Option:
    """One thing that a row may be specified as."""

    key: str
    names: Names
    none: bool = False  # it says that there is nothing of it


@dataclass(frozen=True)
class Row:
    """One measure of the catalogue."""

    key: str  # "protection.housing.places"
    sv: str
    en: str
    area: str
    table: str
    columns: tuple[Column, ...]
    number: bool = False
    options: tuple[Option, ...] = ()
    source_spelling: str = ""

    @property
    def modes(self) -> tuple[Mode, ...]:
        """What may be chosen for who does it; nothing where the form does not ask."""
        if Column.MODE_FIN in self.columns:
            return tuple(Mode)
        return (Mode.INTERNAL, Mode.EXTERNAL) if Column.MODE in self.columns else ()

    @property
    def name(self) -> str:
        """The row as the form and its fields call it: no dot may stand in the name of a field."""
        return self.key.replace(".", "-")

    def option(self, key: str) -> Option | None:
        return next((option for option in self.options if option.key == key), None)


@dataclass(frozen=True)
class Table:
    """One table of the form."""

    key: str  # "protection.housing"
    sv: str
    en: str
    convention: str  # the chapter or article of the Council of Europe's convention
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class CatalogueArea:
    """One of the five areas of the form."""

    key: str
    sv: str
    en: str
    convention: str
    tables: tuple[Table, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        return tuple(row for table in self.tables for row in table.rows)


@dataclass(frozen=True)
class Catalogue:
    """The whole form."""

    sv: str
    en: str
    source: str  # where the labels come from, in one line
    columns: Mapping[Column, tuple[str, str]]  # Swedish and English
    modes: Mapping[Mode, Names]
    targets: Mapping[str, Names]
    areas: tuple[CatalogueArea, ...]

    @classmethod
    def load(cls, content: Path) -> Catalogue:
        """Read `catalogue.yaml`; `ContentError` with file and line for what does not fit."""
        root = load_yaml(content / "catalogue.yaml")
        fields = root.mapping(required=("source", "name", "columns", "modes", "targets", "areas"))
        source = fields["source"].mapping(required=("title", "publisher", "document", "edition", "read"))
        source["read"].date()
        name = fields["name"].mapping(required=("sv", "en"))
        columns = fields["columns"].mapping(required=[column.value for column in Column])
        modes = fields["modes"].mapping(required=[mode.value for mode in Mode])
        catalogue = cls(
            sv=name["sv"].text(),
            en=name["en"].text(),
            source=f"{source['title'].text()}, {source['publisher'].text()}, {source['document'].text()}",
            columns={Column(key): _two(node) for key, node in columns.items()},
            modes={Mode(key): _names(node) for key, node in modes.items()},
            targets={key: _names(node) for key, node in fields["targets"].entries().items()},
            areas=tuple(_area(node) for node in fields["areas"].items(at_least=1)),
        )
        if len(catalogue.rows) != sum(len(area.rows) for area in catalogue.areas):
            raise root.error("Two rows of the catalogue have the same key.")
        return catalogue

    @cached_property
    def rows(self) -> Mapping[str, Row]:
        """Every row by its key, in the order of the form."""
        return {row.key: row for area in self.areas for row in area.rows}


def _two(node: Node) -> tuple[str, str]:
    fields = node.mapping(required=("sv", "en"))
    return fields["sv"].text(), fields["en"].text()


def _names(node: Node) -> Names:
    fields = node.mapping(required=[language.value for language in Language])
    return {Language(language): name.text() for language, name in fields.items()}


def _area(node: Node) -> CatalogueArea:
    fields = node.mapping(required=("key", "sv", "en", "tables"), optional=("convention",))
    key = fields["key"].text()
    tables = tuple(_table(table, key) for table in fields["tables"].items(at_least=1))
    convention = fields["convention"].text(default="")
    return CatalogueArea(key, fields["sv"].text(), fields["en"].text(), convention, tables)


def _table(node: Node, area: str) -> Table:
    fields = node.mapping(required=("key", "sv", "en", "columns", "rows"), optional=("convention",))
    key = f"{area}.{fields['key'].text()}"
    columns = fields["columns"].some_of(Column, at_least=1)
    rows = tuple(_row(row, area, key, columns) for row in fields["rows"].items(at_least=1))
    return Table(key, fields["sv"].text(), fields["en"].text(), fields["convention"].text(default=""), columns, rows)


def _row(node: Node, area: str, table: str, columns: tuple[Column, ...]) -> Row:
    fields = node.mapping(required=("key", "sv", "en"), optional=("source_spelling", "number", "options"))
    number = fields["number"].flag(default=False)
    options = tuple(_option(item) for item in fields["options"].items()) if "options" in fields else ()
    if (Column.SPECIFICATION in columns) != (number or bool(options)) or (number and options):
        raise node.error("A row that is specified needs either options or number, and no other row has them.")
    return Row(
        key=f"{table}.{fields['key'].text()}",
        sv=fields["sv"].text(),
        en=fields["en"].text(),
        area=area,
        table=table,
        columns=columns,
        number=number,
        options=options,
        source_spelling=fields["source_spelling"].text(default=""),
    )


def _option(node: Node) -> Option:
    fields = node.mapping(required=("key", "name"), optional=("none",))
    return Option(fields["key"].text(), _names(fields["name"]), fields["none"].flag(default=False))

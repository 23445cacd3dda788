"""The field list of HSDS 3.0 and 3.1 as data. Schemas, the package's descriptor, CSV columns and checks are made of it.

Facts of the specification only (its texts are under CC BY-SA 4.0 and are not repeated here): which tables there are, in
which file each stands, what its fields are called and of what type they are, what is required, and since when.

How a field is written below: `name!` is required; `name!t` is required in tables only; `name:type` where it is not
plain text; `name[table]` is a list of children and `name>table` a single child, both of which stand in JSON only;
`name@3.1` came with that version.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Final


class Version(StrEnum):
    """A version of the specification that we read and write."""

    V3_0 = "3.0"
    V3_1 = "3.1"


NEWEST: Final = Version.V3_1


class Kind(StrEnum):
    """What a field holds."""

    TEXT = "text"
    UUID = "uuid"
    URI = "uri"
    EMAIL = "email"
    NUMBER = "number"
    DATE = "date"
    TIME = "time"
    INSTANT = "instant"
    LIST = "list"  # of children; in JSON only
    CHILD = "child"  # one of them; in JSON only


@dataclass(frozen=True)
class Field:
    """One field of a table."""

    name: str
    kind: Kind
    required: bool = False  # in JSON and in tables
    required_in_tables: bool = False
    child: str = ""  # the table of the children
    refers_to: str = ""  # the table that an id is of
    values: tuple[str, ...] = ()
    since: Version = Version.V3_0

    @property
    def nested(self) -> bool:
        """Whether it stands in JSON only."""
        return self.kind in {Kind.LIST, Kind.CHILD}


@dataclass(frozen=True)
class Table:
    """One table: an object in JSON, a file in the package."""

    name: str
    file: str
    fields: tuple[Field, ...]
    since: Version = Version.V3_0

    def columns(self, version: Version = NEWEST) -> tuple[Field, ...]:
        """What stands in the file."""
        return tuple(field for field in self.of(version) if not field.nested)

    def of(self, version: Version = NEWEST) -> tuple[Field, ...]:
        """The fields of this version."""
        return tuple(field for field in self.fields if field.since <= version)

    def find(self, name: str) -> Field | None:
        """The field of this name."""
        return next((field for field in self.fields if field.name == name), None)


_LIST: Final = """
organization organizations.csv
  id!:uuid name! alternate_name description! email:email website:uri additional_websites[url]@3.1 tax_status tax_id
  year_incorporated:number legal_status logo uri:uri parent_organization_id:uuid funding[funding] contacts[contact]
  phones[phone] locations[location] programs[program] organization_identifiers[organization_identifier]
program programs.csv
  id!:uuid organization_id!t:uuid name! alternate_name description!
service services.csv
  id!:uuid organization_id!t:uuid program_id:uuid name! alternate_name description url:uri additional_urls[url]@3.1
  email:email status! interpretation_services application_process fees_description wait_time fees accreditations
  eligibility_description minimum_age:number maximum_age:number assured_date:date assurer_email:email licenses alert
  last_modified:instant phones[phone] schedules[schedule] service_areas[service_area]
  service_at_locations[service_at_location] languages[language] organization>organization funding[funding]
  cost_options[cost_option] program>program required_documents[required_document] contacts[contact]
  capacities[service_capacity]@3.1
service_at_location service_at_location.csv
  id!:uuid service_id!t:uuid location_id!t:uuid description service_areas[service_area]@3.1 contacts[contact]
  phones[phone] schedules[schedule] location>location
location locations.csv
  id!:uuid location_type! url:uri organization_id:uuid name alternate_name description transportation latitude:number
  longitude:number external_identifier external_identifier_type languages[language] addresses[address]
  contacts[contact] accessibility[accessibility] phones[phone] schedules[schedule]
address addresses.csv
  id!:uuid location_id:uuid attention address_1! address_2 city! region state_province! postal_code! country!
  address_type!
phone phones.csv
  id!:uuid location_id:uuid service_id:uuid organization_id:uuid contact_id:uuid service_at_location_id:uuid number!
  extension:number type description languages[language]
contact contacts.csv
  id!:uuid organization_id:uuid service_id:uuid service_at_location_id:uuid location_id:uuid name title department
  email:email phones[phone]
schedule schedules.csv
  id!:uuid service_id:uuid location_id:uuid service_at_location_id:uuid valid_from:date valid_to:date dtstart:date
  timezone:number until:date count:number wkst freq interval:number byday byweekno bymonthday byyearday description
  opens_at:time closes_at:time schedule_link:uri attending_type notes
service_area service_areas.csv
  id!:uuid service_id:uuid service_at_location_id:uuid@3.1 name description extent extent_type uri
language languages.csv
  id!:uuid service_id:uuid location_id:uuid phone_id:uuid name code note
funding funding.csv
  id!:uuid organization_id:uuid service_id:uuid source
cost_option cost_options.csv
  id!:uuid service_id!t:uuid valid_from:date valid_to:date option currency amount:number amount_description
required_document required_documents.csv
  id!:uuid service_id:uuid document uri:uri
accessibility accessibility.csv
  id!:uuid location_id:uuid description details url:uri
organization_identifier organization_identifiers.csv
  id!:uuid organization_id!t:uuid identifier_scheme identifier_type! identifier!
taxonomy taxonomies.csv
  id!:uuid name! description! uri:uri version
taxonomy_term taxonomy_terms.csv
  id!:uuid code name! description! parent_id:uuid taxonomy taxonomy_detail>taxonomy language taxonomy_id:uuid
  term_uri:uri
attribute attributes.csv
  id!:uuid link_id!t:uuid taxonomy_term_id!t:uuid link_type link_entity!t value label@3.1 taxonomy_term>taxonomy_term
metadata metadata.csv
  id!:uuid resource_id!t:uuid resource_type!t last_action_date!:date last_action_type! field_name! previous_value!
  replacement_value! updated_by!
meta_table_description meta_table_descriptions.csv
  id!:uuid name language character_set
url@3.1 url.csv
  id!:uuid label url!:uri organization_id:uuid service_id:uuid
service_capacity@3.1 service_capacity.csv
  id!:uuid service_id!t:uuid unit_id!t:uuid unit!>unit available!:number maximum:number description updated!:instant
unit@3.1 units.csv
  id!:uuid name! scheme identifier uri:uri
"""

_VALUES: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("service", "status"): ("active", "inactive", "defunct", "temporarily closed"),
    ("location", "location_type"): ("physical", "postal", "virtual"),
    ("address", "address_type"): ("physical", "postal", "virtual"),
    ("schedule", "wkst"): ("MO", "TU", "WE", "TH", "FR", "SA", "SU"),
    ("schedule", "freq"): ("WEEKLY", "MONTHLY"),
}
_OTHERWISE: Final[Mapping[str, str]] = {
    "parent_organization_id": "organization",
    "parent_id": "taxonomy_term",
    "link_id": "",  # of any table: `link_entity` says which
    "resource_id": "",
}
_NO_ATTRIBUTES: Final = frozenset({"taxonomy", "taxonomy_term", "attribute", "metadata"})
_FIELD: Final = re.compile(
    r"(?P<name>\w+)(?P<required>!t?)?(?P<list>\[\w+])?(?P<child>>\w+)?(?::(?P<kind>\w+))?(?:@(?P<since>[\d.]+))?"
)


def _field(table: str, written: str) -> Field:
    found = _FIELD.fullmatch(written)
    assert found is not None, written
    name, required = found["name"], found["required"] or ""
    kind = Kind(found["kind"] or "text")
    child = (found["list"] or "[]")[1:-1] or (found["child"] or ">")[1:]
    if child:
        kind = Kind.LIST if found["list"] else Kind.CHILD
    refers = ""
    if kind is Kind.UUID and name != "id":
        refers = _OTHERWISE.get(name, name.removesuffix("_id"))
    return Field(
        name,
        kind,
        required=required == "!",
        required_in_tables=bool(required),
        child=child,
        refers_to=refers,
        values=_VALUES.get((table, name), ()),
        since=Version(found["since"] or "3.0"),
    )


def _tables() -> Iterator[Table]:
    for part in re.split(r"\n(?=\w)", _LIST.strip()):
        head, _, written = part.partition("\n")
        called, file = head.split()
        name, _, since = called.partition("@")
        fields = [_field(name, each) for each in written.split()]
        if name not in _NO_ATTRIBUTES:
            fields.append(Field("attributes", Kind.LIST, child="attribute"))
        if name != "metadata":
            fields.append(Field("metadata", Kind.LIST, child="metadata"))
        yield Table(name, file, tuple(fields), Version(since or "3.0"))


TABLES: Final[Mapping[str, Table]] = {table.name: table for table in _tables()}


@cache
def tables(version: Version = NEWEST) -> tuple[Table, ...]:
    """The tables of a version."""
    return tuple(table for table in TABLES.values() if table.since <= version)

"""Who is behind a service: an authority, a foundation, a society. What is known of it beyond its name.

Services say the name of their organisation; an organisation that nobody has entered is there all the same, by that name
alone. Pure: values, and one strict reader for files and the database.

- `read_organisation(node, country)`, `as_plain(organisation)`: read back equal
- `implied(service)`: the organisation of a service of which only the name is known
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from helpline.content import Node
from helpline.messages import Country, Language
from routing.services import Phone, Service
from routing.upkeep.service_form import looks_like_address, plain_phones, read_email, read_phones, read_url

_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_NUMBER = {Country.NO: re.compile(r"[0-9]{9}"), Country.SE: re.compile(r"[0-9]{6}-[0-9]{4}")}
_LETTERS = str.maketrans({"æ": "ae", "ø": "o", "å": "a", "ä": "a", "ö": "o", "đ": "d", "ŧ": "t", "ŋ": "n"})


@dataclass(frozen=True)
class Organisation:
    """One organisation of the directory."""

    id: str
    country: Country
    name: str
    alternate_names: tuple[str, ...] = ()  # also earlier ones: services may still say them
    what: Mapping[Language, str] = field(default_factory=dict, hash=False)
    url: str = ""
    email: str = ""
    phones: tuple[Phone, ...] = ()
    number: str = ""  # in the country's register
    parent: str = ""  # the id of the organisation it belongs to
    revision: int = 0  # in the database; 0 for what was read from a file

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, *self.alternate_names)


def id_of(country: Country, name: str) -> str:
    """The id of an organisation that goes by this name: the same today and in ten years."""
    plain = unicodedata.normalize("NFKD", name.casefold().translate(_LETTERS)).encode("ascii", "ignore").decode()
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    return f"{country.value.lower()}-{words or 'x'}"


def same_name(name: str) -> str:
    """What two writings of one name have in common."""
    return " ".join(name.casefold().split())


def implied(service: Service) -> Organisation:
    """The organisation of a service, where nothing but its name is known."""
    return Organisation(id_of(service.country, service.organisation), service.country, service.organisation)


def read_organisation(node: Node, country: Country) -> Organisation:
    """Read one organisation, strictly."""
    optional = ("alternate_names", "what", "url", "email", "phones", "number", "parent")
    fields = node.mapping(required=("id", "name"), optional=optional)
    organisation_id = fields["id"].text(longest=120)
    if not _ID.fullmatch(organisation_id):
        raise fields["id"].error("An id is small letters, digits and single hyphens.")
    what = fields["what"].mapping(optional=[language.value for language in Language]) if "what" in fields else {}
    found = Organisation(
        id=organisation_id,
        country=country,
        name=fields["name"].text(longest=160),
        alternate_names=fields["alternate_names"].texts(default=()),
        what={Language(language): line.text(longest=240) for language, line in what.items()},
        url=read_url(fields["url"]) if "url" in fields else "",
        email=read_email(fields["email"]) if "email" in fields else "",
        phones=read_phones(fields["phones"]) if "phones" in fields else (),
        number=fields["number"].text(default=""),
        parent=fields["parent"].text(default=""),
    )
    if found.number and not _NUMBER[country].fullmatch(found.number):
        raise fields["number"].error("The number has nine digits in Norway, and is written 802001-2345 in Sweden.")
    for text in (*found.names, *found.what.values()):
        if looks_like_address(text):
            raise node.error(f'"{found.id}" holds what looks like a street address; the directory keeps none.')
    return found


def as_plain(organisation: Organisation) -> dict[str, Any]:
    """The organisation in the form that `read_organisation` reads."""
    plain: dict[str, Any] = {"id": organisation.id, "name": organisation.name}
    if organisation.alternate_names:
        plain["alternate_names"] = list(organisation.alternate_names)
    if organisation.what:
        plain["what"] = {language.value: line for language, line in organisation.what.items()}
    for name in ("url", "email", "number", "parent"):
        if getattr(organisation, name):
            plain[name] = getattr(organisation, name)
    if organisation.phones:
        plain["phones"] = plain_phones(organisation.phones)
    return plain


class Unclear(ValueError):
    """What is said of organisations cannot all be true: a name twice, or a parent that is not there."""


def check_all(organisations: Iterable[Organisation]) -> None:
    """Refuse names that mean two organisations, and parents that are not there or come round in a ring."""
    by_id: dict[str, Organisation] = {}
    by_name: dict[tuple[Country, str], Organisation] = {}
    for each in organisations:
        if by_id.setdefault(each.id, each) is not each:
            raise Unclear(f'Two organisations have the id "{each.id}".')
        for name in dict.fromkeys(map(same_name, each.names)):
            if by_name.setdefault((each.country, name), each) is not each:
                raise Unclear(f'Two organisations of {each.country.value} are called "{name}".')
    for each in by_id.values():
        above, seen = each, {each.id}
        while above.parent:
            if above.parent not in by_id:
                raise Unclear(f'The parent "{above.parent}" of "{above.id}" is not among the organisations.')
            if above.parent in seen:
                raise Unclear(f'"{each.id}" is its own parent, by way of others.')
            seen.add(above.parent)
            above = by_id[above.parent]


class Organisations:
    """All organisations at one moment, by id and by every name."""

    def __init__(self, organisations: Iterable[Organisation]) -> None:
        self.all = tuple(organisations)
        self._by_id = {each.id: each for each in self.all}
        self._by_name: dict[tuple[Country, str], Organisation] = {}
        for each in self.all:
            for name in each.names:
                self._by_name.setdefault((each.country, same_name(name)), each)

    def find(self, organisation_id: str) -> Organisation | None:
        return self._by_id.get(organisation_id)

    def of(self, service: Service) -> Organisation:
        """The organisation of a service, as far as it is known."""
        return self._by_name.get((service.country, same_name(service.organisation))) or implied(service)

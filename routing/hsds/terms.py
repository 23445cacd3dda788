"""What we say that HSDS has no field for, as taxonomy terms: whom a service takes, how one comes in, what it is for.

Each term has a code `taxonomy:key` that is the same in every installation, and an id made of it. An attribute with such
a term says yes, no, or a text; what is not said is unknown, and unknown is neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid5

from helpline.messages import Country, Language
from routing.places import Level
from routing.services import Access, Confidence, Exploitation, Freshness, ServiceKind, Sex, Status

_NAMESPACE: Final = UUID("8e0f5b7a-6f0c-4f5e-9d6b-2b7c1c9a4d31")  # chosen once; every id of ours is made under it
VERSION: Final = "1.0"


def id_of(table: str, *parts: str) -> str:
    """The id of an entry: the same wherever and whenever it is written."""
    return str(uuid5(_NAMESPACE, "\x1f".join((table, *parts))))


@dataclass(frozen=True)
class Term:
    """One term."""

    code: str
    name: str
    description: str

    @property
    def taxonomy(self) -> str:
        return self.code.partition(":")[0]

    @property
    def key(self) -> str:
        return self.code.partition(":")[2]

    @property
    def id(self) -> str:
        return id_of("taxonomy_term", self.code)


_TAXONOMIES: Final[Mapping[str, tuple[str, str]]] = {
    "kind": ("Kind of service", "What sort of service it is."),
    "need": ("Need", "What a patient may need; the value says whether the service is there for it first, or also."),
    "catalogue": ("Catalogue of the support programme", "Measures of Sweden's national support programme."),
    "sex": ("Sex", "Whom the service takes, by sex: yes or no; what is absent is to be asked."),
    "exploitation": ("Exploitation", "Whom it takes, by what they were exploited for: yes or no."),
    "status": ("Legal status", "Whom it takes, by legal status: yes or no."),
    "age": ("Age", "What the age limits leave open."),
    "takes": ("Who comes along", "Whether it takes families, children who come along, or ongoing substance use."),
    "access": ("Access", "How one comes in."),
    "hours": ("Hours", "What weekly schedules cannot say of opening hours."),
    "schedule": ("Schedule", "Which part of the hours a schedule is."),
    "area": ("Area", "The official code of an area, by its level."),
    "likely": ("Likely area", "An area where the service probably answers, though no source says so."),
    "confidentiality": ("Confidentiality", "A place of which only the area may be known."),
    "confidence": ("Confidence", "How far the facts were read in a source."),
    "freshness": ("Freshness", "How old the newest source is."),
    "capacity": ("Room", "Whether the service takes anybody now, and who said so."),
    "words": ("Words", "The line that says what it is, in further languages; the code is that of the language."),
    "say-first": ("What to say first", "What to say when calling; the code is that of the language."),
    "use": ("What a number is for", "The code is that of the language."),
    "fact": ("Fact", "Everything else that the directory keeps of an entry."),
}

_IDS: Final = frozenset(id_of("taxonomy", code) for code in _TAXONOMIES)

_FACTS: Final[Mapping[str, str]] = {
    "key": "The id in the directory that wrote it.",
    "country": "The country whose law and areas hold.",
    "feed": "Which feed it stood in; a public one says less.",
    "zone": "The IANA time zone of the times; a number of hours breaks when the clocks change.",
    "note": "A note to professionals.",
    "child-route": "The public route for a child at risk.",
    "advises-all": "Gives advice to professionals in the whole country.",
    "everywhere": "Each municipality has its own; this entry stands for all of them.",
    "introduction": "Whether it takes a warm introduction.",
    "interpreter": "Interpreters are used.",
    "languages-as-stated": "What the source says of languages.",
    "language": "A language, in the order in which the directory lists them.",
    "source": "Where the facts were read: title, address and how old it was, as JSON.",
    "url": "The address of its page, as people write it.",
    "unverified": "What was not found in any source.",
    "owner": "Who at the line keeps the entry.",
    "assured-by": "Who at the line last checked it.",
    "confirmed-on": "When the service itself last said that it is right.",
    "confirms": "May confirm what the directory says.",
    "location-kind": "What sort of place it is.",
    "unnamed": "The place has no name; the name of its area stands in for it.",
    "location-area": "The area in which the place lies: level and code.",
    "said-of-organisation": "The name by which the service calls its organisation.",
    "alternate-name": "A name that it also goes by.",
    "known-by-name": "Nothing but the name is known of the organisation.",
}

_HOURS: Final[Mapping[str, str]] = {
    "always": "Day and night.",
    "always-by-law": "The law wants it open day and night; nobody read it for this one.",
    "weekly": "By the week, as the schedules say.",
    "office-hours": "In office hours, without times.",
    "outside-office-hours": "Evenings, nights and weekends, without times.",
    "not-at-night": "Not at night; that is all that is known.",
    "call-first": "Call first.",
    "unknown": "Not known.",
    "holidays": "What public holidays of the country do: closed, as-usual, as-sunday.",
    "approximate": "The times are old or rough.",
    "as-stated": "The source's own words.",
}


def _readable(key: str) -> str:
    return key.replace("_", " ").replace("-", " ").capitalize()


def _fixed() -> Iterable[Term]:
    lists: Mapping[str, Iterable[str]] = {
        "kind": [each.value for each in ServiceKind],
        "sex": ["everyone", *(each.value for each in Sex)],
        "exploitation": ["everyone", *(each.value for each in Exploitation)],
        "status": ["everyone", *(each.value for each in Status)],
        "age": ["everyone", "ask-from", "ask-to"],
        "takes": ["families", "children", "substance-use"],
        "access": [each.value for each in Access],
        "schedule": ["weekly", "season", "exception", "always"],
        "area": [each.value for each in Level],
        "likely": [each.value for each in Level],
        "confidentiality": ["protected", "place"],
        "confidence": [each.value for each in Confidence],
        "freshness": [each.value for each in Freshness],
        "capacity": ["accepting", "told-by", "told-at", "free", "maximum", "unit"],
        **{name: [language.value for language in Language] for name in ("words", "say-first", "use")},
    }
    for taxonomy, keys in lists.items():
        for key in keys:
            yield Term(f"{taxonomy}:{key}", _readable(key), f"{_TAXONOMIES[taxonomy][0]}: {_readable(key).lower()}.")
    for taxonomy, described in (("hours", _HOURS), ("fact", _FACTS)):
        for key, sentence in described.items():
            yield Term(f"{taxonomy}:{key}", _readable(key), sentence)


class Vocabulary:
    """Every term that an entry of this directory may carry."""

    def __init__(self, *, needs: Mapping[str, str] | None = None, catalogue: Mapping[str, str] | None = None) -> None:
        terms = [*_fixed()]
        terms += [Term(f"need:{key}", name, f"Need: {name}") for key, name in (needs or {}).items()]
        terms += [Term(f"catalogue:{key}", name, f"Measure: {name}") for key, name in (catalogue or {}).items()]
        self.terms: Mapping[str, Term] = {term.code: term for term in terms}

    def term(self, code: str) -> Term:
        """The term of this code. A row of the catalogue that a service names and nobody lists goes by its key."""
        known = self.terms.get(code)
        if known is not None:
            return known
        taxonomy, _, key = code.partition(":")
        if taxonomy not in {"need", "catalogue"}:
            raise KeyError(code)
        return Term(code, _readable(key), f"{_TAXONOMIES[taxonomy][0]}: {key}")


def taxonomy_entry(code: str, profile: str) -> dict[str, Any]:
    """A taxonomy as it is written."""
    name, description = _TAXONOMIES[code]
    entry = {"id": id_of("taxonomy", code), "name": name, "description": description, "version": VERSION}
    if profile:
        entry["uri"] = f"{profile}#{code}"
    return entry


def term_entry(term: Term, profile: str) -> dict[str, Any]:
    """A term as it is written."""
    entry: dict[str, Any] = {
        "id": term.id,
        "code": term.code,
        "name": term.name,
        "description": term.description,
        "taxonomy": _TAXONOMIES[term.taxonomy][0],
        "language": "en",
        "taxonomy_id": id_of("taxonomy", term.taxonomy),
        "taxonomy_detail": taxonomy_entry(term.taxonomy, profile),
    }
    if profile:
        entry["term_uri"] = f"{profile}#{term.code.replace(':', '-')}"
    return entry


def taxonomies() -> tuple[str, ...]:
    """The codes of all taxonomies."""
    return tuple(_TAXONOMIES)


def is_ours(code: object) -> bool:
    """Whether a term is one of these."""
    return isinstance(code, str) and code.partition(":")[0] in _TAXONOMIES


def is_our_taxonomy(ident: object) -> bool:
    """Whether the id of a taxonomy is of one of these."""
    return isinstance(ident, str) and ident in _IDS


def offset_of(country: Country) -> int:
    """The hours of the country's zone ahead of UTC in winter; the zone itself stands beside it."""
    return {Country.NO: 1, Country.SE: 1}[country]

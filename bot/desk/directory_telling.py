"""A service in plain words: what each of its fields says, what differs between two wordings, and when it is open.

One way of putting a field into words serves the page of a service, its history and what a second person is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from babel import Locale

from bot.desk.directory_sheet import DAYS, GROUPS, TONGUES, hours_shape
from bot.desk.telling import Telling
from helpline.messages import Country, Language
from helpline.phrases import ZONES, say_date, say_list, say_time
from routing import capacity, closed_days
from routing.capacity import Capacity
from routing.certification.catalogue import Catalogue
from routing.directory import Directory, Need
from routing.hours import Opening, OpenState, opening
from routing.places import Gazetteer, Level
from routing.services import Answer, Confidence, Hours, Service, ServiceKind, ServiceStatus
from routing.upkeep import changes
from routing.upkeep.proposal_store import Proposal

Plain = Mapping[str, Any]

GONE: Final = frozenset({ServiceStatus.INACTIVE, ServiceStatus.DEFUNCT})
# What stands under each heading of a service's page.
SECTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "reach": ("phones", "email", "url", "access", "say_first", "introduction", "languages"),
    "who": (
        *("serves.sex", "serves.age", "families", "serves.children", "serves.substance_use"),
        *("serves.status", "serves.exploitation"),
    ),
    "when": ("hours",),
    "where": ("area", "locations"),
    "what": ("what", "note", "needs", "catalogue"),
    "about": (
        *("organisation", "kind", "status", "confidence", "freshness", "confirmed_on", "assured_on", "assured_by"),
        *("owner", "protected", "child_route", "unverified", "sources"),
    ),
    "staff_only": ("contacts",),
}
# What differs is told in the order in which somebody would ask.
_ORDER: Final = (
    *("name", "organisation", "kind", "what", "note", "needs", "status", "phones", "email", "url", "access"),
    *(field for fields in SECTIONS.values() for field in fields),
)
_ANSWERS: Final = ("families", "introduction", "serves.children", "serves.substance_use")
_CHOICES: Final = ("kind", "access", "status", "confidence", "freshness")
_DATES: Final = ("assured_on", "confirmed_on")
_ANSWERED: Final = {"accepted": "yes", "refused": "no"}
_TALLY: Final = 12  # names in one breath


@dataclass(frozen=True)
class Said:
    """One field in words."""

    field: str
    name: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Changed:
    """One field that differs, in words: what went and what came."""

    field: str
    name: str
    removed: tuple[str, ...]
    added: tuple[str, ...]


class ServiceTelling:
    """Services in the words of one reader."""

    def __init__(
        self,
        tell: Telling,
        language: Language,
        gazetteer: Gazetteer,
        needs: Mapping[str, Need],
        catalogue: Catalogue,
    ) -> None:
        self.tell = tell
        self._language = language
        self._gazetteer = gazetteer
        self._needs = needs
        self._catalogue = catalogue

    def say(self, key: str, **values: object) -> str:
        """A phrase of the directory."""
        return self.tell.say(f"desk.directory.{key}", **values)

    def field(self, field: str) -> str:
        """What a field is called."""
        return self.say(f"field.{field}")

    def who(self, actor: str | None) -> str:
        """Who changed something: one of us, what shipped, or the service itself."""
        if actor is not None and actor.partition(":")[0] in {"contact", "service", "link"}:
            return self.say("itself")
        return self.tell.who(actor)

    # --- one service --------------------------------------------------------------------------------------------------

    def sections(self, plain: Plain, country: Country) -> list[tuple[str, list[Said]]]:
        """The service's page: headings, and below each what the service says of it."""
        sections = []
        for heading, fields in SECTIONS.items():
            said = [Said(name, self.field(name), tuple(self.lines(name, plain, country))) for name in fields]
            told = [each for each in said if each.lines or each.field.startswith("serves")]
            if told:
                sections.append((heading, told))
        return sections

    def differences(self, old: Plain | None, new: Plain, country: Country) -> list[Changed]:
        """Every field that differs, with the lines that went and those that came."""
        found = []
        differing = [each for each in changes.differences(old, new) if each.field != "id"]
        for each in sorted(differing, key=lambda one: _ORDER.index(one.field) if one.field in _ORDER else len(_ORDER)):
            # What was not there did not even leave anything unsaid.
            before = self.lines(each.field, {each.field: each.before}, country, whole=False) if old is not None else []
            after = self.lines(each.field, {each.field: each.after}, country, whole=False)
            removed = tuple(line for line in before if line not in after)
            added = tuple(line for line in after if line not in before)
            if old is None and not added:
                continue
            if not removed and not added:
                # Only the order differs, which matters: the first number is the one that is called.
                removed, added = tuple(before), tuple(after)
            found.append(Changed(each.field, self.field(each.field), removed, added))
        return found

    def lines(self, field: str, plain: Plain, country: Country, *, whole: bool = True) -> list[str]:
        """A field in words; `plain` is the whole service, or holds the field under its own name."""
        value = _part(plain, field) if whole else plain.get(field)
        if field.startswith("serves.") and value is None:
            return [self.say("age.unknown")]
        if field in _ANSWERS:
            return [self.say(f"answer.{_ANSWERED.get(str(value), 'ask')}")]
        if field == "status":
            return [self.say(f"status.{value or 'active'}")]
        if value in (None, "", [], {}, False):
            return []
        if field in _CHOICES:
            return [self.say(f"{field}.{value}")]
        if field in _DATES:
            return [say_date(date.fromisoformat(value), self._language)]
        match field:
            case "what" | "say_first":
                return [
                    f"{self.tell.say(f'language.{tongue}')}: {value[tongue]}" for tongue in TONGUES if tongue in value
                ]
            case "needs":
                return self._needs_said(value)
            case "area":
                return self._area(value, country)
            case "serves.age":
                return self._age(value)
            case "serves.sex" | "serves.exploitation" | "serves.status":
                return self._takes(field.removeprefix("serves."), value, country)
            case "phones":
                return [self._phone(phone) for phone in value]
            case "hours":
                return self.hours(value)
            case "languages":
                return self._languages(value)
            case "catalogue":
                return self._catalogued(value)
            case "locations":
                return [line for place in value for line in self._location(place, country)]
            case "contacts":
                return [self._contact(contact) for contact in value]
            case "sources":
                return [self._source(source) for source in value]
            case "owner" | "assured_by":
                return [self.who(f"staff:{value.removeprefix('staff:')}")]
            case "protected" | "child_route":
                return [self.say("yes")]
            case _:
                return [str(each) for each in value] if isinstance(value, list) else [str(value)]

    # --- fields -------------------------------------------------------------------------------------------------------

    def _needs_said(self, needs: Plain) -> list[str]:
        names = {
            part: [self._needs[need].names[self._language] if need in self._needs else need for need in needs[part]]
            for part in ("first", "also")
        }
        said = list(names["first"])
        return [*said, f"{self.say('need.also')}: {say_list(names['also'], self._language)}"] if names["also"] else said

    def area(self, service: Service) -> str:
        """Where a service answers, in one line."""
        if service.area.everywhere:
            return self.say("reach.every")
        if service.area.national:
            return self.say("reach.national")
        names = [self._place(level, code, service.country) for level, code in sorted(service.area.areas)]
        names = names or [
            self.say("area.likely.said", areas=self._place(level, code, service.country))
            for level, code in sorted(service.area.likely)
        ]
        return ", ".join(names[:3]) + (f" +{len(names) - 3}" if len(names) > 3 else "")

    def _area(self, area: Plain, country: Country) -> list[str]:
        if "level" in area:
            return [self.say("reach.every" if area.get("every") else "reach.national")]
        said = self._places(area, country)
        likely = self._places(area.get("likely") or {}, country)
        if likely:
            said.append(self.say("area.likely.said", areas=say_list(likely, self._language)))
        return said + ([self.say("area.advises")] if area.get("advises_all") else [])

    def _places(self, codes: Plain, country: Country) -> list[str]:
        levels = [level for level in Level if level.value in codes]
        return [self._place(level, code, country) for level in levels for code in codes[level.value]]

    def _place(self, level: Level, code: str, country: Country) -> str:
        place = self._gazetteer.find(country, level, code)
        return place.label if place is not None else f"{level.value} {code}"

    def _age(self, age: Any) -> list[str]:
        if not isinstance(age, Mapping):
            return [self.say("age.all")]
        lower, upper = age.get("lower"), age.get("upper")
        said = []
        if lower is not None and upper is not None:
            said.append(self.say("age.between", lower=lower, upper=upper))
        elif lower is not None:
            said.append(self.say("age.from", lower=lower))
        elif upper is not None:
            said.append(self.say("age.to", upper=upper))
        if "ask_lower" in age:
            said.append(self.say("age.ask_between", lower=age["ask_lower"], upper=lower or 0))
        if "ask_upper" in age:
            said.append(self.say("age.ask_between", lower=upper or 0, upper=age["ask_upper"]))
        return said

    def _takes(self, group: str, takes: Any, country: Country) -> list[str]:
        if not isinstance(takes, Mapping):
            return [self.say("everyone")]
        told = {each for part in ("takes", "refuses") for each in takes.get(part, ())}
        asked = [each.value for each in GROUPS[group] if each.value not in told]
        if group == "status":
            asked = []  # ten of them would hide what is known
        parts = (("takes", takes.get("takes", ())), ("refuses", takes.get("refuses", ())), ("asks", asked))
        return [self.say(part, who=self._members(group, members)) for part, members in parts if members]

    def _members(self, group: str, members: Iterable[str]) -> str:
        return say_list([self.tell.say(f"reason.{group}.{each}") for each in members], self._language)

    def _phone(self, phone: Plain) -> str:
        use = phone.get("use") or {}
        words = use.get(self._language.value) or next(iter(use.values()), "")
        return f"{phone['number']} ({words})" if words else str(phone["number"])

    def hours(self, hours: Plain) -> list[str]:
        """Opening hours, line by line."""
        shape = hours_shape(hours)
        said = self._week(shape["days"]) if shape["kind"] == "weekly" else [self.say(f"hours.{shape['kind']}")]
        for season in shape["seasons"]:
            head = self.say("hours.season", first=season["first"], last=season["last"])
            said += [f"{head}: {line}" for line in self._week(season["days"]) or [self.say("hours.closed")]]
        for each in shape["exceptions"]:
            day = say_date(date.fromisoformat(each["on"]), self._language)
            said.append(f"{day}: {each['times'] or self.say('hours.closed')}")
        if shape["holidays"] != "as-usual":
            said.append(self.say(f"hours.holidays.{shape['holidays']}"))
        if shape["approximate"]:
            said.append(self.say("hours.approximate"))
        stated = shape["as_stated"]
        return said + ([f"{self.say('hours.as_stated')}: {stated}"] if stated and stated not in said else [])

    def _week(self, days: Mapping[str, str]) -> list[str]:
        runs: list[tuple[str, str, str]] = []
        for day in DAYS:
            if runs and runs[-1][2] == days[day]:
                runs[-1] = (runs[-1][0], day, days[day])
            else:
                runs.append((day, day, days[day]))
        named = {day: self.tell.say(f"desk.rota.day.{day}") for day in DAYS}
        return [
            self.say("hours.line", days=named[first] if first == last else f"{named[first]}–{named[last]}", times=times)
            for first, last, times in runs
            if times
        ]

    def _languages(self, spoken: Plain) -> list[str]:
        known = Locale.parse("nb" if self._language is Language.NB else self._language.value).languages
        names = [str(known.get(code, code)) for code in spoken.get("codes", ())]
        said = [say_list(names, self._language)] if names else []
        said += [self.say("languages.interpreter")] if spoken.get("interpreter") else []
        return [*said, f"{self.say('hours.as_stated')}: {spoken['as_stated']}"] if spoken.get("as_stated") else said

    def _catalogued(self, rows: Sequence[str]) -> list[str]:
        named = {row.key: row for area in self._catalogue.areas for row in area.rows}
        return [
            (named[key].en if self._language is Language.EN else named[key].sv) if key in named else key for key in rows
        ]

    def _location(self, place: Plain, country: Country) -> list[str]:
        parts = [place.get("name") or self.say(f"location.{place.get('kind', 'physical')}")]
        parts += [self._place(Level(level), code, country) for level, code in (place.get("area") or {}).items()]
        address = place.get("address")
        if address:
            parts.append(f"{address['street']}, {address['postal_code']} {address['city']}")
        parts += [phone["number"] for phone in place.get("phones", ())]
        if place.get("protected"):
            parts.append(self.say("location.protected"))
        said = [", ".join(parts)]
        return said + [f"{parts[0]}: {line}" for line in self.hours(place["hours"])] if place.get("hours") else said

    def _contact(self, contact: Plain) -> str:
        parts = [contact[part] for part in ("name", "title", "department", "email") if contact.get(part)]
        parts += [phone["number"] for phone in contact.get("phones", ())]
        return ", ".join(parts) + (f" ({self.say('contact.confirms').lower()})" if contact.get("confirms") else "")

    def _source(self, source: Plain) -> str:
        said = self.say("source.read", title=source["title"], seen=source["seen"])
        return f"{said} {source['url']}" if source.get("url") else said

    # --- now, and tonight ---------------------------------------------------------------------------------------------

    def now(self, hours: Hours, country: Country, at: datetime) -> str:
        """Whether it is open at an instant, and when it opens or closes."""
        return self._opening(opening(hours, at, ZONES[country], holidays=closed_days.around(country, at)), country, at)

    def preview(self, hours: Hours, country: Country, at: datetime) -> list[str]:
        """How these hours are read: now, tonight, on Saturday, on the next public holiday."""
        zone = ZONES[country]
        local = at.astimezone(zone)
        tonight = datetime.combine(local.date() + timedelta(days=local.hour >= 2), time(2), zone)
        saturday = datetime.combine(local.date() + timedelta(days=(5 - local.weekday()) % 7 or 7), time(12), zone)
        moments = [("now", at, ""), ("tonight", tonight, ""), ("saturday", saturday, "")]
        holiday = min((day for day in closed_days.around(country, at) if day > local.date()), default=None)
        if holiday is not None:
            noon = datetime.combine(holiday, time(12), zone)
            moments.append(("holiday", noon, say_date(holiday, self._language)))
        return [
            self.say(
                "preview.line",
                when=self.say(f"preview.{name}", **({"date": day} if day else {})),
                state=self.now(hours, country, moment),
            )
            for name, moment, day in moments
        ]

    def _opening(self, found: Opening, country: Country, at: datetime) -> str:
        def clock(moment: datetime) -> str:
            return say_time(moment, now=at, zone=ZONES[country], language=self._language)

        match found.state:
            case OpenState.OPEN if found.closes_at is not None:
                return self.say("preview.open_until", time=clock(found.closes_at))
            case OpenState.OPEN:
                return self.say("preview.open")
            case OpenState.CLOSED if found.opens_at is not None:
                return self.say("preview.closed_until", time=clock(found.opens_at))
            case OpenState.CLOSED:
                return self.say("preview.closed")
            case _:
                return self.say("preview.unknown")

    # --- beside it ----------------------------------------------------------------------------------------------------

    def room(self, told: Capacity | None, at: datetime) -> list[str]:
        """What is known of its room, and when it was told."""
        if told is None:
            return [self.say("room.unknown")]
        fresh = told.fresh(at)
        said = [self.say(f"room.{capacity.standing(told, at) if fresh else told.accepting}")]
        if told.free is not None and told.maximum is not None:
            said.append(self.say("room.free_of", free=told.free, maximum=told.maximum))
        elif told.free is not None:
            said.append(self.say("room.free", free=told.free))
        who = self.say(f"teller.{told.told_by}")
        said.append(self.say("room.told", time=self.tell.moment(told.told_at), who=who))
        return said if fresh else [*said, self.say("room.old")]

    def remarks(self, service: Service, directory: Directory, *, due: bool, at: datetime) -> list[tuple[str, str]]:
        """What to know of it before relying on it: how bad, and the sentence."""
        said: list[tuple[str, str]] = []

        def note(how: str, key: str, **values: object) -> None:
            said.append((how, self.say(f"remark.{key}", **values)))

        if service.status in GONE:
            note("bad", "gone")
        elif service.status is ServiceStatus.CLOSED_FOR_NOW:
            note("bad", "closed")
        if is_fallback(directory, service.id):
            note("", "fallback", country=self.tell.say(f"country.{service.country}"))
        if service.child_route:
            note("", "child_route")
        if service.hides_place:
            note("", "hidden")
        if service.kind is ServiceKind.BACKGROUND:
            note("", "background")
        if not service.phones:
            note("warn", "no_phone")
        if is_full(directory, service, at):
            note("warn", "full")
        if not is_confirmed(service):
            note("warn", "unconfirmed")
        elif due and service.confirmed_on is not None:
            note("warn", "due", date=say_date(service.confirmed_on, self._language))
        return said

    def because(self, names: Iterable[str]) -> str:
        """Why a second person looks at a change."""
        found = [self.say(f"because.{name}") for name in names]
        return say_list(found, self._language) if found else self.say("because.outside")

    def name_of(self, proposal: Proposal) -> str:
        """What a proposal is about."""
        return str(proposal.plain.get("name") or proposal.service_id)


def is_fallback(directory: Directory, service_id: str) -> bool:
    """Whether a service is one of those that are always shown."""
    return any(service_id in (*each.everyone, *each.minor) for each in directory.fallbacks.values())


def is_full(directory: Directory, service: Service, at: datetime) -> bool:
    """Whether it has said lately that it is full."""
    return capacity.standing(directory.capacity_of(service.id), at) is Answer.NO


def is_confirmed(service: Service) -> bool:
    """Whether the service itself has ever said that its entry is right."""
    return service.confidence is Confidence.CONFIRMED or service.confirmed_on is not None


def _part(plain: Plain, field: str) -> Any:
    outer, _, inner = field.partition(".")
    value = plain.get(outer)
    return value.get(inner) if inner and isinstance(value, Mapping) else None if inner else value

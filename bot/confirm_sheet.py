"""What a service says of its own entry: that it is right, what should be corrected, whether there is room. Pure.

`shape_of` gives the fields of the page from the entry, `read` makes of what a browser sent either what was told or what
is wrong with it. A field that says the same as the entry is no correction. What cannot be put into a field (hours, whom
the service takes in special cases) goes along in words, which a coordinator reads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from helpline.content import ContentError, node_of
from routing.services import AgeRange, Answer, Phone, Service, Sex, Takes
from routing.upkeep.dialled import can_be_dialled
from routing.upkeep.service_form import as_plain, looks_like_address, read_email, read_phones, read_url

ANSWERS: Final = ("serves.children", "families", "serves.substance_use", "introduction")
ROOM: Final = ("yes", "no")
LONGEST: Final = {"words": 300, "hours": 120, "phones": 400, "email": 200, "url": 500}
_OLDEST: Final = 130
_MOST_FREE: Final = 10_000


@dataclass(frozen=True)
class Told:
    """What a service told us."""

    right: bool  # the entry is right as it stands
    corrected: Service | None  # the entry with the corrections in it, where there are any
    words: str  # what should be corrected besides
    room: Answer | None  # whether there is room, where they said so
    free: int | None


@dataclass(frozen=True)
class Wrong:
    """What is wrong with what was sent: a phrase by field."""

    fields: Mapping[str, str]


def shape_of(service: Service) -> dict[str, str]:
    """The fields of the page, as the entry has them."""
    age = service.serves.age
    shape = {
        "phones": "\n".join(phone.number for phone in service.phones),
        "email": service.email,
        "url": service.url,
        "hours": "",
        "words": "",
        "room": "",
        "free": "",
        "age.lower": str(age.lower) if age.known and age.lower else "",
        "age.upper": str(age.upper) if age.known and age.upper is not None else "",
    }
    shape |= {f"sex.{sex}": service.serves.sex.answer(sex).value for sex in Sex}
    return shape | {name: _answer_of(service, name).value for name in ANSWERS}


def typed_in(form: Any, service: Service) -> dict[str, str]:
    """The fields as they were sent; what was not sent stands as the entry has it."""
    shape = shape_of(service)
    return {name: str(form.get(name, was)).replace("\r\n", "\n").strip() for name, was in shape.items()}


def read(form: Any, service: Service, *, mask: Callable[[str], str], hours_word: str) -> Told | Wrong:
    """What was told with a form; `mask` takes out what could tell a person, `hours_word` stands before new hours."""
    typed, was = typed_in(form, service), shape_of(service)
    wrong = {name: "confirm.wrong.long" for name, most in LONGEST.items() if len(typed[name]) > most}
    reader = _Reader(service, typed, was, wrong)
    corrected = reader.corrected()
    words = [typed["words"]] if typed["words"] else []
    if typed["hours"]:
        words.insert(0, f"{hours_word}: {typed['hours']}")
    if service.hides_place:
        wrong |= {name: "confirm.wrong.address" for name in ("words", "hours") if looks_like_address(typed[name])}
    room, free = _room(typed, wrong)
    right = form.get("do") == "right"
    changed = corrected is not None or bool(words)
    if right and changed:
        wrong["do"] = "confirm.wrong.both"
    if not right and not changed and not wrong:
        wrong["do"] = "confirm.wrong.nothing"
    if wrong:
        return Wrong(wrong)
    return Told(right, corrected, mask("\n".join(words)), room, free)


class _Reader:
    """The corrections in a form, field by field."""

    def __init__(
        self, service: Service, typed: Mapping[str, str], was: Mapping[str, str], wrong: dict[str, str]
    ) -> None:
        self._service = service
        self._typed = typed
        self._was = was
        self._wrong = wrong

    def corrected(self) -> Service | None:
        """The entry with the corrections in it; None where there are none, or one that cannot be read."""
        serves = replace(
            self._service.serves,
            sex=self._sex(),
            age=self._age(),
            children=self._answer("serves.children"),
            substance_use=self._answer("serves.substance_use"),
        )
        changed = replace(
            self._service,
            phones=self._phones(),
            email=self._read("email", read_email, self._service.email),
            url=self._read("url", read_url, self._service.url),
            families=self._answer("families"),
            introduction=self._answer("introduction"),
            serves=serves,
        )
        return changed if as_plain(changed) != as_plain(self._service) else None

    def _differs(self, *names: str) -> bool:
        return any(self._typed[name] != self._was[name] for name in names) and not set(names) & set(self._wrong)

    def _read(self, name: str, read: Callable[[Any], str], stands: str) -> str:
        if not self._differs(name):
            return stands
        if not self._typed[name]:
            return ""
        try:
            return read(node_of(self._typed[name], file=name))
        except ContentError:
            self._wrong[name] = f"confirm.wrong.{name}"
            return stands

    def _phones(self) -> tuple[Phone, ...]:
        if not self._differs("phones"):
            return self._service.phones
        known = {phone.number: phone for phone in self._service.phones}
        numbers = [line.strip() for line in self._typed["phones"].split("\n") if line.strip()]
        try:
            new = read_phones(node_of([{"number": number} for number in dict.fromkeys(numbers)], file="phones"))
        except ContentError:
            self._wrong["phones"] = "confirm.wrong.phones"
            return self._service.phones
        country = self._service.country
        if not all(phone.number in known or can_be_dialled(phone.number, country) for phone in new):
            self._wrong["phones"] = "confirm.wrong.dialled"
        return tuple(known.get(phone.number, phone) for phone in new)

    def _answer(self, name: str) -> Answer:
        if not self._differs(name):
            return _answer_of(self._service, name)
        try:
            return Answer(self._typed[name])
        except ValueError:
            return _answer_of(self._service, name)

    def _sex(self) -> Takes:
        names = [f"sex.{sex}" for sex in Sex]
        if not self._differs(*names):
            return self._service.serves.sex
        told = {sex.value: self._typed[f"sex.{sex}"] for sex in Sex}
        takes = frozenset(sex for sex, answer in told.items() if answer == Answer.YES)
        refuses = frozenset(sex for sex, answer in told.items() if answer == Answer.NO)
        if takes == {sex.value for sex in Sex}:
            return Takes(everyone=True)
        return Takes(takes, refuses)

    def _age(self) -> AgeRange:
        stands = self._service.serves.age
        if not self._differs("age.lower", "age.upper"):
            return stands
        limits: dict[str, int | None] = {}
        for name in ("age.lower", "age.upper"):
            written = self._typed[name]
            if written and not _is_count(written, _OLDEST):
                self._wrong[name] = "confirm.wrong.age"
                return stands
            limits[name] = int(written) if written else None
        lower, upper = limits["age.lower"] or 0, limits["age.upper"]
        if upper is not None and upper < lower:
            self._wrong["age.upper"] = "confirm.wrong.ages"
            return stands
        return AgeRange(lower, upper)


def _answer_of(service: Service, name: str) -> Answer:
    owner: Any = service.serves if name.startswith("serves.") else service
    answer: Answer = getattr(owner, name.removeprefix("serves."))
    return answer


def _room(typed: Mapping[str, str], wrong: dict[str, str]) -> tuple[Answer | None, int | None]:
    """Whether there is room and how many places; "no" is none, whatever number stands beside it."""
    if typed["room"] not in ROOM:
        return None, None
    if typed["room"] == "no":
        return Answer.NO, 0
    if not typed["free"]:
        return Answer.YES, None
    if not _is_count(typed["free"], _MOST_FREE) or int(typed["free"]) == 0:
        wrong["free"] = "confirm.wrong.free"
        return None, None
    return Answer.YES, int(typed["free"])


def _is_count(written: str, most: int) -> bool:
    return written.isascii() and written.isdigit() and len(written) < 10 and int(written) <= most

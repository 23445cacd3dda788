"""What the pages of certification tell: where a provider stands, what is missing, what is due; in the reader's words.

The programme's own labels are Swedish as in its forms. Whoever does not read Swedish pages gets English beside them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import orjson
from aiohttp import web
from multidict import MultiMapping

from bot.desk.case_room import FORM_ID
from bot.desk.door import DeskDoor
from bot.desk.keys import field_of
from bot.desk.telling import Telling
from helpline import audit
from helpline.messages import Country, Language
from helpline.phrases import say_list
from helpline.web import LANGUAGE
from knowledge.fitness import local_day
from routing.certification.catalogue import Catalogue, Row
from routing.certification.provider_store import Provider
from routing.certification.scope import certification, waiting
from routing.certification.standing import Due, Duty, Facts, Lack, Requirements, Standing, State, StepKey, standing
from routing.certification.store import Folder
from routing.certification.visit_store import KeptAction

TONE: Final[Mapping[State, str]] = {
    State.CERTIFIED: "good",
    State.READY: "good",
    State.PROPOSED: "warn",
    State.LAPSED: "bad",
    State.WITHDRAWN: "bad",
}
_LONGEST: Final = 2000


@dataclass(frozen=True)
class Programme:
    """What the support programme asks of a provider: its catalogue and its requirements."""

    catalogue: Catalogue
    book: Requirements

    @classmethod
    def load(cls, content: Path) -> Programme:
        return cls(Catalogue.load(content), Requirements.load(content))

    def standing(self, facts: Facts, on: date) -> Standing:
        return standing(self.book, self.catalogue, facts, on)


@dataclass(frozen=True)
class DueSaid:
    """Something with a day, in words."""

    what: str
    day: str
    late: bool
    action_id: int | None


class ProviderRoom:
    """What every page of certification needs."""

    def __init__(self, door: DeskDoor) -> None:
        self.door = door
        self.house = door.house
        self.programme = Programme.load(door.house.content)

    def today(self) -> date:
        """The day it is; the two countries share their clock."""
        return local_day(Country.SE, self.house.clock.now())

    def say(self, request: web.Request, key: str, **values: object) -> str:
        return self.door.say(request, key, **values)

    def waiting(self, provider: Provider, facts: Facts) -> list[tuple[Row, bool]]:
        """The rows of a certified provider that wait for a decision, in the order of the form; whether each is new."""
        country, gazetteer = provider.country, self.house.library.gazetteer
        held = certification(facts, self.today(), country, gazetteer)
        found = {each.row: each.new for each in waiting(held, country, gazetteer)} if held is not None else {}
        return [(row, found[key]) for key, row in self.programme.catalogue.rows.items() if key in found]

    def lacks(self, request: web.Request, lacks: Iterable[Lack]) -> list[str]:
        """What is missing, a sentence each."""
        return [self._lack(request, each) for each in lacks]

    def _lack(self, request: web.Request, lack: Lack) -> str:
        numbers = [str(self.programme.book.by_key[key].number) for key in lack.requirements]
        listed = say_list(numbers, request[LANGUAGE]) if numbers else ""
        return self.say(request, f"providers.lack.{lack.what.value}", count=lack.count, numbers=listed)

    def stands(self, request: web.Request, tell: Telling, found: Standing) -> dict[str, Any]:
        """A standing for a template."""
        steps = {step.key: step for step in self.programme.book.steps}
        return {
            "state": found.state.value,
            "said": self.say(request, f"providers.state.{found.state.value}"),
            "tone": TONE.get(found.state, ""),
            "certified": found.certified,
            "since": tell.day(found.since),
            "until": tell.day(found.until),
            "had": found.since is not None,
            "check_due": tell.day(found.check_due),
            "training_due": tell.day(found.training_due),
            "missing": self.lacks(request, found.missing),
            "steps": [
                {
                    "number": steps[each.step].number,
                    "sv": steps[each.step].sv,
                    "en": steps[each.step].en,
                    "content": steps[each.step].content_en
                    if request[LANGUAGE] is Language.EN
                    else steps[each.step].content_sv,
                    "done": each.done,
                    "day": tell.day(each.done_on) if each.done_on is not None else "",
                    "missing": self.lacks(request, each.missing),
                    "goes_on": each.step is StepKey.DEVELOPMENT,
                }
                for each in found.steps
            ],
        }

    def dues(
        self, request: web.Request, tell: Telling, found: Standing, actions: Iterable[KeptAction] = ()
    ) -> list[DueSaid]:
        """What is late, and what is soon."""
        words = {each.action.id: each.what for each in actions}
        late = set(found.overdue)
        return [
            DueSaid(self._due(request, each, words), tell.day(each.on), each in late, each.action_id)
            for each in (*found.overdue, *found.soon)
        ]

    def _due(self, request: web.Request, due: Due, words: Mapping[int, str]) -> str:
        said = words.get(due.action_id or 0, "")
        if due.duty is Duty.ACTION and said:
            return self.say(request, "providers.due.action_of", what=said)
        return self.say(request, f"providers.due.{due.duty.value}")

    def clean(self, request: web.Request, form: Mapping[str, Any], name: str, longest: int = _LONGEST) -> str:
        """What somebody wrote in a field, with nothing in it by which a patient could be recognised."""
        words = field_of(form, name).strip()[:longest]
        return self.house.masker.mask(words, request[LANGUAGE]).text if words else ""

    def form_key(self, form: MultiMapping[Any]) -> str:
        """By which a form that is sent twice is known. Gone back to and changed it is another; and it is another where
        it bears no number of its own."""
        if not FORM_ID.fullmatch(field_of(form, "form_id")):
            return ""
        said = sorted((name, str(value)) for name, value in form.items() if name != "csrf")
        return self.house.vault.fingerprint("provider-form", orjson.dumps(said).decode())

    def day(self, form: Mapping[str, Any], name: str) -> date | None:
        """The day in a field."""
        try:
            found = date.fromisoformat(field_of(form, name).strip())
        except ValueError:
            return None
        return found if 2000 <= found.year <= 2199 else None

    def happened(self, request: web.Request, tell: Telling, entry: audit.AuditEntry) -> dict[str, str]:
        """A line of the history."""
        key = f"providers.act.{entry.action}"
        details = entry.details
        values = {
            name: str(details.get(name, ""))
            for name in ("number", "rows", "met", "not_met", "item", "visit", "decision")
        }
        for name in ("on", "due", "due_before"):
            values[name] = self._day_said(tell, details.get(name))
        for name, prefix in (("kind", "providers.kind"), ("state", "providers.action")):
            word = f"{prefix}.{details.get(name)}"
            values[name] = self.say(request, word) if self.house.phrases.has(word) else ""
        said = self.say(request, key, **values) if self.house.phrases.has(key) else entry.action.replace("_", " ")
        return {"at": tell.full_moment(entry.at), "who": tell.who(entry.actor), "what": said}

    def _day_said(self, tell: Telling, written: object) -> str:
        try:
            return tell.day(date.fromisoformat(str(written)))
        except ValueError:
            return ""


def findings_of(folder: Folder) -> dict[str, tuple[str, str]]:
    """By requirement, the latest verdict of a closed visit and what was recommended."""
    found: dict[str, tuple[str, str]] = {}
    for kept in sorted(folder.visits, key=lambda each: (each.visit.on, each.visit.id)):
        if not kept.visit.closed:
            continue
        for key, verdict in kept.visit.verdicts.items():
            if verdict.value != "open":
                found[key] = (verdict.value, kept.recommendations.get(key, ""))
    return found

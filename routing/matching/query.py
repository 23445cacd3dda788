"""What is known of the patient, of where help is wanted, and of what help: all that services are sorted by. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from helpline.messages import Country
from routing.places import Level, Place
from routing.services import Exploitation, Sex, Status


class AgeGroup(StrEnum):
    """An age nobody needs to know more exactly."""

    ADULT = "adult"
    MINOR = "minor"


@dataclass(frozen=True)
class Query:
    """What is known of the patient and of where help is wanted. What is None or empty was not said."""

    country: Country
    place: Place | None = None
    candidates: tuple[Place, ...] = ()  # where the place is one of several
    needs: tuple[str, ...] = ()
    sex: Sex | None = None
    age: int | AgeGroup | None = None
    status: Status | None = None
    exploitation: Exploitation | None = None
    with_children: bool = False
    families: bool = False  # a couple, or both parents with their children, who are to stay together
    substance_use: bool = False
    catalogue: tuple[str, ...] = ()  # rows of the support programme's catalogue, each a help that is wanted
    languages: tuple[str, ...] = ()  # the patient's own, as ISO 639 writes them

    @property
    def is_minor(self) -> bool:
        return self.age is AgeGroup.MINOR or (isinstance(self.age, int) and self.age < 18)

    @property
    def ages(self) -> tuple[int, int] | None:
        """The youngest and the oldest that the patient may be."""
        match self.age:
            case None:
                return None
            case AgeGroup.ADULT:
                return (18, 130)
            case AgeGroup.MINOR:
                return (0, 17)
            case int() as years:
                return (years, years)

    @property
    def about_a_child(self) -> bool:
        """Whether a child is at risk here: the patient, or one with the patient."""
        return self.is_minor or self.with_children or "children" in self.needs

    @property
    def where(self) -> tuple[Place, ...]:
        """The place, or the places it may be; empty where nothing nearer than the country is known."""
        if self.place is None:
            return self.candidates
        return () if self.place.level is Level.NATIONAL else (self.place,)

"""The four steps of "who can help": place, need, who, when. Each can be skipped; what was understood is always said.

Pure: a draft and an answer give the next draft; a finished draft gives services from the directory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from bot.answers import Form
from helpline.messages import Choice, Country, Language
from helpline.phrases import Phrases

SHOWN = 3  # services in one message; the fallback stands after them
"""How many services one message names before the ones that always answer."""


class Step(StrEnum):
    """What is asked next."""

    PLACE = "place"
    NEED = "need"
    WHO = "who"
    WHEN = "when"
    DONE = "done"


SKIPPED = "-"

# What a clinician most often looks for, in the order of how much it hurts to wait.
COMMON_NEEDS = (
    "housing-tonight",
    "identification-advice",
    "crisis-line",
    "legal",
    "psych",
    "reproductive",
    "children",
    "labour",
)
WHO = ("woman", "man", "child", "family", "other")
WHEN = ("now", "tomorrow", "later")


@dataclass(frozen=True)
class Draft:
    """A referral as far as it has been told. A step holds "-" once it was skipped."""

    place_country: str = ""
    place_level: str = ""
    place_code: str = ""
    place_name: str = ""
    region: str = ""  # fylke or län of the place, for gaps
    needs: tuple[str, ...] = ()
    who: str = ""
    when: str = ""
    candidates: tuple[tuple[str, str], ...] = ()  # places to choose between: key, name
    shown: int = 0

    @property
    def step(self) -> Step:
        if not self.place_code:
            return Step.PLACE
        if not self.needs:
            return Step.NEED
        if not self.who:
            return Step.WHO
        if not self.when:
            return Step.WHEN
        return Step.DONE

    def place_values(self) -> dict[str, str]:
        """What is known of the place, for another draft about the same one."""
        return {
            name: getattr(self, name) for name in ("place_country", "place_level", "place_code", "place_name", "region")
        }


def draft_from_json(data: Mapping[str, Any]) -> Draft:
    """The draft back from plain values."""
    known = {name: data[name] for name in Draft.__dataclass_fields__ if name in data}
    known["needs"] = tuple(known.get("needs", ()))
    known["candidates"] = tuple((key, name) for key, name in known.get("candidates", ()))
    return Draft(**known)

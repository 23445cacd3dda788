"""What did not come along: each import and export says what it left behind, and why, for programs and for people.

A report never repeats what was left out: it may be the very thing that must not travel.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Why(StrEnum):
    """Why something was left behind."""

    UNKNOWN = "unknown-property"  # no version of the specification that we read has it
    NO_PLACE = "no-place-for-it"  # we have nowhere to keep it
    NOT_READABLE = "not-readable"  # it is not as the specification says it must be
    NOT_IN_VERSION = "not-in-version"  # the version that was asked for has no field for it
    PROTECTED = "protected"  # it could lead to a protected place
    NOT_PUBLIC = "not-public"  # it is for staff and partners
    UNMAPPED = "unmapped"  # it means something that we have no word for
    NOT_TAKEN = "not-taken"  # a whole entry that was not taken in


_SAID: dict[Why, str] = {
    Why.UNKNOWN: "The specification has no such property.",
    Why.NO_PLACE: "There is nowhere to keep it.",
    Why.NOT_READABLE: "It is not as the specification says it must be.",
    Why.NOT_IN_VERSION: "This version has no field for it.",
    Why.PROTECTED: "It could lead to a protected place.",
    Why.NOT_PUBLIC: "It is for staff and partners, not for the public feed.",
    Why.UNMAPPED: "We have no word for what it means; a person must read it.",
    Why.NOT_TAKEN: "The entry was not taken in.",
}


@dataclass(frozen=True, order=True)
class Loss:
    """One thing that did not come along. `where` names table and field, `of` the entry; never what stood there."""

    of: str
    where: str
    why: Why
    more: str = ""  # in our own words


@dataclass
class LossReport:
    """Everything that did not come along."""

    losses: list[Loss] = field(default_factory=list)
    kept: int = 0  # entries that came along

    def add(self, of: str, where: str, why: Why, more: str = "") -> None:
        """Note one loss; the same one is noted once."""
        loss = Loss(of, where, why, more)
        if loss not in self._seen:
            self._seen.add(loss)
            self.losses.append(loss)

    _seen: set[Loss] = field(default_factory=set, repr=False)

    def extend(self, losses: Iterable[Loss]) -> None:
        """Note what another report has."""
        for loss in losses:
            self.add(loss.of, loss.where, loss.why, loss.more)

    def __bool__(self) -> bool:
        return bool(self.losses)

    def counts(self) -> dict[str, int]:
        """How many of each cause."""
        return dict(sorted(Counter(loss.why.value for loss in self.losses).items()))

    def as_plain(self) -> dict[str, Any]:
        """For programs."""
        return {
            "kept": self.kept,
            "lost": len(self.losses),
            "why": self.counts(),
            "losses": [
                {"of": loss.of, "where": loss.where, "why": loss.why.value} | ({"more": loss.more} if loss.more else {})
                for loss in sorted(self.losses)
            ],
        }

    def as_text(self) -> str:
        """For people."""
        if not self.losses:
            return f"{self.kept} entries came along; nothing was left behind.\n"
        lines = [f"{self.kept} entries came along; {len(self.losses)} things were left behind."]
        for why in Why:
            of_this = sorted(loss for loss in self.losses if loss.why is why)
            if not of_this:
                continue
            lines += ["", f"{_SAID[why]} ({len(of_this)})"]
            lines += [f"  {loss.of}: {loss.where}" + (f" ({loss.more})" if loss.more else "") for loss in of_this]
        return "\n".join(lines) + "\n"

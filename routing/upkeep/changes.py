"""What a change of a service is: which fields differ, which of them a second person looks at, and how two changes meet.

Worked out on the plain form in which a service is kept (`as_plain`), so that a change says the same of what a form, an
import or a link brought in. What a service does not say is absent there; absent and empty are one.

Pure: what is done about it is `routing/upkeep/proposal_store.py`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from routing.services import HOUSING, Service, ServiceStatus
from routing.upkeep.service_form import as_plain

NEW: Final = "new"  # what `guarded` calls a service that was not there
WITHDRAWN: Final = "withdrawn"  # and one that goes, or comes back

Plain = Mapping[str, Any]

# A wrong word in one of these sends a patient to a closed door, or a stranger to a hidden one.
_GUARDED: Final = ("serves", "families", "phones", "protected", "child_route")
_GONE: Final = frozenset({ServiceStatus.INACTIVE.value, ServiceStatus.DEFUNCT.value})
# Parts of a service that are read and written one by one.
_SPLIT: Final = frozenset({"serves"})


@dataclass(frozen=True)
class Difference:
    """One field that differs, in plain values; None where it was not said."""

    field: str  # "hours", "serves.age"
    before: Any
    after: Any


@dataclass(frozen=True)
class Clash:
    """A field that two people changed to different things."""

    field: str
    proposed: Any
    present: Any


@dataclass(frozen=True)
class Rebased:
    """A change put upon a newer wording: what both left alone or only one changed is settled, the rest is asked."""

    plain: dict[str, Any]  # where they clash, as it was proposed
    clashes: tuple[Clash, ...]
    taken: tuple[str, ...]  # fields that came in from the newer wording


def guarded(old: Service | None, new: Service) -> tuple[str, ...]:
    """The changed fields for which a second person is asked; nothing where the change may be saved at once."""
    return guarded_in(as_plain(old) if old is not None else None, as_plain(new))


def guarded_in(old: Plain | None, new: Plain) -> tuple[str, ...]:
    """`guarded`, of two plain forms."""
    if old is None:
        return (NEW,)
    names = [name for name in _GUARDED if (old.get(name) or None) != (new.get(name) or None)]
    if (old.get("status") in _GONE) != (new.get("status") in _GONE):
        names.append(WITHDRAWN)
    # Housing hides where it lies by its kind; another kind would show it.
    if "protected" not in names and old.get("kind") in HOUSING and new.get("kind") not in HOUSING:
        names.append("protected")
    before, after = _locations(old), _locations(new)
    if "phones" not in names and _phones_at(before) != _phones_at(after):
        names.append("phones")
    shown = _hidden(before) - _hidden(after)
    # One that goes while another comes may be the same house under another id.
    if "protected" not in names and (shown & set(after) or (shown and set(after) - set(before))):
        names.append("protected")
    return tuple(names)


def differences(old: Plain | None, new: Plain) -> tuple[Difference, ...]:
    """Every field in which two plain forms differ, in the order in which a service is written."""
    before, after = _fields(old or {}), _fields(new)
    names = [*after, *(name for name in before if name not in after)]
    return tuple(
        Difference(name, before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)
    )


def rebased(base: Plain, proposed: Plain, present: Plain) -> Rebased:
    """What was proposed upon `base`, upon what stands there now."""
    was, mine, theirs = _fields(base), _fields(proposed), _fields(present)
    settled = dict(theirs)
    clashes: list[Clash] = []
    taken: list[str] = []
    for name in dict.fromkeys((*theirs, *mine, *was)):
        old, wanted, stands = was.get(name), mine.get(name), theirs.get(name)
        if wanted == old:
            if stands != old:
                taken.append(name)
            continue
        if stands not in (old, wanted):
            clashes.append(Clash(name, wanted, stands))
        if wanted is None:
            settled.pop(name, None)
        else:
            settled[name] = wanted
    return Rebased(_plain(settled), tuple(clashes), tuple(taken))


def chosen(settled: Rebased, theirs: Sequence[str]) -> dict[str, Any]:
    """The rebased form with these of its clashes as they stand now."""
    fields = _fields(settled.plain)
    for clash in settled.clashes:
        if clash.field in theirs:
            if clash.present is None:
                fields.pop(clash.field, None)
            else:
                fields[clash.field] = clash.present
    return _plain(fields)


def _fields(plain: Plain) -> dict[str, Any]:
    """The fields one by one, with those that hold others taken apart; what is empty is absent."""
    fields: dict[str, Any] = {}
    for name, value in plain.items():
        if name in _SPLIT and isinstance(value, Mapping):
            fields |= {f"{name}.{inner}": part for inner, part in value.items()}
        elif value not in ("", [], {}, None, False):
            fields[name] = value
    return fields


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = {name: {} for name in _SPLIT}
    for name, value in fields.items():
        outer, _, inner = name.partition(".")
        if inner:
            plain[outer][inner] = value
        else:
            plain[name] = value
    # What every service has to have is there also where nothing of it is said.
    return {"needs": {"first": [], "also": []}, "sources": [], **plain}


def _locations(plain: Plain) -> dict[str, Plain]:
    return {str(each.get("id", place)): each for place, each in enumerate(plain.get("locations") or ())}


def _phones_at(locations: Mapping[str, Plain]) -> dict[str, Any]:
    return {name: each["phones"] for name, each in locations.items() if each.get("phones")}


def _hidden(locations: Mapping[str, Plain]) -> set[str]:
    return {name for name, each in locations.items() if each.get("protected")}

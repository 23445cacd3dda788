"""What came of referrals, as gaps: for whom there was no place, where, and why. Nobody is recognisable. Pure.

What is told is a partition: every referral that found no place stands in exactly one line, with its need, for whom it
was and its region where five or more were alike, and else under lines that say less of them. A total is the sum of its
lines, so nothing hidden follows by taking one from another. A line of several small ones is told only where each of
them could as well be none (`_hides`), and counts are rounded down, so that one referral more is not seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from helpline.messages import Country
from routing.referrals.referral import SAYS_NO, Outcome

FEWEST: Final = 5  # of what is told as a number
STEP: Final = 5  # counts are told as "at least 5, 10, 15 …"


class Kind(StrEnum):
    """What came of a referral, as far as a gap goes."""

    TAKEN = "taken"
    NO_PLACE = "no-place"  # full, or refused
    NOT_REACHED = "not-reached"  # nobody answered, it was not safe, or nobody was called


class Cell(NamedTuple):
    """What a line may tell of a referral. None: not told; "": nobody said it."""

    need: str | None
    who: str | None
    region: str | None


@dataclass(frozen=True)
class Ended:
    """So many referrals that were alike and ended alike."""

    country: Country
    need: str
    who: str
    region: str
    kind: Kind
    why: str
    count: int


@dataclass(frozen=True)
class Line:
    """A gap: so many found no place, or reached nobody."""

    cell: Cell
    others: bool  # some of what it seems to hold stands on another line; this one is of the others
    count: int = 0  # at least
    whys: tuple[tuple[str, int], ...] = ()  # the most first; "" is all other reasons together


@dataclass(frozen=True)
class Told:
    """What may be told of one country and one span of time."""

    kinds: Mapping[Kind, int]  # how all referrals ended: at least so many, where that may be told
    lines: Mapping[Kind, tuple[Line, ...]]
    few: bool  # there were referrals, and fewer than may be told of


# From most told to least. Where comes before what for: a place that is missing is missing somewhere, and whoever is to
# make one must know for whom.
_LEVELS: Final = (
    (True, True, True),
    (False, True, True),
    (True, False, True),
    (True, True, False),
    (False, False, True),
    (False, True, False),
    (True, False, False),
    (False, False, False),
)


def tell(
    ended: Iterable[Ended],
    *,
    needs: Sequence[str],
    whos: Sequence[str],
    regions: Sequence[str],
    whys: Sequence[str],
) -> Told:
    """What may be told. The sequences are everything that could have been, since what is hidden hides among it."""
    rows = list(ended)
    needs, whos, regions, whys = (
        list(dict.fromkeys([*known, *seen]))
        for known, seen in (
            (needs, (row.need for row in rows)),
            (whos, (row.who for row in rows)),
            (regions, (row.region for row in rows)),
            (whys, (row.why for row in rows)),
        )
    )
    possible = [Cell(need, who, region) for need in needs for who in whos for region in regions]
    total: Counter[Kind] = Counter()
    by_kind: dict[Kind, Counter[tuple[Cell, str]]] = {Kind.NO_PLACE: Counter(), Kind.NOT_REACHED: Counter()}
    for row in rows:
        total[row.kind] += row.count
        if row.kind in by_kind:
            by_kind[row.kind][Cell(row.need, row.who, row.region), row.why] += row.count
    lines = {kind: _lines(+counts, possible, len(whys)) for kind, counts in by_kind.items()}
    # No sum of the kinds is told, so that none follows from the others.
    kinds = {
        kind: rounded(total[kind]) for kind in Kind if total[kind] >= FEWEST and (kind not in lines or lines[kind])
    }
    return Told(kinds, lines, few=total.total() > 0 and not kinds)


def rounded(count: int) -> int:
    """A count that one more or less does not show in."""
    return count - count % STEP if count >= FEWEST else 0


def _hides(numbers: Sequence[int], possible: int) -> bool:
    """Whether several small counts may be told as one: enough together, and each could as well be none.

    `possible` is how many there could have been. Were the sum more than all but one of them can hold, the last would
    follow from it.
    """
    return sum(numbers) >= FEWEST and sum(numbers) <= (FEWEST - 1) * (possible - 1)


def _lines(counts: Counter[tuple[Cell, str]], possible: Sequence[Cell], whys: int) -> tuple[Line, ...]:
    """The partition, most told first; nothing where all together are too few."""
    sizes: Counter[Cell] = Counter()
    for (cell, _), count in counts.items():
        sizes[cell] += count
    free = set(possible)
    left = dict(sizes)
    named: list[tuple[Cell, list[Cell]]] = []
    for level, keeps in enumerate(_LEVELS):
        lying = _grouped(left, keeps)
        room = _grouped(free, keeps)
        for line, cells in lying.items():
            # What lies on a line is new to all lines of this level, since each cell is on one of them.
            if _may_be_told([left[cell] for cell in cells], room[line], level):
                named.append((line, cells))
        for line, cells in named:
            for cell in cells:
                left.pop(cell, None)
            if _keeps(line) == keeps:
                free.difference_update(room.get(line, ()))
    if left:
        # What is left must be nothing, or enough; so the smallest lines say less of themselves until it is.
        rest = list(left)
        while named:
            smallest = min(named, key=lambda each: (sum(sizes[cell] for cell in each[1]), _order(each[0])))
            named.remove(smallest)
            rest += smallest[1]
            if sum(sizes[cell] for cell in rest) >= FEWEST:
                break
        else:
            return ()
        named.append((Cell(None, None, None), rest))
    shown = [(line, cells, sum(sizes[cell] for cell in cells)) for line, cells in named]
    # By what may be told, else the order would tell more than the numbers.
    shown.sort(key=lambda each: (_LEVELS.index(_keeps(each[0])), -rounded(each[2]), _order(each[0])))
    return tuple(
        Line(
            line,
            others=None in line and any(other != line and _overlap(other, line) for other, _, _ in shown),
            count=rounded(count),
            whys=_whys(counts, cells, whys),
        )
        for line, cells, count in shown
    )


def _grouped(cells: Iterable[Cell], keeps: tuple[bool, bool, bool]) -> dict[Cell, list[Cell]]:
    groups: dict[Cell, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(_blurred(cell, keeps), []).append(cell)
    return groups


def _blurred(cell: Cell, keeps: tuple[bool, bool, bool]) -> Cell:
    return Cell(*(part if keep else None for part, keep in zip(cell, keeps, strict=True)))


def _keeps(line: Cell) -> tuple[bool, bool, bool]:
    return line.need is not None, line.who is not None, line.region is not None


def _overlap(one: Cell, other: Cell) -> bool:
    return all(a is None or b is None or a == b for a, b in zip(one, other, strict=True))


def _order(line: Cell) -> tuple[str, ...]:
    return tuple(part or "" for part in line)


def _may_be_told(numbers: Sequence[int], room: Sequence[Cell], level: int) -> bool:
    """Whether a line may be told: alone it is enough, or it hides each of its parts, however they are put together."""
    if level == 0:
        return sum(numbers) >= FEWEST
    own = _LEVELS[level]
    finer = (keeps for keeps in _LEVELS[:level] if all(a or not b for a, b in zip(keeps, own, strict=True)))
    return all(_hides(numbers, len(_grouped(room, keeps))) for keeps in finer)


def _whys(counts: Counter[tuple[Cell, str]], cells: Sequence[Cell], possible: int) -> tuple[tuple[str, int], ...]:
    there = set(cells)
    reasons: Counter[str] = Counter()
    for (cell, why), count in counts.items():
        if cell in there:
            reasons[why] += count
    named = _named(reasons, possible)
    told = sum(count for _, count in named)
    rest = reasons.total() - told
    others = (("", rounded(rest)),) if named and rest else ()
    return (*((why, rounded(count)) for why, count in named), *others)


def _named(counts: Mapping[str, int], possible: int) -> list[tuple[str, int]]:
    """Those that may be named, the most first. What is left over must be nothing, or hide each of its parts."""
    known = [(key, count) for key, count in counts.items() if count >= FEWEST]
    named = sorted(known, key=lambda each: (-each[1], each[0]))
    rest = [count for count in counts.values() if count < FEWEST]
    opened = 0  # of the left over, those that were enough for themselves
    while named and sum(rest) and not (sum(rest) >= FEWEST and (opened or _hides(rest, possible - len(named)))):
        rest.append(named.pop()[1])
        opened += 1
    return named


def kind_of(outcome: Outcome) -> Kind:
    """Which kind of end an outcome is."""
    if outcome is Outcome.ACCEPTED:
        return Kind.TAKEN
    return Kind.NO_PLACE if outcome in SAYS_NO else Kind.NOT_REACHED

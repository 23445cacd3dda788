"""Who can help this patient, here, now: every service kept or dropped, each with its reasons.

Hard rules drop a service: country, area, need and row of the catalogue, sex, age, children and families, status,
exploitation, substance use, not running; and where it is urgent, closed or full now. What is left stands in the order
in which a clinician should try (`judging.py` says which and why). What a source does not say is neither yes nor
no: the service is kept lower and marked "ask them". A minor is led to the public child-protection route first and never
to housing for adults. The country's fallback is always last in line and always there: nobody is left without a way.

Pure: facts and an instant in, offers and drops out. The words for a reason are in `routing/matching/reasons.py`.

- `match(directory, query, at)`: every service, offered in order or dropped
- `next_best(matched, service_id)`: whom to try when this one says no
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import NamedTuple

from routing.directory import Directory
from routing.hours import Opening
from routing.matching.because import ASKED, REFUSED, Because, Reason
from routing.matching.index import Sort
from routing.matching.judging import Judge, Rank
from routing.matching.nearness import EVERY_KOMMUNE, NATIONAL, Near, nearby
from routing.matching.query import AgeGroup, Query
from routing.services import Service

__all__ = [
    "ABROAD",
    "ASKED",
    "AgeGroup",
    "Because",
    "Drop",
    "LeftOut",
    "Matched",
    "Offer",
    "Query",
    "Reason",
    "Together",
    "match",
    "next_best",
    "rests_on",
]


class Offer(NamedTuple):
    """A service to try."""

    service: Service
    reasons: tuple[Reason, ...]
    opening: Opening | None = None  # None where no instant was given
    fallback: bool = False

    @property
    def unsure(self) -> bool:
        """Whether something must be asked before the patient is sent there."""
        return any(reason.code in ASKED for reason in self.reasons)

    @property
    def refuses(self) -> bool:
        """Whether it takes nobody now, or not this patient: true of a fallback only, which is shown all the same."""
        return any(reason.code in REFUSED for reason in self.reasons)


class Together(NamedTuple):
    """Services that stand one after another in the line for the very same reasons."""

    reasons: tuple[Reason, ...]
    ids: Sequence[str]
    opening: Opening | None = None
    fallback: bool = False


class Drop(NamedTuple):
    """A service that does not fit, and why."""

    service: Service
    reasons: tuple[Reason, ...]


class LeftOut(NamedTuple):
    """Services that do not fit for the very same reasons. There may be twenty thousand of them in one answer."""

    reasons: tuple[Reason, ...]
    ids: tuple[str, ...]


@dataclass(frozen=True)
class Matched:
    """Every service, either offered in the order to try or dropped."""

    line: tuple[Together, ...]
    # Worked out when somebody asks: whoever shows the best three does not wait for the reasons against all others.
    _leave_out: Callable[[], tuple[LeftOut, ...]] = field(repr=False, compare=False)
    _service: Callable[[str], Service] = field(repr=False, compare=False)

    @cached_property
    def offered(self) -> tuple[Offer, ...]:
        """All that is offered, one by one."""
        return tuple(
            Offer(self._service(each), reasons, opening, fallback)
            for reasons, ids, opening, fallback in self.line
            for each in ids
        )

    @cached_property
    def left_out(self) -> tuple[LeftOut, ...]:
        """All that is not offered, those with the same reasons together."""
        return self._leave_out()

    @cached_property
    def dropped(self) -> tuple[Drop, ...]:
        """All that is not offered, one by one."""
        return tuple(Drop(self._service(each), reasons) for reasons, ids in self.left_out for each in ids)

    def shown(self, limit: int = 5) -> tuple[Offer, ...]:
        """What a clinician sees first: the best few, and then the fallback."""
        best = [offer for offer in self.offered if not offer.fallback][:limit]
        return (*best, *(offer for offer in self.offered if offer.fallback))


def match(
    directory: Directory,
    query: Query,
    at: datetime | None = None,
    *,
    holidays: Collection[date] = frozenset(),
) -> Matched:
    """Sort all services for this patient at this instant.

    Without an instant nothing is said of opening hours and of room. `holidays` are the public holidays of the country.
    """
    if at is not None and at.tzinfo is None:
        raise ValueError("an instant without a zone is no instant")
    matching = _Matching(directory, query, at, holidays)
    return Matched(matching.line(), matching.left_out, directory.get)


def next_best(matched: Matched, service_id: str, *, tried: Collection[str] = ()) -> Offer | None:
    """Whom to try when this service says no: the next in line that takes the patient and was not tried.

    After the end of the line come those who stand before it and were passed over, then what is always there; None where
    there is nobody more. Of a service that is not in line the answer is the first of the line.
    """
    line = [offer for offer in matched.offered if not offer.fallback]
    place = next((place for place, offer in enumerate(line, start=1) if offer.service.id == service_id), 0)
    always = [offer for offer in matched.offered if offer.fallback]
    done = {service_id, *tried}
    left = (offer for offer in (*line[place:], *line[:place], *always) if offer.service.id not in done)
    return next((offer for offer in left if not offer.refuses), None)


def rests_on(directory: Directory, query: Query) -> tuple[Sort, ...]:
    """The sorts of service that an answer is made of: patients of whom all of these say the same have one answer."""
    matching = _Matching(directory, query, None, frozenset())
    return matching.rests_on()


ABROAD = (Reason(Because.OTHER_COUNTRY),)
"""Of all services of the other country, whatever was asked."""


class _Matching:
    """One question, on its way to an answer."""

    def __init__(self, directory: Directory, query: Query, at: datetime | None, holidays: Collection[date]) -> None:
        self._directory = directory
        self._index = directory.index
        self._here = directory.index.countries[query.country]
        self._query = query
        self._judge = Judge(directory, query, at, holidays)
        self._last = directory.fallbacks[query.country].ids(minor=query.is_minor)
        self._nearby = nearby(directory, query)

    def line(self) -> tuple[Together, ...]:
        """The line: what fits, in order, and then the fallback."""
        ranked: dict[Rank, list[Together]] = defaultdict(list)
        for sort, near, ids in self._groups(self._who_may_help()):
            verdict = self._judge.verdict(sort, near)
            if verdict.rank is not None and ids:
                ranked[verdict.rank].append(Together(verdict.reasons, ids, verdict.opening))
        best = [part for rank in sorted(ranked) for part in self._by_name(ranked[rank])]
        return (*best, *self._fallbacks())

    def _by_name(self, groups: list[Together]) -> Iterable[Together]:
        """Services of one rank in the order of names, in which each group is already."""
        if len(groups) == 1:
            return groups
        whose = {each: group for group in groups for each in group.ids}
        in_order = sorted(whose, key=self._index.order.__getitem__)
        stretches: list[Together] = []
        before: Together | None = None
        ids: list[str] = []
        for each in in_order:
            group = whose[each]
            if group is not before:
                before, ids = group, []
                stretches.append(group._replace(ids=ids))
            ids.append(each)
        return stretches

    def _fallbacks(self) -> list[Together]:
        """What is always there, and in which order: what takes the patient and fits the need first."""
        judged = [(service_id, self._judge.fallback(self._index.sorts[service_id])) for service_id in self._last]
        judged.sort(key=lambda each: each[1].rank or ())
        return [
            Together(verdict.reasons, (service_id,), verdict.opening, fallback=True) for service_id, verdict in judged
        ]

    def rests_on(self) -> tuple[Sort, ...]:
        """The sorts that are judged for the line, and those of what is always there."""
        judged = dict.fromkeys(sort for sort, _, _ in self._groups(self._who_may_help()))
        return tuple(judged | dict.fromkeys(self._index.sorts[service_id] for service_id in self._last))

    def left_out(self) -> tuple[LeftOut, ...]:
        """All others, each with its reasons."""
        groups = [LeftOut(ABROAD, self._here.abroad), LeftOut(self._nearby.missing, self._far())]
        for sort, near, ids in self._groups(None):
            verdict = self._judge.verdict(sort, near)
            if verdict.rank is None:
                groups.append(LeftOut(verdict.reasons, tuple(ids)))
        return tuple(group for group in groups if group.ids)

    def _far(self) -> tuple[str, ...]:
        """The local services that do not answer here: all that lie between those that do."""
        local, position = self._here.local, self._here.position
        far: list[str] = []
        begin = 0
        for here in sorted(position[each] for each in {*self._nearby.local, *self._last} if each in position):
            far += local[begin:here]
            begin = here + 1
        return (*far, *local[begin:])

    def _who_may_help(self) -> Collection[Sort] | None:
        """The sorts that can be offered at all, so that no other is judged for it; None for every sort."""
        query, here = self._query, self._here
        if not query.needs and not query.catalogue:
            return None
        found = {sort for key in (*self._judge.needs, *query.catalogue) for sort in here.helping.get(key, ())}
        return found | here.child_route if query.is_minor else found

    def _groups(self, among: Collection[Sort] | None) -> Iterator[tuple[Sort, Near, Sequence[str]]]:
        """What answers here, of these sorts: all of one sort that are equally near together, in the order of names."""
        here, local = self._here, self._nearby.local
        elsewhere = {*self._last, *(each for each in local if each in here.among)}
        thinned = {here.among[each] for each in elsewhere if each in here.among}
        for alike in here.everywhere:
            if among is None or alike.sort in among:
                ids: Sequence[str] = alike.ids
                if alike in thinned:
                    ids = [each for each in ids if each not in elsewhere]
                yield alike.sort, EVERY_KOMMUNE if alike.in_each else NATIONAL, ids
        nearer: dict[tuple[Sort, Near], list[str]] = defaultdict(list)
        for service_id in sorted(local, key=self._index.order.__getitem__):
            sort = self._index.sorts[service_id]
            if (among is None or sort in among) and service_id not in self._last:
                nearer[sort, local[service_id]].append(service_id)
        for (sort, near), ids in nearer.items():
            yield sort, near, ids

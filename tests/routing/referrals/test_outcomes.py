"""Gaps from outcomes: what is told is a partition, and what is hidden could as well be nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from helpline.messages import Country
from routing.referrals.outcomes import FEWEST, STEP, Cell, Ended, Kind, Line, Told, rounded, tell

NEEDS = ("housing-tonight", "legal", "psych")
WHOS = ("male.adult.children", "male.adult", "female.adult", "")
REGIONS = ("03", "11", "15", "46", "")
WHYS = ("full", "children", "sex", "status")
MEN_WITH_CHILDREN = Cell("housing-tonight", "male.adult.children", "03")


def ended(cell: Cell, count: int, why: str = "full", kind: Kind = Kind.NO_PLACE) -> Ended:
    return Ended(Country.NO, cell.need or "", cell.who or "", cell.region or "", kind, why, count)


def told(rows: Iterable[Ended]) -> Told:
    return tell(rows, needs=NEEDS, whos=WHOS, regions=REGIONS, whys=WHYS)


def no_place(rows: Iterable[Ended]) -> tuple[Line, ...]:
    return told(rows).lines[Kind.NO_PLACE]


def test_no_place_for_men_with_children_in_a_region_is_told_once_there_are_enough() -> None:
    assert no_place([ended(MEN_WITH_CHILDREN, 6, "children")]) == (
        Line(MEN_WITH_CHILDREN, others=False, count=5, whys=(("children", 5),)),
    )


def test_fewer_than_five_are_not_told_at_all_but_that_there_were_some() -> None:
    found = told([ended(MEN_WITH_CHILDREN, 4)])
    assert found.few
    assert not found.kinds
    assert found.lines[Kind.NO_PLACE] == ()
    assert not told([]).few


def test_one_more_or_less_is_not_seen() -> None:
    assert no_place([ended(MEN_WITH_CHILDREN, 11)]) == no_place([ended(MEN_WITH_CHILDREN, 14)])


def test_a_few_beside_many_hide_what_would_give_them_away() -> None:
    alone = MEN_WITH_CHILDREN._replace(region="11")
    lines = no_place([ended(MEN_WITH_CHILDREN, 9), ended(alone, 2)])
    # The two would follow from the whole by taking the nine away.
    assert [(line.cell, line.count) for line in lines] == [(Cell(None, None, None), 10)]


def test_few_of_each_place_are_told_without_the_place() -> None:
    cells = [MEN_WITH_CHILDREN._replace(region=region) for region in REGIONS[:4]]
    lines = no_place(ended(cell, 2) for cell in cells)
    assert [(line.cell, line.count) for line in lines] == [(Cell("housing-tonight", "male.adult.children", None), 5)]


def test_a_place_is_kept_before_a_need() -> None:
    cells = [MEN_WITH_CHILDREN._replace(need=need) for need in NEEDS]
    assert [line.cell for line in no_place(ended(cell, 2) for cell in cells)] == [
        Cell(None, "male.adult.children", "03")
    ]


def test_a_sum_that_fills_its_cells_to_the_brim_is_not_told_there() -> None:
    # Three needs with four each: whoever knows that none may be five knows them all.
    cells = [MEN_WITH_CHILDREN._replace(need=need) for need in NEEDS]
    assert Cell(None, "male.adult.children", "03") not in {line.cell for line in no_place(ended(c, 4) for c in cells)}


def test_a_line_says_that_others_are_meant_where_some_stand_elsewhere() -> None:
    rows = [ended(MEN_WITH_CHILDREN, 9), *(ended(Cell("legal", who, "46"), 2) for who in WHOS)]
    lines = no_place(rows)
    assert [(line.cell, line.others) for line in lines] == [
        (MEN_WITH_CHILDREN, False),
        (Cell("legal", None, "46"), False),
    ]
    rows += [ended(Cell(need, "male.adult.children", "03"), 3) for need in NEEDS[1:]]
    # Of two other needs one would follow from the other, so that these are told without for whom, and as others.
    assert [(line.cell, line.others) for line in no_place(rows)] == [
        (MEN_WITH_CHILDREN, False),
        (Cell("legal", None, "46"), False),
        (Cell(None, None, "03"), True),
    ]


def test_a_reason_of_few_is_not_told_beside_the_whole() -> None:
    rows = [ended(MEN_WITH_CHILDREN, 12, "children"), ended(MEN_WITH_CHILDREN, 2, "sex")]
    assert no_place(rows)[0].whys == ()
    rows = [
        ended(MEN_WITH_CHILDREN, 12, "children"),
        *(ended(MEN_WITH_CHILDREN, 2, why) for why in ("sex", "status", "full")),
    ]
    assert no_place(rows)[0].whys == (("children", 10), ("", 5))


def test_who_could_not_be_reached_is_told_apart_from_no_place() -> None:
    found = told([ended(MEN_WITH_CHILDREN, 7), ended(MEN_WITH_CHILDREN, 8, "no_answer", Kind.NOT_REACHED)])
    assert [line.cell for line in found.lines[Kind.NOT_REACHED]] == [MEN_WITH_CHILDREN]
    assert found.kinds == {Kind.NO_PLACE: 5, Kind.NOT_REACHED: 5}


_CELLS = st.builds(Cell, st.sampled_from(NEEDS), st.sampled_from(WHOS), st.sampled_from(REGIONS))
_TABLES = st.dictionaries(_CELLS, st.integers(1, 13), max_size=14)


@settings(max_examples=150, deadline=None)
@given(_TABLES)
def test_nothing_hidden_follows_from_what_is_told(table: dict[Cell, int]) -> None:
    lines = no_place(ended(cell, count) for cell, count in table.items())
    if not lines:
        # Too few, or so many in so few small groups that each of these would follow from the whole.
        most = (FEWEST - 1) * (min(len(NEEDS), len(WHOS), len(REGIONS)) - 1)
        assert sum(table.values()) < FEWEST or (sum(table.values()) > most and max(table.values()) < FEWEST)
        return
    # Every referral is on one line: the first, of those that fit, that tells most of it.
    named = [line.cell for line in lines]
    assert len(named) == len(set(named))
    sums: Counter[Cell] = Counter()
    for cell, count in table.items():
        fits = [line for line in named if all(wide in (None, own) for wide, own in zip(line, cell, strict=True))]
        assert fits
        sums[fits[0]] += count
    for line in lines:
        assert line.count % STEP == 0
        assert line.count >= FEWEST
        # Nobody but those on the line is told of: a cell that is told by itself held enough.
        if None not in line.cell:
            assert table[line.cell] >= FEWEST
            assert line.count == rounded(table[line.cell])
    # The lines are the whole, so that no sum of anything else is told.
    assert sum(line.count for line in lines) <= sum(table.values()) < sum(line.count + STEP for line in lines)


@settings(max_examples=60, deadline=None)
@given(_TABLES, st.data())
def test_a_small_cell_could_as_well_be_none(table: dict[Cell, int], data: st.DataObject) -> None:
    """Somebody who sees the lines, and knows how they are made, cannot tell a small cell from an empty one."""
    small = [cell for cell, count in table.items() if count < FEWEST]
    if not small or sum(table.values()) < FEWEST:
        return
    cell = data.draw(st.sampled_from(small))
    seen = no_place(ended(each, count) for each, count in table.items())
    if not seen:
        return
    for line in seen:
        if None in line.cell and all(wide in (None, own) for wide, own in zip(line.cell, cell, strict=True)):
            # Whatever the line holds fits into its other cells, even were each of these a small one; or one is large.
            others = [
                each
                for each in (Cell(n, w, r) for n in NEEDS for w in WHOS for r in REGIONS)
                if each != cell and all(wide in (None, own) for wide, own in zip(line.cell, each, strict=True))
            ]
            assert line.count <= (FEWEST - 1) * len(others)
            return
    raise AssertionError("a referral that stands on no line")

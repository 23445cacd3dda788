"""Every act, in every stage, by every role: who may do what to a draft."""

from __future__ import annotations

from itertools import product

import pytest

from helpline.accounts import Role
from helpline.content import content_folder
from helpline.phrases import Phrases
from knowledge.life import Act, Stage, refusal, refusal_to_confirm

# Who may: e an editor, r a reviewer, who has not written in the draft. Columns: draft, in review, approved, published,
# abandoned.
TABLE = """
edit        er  er  -   -   -
submit      er  -   -   -   -
send_back   -   r   r   -   -
approve     -   r   -   -   -
publish     -   -   r   -   -
schedule    -   -   r   -   -
unschedule  -   -   r   -   -
abandon     er  er  er  -   -
retire      r   r   r   r   r
restore     er  er  er  er  er
comment     er  er  er  -   -
override    er  er  er  -   -
"""
LETTERS = {Role.EDITOR: "e", Role.REVIEWER: "r"}
ALLOWED = {
    (Act(row.split()[0]), stage): cell
    for row in TABLE.strip().splitlines()
    for stage, cell in zip(Stage, row.split()[1:], strict=True)
}


def asked(act: Act, stage: Stage, *roles: Role, **changes: object) -> str | None:
    given: dict[str, object] = {
        "kind": "rights",
        "small": False,
        "author_ids": frozenset({"staff:kari"}),
        "approver": "staff:noor" if stage is Stage.APPROVED else None,
        "actor": "staff:asha",
        **changes,
    }
    return refusal(act, stage=stage, roles=frozenset(roles), **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(("act", "stage", "role"), list(product(Act, Stage, Role)))
def test_only_who_the_table_names_may(act: Act, stage: Stage, role: Role) -> None:
    allowed = LETTERS.get(role, "?") in ALLOWED[act, stage]
    assert (asked(act, stage, role) is None) == allowed


def test_the_table_names_every_act_and_stage() -> None:
    assert set(ALLOWED) == set(product(Act, Stage))


@pytest.mark.parametrize("kind", ["rights", "safety", "", "foreign"])
def test_nobody_approves_what_they_wrote_of_rights_or_safety(kind: str) -> None:
    mine = {"actor": "staff:kari", "kind": kind}
    assert asked(Act.APPROVE, Stage.IN_REVIEW, Role.EDITOR, Role.REVIEWER, **mine) == "desk.draft.no.own"
    assert asked(Act.APPROVE, Stage.IN_REVIEW, Role.REVIEWER, kind=kind) is None


def test_one_reviewer_may_write_and_approve_what_is_practical() -> None:
    mine = {"actor": "staff:kari", "kind": "practical", "approver": "staff:kari"}
    for act, stage in ((Act.APPROVE, Stage.IN_REVIEW), (Act.PUBLISH, Stage.APPROVED), (Act.SCHEDULE, Stage.APPROVED)):
        assert asked(act, stage, Role.REVIEWER, **mine) is None
        assert asked(act, stage, Role.EDITOR, **mine) == "desk.draft.no.reviewer"


@pytest.mark.parametrize("approver", [None, "staff:kari"])
def test_what_an_author_approved_is_not_published(approver: str | None) -> None:
    for act in (Act.PUBLISH, Act.SCHEDULE):
        assert asked(act, Stage.APPROVED, Role.REVIEWER, approver=approver) == "desk.draft.no.approved_by_author"


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("role", Role)
def test_a_small_change_is_published_by_one_editor_alone(stage: Stage, role: Role) -> None:
    mine = {"actor": "staff:kari", "small": True, "approver": None}
    may = stage in {Stage.DRAFT, Stage.IN_REVIEW, Stage.APPROVED} and role in {Role.EDITOR, Role.REVIEWER}
    assert (asked(Act.PUBLISH, stage, role, **mine) is None) == may


def test_a_small_change_is_not_scheduled_by_an_editor_alone() -> None:
    assert asked(Act.SCHEDULE, Stage.APPROVED, Role.EDITOR, small=True) == "desk.draft.no.reviewer"


@pytest.mark.parametrize("stage", [Stage.IN_REVIEW, Stage.APPROVED])
def test_a_writer_takes_back_their_own_draft(stage: Stage) -> None:
    assert asked(Act.SEND_BACK, stage, Role.EDITOR, actor="staff:kari") is None
    assert asked(Act.SEND_BACK, stage, Role.EDITOR) == "desk.draft.no.reviewer"
    assert asked(Act.SEND_BACK, stage, Role.ADVISOR, actor="staff:kari") == "desk.draft.no.role"


def test_an_override_is_confirmed_by_another_reviewer() -> None:
    asked_by = {"asked_by": "staff:kari"}
    assert refusal_to_confirm(**asked_by, actor="staff:noor", roles={Role.REVIEWER}) is None
    assert refusal_to_confirm(**asked_by, actor="staff:kari", roles={Role.REVIEWER}) == "desk.draft.no.second"
    assert refusal_to_confirm(**asked_by, actor="staff:noor", roles={Role.EDITOR}) == "desk.draft.no.reviewer"


def test_every_reason_is_said_in_words() -> None:
    phrases = Phrases.load(content_folder() / "phrases")
    for act, stage, role in product(Act, Stage, Role):
        for changes in ({}, {"actor": "staff:kari"}, {"approver": None}):
            why = asked(act, stage, role, **changes)
            assert why is None or phrases.has(why)

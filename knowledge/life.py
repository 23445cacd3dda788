"""The life of an article: which act fits which stage, and who may do it. One person alone changes neither rights nor
safety.

Draft → in review → approved → published, now or at a set time. Editors write and hand in; reviewers approve and
publish. For rights and safety the approver has written none of it. For what is practical one reviewer may do both, and
a small change (a phone number, a slip of spelling) an editor may publish alone; it is listed and looked at later.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

EDITOR, REVIEWER = "editor", "reviewer"  # the roles that this is about, as accounts name them
ALONE = "practical"  # the kind for which one person suffices


class Stage(StrEnum):
    """Where a draft stands."""

    DRAFT = "draft"  # being written
    IN_REVIEW = "in_review"  # handed in; may still be mended, and whoever mends it is an author
    APPROVED = "approved"  # fixed; published by a reviewer, or by the clock where a time is set
    PUBLISHED = "published"  # has become a revision
    ABANDONED = "abandoned"  # put away; its words are kept


class Act(StrEnum):
    """What can be done to a draft or an article."""

    EDIT = "edit"
    SUBMIT = "submit"
    SEND_BACK = "send_back"  # also: an author takes it back
    APPROVE = "approve"
    PUBLISH = "publish"
    SCHEDULE = "schedule"
    UNSCHEDULE = "unschedule"
    ABANDON = "abandon"
    RETIRE = "retire"  # of the article, whatever its draft
    RESTORE = "restore"  # an old revision's words as a new draft
    COMMENT = "comment"
    OVERRIDE = "override"  # ask that a blocked draft be let through; another reviewer confirms


OPEN = frozenset({Stage.DRAFT, Stage.IN_REVIEW, Stage.APPROVED})
_WRITTEN = frozenset({Stage.DRAFT, Stage.IN_REVIEW})
_FITS: dict[Act, frozenset[Stage]] = {
    Act.EDIT: _WRITTEN,
    Act.SUBMIT: frozenset({Stage.DRAFT}),
    Act.SEND_BACK: frozenset({Stage.IN_REVIEW, Stage.APPROVED}),
    Act.APPROVE: frozenset({Stage.IN_REVIEW}),
    Act.PUBLISH: frozenset({Stage.APPROVED}),
    Act.SCHEDULE: frozenset({Stage.APPROVED}),
    Act.UNSCHEDULE: frozenset({Stage.APPROVED}),
    Act.ABANDON: OPEN,
    Act.RETIRE: frozenset(Stage),
    Act.RESTORE: frozenset(Stage),
    Act.COMMENT: OPEN,
    Act.OVERRIDE: OPEN,
}
_WHO: dict[Act, frozenset[str]] = {
    Act.EDIT: frozenset({EDITOR, REVIEWER}),
    Act.SUBMIT: frozenset({EDITOR, REVIEWER}),
    Act.SEND_BACK: frozenset({REVIEWER}),
    Act.APPROVE: frozenset({REVIEWER}),
    Act.PUBLISH: frozenset({REVIEWER}),
    Act.SCHEDULE: frozenset({REVIEWER}),
    Act.UNSCHEDULE: frozenset({REVIEWER}),
    Act.ABANDON: frozenset({EDITOR, REVIEWER}),
    Act.RETIRE: frozenset({REVIEWER}),
    Act.RESTORE: frozenset({EDITOR, REVIEWER}),
    Act.COMMENT: frozenset({EDITOR, REVIEWER}),
    Act.OVERRIDE: frozenset({EDITOR, REVIEWER}),
}
_WRONG_STAGE = {
    Stage.DRAFT: "desk.draft.no.not_handed_in",
    Stage.IN_REVIEW: "desk.draft.no.in_review",
    Stage.APPROVED: "desk.draft.no.approved",
    Stage.PUBLISHED: "desk.draft.no.published",
    Stage.ABANDONED: "desk.draft.no.abandoned",
}


def refusal(
    act: Act,
    *,
    stage: Stage,
    kind: str,
    small: bool,
    author_ids: frozenset[str],
    approver: str | None,
    actor: str,
    roles: Collection[str],
) -> str | None:
    """Why this person may not do this to this draft now, as the key of a phrase; None where they may.

    `small` means marked as a small change and confirmed to be one by `small.is_small`. Any kind but "practical" needs
    two people.
    """
    held = frozenset(str(role) for role in roles)
    if not held & {EDITOR, REVIEWER}:
        return "desk.draft.no.role"
    fits = _FITS[act]
    if act is Act.PUBLISH and small:
        # One person suffices, so neither handing in nor approving is asked for.
        return None if stage in OPEN else _WRONG_STAGE[stage]
    if stage not in fits:
        return _WRONG_STAGE[stage]
    if act is Act.SEND_BACK and EDITOR in held and actor in author_ids:
        return None
    if not held & _WHO[act]:
        return "desk.draft.no.reviewer"
    two_people = kind != ALONE and not small
    if act is Act.APPROVE and two_people and actor in author_ids:
        return "desk.draft.no.own"
    if act in {Act.PUBLISH, Act.SCHEDULE} and two_people and (approver is None or approver in author_ids):
        return "desk.draft.no.approved_by_author"
    return None


def refusal_to_confirm(*, asked_by: str, actor: str, roles: Collection[str]) -> str | None:
    """Why this person may not confirm that a blocked draft is let through; None where they may."""
    if REVIEWER not in {str(role) for role in roles}:
        return "desk.draft.no.reviewer"
    return "desk.draft.no.second" if actor == asked_by else None

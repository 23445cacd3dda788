"""What goes wrong, as `application/problem+json` (RFC 9457): one shape for everything the API refuses.

`type` names the kind of trouble for programs, `detail` says it for people in their language, `errors` names the fields.
What the shelves refuse is told apart here and nowhere else, so that every operation answers alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import orjson
from aiohttp import web

from bot.gaps import GapError
from helpline.content import ContentError
from helpline.messages import Language
from helpline.phrases import Phrases
from knowledge import drafts, store
from knowledge.drafts import DraftError
from knowledge.law_watch import WatchError
from knowledge.question_sets import QuestionError

PROBLEM_JSON: Final = "application/problem+json"
_TYPE: Final = "urn:varde:problem:"
_TITLES: Final = {413: "Content Too Large", 422: "Unprocessable Content"}  # newer than Python's names for them

# What a kind of trouble is called, where the phrase does not tell it well enough.
_NOT_THERE: Final = frozenset(
    {
        "desk.questions.no_set",
        "desk.questions.no_question",
        "desk.laws.no.change",
        "desk.laws.no.clearing",
        "desk.gaps.no.heap",
    }
)
_IN_THE_WAY: Final = frozenset(
    {
        "desk.questions.set_there",
        "desk.questions.text_there",
        "desk.questions.full",
        "desk.laws.no.by_draft",
        "desk.laws.no.cleared",
        "desk.laws.no.draft",
        "desk.laws.no.revised",
        "desk.laws.no.second_person",
        "desk.laws.no.withdrawn",
        "desk.gaps.no.in_draft",
        "desk.due.no.open",
    }
)
_NOT_YOURS: Final = frozenset({"desk.draft.no.role", "desk.draft.no.reviewer", "desk.questions.lower_level"})


@dataclass(frozen=True)
class Wrong:
    """One field, and what is wrong with it; never what stood in it."""

    field: str
    message: str


class Trouble(Exception):
    """A request that is turned away; nothing of it was kept."""

    def __init__(
        self,
        status: int,
        kind: str,
        phrase: str,
        values: Mapping[str, object] | None = None,
        *,
        errors: Iterable[Wrong] = (),
        more: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(kind)
        self.status = status
        self.kind = kind
        self.phrase = phrase
        self.values = dict(values or {})
        self.errors = tuple(errors)
        self.more = dict(more or {})
        self.headers = dict(headers or {})


def not_there() -> Trouble:
    """There is nothing here for whoever asks."""
    return Trouble(404, "not-found", "error.not_found")


def bad_fields(errors: Iterable[Wrong]) -> Trouble:
    """Some of what was sent is not as it must be."""
    return Trouble(422, "invalid", "api.invalid", errors=errors)


def trouble_of(error: Exception, *, conditional: bool = False) -> Trouble | None:
    """What the shelves refused, as a problem; None where it is none of theirs.

    `conditional` where the request said `If-Match`: a draft that moved on is then a condition that failed.
    """
    match error:
        case Trouble():
            return error
        case DraftError():
            return _of_draft(error, conditional=conditional)
        case QuestionError():
            return _by_phrase(error.key, error.values, "question")
        case WatchError() | GapError():
            return _by_phrase(error.phrase, error.values, "law" if isinstance(error, WatchError) else "gap")
        case store.ChangedMeanwhile():
            return Trouble(409, "changed-meanwhile", "desk.draft.no.moved")
        case ContentError():
            where = f"{error.file}:{error.line}" if error.line is not None else error.file
            return Trouble(422, "unreadable", "api.unreadable", errors=[Wrong(where, error.sentence)])
        case _:
            return None


def _of_draft(error: DraftError, *, conditional: bool) -> Trouble:
    key, values = error.key, error.values
    match error:
        case drafts.NoSuchDraft():
            if key == "desk.draft.not_on_shelves":
                return Trouble(409, "not-on-shelves", key, values)
            if key == "desk.draft.no_override":
                return Trouble(409, "no-override", key, values)
            return not_there()
        case drafts.AlreadyThere():
            return Trouble(409, "already-there", key, values, more={"draft_id": error.draft_id})
        case drafts.BadInput():
            return Trouble(422, "invalid", key, values)
        case drafts.ChangedMeanwhile():
            if conditional and key == "desk.draft.no.changed":
                return Trouble(412, "changed-meanwhile", key, values)
            return Trouble(409, "changed-meanwhile", key, values)
        case drafts.Unreadable():
            errors = [Wrong(problem.field, problem.message) for problem in error.problems]
            return Trouble(422, "unreadable", key, values, errors=errors)
        case drafts.NotTested():
            return Trouble(409, "not-tested", key, values, more={"gate_run_id": error.run.id if error.run else None})
        case drafts.Blocked():
            return Trouble(409, "blocked", key, values, more={"gate_run_id": error.run.id})
        case drafts.Refused():
            return Trouble(403 if key in _NOT_YOURS else 409, "refused", key, values)
        case _:
            return Trouble(409, "refused", key, values)


def _by_phrase(key: str, values: Mapping[str, object], about: str) -> Trouble:
    if key in _NOT_THERE:
        return not_there()
    if key in _IN_THE_WAY:
        return Trouble(409, f"{about}-refused", key, values)
    if key in _NOT_YOURS:
        return Trouble(403, "refused", key, values)
    return Trouble(422, "invalid", key, values)


@dataclass(frozen=True)
class Problems:
    """Puts troubles into responses."""

    phrases: Phrases = field(repr=False)

    def response(self, trouble: Trouble, language: Language, request_id: str) -> web.Response:
        """The problem, in words of this language."""
        said = self.phrases.say(trouble.phrase, language, **trouble.values)
        return problem(
            trouble.status,
            trouble.kind,
            said,
            request_id,
            errors=trouble.errors,
            more=trouble.more,
            headers={"Content-Language": language.value, **trouble.headers},
        )


def problem(
    status: int,
    kind: str,
    said: str,
    request_id: str,
    *,
    errors: Iterable[Wrong] = (),
    more: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """A problem as a response."""
    body: dict[str, Any] = {
        "type": _TYPE + kind,
        "title": _TITLES.get(status) or HTTPStatus(status).phrase,
        "status": status,
        "detail": said,
        "request_id": request_id,
    }
    wrong = [{"field": each.field, "message": each.message} for each in errors]
    if wrong:
        body["errors"] = wrong
    body |= {key: value for key, value in (more or {}).items() if value is not None}
    return web.Response(body=orjson.dumps(body), status=status, content_type=PROBLEM_JSON, headers=dict(headers or {}))

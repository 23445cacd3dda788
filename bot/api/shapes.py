"""What goes in and comes out, as pydantic models: they validate, and the OpenAPI description is made of them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from bot import gaps
from bot.desk.catalogue import State
from helpline.access_tokens import Scope
from helpline.accounts import Role
from helpline.messages import Country, Language
from knowledge.articles import FIELDS, Confidence
from knowledge.diff import FieldDiff, PartKind
from knowledge.fitness import Fit
from knowledge.gate import ChangeKind
from knowledge.gate_runs import RunState
from knowledge.life import Stage
from knowledge.shelves import Outcome

_INT32: Final = 2**31 - 1
_SAFE: Final = 2**53 - 1  # the greatest whole number that every JSON reader keeps


def _only_known_fields(fields: dict[str, Any]) -> dict[str, Any]:
    if not fields.keys() <= set(FIELDS):
        raise ValueError("A key here is none that an article has.")
    return fields


ArticleId = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$",
        max_length=100,
        examples=["hva-er-refleksjonsperiode"],
    ),
]
Key = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
HeapId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
RowId = Annotated[int, Field(ge=1, le=_SAFE)]
Number = Annotated[int, Field(ge=1, le=_INT32)]
Reason = Annotated[str, Field(min_length=1, max_length=2_000)]
Fields = Annotated[
    dict[str, Any],
    AfterValidator(_only_known_fields),
    Field(
        description="Keys of an article as its file has them; a value of null takes the key away.",
        json_schema_extra={"propertyNames": {"enum": list(FIELDS)}},
        examples=[{"short": "Ring 112 ved fare nå."}],
    ),
]


class Taken(BaseModel):
    """What comes in: a field that is not known is refused."""

    model_config = ConfigDict(extra="forbid")


class Given(BaseModel):
    """What goes out."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PageQuery(Taken):
    """Where a list begins, and how much of it is wanted."""

    cursor: str | None = Field(
        default=None, max_length=500, description="`next` of the page before; what was added since moves nothing."
    )
    limit: int = Field(default=50, ge=1, le=200)


# --- problems ---------------------------------------------------------------------------------------------------------


class FieldWrong(Given):
    """A field, and what is wrong with it."""

    field: str
    message: str


class Problem(BaseModel):
    """RFC 9457. Programs go by `type`, people by `detail`."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(examples=["urn:varde:problem:not-found"])
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[FieldWrong] | None = None
    draft_id: int | None = Field(default=None, description="The draft that is in the way.")
    gate_run_id: int | None = Field(default=None, description="The run that says why, or that is under way.")


class Collision(Problem):
    """Somebody else changed the same fields: both texts, and nothing is overwritten."""

    draft: DraftOut
    theirs: dict[str, Any] = Field(description="The fields in question, as they stand now.")
    yours: dict[str, Any] = Field(description="Everything that was to be saved; it is kept in the history of saves.")


# --- articles ---------------------------------------------------------------------------------------------------------


class ArticleParts(Taken):
    """Which article."""

    article: ArticleId


class RevisionParts(ArticleParts):
    """Which revision of which article."""

    number: Number


class ArticlesQuery(PageQuery):
    """What is looked for among the articles."""

    text: str | None = Field(
        default=None,
        min_length=1,
        max_length=500,
        description="Words of the title, or a question as it might be asked. The nearest come first, on one page.",
    )
    topic: str | None = Field(default=None, max_length=200)
    country: Country | None = None
    owner: str | None = Field(default=None, max_length=200)
    confidence: Confidence | None = None
    state: State | None = None
    missing: Language | None = Field(default=None, description="Not translated into this language.")
    outdated: Language | None = Field(
        default=None, description="The translation has other figures or statutes than the original."
    )


class ArticleBrief(Given):
    """An article in a list."""

    id: str
    title: str
    country: Country
    language: Language
    topic: str
    kind: str
    owner: str
    confidence: Confidence
    revision: int
    reviewed_on: date | None
    review_by: date | None
    states: list[State]
    draft_id: int | None
    missing: list[Language]
    outdated: list[Language]


class ArticlePage(Given):
    """Some of the articles."""

    items: list[ArticleBrief]
    found: int
    next: str | None


class ChangeFlag(Given):
    """A change of law that the article has not been held against."""

    change_id: int
    law: str
    what: str
    in_force_on: date
    link: str


class ArticleOut(Given):
    """An article as it stands, or stood when it was taken off the shelves."""

    id: str
    country: Country
    published: int | None = Field(description="The revision on the shelves; null where the article is off them.")
    latest: int
    changed_at: datetime
    starter: bool = Field(description="As it came with the program; no editor has made it their own.")
    fit: Fit
    hands_over_from: date | None
    flags: list[ChangeFlag]
    draft_id: int | None
    missing: list[Language]
    outdated: list[Language]
    revision: int
    body: dict[str, Any] = Field(description="The article, with the keys of its file.")


class RevisionOut(Given):
    """One wording that an article has had."""

    number: int
    author: str
    approver: str | None
    created_at: datetime
    draft_id: int | None
    small: bool
    published: bool = Field(description="It stands on the shelves now.")
    body: dict[str, Any]


class RevisionPage(Given):
    """Some of the revisions, the newest first."""

    items: list[RevisionOut]
    next: str | None


class DiffQuery(Taken):
    """Which two revisions."""

    model_config = ConfigDict(extra="forbid", validate_by_name=True, validate_by_alias=True)

    from_: Number = Field(alias="from")
    to: Number


class DiffPart(Given):
    """A piece of text that stayed, came or went."""

    kind: PartKind
    text: str


class FieldDiffOut(Given):
    """A field that differs."""

    field: str
    parts: list[DiffPart]


class DiffOut(Given):
    """What two wordings differ in."""

    fields: list[FieldDiffOut]


def diff_out(found: list[FieldDiff]) -> list[FieldDiffOut]:
    """Differences as they go out."""
    return [
        FieldDiffOut(field=one.field, parts=[DiffPart(kind=kind, text=text) for kind, text in one.parts])
        for one in found
    ]


class EventOut(Given):
    """Who did what, when."""

    id: int
    at: datetime
    actor: str
    what: str
    details: dict[str, Any]


class EventPage(Given):
    """Some of what happened, the latest first."""

    items: list[EventOut]
    next: str | None


class RestoreIn(Taken):
    """The revision whose words come back."""

    revision: Number


class ReasonIn(Taken):
    """Why."""

    reason: Reason


class StandingOut(Given):
    """How an article stands."""

    id: str
    country: Country
    published: int | None
    latest: int
    changed_at: datetime


# --- drafts -----------------------------------------------------------------------------------------------------------


class DraftParts(Taken):
    """Which draft."""

    draft: RowId


class CommentParts(DraftParts):
    """Which comment on which draft."""

    comment: RowId


class DraftsQuery(PageQuery):
    """Which drafts; without a stage the open ones."""

    stage: Stage | None = None
    article_id: ArticleId | None = None


class DraftNew(Taken):
    """An article that there was none of."""

    article_id: ArticleId
    country: Country
    body: Fields = Field(default_factory=dict)


class DraftSave(Taken):
    """The fields that were changed, and the version they were changed from. `If-Match` may say the version too."""

    seen: Number | None = Field(default=None, description="The version that was before the writer's eyes.")
    fields: Fields


class SeenIn(Taken):
    """The version that was read; another one now is refused. `If-Match` may say it instead."""

    seen: Number | None = None


class ScheduleIn(Taken):
    """When it is to be published."""

    at: AwareDatetime


class SmallIn(Taken):
    """Whether it is marked as a small change."""

    small: bool


class AbandonIn(Taken):
    """Why, if that is worth saying."""

    reason: str = Field(default="", max_length=2_000)


class DraftOut(Given):
    """A draft as it stands."""

    id: int
    article_id: str
    base: int | None = Field(description="The revision it was made from; null for a new article.")
    restored: int | None = Field(description="The older revision whose words it began with.")
    country: Country
    stage: Stage
    version: int
    small: bool
    authors: list[str]
    created_at: datetime
    updated_by: str
    updated_at: datetime
    submitted_by: str | None
    submitted_at: datetime | None
    approved_by: str | None
    approved_at: datetime | None
    publish_at: datetime | None
    revision: int | None = Field(description="What it was published as.")
    note: str = Field(description="Why it was sent back, or could not be published.")
    body: dict[str, Any]


class DraftPage(Given):
    """Some of the drafts, the newest first."""

    items: list[DraftOut]
    next: str | None


class SavedOut(Given):
    """A save that was taken."""

    draft: DraftOut
    merged: list[str] = Field(description="Fields that others changed meanwhile; look at them before saving again.")


class ProblemOut(Given):
    """Something about the draft that should be looked at."""

    field: str
    message: str
    blocks: bool = Field(description="It keeps the draft from being handed in.")


class ProblemsOut(Given):
    """Everything that should be looked at, in the order of an article's file."""

    items: list[ProblemOut]


class SaveOut(Given):
    """One save of the history."""

    id: int
    version: int
    at: datetime
    by: str
    fields: dict[str, Any]
    kept_aside: bool


class SavePage(Given):
    """Some of the saves, the newest first."""

    items: list[SaveOut]
    next: str | None


class CommentIn(Taken):
    """A remark on a field, or on the whole where no field is named."""

    field: str = Field(default="", max_length=200)
    text: str = Field(min_length=1, max_length=4_000)


class CommentOut(Given):
    """What a colleague remarked."""

    id: int
    field: str
    text: str
    by: str
    at: datetime
    resolved_by: str | None
    resolved_at: datetime | None


class CommentPage(Given):
    """Some of the comments, the oldest first."""

    items: list[CommentOut]
    next: str | None


# --- the gate ---------------------------------------------------------------------------------------------------------


class RunParts(Taken):
    """Which run."""

    run: RowId


class ShownOut(Given):
    """What a question brings up."""

    outcome: str
    articles: list[str]
    maybe_danger: bool


class GateChange(Given):
    """A question that would be met otherwise."""

    set_id: str
    question_id: str
    text: str
    kind: ChangeKind
    before: ShownOut
    after: ShownOut
    right_before: bool
    right_after: bool


class GateFigures(Given):
    """How one set fares."""

    set_id: str
    title: str
    asked: int
    right_before: int
    right_after: int
    level: float
    passes: bool


class GateRunOut(Given):
    """The questions, asked of the shelves with one version of a draft in place."""

    id: int
    draft_id: int
    version: int
    state: RunState
    asked: int
    of: int
    passes: bool | None
    wanted_by: str
    wanted_at: datetime
    finished_at: datetime | None
    figures: list[GateFigures]
    changes: list[GateChange]


class OverrideOut(Given):
    """A blocked version that is let through once a second person has confirmed it."""

    id: int
    draft_id: int
    version: int
    reason: str
    asked_by: str
    asked_at: datetime
    confirmed_by: str | None
    confirmed_at: datetime | None
    holds: bool


class GateOut(Given):
    """How a draft stands with the gate."""

    run: GateRunOut | None = Field(description="Of this version, against the shelves and questions of now.")
    latest: GateRunOut | None = Field(description="The newest run of any version.")
    override: OverrideOut | None


# --- questions --------------------------------------------------------------------------------------------------------


class SetParts(Taken):
    """Which set."""

    set: Key


class QuestionParts(SetParts):
    """Which question of which set."""

    question: Key


Expected = list[ArticleId] | Literal["handover", "out_of_scope", "danger"]


class SetNew(Taken):
    """A new set, without questions."""

    id: Key
    title: str = Field(min_length=1, max_length=120)
    country: Country
    level: float = Field(ge=0, le=1, description="Least share answered rightly; a fall below it blocks.")


class LevelIn(Taken):
    """Another least share of right answers."""

    level: float = Field(ge=0, le=1)


class QuestionIn(Taken):
    """What somebody asks, and what would be right."""

    text: str = Field(min_length=1, max_length=1_000)
    language: Language
    expected: Expected = Field(description="Articles any of which is right, or one of three words.")


class QuestionOut(Given):
    """A question of a set."""

    id: str
    text: str
    language: Language
    expected: list[str] | str


class SetOut(Given):
    """A set."""

    id: str
    title: str
    country: Country
    level: float
    version: int
    questions: int = Field(description="How many it holds.")


class SetPage(Given):
    """Some of the sets."""

    items: list[SetOut]
    next: str | None


class QuestionPage(Given):
    """Some of the questions, in the order of their ids."""

    items: list[QuestionOut]
    next: str | None


# --- small changes ----------------------------------------------------------------------------------------------------


class SmallQuery(PageQuery):
    """Those that wait, or those that were looked at."""

    reviewed: bool = False


class SmallParts(Taken):
    """Which small change."""

    change: RowId


class SmallOut(Given):
    """A revision that one person published alone."""

    id: int
    article_id: str
    number: int
    by: str
    at: datetime
    reviewed_by: str | None
    reviewed_at: datetime | None


class SmallPage(Given):
    """Some of the small changes, the oldest first."""

    items: list[SmallOut]
    next: str | None


# --- laws -------------------------------------------------------------------------------------------------------------


class LawsQuery(PageQuery):
    """Which rules."""

    country: Country | None = None
    text: str | None = Field(default=None, min_length=1, max_length=200)


class LawOut(Given):
    """A rule that the shelves rest on."""

    key: str
    name: str
    country: Country
    articles: list[str]


class LawPage(Given):
    """Some of the rules."""

    items: list[LawOut]
    next: str | None


class LawChangeParts(Taken):
    """Which change."""

    change: RowId


class ClearingParts(LawChangeParts):
    """Which proposal about which change."""

    clearing: RowId


class LawChangeIn(Taken):
    """That a law changed."""

    law: str = Field(min_length=1, max_length=300, examples=["NO utlendingsforskriften § 8-3"])
    what: str = Field(min_length=1, max_length=2_000)
    in_force_on: date
    link: str = Field(default="", max_length=2_000)


class NotAffectedIn(Taken):
    """An article that the change does not touch, and why."""

    article_id: ArticleId
    reason: Reason


class HeldIn(Taken):
    """An article that is written anew against the change."""

    article_id: ArticleId


class WithdrawIn(Taken):
    """Why the mark was a mistake."""

    why: Reason


class ClearingOut(Given):
    """What was done about one article and one change."""

    id: int
    article_id: str
    draft_id: int | None
    reason: str
    by: str
    at: datetime
    agreed_by: str | None
    agreed_at: datetime | None
    revision: int | None
    done: bool


class LawChangeOut(Given):
    """A change of law."""

    id: int
    law: str
    what: str
    in_force_on: date
    link: str
    by: str
    at: datetime
    withdrawn_by: str | None
    withdrawn_at: datetime | None
    withdrawn_why: str
    flagged: list[str] = Field(description="Articles that wait to be held against it.")
    clearings: list[ClearingOut]


class LawChangePage(Given):
    """Some of the changes, the newest first."""

    items: list[LawChangeOut]
    next: str | None


# --- gaps and review dates --------------------------------------------------------------------------------------------


class HeapParts(Taken):
    """Which heap."""

    heap: HeapId


class GapsQuery(PageQuery):
    """Which heaps."""

    state: gaps.State = gaps.State.OPEN
    country: Country | None = None
    limit: int = Field(default=15, ge=1, le=50)


class GapQuery(Taken):
    """In which state."""

    state: gaps.State = gaps.State.OPEN


class DismissIn(Taken):
    """Why these need no answer on the shelves."""

    reason: str = Field(min_length=1, max_length=500)


class GapDraftIn(Taken):
    """The wordings that go into a draft: of a new article, or of one that there is."""

    article_id: ArticleId
    new: bool
    wordings: list[Annotated[str, Field(min_length=1, max_length=400)]] = Field(min_length=1, max_length=200)


class CountOut(Given):
    """A number that may be told: rounded down, and small ones not at all."""

    at_least: int
    few: bool = Field(description="Too few to say how many.")


class RegionOut(Given):
    """A place, and how many gaps are from there."""

    name: str
    count: CountOut


class GapQuestion(Given):
    """A question as it was put, with nobody recognisable in it."""

    text: str
    wording: str
    language: Language


class HeapOut(Given):
    """Gaps that ask the same."""

    id: str
    country: Country
    count: CountOut
    first_week: date
    last_week: date
    regions: list[RegionOut]
    elsewhere: CountOut
    kinds: list[str]
    nearest: list[str]
    questions: list[GapQuestion]
    replies: list[str]
    more: bool
    article_id: str | None
    draft_id: int | None
    reason: str
    by: str | None


class HeapPage(Given):
    """Some of the heaps, those asked for most first."""

    items: list[HeapOut]
    next: str | None


class MovedOut(Given):
    """Whether anything was moved; pressing twice is as good as once."""

    moved: bool


class DueQuery(PageQuery):
    """Which articles."""

    owner: str | None = Field(default=None, max_length=200)
    country: Country | None = None
    fit: Fit | None = None


class DueOut(Given):
    """An article that must be looked at."""

    article_id: str
    title: str
    country: Country
    owner: str
    revision: int
    fit: Fit
    review_by: date
    hands_over_from: date
    draft_id: int | None


class DuePage(Given):
    """Some of what is due, the oldest date first."""

    items: list[DueOut]
    next: str | None


# --- in and out by the hundred ----------------------------------------------------------------------------------------


class ImportQuery(Taken):
    """Whether it is only to be shown what would change."""

    dry_run: bool = False


class ExportQuery(Taken):
    """In which form."""

    format: Literal["jsonl", "zip"] = "jsonl"


class ImportedChange(Given):
    """An article that differs from what stands."""

    id: str
    title: str
    fields: list[FieldDiffOut]
    draft_id: int | None = Field(description="The draft that was made; null in a dry run.")


class ImportOut(Given):
    """What an import would change, or did: everything that differs becomes a draft, to be reviewed like any other."""

    dry_run: bool
    added: list[ImportedChange]
    changed: list[ImportedChange]
    same: list[str]
    left: list[str] = Field(description="Somebody is writing in a draft of these; they are not touched.")
    stays: list[str] = Field(description="On the shelves, and not in the file.")


# --- people -----------------------------------------------------------------------------------------------------------


class StaffOut(Given):
    """Somebody who works here."""

    id: str
    name: str
    roles: list[Role]
    languages: list[Language]
    zone: str
    active: bool


class StaffPage(Given):
    """Some of the staff, in the order of their ids."""

    items: list[StaffOut]
    next: str | None


class TokenParts(Taken):
    """Which token."""

    token: RowId


class TokenOut(Given):
    """A token of one's own; what opens the door is shown once, where it is made."""

    id: int
    name: str
    scope: Scope
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None
    good: bool


class TokenPage(Given):
    """Some of the tokens, the newest first."""

    items: list[TokenOut]
    next: str | None


class MeOut(Given):
    """Who asks, and by what."""

    staff: StaffOut
    token: TokenOut


# --- trying -----------------------------------------------------------------------------------------------------------


class TryIn(Taken):
    """A question, asked of the shelves as they are or with a draft on them. Nothing is stored."""

    text: str = Field(min_length=1, max_length=4_000, examples=["hun vil ikke anmelde, hva kan vi gjøre"])
    country: Country | None = Field(default=None, description="Whose line; without one, the language or the house.")
    language: Language | None = None
    draft_id: RowId | None = None


class Matched(Given):
    """A word of the question, and how much of the match it makes."""

    word: str
    share: float


class Nearest(Given):
    """The first article's wording that is most like the question, and how much from 0 to 1."""

    wording: str
    likeness: float


class Candidate(Given):
    """An article that came up: how sure it is, and what words, meaning and the learned reader gave to its total."""

    id: str
    title: str
    score: float
    total: float
    words: float
    meaning: float
    reader: float
    matched: list[Matched]


class TryOut(Given):
    """What would be done, and why this article."""

    outcome: Outcome
    danger: Literal["yes", "maybe", "no"]
    language: Language
    country: Country
    answer: str | None = Field(description="The short answer as it would be given.")
    confidence: float = Field(ge=0, le=1)
    answer_from: float = Field(description="The confidence from which it is answered; above 1 never.")
    suggest_from: float
    read: list[str] = Field(description="The words as they were read, typing errors put right.")
    worded: bool = Field(description="The question is a wording of the first article.")
    nearest: Nearest | None
    articles: list[Candidate] = Field(description="The best first.")
    first_by: dict[str, str] = Field(description="What each score alone would put first.")
    reasons: list[str]


Collision.model_rebuild()

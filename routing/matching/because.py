"""The reasons why a service is offered, stands where it stands, or is left out.

Each is a code and what it is about; the words for it are in `reasons.py`. Which of them belong together (when
it answers, what to ask them, what holds whoever asks) is said here once, for every place that shows them. Pure.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class Because(StrEnum):
    """Why a service is offered, stands where it stands, or is dropped."""

    # Kept.
    FITS_NEED = "fits-need"  # it is there for this need
    HELPS_WITH = "helps-with"  # it can help with it, or show the way
    OFFERS = "offers"  # it says that it offers this row of the catalogue
    IN_AREA = "in-area"  # no need was chosen, and it answers here
    COVERS = "covers"  # it answers in this place
    COVERS_PART = "covers-part"  # it answers in a part of this area: the kommune decides
    LIKELY_COVERS = "likely-covers"  # probably answers here; no source says so
    EVERY_KOMMUNE = "every-kommune"  # each kommune has its own
    NATIONAL = "national"
    CHILD_ROUTE = "child-route"  # the public route for a child at risk
    FALLBACK = "fallback"  # always there
    OPEN_ALWAYS = "open-always"
    OPEN_BY_LAW = "open-by-law"  # day and night by law; not read for this one
    OPEN_NOW = "open-now"
    CLOSES_AT = "closes-at"
    CLOSED_NOW = "closed-now"
    OPENS_AT = "opens-at"
    OPENS_OFFICE_HOURS = "opens-office-hours"  # on this day, in office hours that nobody wrote down
    OPENS_AFTER_HOURS = "opens-after-hours"  # when the offices close
    CALL_FIRST = "call-first"
    HOURS_UNKNOWN = "hours-unknown"
    HAS_ROOM = "has-room"  # told lately
    ASK_ROOM = "ask-room"  # nobody told, or too long ago
    FULL = "full"  # told lately; where it is urgent this drops it
    ASK_SEX = "ask-sex"
    ASK_AGE = "ask-age"
    ASK_STATUS = "ask-status"
    ASK_EXPLOITATION = "ask-exploitation"
    ASK_CHILDREN = "ask-children"
    ASK_FAMILIES = "ask-families"
    ASK_SUBSTANCE_USE = "ask-substance-use"
    ASK_OFFERS = "ask-offers"  # whether it offers this row of the catalogue
    ONLY_SEX = "only-sex"  # a condition on a fact that was not told
    ONLY_AGE = "only-age"
    ONLY_STATUS = "only-status"
    ONLY_EXPLOITATION = "only-exploitation"
    SPEAKS = "speaks"  # a language of the patient's
    INTERPRETER = "interpreter"  # it gets one
    OTHER_LANGUAGES = "other-languages"  # it names others, and no interpreter
    ASK_LANGUAGE = "ask-language"
    ACCESS = "access"  # how one comes in, where it is not simply by calling
    NO_PHONE = "no-phone"
    CERTIFIED = "certified"  # by the support programme
    CONFIRMED = "confirmed"  # by the service itself
    CONFIRMED_LONG_AGO = "confirmed-long-ago"
    NOT_CONFIRMED = "not-confirmed"
    PARTLY_VERIFIED = "partly-verified"
    UNVERIFIED = "unverified"
    OLDER_SOURCE = "older-source"
    UNDATED_SOURCE = "undated-source"
    NO_SOURCE = "no-source"
    # Dropped.
    OTHER_COUNTRY = "other-country"
    OTHER_AREA = "other-area"
    PLACE_NEEDED = "place-needed"  # a local service, and the place is not known
    NOT_RUNNING = "not-running"  # closed for now or for good
    OTHER_NEED = "other-need"
    NOT_OFFERED = "not-offered"  # it says what it offers, and this row of the catalogue is not among it
    NO_NEED_CHOSEN = "no-need-chosen"  # shown once a need is chosen
    NOT_FOR_PATIENTS = "not-for-patients"
    SEX_NOT_TAKEN = "sex-not-taken"
    AGE_NOT_TAKEN = "age-not-taken"
    ADULT_HOUSING = "adult-housing"  # never for a minor
    STATUS_NOT_TAKEN = "status-not-taken"
    EXPLOITATION_NOT_TAKEN = "exploitation-not-taken"
    CHILDREN_NOT_TAKEN = "children-not-taken"
    FAMILIES_NOT_TAKEN = "families-not-taken"
    SUBSTANCE_USE_NOT_TAKEN = "substance-use-not-taken"


class Reason(NamedTuple):
    """A typed reason; `value` is what it is about: a need, a place, a limit; `at` the instant."""

    code: Because
    value: str = ""
    at: datetime | None = None


OPENING = frozenset(
    {
        Because.OPEN_ALWAYS,
        Because.OPEN_BY_LAW,
        Because.OPEN_NOW,
        Because.CLOSES_AT,
        Because.CLOSED_NOW,
        Because.OPENS_AT,
        Because.OPENS_OFFICE_HOURS,
        Because.OPENS_AFTER_HOURS,
        Because.CALL_FIRST,
        Because.HOURS_UNKNOWN,
    }
)
"""When it answers."""

CLOSED = frozenset(
    {Because.CLOSED_NOW, Because.OPENS_AT, Because.OPENS_OFFICE_HOURS, Because.OPENS_AFTER_HOURS, Because.FULL}
)
"""Why nobody can be taken at this hour."""

ROOM = frozenset({Because.HAS_ROOM, Because.ASK_ROOM, Because.FULL})
"""Whether there is a place."""

ASK_WHOM = frozenset(
    {
        Because.ASK_SEX,
        Because.ASK_AGE,
        Because.ASK_STATUS,
        Because.ASK_EXPLOITATION,
        Because.ASK_CHILDREN,
        Because.ASK_FAMILIES,
        Because.ASK_SUBSTANCE_USE,
        Because.ASK_OFFERS,
    }
)
"""A hard rule to which the directory knows no answer: neither yes nor no."""

ASKED = ASK_WHOM | {
    Because.COVERS_PART,
    Because.LIKELY_COVERS,
    Because.HOURS_UNKNOWN,
    Because.CALL_FIRST,
    Because.ASK_ROOM,
    Because.ASK_LANGUAGE,
}
"""Everything that means: ask them."""

REFUSED = frozenset(
    {
        Because.NOT_RUNNING,
        Because.SEX_NOT_TAKEN,
        Because.AGE_NOT_TAKEN,
        Because.ADULT_HOUSING,
        Because.STATUS_NOT_TAKEN,
        Because.EXPLOITATION_NOT_TAKEN,
        Because.CHILDREN_NOT_TAKEN,
        Because.FAMILIES_NOT_TAKEN,
        Because.SUBSTANCE_USE_NOT_TAKEN,
    }
)
"""It does not take this patient, or nobody at all."""

WHOEVER_ASKS = frozenset(
    {
        Because.ONLY_SEX,
        Because.ONLY_AGE,
        Because.ONLY_STATUS,
        Because.ONLY_EXPLOITATION,
        Because.ACCESS,
        Because.NO_PHONE,
        Because.CERTIFIED,
        Because.CONFIRMED,
        Because.CONFIRMED_LONG_AGO,
        Because.NOT_CONFIRMED,
        Because.PARTLY_VERIFIED,
        Because.UNVERIFIED,
        Because.OLDER_SOURCE,
        Because.UNDATED_SOURCE,
        Because.NO_SOURCE,
    }
)
"""What holds for the service whoever the patient is."""

CAUTION = (
    WHOEVER_ASKS
    | ROOM
    | ASK_WHOM
    | REFUSED
    | {
        Because.COVERS_PART,
        Because.LIKELY_COVERS,
        Because.SPEAKS,
        Because.INTERPRETER,
        Because.OTHER_LANGUAGES,
        Because.ASK_LANGUAGE,
    }
)
"""What to heed before the patient is sent there."""

"""One referral: when its outcome is asked, when it is safe to ask, and that nothing in the slip tells who it is."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpline.messages import Country, Language
from routing.matching.match import AgeGroup
from routing.referrals import referral as referrals
from routing.referrals.referral import (
    AROUND_THE_CLOCK,
    ASKED_AT_MOST,
    DAYTIME,
    Basis,
    Consent,
    Facts,
    MaySay,
    Outcome,
    Referral,
    RefusedFor,
    SafeContact,
    Via,
    Way,
)
from routing.services import Phone, Sex
from tests.routing.worlds import OSLO, WORLD, a_service, oslo_time

MADE = oslo_time("2026-11-22 23:10").astimezone(UTC)
FACTS = Facts(Country.NO, "03", ("legal",), Sex.MALE, AgeGroup.ADULT, with_children=True)


def a_referral(**said: object) -> Referral:
    facts = {
        "id": "r",
        "service_id": "legal-aid",
        "service_revision": 1,
        "country": Country.NO,
        "region": "03",
        "needs": ("legal",),
        "sex": Sex.MALE,
        "age_group": AgeGroup.ADULT,
        "with_children": True,
        "basis": Basis.CONSENT,
        "consent": Consent("help-from-service", "legal-aid", "1", MADE),
        "introduction": False,
        "via": Via.CHAT,
        "made_by": "conversation:c",
        "conversation_id": "c",
        "made_at": MADE,
        "ask_at": MADE + timedelta(hours=11),
    }
    return Referral(**{**facts, **said})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("made", "tonight", "safe", "asked"),
    [
        ("2026-11-24 09:00", True, None, "2026-11-24 11:00"),  # soon
        ("2026-11-24 09:00", False, None, "2026-11-25 10:00"),  # the next day
        ("2026-11-22 23:10", True, None, "2026-11-23 08:00"),  # soon, and nobody is written to at night
        ("2026-11-22 23:10", True, SafeContact(AROUND_THE_CLOCK), "2026-11-23 01:10"),  # unless she said so
        ("2026-11-24 09:00", False, SafeContact((time(16), time(22))), "2026-11-25 16:00"),
        ("2026-11-24 09:00", False, SafeContact((time(22), time(6))), "2026-11-25 22:00"),  # over midnight
        ("2026-11-24 09:00", False, SafeContact(ways=()), None),  # never
        ("2026-11-24 09:00", False, SafeContact(ways=(Way.CALL,)), None),  # not in writing
        # The clocks go back on the night between: ten in the morning is ten in the morning.
        ("2026-10-24 09:00", False, None, "2026-10-25 10:00"),
        ("2026-03-28 21:00", True, None, "2026-03-29 08:00"),
    ],
)
def test_the_outcome_is_asked_soon_where_it_is_for_tonight_and_only_when_it_is_safe(
    made: str, tonight: bool, safe: SafeContact | None, asked: str | None
) -> None:
    at = referrals.ask_first(oslo_time(made), tonight=tonight, country=Country.NO, safe=safe)
    assert at == (oslo_time(asked) if asked is not None else None)


hours = st.tuples(st.times(), st.times())
instants = st.integers(0, 2 * 365 * 24 * 60).map(
    lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)


@given(hours=st.none() | hours, at=instants)
def test_what_is_safe_is_never_before_and_always_inside_her_hours(
    hours: tuple[time, time] | None, at: datetime
) -> None:
    safe = SafeContact(hours)
    found = safe.next_safe(at, OSLO)
    assert found is not None
    assert at <= found <= at + timedelta(hours=50)
    begins, ends = hours or DAYTIME
    clock = found.astimezone(OSLO).time()
    # An hour that the clock jumps over begins when it has jumped.
    jumped = (
        found.astimezone(ZoneInfo("Europe/Oslo")).utcoffset()
        != (found - timedelta(hours=2)).astimezone(OSLO).utcoffset()
    )
    inside = begins <= clock < ends if begins < ends else clock >= begins or clock < ends
    assert inside or begins == ends or jumped
    assert safe.next_safe(at, OSLO, Way.CALL) is None


@given(
    safe=st.builds(
        SafeContact,
        st.none() | st.sampled_from([DAYTIME, AROUND_THE_CLOCK, (time(22, 30), time(6))]),
        st.sampled_from([(), (Way.WRITE,), (Way.WRITE, Way.CALL)]),
        st.sampled_from(MaySay),
        st.none() | instants,
    )
)
def test_the_rules_are_read_as_they_were_written(safe: SafeContact) -> None:
    assert referrals.safe_from_json(referrals.safe_to_json(safe)) == safe


events = st.lists(
    st.one_of(
        st.just("ask"),
        st.just("revoke"),
        st.tuples(st.sampled_from(Outcome), st.none() | st.sampled_from(RefusedFor)),
        st.just("put-off"),
    ),
    max_size=12,
)


@given(events=events, basis=st.sampled_from(Basis))
def test_whatever_happens_it_is_asked_twice_at_most_and_a_consent_taken_back_ends_it(
    events: list[object], basis: Basis
) -> None:
    consent = a_referral().consent if basis is Basis.CONSENT else None
    now, referral, sent = MADE, a_referral(basis=basis, consent=consent), 0
    for event in events:
        now += timedelta(hours=7)
        before = referral
        match event:
            case "ask" if referral.ask_at is not None:
                referral = referrals.asked(referral, now, None)
                sent += referral.asked - before.asked
            case "revoke":
                referral = referrals.revoke(referral, now)
                assert referral.revoked == (basis is Basis.CONSENT)
            case "put-off":
                referral = referrals.put_off(referral, now + timedelta(hours=1))
            case (Outcome() as outcome, because):
                referral = referrals.told(referral, outcome, because, by="conversation:c", now=now)  # type: ignore[arg-type]
                again = referrals.told(referral, outcome, because, by="conversation:c", now=now)  # type: ignore[arg-type]
                assert again == referral  # a second tap
                assert referral.outcome is (before.outcome if before.revoked else outcome)
        assert sent == referral.asked <= ASKED_AT_MOST
        assert (referral.refused_for is None) or referral.outcome is Outcome.REFUSED
        assert (referral.outcome is None) == (referral.outcome_at is None)
        if referral.revoked:
            assert referral.ask_at is None
            assert referral.facts == Facts(Country.NO)
        if referral.ask_at is not None:
            assert referral.asks
            assert referral.asked < ASKED_AT_MOST


@pytest.mark.parametrize(
    ("days", "outcome", "overdue"),
    [(13, None, False), (14, None, True), (90, Outcome.ACCEPTED, False), (90, Outcome.NOT_CONTACTED, False)],
)
def test_without_an_outcome_it_is_listed_after_fourteen_days(days: int, outcome: Outcome | None, overdue: bool) -> None:
    assert referrals.overdue(a_referral(outcome=outcome), MADE + timedelta(days=days)) is overdue


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("short", [True, False])
def test_the_slip_holds_the_number_the_need_and_coarse_facts_in_every_language(language: Language, short: bool) -> None:
    service = a_service("legal-aid", phones=(Phone("11 22 33 44"), Phone("55 66 77 88"), Phone("99 00 11 22")))
    referral = a_referral()
    words = referrals.slip_of(
        service,
        referral.facts,
        referral.basis,
        phrases=WORLD.phrases,
        language=language,
        needs=(WORLD.directory.needs["legal"].names[language],),
        region="Oslo",
        say_first="" if short else WORLD.directory.say_first(service, language),
        short=short,
    )
    first, *rest = words.split("\n")
    assert first == "Legal-Aid: 11 22 33 44, 55 66 77 88"
    assert WORLD.directory.needs["legal"].names[language] in words
    assert WORLD.phrases.say("slip.adult.male", language) in words
    assert WORLD.phrases.say("slip.children", language) in words
    assert WORLD.phrases.say("slip.basis.consent", language) == rest[2]
    assert (WORLD.directory.say_first(service, language) in words) is not short


def test_of_a_minor_no_sex_is_told() -> None:
    facts = Facts(Country.NO, sex=Sex.FEMALE, age_group=AgeGroup.MINOR)
    assert referrals.coarse(facts, WORLD.phrases, Language.NB) == ["under 18 år"]

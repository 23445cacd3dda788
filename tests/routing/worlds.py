"""What the tests of the signposts share: the shipped world, and a service that says only what the test is about."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from helpline.content import content_folder
from helpline.messages import Country, Language
from routing.directory import Directory
from routing.matching.refer import World
from routing.places import Level, Place
from routing.services import (
    Access,
    AgeRange,
    Area,
    Confidence,
    Freshness,
    Hours,
    Phone,
    Serves,
    Service,
    ServiceKind,
    Takes,
)

WORLD = World.load(content_folder())
PLACES, SHIPPED = WORLD.gazetteer, WORLD.directory
OSLO = ZoneInfo("Europe/Oslo")
NATIONAL = Area(frozenset({(Level.NATIONAL, "NO")}))
ALWAYS = Hours(always=True, as_stated="24/7")
EVERYONE = Takes(everyone=True)
WELCOMES = Serves(sex=EVERYONE, age=AgeRange(), exploitation=EVERYONE, status=EVERYONE)


def kommune(code: str, country: Country = Country.NO) -> Place:
    return PLACES.get(country, Level.KOMMUNE, code)


def in_kommune(*codes: str) -> Area:
    return Area(frozenset((Level.KOMMUNE, code) for code in codes))


def oslo_time(text: str) -> datetime:
    """An instant by the clock on the wall in Oslo: "2026-11-23 03:00"."""
    return datetime.fromisoformat(text).replace(tzinfo=OSLO)


def a_service(service_id: str, **facts: Any) -> Service:
    """A confirmed, always open service for everyone in Tromsø that gives legal help, but for what the test says."""
    plain = Service(
        id=service_id,
        country=Country.NO,
        name=service_id.title(),
        organisation="Somebody",
        kind=ServiceKind.LEGAL_AID,
        what={Language.NB: "Hjelper.", Language.EN: "Helps."},
        needs_first=("legal",),
        needs_also=(),
        area=in_kommune("5501"),
        serves=WELCOMES,
        access=Access.SELF_OR_PROFESSIONAL,
        hours=ALWAYS,
        confidence=Confidence.VERIFIED,
        freshness=Freshness.RECENT,
        sources=(),
        phones=(Phone("11 22 33 44"),),
    )
    return replace(plain, **facts)


def a_directory(*services: Service) -> Directory:
    """These services and the fallbacks, which are always there."""
    always = {i for fallback in SHIPPED.fallbacks.values() for i in (*fallback.everyone, *fallback.minor)}
    return SHIPPED.with_all((*(SHIPPED.get(service_id) for service_id in sorted(always)), *services))

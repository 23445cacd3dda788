"""The folder of each provider as a whole: who is certified on a day, what is in a folder, what waits, what is deleted.

Its parts are kept by the stores beside this one (`provider_store`, `profile_store`, `visit_store`, `decision_store`).
The rules are those of `routing/certification/standing.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncConnection

from helpline.phrases import ZONES
from helpline.vault import Vault
from routing.certification import decision_store, profile_store, provider_store, visit_store
from routing.certification.decision_store import KeptCheck, KeptDecision, KeptTraining
from routing.certification.profile_store import KeptProfile
from routing.certification.provider_store import Provider
from routing.certification.scope import Certification, Scope, certification
from routing.certification.standing import Facts
from routing.certification.visit_store import KeptAction, KeptVisit
from routing.places import Gazetteer


@dataclass(frozen=True)
class Folder:
    """Everything about one provider."""

    provider: Provider
    profiles: tuple[KeptProfile, ...]  # the newest first
    visits: tuple[KeptVisit, ...]
    actions: tuple[KeptAction, ...]  # the first due first
    trainings: tuple[KeptTraining, ...]
    checks: tuple[KeptCheck, ...]
    decisions: tuple[KeptDecision, ...]
    members: tuple[str, ...]  # ids of staff

    @property
    def facts(self) -> Facts:
        return Facts(
            profiles=tuple(each.profile for each in self.profiles),
            visits=tuple(each.visit for each in self.visits),
            actions=tuple(each.action for each in self.actions),
            trainings=tuple(each.on for each in self.trainings),
            checks=tuple(each.check for each in self.checks),
            decisions=tuple(each.decision for each in self.decisions),
        )


@dataclass(frozen=True)
class Certified:
    """A provider that is certified on a day, and what for."""

    provider: Provider
    held: Certification


_TABLES: Final = (*profile_store.TABLES, *visit_store.TABLES, *decision_store.TABLES, *provider_store.TABLES)
KEPT_LEFT: Final = timedelta(days=3 * 365)  # the folder of a provider that has left


async def facts_of_all(conn: AsyncConnection) -> Mapping[str, Facts]:
    """What every provider's standing follows from, without a word that anybody wrote."""
    profiles, visits = await profile_store.all_profiles(conn), await visit_store.all_visits(conn)
    actions, trainings = await visit_store.all_actions(conn), await decision_store.all_trainings(conn)
    checks, decisions = await decision_store.all_checks(conn), await decision_store.all_decisions(conn)
    return {
        each: Facts(
            profiles=profiles.get(each, ()),
            visits=visits.get(each, ()),
            actions=actions.get(each, ()),
            trainings=trainings.get(each, ()),
            checks=checks.get(each, ()),
            decisions=decisions.get(each, ()),
        )
        for each in {*profiles, *visits, *actions, *trainings, *checks, *decisions}
    }


Everyone = tuple[tuple[Provider, Facts], ...]


async def everyone(conn: AsyncConnection) -> Everyone:
    """Whoever was ever given a certification, by name, with what their standing follows from."""
    granted = await decision_store.granted(conn)
    if not granted:
        return ()
    facts = await facts_of_all(conn)
    known = await provider_store.providers(conn, left_too=True)
    return tuple((each, facts[each.organisation_id]) for each in known if each.organisation_id in granted)


def certified_among(known: Everyone, on: date, gazetteer: Gazetteer) -> tuple[Certified, ...]:
    """Who of these is certified on a day, with what for."""
    found = []
    for provider, facts in known:
        zone = ZONES[provider.country]
        if provider.left_at is not None and provider.left_at.astimezone(zone).date() <= on:
            continue
        held = certification(facts, on, provider.country, gazetteer)
        if held is not None:
            found.append(Certified(provider, held))
    return tuple(found)


def scopes(certified: Iterable[Certified]) -> Mapping[str, Scope]:
    """Who is certified, by organisation, as matching asks for it."""
    return {each.provider.organisation_id: each.held.scope for each in certified}


async def certified_providers(conn: AsyncConnection, on: date, gazetteer: Gazetteer) -> tuple[Certified, ...]:
    """Who is certified on this day, by name, with what for."""
    return certified_among(await everyone(conn), on, gazetteer)


async def certified(conn: AsyncConnection, on: date, gazetteer: Gazetteer) -> Mapping[str, Scope]:
    """The organisations that are certified on this day, each with the rows that it may be offered for, and where."""
    return scopes(await certified_providers(conn, on, gazetteer))


async def folder(conn: AsyncConnection, vault: Vault, organisation_id: str) -> Folder | None:
    """Everything about one provider; None where there is no such provider."""
    provider = await provider_store.find(conn, organisation_id)
    key = await vault.existing(conn, provider_store.subject_of(organisation_id))
    if provider is None or key is None:
        return None
    return Folder(
        provider=provider,
        profiles=await profile_store.kept_profiles(conn, key, organisation_id),
        visits=await visit_store.kept_visits(conn, key, organisation_id),
        actions=await visit_store.kept_actions(conn, key, organisation_id),
        trainings=await decision_store.kept_trainings(conn, key, organisation_id),
        checks=await decision_store.kept_checks(conn, key, organisation_id),
        decisions=await decision_store.kept_decisions(conn, key, organisation_id),
        members=await provider_store.members(conn, organisation_id),
    )


async def waiting(conn: AsyncConnection, on: date) -> int:
    """How many things wait for a coordinator: profiles handed in, items said to be done or late, open decisions."""
    plans = await visit_store.waiting(conn, on)
    return await profile_store.waiting(conn) + plans + await decision_store.waiting(conn)


async def delete_left(conn: AsyncConnection, vault: Vault, *, before: datetime) -> int:
    """Delete the folders of those who left before this instant; how many."""
    ids = await provider_store.left_before(conn, before)
    for organisation_id in ids:
        for table in _TABLES:
            await conn.execute(delete(table).where(table.c.organisation_id == organisation_id))
        await vault.forget(conn, provider_store.subject_of(organisation_id))
    return len(ids)

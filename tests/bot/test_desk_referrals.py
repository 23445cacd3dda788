"""Referrals on the desk: made beside a case, told what came of, listed without a word, counted with nobody in it."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

from bot.app import Line
from helpline.accounts import Role
from helpline.clock import SetClock
from helpline.messages import Country
from routing import capacity_store
from routing.matching.match import AgeGroup
from routing.referrals import store as referral_store
from routing.referrals.referral import Basis, Facts, Outcome, Referral, RefusedFor, Via
from routing.services import Sex
from tests.bot.browsing import Client, Page, get, post
from tests.bot.test_desk import asha, audited, reply, sign_in, taken, waiting
from tests.bot.test_desk_case import claims, press, rows

__all__ = ["asha", "sign_in", "taken", "waiting"]

HOUSING = {"find": "services", "place": "Oslo", "need": "housing-tonight"}


async def cards(asha: Client, case: str) -> list[str]:
    """The services beside the case, as a button would make a referral of them."""
    return claims(await press(asha, case, "find", **HOUSING), "refer")


async def refer(asha: Client, case: str, claim: str, **fields: str) -> Page:
    """Make a referral of a card."""
    begun = await press(asha, case, "refer", refer=claim)
    form_id = re.search(r'name="refer_id" value="([0-9a-f]{32})"', begun.text)
    assert form_id is not None
    told = {"refer_sex": "male", "refer_age": "adult", "refer_basis": "consent", **fields}
    return await press(asha, case, "referral", referral=claim, refer_id=form_id[1], **told)


async def made(line: Line) -> tuple[Referral, ...]:
    async with line.house.db.read() as conn:
        return await referral_store.recent(conn, since=line.house.clock.now() - timedelta(days=400))


def plain(page: Page) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


async def test_a_referral_with_consent_holds_what_was_agreed_and_nothing_of_the_patient(
    asha: Client, line: Line, taken: str
) -> None:
    claim = (await cards(asha, taken))[0]
    page = await refer(asha, taken, claim, refer_children="yes")
    assert page.status == 200
    (it,) = await made(line)
    assert it.basis is Basis.CONSENT
    assert it.consent is not None
    assert it.consent.recipient == it.service_id
    assert it.consent.wording_version
    assert (it.region, it.needs, it.with_children) == ("03", ("housing-tonight",), True)
    assert "voksen mann, med barn" in plain(page)
    assert "Samtykke gitt" in plain(page)
    assert 'class="card-text slip"' in page.text
    assert len(await audited(line, "referral_made")) == 1


async def test_without_a_basis_nothing_is_made_and_nothing_typed_is_lost_and_pressed_twice_it_is_one(
    asha: Client, line: Line, taken: str
) -> None:
    claim = (await cards(asha, taken))[0]
    page = await press(asha, taken, "referral", referral=claim, refer_sex="male", refer_basis="", text="utkast")
    assert page.status == 422
    assert "Velg grunnlaget" in page.text
    assert page.box == "utkast"
    assert '<option value="male" selected>' in page.text
    assert await made(line) == ()
    for _ in range(2):  # pressed twice it is one
        await press(asha, taken, "referral", referral=claim, refer_id="a" * 32, refer_basis="advice")
    assert len(await made(line)) == 1


async def test_the_slip_goes_into_the_reply_with_the_services_number_in_it(
    asha: Client, client: Client, line: Line, taken: str
) -> None:
    numbers = {
        service.id: service.phones[0].number for service in line.house.library.directory.services if service.phones
    }
    claim = next(each for each in await cards(asha, taken) if each.split(":")[1] in numbers)
    await refer(asha, taken, claim)
    (it,) = await made(line)
    page = await press(asha, taken, "insert", text="Les opp dette:", insert=f"referral:{it.id}")
    assert page.box.startswith("Les opp dette:")
    fields = {"csrf": page.csrf, "id": page.message_id, "text": page.box, "served": f"referral:{it.id}"}
    await post(asha, f"/desk/{taken}/reply", fields)
    assert numbers[it.service_id] in (await get(client)).words_of("advisor")[-1]


async def test_full_tells_the_room_and_offers_the_next_at_once(asha: Client, line: Line, taken: str) -> None:
    found = await cards(asha, taken)
    await refer(asha, taken, found[0])
    (it,) = await made(line)
    page = await press(asha, taken, "outcome", outcome=f"{it.id}:full")
    assert "Prøv dette nå" in page.text
    offered = claims(page, "refer")
    assert offered
    assert it.service_id not in {each.split(":")[1] for each in offered}
    async with line.house.db.read() as conn:
        assert (await capacity_store.newest(conn))[it.service_id].free == 0
    # Told once more by a second press: nothing more is counted.
    await press(asha, taken, "outcome", outcome=f"{it.id}:full")
    assert await rows(line, "SELECT count FROM referral_count WHERE outcome = 'full'") == [(1,)]


async def test_a_refusal_says_why_and_may_turn_out_otherwise(asha: Client, line: Line, taken: str) -> None:
    await refer(asha, taken, (await cards(asha, taken))[0])
    (it,) = await made(line)
    assert (await press(asha, taken, "outcome", outcome=f"{it.id}:refused")).status == 400
    page = await press(asha, taken, "outcome", outcome=f"{it.id}:refused:children")
    assert "Sa nei (barn)" in plain(page)
    await press(asha, taken, "outcome", outcome=f"{it.id}:accepted")
    assert (await made(line))[0].outcome is Outcome.ACCEPTED
    assert "Prøv dette nå" not in (await get(asha, f"/desk/{taken}")).text


async def test_consent_that_is_taken_back_takes_what_was_told_with_it(asha: Client, line: Line, taken: str) -> None:
    await refer(asha, taken, (await cards(asha, taken))[0])
    (it,) = await made(line)
    page = await press(asha, taken, "revoke", revoke=it.id)
    assert "Samtykket er trukket tilbake" in page.text
    (it,) = await made(line)
    assert (it.needs, it.sex, it.region) == ((), None, "")
    assert 'class="card-text slip"' not in page.text


async def test_what_the_service_told_of_its_room_stands_with_the_time(asha: Client, line: Line, taken: str) -> None:
    await refer(asha, taken, (await cards(asha, taken))[0])
    (it,) = await made(line)
    page = await press(asha, taken, "room", room=f"{it.id}:free", **{f"free_{it.id}": "2"})
    assert "Ledig: 2 (sagt " in plain(page)
    page = await press(asha, taken, "room", room=f"{it.id}:free", **{f"free_{it.id}": "mange"}, text="utkast")
    assert page.status == 422
    assert page.box == "utkast"


async def test_a_referral_of_another_case_is_not_there(asha: Client, line: Line, taken: str, sign_in: Any) -> None:
    await refer(asha, taken, (await cards(asha, taken))[0])
    (it,) = await made(line)
    for action, value in (("outcome", f"{'0' * 32}:full"), ("revoke", "0" * 32), ("room", f"{'0' * 32}:full")):
        assert (await press(asha, taken, action, **{action: value})).status == 404
    noor = await sign_in("noor")
    csrf = (await get(noor, "/desk/account")).csrf
    response = await noor.post(f"/desk/{taken}/outcome", data={"csrf": csrf, "outcome": f"{it.id}:full"})
    assert response.status == 404


# --- safe contact ----------------------------------------------------------------------------------------------------

SAFE = {"safe": "yes", "safe_write": "yes", "safe_say": "nothing"}


async def conversation_of(line: Line) -> str:
    return str((await rows(line, "SELECT conversation_id FROM escalation"))[0][0])


def until(line: Line, days: int = 30) -> str:
    return (line.house.clock.now() + timedelta(days=days)).date().isoformat()


async def test_rules_that_cannot_be_are_not_kept_and_stay_in_the_form(asha: Client, line: Line, taken: str) -> None:
    for fields, wrong in (
        ({"safe_from": "08:00"}, "begge tidene"),
        ({"safe_from": "25:00", "safe_to": "26:00"}, "begge tidene"),
        ({"safe_from": "08:00", "safe_to": "08:00"}, "Tidene er like"),
        ({"safe_say": "alt"}, "Velg hva en melding kan si"),
        ({"safe_until": "i morgen"}, "Velg en dag"),
        ({"safe_until": "2020-01-01"}, "Velg en dag"),
    ):
        page = await press(asha, taken, "safe", **{**SAFE, "safe_until": until(line), **fields}, text="utkast")
        assert page.status == 422
        assert wrong in page.text
        assert page.box == "utkast"
    assert await rows(line, "SELECT conversation_id FROM safe_contact") == []

    # What is kept is sealed, and the trail has none of its words.
    await press(asha, taken, "safe", **SAFE, safe_until=until(line))
    ((sealed,),) = await rows(line, "SELECT rules FROM safe_contact")
    assert b"nothing" not in bytes(sealed)
    assert await audited(line, "safe_contact_set") == [("staff:asha", f"conversation:{await conversation_of(line)}")]


async def test_an_advisor_is_warned_before_writing_outside_what_was_agreed(
    asha: Client, client: Client, line: Line, clock: SetClock, taken: str
) -> None:
    local = line.house.clock.now() + timedelta(hours=5)
    hours = {"safe_from": f"{local:%H}:00", "safe_to": f"{local + timedelta(hours=2):%H}:00"}
    page = await press(asha, taken, "safe", **SAFE, **hours, safe_until=until(line))
    assert "Bare at det er en melding" in plain(page)
    # She wrote a moment ago, and is answered.
    assert "Forstått, send" not in (await reply(asha, taken, "Hei.")).text
    clock.advance(timedelta(minutes=75))
    page = await reply(asha, taken, "Er du der?")
    assert page.status == 422
    assert "Det er ikke avtalt at vi skriver nå" in page.text
    assert page.box == "Er du der?"
    assert len((await get(client)).words_of("advisor")) == 1
    agreed = re.search(r'name="agreed" value="([^"]+)"', page.text)
    assert agreed is not None
    fields = {"csrf": page.csrf, "id": page.message_id, "text": page.box, "agreed": agreed[1]}
    await post(asha, f"/desk/{taken}/reply", fields)
    # It waits, until it is safe or she writes.
    assert len((await get(client)).words_of("advisor")) == 1
    # A card is not sent past the warning.
    claim = claims(await get(asha, f"/desk/{taken}"), "serve")[0]
    page = await press(asha, taken, "serve", serve=claim)
    assert page.status == 409
    assert "Det er ikke avtalt at vi skriver nå" in page.text


# --- the list ---------------------------------------------------------------------------------------------------------


async def test_an_advisor_sees_the_referrals_of_own_cases_and_a_coordinator_rows_that_lead_nowhere(
    asha: Client, line: Line, clock: SetClock, taken: str, sign_in: Any
) -> None:
    await refer(asha, taken, (await cards(asha, taken))[0])
    (it,) = await made(line)
    page = await get(asha, "/desk/referrals")
    assert f'id="referral-{it.id}"' in page.text
    assert f"/desk/{taken}#referrals" in page.text
    noor = await sign_in("noor")
    assert "Ingen henvisninger her" in (await get(noor, "/desk/referrals")).text
    fields = {"csrf": (await get(noor, "/desk/account")).csrf, "outcome": f"{it.id}:full", "room": f"{it.id}:full"}
    for action in ("outcome", "room"):
        assert (await post(noor, f"/desk/referrals/{action}", fields)).status == 404
    eda = await sign_in("eda", Role.EDITOR)
    assert (await get(eda, "/desk/referrals")).status == 404
    fields = {"csrf": (await get(eda, "/desk/account")).csrf, "room": "full"}
    assert (await post(eda, f"/desk/directory/{it.service_id}/room", fields)).status == 404

    clock.advance(timedelta(days=15))
    maja = await sign_in("maja", Role.COORDINATOR)
    page = await get(maja, "/desk/referrals")
    assert "Uten utfall i 15 dager" in plain(page)
    assert taken not in page.text
    assert it.conversation_id is not None
    assert it.conversation_id not in page.text
    for query, there in (("region=NO.03", True), ("region=NO.11", True), ("show=open", True), ("show=full", False)):
        shown = await get(maja, f"/desk/referrals?{query}")
        assert (f'id="referral-{it.id}"' in shown.text) is there, query

    fields = {"csrf": page.csrf, "back": "show=open&evil=1", "outcome": f"{it.id}:refused:sex"}
    page = await post(maja, "/desk/referrals/outcome", fields)
    assert "show=open" in page.url
    assert "evil" not in page.url
    assert "Prøv dette nå" in page.text
    assert (await made(line))[0].outcome is Outcome.REFUSED
    clock.advance(timedelta(minutes=1))
    fields = {"csrf": page.csrf, "room": f"{it.id}:free", f"free_{it.id}": "3"}
    assert "Ledig: 3 (sagt " in plain(await post(maja, "/desk/referrals/room", fields))

    # On the page of the service the same is told, and shown at once.
    clock.advance(timedelta(minutes=1))
    address = f"/desk/directory/{it.service_id}"
    page = await post(maja, f"{address}/room", {"csrf": page.csrf, "room": "free", "free": "7"})
    assert "7 ledige" in plain(page)
    page = await post(maja, f"{address}/room", {"csrf": page.csrf, "room": "free", "free": "mange"})
    assert page.status == 422
    assert "Skriv hvor mange plasser" in page.text


# --- gaps from outcomes -----------------------------------------------------------------------------------------------


async def test_gaps_are_told_from_counts_once_there_are_enough_and_only_to_who_may_see_them(
    line: Line, sign_in: Any
) -> None:
    men = Facts(Country.NO, "03", ("housing-tonight",), Sex.MALE, AgeGroup.ADULT, with_children=True)
    service, now = line.house.library.directory.services[0], line.house.clock.now()
    ada = await sign_in("ada", Role.ANALYST)

    async def refused(many: int, why: RefusedFor) -> None:
        async with line.house.db.write() as conn:
            for number in range(many):
                it = await referral_store.make(
                    conn,
                    key=f"{why}:{number}",
                    service=service,
                    facts=men,
                    basis=Basis.ADVICE,
                    via=Via.CHAT,
                    made_by="conversation:x",
                    conversation_id=None,
                    now=now,
                )
                await referral_store.record_outcome(
                    conn, it.id, Outcome.REFUSED, refused_for=why, by="conversation:x", now=now
                )

    await refused(4, RefusedFor.CHILDREN)
    page = await get(ada, "/desk/outcomes")
    assert "menn med barn" not in page.text
    assert "færre enn 5" in page.text
    await refused(6, RefusedFor.CHILDREN)
    page = await get(ada, "/desk/outcomes")
    assert "menn med barn Trygt sted i natt Oslo minst 5 Sa nei (barn): minst 5" in plain(page)
    assert "menn med barn" not in (await get(ada, "/desk/outcomes?country=SE")).text
    assert "menn med barn" not in (await get(ada, f"/desk/outcomes?year={now.year - 1}")).text
    file = await get(ada, "/desk/outcomes.csv")
    assert f"NO,{now.year},no-place,male.adult.children,housing-tonight,03,5,refused:children: 5" in file.text
    page = await get(ada, "/desk/outcomes/directory?country=NO")
    assert "Tolk" in page.text  # an interpreter's number is in no region's directory
    assert "Rogaland" in page.text
    noor = await sign_in("noor")
    for address in ("/desk/outcomes", "/desk/outcomes.csv", "/desk/outcomes/directory"):
        assert (await get(noor, address)).status == 404
    assert (await get(await sign_in("maja", Role.COORDINATOR), "/desk/outcomes")).status == 200

"""Who works here, how they are reached, and what opens the door."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from helpline import accounts, staff_sessions
from helpline.accounts import AlreadyTaken, ContactChannel, NoSuchStaff, Role, Staff
from helpline.clock import SetClock
from helpline.database import Database, table_of
from helpline.messages import Address, Channel, Language
from helpline.vault import Vault

HERS = Address(Channel.SMS, "+4799999999")


async def hire(db: Database, vault: Vault, clock: SetClock, name: str = "Asha Olsen", **more: Any) -> Staff:
    given: dict[str, Any] = {"name": name, "roles": [Role.ADVISOR], "zone": "Europe/Oslo", "now": clock.now()}
    async with db.write() as conn:
        return await accounts.add_staff(conn, vault, **{**given, **more})


async def test_somebody_is_taken_on(db: Database, vault: Vault, clock: SetClock) -> None:
    asha = await hire(
        db,
        vault,
        clock,
        roles=[Role.EDITOR, Role.ADVISOR],
        languages=[Language.NB, Language.EN],
        specialities=["minors"],
        email=" Asha@Example.org ",
    )
    assert asha == Staff(
        "asha",
        "Asha Olsen",
        frozenset({Role.ADVISOR, Role.EDITOR}),
        (Language.NB, Language.EN),
        ("minors",),
        "Europe/Oslo",
        True,
    )
    async with db.read() as conn:
        assert await accounts.get_staff(conn, "asha") == asha
        assert await accounts.find_staff_by_email(conn, vault, "ASHA@example.org") == asha
        assert await accounts.email_of(conn, vault, "asha") == "asha@example.org"
        stored = str((await conn.execute(select(table_of(accounts.StaffRow)))).one())
    assert "example.org" not in stored
    assert "Olsen" not in repr(asha)


@pytest.mark.parametrize(
    ("names", "ids"),
    [
        (["Asha Olsen", "Asha Berg", "Asha Lie"], ["asha", "asha2", "asha3"]),
        (["Øyvind Ås"], ["oyvind"]),
        (["Åse Marie"], ["ase"]),
        (["李 小龙"], ["staff"]),
    ],
)
async def test_an_id_is_made_from_the_name(
    db: Database, vault: Vault, clock: SetClock, names: list[str], ids: list[str]
) -> None:
    assert [(await hire(db, vault, clock, name)).id for name in names] == ids


async def test_an_id_and_an_email_belong_to_one(db: Database, vault: Vault, clock: SetClock) -> None:
    await hire(db, vault, clock, staff_id="asha", email="asha@example.org")
    with pytest.raises(AlreadyTaken):
        await hire(db, vault, clock, staff_id="asha")
    with pytest.raises(AlreadyTaken):
        await hire(db, vault, clock, staff_id="noor", email="Asha@example.org")
    with pytest.raises(accounts.AccountError):
        await hire(db, vault, clock, staff_id="Not an id")
    with pytest.raises(accounts.AccountError):
        await hire(db, vault, clock, staff_id="noor", specialities=["a,b"])


async def test_staff_are_listed_changed_and_let_go(db: Database, vault: Vault, clock: SetClock) -> None:
    await hire(db, vault, clock, "Noor Lie", roles=[Role.EDITOR])
    await hire(db, vault, clock)
    async with db.write() as conn:
        assert [staff.id for staff in await accounts.list_staff(conn)] == ["asha", "noor"]
        assert [staff.id for staff in await accounts.list_staff(conn, role=Role.EDITOR)] == ["noor"]
        changed = await accounts.change_staff(conn, "noor", roles=[Role.ADVISOR], languages=[Language.SV], name="Noor")
        assert (changed.roles, changed.languages, changed.name) == (frozenset({Role.ADVISOR}), (Language.SV,), "Noor")
        assert await accounts.change_staff(conn, "noor") == changed
        await accounts.deactivate(conn, "noor")
        assert [staff.id for staff in await accounts.list_staff(conn)] == ["asha"]
        assert len(await accounts.list_staff(conn, active_only=False)) == 2
        await accounts.reactivate(conn, "noor")
        assert (await accounts.get_staff(conn, "noor")).active
        for act in (accounts.deactivate, accounts.reactivate, accounts.get_staff, accounts.change_staff):
            with pytest.raises(NoSuchStaff):
                await act(conn, "nobody")


async def test_only_a_verified_address_is_theirs(db: Database, vault: Vault, clock: SetClock) -> None:
    asha = await hire(db, vault, clock)
    async with db.write() as conn:
        number = await accounts.add_contact(
            conn, vault, staff_id="asha", channel=ContactChannel.SMS, value=HERS.value, now=clock.now()
        )
        assert await accounts.staff_at(conn, vault, HERS) is None
        assert await accounts.contacts(conn, vault, "asha") == []
        await accounts.verify_contact(conn, number, now=clock.now())
        assert await accounts.staff_at(conn, vault, HERS) == asha
        (contact,) = await accounts.contacts(conn, vault, "asha")
        assert contact.address() == HERS
        assert "9999" not in repr(contact)
        stored = str((await conn.execute(select(table_of(accounts.ContactMethodRow)))).one())
        assert "9999" not in stored
        same = await accounts.add_contact(
            conn, vault, staff_id="asha", channel=ContactChannel.SMS, value=HERS.value, now=clock.now()
        )
        assert same == number
        await accounts.remove_contact(conn, number)
        assert await accounts.staff_at(conn, vault, HERS) is None


async def test_an_address_belongs_to_one(db: Database, vault: Vault, clock: SetClock) -> None:
    await hire(db, vault, clock)
    await hire(db, vault, clock, "Noor Lie")
    async with db.write() as conn:
        given: dict[str, Any] = {"channel": ContactChannel.SMS, "value": HERS.value, "now": clock.now()}
        await accounts.add_contact(conn, vault, staff_id="asha", verified=True, **given)
        with pytest.raises(AlreadyTaken):
            await accounts.add_contact(conn, vault, staff_id="noor", **given)
        with pytest.raises(NoSuchStaff):
            await accounts.add_contact(conn, vault, staff_id="nobody", **given)
        desk = {"channel": ContactChannel.DESK, "value": "noor", "now": clock.now()}
        await accounts.add_contact(conn, vault, staff_id="noor", verified=True, **desk)  # type: ignore[arg-type]
        (contact,) = await accounts.contacts(conn, vault, "noor")
        assert contact.address() is None


async def test_a_code_sent_from_an_address_proves_it(db: Database, vault: Vault, clock: SetClock) -> None:
    asha = await hire(db, vault, clock)
    async with db.write() as conn:
        void = await accounts.make_contact_code(conn, "asha", ContactChannel.SMS, now=clock.now())
        code = await accounts.make_contact_code(conn, "asha", ContactChannel.SMS, now=clock.now())
        assert await accounts.redeem_contact_code(conn, vault, void, sender=HERS, now=clock.now()) is None
        typed = f"{code[:5].lower()}-{code[5:]} "
        assert await accounts.redeem_contact_code(conn, vault, typed, sender=HERS, now=clock.now()) == asha
        assert await accounts.staff_at(conn, vault, HERS) == asha
        assert await accounts.redeem_contact_code(conn, vault, code, sender=HERS, now=clock.now()) is None


async def test_a_code_is_for_its_channel_and_its_time(db: Database, vault: Vault, clock: SetClock) -> None:
    await hire(db, vault, clock)
    async with db.write() as conn:
        code = await accounts.make_contact_code(conn, "asha", ContactChannel.TELEGRAM, now=clock.now())
        assert await accounts.redeem_contact_code(conn, vault, code, sender=HERS, now=clock.now()) is None
        code = await accounts.make_contact_code(conn, "asha", ContactChannel.SMS, now=clock.now())
        clock.advance(accounts.CONTACT_CODE_LASTS)
        assert await accounts.redeem_contact_code(conn, vault, code, sender=HERS, now=clock.now()) is None
        assert await accounts.staff_at(conn, vault, HERS) is None


async def test_a_sign_in_link_works_once(db: Database, vault: Vault, clock: SetClock) -> None:
    await hire(db, vault, clock)
    async with db.write() as conn:
        token = await accounts.make_sign_in_link(conn, "asha", now=clock.now())
        stored = str((await conn.execute(select(table_of(accounts.OneTimeCodeRow)))).one())
        assert token not in stored

    async def redeem() -> str | None:
        async with db.write() as conn:
            return await accounts.redeem_sign_in_link(conn, token, now=clock.now())

    used = await asyncio.gather(*(redeem() for _ in range(5)))
    assert sorted(map(str, used)) == ["None"] * 4 + ["asha"]


async def test_a_sign_in_link_ends(db: Database, vault: Vault, clock: SetClock) -> None:
    await hire(db, vault, clock)
    async with db.write() as conn:
        late = await accounts.make_sign_in_link(conn, "asha", now=clock.now())
        clock.advance(accounts.SIGN_IN_LASTS)
        assert await accounts.redeem_sign_in_link(conn, late, now=clock.now()) is None
        assert await accounts.redeem_sign_in_link(conn, "made up", now=clock.now()) is None
        code = await accounts.make_contact_code(conn, "asha", ContactChannel.SMS, now=clock.now())
        assert await accounts.redeem_sign_in_link(conn, code, now=clock.now()) is None
        gone = await accounts.make_sign_in_link(conn, "asha", now=clock.now())
        await accounts.deactivate(conn, "asha")
        assert await accounts.redeem_sign_in_link(conn, gone, now=clock.now()) is None
        with pytest.raises(accounts.AccountError):
            await accounts.make_sign_in_link(conn, "asha", now=clock.now())


async def test_a_session_lasts_while_it_is_used_and_no_longer_than_a_shift(
    db: Database, vault: Vault, clock: SetClock
) -> None:
    asha = await hire(db, vault, clock)
    async with db.write() as conn:
        token = await staff_sessions.start(conn, "asha", now=clock.now())
        stored = str((await conn.execute(select(table_of(staff_sessions.StaffSessionRow)))).one())
        assert token not in stored
        start = clock.now()
        while clock.now() - start < staff_sessions.SESSION_LASTS - timedelta(hours=1):
            clock.advance(timedelta(hours=1))
            session = await accounts.find_session(conn, token, now=clock.now())
            assert session is not None
            assert session.staff == asha
            assert session.created_at == start
            await staff_sessions.note_seen(conn, token, now=clock.now())
        clock.advance(timedelta(hours=1))
        assert await accounts.find_session(conn, token, now=clock.now()) is None


async def test_an_idle_session_ends(db: Database, vault: Vault, clock: SetClock) -> None:
    await hire(db, vault, clock)
    async with db.write() as conn:
        token = await staff_sessions.start(conn, "asha", now=clock.now())
        clock.advance(staff_sessions.SESSION_IDLE)
        assert await accounts.find_session(conn, token, now=clock.now()) is None


async def test_signing_out_and_being_let_go_end_sessions(db: Database, vault: Vault, clock: SetClock) -> None:
    await hire(db, vault, clock)
    async with db.write() as conn:
        one, two, three = [await staff_sessions.start(conn, "asha", now=clock.now()) for _ in range(3)]
        await staff_sessions.end(conn, one)
        assert await accounts.find_session(conn, one, now=clock.now()) is None
        assert await accounts.find_session(conn, two, now=clock.now()) is not None
        assert await staff_sessions.end_of(conn, "asha") == 2
        assert await accounts.find_session(conn, three, now=clock.now()) is None
        last = await staff_sessions.start(conn, "asha", now=clock.now())
        await accounts.deactivate(conn, "asha")
        await accounts.reactivate(conn, "asha")
        assert await accounts.find_session(conn, last, now=clock.now()) is None


async def test_being_seen_is_written_at_most_once_a_minute(db: Database, vault: Vault, clock: SetClock) -> None:
    await hire(db, vault, clock)
    async with db.write() as conn:
        token = await staff_sessions.start(conn, "asha", now=clock.now())
        start = clock.now()
        clock.advance(timedelta(seconds=30))
        await staff_sessions.note_seen(conn, token, now=clock.now())
        seen = select(table_of(staff_sessions.StaffSessionRow).c.seen_at)
        assert (await conn.execute(seen)).scalar_one() == start


def test_a_form_shows_that_it_is_ours() -> None:
    token = staff_sessions.csrf_token("session one")
    assert staff_sessions.csrf_holds("session one", token)
    assert not staff_sessions.csrf_holds("session two", token)
    assert not staff_sessions.csrf_holds("session one", "ø")
    assert "session one" not in token


async def test_what_ended_is_deleted(db: Database, vault: Vault, clock: SetClock) -> None:
    await hire(db, vault, clock)
    async with db.write() as conn:
        await staff_sessions.start(conn, "asha", now=clock.now())
        await accounts.make_sign_in_link(conn, "asha", now=clock.now())
        assert await accounts.delete_expired(conn, before=clock.now()) == 0
        assert await accounts.delete_expired(conn, before=clock.now() + timedelta(days=1)) == 2


async def test_a_contact_needs_somebody_it_belongs_to(db: Database) -> None:
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        async with db.write() as conn:
            await conn.execute(
                text(
                    "INSERT INTO contact_method (staff_id, channel, sealed_value, fingerprint, created_at) "
                    "VALUES ('nobody', 'sms', 'x', 'x', '2026-11-22 09:00:00')"
                )
            )

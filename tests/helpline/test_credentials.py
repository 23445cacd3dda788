"""What opens the door, as it is kept: hashed, sealed, used once, gone when its owner is."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select

from helpline import access_tokens, accounts, credentials, staff_sessions
from helpline.access_tokens import Scope
from helpline.accounts import Role
from helpline.clock import SetClock
from helpline.credentials import Ways
from helpline.database import Database
from helpline.vault import Vault

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture(autouse=True)
async def staff(db: Database, vault: Vault, clock: SetClock) -> None:
    async with db.write() as conn:
        for name in ("eva", "noor"):
            await accounts.add_staff(
                conn, vault, name=name, roles=[Role.EDITOR], zone="Europe/Oslo", now=clock.now(), staff_id=name
            )


async def give(db: Database, vault: Vault, clock: SetClock, staff_id: str = "eva") -> list[str]:
    """A passkey, a password and a link to the organisation; the recovery codes."""
    async with db.write() as conn:
        await credentials.add_passkey(
            conn,
            staff_id=staff_id,
            credential_id=f"key of {staff_id}",
            public_key=b"public",
            sign_count=2**32 - 1,
            name="Telefon",
            now=clock.now(),
        )
        await credentials.set_password(
            conn, vault, staff_id, hashed="$argon2id$…", secret=SECRET, used_step=7, now=clock.now()
        )
        await credentials.link_identity(
            conn, vault, staff_id, issuer="https://id.example", subject=staff_id, now=clock.now()
        )
        return await credentials.make_recovery_codes(conn, vault, staff_id)


async def test_ways_are_counted_and_forgotten_together(db: Database, vault: Vault, clock: SetClock) -> None:
    await give(db, vault, clock)
    await give(db, vault, clock, "noor")
    async with db.write() as conn:
        assert await credentials.ways_of(conn, "eva") == Ways(1, True, True)
        assert (await credentials.ways_of(conn, "eva", lock=True)).count == 3
        await accounts.deactivate(conn, "eva")
        assert await credentials.ways_of_everybody(conn) == {"noor": Ways(1, True, True)}
        assert await credentials.recovery_codes_left(conn, "eva") == 0


async def test_nothing_that_opens_can_be_read_from_the_tables(db: Database, vault: Vault, clock: SetClock) -> None:
    codes = await give(db, vault, clock)
    async with db.read() as conn:
        stored = ""
        for table in (credentials.passwords, credentials.recovery_codes, credentials.identities):
            stored += str((await conn.execute(select(table))).all())
        found = await credentials.find_password(conn, vault, "eva")
        assert await credentials.find_password(conn, Vault(bytes(range(1, 33))), "noor") is None
    assert found is not None
    assert found.secret == SECRET
    for secret in (SECRET, "id.example", *codes, *(code.replace("-", "") for code in codes)):
        assert secret not in stored
        assert secret not in repr(found)


async def test_a_step_is_used_once_and_none_before_it(db: Database, vault: Vault, clock: SetClock) -> None:
    await give(db, vault, clock)

    async def use(step: int) -> bool:
        async with db.write() as conn:
            return await credentials.use_step(conn, "eva", step, now=clock.now())

    assert sorted(await asyncio.gather(*(use(8) for _ in range(5)))) == [False] * 4 + [True]
    assert [await use(step) for step in (7, 8, 10, 9)] == [False, False, True, False]


async def test_a_recovery_code_is_its_owners_and_works_once(db: Database, vault: Vault, clock: SetClock) -> None:
    codes = await give(db, vault, clock)
    await give(db, vault, clock, "noor")

    async def use(code: str, staff_id: str = "eva") -> bool:
        async with db.write() as conn:
            return await credentials.use_recovery_code(conn, vault, staff_id, code, now=clock.now())

    assert not await use(codes[0], "noor")
    assert sorted(await asyncio.gather(*(use(codes[0]) for _ in range(4)))) == [False] * 3 + [True]
    assert await use(f" {codes[1].lower().replace('-', ' - ')} ")
    assert not await use("")
    async with db.write() as conn:
        assert await credentials.recovery_codes_left(conn, "eva") == 8
        await credentials.remove_password(conn, "eva")
        assert await credentials.recovery_codes_left(conn, "eva") == 0


async def test_one_name_at_the_organisation_is_one_colleague(db: Database, vault: Vault, clock: SetClock) -> None:
    await give(db, vault, clock)
    async with db.write() as conn:
        at = {"issuer": "https://id.example", "now": clock.now()}
        assert not await credentials.link_identity(conn, vault, "noor", subject="eva", **at)  # type: ignore[arg-type]
        assert not await credentials.link_identity(conn, vault, "eva", subject="eva2", **at)  # type: ignore[arg-type]
        found = credentials.find_identity
        assert await found(conn, vault, issuer="https://id.example", subject="eva") == "eva"
        assert await found(conn, vault, issuer="https://id.example2", subject="eva") is None
        await credentials.unlink_identity(conn, "eva")
        assert await credentials.link_identity(conn, vault, "noor", subject="eva", **at)  # type: ignore[arg-type]


async def test_a_count_that_was_overtaken_is_not_noted(db: Database, vault: Vault, clock: SetClock) -> None:
    await give(db, vault, clock)
    async with db.write() as conn:
        seen = await credentials.find_passkey(conn, "key of eva")
        assert seen is not None
        assert seen.sign_count == 2**32 - 1
        assert await credentials.note_passkey_used(conn, seen, sign_count=5, now=clock.now())
        assert not await credentials.note_passkey_used(conn, seen, sign_count=6, now=clock.now())


async def test_a_question_is_answered_once_by_the_browser_that_was_asked(db: Database, clock: SetClock) -> None:
    async def spend(browser: str = "hers", kind: str = "use", asked: str = "sign this") -> bool:
        async with db.write() as conn:
            return await credentials.spend(conn, kind, browser, asked, now=clock.now()) is not None

    async def ask() -> None:
        async with db.write() as conn:
            await credentials.ask(conn, "use", "hers", "sign this", until=clock.now() + timedelta(minutes=5))

    await ask()
    assert [await spend(browser="his"), await spend(kind="make"), await spend(asked="sign that")] == [False] * 3
    assert sorted(await asyncio.gather(*(spend() for _ in range(4)))) == [False] * 3 + [True]
    await ask()
    clock.advance(timedelta(minutes=5))
    assert not await spend()
    await ask()
    async with db.write() as conn:
        clock.advance(timedelta(minutes=6))
        assert await credentials.delete_expired(conn, before=clock.now()) == 1


async def test_a_link_and_an_invitation_are_not_each_other(db: Database, vault: Vault, clock: SetClock) -> None:
    async with db.write() as conn:
        link = await accounts.make_sign_in_link(conn, "eva", now=clock.now())
        invitation, until = await accounts.make_invitation(conn, "eva", now=clock.now())
        assert until == clock.now() + accounts.INVITED_FOR
        assert await accounts.open_invitations(conn, now=clock.now()) == {"eva": until}
        assert await accounts.redeem_invitation(conn, link, now=clock.now()) is None
        assert await accounts.find_invitation(conn, link, now=clock.now()) is None
        assert await accounts.redeem_sign_in_link(conn, invitation, now=clock.now()) is None
        assert await accounts.redeem_invitation(conn, invitation, now=clock.now()) is not None
        assert await accounts.open_invitations(conn, now=clock.now()) == {}


async def test_whoever_begins_anew_leaves_no_token_behind(db: Database, vault: Vault, clock: SetClock) -> None:
    now = clock.now()
    async with db.write() as conn:
        secret, _ = await access_tokens.make(
            conn, "eva", name="a script", scope=Scope.WRITE, expires_at=now + timedelta(days=30), now=now
        )
        invitation, _ = await accounts.make_invitation(conn, "eva", now=now)
        assert await access_tokens.find(conn, secret, now=now) is not None  # an unused link takes nothing away
        assert await accounts.redeem_invitation(conn, invitation, now=now) is not None
        assert await access_tokens.find(conn, secret, now=now) is None


@pytest.mark.parametrize(
    ("agent", "family"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox, Linux"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/131.0 Safari/537.36 Edg/131.0",
            "Edge, Windows",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Version/18.1 Mobile/15E148 Safari/604.1",
            "Safari, iPhone",
        ),
        ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/131.0.0.0 Mobile Safari/537.36", "Chrome, Android"),
        ("curl/8", ""),
        ("<script>", ""),
    ],
)
def test_a_browser_is_known_by_its_family_only(agent: str, family: str) -> None:
    assert staff_sessions.browser_family(agent) == family
    assert not any(digit in family for digit in "0123456789")

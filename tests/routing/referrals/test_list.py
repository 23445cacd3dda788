"""The list of referrals: what presses most first, and only those that somebody may see."""

from __future__ import annotations

from datetime import timedelta

from helpline.database import Database
from helpline.messages import Country
from routing.referrals import store as referral_store
from routing.referrals.referral import Basis, Facts, Outcome, Via
from tests.conftest import NINE
from tests.routing.worlds import a_service

DAYS_AGO = {"long": 20, "longer": 30, "due": 3, "new": 0, "settled": 1, "settled-later": 0, "revoked": 25}


async def test_what_nobody_told_for_too_long_stands_first_and_what_is_settled_last(db: Database) -> None:
    made: dict[str, str] = {}
    async with db.write() as conn:
        for name, days in DAYS_AGO.items():
            it = await referral_store.make(
                conn,
                key=name,
                service=a_service("legal-aid" if name != "due" else "detox"),
                facts=Facts(Country.NO, "03" if name != "new" else "11", ("legal",)),
                basis=Basis.CONSENT,
                via=Via.DESK,
                made_by="staff:asha" if name != "long" else "staff:noor",
                conversation_id=f"c-{name}",
                now=NINE - timedelta(days=days, minutes=len(made)),
            )
            made[it.id] = name
            if name.startswith("settled"):
                await referral_store.record_outcome(conn, it.id, Outcome.FULL, by="staff:asha", now=NINE)
            if name == "revoked":
                await referral_store.revoke(conn, it.id, by="staff:asha", now=NINE)

    async def listed(**chosen: object) -> list[str]:
        async with db.read() as conn:
            found, total = await referral_store.listed(conn, NINE, limit=10, **chosen)  # type: ignore[arg-type]
        assert total == len(found)
        return [made[each.id] for each in found]

    everything = ["longer", "long", "due", "new", "settled-later", "settled", "revoked"]
    assert await listed() == everything
    assert await listed(only_open=True) == everything[:4]
    assert await listed(outcome=Outcome.FULL) == ["settled-later", "settled"]
    assert await listed(service_id="detox") == ["due"]
    assert await listed(region=(Country.NO, "11")) == ["new"]
    assert await listed(made_by="staff:noor") == ["long"]
    assert await listed(made_by="staff:noor", conversations=["c-new", "c-due"]) == ["long", "due", "new"]
    async with db.read() as conn:
        page, total = await referral_store.listed(conn, NINE, limit=2, offset=2)
        assert [made[each.id] for each in page] == ["due", "new"]
        assert total == len(everything)
        services, regions = await referral_store.told_of(conn)
        assert (services, regions) == (("detox", "legal-aid"), ((Country.NO, "03"), (Country.NO, "11")))
        assert await referral_store.told_of(conn, made_by="staff:noor") == (("legal-aid",), ((Country.NO, "03"),))

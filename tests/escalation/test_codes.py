"""A code that stands on somebody's phone means one thing, for far longer than a week."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import timedelta

import pytest

from escalation import store
from escalation.advisors import Outcome
from helpline.messages import Channel
from tests.escalation.house import House


def draws(monkeypatch: pytest.MonkeyPatch, *codes: str) -> None:
    """Let chance fall on these digits."""
    coming = iter("".join(codes))

    def choice(of: Sequence[int] | str) -> int | str:
        digit = next(coming)
        return int(digit) if isinstance(of, range) else digit

    monkeypatch.setattr(secrets, "choice", choice)


@pytest.mark.parametrize("days", [0, 8, 300])
async def test_code_is_not_given_out_again_while_the_old_message_may_be_looked_at(
    house: House, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    old = (await house.open()).filed
    await house.takes("asha", old.id)
    await house.says("asha", f"{old.code} ferdig")
    house.now += timedelta(days=days)
    async with house.db.write() as conn:
        await store.delete_older(conn, before=house.now - store.KEPT_FOR)
    draws(monkeypatch, old.code, "55555")
    assert (await house.open("c2")).filed.code == "55555"


async def test_old_code_and_old_button_are_known_as_old_a_week_later(house: House) -> None:
    old = (await house.open()).filed
    [page] = await house.pages(old.id)
    await house.takes("noor", old.id)
    await house.says("noor", f"{old.code} ferdig")
    house.now += timedelta(days=8)
    new = (await house.open("c2")).filed
    assert (await house.says("asha", old.code)).outcome is Outcome.ENDED
    assert (await house.says("asha", token=f"page:take:{page.id}", on=Channel.TELEGRAM)).outcome is Outcome.ENDED
    assert (await house.filed(new.id)).escalation.owner is None  # neither took what waits now
    assert (await house.filed(old.id)).escalation.owner == "noor"

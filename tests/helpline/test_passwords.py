"""What a password must be, which code of an app is right, and what hashing costs whom."""

from __future__ import annotations

import unicodedata
from datetime import timedelta

import pyotp
import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st

from helpline import passwords
from helpline.passwords import Hasher
from tests.conftest import NINE

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
THEIRS = ("Eva Lind", "eva", "eva.lind@example.org")
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.mark.parametrize(
    ("password", "refused"),
    [
        ("kort passord", None),  # exactly twelve
        ("kort passor", "desk.password.short"),
        ("x" * 201, "desk.password.long"),
        ("abcdabcdabcdabcd", "desk.password.simple"),
        ("eva.lind@example.org", "desk.password.theirs"),
        ("Eva.Lind12345", "desk.password.theirs"),
        ("EVA LIND eva lind", "desk.password.theirs"),
        ("lind lind lind 1", "desk.password.theirs"),
        ("fire ord som henger sammen", None),
        ("den gamle linden i hagen", None),
        ("ŵŷẃ ḿñ öäå éàç", None),
    ],
)
def test_what_may_be_a_password(password: str, refused: str | None) -> None:
    assert passwords.refusal(password, theirs=THEIRS) == refused


@given(st.text(max_size=300))
def test_a_password_is_judged_alike_however_it_is_composed(password: str) -> None:
    composed, apart = unicodedata.normalize("NFC", password), unicodedata.normalize("NFD", password)
    assert passwords.normalised(composed) == passwords.normalised(apart)
    judged = passwords.refusal(password, theirs=THEIRS)
    assert judged == passwords.refusal(apart, theirs=THEIRS)
    assert judged is not None or 12 <= len(passwords.normalised(password)) <= 200


async def test_a_password_holds_and_no_other_does() -> None:
    hasher = Hasher(QUICK)
    stored = await hasher.hash("blåbærsyltetøy på brødet")
    assert stored.startswith("$argon2id$")
    assert await hasher.holds(stored, "bla\u030abærsyltetøy pa\u030a brødet")
    for wrong in ("blåbærsyltetøy på brøde", "", "x" * 100_000, "blåbærsyltetøy på brødet "):
        assert not await hasher.holds(stored, wrong)
    assert await hasher.hash("blåbærsyltetøy på brødet") != stored


async def test_without_a_password_as_much_is_hashed_and_nothing_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    hasher = Hasher(QUICK)
    stored = await hasher.hash("fire ord som henger sammen")
    verified: list[str] = []
    verify = hasher._verify

    def counting(known: str, password: str) -> bool:
        verified.append(known[:20])
        return verify(known, password)

    monkeypatch.setattr(hasher, "_verify", counting)
    assert not await hasher.holds(None, "fire ord som henger sammen")
    assert await hasher.holds(stored, "fire ord som henger sammen")
    assert not await hasher.holds("not a hash", "fire ord som henger sammen")
    assert [len(verified), len(set(verified[:2]))] == [3, 1]


async def test_a_hash_of_yesterdays_strength_is_known() -> None:
    weak = await Hasher(QUICK).hash("fire ord som henger sammen")
    assert Hasher().is_outdated(weak)
    assert not Hasher(QUICK).is_outdated(weak)


@given(st.integers(min_value=-10, max_value=10), st.integers(min_value=0, max_value=10_000_000))
def test_a_code_is_right_for_its_half_minute_and_its_neighbours(steps: int, seconds: int) -> None:
    secret, now = SECRET, NINE + timedelta(seconds=seconds)
    code = pyotp.TOTP(secret).at(now + timedelta(seconds=30 * steps))
    found = passwords.step_of(secret, code, now=now)
    current = int(now.timestamp()) // 30
    if abs(steps) <= 1:
        assert found is not None
        assert pyotp.HOTP(secret).at(found) == code
        assert abs(found - current) <= 1
    elif found is not None:  # another half minute may have the same six digits
        assert pyotp.HOTP(secret).at(found) == code


@pytest.mark.parametrize("code", ["", "123", "½½½½½½", "１２３４５６", "12345678901234567890", "\ud800"])
def test_what_is_no_code_is_wrong(code: str) -> None:
    assert passwords.step_of(SECRET, code, now=NINE) is None


def test_a_code_may_be_written_with_a_gap() -> None:
    code = pyotp.TOTP(SECRET).at(NINE)
    assert passwords.step_of(SECRET, f" {code[:3]} {code[3:]} ", now=NINE) is not None


def test_the_picture_is_black_on_white_and_loads_nothing() -> None:
    address = passwords.app_address(SECRET, name="eva@example.org")
    assert address.startswith("otpauth://totp/Varde:eva%40example.org?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
    drawn = passwords.picture(address).decode()
    assert drawn.startswith("<svg")
    assert "script" not in drawn
    assert "#fff" in drawn

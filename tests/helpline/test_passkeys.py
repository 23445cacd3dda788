"""What passkeys are made for, and that nothing a stranger sends is taken for one, or breaks anything."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

from helpline import passkeys
from helpline.passkeys import PasskeyRefused, Site
from tests.authenticator import Authenticator

SITE = Site("localhost", "http://localhost")
CHALLENGE = b"c" * 32
HANDLE = b"h" * 32


@pytest.mark.parametrize(
    ("public_url", "host", "site"),
    [
        ("https://line.example.org", "evil.example", Site("line.example.org", "https://line.example.org")),
        ("https://line.example.org:8443/desk", "", Site("line.example.org", "https://line.example.org:8443")),
        ("https://line.example.org:443", "", Site("line.example.org", "https://line.example.org")),
        ("http://localhost:8080", "", Site("localhost", "http://localhost:8080")),
        ("https://192.0.2.7", "localhost", None),
        ("https://[2001:db8::1]", "localhost", None),
        (None, "localhost:8080", Site("localhost", "http://localhost:8080")),
        (None, "localhost", Site("localhost", "http://localhost")),
        (None, "127.0.0.1:8080", None),
        (None, "[::1]:8080", None),
        (None, "evil.example", None),
        (None, "localhost.evil.example:80", None),
        (None, "", None),
    ],
)
def test_a_site_is_what_the_operator_says_or_this_machine(public_url: str | None, host: str, site: Site | None) -> None:
    assert passkeys.site_of(public_url, host) == site


def asked() -> dict[str, Any]:
    return passkeys.to_make(SITE, CHALLENGE, handle=HANDLE, name="eva", full_name="Eva", known=["AAAA"])


def test_a_browser_is_asked_for_a_key_that_needs_no_name_and_its_owners_finger() -> None:
    making, using = asked(), passkeys.to_use(SITE, CHALLENGE)
    selection = making["authenticatorSelection"]
    assert (selection["residentKey"], selection["userVerification"]) == ("required", "required")
    assert making["attestation"] == "none"
    assert [each["id"] for each in making["excludeCredentials"]] == ["AAAA"]
    assert using["userVerification"] == "required"
    assert not using.get("allowCredentials")


def test_what_was_made_can_be_used() -> None:
    device = Authenticator()
    made = passkeys.check_made(SITE, CHALLENGE, device.make(asked()))
    answer = device.use(passkeys.to_use(SITE, CHALLENGE))
    assert passkeys.challenge_in(answer) == CHALLENGE
    assert passkeys.id_in(answer) == made.credential_id
    count = passkeys.check_used(
        SITE, CHALLENGE, answer, handle=HANDLE, public_key=made.public_key, sign_count=made.sign_count
    )
    assert count == 1
    with pytest.raises(PasskeyRefused):
        passkeys.check_used(SITE, CHALLENGE, answer, handle=HANDLE, public_key=made.public_key, sign_count=1)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=40) | st.binary(max_size=200).map(bytes_to_base64url),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)
_PARTS = ("clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle", "transports")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_what_a_stranger_sends_is_refused_and_nothing_else(data: st.DataObject) -> None:
    """Right answers with one part replaced, and answers of nothing right at all."""
    device = Authenticator()
    whole = device.make(asked()) if data.draw(st.booleans()) else device.use(passkeys.to_use(SITE, CHALLENGE))
    if data.draw(st.booleans()):
        part = data.draw(st.sampled_from(_PARTS))
        whole["response"][part] = data.draw(_JSON)
    else:
        whole = data.draw(st.dictionaries(st.sampled_from(["id", "rawId", "type", "response"]), _JSON))
    for check in (
        lambda: passkeys.challenge_in(whole),
        lambda: passkeys.id_in(whole),
        lambda: passkeys.check_made(SITE, b"another", whole),
        lambda: passkeys.check_used(SITE, b"another", whole, handle=HANDLE, public_key=b"\x00", sign_count=0),
    ):
        try:
            check()
        except PasskeyRefused:
            continue


@settings(max_examples=100, deadline=None)
@given(st.integers(min_value=0, max_value=400), st.integers(min_value=1, max_value=255))
def test_a_flipped_bit_anywhere_makes_it_another_answer(at: int, flip: int) -> None:
    device = Authenticator()
    made = passkeys.check_made(SITE, CHALLENGE, device.make(asked()))
    answer = device.use(passkeys.to_use(SITE, CHALLENGE))
    parts = ("clientDataJSON", "authenticatorData", "signature", "userHandle")
    part = parts[at % len(parts)]
    raw = bytearray(base64url_to_bytes(answer["response"][part]))
    raw[at // len(parts) % len(raw)] ^= flip
    answer["response"][part] = bytes_to_base64url(bytes(raw))
    with pytest.raises(PasskeyRefused):
        passkeys.check_used(SITE, CHALLENGE, answer, handle=HANDLE, public_key=made.public_key, sign_count=0)

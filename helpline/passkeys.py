"""Passkeys (WebAuthn): what a browser is asked, and whether its answer holds. Decides, and keeps nothing.

A passkey is tied to the name in the address, needs no e-mail to be found, and always asks its owner for a finger, a
face or a code. What must be kept between question and answer is for the caller: the challenge, used once.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson
import webauthn
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, options_to_json_dict
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

_PATIENCE = 120_000  # milliseconds that a browser waits for its owner
_LONGEST_ID = 1_400  # letters: 1023 bytes, the most that the standard allows


class PasskeyRefused(Exception):
    """What the browser answered does not hold."""


@dataclass(frozen=True)
class Site:
    """What passkeys are made for: the name in the address, and the whole address."""

    name: str
    origin: str


@dataclass(frozen=True)
class Made:
    """A new passkey."""

    credential_id: str
    public_key: bytes
    sign_count: int


def site_of(public_url: str | None, host: str) -> Site | None:
    """The site, by the operator's setting; without one only on this machine under the name localhost.

    None where browsers make no passkeys, as at an address of digits. What a request says of its host is not believed
    further than that: the setting says where we are.
    """
    if public_url is None:
        name = host.rpartition(":")[0] or host
        return Site("localhost", f"http://{host}") if name == "localhost" else None
    parts = urlsplit(public_url)
    name = parts.hostname or ""
    if name.replace(".", "").isdigit() or ":" in name:
        return None
    port = f":{parts.port}" if parts.port not in {None, {"https": 443, "http": 80}.get(parts.scheme)} else ""
    return Site(name, f"{parts.scheme}://{name}{port}")


def new_challenge() -> bytes:
    """Something to be signed, once."""
    return secrets.token_bytes(32)


def to_make(
    site: Site, challenge: bytes, *, handle: bytes, name: str, full_name: str, known: Iterable[str]
) -> dict[str, Any]:
    """What the browser is asked in order to make a passkey; none on a device that holds one of `known`."""
    return options_to_json_dict(
        webauthn.generate_registration_options(
            rp_id=site.name,
            rp_name="Varde",
            user_id=handle,
            user_name=name,
            user_display_name=full_name,
            challenge=challenge,
            timeout=_PATIENCE,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                require_resident_key=True,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=base64url_to_bytes(each)) for each in known],
        )
    )


def to_use(site: Site, challenge: bytes) -> dict[str, Any]:
    """What the browser is asked in order to sign in with any passkey that it has for this site."""
    return options_to_json_dict(
        webauthn.generate_authentication_options(
            rp_id=site.name,
            challenge=challenge,
            timeout=_PATIENCE,
            user_verification=UserVerificationRequirement.REQUIRED,
        )
    )


def challenge_in(answer: Mapping[str, Any]) -> bytes:
    """The challenge that an answer says it is for. Whether we asked it is not known by this."""
    try:
        told = orjson.loads(base64url_to_bytes(answer["response"]["clientDataJSON"]))
        return base64url_to_bytes(told["challenge"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PasskeyRefused("This is no answer.") from error


def id_in(answer: Mapping[str, Any]) -> str:
    """The id of the passkey that an answer was made with."""
    written = answer.get("id")
    if not isinstance(written, str) or not 0 < len(written) <= _LONGEST_ID:
        raise PasskeyRefused("The answer names no passkey.")
    return written


def check_made(site: Site, challenge: bytes, answer: Mapping[str, Any]) -> Made:
    """The passkey that was made. Raises `PasskeyRefused`."""
    credential_id = id_in(answer)
    try:
        made = webauthn.verify_registration_response(
            credential=dict(answer),
            expected_challenge=challenge,
            expected_rp_id=site.name,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    except Exception as error:  # whatever a library trips over in a stranger's bytes, it is no passkey
        raise PasskeyRefused("The passkey could not be made.") from error
    if bytes_to_base64url(made.credential_id) != credential_id:
        raise PasskeyRefused("The answer names another passkey than the one it made.")
    return Made(credential_id, made.credential_public_key, made.sign_count)


def check_used(
    site: Site, challenge: bytes, answer: Mapping[str, Any], *, handle: bytes, public_key: bytes, sign_count: int
) -> int:
    """The new count of uses, where the answer was signed by this passkey of this owner. Raises `PasskeyRefused`."""
    try:
        used = webauthn.verify_authentication_response(
            credential=dict(answer),
            expected_challenge=challenge,
            expected_rp_id=site.name,
            expected_origin=site.origin,
            credential_public_key=public_key,
            credential_current_sign_count=sign_count,
            require_user_verification=True,
        )
        told = base64url_to_bytes(answer["response"]["userHandle"])
    except Exception as error:  # whatever a library trips over in a stranger's bytes, it is no passkey
        raise PasskeyRefused("The passkey does not hold.") from error
    if not secrets.compare_digest(told, handle):
        raise PasskeyRefused("The passkey is another's.")
    return used.new_sign_count

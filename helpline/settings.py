"""What the operator decides: read once at start, checked, frozen.

Every setting is an environment variable that begins with VARDE_, or a line of a `.env` file. What is missing or
malformed is named in a plain sentence, all of it at once, and never with its value. There is no default for a secret;
only the embedded database makes its own key file, since nobody else could know that key.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import os
import re
import secrets
import stat
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dotenv import dotenv_values
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from helpline.messages import Channel, Country
from helpline.phrases import ZONES

T = TypeVar("T")
V = TypeVar("V", bound=str | bytes)


class SettingsError(Exception):
    """Settings are missing or malformed; each problem is one plain sentence."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Secret(Generic[V]):
    """A value that printing, logging and comparing never reveal; `reveal()` where it is used."""

    __slots__ = ("_value",)

    def __init__(self, value: V) -> None:
        self._value = value

    def reveal(self) -> V:
        """The value itself, for the one place that needs it."""
        return self._value

    def __repr__(self) -> str:
        return "<secret>"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and secrets.compare_digest(_bytes(self._value), _bytes(other._value))

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> Any:
        raise TypeError("a secret is not copied out of the process")


class TelegramMode(StrEnum):
    """How Telegram's messages come to us."""

    WEBHOOK = "webhook"  # Telegram calls us, which needs a public address
    POLLING = "polling"  # we ask, which works from behind any wall


@dataclass(frozen=True)
class TelegramSettings:
    """The Telegram channel."""

    token: Secret[str]
    mode: TelegramMode
    secret: Secret[str] | None  # comes back in a header of each webhook; there when the mode is webhook
    api_url: str


@dataclass(frozen=True)
class TwilioSettings:
    """The SMS, WhatsApp and voice channels."""

    account_sid: str
    auth_token: Secret[str]
    number: str | None  # for SMS and voice
    whatsapp_number: str | None
    api_url: str


@dataclass(frozen=True)
class OidcSettings:
    """The organisation's own sign-in."""

    issuer: str
    client_id: str
    client_secret: Secret[str] | None  # None for a public client, which PKCE alone protects


@dataclass(frozen=True)
class Settings:
    """Everything that the operator decides."""

    data_dir: Path
    database_url: Secret[str]
    secret_key: Secret[bytes] | None  # None only where nothing may be created and there is no key yet
    host: str = "127.0.0.1"
    port: int = 8080
    public_url: str | None = None
    trusted_proxies: int = 0  # proxies of your own in front; the last of them says who is calling
    country: Country = Country.NO
    zone: ZoneInfo = ZONES[Country.NO]
    roster: Path | None = None
    ladder: Path | None = None
    log_level: str = "info"
    telegram: TelegramSettings | None = None
    twilio: TwilioSettings | None = None
    oidc: OidcSettings | None = None
    heartbeat_url: Secret[str] | None = None  # told once a minute that all is well; whoever knows it can tell it so
    unknown: tuple[str, ...] = ()  # names that begin with VARDE_ and mean nothing to us; `varde check` tells

    @property
    def master_key(self) -> bytes:
        """The key under which all other keys lie."""
        if self.secret_key is None:
            raise SettingsError("There is no key yet. It is made when the line is first started with `varde serve`.")
        return self.secret_key.reveal()

    @property
    def channels(self) -> frozenset[Channel]:
        """The channels that are on. Web and terminal need no settings."""
        on = {Channel.WEB, Channel.TERMINAL}
        if self.telegram is not None:
            on.add(Channel.TELEGRAM)
        if self.twilio is not None and self.twilio.number is not None:
            on |= {Channel.SMS, Channel.CALL}
        if self.twilio is not None and self.twilio.whatsapp_number is not None:
            on.add(Channel.WHATSAPP)
        return frozenset(on)


class _Raw(BaseSettings):
    """The settings as they were written, with none of them understood yet."""

    model_config = SettingsConfigDict(env_prefix="VARDE_", env_ignore_empty=True, extra="ignore")

    country: str | None = None
    data_dir: str | None = None
    database_url: str | None = None
    heartbeat_url: str | None = None
    host: str | None = None
    ladder: str | None = None
    log_level: str | None = None
    oidc_client_id: str | None = None
    oidc_client_secret: str | None = None
    oidc_issuer: str | None = None
    port: str | None = None
    public_url: str | None = None
    roster: str | None = None
    secret_key: str | None = None
    telegram_api_url: str | None = None
    telegram_mode: str | None = None
    telegram_secret: str | None = None
    telegram_token: str | None = None
    trusted_proxies: str | None = None
    twilio_account_sid: str | None = None
    twilio_api_url: str | None = None
    twilio_auth_token: str | None = None
    twilio_number: str | None = None
    twilio_whatsapp_number: str | None = None
    zone: str | None = None


_ELSEWHERE = {"VARDE_CONTENT_DIR"}  # read where it is needed, before there are settings
_KEY_FILE = "secret.key"
_MAKE_A_KEY = 'python -c "import secrets; print(secrets.token_hex(32))"'


def load_settings(*, env_file: Path | None = Path(".env"), create: bool = True) -> Settings:
    """Read and check everything; `SettingsError` names all that is wrong.

    With `create` the embedded database's folder and key file are made where they are missing. Commands that must leave
    nothing behind pass False.
    """
    raw = _Raw(_env_file=env_file, _env_file_encoding="utf-8")  # type: ignore[call-arg]
    problems: list[str] = []
    check = _Checker(raw, problems)

    country = check.one("country", _country, Country.NO)
    data_dir = check.one("data_dir", _folder, Path("var")).absolute()
    database_url = check.one("database_url", _database_url, f"sqlite:///{data_dir / 'varde.db'}")
    public_url = check.one("public_url", _public_url, None)
    settings = Settings(
        data_dir=data_dir,
        database_url=Secret(database_url),
        secret_key=check.one("secret_key", _secret_key, None),
        host=raw.host or "127.0.0.1",
        port=check.one("port", _port, 8080),
        public_url=public_url,
        trusted_proxies=check.one("trusted_proxies", _trusted_proxies, 0),
        country=country,
        zone=check.one("zone", _zone, ZONES[country]),
        roster=check.one("roster", _file, None),
        ladder=check.one("ladder", _file, None),
        log_level=check.one("log_level", _log_level, "info"),
        telegram=_telegram(raw, check, public_url),
        twilio=_twilio(raw, check, public_url),
        oidc=_oidc(raw, check, public_url),
        heartbeat_url=check.one("heartbeat_url", _secret_url, None),
        unknown=_unknown(env_file),
    )
    # Not when the setting itself is malformed: then one sentence about it is enough, and no other key may be made.
    if settings.secret_key is None and raw.secret_key is None:
        if database_url.startswith("postgresql"):
            problems.append(
                f"VARDE_SECRET_KEY is missing; with PostgreSQL it must be set. Make one with: {_MAKE_A_KEY}"
            )
        elif not problems:
            key = _key_file(data_dir, database_url, create=create)
            settings = Settings(**{**vars(settings), "secret_key": key})
    if problems:
        raise SettingsError(*problems)
    return settings


class _Checker:
    """Understands one setting at a time, and gathers what is wrong instead of stopping at the first."""

    def __init__(self, raw: _Raw, problems: list[str]) -> None:
        self._raw = raw
        self.problems = problems

    def one(self, name: str, understand: Callable[[str], T], default: Any) -> T | Any:
        written = getattr(self._raw, name)
        if written is None:
            return default
        try:
            return understand(written.strip())
        except ValueError as error:
            self.problems.append(f"VARDE_{name.upper()} {error}.")
            return default

    def missing(self, what: str, names: list[str]) -> None:
        listed = " and ".join(f"VARDE_{name.upper()}" for name in names)
        verb = "is" if len(names) == 1 else "are"
        self.problems.append(f"{what} is only half set up: {listed} {verb} missing.")


def _telegram(raw: _Raw, check: _Checker, public_url: str | None) -> TelegramSettings | None:
    token = check.one("telegram_token", _telegram_token, None)
    secret = check.one("telegram_secret", _telegram_secret, None)
    default = TelegramMode.WEBHOOK if public_url else TelegramMode.POLLING
    mode = check.one("telegram_mode", _telegram_mode, default)
    api_url = check.one("telegram_api_url", _url, "https://api.telegram.org")
    if raw.telegram_token is None and raw.telegram_secret is None and raw.telegram_mode is None:
        return None
    needed = ["telegram_token"]
    if mode is TelegramMode.WEBHOOK:
        needed += ["telegram_secret", "public_url"]
    missing = [name for name in needed if getattr(raw, name) is None]
    if missing:
        check.missing("Telegram", missing)
    if token is None or missing:
        return None
    return TelegramSettings(Secret(token), mode, Secret(secret) if secret else None, api_url)


def _twilio(raw: _Raw, check: _Checker, public_url: str | None) -> TwilioSettings | None:
    account_sid = check.one("twilio_account_sid", _account_sid, None)
    auth_token = check.one("twilio_auth_token", _word, None)
    number = check.one("twilio_number", _phone_number, None)
    whatsapp_number = check.one("twilio_whatsapp_number", _phone_number, None)
    api_url = check.one("twilio_api_url", _url, "https://api.twilio.com")
    names = ("twilio_account_sid", "twilio_auth_token", "twilio_number", "twilio_whatsapp_number")
    if all(getattr(raw, name) is None for name in names):
        return None
    # Twilio signs each request with the address it called, so we must know how we are called.
    missing = [name for name in ("twilio_account_sid", "twilio_auth_token", "public_url") if getattr(raw, name) is None]
    if raw.twilio_number is None and raw.twilio_whatsapp_number is None:
        missing.append("twilio_number")
    if missing:
        check.missing("Twilio", missing)
    if account_sid is None or auth_token is None or public_url is None or missing:
        return None
    return TwilioSettings(account_sid, Secret(auth_token), number, whatsapp_number, api_url)


def _oidc(raw: _Raw, check: _Checker, public_url: str | None) -> OidcSettings | None:
    issuer = check.one("oidc_issuer", _issuer, None)
    client_id = check.one("oidc_client_id", _word, None)
    client_secret = check.one("oidc_client_secret", _word, None)
    if raw.oidc_issuer is None and raw.oidc_client_id is None and raw.oidc_client_secret is None:
        return None
    # The provider sends people back to an address that it knows beforehand, so we must know how we are called.
    missing = [name for name in ("oidc_issuer", "oidc_client_id", "public_url") if getattr(raw, name) is None]
    if missing:
        check.missing("OIDC", missing)
    if issuer is None or client_id is None or public_url is None or missing:
        return None
    return OidcSettings(issuer, client_id, Secret(client_secret) if client_secret else None)


def _unknown(env_file: Path | None) -> tuple[str, ...]:
    known = {f"VARDE_{name.upper()}" for name in _Raw.model_fields} | _ELSEWHERE
    in_file = dotenv_values(env_file, interpolate=False) if env_file is not None and env_file.is_file() else {}
    written = {name.upper() for name in (*os.environ, *in_file)}
    strange = {name for name in written - known if name.startswith("VARDE_") and not name.startswith("VARDE_TEST_")}
    return tuple(_with_hint(name, known) for name in sorted(strange))


def _with_hint(name: str, known: set[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
    return f"{name} (did you mean {near[0]}?)" if near else name


# --- The key file ----------------------------------------------------------------------------------------------------


def _key_file(data_dir: Path, database_url: str, *, create: bool) -> Secret[bytes] | None:
    path = data_dir / _KEY_FILE
    try:
        return _read_key(path)
    except FileNotFoundError:
        pass
    if _has_data(database_url):
        raise SettingsError(
            f"The database is there, but its key file {_KEY_FILE} is not. Put the file back into VARDE_DATA_DIR or set "
            "VARDE_SECRET_KEY: without that key nothing in the database can be read."
        )
    if not create:
        return None
    try:
        _make_key(path)
        return _read_key(path)
    except OSError as error:
        raise SettingsError(f"The key file could not be made in VARDE_DATA_DIR: {error.strerror}.") from error


def _has_data(database_url: str) -> bool:
    database = make_url(database_url).database
    return database is not None and Path(database).is_file() and Path(database).stat().st_size > 0


def _read_key(path: Path) -> Secret[bytes]:
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise SettingsError(f"The key file {_KEY_FILE} in VARDE_DATA_DIR cannot be read: {error.strerror}.") from error
    with os.fdopen(opened) as file:
        if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
            raise SettingsError(
                f"The key file {_KEY_FILE} in VARDE_DATA_DIR may be read by others. Close it: chmod 600 {_KEY_FILE}"
            )
        try:
            return _secret_key(file.read().strip())
        except ValueError as error:
            raise SettingsError(f"The key file {_KEY_FILE} in VARDE_DATA_DIR {error}.") from error


def _make_key(path: Path) -> None:
    """Write a new key so that it is there whole or not at all, and never over another."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{_KEY_FILE}.{os.getpid()}.{secrets.token_hex(4)}")
    opened = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(opened, "w") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # fails where another process was first, and then its key is the key
        except FileExistsError:
            return
    finally:
        draft.unlink()
    # A key that a power cut takes back would take everything it sealed along.
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


# --- Understanding one value: each raises ValueError with the rest of a sentence, and never repeats the value ---------


def _secret_key(written: str) -> Secret[bytes]:
    key = b""
    if re.fullmatch(r"[0-9a-fA-F]{64}", written):
        key = bytes.fromhex(written)
    else:
        try:
            padded = written.rstrip("=").replace("-", "+").replace("_", "/")
            key = base64.b64decode(padded + "=" * (-len(padded) % 4), validate=True)
        except (binascii.Error, ValueError):
            key = b""
    if len(key) != 32:
        raise ValueError(f"must be 32 bytes written as hex or base64; make one with: {_MAKE_A_KEY}")
    if len(set(key)) < 8:
        raise ValueError(f"is too regular to be a key; make one with: {_MAKE_A_KEY}")
    return Secret(key)


def _country(written: str) -> Country:
    try:
        return Country(written.upper())
    except ValueError:
        raise ValueError("must be NO or SE") from None


def _zone(written: str) -> ZoneInfo:
    try:
        return ZoneInfo(written)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("must be a time zone such as Europe/Oslo") from None


def _port(written: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", written) or int(written) > 65535:
        raise ValueError("must be a number from 0 to 65535")
    return int(written)


def _trusted_proxies(written: str) -> int:
    if not re.fullmatch(r"[0-9]", written):
        raise ValueError("must be a number from 0 to 9: how many proxies of your own stand in front")
    return int(written)


def _folder(written: str) -> Path:
    path = Path(written).expanduser()
    if path.exists() and not path.is_dir():
        raise ValueError("must name a folder, and a file stands there")
    return path


def _file(written: str) -> Path:
    path = Path(written).expanduser().absolute()
    if not path.is_file():
        raise ValueError("names a file that is not there")
    return path


def _database_url(written: str) -> str:
    try:
        url = make_url(written)
    except ArgumentError:
        raise ValueError("must be an address such as sqlite:///var/varde.db or postgresql://user@host/varde") from None
    backend = url.get_backend_name()
    if backend == "postgres":
        raise ValueError("must begin with postgresql://")
    if backend not in ("sqlite", "postgresql"):
        raise ValueError("must begin with sqlite:/// or postgresql://")
    if backend == "sqlite" and (not url.database or url.database == ":memory:"):
        raise ValueError("must name a file: sqlite:///var/varde.db")
    return written


def _url(written: str) -> str:
    parts = urlsplit(written)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError("must be an address that begins with https://")
    return written.rstrip("/")


def _secret_url(written: str) -> Secret[str]:
    """An address that is itself a key: it may carry a query, and is shown nowhere."""
    parts = urlsplit(written)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.fragment:
        raise ValueError("must be an address that begins with https://")
    return Secret(written)


def _issuer(written: str) -> str:
    parts = urlsplit(written)
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    _url(written)
    if parts.scheme != "https" and not local:
        raise ValueError("must begin with https://, since it says who people are")
    return written  # compared letter by letter with what the provider calls itself, so the last / stays


def _public_url(written: str) -> str:
    url = _url(written)
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise ValueError("must begin with https://, since people's words travel there")
    return url


def _telegram_token(written: str) -> str:
    if not re.fullmatch(r"[0-9]+:[A-Za-z0-9_-]+", written):
        raise ValueError("must be the token that BotFather gave, digits and letters around a colon")
    return written


def _telegram_secret(written: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{16,256}", written):
        raise ValueError("must be 16 to 256 letters, digits, _ or -")
    return written


def _telegram_mode(written: str) -> TelegramMode:
    try:
        return TelegramMode(written.lower())
    except ValueError:
        raise ValueError("must be webhook or polling") from None


def _account_sid(written: str) -> str:
    if not re.fullmatch(r"AC[0-9A-Za-z]{32}", written):
        raise ValueError("must be AC and 32 letters or digits")
    return written


def _phone_number(written: str) -> str:
    number = re.sub(r"[\s()-]", "", written.removeprefix("whatsapp:"))
    if not re.fullmatch(r"\+[1-9][0-9]{5,14}", number):
        raise ValueError("must be a number with its country code, such as +4722331160")
    return number


def _word(written: str) -> str:
    if not written or re.search(r"\s", written):
        raise ValueError("must be one word without blanks")
    return written


def _log_level(written: str) -> str:
    if written.lower() not in ("debug", "info", "warning", "error"):
        raise ValueError("must be debug, info, warning or error")
    return written.lower()


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value

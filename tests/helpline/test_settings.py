"""Settings are read once, and what is wrong is named in plain sentences without its value."""

from __future__ import annotations

import os
import pickle
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from helpline.messages import Channel, Country
from helpline.settings import Secret, Settings, SettingsError, TelegramMode, load_settings

KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0"


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith("VARDE_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def load(monkeypatch: pytest.MonkeyPatch, **settings: str) -> Settings:
    for name, value in settings.items():
        monkeypatch.setenv(f"VARDE_{name.upper()}", value)
    return load_settings()


def problems(monkeypatch: pytest.MonkeyPatch, **settings: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load(monkeypatch, **settings)
    for value in settings.values():
        assert len(value) < 10 or value not in str(caught.value), "a value was repeated"
    return caught.value.problems


TELEGRAM = {"telegram_token": "12345:abcdefghijklmnopqrst", "telegram_secret": "webhook-secret-for-tests"}
TWILIO = {
    "twilio_account_sid": "AC" + "0a" * 16,
    "twilio_auth_token": "twilio-auth-token",
    "twilio_number": "+4759440000",
}


def test_with_nothing_set_it_runs_embedded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = load(monkeypatch)
    assert settings.data_dir == tmp_path / "var"
    assert settings.database_url.reveal() == f"sqlite:///{tmp_path}/var/varde.db"
    assert (settings.host, settings.port, settings.country) == ("127.0.0.1", 8080, Country.NO)
    assert settings.zone == ZoneInfo("Europe/Oslo")
    assert settings.channels == {Channel.WEB, Channel.TERMINAL}
    assert len(settings.master_key) == 32
    assert settings.unknown == ()


def test_everything_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "roster.yaml").touch()
    settings = load(
        monkeypatch,
        country="se",
        port="9000",
        host="0.0.0.0",
        public_url="https://varde.example/line/",
        database_url="postgresql://varde:hidden-password@db/varde",
        secret_key=KEY,
        roster="roster.yaml",
        log_level="DEBUG",
        heartbeat_url="https://pings.example/ping/heartbeat-key?status=up",
        twilio_whatsapp_number="whatsapp:+47 59 44 00 01",
        **TELEGRAM,
        **TWILIO,
    )
    assert settings.zone == ZoneInfo("Europe/Stockholm")
    assert settings.public_url == "https://varde.example/line"
    assert settings.roster == tmp_path / "roster.yaml"
    assert settings.master_key == bytes.fromhex(KEY)
    assert settings.log_level == "debug"
    assert settings.telegram is not None
    assert settings.telegram.mode is TelegramMode.WEBHOOK
    assert settings.twilio is not None
    assert settings.twilio.whatsapp_number == "+4759440001"
    assert settings.channels == set(Channel)
    assert settings.heartbeat_url == Secret("https://pings.example/ping/heartbeat-key?status=up")
    shown = repr(settings)
    for hidden in ("heartbeat-key", "hidden-password", KEY, "abcdefghij", "webhook-secret", "twilio-auth-token"):
        assert hidden not in shown
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize(
    "written",
    [KEY, KEY.upper(), "Dx4tPEtaaXiHlqW0w9Lh8A8eLTxLWml4h5altMPS4fA=", "Dx4tPEtaaXiHlqW0w9Lh8A8eLTxLWml4h5altMPS4fA"],
)
def test_a_key_is_hex_or_base64(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    assert load(monkeypatch, secret_key=written).master_key == bytes.fromhex(KEY)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"secret_key": "short-secret"}, "VARDE_SECRET_KEY must be 32 bytes"),
        ({"secret_key": "00" * 32}, "VARDE_SECRET_KEY is too regular"),
        ({"port": "eighty"}, "VARDE_PORT must be a number from 0 to 65535."),
        ({"port": "70000"}, "VARDE_PORT must be a number"),
        ({"trusted_proxies": "yes"}, "VARDE_TRUSTED_PROXIES must be a number from 0 to 9"),
        ({"country": "Denmark"}, "VARDE_COUNTRY must be NO or SE."),
        ({"zone": "Europe/Atlantis"}, "VARDE_ZONE must be a time zone"),
        ({"database_url": "mysql://user:secret@db/x"}, "VARDE_DATABASE_URL must begin with"),
        ({"database_url": "sqlite://"}, "VARDE_DATABASE_URL must name a file"),
        ({"database_url": "no address at all"}, "VARDE_DATABASE_URL must be an address"),
        ({"database_url": "postgresql://user:secret@db/x"}, "VARDE_SECRET_KEY is missing; with PostgreSQL"),
        ({"public_url": "http://varde.example"}, "VARDE_PUBLIC_URL must begin with https://"),
        ({"public_url": "varde.example"}, "VARDE_PUBLIC_URL must be an address"),
        ({"heartbeat_url": "pings.example/ping"}, "VARDE_HEARTBEAT_URL must be an address"),
        ({"roster": "none.yaml"}, "VARDE_ROSTER names a file that is not there."),
        ({"ladder": "none.yaml"}, "VARDE_LADDER names a file that is not there."),
        ({"log_level": "loudly"}, "VARDE_LOG_LEVEL must be"),
        ({"telegram_token": "not a token"}, "VARDE_TELEGRAM_TOKEN must be the token"),
        ({**TELEGRAM, "telegram_mode": "carrier pigeon"}, "VARDE_TELEGRAM_MODE must be webhook or polling."),
        (
            {"telegram_secret": TELEGRAM["telegram_secret"]},
            "Telegram is only half set up: VARDE_TELEGRAM_TOKEN is missing.",
        ),
        (
            {**TELEGRAM, "telegram_mode": "webhook"},
            "Telegram is only half set up: VARDE_PUBLIC_URL is missing.",
        ),
        (
            {"telegram_token": TELEGRAM["telegram_token"], "public_url": "https://varde.example"},
            "Telegram is only half set up: VARDE_TELEGRAM_SECRET is missing.",
        ),
        (TWILIO, "Twilio is only half set up: VARDE_PUBLIC_URL is missing."),
        (
            {"twilio_number": "+4759440000", "public_url": "https://varde.example"},
            "Twilio is only half set up: VARDE_TWILIO_ACCOUNT_SID and VARDE_TWILIO_AUTH_TOKEN are missing.",
        ),
        ({**TWILIO, "twilio_number": "59440000"}, "VARDE_TWILIO_NUMBER must be a number with its country code"),
    ],
)
def test_what_is_wrong_is_named(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], sentence: str, tmp_path: Path
) -> None:
    found = problems(monkeypatch, **settings)
    assert any(problem.startswith(sentence) for problem in found), found
    assert not (tmp_path / "var").exists(), "a start that fails makes nothing"


def test_everything_wrong_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(problems(monkeypatch, port="eighty", country="Denmark", zone="Mars/North")) == 3


def test_telegram_without_a_public_address_is_polled(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, telegram_token=TELEGRAM["telegram_token"])
    assert settings.telegram is not None
    assert settings.telegram.mode is TelegramMode.POLLING
    assert settings.channels == {Channel.WEB, Channel.TERMINAL, Channel.TELEGRAM}


def test_a_simulators_address_alone_switches_nothing_on(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, telegram_api_url="http://127.0.0.1:9105", twilio_api_url="http://127.0.0.1:4010/")
    assert settings.telegram is None
    assert settings.twilio is None


def test_a_name_we_do_not_know_is_told_with_the_nearest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("VARDE_PORTT=1\nOTHER=2\n")
    settings = load(monkeypatch, telegram_tokn="x", content_dir="/somewhere", test_postgres_url="x")
    assert settings.unknown == (
        "VARDE_PORTT (did you mean VARDE_PORT?)",
        "VARDE_TELEGRAM_TOKN (did you mean VARDE_TELEGRAM_TOKEN?)",
    )


def test_a_line_of_the_env_file_counts_and_the_environment_wins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("VARDE_PORT=9001\nVARDE_COUNTRY='SE'\n")
    settings = load(monkeypatch, port="9002")
    assert (settings.port, settings.country) == (9002, Country.SE)


def test_the_key_file_is_made_once_and_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = load(monkeypatch)
    path = tmp_path / "var" / "secret.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert load(monkeypatch).secret_key == first.secret_key
    assert [file.name for file in path.parent.iterdir()] == ["secret.key"]


def test_processes_that_start_together_agree_on_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        keys = {threads.submit(load_settings).result().master_key for _ in range(8)}
        keys |= {done.result().master_key for done in [threads.submit(load_settings) for _ in range(8)]}
    assert len(keys) == 1
    assert [file.name for file in (tmp_path / "var").iterdir()] == ["secret.key"]


def test_a_key_file_that_others_may_read_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    load(monkeypatch)
    (tmp_path / "var" / "secret.key").chmod(0o640)
    assert "may be read by others" in problems(monkeypatch)[0]


def test_a_key_file_that_is_a_link_or_is_damaged_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    load(monkeypatch)
    path = tmp_path / "var" / "secret.key"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert "cannot be read" in problems(monkeypatch)[0]
    path.unlink()
    path.touch(0o600)
    assert "must be 32 bytes" in problems(monkeypatch)[0]


def test_a_database_whose_key_is_gone_is_not_given_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "varde.db").write_bytes(b"something")
    assert "its key file secret.key is not" in problems(monkeypatch)[0]
    assert load(monkeypatch, secret_key=KEY).master_key == bytes.fromhex(KEY)


def test_commands_that_leave_nothing_behind_make_no_key(tmp_path: Path) -> None:
    settings = load_settings(create=False)
    assert settings.secret_key is None
    assert not (tmp_path / "var").exists()
    with pytest.raises(SettingsError, match="varde serve"):
        _ = settings.master_key


def test_a_secret_does_not_print_itself() -> None:
    secret = Secret("tell-nobody")
    assert "tell-nobody" not in f"{secret} {secret!r} {[secret]}"
    assert secret == Secret("tell-nobody")
    assert secret != Secret("other")
    with pytest.raises(TypeError):
        pickle.dumps(secret)


OIDC = {
    "oidc_issuer": "https://id.example.org/realm/",
    "oidc_client_id": "varde-line",
    "public_url": "https://line.example.org",
}


def test_the_organisations_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch).oidc is None
    found = load(monkeypatch, **OIDC, oidc_client_secret="a-secret-of-ours").oidc
    assert found is not None
    assert found.issuer == "https://id.example.org/realm/"  # letter by letter as the provider calls itself
    assert (found.client_id, found.client_secret) == ("varde-line", Secret("a-secret-of-ours"))
    assert "a-secret-of-ours" not in repr(found)
    monkeypatch.delenv("VARDE_OIDC_CLIENT_SECRET")
    found = load(monkeypatch).oidc
    assert found is not None
    assert found.client_secret is None


@pytest.mark.parametrize("missing", ["oidc_issuer", "oidc_client_id", "public_url"])
def test_the_organisations_sign_in_half_set_up_stops_the_start(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {name: value for name, value in OIDC.items() if name != missing}
    (problem,) = problems(monkeypatch, **given, oidc_client_secret="a-secret-of-ours")
    assert f"VARDE_{missing.upper()}" in problem


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("oidc_issuer", "http://id.example.org"),
        ("oidc_issuer", "id.example.org"),
        ("oidc_issuer", "https://id.example.org/?a=b"),
        ("oidc_client_id", "two words"),
        ("oidc_client_secret", "two words"),
    ],
)
def test_a_malformed_sign_in_stops_the_start(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = problems(monkeypatch, **{**OIDC, name: value})
    assert any(f"VARDE_{name.upper()}" in problem for problem in found)


def test_a_provider_on_this_machine_needs_no_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    found = load(monkeypatch, **{**OIDC, "oidc_issuer": "http://localhost:9000"}).oidc
    assert found is not None

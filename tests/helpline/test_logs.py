"""Nobody's words get into the logs, however they are handed over."""

from __future__ import annotations

import io
import json
import logging
import sqlite3
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from helpline import logs
from helpline.settings import Secret

NINE = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
WORDS = "kona som kom inn med mannen heter Fatima"


class Lane(StrEnum):
    PAGE = "page"


class Output:
    def __init__(self) -> None:
        self.stream = io.StringIO()

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]

    @property
    def last(self) -> dict[str, Any]:
        return self.lines[-1]


@pytest.fixture
def output() -> Iterator[Output]:
    out = Output()
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    before = structlog.get_config()
    raising = logging.raiseExceptions
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    levels = {name: logging.getLogger(name).level for name in (*logs._TALKATIVE, *logs._SILENT)}
    logs.configure(level="debug", now=lambda: NINE, stream=lambda: out.stream)
    yield out
    structlog.configure(**before)
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
    logging.raiseExceptions = raising
    logging.captureWarnings(False)
    root.handlers, root.level = handlers, level
    for name, old in levels.items():
        logging.getLogger(name).setLevel(old)


def test_an_event_with_its_fields(output: Output) -> None:
    structlog.get_logger("bot.delivery").info("message_sent", outbound_id=17, lane=Lane.PAGE, took=timedelta(seconds=2))
    assert output.last == {
        "at": "2026-11-22T09:00:00Z",
        "level": "info",
        "event": "message_sent",
        "logger": "bot.delivery",
        "outbound_id": 17,
        "lane": "page",
        "took": 2.0,
    }
    assert output.text.startswith('{"at":')


@pytest.mark.parametrize(
    "value",
    [
        WORDS,
        "Åse",
        "x" * 65,
        "+4722331160",
        "22331160",
        "01019012345",
        "010190-12345",
        "asha@example.org",
        "two words",
        "line\nbreak",
        {"text": WORDS},
        [WORDS, "ok"],
        WORDS.encode(),
        Secret("hidden"),
        ValueError(WORDS),
        object(),
    ],
)
def test_what_may_be_somebodys_is_withheld(output: Output, value: Any) -> None:
    structlog.get_logger().info("something_happened", detail=value)
    for part in ("Fatima", "Åse", "xxx", "2233", "01019", "asha@", "two words", "hidden", "break"):
        assert part not in output.text
    assert "something_happened" in output.text


@pytest.mark.parametrize(
    "value", ["conversation:17", "naar-er-det-grov@3", "SM0a1b", "no.answer", "2026-11-22", "", "SQLITE_FULL", 12345678]
)
def test_codes_and_ids_pass(output: Output, value: Any) -> None:
    structlog.get_logger().info("something_happened", detail=value)
    assert output.last["detail"] == value


@pytest.mark.parametrize("key", ["text", "body", "name", "sender", "chat_id", "phone", "message"])
def test_some_keys_never_pass(output: Output, key: str) -> None:
    structlog.get_logger().info("something_happened", **{key: "Fatima"})
    assert output.last[key] == logs.WITHHELD


def test_words_in_the_place_of_the_event_name_are_withheld_and_their_place_is_told(output: Output) -> None:
    structlog.get_logger().info(f"she wrote {WORDS}")
    structlog.get_logger().info("wrote %s", WORDS)
    assert "Fatima" not in output.text
    assert {line["event"] for line in output.lines} == {"event_without_name"}
    assert output.last["where"].startswith("tests/helpline/test_logs.py:")


@given(st.text(min_size=1))
def test_no_text_with_a_blank_or_a_letter_outside_ascii_passes(value: str) -> None:
    passed = logs.gate(None, "", {"event": "something_happened", "detail": value})["detail"]
    assert passed in {value, logs.WITHHELD}
    if passed == value:
        assert value.isascii()
        assert len(value) <= 64
        assert not any(letter.isspace() for letter in value)


def test_an_exception_gives_its_types_and_our_lines_but_not_its_message(output: Output) -> None:
    secret_local = WORDS
    try:
        try:
            sqlite3.connect(":memory:").execute(f"SELECT '{secret_local}' FROM none")
        except sqlite3.Error as error:
            raise ValueError(WORDS) from error
    except ValueError:
        structlog.get_logger().exception("something_failed")
    assert "Fatima" not in output.text
    assert output.last["error"] == ["ValueError", "sqlite3.OperationalError"]
    assert output.last["code"] == "SQLITE_ERROR"
    assert output.last["frames"][0].startswith("tests/helpline/test_logs.py:")
    assert str(Path(__file__).parent) not in output.text


def test_a_group_of_exceptions_tells_the_types_inside(output: Output) -> None:
    try:
        raise ExceptionGroup(WORDS, [ValueError(WORDS), KeyError(WORDS)])
    except ExceptionGroup:
        structlog.get_logger().exception("something_failed")
    assert output.last["inside"] == ["ValueError", "KeyError"]
    assert "Fatima" not in output.text


def test_what_a_library_logs_goes_through_the_same_gate(output: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    token = "123456:AAbbCCddEEffGGhhIIjj"
    log = logging.getLogger("httpx")
    # A channel that was made earlier in this process has silenced the library altogether.
    monkeypatch.setattr(log, "filters", [])
    log.warning(
        'HTTP Request: %s %s "%s %d"', "POST", f"https://api.telegram.org/bot{token}/sendMessage", "HTTP/1.1", 200
    )
    assert output.last["template"] == 'HTTP Request: POST https://api.telegram.org/bot…/sendMessage "HTTP/1.1 200"'
    log.warning("sending %s to %s", WORDS, "+4722331160")
    log.warning(f"body was {WORDS}")
    log.warning("broken %d", WORDS)
    log.warning("https://api.telegram.org/bot%s", token)
    log.warning("with %(what)s", {"what": WORDS})
    logging.getLogger("twilio.http_client").info("Payload: %s", WORDS)
    logging.getLogger("aiohttp.access").error("GET /twilio/message?Body=%s", WORDS)
    logging.getLogger("some.other").error("failed", exc_info=ValueError(WORDS))
    for part in ("Fatima", "2233", "AAbbCC"):
        assert part not in output.text
    assert {line["event"] for line in output.lines} == {"library_log"}
    assert output.last["error"] == ["ValueError"]
    assert not any(line["source"] == "twilio.http_client" for line in output.lines)


def test_a_query_and_a_long_number_in_an_address_are_withheld(output: Output) -> None:
    logging.getLogger("aiohttp").error("calling %s", "https://user:pw@example.org/chats/4722331160/x?Body=hei")
    assert output.last["template"] == "calling https://example.org/chats/…/x"


def test_warnings_are_logged_without_their_text(output: Output) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn(WORDS, stacklevel=1)
    assert "Fatima" not in output.text


def test_a_crash_in_a_thread_tells_no_words(output: Output) -> None:
    def fail() -> None:
        raise ValueError(WORDS)

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    assert output.last["event"] == "crashed"
    assert "Fatima" not in output.text


def test_a_crash_of_the_process_tells_no_words() -> None:
    script = f"from helpline import logs; logs.configure(); raise ValueError({WORDS!r})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert json.loads(done.stderr)["event"] == "crashed"
    assert "Fatima" not in done.stderr


def test_a_broken_stderr_stops_nothing(output: Output) -> None:
    output.stream.close()
    structlog.get_logger().info("something_happened")
    output.stream = io.StringIO()


def test_below_the_level_nothing_is_written(output: Output) -> None:
    logs.configure(level="warning", now=lambda: NINE, stream=lambda: output.stream)
    structlog.get_logger().info("something_happened")
    assert output.text == ""


def test_sentences_of_our_own_pass_under_their_key(output: Output) -> None:
    structlog.get_logger().warning("settings_odd", problem="VARDE_PORT must be a number.", folder=Path("var"))
    assert output.last["problem"] == "VARDE_PORT must be a number."
    assert output.last["folder"] == "var"

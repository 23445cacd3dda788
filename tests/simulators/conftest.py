"""The simulators as fixtures. Telegram's is new for each test, since it remembers; Twilio's remembers nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulators import peers


@pytest.fixture
def telegram_emulator(tmp_path: Path) -> Iterator[peers.TelegramEmulator]:
    """Telegram, with nothing said yet."""
    with peers.telegram_emulator(tmp_path) as emulator:
        yield emulator


@pytest.fixture(scope="session")
def twilio_mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Twilio's address."""
    with peers.twilio_mock(tmp_path_factory.mktemp("twilio")) as url:
        yield url

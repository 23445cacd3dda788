"""Providers' simulators, started as programs of their own on a free port of this machine and ended by their handle.

`telegram_emulator(folder)` and `twilio_mock(folder)` are context managers; the fixtures of the same names are in
`conftest.py` beside this file.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.captured import TELEGRAM_TOKEN
from tests.needs import needs_node, needs_program

ROOT = Path(__file__).parents[2]
_READY_WITHIN = 60.0  # seconds; far more than either needs, for a machine that is busy
_PRISM = "@stoplight/prism-cli"
_TWILIO = "@twilio-alpha/mcp"


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextmanager
def a_program(command: Sequence[str], port: int, log: Path) -> Iterator[None]:
    """Run a program until the block ends, entered once it listens on the port."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
    try:
        _wait_for(process, port, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + _READY_WITHIN
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"{process.args!r} did not start:\n{log.read_text(encoding='utf-8', errors='replace')[-2000:]}")


# --- Telegram -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TelegramEmulator:
    """The emulator, as the user's and the operator's side see it. It keeps no words, only which calls were made."""

    url: str
    journal: Path
    token: str = TELEGRAM_TOKEN

    async def says(self, update: Mapping[str, Any]) -> int:
        """The user does something: a message or a tap. Its number, which the emulator counts."""
        body = {name: value for name, value in update.items() if name != "update_id"}
        answer = await self._control("updates", {"token": self.token, "update": body})
        return int(answer["result"]["update_id"])

    async def delivers(self) -> int:
        """Try once more to post what the webhook has not taken; how many it took."""
        answer = await self._control("deliver", {"token": self.token})
        return int(answer["result"]["delivered"])

    async def _control(self, what: str, body: Mapping[str, Any]) -> Any:
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.url}/__fixture/{what}", json=body) as response,
        ):
            answer = await response.json()
            assert response.status == 200, answer
            return answer

    async def waiting(self) -> int:
        """How many updates nobody has acknowledged."""
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.url}/bot{self.token}/getWebhookInfo") as response,
        ):
            return int((await response.json())["result"]["pending_update_count"])

    def calls(self, method: str) -> list[dict[str, Any]]:
        """Every call of this method."""
        lines = self.journal.read_text(encoding="utf-8").splitlines()
        return [entry for entry in map(json.loads, lines) if entry.get("method") == method]

    def verdict(self, *methods: str, refused: Sequence[str] = ()) -> dict[str, Any]:
        """The emulator's own judgement: something was answered, these methods were called, nothing else was refused."""
        wanted = [f"--require-method={method}" for method in methods]
        allowed = [f"--allow-refusal={refusal}" for refusal in refused]
        command = [sys.executable, "-m", "tests.simulators.emulator", "verdict", str(self.journal)]
        done = subprocess.run(
            [*command, "--require-response", *wanted, *allowed], cwd=ROOT, capture_output=True, text=True, check=False
        )
        result: dict[str, Any] = json.loads(done.stdout)
        return result


@contextmanager
def telegram_emulator(folder: Path) -> Iterator[TelegramEmulator]:
    """The emulator, running."""
    port, journal = free_port(), folder / "telegram.jsonl"
    command = [sys.executable, "-m", "tests.simulators.emulator", f"--port={port}", f"--journal={journal}"]
    with a_program([*command, "--enable-control", "--allow-insecure-loopback-webhooks"], port, folder / "telegram.log"):
        yield TelegramEmulator(f"http://127.0.0.1:{port}", journal)


# --- Twilio ---------------------------------------------------------------------------------------------------------


def patched_description(packages: Path) -> dict[str, Any]:
    """Twilio's own description of its API, mended where the mock server reads it more narrowly than Twilio does.

    A form field that may be repeated is described as a list; the mock takes a list only in a spelling of its own, and
    refuses the one value that Twilio's library sends. So either is allowed.
    """
    path = packages / _TWILIO / "twilio-oai" / "spec" / "json" / "twilio_api_v2010.json"
    description: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    for operations in description["paths"].values():
        for operation in operations.values():
            if isinstance(operation, dict) and "requestBody" in operation:
                for form in operation["requestBody"]["content"].values():
                    _allow_single_values(form["schema"].get("properties", {}))
    return description


def _allow_single_values(properties: dict[str, Any]) -> None:
    for name, schema in properties.items():
        if schema.get("type") == "array":
            properties[name] = {"anyOf": [schema["items"], schema]}


@contextmanager
def twilio_mock(folder: Path) -> Iterator[str]:
    """A server that answers as Twilio's description says and refuses what it does not allow; its address."""
    packages = needs_node(_PRISM, _TWILIO)
    node = needs_program("node", because="the mock server is written for it")
    described = folder / "twilio.json"
    described.write_text(json.dumps(patched_description(packages)), encoding="utf-8")
    port = free_port()
    # Node is started itself, and no script around it, so that ending the process ends the server.
    program = packages / _PRISM / json.loads((packages / _PRISM / "package.json").read_text("utf-8"))["bin"]["prism"]
    command = [str(node), str(program), "mock", "-p", str(port), "-h", "127.0.0.1", str(described)]
    with a_program(command, port, folder / "twilio.log"):
        yield f"http://127.0.0.1:{port}"

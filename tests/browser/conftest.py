"""The running line in a process of its own, and a real browser in front of it.

Where VARDE_TEST_PICTURES names a folder, pictures of the pages are left there to be looked at.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, Route, async_playwright, expect

from helpline import accounts
from helpline.clock import SystemClock
from helpline.database import Database
from tests.needs import needs_chromium, needs_node

STARTS_WITHIN = 180  # seconds; the first start makes the shelves searchable
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
expect.set_options(timeout=30_000)  # milliseconds: a busy machine is no fault of the page
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 800}
# Size decides where things stand and scheme their colours, so each of both is looked at once; the clinician's page, and
# everything where this is set, in all four.
_LOOKS = [(PHONE, "dark"), (DESKTOP, "light")]
if os.environ.get("VARDE_TEST_EVERY_LOOK"):
    _LOOKS += [(PHONE, "light"), (DESKTOP, "dark")]
each_look = pytest.mark.parametrize(
    ("size", "scheme"), _LOOKS, ids=[f"{'phone' if size is PHONE else 'desk'}-{scheme}" for size, scheme in _LOOKS]
)


class Server:
    """`varde serve` in a process of its own, with a database of its own."""

    def __init__(self, folder: Path, port: int | None = None, **settings: str) -> None:
        self.folder = folder
        self.port = port or _free_port()
        self._settings = {f"VARDE_{name.upper()}": value for name, value in settings.items()}
        self.link = ""  # the one-time link that the start printed
        self._process: subprocess.Popen[str] | None = None
        self._said: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start, and come back when it serves."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("VARDE_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bot", "serve", "--port", str(self.port)],
            cwd=Path(__file__).parents[2],
            env={**kept, "VARDE_DATA_DIR": str(self.folder), "VARDE_LOG_LEVEL": "warning", **self._settings},
            stderr=subprocess.PIPE,
            text=True,
        )
        serves = threading.Event()
        self._listener = threading.Thread(target=self._listen, args=[serves], daemon=True)
        self._listener.start()
        if not serves.wait(STARTS_WITHIN) or self._process.poll() is not None:
            raise RuntimeError("the line did not start:\n" + "".join(self._said))

    def _listen(self, serves: threading.Event) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._said.append(line)
            found = re.search(r"(http://\S+/desk/sign-in/\S+)", line)
            if found:
                self.link = found[1]
            if line.startswith("Stop with"):
                serves.set()
        serves.set()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it and wait until it is gone."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=30)
            self._listener.join(timeout=30)
            if self._process.stderr is not None:
                self._process.stderr.close()
            self._process = None

    async def new_link(self) -> str:
        """Another link for the local advisor."""
        db = Database.connect(f"sqlite:///{self.folder / 'varde.db'}")
        async with db.write() as conn:
            token = await accounts.make_sign_in_link(conn, "local", now=SystemClock().now())
        await db.dispose()
        return f"{self.url}/desk/sign-in/{token}"


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The running line, one for each file: whoever waits in one must not stand in the other's list."""
    needs_chromium()
    line = Server(tmp_path_factory.mktemp("line"))
    line.start()
    yield line
    line.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium, without a screen."""
    chromium = needs_chromium()
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=str(chromium), args=FLAGS)
        yield launched
        await launched.close()


MakeContext = Callable[..., Awaitable[BrowserContext]]


@pytest_asyncio.fixture(loop_scope="session")
async def make_context(browser: Browser, server: Server) -> AsyncIterator[MakeContext]:
    """Opens a browser of its own each time: phone-sized, in Norwegian, with scripts, unless told otherwise."""
    opened: list[BrowserContext] = []

    async def make(**options: Any) -> BrowserContext:
        values: dict[str, Any] = {"viewport": PHONE, "locale": "nb-NO", "base_url": server.url}
        context = await browser.new_context(**{**values, **options})
        context.set_default_timeout(30_000)
        await context.route(re.compile(r"^https?://(?!127\.0\.0\.1|localhost:)"), _elsewhere)
        opened.append(context)
        return context

    yield make
    for context in opened:
        await context.close()


async def _elsewhere(route: Route) -> None:
    """The rest of the world: a page about the weather, and nothing that a page of ours may load."""
    if route.request.is_navigation_request():
        await route.fulfill(status=200, content_type="text/html", body="<title>weather</title><h1>Weather</h1>")
    else:
        await route.abort()


class Watched:
    """A page of which every complaint is written down."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))


@pytest.fixture(scope="session")
def axe() -> str:
    """The accessibility checker's source."""
    return (needs_node("axe-core") / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture
def check(axe: str, request: pytest.FixtureRequest) -> Callable[[Page, str], Awaitable[None]]:
    """Checks a page as it stands: no violation of WCAG 2.2 AA, nothing wider than the screen; and takes its picture."""

    async def check(page: Page, name: str) -> None:
        # A page that is looked at before its stylesheet is there has neither sizes nor colours.
        await page.wait_for_load_state("load")
        await page.evaluate("() => Promise.all(document.getAnimations().map((each) => each.finished))")
        pictures = os.environ.get("VARDE_TEST_PICTURES")
        if pictures:
            label = re.sub(r"[^\w-]+", "-", f"{request.node.name}-{name}")
            await page.screenshot(path=Path(pictures) / f"{label}.png")
        await page.evaluate(axe)
        tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
        results = await page.evaluate("(tags) => axe.run(document, {runOnly: tags})", tags)
        found = [
            f"{violation['id']}: {violation['help']}: {[node['html'] for node in violation['nodes']]}"
            for violation in results["violations"]
        ]
        assert found == [], f"{name}: {found}"
        wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{name} is {wide} pixels wider than the screen"

    return check


async def eventually(condition: Callable[[], Awaitable[bool]], *, within: float = 30) -> None:
    """Come back when it holds."""
    async with asyncio.timeout(within):
        while not await condition():
            await asyncio.sleep(0.05)

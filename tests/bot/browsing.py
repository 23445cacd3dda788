"""A browser without scripts, as far as a test needs one: a page, its forms, its entries."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient

Client = TestClient[web.Request, web.Application]


@dataclass(frozen=True)
class Said:
    """One entry of a transcript."""

    who: str
    words: str
    state: str
    urgent: bool


@dataclass(frozen=True)
class Page:
    """A page as it came."""

    status: int
    url: str
    text: str
    headers: Any

    @property
    def message_id(self) -> str:
        """The one-time id in the form."""
        return self._attribute(r'name="id" value="([^"]+)"')

    @property
    def csrf(self) -> str:
        """The session's token in the forms."""
        return self._attribute(r'name="csrf" value="([^"]+)"')

    @property
    def title(self) -> str:
        return self._attribute(r"<title>([^<]*)</title>")

    @property
    def language(self) -> str:
        return self._attribute(r'<html lang="([^"]*)"')

    @property
    def box(self) -> str:
        """What stands in the box."""
        return self._attribute(r'<textarea id="text"[^>]*>([^<]*)</textarea>')

    @property
    def notice(self) -> str:
        """What the page tells."""
        found = re.search(r'id="notice"[^>]*><p>([^<]*)</p>', self.text)
        return html.unescape(found[1]) if found else ""

    @property
    def taps(self) -> dict[str, str]:
        """What can be tapped: label and token."""
        found = re.findall(r'name="tap" value="([^"]*)"[^>]*>(?:<span[^>]*>[^<]*</span> )?([^<]*)<', self.text)
        return {html.unescape(label).strip(): html.unescape(token) for token, label in found}

    @property
    def examples(self) -> list[str]:
        """The example questions."""
        return [html.unescape(label) for label in re.findall(r'name="example"[^>]*>([^<]*)<', self.text)]

    @property
    def said(self) -> list[Said]:
        """The transcript."""
        return read_entries(self.text)

    def words_of(self, who: str) -> list[str]:
        """What one of them said."""
        return [said.words for said in self.said if said.who == who]

    def _attribute(self, pattern: str) -> str:
        found = re.search(pattern, self.text)
        assert found is not None, f"{pattern} is not on the page"
        return html.unescape(found[1])


def read_entries(text: str) -> list[Said]:
    """The entries in a page or a part of one."""
    entries = []
    for part in re.split(r'<div class="entry ', text)[1:]:
        if part.startswith("line welcome"):
            continue
        kinds = part[: part.index('"')].split()
        body = re.search(r'<div class="words"[^>]*>(.*?)</div>', part, re.DOTALL)
        assert body is not None
        lines = re.sub(r"<br>|</p>|</li>", "\n", body[1])
        words = "\n".join(line.strip() for line in re.sub(r"<[^>]+>", "", lines).splitlines() if line.strip())
        state = re.search(r'<span class="state ([a-z_]+)"', part)
        entries.append(Said(kinds[0], html.unescape(words), state[1] if state else "", "urgent" in kinds))
    return entries


async def read(response: ClientResponse) -> Page:
    """The page in a response."""
    return Page(response.status, str(response.url.relative()), await response.text(), response.headers)


async def get(client: Client, path: str = "/", **options: Any) -> Page:
    """Open a page."""
    return await read(await client.get(path, **options))


async def post(client: Client, path: str, fields: Mapping[str, str], **options: Any) -> Page:
    """Send a form."""
    return await read(await client.post(path, data=fields, **options))


async def say(client: Client, text: str) -> Page:
    """Write something in the chat, as a browser without scripts does."""
    page = await get(client)
    return await post(client, "/say", {"id": page.message_id, "text": text, "do": "send"})


async def tap(client: Client, token: str, **fields: str) -> Page:
    """Press a button in the chat."""
    page = await get(client)
    return await post(client, "/say", {"id": page.message_id, "tap": token, **fields})

"""Forms as a browser without scripts sends them: every field of a form as it stands, and one pressed button."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote_plus

from tests.bot.browsing import Client, Page, read

Pairs = list[tuple[str, str]]


class _Forms(HTMLParser):
    """Reads what the forms of a page would send."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[tuple[dict[str, str], Pairs]] = []
        self._open = -1
        self._select: tuple[str, str, list[tuple[str, bool]]] | None = None
        self._outside: list[tuple[str, str, str]] = []  # of fields that stand beside their form: its id, name, value
        self._area: tuple[str, list[str]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append((given, []))
            self._open = len(self.forms) - 1
        elif tag == "select":
            self._select = (given.get("form", ""), given.get("name", ""), [])
        elif tag == "option" and self._select is not None:
            self._select[2].append((given.get("value", ""), "selected" in given))
        elif tag == "textarea":
            self._area = (given.get("name", ""), [])
        elif tag == "input" and self._open >= 0 and "name" in given:
            kind = given.get("type", "text")
            if kind not in {"checkbox", "radio", "file"} or "checked" in given:
                self.forms[self._open][1].append((given["name"], given.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = -1
        elif tag == "select" and self._select is not None:
            form, name, options = self._select
            chosen = ([value for value, selected in options if selected] or [options[0][0]])[-1]
            if self._open >= 0:
                self.forms[self._open][1].append((name, chosen))
            else:
                self._outside.append((form, name, chosen))
            self._select = None
        elif tag == "textarea" and self._area is not None:
            self.forms[self._open][1].append((self._area[0], "".join(self._area[1]).removeprefix("\n")))
            self._area = None

    def close(self) -> None:
        super().close()
        for form, name, value in self._outside:
            for given, pairs in self.forms:
                if given.get("id") == form:
                    pairs.append((name, value))

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self._area[1].append(data)


def forms_of(page: Page) -> Iterator[tuple[dict[str, str], Pairs]]:
    """Each form: its attributes, and the fields it would send."""
    reader = _Forms()
    reader.feed(page.text)
    reader.close()
    yield from reader.forms


def form_of(page: Page, action: str = "", **attributes: str) -> tuple[dict[str, str], Pairs]:
    """The form with these attributes, or the one that posts to an address that ends so."""
    for given, pairs in forms_of(page):
        if given.get("action", "").endswith(action) and all(given.get(k) == v for k, v in attributes.items()):
            return given, pairs
    raise AssertionError(f"no form {action} {attributes} on the page")


def filled(pairs: Pairs, changes: Mapping[str, str | list[str]]) -> Pairs:
    """The fields after somebody typed: a name with several values gets them all, in their order."""
    found = [(name, value) for name, value in pairs if name not in changes]
    for name, values in changes.items():
        found += [(name, value) for value in ([values] if isinstance(values, str) else values)]
    return found


async def send(client: Client, address: str, pairs: Pairs, **options: Any) -> Page:
    """Send fields, repeated ones in their order."""
    body = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in pairs)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return await read(await client.post(address, data=body, headers=headers, **options))


async def press(client: Client, page: Page, do: str, changes: Mapping[str, str | list[str]] | None = None) -> Page:
    """Type into the roster's form and press one of its buttons."""
    given, pairs = form_of(page, id="roster")
    return await send(client, given["action"], [*filled(pairs, changes or {}), ("do", do)])

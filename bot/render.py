"""Pages from templates, and what people said made fit to be shown on one.

What somebody wrote is always text: it is escaped, and nothing in it becomes a link. In our own words web addresses
and telephone numbers become links, lines that begin with "- " become a list, and the line with the source is set apart.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from helpline.messages import Choice, Language
from helpline.phrases import Phrases
from helpline.sessions import KEPT_TEXT
from helpline.static_files import StaticFiles
from helpline.web import LANGUAGE, ErrorPage, html

_HERE = Path(__file__).resolve().parent
_ADDRESS = re.compile(r"https?://[^\s<>\"]+")
_TRAILING = ".,;:!?)»”'"

# A telephone number as the two countries write them: 22 33 11 60, 466 15 000, 116 117, 020-390 000. Short ones are left
# alone: 112 stands at the head of the chat, and a number of three digits may be a paragraph's.
_NUMBER = re.compile(
    r"(?<![\w.,/+§-])(?<!\d )"
    r"(?:\d{2}(?: \d{2}){3}|[489]\d{2} \d{2} \d{3}|116 ?\d{3}|0\d{1,3}-\d{2,3}(?: \d{2,3}){1,2})"
    r"(?![\w-]|[.,:/]\d| \d)"
)

# Marks that turn the direction of what follows could make a page read otherwise than it was written.
_TURNING = {ord(mark): None for mark in "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"}


@dataclass(frozen=True)
class Block:
    """A paragraph, a list, or the line that says where an answer comes from."""

    kind: str  # "text", "list" or "source"
    lines: tuple[Markup, ...]


@dataclass(frozen=True)
class Entry:
    """One thing that was said, ready to be shown."""

    id: str  # of the element on the page
    order: int  # microseconds since 1970; entries stand in this order
    who: str  # "you", "line" or "advisor"; on the desk also "clinician"
    name: str
    at: datetime
    clock: str
    blocks: tuple[Block, ...]
    choices: tuple[Choice, ...] = ()
    choices_label: str = ""
    urgent: bool = False
    state: str = ""  # of delivery, on the desk
    state_said: str = ""
    again: str = ""  # what did not arrive can be sent once more, by this id
    again_at: str = ""  # and there
    language: str = ""


class Pages:
    """The templates, with the phrases and the addresses of the static files at hand."""

    def __init__(self, phrases: Phrases, static: StaticFiles, *, folder: Path | None = None) -> None:
        self.static = static
        self._phrases = phrases
        self._templates = _templates(folder or _HERE / "pages")
        self._sources = _source_lines(phrases)

    def render(self, name: str, language: Language, **values: Any) -> str:
        """The template filled in, in this language."""

        def say(key: str, **filled: object) -> str:
            return self._phrases.say(key, language, **filled)

        template = self._templates.get_template(name)
        return template.render(language=language, say=say, static=self.static.address, **values)

    def page(self, name: str, language: Language, *, status: int = 200, **values: Any) -> web.Response:
        """The template as a response."""
        return html(self.render(name, language, **values), status=status)

    def error(self, request: web.Request, status: int, said: str) -> web.Response:
        """What a person sees in place of a page that could not be given."""
        back = "/desk/" if request.path.startswith("/desk") else "/"
        kept = request.get(KEPT_TEXT, "")
        return self.page("error.html", request[LANGUAGE], status=status, said=said, back=back, kept=kept)

    def own_words(self, text: str) -> tuple[Block, ...]:
        """Our own words in blocks, web addresses in them as links."""
        blocks: list[Block] = []
        for paragraph in _paragraphs(text):
            lines = paragraph.split("\n")
            if len(lines) == 1 and self._sources.search(lines[0]):
                blocks.append(Block("source", (_linked(lines[0]),)))
                continue
            for is_list, run in _runs(lines):
                shown = (line.removeprefix("- ") if is_list else line for line in run)
                blocks.append(Block("list" if is_list else "text", tuple(_linked(line) for line in shown)))
        return tuple(blocks)

    def their_words(self, text: str) -> tuple[Block, ...]:
        """Somebody else's words: as they were written, and nothing but text."""
        shown = (paragraph.split("\n") for paragraph in _paragraphs(text))
        return tuple(Block("text", tuple(escape(line) for line in lines)) for lines in shown)


@cache
def _templates(folder: Path) -> Environment:
    """The templates of a folder: compiled once in a process, however often the front door is built."""
    templates = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["callable_numbers"] = callable_numbers
    return templates


def error_page(pages: Pages) -> ErrorPage:
    """What the web kit shows to a person in place of a page."""
    return pages.error


def microseconds(at: datetime) -> int:
    """The instant as a whole number, to put things in order by."""
    return int(at.timestamp() * 1_000_000)


def _paragraphs(text: str) -> list[str]:
    legible = text.translate(_TURNING).replace("\r\n", "\n").replace("\r", "\n")
    return [part.strip("\n") for part in re.split(r"\n{2,}", legible) if part.strip()]


def _runs(lines: Sequence[str]) -> Iterable[tuple[bool, list[str]]]:
    """Neighbouring lines together that are, or are not, items of a list."""
    run: list[str] = []
    for line in lines:
        if run and line.startswith("- ") != run[0].startswith("- "):
            yield run[0].startswith("- "), run
            run = []
        run.append(line)
    if run:
        yield run[0].startswith("- "), run


_LINK = Markup('<a href="{}" target="_blank" rel="noreferrer noopener">{}</a>')
_CALL = Markup('<a href="tel:{}">{}</a>')


def _host(address: str) -> str:
    """Whose page it is: what a reader needs to know of an address that fills half a phone."""
    return address.partition("//")[2].partition("/")[0].removeprefix("www.")


def _linked(line: str) -> Markup:
    parts: list[Markup] = []
    end = 0
    for found in _ADDRESS.finditer(line):
        address = found.group().rstrip(_TRAILING)
        parts.append(callable_numbers(line[end : found.start()]))
        parts.append(_LINK.format(address, _host(address)))
        end = found.start() + len(address)
    parts.append(callable_numbers(line[end:]))
    return Markup("").join(parts)


def callable_numbers(words: str) -> Markup:
    """Our own words with their telephone numbers as links: whoever stands there with a phone taps and is through."""
    parts: list[Markup] = []
    end = 0
    for found in _NUMBER.finditer(words):
        parts.append(escape(words[end : found.start()]))
        parts.append(_CALL.format(re.sub(r"\D", "", found.group()), found.group()))
        end = found.end()
    parts.append(escape(words[end:]))
    return Markup("").join(parts)


def _source_lines(phrases: Phrases) -> re.Pattern[str]:
    """What the line with an answer's source looks like, in any language."""
    alternatives = []
    for template in phrases.texts["answer.source"].values():
        pieces = (re.escape(words) + (".+" if name else "") for words, name, _, _ in string.Formatter().parse(template))
        alternatives.append("".join(pieces))
    return re.compile("(?:" + "|".join(alternatives) + ")$")

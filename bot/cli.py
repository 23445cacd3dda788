"""The command line: `varde …`.

What people script against: with `--json` each result is one JSON object a line on standard output, logs go to standard error,
wrong usage ends with 2 and failure with 1. `ask`, `refer`, `mask` and `oncall --batch` store nothing; where there is no database yet
they read the shipped content and create nothing.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

from helpline.content import ContentError
from helpline.messages import Country, Language
from helpline.settings import SettingsError
from helpline.storage import StorageError

app = typer.Typer(
    name="varde",
    help="The round-the-clock advice line for health workers who suspect human trafficking.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
staff_app = typer.Typer(help="The people who work at the line.", no_args_is_help=True)
app.add_typer(staff_app, name="staff")

_errors = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
BatchOption = Annotated[
    Path | None, typer.Option("--batch", help="A file with one JSON object a line; - for standard input.")
]
CountryOption = Annotated[Country | None, typer.Option("--country", help="Whose law and services are meant.")]
LanguageOption = Annotated[Language | None, typer.Option("--language", help="The language of the answer.")]


class Role(StrEnum):
    """Which part of the work a process does."""

    ALL = "all"
    WEB = "web"
    WORKER = "worker"


class Shelf(StrEnum):
    """What can be brought in and taken out."""

    ARTICLES = "articles"
    SERVICES = "services"
    ROSTER = "roster"


class Usage(Exception):
    """The command was used in a way that makes no sense."""


def fail(sentence: str, code: int = 1) -> NoReturn:
    """End with a sentence on standard error."""
    _errors.print(sentence)
    raise typer.Exit(code)


def main() -> None:
    """Run the command line; every error that we know ends in one plain sentence."""
    try:
        app()
    except Usage as error:
        _errors.print(str(error))
        sys.exit(2)
    except (ContentError, SettingsError, StorageError) as error:
        _errors.print(str(error))
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(1)


# --- lines in, lines out ------------------------------------------------------------------------------------------------


def batch_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSON-lines file. Raises `Usage`, naming the line."""
    try:
        with sys.stdin if str(path) == "-" else path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                try:
                    given = json.loads(line)
                except json.JSONDecodeError as error:
                    raise Usage(f"{path}:{number}: this line is not JSON ({error.msg}).") from error
                if not isinstance(given, dict):
                    raise Usage(f"{path}:{number}: a line must be a JSON object.")
                yield given
    except (OSError, UnicodeDecodeError) as error:
        raise Usage(f"{path} cannot be read: {error}") from error


def put(result: Mapping[str, Any]) -> None:
    """One result on standard output."""
    sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")


def run_lines(
    answer: Callable[[Mapping[str, Any]], Mapping[str, Any]], single: Mapping[str, Any] | None, batch: Path | None
) -> None:
    """Answer one question, or each line of a file. A bad line is named and ends the run with 2, after what came before."""
    if (single is None) == (batch is None):
        raise Usage("Give either one text or --batch FILE.")
    if single is not None:
        put(_answered(answer, single, ""))
        return
    assert batch is not None
    for number, line in enumerate(batch_lines(batch), start=1):
        put(_answered(answer, line, f"{batch}, line {number}: "))


def _answered(
    answer: Callable[[Mapping[str, Any]], Mapping[str, Any]], given: Mapping[str, Any], where: str
) -> Mapping[str, Any]:
    try:
        return answer(given)
    except ValueError as error:
        raise Usage(f"{where}{error}") from error


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)

"""The command line: `varde …`.

What people script against: with `--json` each result is one JSON object a line on standard output, logs go to standard
error,
wrong usage ends with 2 and failure with 1. `ask`, `refer`, `mask` and `oncall --batch` store nothing; where there is no
database yet
they read the shipped content and create nothing.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import orjson
import typer
from rich.console import Console

from bot import staff_commands
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
app.add_typer(staff_commands.app, name="staff")

_errors = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
BatchOption = Annotated[
    Path | None, typer.Option("--batch", help="A file with one JSON object a line; - for standard input.")
]
CountryOption = Annotated[Country | None, typer.Option("--country", help="Whose law and services are meant.")]
LanguageOption = Annotated[Language | None, typer.Option("--language", help="The language of the answer.")]

Answer = TypeVar("Answer", Mapping[str, Any], bytes)


class Role(StrEnum):
    """Which part of the work a process does."""

    ALL = "all"
    WEB = "web"
    WORKER = "worker"


class Shelf(StrEnum):
    """What can be brought in and taken out."""

    ARTICLES = "articles"
    SERVICES = "services"
    ORGANISATIONS = "organisations"
    ROSTER = "roster"
    LADDERS = "ladders"
    HSDS = "hsds"


class Form(StrEnum):
    """How a directory is written as HSDS."""

    JSON = "json"
    PACKAGE = "package"


class Hsds(StrEnum):
    """The versions of HSDS that are written."""

    V3_0 = "3.0"
    V3_1 = "3.1"


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


# --- lines in, lines out ----------------------------------------------------------------------------------------


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


def put(result: Mapping[str, Any] | bytes) -> None:
    """One result, or what is JSON already, on standard output."""
    if isinstance(result, bytes):
        # An answer of `refer` may be megabytes long, and need not be made text in between.
        sys.stdout.flush()
        sys.stdout.buffer.write(result + b"\n")
    else:
        sys.stdout.write(orjson.dumps(result).decode() + "\n")


def run_lines(
    answer: Callable[[Mapping[str, Any]], Answer],
    single: Mapping[str, Any] | None,
    batch: Path | None,
) -> None:
    """Answer one question, or each line of a file. A bad line is named and ends the run, after what came before."""
    if (single is None) == (batch is None):
        raise Usage("Give either one text or --batch FILE.")
    if single is not None:
        put(_answered(answer, single, ""))
        return
    assert batch is not None
    for number, line in enumerate(batch_lines(batch), start=1):
        put(_answered(answer, line, f"{batch}, line {number}: "))


def _answered(answer: Callable[[Mapping[str, Any]], Answer], given: Mapping[str, Any], where: str) -> Answer:
    try:
        return answer(given)
    except ValueError as error:
        raise Usage(f"{where}{error}") from error


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    from bot.office import Refusal

    try:
        return asyncio.run(work)
    except Refusal as error:
        raise Usage(str(error)) from error


def _text_or_batch(text: str | None, batch: Path | None, **extra: object) -> Mapping[str, Any] | None:
    """The one line that options describe, or None where a file was given."""
    given = {key: value for key, value in extra.items() if value not in (None, False, [])}
    if text is None:
        return given if given and batch is None else None
    return {"text": text, **given}


# --- what is answered, without storing anything -----------------------------------------------------------------


@app.command()
def ask(
    text: Annotated[str | None, typer.Argument(help="The question.")] = None,
    batch: BatchOption = None,
    articles: Annotated[Path | None, typer.Option("--articles", help="A folder or JSON-lines file instead.")] = None,
    country: CountryOption = None,
    language: LanguageOption = None,
    as_json: JsonOption = False,
) -> None:
    """What would be answered. Stores nothing."""
    from bot.asking import asker

    answer = asker(articles, country)
    single = _text_or_batch(text, batch, country=country, language=language)
    if as_json or batch is not None:
        run_lines(answer, single, batch)
        return
    if single is None or text is None:
        raise Usage("Give either one text or --batch FILE.")
    result = _answered(answer, single, "")
    say = Console(highlight=False, markup=False)
    say.print(f"{result['outcome']}  (danger: {result['danger']}, {result['ms']} ms)")
    for candidate in result["articles"]:
        say.print(f"  {candidate['score']:.3f}  {candidate['id']}")


@app.command()
def evaluate(
    questions: Annotated[
        Path, typer.Argument(help="A file of questions with what is expected, one JSON object a line; - for input.")
    ],
    articles: Annotated[Path | None, typer.Option("--articles", help="A folder or JSON-lines file instead.")] = None,
    country: CountryOption = None,
    as_json: JsonOption = False,
) -> None:
    """How often the right article is found, and how often a straight answer would be right. Stores nothing."""
    from bot.evaluating import evaluate_file, show
    from bot.office import Refusal

    def say(done: int, of: int) -> None:
        if of >= 3_000 and done % 1_000 == 0:
            _errors.print(f"{done} of {of} asked")

    try:
        report = evaluate_file(batch_lines(questions), str(questions), articles, country, say)
    except Refusal as error:
        raise Usage(str(error)) from error
    if as_json:
        put(report)
        return
    show(report, Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 140))


@app.command()
def refer(
    place: Annotated[str | None, typer.Option("--place", help="Kommune, hospital, town or postal code.")] = None,
    country: CountryOption = None,
    need: Annotated[list[str] | None, typer.Option("--need", help="What is needed; may be repeated.")] = None,
    sex: Annotated[str | None, typer.Option("--sex", help="female, male or other")] = None,
    age: Annotated[str | None, typer.Option("--age", help="A number of years, adult or minor.")] = None,
    status: Annotated[str | None, typer.Option("--status", help="The patient's legal status.")] = None,
    exploitation: Annotated[str | None, typer.Option("--exploitation", help="The form of exploitation.")] = None,
    with_children: Annotated[bool, typer.Option("--with-children", help="Children come along.")] = False,
    families: Annotated[bool, typer.Option("--families", help="A whole family is to stay together.")] = False,
    substance_use: Annotated[bool, typer.Option("--substance-use", help="There is active substance use.")] = False,
    catalogue: Annotated[
        list[str] | None, typer.Option("--catalogue", help="A row of the programme's catalogue; may be repeated.")
    ] = None,
    languages: Annotated[
        list[str] | None, typer.Option("--languages", help="One of the patient's, as ar or so; may be repeated.")
    ] = None,
    at: Annotated[str | None, typer.Option("--at", help="The instant, with its zone.")] = None,
    batch: BatchOption = None,
    as_json: JsonOption = False,
) -> None:
    """Who can help this patient, here, at this hour, and why."""
    from bot.asking import referrer, referrer_in_writing

    years: object = int(age) if age is not None and age.isdecimal() else age
    single = (
        None
        if batch is not None
        else _line(
            place=place,
            country=country.value if country is not None else None,
            need=need or None,
            sex=sex,
            age=years,
            status=status,
            exploitation=exploitation,
            with_children=with_children or None,
            families=families or None,
            substance_use=substance_use or None,
            catalogue=catalogue or None,
            languages=languages or None,
            at=at,
        )
    )
    if as_json or batch is not None:
        run_lines(referrer_in_writing(), single, batch)
        return
    assert single is not None
    result = _answered(referrer(), single, "")
    say = Console(highlight=False, markup=False)
    found = result["place"]
    say.print(f"{found['outcome']}: {found.get('name') or ''}")
    for offer in result["offered"]:
        say.print(f"  {offer['name']}\n      {'; '.join(offer['reasons'])}")
    say.print(f"  {len(result['dropped'])} dropped (--json tells why)")


def _line(**told: object) -> dict[str, object]:
    return {key: value for key, value in told.items() if value is not None}


@app.command()
def mask(
    text: Annotated[str | None, typer.Argument(help="The text.")] = None,
    batch: BatchOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take out what points to a person."""
    from bot.asking import masker

    answer = masker().mask_line
    single = _text_or_batch(text, batch)
    if as_json or batch is not None:
        run_lines(answer, single, batch)
        return
    if single is None:
        raise Usage("Give either one text or --batch FILE.")
    sys.stdout.write(f"{answer(single)['masked']}\n")


@app.command()
def oncall(
    at: Annotated[
        str | None, typer.Option("--at", help="The instant, with its zone; now where it is left out.")
    ] = None,
    batch: BatchOption = None,
    as_json: JsonOption = False,
) -> None:
    """Who is on call: in the stored roster, or in each roster definition of a file."""
    from bot.asking import on_call_now
    from escalation.rota.on_call import oncall_line

    if batch is not None:
        if at is not None:
            raise Usage("--at asks the stored roster; a line of --batch has its own instants.")
        run_lines(oncall_line, None, batch)
        return
    found = _run(on_call_now(at))
    if as_json:
        put({"on_call": found})
        return
    say = Console(highlight=False, markup=False)
    how = {
        "record": " (as it was recorded)",
        "down": " (by the roster; the line was not running then)",
        "unrecorded": " (by the roster; nothing was recorded then)",
    }
    for roster in found:
        people = ", ".join(roster["people"]) or "nobody"
        until = f" until {roster['until']}" if roster["until"] else ""
        stands_in = " (stands in)" if roster["stands_in"] else ""
        say.print(f"{roster['roster']}: {people}{until}{stands_in}{how.get(roster['how'], '')}")


# --- the running line -------------------------------------------------------------------------------------------


@app.command()
def serve(
    host: Annotated[str | None, typer.Option("--host", help="The address to listen on.")] = None,
    port: Annotated[int | None, typer.Option("--port", min=1, max=65535, help="The port to listen on.")] = None,
    role: Annotated[Role, typer.Option("--role", help="Which part of the work this process does.")] = Role.ALL,
) -> None:
    """Run the line."""
    from bot.serving import serve_line

    raise typer.Exit(_run(serve_line(host, port, role.value)))


@app.command()
def chat(country: CountryOption = None, language: LanguageOption = None) -> None:
    """Hold a conversation in this terminal: the same engine, the same storage."""
    from bot.terminal import talk

    raise typer.Exit(_run(talk(country, language)))


# --- the operator -----------------------------------------------------------------------------------------------


@app.command()
def migrate() -> None:
    """Bring the tables to what this version needs."""
    from bot.operating import migrate_database

    _run(migrate_database())
    _errors.print("The tables are up to date.")


@app.command("import")
def import_(
    what: Annotated[Shelf, typer.Argument(help="What the file or folder holds.")],
    path: Annotated[Path, typer.Argument(help="A file or folder.", exists=True)],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change (articles, hsds), and change nothing.")
    ] = False,
    country: CountryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring in articles, services, organisations, a roster, the ladders, or a directory as Open Referral HSDS.

    A file with a fault changes nothing. Of HSDS data it is told what was left behind.
    """
    from bot.operating import bring_in

    if what is Shelf.HSDS:
        _bring_hsds(path, country, dry_run, as_json)
        return
    if dry_run or as_json:
        if what is not Shelf.ARTICLES or not dry_run:
            raise Usage("--dry-run is for articles and hsds, and --json for --dry-run.")
        _show_plan(path, as_json)
        return

    _errors.print(_run(bring_in(what.value, path)))


def _bring_hsds(path: Path, country: Country | None, dry_run: bool, as_json: bool) -> None:
    from bot.operating import bring_in_hsds

    plan = _run(bring_in_hsds(path, country, dry_run=dry_run))
    for result in plan.results() if as_json else ():
        put(result)
    for line in () if as_json else plan.lines():
        sys.stdout.write(f"{line}\n")
    _errors.print(plan.summary(done=not dry_run))


def _show_plan(path: Path, as_json: bool) -> None:
    from bot.bulk import plan_articles

    plan = _run(plan_articles(path))
    if as_json:
        for result in plan.results():
            put(result)
    else:
        for line in plan.lines():
            sys.stdout.write(f"{line}\n")
    _errors.print(plan.summary())


@app.command()
def export(
    what: Annotated[Shelf, typer.Argument(help="What to take out.")],
    path: Annotated[Path, typer.Argument(help="Where to: a folder, or a file for a roster.")],
    form: Annotated[Form, typer.Option("--format", help="Of hsds: nested JSON, or the tabular package.")] = Form.JSON,
    partner: Annotated[bool, typer.Option("--partner", help="Of hsds: what partners may read.")] = False,
    hsds_version: Annotated[Hsds, typer.Option("--hsds-version", help="Of hsds: which version.")] = Hsds.V3_1,
) -> None:
    """Take out articles, services, organisations, the roster, the ladders, or the directory as Open Referral HSDS.

    HSDS goes to a folder; JSON also to one file (.json), a package to one archive (.zip). Beside it stands a report of
    what was left behind.
    """
    from bot.operating import take_out, take_out_hsds

    if what is Shelf.HSDS:
        _errors.print(_run(take_out_hsds(path, form=form.value, partner=partner, version=hsds_version.value)))
        return
    if partner or form is not Form.JSON or hsds_version is not Hsds.V3_1:
        raise Usage("--format, --partner and --hsds-version are for hsds.")
    _errors.print(_run(take_out(what.value, path)))


@app.command()
def check(as_json: JsonOption = False) -> None:
    """Everything an operator should know is wrong: content, coverage, settings. Ends with 1 where there is any."""
    from bot.operating import check_everything

    findings = _run(check_everything())
    for finding in findings:
        if as_json:
            put({"severity": finding.severity.value, "area": finding.area, "sentence": finding.sentence})
        else:
            _errors.print(f"{finding.severity.value:7} {finding.area}: {finding.sentence}")
    if any(finding.severity.value == "wrong" for finding in findings):
        raise typer.Exit(1)
    if not as_json:
        _errors.print("Nothing is wrong." if not findings else "Nothing must be mended before the line can run.")

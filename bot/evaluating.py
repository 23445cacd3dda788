"""`varde evaluate`: reads the questions, asks them as `varde ask` would, and shows what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bot.asking import asker_of_known
from bot.office import Refusal
from helpline.messages import Country
from knowledge.evaluating import EvaluationError, Line, evaluate, read_line

_RANKS = (
    ("asked", "asked"),
    ("answerable", "answerable"),
    ("rank_1", "rank 1"),
    ("rank_3", "rank 3"),
    ("mrr", "MRR"),
    ("auroc", "AUROC"),
    ("auroc_right", "AUROC right"),
    ("coverage_95", "cov. 95"),
    ("coverage_90", "cov. 90"),
    ("answered", "answered"),
    ("answered_right", "of these right"),
)
_DANGER = (
    ("danger_found", "danger found"),
    ("danger_asked", "asked with one tap"),
    ("false_alarms", "false alarms"),
    ("false_questions", "needless taps"),
    ("out_of_scope_kept_out", "out of scope kept out"),
)


def evaluate_file(
    raw: Iterable[Mapping[str, object]],
    name: str,
    articles: Path | None,
    country: Country | None,
    progress: Callable[[int, int], None],
) -> dict[str, Any]:
    """Ask every line of a file; raises `Refusal`, naming the line that cannot be read."""
    lines: list[Line] = []
    for number, given in enumerate(raw, start=1):
        try:
            lines.append(read_line(given, number))
        except EvaluationError as error:
            raise Refusal(f"{name}, question {number}: {error}.") from error
    if not lines:
        raise Refusal(f"{name} holds no question.")
    answer, shelved = asker_of_known(articles, country)
    return evaluate(lines, answer, shelved=shelved, progress=progress)


def show(report: Mapping[str, Any], console: Console) -> None:
    """The figures as tables, then the worst misses."""
    strange = report.get("not_on_the_shelves", [])
    if strange:
        console.print(f"{len(strange)} expected articles are not on these shelves: {', '.join(strange[:10])}\n")
    for heading, columns in (("Finding", _RANKS), ("Danger, and what lies outside", _DANGER)):
        table = Table(title=heading, title_justify="left")
        table.add_column("questions")
        for _, title in columns:
            table.add_column(title, justify="right")
        for manner, parts in report["manners"].items():
            for part, told in parts.items():
                row = [_number(told[key]) for key, _ in columns]
                table.add_row(manner if part == "all" else f"  {part}", *row)
        console.print(table)
    told = report["manners"]["as written"]["all"]
    console.print("What became of the answerable: " + _counts(told["outcomes"]))
    console.print("What became of the others: " + _counts(told["beyond"]))
    if report["misses"]:
        console.print("\nThe worst misses")
    for miss in report["misses"]:
        expected = miss["expected"] if isinstance(miss["expected"], str) else ", ".join(miss["expected"])
        console.print(f"  {miss['id']}: {miss['text']}")
        console.print(
            f"      expected {expected}; {miss['outcome']} {miss['score']:.2f}, danger {miss['danger']}: "
            + ", ".join(miss["found"])
        )


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{many} {what}" for what, many in sorted(counts.items(), key=lambda one: -one[1])) or "none"

"""Articles brought in by the hundred or the ten thousand: what would change, and the change in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from helpline.database import Database
from helpline.settings import load_settings
from knowledge import store
from knowledge.articles import Article
from knowledge.diff import FieldDiff, PartKind, diff
from knowledge.store import Imported

_LONGEST_SHOWN = 160  # characters of what stayed the same, between two changes


@dataclass(frozen=True)
class Plan:
    """What an import would do."""

    done: Imported
    changes: Mapping[str, Sequence[FieldDiff]]  # of each article that would change
    titles: Mapping[str, str]
    stays: tuple[str, ...]  # on the shelves, not in the file, and untouched

    def summary(self) -> str:
        """One sentence with the counts."""
        return (
            f"{len(self.done.added)} articles would be added, {len(self.done.changed)} changed, "
            f"{len(self.done.same)} as they are; {len(self.stays)} on the shelves are not in the file and stay."
        )

    def lines(self) -> Iterator[str]:
        """The plan for a person to read."""
        for name in self.done.added:
            yield f"+ {name}: {self.titles[name]}"
        for name in self.done.changed:
            yield f"~ {name}: {self.titles[name]}"
            for field in self.changes[name]:
                yield f"    {field.field}: {_shown(field)}"
            if not self.changes[name]:
                yield "    back on the shelves, with the words it had"

    def results(self) -> Iterator[dict[str, Any]]:
        """The plan for another program: one object an article."""
        for name in self.done.added:
            yield {"id": name, "what": "added", "fields": []}
        for name in self.done.changed:
            fields = [
                {"field": field.field, "parts": [{"kind": kind.value, "text": text} for kind, text in field.parts]}
                for field in self.changes[name]
            ]
            yield {"id": name, "what": "changed", "fields": fields}
        for what, names in (("same", self.done.same), ("stays", self.stays)):
            for name in names:
                yield {"id": name, "what": what, "fields": []}


async def plan_articles(path: Path) -> Plan:
    """What importing these would do. Changes nothing; where there is no database yet, none is made."""
    articles = await asyncio.to_thread(store.own_articles, path)
    db = Database.connect(load_settings(create=False).database_url.reveal())
    try:
        if not await db.prepared():
            return Plan(Imported(added=tuple(one.id for one in articles)), {}, _titles(articles), ())
        async with db.read() as conn:
            done, before = await store.plan_import(conn, articles)
            standing = await store.all_standing(conn)
    finally:
        await db.dispose()
    after = {article.id: article for article in articles}
    changes = {name: diff(before.get(name), after[name]) for name in done.changed}
    stays = tuple(one.id for one in standing if one.published is not None and one.id not in after)
    return Plan(done, changes, _titles(articles), stays)


async def bring_articles(db: Database, path: Path, *, actor: str, now: datetime) -> Imported:
    """Import them all or none, and say on standard error how far it is."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("Reading", total=None)
        articles = await asyncio.to_thread(store.own_articles, path)
        shown.update(task, description="Comparing", total=len(articles))

        def told(done: int, of: int) -> None:
            shown.update(task, description="Putting into storage", completed=done, total=of)

        async with db.write() as conn:
            return await store.put_articles(conn, articles, actor=actor, now=now, progress=told)


def _titles(articles: Sequence[Article]) -> dict[str, str]:
    return {article.id: article.title for article in articles}


def _shown(field: FieldDiff) -> str:
    marks = {PartKind.ADDED: "{{+{}+}}", PartKind.REMOVED: "[-{}-]"}
    return "".join(
        marks[kind].format(text) if kind in marks else _shortened(text) for kind, text in field.parts
    ).replace("\n", " ⏎ ")


def _shortened(text: str) -> str:
    if len(text) <= _LONGEST_SHOWN:
        return text
    half = _LONGEST_SHOWN // 2
    return f"{text[:half]} … {text[-half:]}"

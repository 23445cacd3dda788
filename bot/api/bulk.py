"""Articles in and out by the hundred over the API. What differs becomes drafts: nothing reaches the shelves past the
reviewers and the gate. The same files go out and come in without loss."""

from __future__ import annotations

import asyncio
import io
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final

from bot.api import shapes
from bot.api.operations import EVERYBODY, WRITERS, Answer, Call, Operation, Storage
from bot.api.problems import Trouble, Wrong, bad_fields
from bot.api.reading import unkeepable
from helpline.access_tokens import Scope
from helpline.content import ContentError
from helpline.web import KILOBYTE
from knowledge import drafts, store
from knowledge.articles import Article, body_of
from knowledge.diff import diff
from knowledge.drafts import Draft

ZIP, LINES = "application/zip", "application/x-ndjson"
MOST: Final = 200  # drafts that one import makes: each is a few writes, and meanwhile nobody else writes
_UPLOAD: Final = 16 * 1024 * KILOBYTE
_UNPACKED: Final = 64 * 1024 * KILOBYTE
_ENTRIES: Final = 20_000
_DATED: Final = (1980, 1, 1, 0, 0, 0)  # every file in a zip, so that the same shelves give the same bytes
_BROKEN: Final = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, OSError, EOFError, ValueError)
_TAG = "bulk"


class BulkApi:
    """The operations on many articles at once."""

    def operations(self) -> list[Operation]:
        """What can be done."""
        return [
            Operation(
                "importArticles",
                "POST",
                "/import",
                "Bring in articles as drafts, or see what would change",
                _TAG,
                WRITERS,
                self.bring,
                gives=shapes.ImportOut,
                query=shapes.ImportQuery,
                scope=Scope.WRITE,
                storage=Storage.WRITE,
                prepare=self.read,
                only_reads=lambda call: call.query.dry_run,
                raw_takes=(LINES, ZIP),
                also={409: "More articles differ than one import may turn into drafts."},
                limit=_UPLOAD,
                description="One article a line, or a zip of YAML files, as `exportArticles` gives them. All or none "
                f"are taken. Up to {MOST} drafts are made at a time; a dry run may hold any number.",
            ),
            Operation(
                "exportArticles",
                "GET",
                "/export",
                "What stands on the shelves, as files",
                _TAG,
                EVERYBODY,
                self.give,
                query=shapes.ExportQuery,
                raw_gives=(LINES, ZIP),
            ),
        ]

    async def read(self, call: Call) -> Sequence[Article]:
        """The articles in what was sent."""
        return await asyncio.to_thread(_read, call.body, call.kind)

    async def bring(self, call: Call) -> Answer:
        """Compare, and unless it is a dry run make drafts."""
        articles: Sequence[Article] = call.body
        plan, before = await store.plan_import(call.conn, articles)
        by_id = {article.id: article for article in articles}
        open_drafts = {draft.article_id for draft in await drafts.list_drafts(call.conn)}
        left = sorted(name for name in (*plan.added, *plan.changed) if name in open_drafts)
        added = [name for name in plan.added if name not in open_drafts]
        changed = [name for name in plan.changed if name not in open_drafts]
        made: dict[str, int] = {}
        if not call.query.dry_run:
            if len(added) + len(changed) > MOST:
                raise Trouble(409, "too-many-changes", "api.too_many_changes", {"most": MOST})
            for name in (*added, *changed):
                made[name] = (await _drafted(call, by_id[name], new=name in plan.added)).id
        differing = await asyncio.to_thread(lambda: {name: diff(before.get(name), by_id[name]) for name in changed})
        on_shelves = [one.id for one in await store.all_standing(call.conn) if one.published is not None]

        def told(name: str) -> shapes.ImportedChange:
            return shapes.ImportedChange(
                id=name,
                title=by_id[name].title,
                fields=shapes.diff_out(differing.get(name, [])),
                draft_id=made.get(name),
            )

        return Answer(
            shapes.ImportOut(
                dry_run=call.query.dry_run,
                added=[told(name) for name in added],
                changed=[told(name) for name in changed],
                same=list(plan.same),
                left=left,
                stays=[name for name in on_shelves if name not in by_id],
            )
        )

    async def give(self, call: Call) -> Answer:
        """Everything that stands on the shelves."""
        zipped = call.query.format == "zip"
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / ("articles" if zipped else "articles.jsonl")
            await store.export_articles(call.conn, path)
            raw = await asyncio.to_thread(_zipped if zipped else Path.read_bytes, path)
        name = "articles.zip" if zipped else "articles.jsonl"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Answer(raw=raw, kind=ZIP if zipped else LINES, headers=headers)


async def _drafted(call: Call, article: Article, *, new: bool) -> Draft:
    body = body_of(article)
    if new:
        return await drafts.new_draft(
            call.conn,
            article_id=article.id,
            country=article.country,
            actor=call.actor,
            now=call.now,
            body=body,
        )
    draft = await drafts.open_draft(call.conn, article.id, actor=call.actor, now=call.now)
    gone: dict[str, Any] = {key: None for key in draft.body if key not in body}
    saved = await drafts.save(
        call.conn, draft.id, seen=draft.version, fields={**body, **gone}, actor=call.actor, now=call.now
    )
    return saved.draft


def _read(raw: bytes, kind: str) -> Sequence[Article]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        if kind == ZIP:
            path = folder / "articles"
            path.mkdir()
            _unpack(raw, path)
        else:
            path = folder / "articles.jsonl"
            path.write_bytes(raw)
        try:
            articles = store.own_articles(path)
        except ContentError as error:
            # The folder is ours and says nothing to whoever sent the file.
            raise ContentError(
                error.sentence.replace(f"{folder}/", ""), file=_inside(error.file, folder), line=error.line
            ) from None
    errors = [
        Wrong(f"{article.id}.{wrong.field}", wrong.message)
        for article in articles
        for wrong in unkeepable(body_of(article))
    ]
    if errors:
        raise bad_fields(errors[:50])
    return articles


def _inside(file: str, folder: Path) -> str:
    return file.replace(f"{folder}/", "") if str(folder) in file else Path(file).name


def _unpack(raw: bytes, folder: Path) -> None:
    """Put the YAML files of a zip into a folder, under their own short names; nothing else is taken out."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as packed:
            entries = [each for each in packed.infolist() if not each.is_dir()]
            if len(entries) > _ENTRIES or sum(each.file_size for each in entries) > _UNPACKED:
                raise bad_fields([Wrong("", "The zip holds more than may be unpacked.")])
            for number, entry in enumerate(entries):
                name = PurePosixPath(entry.filename).name
                if not name.endswith(".yaml") or "\\" in entry.filename:
                    raise bad_fields([Wrong("", "The zip may hold YAML files only, named by the id of their article.")])
                target = folder / str(number) / name
                target.parent.mkdir()
                target.write_bytes(_bounded(packed, entry))
    except _BROKEN as error:
        raise bad_fields([Wrong("", "This is no zip that can be read.")]) from error


def _bounded(packed: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    # What an entry says of its size is the sender's word; no more than that is read.
    with packed.open(entry) as file:
        read = file.read(entry.file_size + 1)
    if len(read) != entry.file_size:
        raise zipfile.BadZipFile("the size is wrong")
    return read


def _zipped(folder: Path) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(folder.rglob("*.yaml")):
            entry = zipfile.ZipInfo(str(path.relative_to(folder)), _DATED)
            entry.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(entry, path.read_bytes())
    return out.getvalue()

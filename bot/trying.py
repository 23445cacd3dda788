"""Shelves as they would be with a draft on them, for trying a question: made beside the work, and remembered for as
long as neither the draft nor the shelves change."""

from __future__ import annotations

import asyncio

from bot.library import Library
from knowledge.articles import article_of_body
from knowledge.drafts import Draft
from knowledge.making import make_beside
from knowledge.shelves import Shelves

_REMEMBERED = 3  # shelves with a draft on them


class Trials:
    """The shelves of the drafts that were tried last."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._made: dict[tuple[int, int, int], asyncio.Task[Shelves]] = {}

    async def with_draft(self, draft: Draft) -> Shelves:
        """Made once, however many ask at the same time; `ContentError` where the draft is no article yet."""
        library = self._library
        key = (library.version, draft.id, draft.version)
        making = self._made.get(key)
        if making is None:
            article = article_of_body(draft.body, revision=(draft.base or 0) + 1, file="draft")
            articles = [one for one in library.shelves.articles if one.id != article.id] + [article]
            making = asyncio.create_task(asyncio.to_thread(make_beside, articles, library.tools))
            while len(self._made) >= _REMEMBERED:
                self._made.pop(next(iter(self._made)))
            self._made[key] = making
        try:
            # Whoever goes away takes the shelves from nobody else who waits for them.
            return await asyncio.shield(making)
        except Exception:
            self._made.pop(key, None)
            raise

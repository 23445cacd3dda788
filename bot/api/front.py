"""The API's routes: every operation, and the description of them all."""

from __future__ import annotations

from functools import cached_property

import orjson
from aiohttp import web

from bot.api.articles import ArticleApi
from bot.api.boards import DueApi, GapApi, LawApi
from bot.api.bulk import BulkApi
from bot.api.description import describe
from bot.api.door import ApiDoor
from bot.api.drafts import DraftApi
from bot.api.operations import BASE, Operation
from bot.api.people import PeopleApi
from bot.api.questions import QuestionApi
from bot.api.trying import TryApi
from bot.house import House
from helpline.web import Access, Route


class Api:
    """The API."""

    def __init__(self, house: House) -> None:
        self.door = ApiDoor(house)
        rooms = (
            ArticleApi(house),
            DraftApi(house.phrases),
            QuestionApi(house),
            TryApi(house),
            LawApi(house),
            GapApi(house),
            DueApi(house),
            BulkApi(),
            PeopleApi(),
        )
        self.operations: tuple[Operation, ...] = tuple(each for room in rooms for each in room.operations())

    @cached_property
    def _description(self) -> bytes:
        """Made when somebody first asks: it takes half a second, and most starts are for something else."""
        return orjson.dumps(describe(self.operations), option=orjson.OPT_INDENT_2)

    def routes(self) -> list[Route]:
        """The addresses of the API. The description is public: it says nothing that the program's text does not."""
        return [
            Route("GET", f"{BASE}/openapi.json", self.describe, Access.PUBLIC),
            *(
                Route(each.method, each.address, self.door.handler(each), Access.TOKEN, each.limit)
                for each in self.operations
            ),
        ]

    async def describe(self, request: web.Request) -> web.StreamResponse:
        """The description."""
        return web.Response(body=self._description, content_type="application/json")

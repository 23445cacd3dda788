"""Question sets over the API: what is asked before anything is published."""

from __future__ import annotations

from typing import Any

from bot.api import shapes
from bot.api.operations import WRITERS, Answer, Call, Operation, Storage
from bot.api.paging import page
from bot.api.problems import not_there
from bot.house import House
from helpline.access_tokens import Scope
from knowledge import question_sets
from knowledge.questions import Question, QuestionSet

_TAG = "questions"


class QuestionApi:
    """The operations on questions."""

    def __init__(self, house: House) -> None:
        self._house = house

    def operations(self) -> list[Operation]:
        """What can be done."""
        write: dict[str, Any] = {"scope": Scope.WRITE, "storage": Storage.WRITE}
        there = {404: ""}
        return [
            Operation(
                "listQuestionSets",
                "GET",
                "/question-sets",
                "The sets that are asked before anything is published",
                _TAG,
                WRITERS,
                self.list,
                gives=shapes.SetPage,
                query=shapes.PageQuery,
            ),
            Operation(
                "addQuestionSet",
                "POST",
                "/question-sets",
                "Begin a set",
                _TAG,
                WRITERS,
                self.add_set,
                takes=shapes.SetNew,
                gives=shapes.SetOut,
                status=201,
                also={409: "There is a set of this id."},
                **write,
            ),
            Operation(
                "getQuestionSet",
                "GET",
                "/question-sets/{set}",
                "One set",
                _TAG,
                WRITERS,
                self.get,
                gives=shapes.SetOut,
                parts=shapes.SetParts,
                also=there,
            ),
            Operation(
                "setLevel",
                "PATCH",
                "/question-sets/{set}",
                "Agree on another least share of right answers",
                _TAG,
                WRITERS,
                self.set_level,
                takes=shapes.LevelIn,
                gives=shapes.SetOut,
                parts=shapes.SetParts,
                also=there,
                description="The level decides what the gate blocks, so lowering it takes a reviewer.",
                **write,
            ),
            Operation(
                "listQuestions",
                "GET",
                "/question-sets/{set}/questions",
                "Its questions",
                _TAG,
                WRITERS,
                self.questions,
                gives=shapes.QuestionPage,
                query=shapes.PageQuery,
                parts=shapes.SetParts,
                also=there,
            ),
            Operation(
                "addQuestion",
                "POST",
                "/question-sets/{set}/questions",
                "Add a question",
                _TAG,
                WRITERS,
                self.add,
                takes=shapes.QuestionIn,
                gives=shapes.QuestionOut,
                status=201,
                parts=shapes.SetParts,
                also={404: "", 409: "It is asked already, or the set is full."},
                **write,
            ),
            Operation(
                "changeQuestion",
                "PUT",
                "/question-sets/{set}/questions/{question}",
                "Ask it otherwise, or expect another answer",
                _TAG,
                WRITERS,
                self.change,
                takes=shapes.QuestionIn,
                gives=shapes.QuestionOut,
                parts=shapes.QuestionParts,
                also={404: "", 409: "It is asked already."},
                **write,
            ),
            Operation(
                "removeQuestion",
                "DELETE",
                "/question-sets/{set}/questions/{question}",
                "Take it out",
                _TAG,
                WRITERS,
                self.remove,
                status=204,
                parts=shapes.QuestionParts,
                also=there,
                **write,
            ),
        ]

    async def list(self, call: Call) -> Answer:
        """Every set."""
        shown, following = page(
            await question_sets.all_sets(call.conn),
            lambda one: (one.id,),
            cursor=call.query.cursor,
            limit=call.query.limit,
        )
        return Answer(shapes.SetPage(items=[_set(one) for one in shown], next=following))

    async def get(self, call: Call) -> Answer:
        """One set."""
        return Answer(_set(await self._found(call)))

    async def add_set(self, call: Call) -> Answer:
        """A new one."""
        body: shapes.SetNew = call.body
        made = await question_sets.add_set(
            call.conn,
            body.id,
            title=body.title,
            country=body.country,
            level=body.level,
            actor=call.actor,
            now=call.now,
        )
        return Answer(_set(made))

    async def set_level(self, call: Call) -> Answer:
        """Another level."""
        await question_sets.set_level(
            call.conn, call.path["set"], call.body.level, actor=call.actor, roles=call.roles, now=call.now
        )
        return await self.get(call)

    async def questions(self, call: Call) -> Answer:
        """Its questions, in the order of their ids: what is added or taken out meanwhile shifts no page."""
        found = await self._found(call)
        shown, following = page(
            found.questions, lambda one: (one.id,), cursor=call.query.cursor, limit=call.query.limit
        )
        return Answer(shapes.QuestionPage(items=[_question(one) for one in shown], next=following))

    async def add(self, call: Call) -> Answer:
        """One more."""
        body: shapes.QuestionIn = call.body
        made = await question_sets.add_question(
            call.conn,
            call.path["set"],
            text=self._masked(body),
            language=body.language,
            expected=body.expected,
            actor=call.actor,
            now=call.now,
        )
        return Answer(_question(made))

    async def change(self, call: Call) -> Answer:
        """Otherwise."""
        body: shapes.QuestionIn = call.body
        made = await question_sets.change_question(
            call.conn,
            call.path["set"],
            call.path["question"],
            text=self._masked(body),
            language=body.language,
            expected=body.expected,
            actor=call.actor,
            now=call.now,
        )
        return Answer(_question(made))

    async def remove(self, call: Call) -> Answer:
        """Out."""
        taken = await question_sets.remove_question(
            call.conn, call.path["set"], call.path["question"], actor=call.actor, now=call.now
        )
        if not taken:
            raise not_there()
        return Answer()

    def _masked(self, body: shapes.QuestionIn) -> str:
        """Real questions are brought in, and nobody must be recognised in them."""
        return self._house.masker.mask(body.text, body.language).text

    async def _found(self, call: Call) -> QuestionSet:
        found = await question_sets.get_set(call.conn, call.path["set"])
        if found is None:
            raise not_there()
        return found


def _set(one: QuestionSet) -> shapes.SetOut:
    return shapes.SetOut(
        id=one.id,
        title=one.title,
        country=one.country,
        level=one.level,
        version=one.version,
        questions=len(one.questions),
    )


def _question(one: Question) -> shapes.QuestionOut:
    right = one.expected if isinstance(one.expected, str) else list(one.expected)
    return shapes.QuestionOut(id=one.id, text=one.text, language=one.language, expected=right)

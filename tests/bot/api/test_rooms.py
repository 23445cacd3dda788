"""The other rooms over the API: articles that are looked for, questions, a question tried, laws, gaps, review dates."""

from __future__ import annotations

from datetime import timedelta

from bot.app import Line
from helpline import audit
from helpline.accounts import Role
from helpline.clock import SetClock
from tests.bot.api.conftest import Employ, Program
from tests.bot.test_gaps import COFFEE, DOG, ask, settle

DUTY = "avvergingsplikt-grov-menneskehandel"


async def test_articles_are_looked_for_as_on_the_desk(eva: Program, line: Line) -> None:
    names: list[str] = []
    cursor = ""
    while True:
        page = (await eva.get(f"/articles?limit=100{cursor}")).body
        names += [one["id"] for one in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert names == sorted(article.id for article in line.house.library.shelves.articles)
    assert page["found"] == len(names)
    swedish = (await eva.get("/articles?country=SE&limit=200")).body["items"]
    assert {one["country"] for one in swedish} == {"SE"}
    named = (await eva.get(f"/articles?text={DUTY}")).body
    assert (named["items"][0]["id"], named["next"]) == (DUTY, None)
    assert (await eva.get("/articles?state=retired")).body["items"] == []
    one = (await eva.get(f"/articles/{DUTY}")).body
    assert (one["published"], one["starter"], one["fit"], one["body"]["id"]) == (1, True, "current", DUTY)


async def test_retiring_takes_a_reviewer_and_a_reason(eva: Program, rita: Program) -> None:
    path = f"/articles/{DUTY}/retire"
    assert (await eva.post(path, {"reason": "Gammel"})).status == 404
    assert (await rita.post(path, {"reason": ""})).status == 422
    assert (await rita.post(path, {"reason": "Gammel"})).body["published"] is None
    assert (await rita.post(path, {"reason": "Gammel"})).status == 409
    assert [one["id"] for one in (await eva.get("/articles?state=retired")).body["items"]] == [DUTY]


async def test_questions_are_kept_masked_and_a_level_is_lowered_by_reviewers(eva: Program, rita: Program) -> None:
    made = await eva.post("/question-sets", {"id": "prove", "title": "Prøve", "country": "NO", "level": 0.8})
    assert made.status == 201
    path = "/question-sets/prove"
    question = {"text": "hun heter Kari Nordmann, 01017012345, hva gjør vi", "language": "nb", "expected": [DUTY]}
    added = await eva.post(path + "/questions", question)
    assert added.status == 201
    assert "01017012345" not in added.body["text"]
    assert (await eva.post(path + "/questions", question)).status == 409
    changed = await eva.ask(
        "PUT", f"{path}/questions/{added.body['id']}", {"text": "hva nå", "language": "nb", "expected": "handover"}
    )
    assert changed.body["expected"] == "handover"
    assert (await eva.ask("PATCH", path, {"level": 0.9})).body["level"] == 0.9
    assert (await eva.ask("PATCH", path, {"level": 0.1})).status == 403
    assert (await rita.ask("PATCH", path, {"level": 0.1})).body["level"] == 0.1
    assert (await eva.ask("DELETE", f"{path}/questions/{added.body['id']}")).status == 204
    assert (await eva.ask("DELETE", f"{path}/questions/{added.body['id']}")).status == 404
    assert (await eva.get(path)).body["questions"] == 0


async def test_a_question_is_tried_and_explained(eva: Program, employ: Employ, line: Line) -> None:
    article = line.house.library.shelves.article(DUTY)
    assert article is not None
    asked = {"text": article.questions[0].text, "country": "NO", "language": "nb"}
    tried = (await eva.post("/try", asked)).body
    assert tried["articles"][0]["id"] == DUTY
    assert tried["worded"] is True
    assert tried["nearest"]["wording"] == article.questions[0].text
    assert 0 <= tried["confidence"] <= 1
    assert tried["articles"][0]["matched"]
    advisor = await employ("asha", Role.ADVISOR)
    assert (await advisor.post("/try", asked)).status == 200
    draft = (await eva.post(f"/articles/{DUTY}/draft")).body
    assert (await advisor.post("/try", {**asked, "draft_id": draft["id"]})).status == 422
    assert (await eva.post("/try", {**asked, "draft_id": 999})).status == 422
    fields = {"questions": {"nb": [*draft["body"]["questions"]["nb"], "kaktus i vinduskarmen blomstrer"]}}
    await eva.ask("PATCH", f"/drafts/{draft['id']}", {"seen": 1, "fields": fields})
    odd = {"text": "kaktus i vinduskarmen blomstrer", "country": "NO"}
    with_draft = (await eva.post("/try", {**odd, "draft_id": draft["id"]})).body
    without = (await eva.post("/try", odd)).body
    assert (with_draft["articles"][0]["id"], with_draft["worded"], without["worded"]) == (DUTY, True, False)


async def test_a_changed_law_is_cleared_by_two_people(eva: Program, rita: Program, line: Line) -> None:
    law = next(one for one in (await eva.get("/laws?limit=200&country=NO")).body["items"] if DUTY in one["articles"])
    mark = {"law": law["key"], "what": "Ny ordlyd", "in_force_on": "2026-01-01"}
    assert (await eva.post("/law-changes", {**mark, "law": "tull"})).status == 422
    made = await eva.post("/law-changes", mark)
    assert (made.status, made.body["by"]) == (201, "staff:eva")
    assert DUTY in made.body["flagged"]
    await line.house.library.refresh(line.house.db)
    assert [flag["law"] for flag in (await eva.get(f"/articles/{DUTY}")).body["flags"]] == [law["key"]]
    path = f"/law-changes/{made.body['id']}"
    proposed = await eva.post(path + "/not-affected", {"article_id": DUTY, "reason": "Gjelder et annet ledd"})
    (clearing,) = proposed.body["clearings"]
    agree = f"{path}/clearings/{clearing['id']}/agree"
    assert (await eva.post(agree)).status == 404
    agreed = await rita.post(agree)
    assert DUTY not in agreed.body["flagged"]
    assert (await eva.post(path + "/withdraw", {"why": "Feil"})).status == 404
    assert (await rita.post(path + "/withdraw", {"why": "Feil"})).body["withdrawn_by"] == "staff:rita"
    assert (await eva.get("/law-changes/999")).status == 404
    async with line.house.db.read() as conn:
        (entry, *_) = await audit.entries(conn, actor="staff:eva", limit=1)
    assert entry.details["token"] == eva.token.id


async def test_nobody_takes_another_editors_proposal_back(eva: Program, rita: Program, employ: Employ) -> None:
    noor = await employ("noor", Role.EDITOR)
    law = next(one for one in (await eva.get("/laws?limit=200&country=NO")).body["items"] if DUTY in one["articles"])
    made = await eva.post("/law-changes", {"law": law["key"], "what": "Ny", "in_force_on": "2026-01-01"})
    path = f"/law-changes/{made.body['id']}"
    proposed = await eva.post(path + "/not-affected", {"article_id": DUTY, "reason": "Nei"})
    refuse = f"{path}/clearings/{proposed.body['clearings'][0]['id']}/refuse"
    assert (await noor.post(refuse)).status == 404
    assert (await eva.post(refuse)).body["clearings"] == []


async def test_what_is_due_is_told_with_what_comes_of_it(eva: Program, clock: SetClock, line: Line) -> None:
    article = line.house.library.shelves.article(DUTY)
    assert article is not None
    assert article.review_by is not None
    clock.advance(timedelta(days=(article.review_by - clock.now().date()).days + 1))
    program = Program(eva.client, eva.secret, eva.token)
    async with line.house.db.write() as conn:
        from helpline import access_tokens
        from helpline.access_tokens import Scope

        secret, token = await access_tokens.make(
            conn,
            "eva",
            name="later",
            scope=Scope.READ,
            expires_at=clock.now() + timedelta(days=1),
            now=clock.now(),
        )
    program = Program(eva.client, secret, token)
    found: dict[str, dict[str, object]] = {}
    cursor = ""
    while True:
        page = (await program.get(f"/due?limit=100{cursor}")).body
        found |= {one["article_id"]: one for one in page["items"]}
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert found[DUTY]["fit"] == "warn"
    assert all(one["fit"] != "current" for one in (await program.get("/due?fit=warn")).body["items"])


async def test_a_gap_becomes_a_draft_or_is_dismissed_and_few_stay_few(eva: Program, line: Line) -> None:
    await ask(line.house, *DOG, *COFFEE)
    await settle(line.gaps, line.house)
    first = (await eva.get("/gaps?limit=1")).body
    second = (await eva.get(f"/gaps?limit=1&cursor={first['next']}")).body
    heaps = {heap["questions"][0]["text"].split()[0]: heap for heap in first["items"] + second["items"]}
    assert len(heaps) == 2
    assert second["next"] is None
    assert all(heap["count"]["few"] and heap["regions"] == [] for heap in heaps.values())
    coffee = next(heap for word, heap in heaps.items() if word.startswith("kaffe"))
    dog = next(heap for heap in heaps.values() if heap is not coffee)
    assert (await eva.post(f"/gaps/{coffee['id']}/dismiss", {"reason": " "})).status == 422
    assert (await eva.post(f"/gaps/{coffee['id']}/dismiss", {"reason": "Ikke vår sak"})).body["moved"] is True
    assert (await eva.post(f"/gaps/{coffee['id']}/dismiss", {"reason": "Ikke vår sak"})).body["moved"] is False
    assert (await eva.get(f"/gaps/{coffee['id']}")).status == 404
    assert (await eva.get(f"/gaps/{coffee['id']}?state=dismissed")).body["reason"] == "Ikke vår sak"
    chosen = [dog["questions"][0]["wording"]]
    draft = {"article_id": "hund-pa-krisesenter", "new": True, "wordings": chosen}
    assert (await eva.post(f"/gaps/{dog['id']}/draft", {**draft, "wordings": ["noe helt annet"]})).status == 422
    made = await eva.post(f"/gaps/{dog['id']}/draft", draft)
    assert (made.status, made.body["body"]["questions"]) == (200, {"nb": chosen})
    assert (await eva.post(f"/gaps/{dog['id']}/draft", draft)).status == 404
    assert (await eva.get("/gaps")).body["items"] == []


async def test_administrators_see_staff_and_no_conversation(employ: Employ) -> None:
    admin = await employ("ada", Role.ADMINISTRATOR)
    await employ("eva", Role.EDITOR)
    staff = (await admin.get("/staff")).body["items"]
    assert [(one["id"], one["roles"]) for one in staff] == [("ada", ["administrator"]), ("eva", ["editor"])]
    for path in ("/conversations", "/cases", "/gaps", "/escalations"):
        assert (await admin.get(path)).status == 404

"""The ladders on the desk: changed by a coordinator, looked at first, never lost, never moved away from who waits."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict

from bot.app import Line
from bot.desk.ladder_sheet import definition_of, rearranged, sheet_from, sheet_of
from escalation import store as escalations
from escalation.policy import CHANNELS, read_policy
from escalation.standing import Urgency
from helpline.accounts import Role
from helpline.content import content_folder, load_yaml, node_of
from tests.bot import browsing
from tests.bot.browsing import Client, Page, get, post
from tests.bot.test_desk import hire, sign_in
from tests.bot.test_webchat import QUESTION

__all__ = ["sign_in"]

SHIPPED: dict[str, Any] = load_yaml(content_folder() / "ladder.yaml").plain()
LADDERS = "/desk/ladders"


@pytest.fixture
async def maja(sign_in: Any) -> Client:
    """A coordinator, signed in."""
    browser: Client = await sign_in("maja", Role.COORDINATOR)
    return browser


def fields_on(page: Page) -> MultiDict[str]:
    """What the form of the page would send, without any button."""
    form = page.text.partition('id="ladders"')[2].partition("</form>")[0]
    fields: MultiDict[str] = MultiDict()
    for tag in re.findall(r"<input [^>]*>", form):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
        assert name is not None
        assert value is not None
        if 'type="checkbox"' not in tag or " checked" in tag:
            fields.add(name[1], value[1])
    return fields


async def latest(line: Line) -> dict[str, Any]:
    async with line.house.db.read() as conn:
        stored = await escalations.ladder_definition(conn)
    assert stored is not None
    return stored[0]


async def send(browser: Client, fields: MultiDict[str], act: str, **changed: str) -> Page:
    sent = MultiDict(fields)
    for name, value in changed.items():
        sent[name.replace("__", ".")] = value
    sent["act"] = act
    return await post(browser, LADDERS, sent)


# --- the sheet --------------------------------------------------------------------------------------------------------


def plain(definition: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in definition.items() if key != "starter"}


def test_what_is_shipped_stands_in_the_fields_and_comes_back_the_same() -> None:
    definition, wrong = definition_of(sheet_of(SHIPPED))
    assert not wrong
    assert read_policy(node_of(definition, file="x")).ladders == read_policy(node_of(plain(SHIPPED), file="x")).ladders
    assert definition["personal"] == SHIPPED["personal"]


minutes = st.integers(1, 500) | st.sampled_from([0.5, 1.5, 2.25])
steps = st.lists(
    st.fixed_dictionaries(
        {
            "targets": st.lists(st.sampled_from(["roster:main", "role:advisor", "asha"]), min_size=1, unique=True),
            "wait_minutes": minutes,
        },
        optional={"speaks_language": st.just(True), "everyone": st.just(True), "speciality": st.just("barn")},
    ),
    min_size=1,
    max_size=5,
)
ladders = st.fixed_dictionaries(
    {
        "steps": steps,
        "repeat": st.integers(-1, 100),
        "deadlines": st.fixed_dictionaries(
            {f"{name}_minutes": st.integers(5, 900) for name in ("first_reply", "reply", "grace", "quiet", "handover")}
        ),
    }
)
delays = st.dictionaries(st.sampled_from(CHANNELS), st.integers(0, 600), min_size=1)
definitions = st.fixed_dictionaries(
    {
        "last_resort": st.fixed_dictionaries(
            {"targets": st.just(["role:coordinator"]), "retry_minutes": st.integers(1, 100)}
        ),
        "ladders": st.fixed_dictionaries({"urgent": ladders, "routine": ladders}),
        "personal": st.fixed_dictionaries({"urgent": delays, "routine": delays}),
    }
)


@given(definitions)
def test_any_ladder_goes_into_the_form_and_back_unchanged(definition: dict[str, Any]) -> None:
    back, wrong = definition_of(sheet_of(definition))
    assert not wrong
    assert back == definition


@given(definitions, st.sampled_from(["up", "down", "remove", "add"]), st.integers(0, 6))
def test_moving_steps_keeps_all_the_others(definition: dict[str, Any], act: str, at: int) -> None:
    before = sheet_of(definition)
    wish = "add:urgent" if act == "add" else f"{act}:urgent:{at}"
    after = rearranged(before, wish)
    old = before.ladders[Urgency.URGENT].steps
    if after is None:
        assert at >= len(old) or (act, at) in {("up", 0), ("down", len(old) - 1)}
        return
    new = after.ladders[Urgency.URGENT].steps
    assert after.ladders[Urgency.ROUTINE] == before.ladders[Urgency.ROUTINE]
    if act == "add":
        assert new[:-1] == old
    elif act == "remove":
        assert new == (*old[:at], *old[at + 1 :])
    else:
        other = at - 1 if act == "up" else at + 1
        assert (new[at], new[other]) == (old[other], old[at])
        assert len(new) == len(old)


@pytest.mark.parametrize(
    "wish", ["", "save", "up:urgent", "up:king:1", "remove:urgent:-1", "down:urgent:x", "add:urgent:1"]
)
def test_a_wish_that_means_nothing_moves_nothing(wish: str) -> None:
    assert rearranged(sheet_of(SHIPPED), wish) is None


def test_a_form_of_nothing_is_refused_and_named() -> None:
    _, wrong = definition_of(sheet_from(MultiDict[str]()))
    assert {"last.target", "retry", "urgent", "routine", "urgent.delays", "urgent.repeat", "urgent.reply"} <= set(wrong)


# --- the page ---------------------------------------------------------------------------------------------------------


async def test_only_coordinators_come_here(sign_in: Any) -> None:
    advisor = await sign_in("asha", Role.ADVISOR, Role.EDITOR)
    assert (await get(advisor, LADDERS)).status == 404


async def test_a_coordinator_looks_first_and_saves_then(line: Line, maja: Client) -> None:
    await hire(line, "asha")
    page = await get(maja, LADDERS)
    fields = fields_on(page)
    looked = await send(maja, fields, "look", **{"urgent__0__wait": "2"})
    assert "ikke lagret ennå" in looked.text
    assert "Nå: ingen. Trinnet hoppes over" in looked.text  # the shipped roster names somebody who is not here
    assert "Nå: Asha" in looked.text
    assert "innen 4 minutter" in looked.text  # the second step's wait; the first does not wait
    assert (await latest(line))["ladders"]["urgent"]["steps"][0]["wait_minutes"] == 3
    saved = await send(maja, fields_on(looked), "save")
    assert "Stigene er lagret" in saved.text
    assert (await latest(line))["ladders"]["urgent"]["steps"][0]["wait_minutes"] == 2
    assert (await latest(line))["ladders"]["routine"] == SHIPPED["ladders"]["routine"]
    assert "Maja" in saved.text.partition("Utgaver")[2]


async def test_steps_are_added_moved_and_taken_away_before_anything_is_saved(line: Line, maja: Client) -> None:
    page = await get(maja, LADDERS)
    page = await send(maja, fields_on(page), "add:urgent")
    assert fields_on(page).getall("urgent.step") == ["0", "1", "2"]
    refused = await send(maja, fields_on(page), "save")
    assert refused.status == 422
    assert "Velg minst én som skal varsles" in refused.text
    fields = fields_on(refused)
    fields.add("urgent.2.target", "role:coordinator")
    page = await send(maja, fields, "up:urgent:2")
    assert fields_on(page).getall("urgent.1.target") == ["role:coordinator"]
    page = await send(maja, fields_on(page), "remove:urgent:0")
    await send(maja, fields_on(page), "save")
    kept = (await latest(line))["ladders"]["urgent"]["steps"]
    assert [step["targets"] for step in kept] == [["role:coordinator"], ["roster:main", "role:advisor"]]


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("urgent__0__wait", "0"),
        ("urgent__0__wait", "mange"),
        ("routine__reply", ""),
        ("urgent__repeat", "1.5"),
        ("urgent__delay__sms", "-1"),
        ("retry", "nan"),
        ("retry", "1e9"),
    ],
)
async def test_what_is_wrong_is_said_beside_the_field_and_stands_as_it_was_typed(
    line: Line, maja: Client, field: str, typed: str
) -> None:
    page = await send(maja, fields_on(await get(maja, LADDERS)), "save", **{field: typed})
    assert page.status == 422
    name = field.replace("__", ".")
    assert f'id="{name}-error">Skriv et tall' in page.text
    assert fields_on(page)[name] == typed
    assert plain(await latest(line)) == plain(SHIPPED)


async def test_the_last_resort_cannot_be_left_empty(line: Line, maja: Client) -> None:
    fields = fields_on(await get(maja, LADDERS))
    del fields["last.target"]
    page = await send(maja, fields, "save")
    assert page.status == 422
    assert plain(await latest(line)) == plain(SHIPPED)
    fields.add("last.target", "roster:nowhere")
    page = await send(maja, fields, "save")
    assert "finnes ikke her lenger" in page.text


async def test_two_coordinators_at_once_and_nothing_is_lost(line: Line, maja: Client, sign_in: Any) -> None:
    other = await sign_in("mona", Role.COORDINATOR)
    mine, theirs = fields_on(await get(maja, LADDERS)), fields_on(await get(other, LADDERS))
    await send(other, theirs, "save", **{"urgent__0__wait": "5"})
    page = await send(maja, mine, "save", **{"routine__0__wait": "8"})
    assert page.status == 409
    assert "Mona lagret stigene" in page.text
    assert (await latest(line))["ladders"]["urgent"]["steps"][0]["wait_minutes"] == 5
    assert fields_on(page)["routine.0.wait"] == "8"
    await send(maja, fields_on(page), "save")
    assert (await latest(line))["ladders"]["routine"]["steps"][0]["wait_minutes"] == 8


async def test_pressed_twice_it_is_saved_once_and_an_older_version_comes_back(line: Line, maja: Client) -> None:
    first = await get(maja, LADDERS)
    await send(maja, fields_on(first), "save", **{"urgent__0__wait": "5"})
    changed = fields_on(await get(maja, LADDERS))
    await send(maja, changed, "save")
    async with line.house.db.read() as conn:
        history = await escalations.ladder_history(conn)
    assert len(history) == 2
    older = await get(maja, f"{LADDERS}?version={history[1].id}")
    assert "eldre utgave" in older.text
    await send(maja, fields_on(older), "save")
    assert (await latest(line))["ladders"]["urgent"]["steps"][0]["wait_minutes"] == 3
    assert (await get(maja, f"{LADDERS}?version=999")).status == 404
    assert (await get(maja, f"{LADDERS}?version={'9' * 40}")).status == 404


async def test_who_waits_keeps_the_ladder_she_has(line: Line, client: Client, maja: Client) -> None:
    await browsing.say(client, QUESTION)
    await browsing.tap(client, "a")
    await send(maja, fields_on(await get(maja, LADDERS)), "save", **{"routine__0__wait": "60"})
    async with line.house.db.read() as conn:
        [filed] = await escalations.list_open(conn)
        policy = await escalations.policy(conn)
    assert filed.escalation.ladder.steps[0].wait.total_seconds() == 180
    assert policy.ladders[Urgency.ROUTINE].steps[0].wait.total_seconds() == 3600

"""The command line's `varde staff …`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Coroutine
from typing import Annotated, Any

import typer

from helpline.messages import Language

app = typer.Typer(help="The people who work at the line.", no_args_is_help=True)

Who = Annotated[str, typer.Argument(help="Their staff id or e-mail address.")]
Roles = Annotated[
    list[str],
    typer.Option("--role", help="advisor, editor, reviewer, coordinator, analyst or administrator; may be repeated."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


@app.command("invite")
def invite(
    email: Annotated[str, typer.Argument(help="Their e-mail address; it is stored sealed.")],
    role: Roles,
    name: Annotated[str | None, typer.Option("--name", help="What colleagues call them.")] = None,
    language: Annotated[list[Language] | None, typer.Option("--language", help="What they answer in.")] = None,
    speciality: Annotated[
        list[str] | None,
        typer.Option("--speciality", help="What they know more of; a step of a ladder may ask for it."),
    ] = None,
    zone: Annotated[str | None, typer.Option("--zone", help="Where they are, such as Europe/Oslo.")] = None,
    phone: Annotated[
        str | None, typer.Option("--phone", help="A number that takes SMS; they prove it by a code.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make an account, and print a link by which they make their way in, once, within three days."""
    from bot.employing import invite as act

    made = _run(
        act(
            email,
            role,
            name=name,
            languages=language or [],
            specialities=speciality or [],
            zone=zone,
            phone=phone,
        )
    )
    if as_json:
        _put(made)
        return
    _say(f"Staff id, as the roster names them: {made['id']}")
    _link(made)
    if "telegram" in made["codes"]:
        _say(f"To be paged on Telegram, write to the bot: /start {made['codes']['telegram']}")
    if "sms" in made["codes"]:
        _say(f"To be paged by SMS, send from that phone to the line: {made['codes']['sms']}")


@app.command("list")
def list_(
    also_left: Annotated[bool, typer.Option("--all", help="Those who have left too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Who works here, with roles and ways in."""
    from bot.employing import everybody

    for staff in _run(everybody(also_left=also_left)):
        if as_json:
            _put(staff)
            continue
        standing = ", ".join(staff["ways"]) or ("invited" if staff["invited_until"] else "no way in")
        if not staff["active"]:
            standing = "has left"
        _say(f"{staff['id']:16} {staff['name']:24} {', '.join(staff['roles'])}  ({standing})")


@app.command("roles")
def roles(who: Who, role: Roles, as_json: JsonOption = False) -> None:
    """Give somebody these roles and no others, from their next page on."""
    from bot.employing import change_roles

    changed = _run(change_roles(who, role))
    if as_json:
        _put(changed)
    else:
        _say(f"{changed['id']}: {', '.join(changed['roles'])}")


@app.command("deactivate")
def deactivate(who: Who, as_json: JsonOption = False) -> None:
    """End somebody's work here: signed out at once, every way in void, paged no more."""
    from bot.employing import let_go

    gone = _run(let_go(who))
    if as_json:
        _put(gone)
    else:
        _say(f"{gone['id']} works here no more. Take them out of the roster too.")


@app.command("reactivate")
def reactivate(who: Who, as_json: JsonOption = False) -> None:
    """Take somebody back, and print a link by which they make their way in anew."""
    from bot.employing import take_back

    made = _run(take_back(who))
    if as_json:
        _put(made)
    else:
        _link(made)


@app.command("link")
def link(
    who: Who,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Make an open link void instead.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Print a new link for somebody who lost their way in; using it makes every earlier way in void."""
    from bot.employing import new_link, withdraw_link

    made = _run(withdraw_link(who) if withdraw else new_link(who))
    if as_json:
        _put(made)
    elif withdraw:
        _say("The link no longer works." if made["withdrawn"] else "There was no open link.")
    else:
        _link(made)


def _link(made: dict[str, Any]) -> None:
    _say(f"Hand this over to {made['name']}; it works once, until {made['until'][:16].replace('T', ' ')} UTC:")
    _say(made["link"])


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    from bot.office import Refusal

    try:
        return asyncio.run(work)
    except Refusal as error:
        sys.stderr.write(f"{error}\n")
        raise typer.Exit(2) from error


def _say(sentence: str) -> None:
    sys.stdout.write(sentence + "\n")


def _put(result: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")

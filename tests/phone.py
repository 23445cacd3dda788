"""Twilio's side of phone calls, and the people at the other end: what a test plays a call with.

`Exchange` is a `FakeProvider` that also takes calls by REST, from the line's own adapter through Twilio's own library.
It rings nobody by itself: a test lets the phone ring, picks up, presses keys and hangs up, and the exchange fetches
each document and tells of each state as Twilio would, signed, at the addresses that it was given:

    async with Exchange() as exchange:
        channels = exchange.channels()                      # SMS and calls, for `Line`
        exchange.reach(client)                              # an aiohttp TestClient in front of the line
        ...                                                 # something pages an advisor; `line.settle()`
        call = exchange.calls[-1]
        await exchange.rings(call)
        heard = await exchange.picks_up(call)               # a `Document`: heard.words, heard.gather, heard.over
        heard = await exchange.presses(call, "1")
        await exchange.hangs_up(call)

- `await exchange.play(call, Fate.BUSY)` plays a whole fate: busy, no answer, a machine with its beep, a human without a
  key, one who takes it, one who passes it on.
- `exchange.faults` (see `tests/fakes.py`) is what goes wrong with the next REST calls: `Busy()` 429, `Broken()` 5xx,
  `Cut(taken=True)` accepted and then lost.
- `await exchange.tell(call, "completed", sequence=3)` tells of a state by itself: late, twice, or out of order.
- `await exchange.calls_in(number)` is a clinician who calls the line; `says(call, "…")` is her speech.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from enum import StrEnum
from itertools import count
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient
from multidict import MultiDict
from twilio.request_validator import RequestValidator

from bot.channels.base import ChannelAdapter
from bot.channels.twilio import TwilioAccount, TwilioChannel
from bot.channels.voice import TwilioCalls
from helpline.messages import Channel
from tests.captured import ACCOUNT_SID, AUTH_TOKEN, LINE_NUMBER, PUBLIC_URL
from tests.fakes import NINE, FakeProvider

Client = TestClient[web.Request, web.Application]

_CALLS = "/2010-04-01/Accounts/{account}/Calls"
_TURNS = 10  # documents in a row that only lead to another


class Fate(StrEnum):
    """What becomes of a call."""

    BUSY = "busy"
    NO_ANSWER = "no-answer"
    FAILED = "failed"
    MACHINE = "machine"  # a voicemail picks up, beeps, and hears us out
    SILENT_HUMAN = "silent_human"  # somebody picks up, says hello and hangs up
    LISTENS_AND_LEAVES = "listens_and_leaves"  # hears the whole menu twice and presses nothing
    TAKES = "takes"  # presses 1
    PASSES_ON = "passes_on"  # presses 2
    NEVER_TOLD = "never_told"  # Twilio made the call and tells nothing of it


@dataclass
class Document:
    """What the caller hears next."""

    xml: str
    status: int = 200

    def __post_init__(self) -> None:
        self.root = ElementTree.fromstring(self.xml)

    @property
    def words(self) -> str:
        """Everything that is said, in order."""
        return " ".join(part.text or "" for part in self.root.iter("Say"))

    @property
    def languages(self) -> set[str]:
        """The languages it is said in."""
        return {part.attrib["language"] for part in self.root.iter("Say")}

    @property
    def gather(self) -> Mapping[str, str] | None:
        """What it listens for, if it does."""
        found = self.root.find("Gather")
        return found.attrib if found is not None else None

    @property
    def redirect(self) -> str | None:
        """Where it leads on, if no listening comes before that."""
        found = self.root.find("Redirect")
        return found.text if found is not None and self.gather is None else None

    @property
    def room(self) -> str | None:
        """The conference that it connects with."""
        found = self.root.find("Dial/Conference")
        return found.text if found is not None else None

    @property
    def over(self) -> bool:
        """Whether the call ends with it."""
        last = list(self.root)[-1] if len(self.root) else None
        return last is None or last.tag in ("Hangup", "Reject", "Say", "Pause")


@dataclass
class Placed:
    """A call, as Twilio keeps it."""

    sid: str
    to: str
    from_: str
    url: str
    at: datetime
    fields: Mapping[str, Any] = field(repr=False)
    status: str = "queued"
    answered_by: str | None = None
    sequence: int = -1
    heard: list[Document] = field(default_factory=list)  # every document, in order
    updates: list[Mapping[str, str]] = field(default_factory=list)  # what we asked of Twilio meanwhile
    inbound: bool = False

    @property
    def reference(self) -> str:
        """Our own id of it, as it stands in the address."""
        found = re.search(r"[?&]c=(\w+)", self.url)
        return found[1] if found is not None else ""


class Exchange(FakeProvider):
    """Telegram's, SMS's and the phone network's side of the wire."""

    def __init__(self, *, now: datetime = NINE, public_url: str = PUBLIC_URL) -> None:
        super().__init__(now=now)
        self.calls: list[Placed] = []
        self.public_url = public_url
        self.told: list[tuple[str, str, int]] = []  # every status that we were told: sid, status, HTTP status
        self._call_numbers = count(1)
        self._client: Client | None = None
        router = self._server.app.router
        router.add_post(f"{_CALLS}.json", self._create)
        router.add_get(f"{_CALLS}.json", self._list)
        router.add_get(_CALLS + "/{sid}.json", self._fetch)
        router.add_post(_CALLS + "/{sid}.json", self._update)

    def channels(self) -> dict[Channel, ChannelAdapter]:
        """SMS and calls, as the line would make them, speaking to this exchange."""
        account = TwilioAccount(ACCOUNT_SID, AUTH_TOKEN, public_url=self.public_url, api_url=self.url)
        return {
            Channel.SMS: TwilioChannel(Channel.SMS, account, LINE_NUMBER),
            Channel.CALL: TwilioCalls(account, LINE_NUMBER),
        }

    def reach(self, client: Client) -> None:
        """Where the line is to be found."""
        self._client = client

    @property
    def client(self) -> Client:
        """Where the line is."""
        if self._client is None:
            raise RuntimeError("say where the line is: exchange.reach(client)")
        return self._client

    # --- REST -----------------------------------------------------------------------------------------------------

    async def _create(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        fields = {name: [str(value) for value in form.getall(name)] for name in form}
        self.asked.append(("POST Calls", {name: values[-1] for name, values in fields.items()}))
        return await self._answer(request, lambda: self._json(self._place(fields)), _refusal, created=201)

    def _place(self, fields: Mapping[str, list[str]]) -> Placed:
        placed = Placed(
            sid=f"CA{next(self._call_numbers):032x}",
            to=fields["To"][0],
            from_=fields["From"][0],
            url=fields["Url"][0],
            at=self.now,
            fields=fields,
        )
        self.calls.append(placed)
        return placed

    async def _list(self, request: web.Request) -> web.StreamResponse:
        query = dict(request.query)
        self.asked.append(("GET Calls", query))
        found = [
            self._json(call)
            for call in reversed(self.calls)
            if query.get("To") in {None, call.to} and query.get("From") in {None, call.from_}
        ]
        page = {"calls": found, "page": 0, "page_size": 50, "next_page_uri": None, "uri": str(request.rel_url)}
        return await self._answer(request, lambda: page, _refusal)

    async def _fetch(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(("GET Call", dict(request.match_info)))
        call = self._of(request.match_info["sid"])
        if call is None:
            return web.json_response(_refusal(404, 20404, "not found"), status=404)
        return await self._answer(request, lambda: self._json(call), _refusal)

    async def _update(self, request: web.Request) -> web.StreamResponse:
        fields = {name: str(value) for name, value in (await request.post()).items()}
        self.asked.append(("POST Call", fields))
        call = self._of(request.match_info["sid"])
        if call is None:
            return web.json_response(_refusal(404, 20404, "not found"), status=404)
        if call.status in _OVER:
            return web.json_response(_refusal(400, 21220, "not in progress"), status=400)

        def change() -> dict[str, Any]:
            call.updates.append(fields)
            wanted = fields.get("Status")
            if wanted == "completed" or (wanted == "canceled" and call.status in ("queued", "initiated", "ringing")):
                call.status = wanted
            return self._json(call)

        return await self._answer(request, change, _refusal)

    def _of(self, sid: str) -> Placed | None:
        return next((call for call in self.calls if call.sid == sid), None)

    def _json(self, call: Placed) -> dict[str, Any]:
        at = format_datetime(call.at.replace(microsecond=0))
        return {
            "sid": call.sid,
            "to": call.to,
            "from": call.from_,
            "status": call.status,
            "direction": "inbound" if call.inbound else "outbound-api",
            "answered_by": call.answered_by,
            "date_created": at,
            "date_updated": at,
            "start_time": at if call.status not in ("queued", "initiated") else None,
            "end_time": at if call.status in _OVER else None,
        }

    # --- what Twilio posts ----------------------------------------------------------------------------------------

    async def post(self, url: str, fields: Mapping[str, str], *, token: str = AUTH_TOKEN) -> ClientResponse:
        """A signed request to the line, at one of the addresses that it gave."""
        if not url.startswith(self.public_url):
            raise AssertionError(f"Twilio was given an address that is not ours: {url}")
        signature = RequestValidator(token).compute_signature(url, MultiDict(fields))
        headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": signature}
        return await self.client.post(url.removeprefix(self.public_url), data=urlencode(fields), headers=headers)

    def _common(self, call: Placed, **more: str) -> dict[str, str]:
        return {
            "AccountSid": ACCOUNT_SID,
            "ApiVersion": "2010-04-01",
            "CallSid": call.sid,
            "CallStatus": call.status,
            "Direction": "inbound" if call.inbound else "outbound-api",
            "From": call.from_,
            "To": call.to,
            **more,
        }

    async def tell(self, call: Placed, status: str, *, sequence: int | None = None, **more: str) -> int:
        """Tell of a state, at the address for that; what the line answered."""
        if sequence is None:
            call.sequence += 1
            sequence = call.sequence
        fields = self._common(
            call, CallStatus=status, SequenceNumber=str(sequence), CallbackSource="call-progress-events", **more
        )
        answer = await self.post(call.fields["StatusCallback"][0], fields)
        self.told.append((call.sid, status, answer.status))
        return answer.status

    async def rings(self, call: Placed, *, told: bool = True) -> None:
        """The phone rings."""
        for status in ("initiated", "ringing"):
            call.status = status
            if told:
                await self.tell(call, status)

    async def picks_up(self, call: Placed, *, told: bool = True) -> Document:
        """Somebody, or something, picks up; what they hear."""
        call.status = "in-progress"
        if told and not call.inbound:
            await self.tell(call, "in-progress")
        return await self.fetches(call, call.url)

    async def fetches(self, call: Placed, url: str, **said: str) -> Document:
        """Fetch a document, and those that it leads on to without waiting for anybody."""
        for _ in range(_TURNS):
            answer = await self.post(url, self._common(call, **said))
            if answer.status != 200:
                raise AssertionError(f"Twilio got {answer.status} instead of a document.")
            call.heard.append(Document(await answer.text(), answer.status))
            further = call.heard[-1].redirect
            if further is None:
                return call.heard[-1]
            url, said = html.unescape(further), {}
        return call.heard[-1]

    async def presses(self, call: Placed, digits: str) -> Document:
        """Press keys while it listens; what is heard then."""
        return await self.fetches(call, self._listening(call), Digits=digits)

    async def says(self, call: Placed, words: str, *, confidence: float = 0.92) -> Document:
        """Say something while it listens; what is heard then."""
        return await self.fetches(call, self._listening(call), SpeechResult=words, Confidence=f"{confidence}")

    async def is_silent(self, call: Placed) -> Document:
        """Press and say nothing until it stops listening; what is heard then."""
        return await self.fetches(call, self._listening(call))

    def _listening(self, call: Placed) -> str:
        gather = call.heard[-1].gather
        if gather is None:
            raise AssertionError(f"Nothing is listened for: {call.heard[-1].words}")
        return gather["action"]

    async def hangs_up(self, call: Placed, *, told: bool = True) -> None:
        """Whoever is on the phone hangs up, or the last document ended the call."""
        call.status = "completed"
        if told and "StatusCallback" in call.fields:
            await self.tell(call, "completed", CallDuration="12")

    async def calls_in(self, number: str, *, path: str = "/twilio/voice") -> Placed:
        """Somebody calls the line; what they hear is the last of `call.heard`."""
        call = Placed(
            sid=f"CA{next(self._call_numbers):032x}",
            to=LINE_NUMBER,
            from_=number,
            url=f"{self.public_url}{path}",
            at=self.now,
            fields={"StatusCallback": [f"{self.public_url}/twilio/status"]},
            status="ringing",
            inbound=True,
        )
        self.calls.append(call)
        await self.fetches(call, call.url)
        call.status = "in-progress"
        return call

    # --- whole fates ----------------------------------------------------------------------------------------------

    async def play(self, call: Placed, fate: Fate) -> None:
        """Play a call to its end."""
        match fate:
            case Fate.NEVER_TOLD:
                call.status = "no-answer"
            case Fate.BUSY | Fate.NO_ANSWER | Fate.FAILED:
                await self.rings(call)
                call.status = fate.value
                await self.tell(call, fate.value)
            case Fate.MACHINE:
                await self.rings(call)
                await self.picks_up(call)
                await self.a_machine(call)
                await self._to_the_end(call)
                await self.hangs_up(call)
            case Fate.SILENT_HUMAN:
                await self.rings(call)
                await self.picks_up(call)
                await self.hangs_up(call)
            case Fate.LISTENS_AND_LEAVES:
                await self.rings(call)
                await self.picks_up(call)
                await self._to_the_end(call)
                await self.hangs_up(call)
            case Fate.TAKES | Fate.PASSES_ON:
                await self.rings(call)
                await self.picks_up(call)
                await self.presses(call, "1" if fate is Fate.TAKES else "2")
                await self.hangs_up(call)

    async def a_machine(self, call: Placed, answered_by: str = "machine_start") -> int:
        """Twilio has listened, and takes whoever picked up for a machine."""
        call.answered_by = answered_by
        fields = {"CallSid": call.sid, "AccountSid": ACCOUNT_SID, "AnsweredBy": answered_by}
        fields["MachineDetectionDuration"] = "2400"
        return (await self.post(call.fields["AsyncAmdStatusCallback"][0], fields)).status

    async def _to_the_end(self, call: Placed) -> None:
        for _ in range(_TURNS):
            if call.heard[-1].gather is None:
                return
            await self.is_silent(call)
        raise AssertionError("This call never ends for somebody who presses nothing.")


_OVER = ("completed", "busy", "no-answer", "failed", "canceled")


def _refusal(status: int, code: int, description: str) -> dict[str, Any]:
    return {
        "code": code,
        "message": f"{description}",
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }

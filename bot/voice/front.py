"""The phone, wired: what rings, what is answered, and who keeps an eye on it. One line in `app.py`."""

from __future__ import annotations

from collections.abc import Mapping

from bot import caller_store
from bot.channels.voice import TwilioCalls
from bot.delivery import Delivery
from bot.house import House
from bot.loops import Loop
from bot.voice import caller as called
from bot.voice import joining, pages, store
from bot.voice.aloud import Ear
from bot.voice.caller import Caller
from bot.voice.door import Step, VoiceDoor
from bot.voice.joining import Rooms
from bot.voice.pages import PageCalls
from bot.voice.store import CallKind
from bot.voice.watch import Ended, Watch
from bot.waiting_room import WaitingRoom
from escalation import store as escalations
from helpline.messages import Channel
from helpline.web import Route


class Voice:
    """Everything about phone calls. Without a number it is off: nothing is there, and nothing is looked at."""

    def __init__(self, house: House, room: WaitingRoom, delivery: Delivery) -> None:
        adapter = house.channels.get(Channel.CALL)
        calls = adapter if isinstance(adapter, TwilioCalls) else None
        steps: Mapping[str, Step] = {}
        answered: Mapping[CallKind, Step] = {}
        ended: Mapping[CallKind, Ended] = {}
        self.caller: Caller | None = None
        self._rooms: Rooms | None = None
        if calls is not None:
            ear = Ear.load(house.content / "aloud.yaml", house.phrases)
            self._rooms = rooms = Rooms(house, room, calls, ear)
            self.caller = caller = Caller(house, room, delivery, calls, rooms, ear)
            ended = {
                CallKind.CLINICIAN: caller.ended,
                CallKind.CALLBACK: caller.ended,
                CallKind.JOINED: rooms.ended,
                CallKind.PAGE: rooms.ended,
            }
        self.watch = Watch(house, room, delivery, calls, ended=ended)
        if calls is not None:
            to_staff = PageCalls(house, room, self.watch, calls, ear, join=rooms.enter_from_page)
            steps = {
                pages.KEY: to_staff.key,
                pages.HEAR: to_staff.hear,
                pages.ASKED: to_staff.asked,
                called.TURN: caller.turn,
                called.LOOK: caller.look,
                joining.LEFT: caller.left,
                joining.JOIN: rooms.key,
                joining.GONE: rooms.gone,
                joining.WAIT: rooms.wait,
            }
            answered = {
                CallKind.PAGE: to_staff.answered,
                CallKind.NOTICE: to_staff.notice,
                CallKind.CALLBACK: caller.called_back,
                CallKind.JOINED: rooms.answered,
            }
        inbound = self.caller.comes_in if self.caller is not None else None
        self.door = VoiceDoor(house, self.watch, calls, steps=steps, answered=answered, inbound=inbound)

    def routes(self) -> list[Route]:
        """The addresses that Twilio calls."""
        return self.door.routes()

    def loops(self) -> tuple[Loop, ...]:
        """What is done when a call is silent, when an escalation moves while somebody's phone rings for it, and when an
        advisor waits in a room."""
        if self._rooms is None:
            return ()
        return (
            Loop("calls", store.TOPIC, self.watch.tick, store.next_due),
            Loop("call off", escalations.TOPIC, self.watch.call_off),
            Loop("rooms", caller_store.TOPIC, self._rooms.tick, caller_store.next_due),
        )

"""The phone, wired: what rings, what is answered, and who keeps an eye on it. One line in `app.py`."""

from __future__ import annotations

from collections.abc import Mapping

from bot.channels.voice import TwilioCalls
from bot.delivery import Delivery
from bot.house import House
from bot.loops import Loop
from bot.voice import pages, store
from bot.voice.aloud import Ear
from bot.voice.door import Step, VoiceDoor
from bot.voice.pages import PageCalls
from bot.voice.store import CallKind
from bot.voice.watch import Watch
from bot.waiting_room import WaitingRoom
from escalation import store as escalations
from helpline.messages import Channel
from helpline.web import Route


class Voice:
    """Everything about phone calls. Without a number it is off: nothing is there, and nothing is looked at."""

    def __init__(self, house: House, room: WaitingRoom, delivery: Delivery) -> None:
        adapter = house.channels.get(Channel.CALL)
        calls = adapter if isinstance(adapter, TwilioCalls) else None
        self.watch = Watch(house, room, delivery, calls, ended={})
        steps: Mapping[str, Step] = {}
        answered: Mapping[CallKind, Step] = {}
        if calls is not None:
            ear = Ear.load(house.content / "aloud.yaml", house.phrases)
            to_staff = PageCalls(house, room, self.watch, calls, ear)
            steps = {pages.KEY: to_staff.key, pages.HEAR: to_staff.hear}
            answered = {CallKind.PAGE: to_staff.answered, CallKind.NOTICE: to_staff.notice}
        self.door = VoiceDoor(house, self.watch, calls, steps=steps, answered=answered)

    def routes(self) -> list[Route]:
        """The addresses that Twilio calls."""
        return self.door.routes()

    def loops(self) -> tuple[Loop, ...]:
        """What is done when a call is silent, and when an escalation moves while somebody's phone rings for it."""
        return (
            Loop("calls", store.TOPIC, self.watch.tick, store.next_due),
            Loop("call off", escalations.TOPIC, self.watch.call_off),
        )

"""Waking those who wait inside this process.

A wake-up is a courtesy and never a promise: whoever waits has a timeout and looks into the database when it passes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from types import TracebackType
from typing import Self
from weakref import WeakSet


class Watch:
    """Hears of some topics from the moment it is made, also while nobody is waiting on it."""

    def __init__(self, bell: Bell, topics: Iterable[str]) -> None:
        self._bell = bell
        self.topics = frozenset(topics)
        self._event = asyncio.Event()
        self._heard: set[str] = set()

    async def wait(self, timeout: timedelta | float) -> bool:  # noqa: ASYNC109 - the timeout is what this is about
        """Wait until a topic is rung or the time is up; True where it was rung. Rings in between are one ring."""
        seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        try:
            async with asyncio.timeout(max(seconds, 0)):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True

    def ring(self, topics: Iterable[str] = ()) -> None:
        """Wake whoever waits here; `topics` are what it was about, where that is known."""
        self._heard.update(topics)
        self._event.set()

    def take_heard(self) -> frozenset[str]:
        """What was rung since this was asked last; nothing where it is only known that something was."""
        heard = frozenset(self._heard)
        self._heard.clear()
        return heard

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bell.leave(self)


class Bell:
    """Topics, and who listens to them."""

    def __init__(self) -> None:
        self._watches: WeakSet[Watch] = WeakSet()
        self._standing: dict[str, Watch] = {}

    def watch(self, topics: Iterable[str]) -> Watch:
        """Begin to listen to these topics."""
        watch = Watch(self, topics)
        self._watches.add(watch)
        return watch

    def leave(self, watch: Watch) -> None:
        """Stop listening."""
        self._watches.discard(watch)

    def ring(self, topics: Iterable[str]) -> None:
        """Wake everyone who listens to one of these topics."""
        rung = frozenset(topics)
        for watch in list(self._watches):
            mine = watch.topics & rung
            if mine:
                watch.ring(mine)

    def ring_all(self) -> None:
        """Wake everyone, where it is not known what was missed."""
        for watch in list(self._watches):
            watch.ring()

    async def wait(self, topic: str, timeout: timedelta | float) -> bool:  # noqa: ASYNC109
        """Wait for one topic; the first call for a topic returns at once, since nobody listened before it."""
        watch = self._standing.get(topic)
        if watch is None:
            self._standing[topic] = self.watch([topic])
            return True
        return await watch.wait(timeout)

"""What a part of the front door is given to work with: built once in `app.py`, never reached for from anywhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.channels.base import ChannelAdapter
from bot.commands import Commands
from bot.counts import Counts
from bot.library import Library
from helpline.clock import Clock
from helpline.database import Database
from helpline.masking import Masker
from helpline.messages import Channel, Country
from helpline.phrases import Phrases
from helpline.settings import Settings
from helpline.storage import wake
from helpline.vault import Vault


def page_topic(conversation_id: str) -> str:
    """The topic rung when something new stands in a conversation, for the pages that show it."""
    return f"conversation:{conversation_id}"


class Side(StrEnum):
    """Who of the two in a conversation."""

    CLINICIAN = "clinician"
    ADVISOR = "advisor"


def typing_topic(conversation_id: str, who: Side) -> str:
    """The topic rung while somebody writes, for the other one's page. The ring is all there is of it."""
    return f"typing:{who}:{conversation_id}"


@dataclass(frozen=True)
class House:
    """Everything that is shared, already built."""

    settings: Settings
    clock: Clock
    db: Database
    vault: Vault
    phrases: Phrases
    commands: Commands
    masker: Masker
    library: Library
    channels: Mapping[Channel, ChannelAdapter]
    counts: Counts
    content: Path  # the folder of the shipped content

    @property
    def country(self) -> Country:
        """Whose law is meant where nothing says otherwise."""
        return self.settings.country

    def tell_page(self, conn: AsyncConnection, conversation_id: str) -> None:
        """Once this transaction is on disk, let the pages that show this conversation know."""
        wake(conn, page_topic(conversation_id))

    async def tell_of_typing(self, conversation_id: str, who: Side) -> None:
        """Let the other's page know that somebody is writing; nothing of it is stored."""
        async with self.db.write() as conn:
            wake(conn, typing_topic(conversation_id, who))

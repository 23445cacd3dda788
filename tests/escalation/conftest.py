"""A house with a few advisors, for tests of the waiting room."""

from __future__ import annotations

import pytest

from helpline.database import Database
from helpline.vault import Vault
from tests.escalation.house import House, furnish


@pytest.fixture
async def house(db: Database, vault: Vault) -> House:
    """Asha is on call, then Noor; Maja coordinates and is the last resort."""
    return await furnish(db, vault)

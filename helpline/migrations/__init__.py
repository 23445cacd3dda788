"""The steps that bring a database from empty to the tables of today, numbered, one idea each, never edited once landed.

Old and new code run side by side during a deploy, so a change of a table is several small steps: add, write both, read
new, drop. `python -m helpline.migrations PACKAGE "what it does"` writes the next step from the difference between the
models of that package and the steps so far.
"""

from __future__ import annotations

import importlib
import importlib.util
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import Connection, inspect, text

if TYPE_CHECKING:
    from alembic.config import Config

log = structlog.get_logger()

PACKAGES = ("helpline", "knowledge", "routing", "escalation", "bot")
_OF_THE_GROUND_FLOOR = (
    "access_tokens",
    "accounts",
    "audit",
    "credentials",
    "inbox",
    "outbox",
    "presence",
    "staff_sessions",
    "throttle",
    "vault",
)
_STORES = {
    "helpline": _OF_THE_GROUND_FLOOR,
    "routing": (
        "store",
        "capacity_store",
        "certification.decision_store",
        "certification.profile_store",
        "certification.provider_store",
        "certification.visit_store",
        "referrals.store",
        "upkeep.confirming_store",
        "upkeep.fallback_store",
        "upkeep.proposal_store",
        "upkeep.waiting_store",
    ),
    "escalation": ("store", "auditor_store", "shift_store", "reach.store", "rota.store"),
    "bot": ("store", "caller_store", "held_store", "notes_store", "api.store", "voice.store"),
}
_FOLDER = Path(__file__).parent
_LOCK = 0x7661726465  # an advisory lock of PostgreSQL's, so that one process migrates at a time


def config() -> Config:
    """What alembic needs to know; there is no file for it."""
    from alembic.config import Config

    settings = Config()
    settings.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    settings.set_main_option("path_separator", "os")
    return settings


@cache
def steps() -> tuple[str, ...]:
    """The numbers of the steps that this version of the code knows, in order.

    Read off the file names, so that a start that has nothing to migrate does not pay for loading alembic.
    """
    return tuple(sorted(path.name[:4] for path in (_FOLDER / "versions").glob("[0-9][0-9][0-9][0-9]_*.py")))


def load_models() -> None:
    """Import every table, so that `SQLModel.metadata` is whole.

    By name and not by import: the ground floor knows nobody above it. Only tests and the maker of a new step ask.
    """
    for package in PACKAGES:
        for module in _STORES.get(package, ("store",)):
            name = f"{package}.{module}"
            if importlib.util.find_spec(name) is not None:
                importlib.import_module(name)


def revision_of(connection: Connection) -> str | None:
    """The last step this database has taken, or None where it has taken none."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    taken: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return taken


def is_current(connection: Connection) -> bool:
    """Whether the database has taken every step that this code knows, and perhaps more."""
    revision = revision_of(connection)
    return revision is not None and revision >= steps()[-1]


def upgrade(connection: Connection) -> None:
    """Take the steps that are missing, inside the transaction under way."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        connection.execute(text("SET LOCAL lock_timeout = '5s'"))
        connection.execute(text("SET LOCAL statement_timeout = 0"))
    revision = revision_of(connection)
    if revision == steps()[-1]:
        return
    if revision is not None and revision not in steps():
        # The next version has migrated already while this one still runs; its steps keep us working (see above).
        log.warning("database_is_newer", revision=revision)
        return
    from alembic import command

    settings = config()
    settings.attributes["connection"] = connection
    command.upgrade(settings, "head")
    log.info("database_migrated", revision=steps()[-1])

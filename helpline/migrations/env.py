"""Run by alembic for every command: it is given a connection with a transaction under way, and uses that."""

from __future__ import annotations

from typing import Any, Literal

import sqlalchemy as sa
from alembic import context
from sqlmodel import SQLModel
from sqlmodel.sql.sqltypes import AutoString

from helpline.storage import UtcDateTime


def render_item(kind: str, item: Any, _autogen_context: Any) -> str | Literal[False]:
    """Write our own types into a step by the names that the step imports."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "UtcDateTime()"
    if kind == "type" and isinstance(item, AutoString):
        return f"sa.String(length={item.length})" if item.length else "sa.String()"
    if kind == "type" and isinstance(item, sa.BigInteger):
        return "BigId"
    return False


connection = context.config.attributes.get("connection")
if connection is None:
    raise RuntimeError("The steps are taken by `varde migrate`, and written by `python -m helpline.migrations`.")
context.configure(
    connection=connection,
    target_metadata=SQLModel.metadata,
    include_object=context.config.attributes.get("include_object"),
    render_item=render_item,
    render_as_batch=True,  # SQLite changes a table by making it anew
    compare_type=True,
)
context.run_migrations()

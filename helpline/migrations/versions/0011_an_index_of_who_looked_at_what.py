"""An index of who looked at what: the views of conversations among all that is in the trail."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_VIEWS = "action IN ('conversation_viewed', 'conversation_followed')"


def upgrade() -> None:
    op.create_index(
        "ix_audit_entry_viewed", "audit_entry", ["id"], sqlite_where=sa.text(_VIEWS), postgresql_where=sa.text(_VIEWS)
    )

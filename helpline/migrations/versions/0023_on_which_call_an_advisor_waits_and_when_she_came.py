"""On which call an advisor waits for a clinician, and when she came."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from helpline.storage import UtcDateTime

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("caller", schema=None) as batch_op:
        batch_op.add_column(sa.Column("room_call_id", sa.String(length=32), nullable=True))
        batch_op.add_column(sa.Column("joined_at", UtcDateTime(), nullable=True))

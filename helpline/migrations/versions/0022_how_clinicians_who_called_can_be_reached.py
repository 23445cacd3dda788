"""How clinicians who called can be reached: on the line, by text where they agreed, and the room an advisor is in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from helpline.storage import UtcDateTime

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "caller",
        sa.Column("conversation_id", sa.String(length=32), nullable=False),
        sa.Column("call_id", sa.String(length=32), nullable=True),
        sa.Column("on_line_until", UtcDateTime(), nullable=True),
        sa.Column("fingerprint", sa.String(length=64), nullable=True),
        sa.Column("address", sa.LargeBinary(), nullable=True),
        sa.Column("agreed_at", UtcDateTime(), nullable=True),
        sa.Column("room", sa.String(length=40), nullable=True),
        sa.Column("room_staff_id", sa.String(length=32), nullable=True),
        sa.Column("room_at", UtcDateTime(), nullable=True),
        sa.Column("fetched", sa.Boolean(), nullable=False),
        sa.Column("spoke_up_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("conversation_id", name=op.f("pk_caller")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_caller_fingerprint")),
    )

"""How cases ended, what is to be followed up, and who is to be talked with."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from helpline.storage import UtcDateTime

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "debrief",
        sa.Column("escalation_id", sa.String(), nullable=False),
        sa.Column("staff_id", sa.String(), nullable=False),
        sa.Column("flagged_by", sa.String(), nullable=False),
        sa.Column("flagged_at", UtcDateTime(), nullable=False),
        sa.Column("talked_by", sa.String(), nullable=True),
        sa.Column("talked_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("escalation_id", "staff_id", name=op.f("pk_debrief")),
    )
    op.create_table(
        "escalation_closing",
        sa.Column("escalation_id", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("knowledge_missing", sa.Boolean(), nullable=True),
        sa.Column("closed_by", sa.String(), nullable=False),
        sa.Column("closed_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("escalation_id", name=op.f("pk_escalation_closing")),
    )
    op.create_table(
        "follow_up",
        sa.Column("escalation_id", sa.String(), nullable=False),
        sa.Column("staff_id", sa.String(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("set_at", UtcDateTime(), nullable=False),
        sa.Column("reminded_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("escalation_id", "staff_id", name=op.f("pk_follow_up")),
    )
    with op.batch_alter_table("follow_up", schema=None) as batch_op:
        batch_op.create_index("ix_follow_up_due", ["due_at"], unique=False)

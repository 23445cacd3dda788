"""Notes beside a case, and how far advisors have read in it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from helpline.storage import UtcDateTime

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "case_note",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("conversation_id", sa.String(), nullable=False),
        sa.Column("escalation_id", sa.String(), nullable=False),
        sa.Column("staff_id", sa.String(), nullable=False),
        sa.Column("words", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_note")),
    )
    with op.batch_alter_table("case_note", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_case_note_conversation_id"), ["conversation_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_case_note_made_at"), ["made_at"], unique=False)

    op.create_table(
        "case_seen",
        sa.Column("conversation_id", sa.String(), nullable=False),
        sa.Column("staff_id", sa.String(), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("conversation_id", "staff_id", name=op.f("pk_case_seen")),
    )
    with op.batch_alter_table("case_seen", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_case_seen_seen_at"), ["seen_at"], unique=False)

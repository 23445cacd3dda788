"""Whose turn it is to audit, and what was found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from helpline.storage import BigId, UtcDateTime

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_fault",
        sa.Column("id", BigId, nullable=False),
        sa.Column("open_key", sa.String(), nullable=True),
        sa.Column("escalation_id", sa.String(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("healed", sa.Boolean(), nullable=False),
        sa.Column("found_at", UtcDateTime(), nullable=False),
        sa.Column("told_at", UtcDateTime(), nullable=True),
        sa.Column("over_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_fault")),
        sa.UniqueConstraint("open_key", name=op.f("uq_audit_fault_open_key")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("audit_fault", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_audit_fault_escalation_id"), ["escalation_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_audit_fault_over_at"), ["over_at"], unique=False)

    op.create_table(
        "audit_turn",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=True),
        sa.Column("lease_token", sa.String(), nullable=True),
        sa.Column("beat_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_turn")),
    )

"""What became of a gap."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from helpline.storage import UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("gap", schema=None) as batch_op:
        batch_op.add_column(sa.Column("reply", sa.LargeBinary(), nullable=True))
        batch_op.add_column(sa.Column("heap", sa.String(length=32), nullable=True))
        batch_op.add_column(sa.Column("state", sa.String(length=16), server_default="open", nullable=False))
        batch_op.add_column(sa.Column("state_by", sa.String(length=40), nullable=True))
        batch_op.add_column(sa.Column("state_at", UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column("reason", sa.String(), server_default="", nullable=False))
        batch_op.add_column(sa.Column("article_id", sa.String(length=200), nullable=True))
        batch_op.add_column(sa.Column("revision", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("draft_id", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("tried", sa.Integer(), server_default="0", nullable=False))
        batch_op.create_index(batch_op.f("ix_gap_heap"), ["heap"], unique=False)
        batch_op.create_index(batch_op.f("ix_gap_state"), ["state"], unique=False)

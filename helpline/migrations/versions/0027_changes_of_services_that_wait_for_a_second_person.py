"""Changes of services that wait for a second person."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from helpline.storage import BigId, UtcDateTime

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "service_proposal",
        sa.Column("id", BigId, nullable=False),
        sa.Column("service_id", sa.String(), nullable=False),
        sa.Column("country", sa.String(), nullable=False),
        sa.Column("base_revision", sa.Integer(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("made_by", sa.String(), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("decided_by", sa.String(), nullable=True),
        sa.Column("decided_at", UtcDateTime(), nullable=True),
        sa.Column("word", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=True),
        sa.Column("open_key", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_proposal")),
        sa.UniqueConstraint("open_key", name=op.f("uq_service_proposal_open_key")),
    )
    op.create_index("ix_service_proposal_service_id", "service_proposal", ["service_id"])
    op.create_index("ix_service_proposal_state", "service_proposal", ["state"])

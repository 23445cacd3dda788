"""Conversations, what was served in them, gaps, and what helped."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from helpline.storage import BigId, UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "conversation",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=True),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("staff_id", sa.String(length=32), nullable=True),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=True),
        sa.Column("muted", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("last_at", UtcDateTime(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=True),
        sa.Column("lease_token", sa.String(length=32), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversation")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_conversation_fingerprint")),
    )
    with op.batch_alter_table("conversation", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_conversation_due_at"), ["due_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_conversation_staff_id"), ["staff_id"], unique=False)

    op.create_table(
        "gap",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("missing", sa.String(length=16), nullable=False),
        sa.Column("text", sa.LargeBinary(), nullable=False),
        sa.Column("nearest", sa.String(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("region", sa.String(length=8), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gap")),
    )
    op.create_table(
        "helpful",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("article_id", sa.String(length=80), nullable=False),
        sa.Column("helpful", sa.Boolean(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_helpful")),
    )
    with op.batch_alter_table("helpful", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_helpful_article_id"), ["article_id"], unique=False)

    op.create_table(
        "served",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("conversation_id", sa.String(length=32), nullable=False),
        sa.Column("article_id", sa.String(length=80), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("variant", sa.Integer(), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("part", sa.String(length=16), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_served")),
    )
    with op.batch_alter_table("served", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_served_article_id"), ["article_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_served_conversation_id"), ["conversation_id"], unique=False)

    op.create_table(
        "shown_service",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("service_id", sa.String(length=80), nullable=False),
        sa.Column("needs", sa.String(length=200), nullable=False),
        sa.Column("region", sa.String(length=8), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shown_service")),
    )
    with op.batch_alter_table("shown_service", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_shown_service_service_id"), ["service_id"], unique=False)

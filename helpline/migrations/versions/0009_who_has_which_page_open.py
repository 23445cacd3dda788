"""who has which page open"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from helpline.storage import UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "page_presence",
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("place", "person", name=op.f("pk_page_presence")),
    )
    with op.batch_alter_table("page_presence", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_page_presence_seen_at"), ["seen_at"], unique=False)

"""Which message of ours somebody answers: an advisor with several cases says by it which one is meant."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("inbound", sa.Column("reply_to", sa.String(), nullable=True))

"""Which form made an entry of a provider's folder, so that one that is sent twice makes one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("provider_action", schema=None) as batch_op:
        batch_op.add_column(sa.Column("form_id", sa.String(), nullable=True))
        batch_op.create_index(batch_op.f("ix_provider_action_form_id"), ["form_id"], unique=True)

    with op.batch_alter_table("provider_check", schema=None) as batch_op:
        batch_op.add_column(sa.Column("form_id", sa.String(), nullable=True))
        batch_op.create_index(batch_op.f("ix_provider_check_form_id"), ["form_id"], unique=True)

    with op.batch_alter_table("provider_training", schema=None) as batch_op:
        batch_op.add_column(sa.Column("form_id", sa.String(), nullable=True))
        batch_op.create_index(batch_op.f("ix_provider_training_form_id"), ["form_id"], unique=True)

    with op.batch_alter_table("provider_visit", schema=None) as batch_op:
        batch_op.add_column(sa.Column("form_id", sa.String(), nullable=True))
        batch_op.create_index(batch_op.f("ix_provider_visit_form_id"), ["form_id"], unique=True)

"""quiet hours, personal rules by urgency, and tests of who is reached"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from helpline.storage import BigId, UtcDateTime

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "last_answer",
        sa.Column("contact_id", BigId, autoincrement=False, nullable=False),
        sa.Column("staff_id", sa.String(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("contact_id", name=op.f("pk_last_answer")),
    )
    with op.batch_alter_table("last_answer", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_last_answer_staff_id"), ["staff_id"], unique=False)

    op.create_table(
        "number_to_prove",
        sa.Column("staff_id", sa.String(), nullable=False),
        sa.Column("sealed_number", sa.LargeBinary(), nullable=False),
        sa.Column("code_hash", sa.String(), nullable=False),
        sa.Column("tries_left", sa.Integer(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("staff_id", name=op.f("pk_number_to_prove")),
    )
    with op.batch_alter_table("number_to_prove", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_number_to_prove_expires_at"), ["expires_at"], unique=False)

    op.create_table(
        "quiet_hours",
        sa.Column("id", BigId, nullable=False),
        sa.Column("staff_id", sa.String(), nullable=False),
        sa.Column("starts", sa.String(), nullable=False),
        sa.Column("ends", sa.String(), nullable=False),
        sa.Column("days", sa.String(), nullable=False),
        sa.Column("urgencies", sa.String(), nullable=False),
        sa.Column("stand_in_id", sa.String(), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("agreed_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quiet_hours")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("quiet_hours", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_quiet_hours_staff_id"), ["staff_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_quiet_hours_stand_in_id"), ["stand_in_id"], unique=False)

    op.create_table(
        "reach_test",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("staff_id", sa.String(), nullable=False),
        sa.Column("roster", sa.String(), nullable=False),
        sa.Column("shift_at", UtcDateTime(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("rounds", sa.Integer(), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=True),
        sa.Column("lease_token", sa.String(), nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("told", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reach_test")),
        sa.UniqueConstraint("key", name=op.f("uq_reach_test_key")),
    )
    with op.batch_alter_table("reach_test", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_reach_test_code"), ["code"], unique=False)
        batch_op.create_index(
            "ix_reach_test_due",
            ["due_at"],
            unique=False,
            sqlite_where=sa.text("due_at IS NOT NULL"),
            postgresql_where=sa.text("due_at IS NOT NULL"),
        )
        batch_op.create_index("ix_reach_test_staff", ["staff_id", "made_at"], unique=False)

    op.create_table(
        "tested_way",
        sa.Column("test_id", sa.String(), nullable=False),
        sa.Column("contact_id", BigId, autoincrement=False, nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("sent_at", UtcDateTime(), nullable=False),
        sa.Column("answered_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("test_id", "contact_id", name=op.f("pk_tested_way")),
    )
    with op.batch_alter_table("personal_rule", schema=None) as batch_op:
        batch_op.add_column(sa.Column("urgency", sa.String(), nullable=True))
    # Until now a rule held for both urgencies.
    op.execute("UPDATE personal_rule SET urgency = 'urgent'")
    op.execute(
        "INSERT INTO personal_rule (staff_id, urgency, contact_id, after_seconds) "
        "SELECT staff_id, 'routine', contact_id, after_seconds FROM personal_rule ORDER BY id"
    )
    with op.batch_alter_table("personal_rule", schema=None) as batch_op:
        batch_op.alter_column("urgency", existing_type=sa.String(), nullable=False)

"""Attributes of instances, places of jobs at sites, outputs of workflows; what resuming and cancelling a step need."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add what version 3 keeps: new tables, and columns that may be empty."""
    op.create_table(
        "attributes",
        sa.Column("deployment_id", sa.String(32), primary_key=True),
        sa.Column("node", sa.Text, primary_key=True),
        sa.Column("instance", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("updated", sa.Float, nullable=False),
    )
    op.create_table(
        "places",
        sa.Column("site", sa.Text, primary_key=True),
        sa.Column("token", sa.Text, primary_key=True),
        sa.Column("execution_id", sa.String(32), nullable=False, index=True),
        sa.Column("taken", sa.Float, nullable=False),
    )
    op.add_column("executions", sa.Column("outputs", sa.Text))
    op.add_column("ledger", sa.Column("fingerprint", sa.String(64)))
    op.add_column("ledger", sa.Column("cancel_requested", sa.Float))
    op.add_column("events", sa.Column("instance", sa.Text))

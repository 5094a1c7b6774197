"""The state that a node comes back to when an operation of it succeeds after one that failed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column; what had failed was started before, as far as is known."""
    op.add_column("instances", sa.Column("before", sa.Text))
    op.execute("UPDATE instances SET before = 'started' WHERE state = 'error'")

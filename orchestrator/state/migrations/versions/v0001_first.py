"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables. On SQLite, where texts have no length, they are those that version 1 made by itself."""
    op.create_table("orch_schema", sa.Column("version", sa.Integer, primary_key=True))
    op.create_table(
        "deployments",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("topology", sa.LargeBinary, nullable=False),
        sa.Column("inputs", sa.Text, nullable=False),
        sa.Column("matches", sa.Text, nullable=False),
        sa.Column("site_files", sa.Text, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("updated", sa.Float, nullable=False),
    )
    living = sa.text("status != 'undeployed'")
    op.create_index(
        "deployments_living_name", "deployments", ["name"], unique=True, sqlite_where=living, postgresql_where=living
    )
    op.create_table(
        "instances",
        sa.Column("deployment_id", sa.String(32), primary_key=True),
        sa.Column("node", sa.Text, primary_key=True),
        sa.Column("instance", sa.Text, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("updated", sa.Float, nullable=False),
    )
    op.create_table(
        "executions",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("deployment_id", sa.String(32), nullable=False, index=True),
        sa.Column("workflow", sa.Text, nullable=False),
        sa.Column("status", sa.String(20), nullable=False, index=True),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("inputs", sa.Text, nullable=False),
        sa.Column("plan", sa.LargeBinary, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("cancel_requested", sa.Float),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("started", sa.Float),
        sa.Column("ended", sa.Float),
        sa.Column("failure", sa.Text),
    )
    op.create_table(
        "ledger",
        sa.Column("execution_id", sa.String(32), primary_key=True),
        sa.Column("step", sa.Text, primary_key=True),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("started", sa.Float, nullable=False),
        sa.Column("ended", sa.Float),
        sa.Column("failure", sa.Text),
    )
    op.create_table(
        "jobs",
        sa.Column("execution_id", sa.String(32), primary_key=True),
        sa.Column("node", sa.Text, primary_key=True),
        sa.Column("generation", sa.Integer, primary_key=True),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("reference", sa.Text, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("seen", sa.Boolean, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("ended", sa.Float),
    )
    op.create_table(
        "outputs",
        sa.Column("deployment_id", sa.String(32), primary_key=True),
        sa.Column("execution_id", sa.String(32), primary_key=True),
        sa.Column("node", sa.Text, primary_key=True),
        sa.Column("instance", sa.Text, primary_key=True),
        sa.Column("interface", sa.Text, primary_key=True),
        sa.Column("operation", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("updated", sa.Float, nullable=False),
    )
    op.create_table(
        "events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("execution_id", sa.String(32), nullable=False, index=True),
        sa.Column("time", sa.Float, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("level", sa.String(10), nullable=False),
        sa.Column("step", sa.Text),
        sa.Column("node", sa.Text),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("data", sa.Text),
    )
    op.create_table(
        "processes",
        sa.Column("execution_id", sa.String(32), nullable=False, index=True),
        sa.Column("pid", sa.Integer, primary_key=True),
        sa.Column("start_time", sa.Float, primary_key=True),
    )

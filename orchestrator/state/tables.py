"""The tables of the store."""

from __future__ import annotations

import sqlalchemy as sa

SCHEMA = "orch"
"""Where the tables are on PostgreSQL."""

HEAD = "0004"
"""The newest revision in :mod:`orchestrator.state.migrations`, which makes the tables that are described here."""

metadata = sa.MetaData()

version = sa.Table("alembic_version", metadata, sa.Column("version_num", sa.String(32), primary_key=True))

deployments = sa.Table(
    "deployments",
    metadata,
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
# a name belongs to one living deployment; the undeployed ones are history
# (as plain SQL: an Index with conditions for both databases loads both dialects, which every command would wait for)
_LIVING_NAME = "CREATE UNIQUE INDEX deployments_living_name ON deployments (name) WHERE status != 'undeployed'"
sa.event.listen(deployments, "after_create", lambda _, connection, **__: connection.exec_driver_sql(_LIVING_NAME))

instances = sa.Table(
    "instances",
    metadata,
    sa.Column("deployment_id", sa.String(32), primary_key=True),
    sa.Column("node", sa.Text, primary_key=True),
    sa.Column("instance", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("updated", sa.Float, nullable=False),
    # of an instance whose operation failed: the state that it comes back to
    sa.Column("before", sa.Text),
)

attributes = sa.Table(
    "attributes",
    metadata,
    sa.Column("deployment_id", sa.String(32), primary_key=True),
    sa.Column("node", sa.Text, primary_key=True),
    sa.Column("instance", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("updated", sa.Float, nullable=False),
)

executions = sa.Table(
    "executions",
    metadata,
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
    sa.Column("outputs", sa.Text),
)

ledger = sa.Table(
    "ledger",
    metadata,
    sa.Column("execution_id", sa.String(32), primary_key=True),
    sa.Column("step", sa.Text, primary_key=True),
    sa.Column("status", sa.String(20), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("started", sa.Float, nullable=False),
    sa.Column("ended", sa.Float),
    sa.Column("failure", sa.Text),
    sa.Column("fingerprint", sa.String(64)),
    sa.Column("cancel_requested", sa.Float),
)

jobs = sa.Table(
    "jobs",
    metadata,
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

outputs = sa.Table(
    "outputs",
    metadata,
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

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("execution_id", sa.String(32), nullable=False, index=True),
    sa.Column("time", sa.Float, nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("level", sa.String(10), nullable=False),
    sa.Column("step", sa.Text),
    sa.Column("node", sa.Text),
    sa.Column("instance", sa.Text),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("data", sa.Text),
)

processes = sa.Table(
    "processes",
    metadata,
    sa.Column("execution_id", sa.String(32), nullable=False, index=True),
    sa.Column("host", sa.Text, primary_key=True),
    sa.Column("pid", sa.Integer, primary_key=True),
    sa.Column("start_time", sa.Float, primary_key=True),
)

places = sa.Table(
    "places",
    metadata,
    sa.Column("site", sa.Text, primary_key=True),
    sa.Column("token", sa.Text, primary_key=True),
    sa.Column("execution_id", sa.String(32), nullable=False, index=True),
    sa.Column("taken", sa.Float, nullable=False),
)
"""Jobs that count against what a site takes at once."""

"""Processes are known with their machines; the version is alembic's."""

from __future__ import annotations

import socket

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Give every process its machine: until now, there was only this one."""
    op.drop_table("orch_schema")
    op.drop_index("ix_processes_execution_id", "processes")
    op.rename_table("processes", "processes_before")
    op.create_table(
        "processes",
        sa.Column("execution_id", sa.String(32), nullable=False, index=True),
        sa.Column("host", sa.Text, primary_key=True),
        sa.Column("pid", sa.Integer, primary_key=True),
        sa.Column("start_time", sa.Float, primary_key=True),
    )
    op.execute(
        sa.text(
            "INSERT INTO processes (execution_id, host, pid, start_time)"
            " SELECT execution_id, :host, pid, start_time FROM processes_before"
        ).bindparams(host=socket.gethostname())
    )
    op.drop_table("processes_before")
